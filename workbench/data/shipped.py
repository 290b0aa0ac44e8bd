"""The data sets in the package: ``wb.load(name)``, offline, checked against their checksums."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files as resources
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..errors import BadFile, unknown
from .records import Data, Split

if TYPE_CHECKING:
    import pandas as pd

_SETS: dict[str, Callable[[], Data]] = {}


def shipped(loader: Callable[[], Data]) -> Callable[[], Data]:
    """Enter a loader in the list under its own name; the first line of its docstring describes it."""
    _SETS[loader.__name__] = loader
    return loader


def load(name: str) -> Data:
    """Return a shipped data set.

    Parameters
    ----------
    name
        One of :func:`datasets`.

    Raises
    ------
    UnknownName
        No such set; the message lists them.
    BadFile
        The shipped file does not match its checksum.
    """
    if name not in _SETS:
        raise unknown("data set", name, _SETS)
    return _load(name)


@lru_cache(maxsize=4)
def _load(name: str) -> Data:
    data = _SETS[name]()
    for split in data.splits.values():
        for array in vars(split).values():
            if array is not None:
                array.flags.writeable = False
    return data


def datasets() -> pd.DataFrame:
    """Return a table of the shipped data sets: name, kind, rows, classes, licence and source."""
    import pandas as pd

    sets = [load(name) for name in sorted(_SETS)]
    return pd.DataFrame(
        {
            "name": d.name,
            "kind": f"{d.kind} {'x'.join(map(str, d.input_shape))}",
            "rows": sum(map(len, d.splits.values())),
            "classes": d.n_classes,
            "licence": d.licence,
            "source": d.source,
        }
        for d in sets
    ).set_index("name")


@shipped
def mnist() -> Data:
    """5,000 real handwritten digits, 500 a class, in committed splits of 3,500, 500 and 1,000."""
    arrays, facts = _arrays("mnist")
    x = (arrays["pixels"].astype(np.float32) / 255)[:, None]
    y = arrays["digits"].astype(np.int64)
    rows = {part: arrays[part].astype(np.int64) for part in ("train", "valid", "test")}
    parts: dict[str, Any] = {part: Split(x[at], y[at], at, at.copy()) for part, at in rows.items()}
    return Data("mnist", "image", **parts, feature_names=(), class_names=tuple("0123456789"),
                licence=facts["licence"], source=facts["source"])  # fmt: skip


def _arrays(name: str) -> tuple[dict[str, np.ndarray], dict]:
    """Read a shipped file, but only if it is the very one that was committed."""
    home = resources(__package__) / "files"
    content, facts = (home / f"{name}.npz").read_bytes(), files.read_json(str(home / f"{name}.json"))
    if files.sha256(content) != facts["sha256"]:
        raise BadFile(
            f"The shipped file {name}.npz has SHA-256 {files.sha256(content)[:16]}...",
            f"{facts['sha256'][:16]}..., as committed",
            "Install the package again",
        )
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays), facts
