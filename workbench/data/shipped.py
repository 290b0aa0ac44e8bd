"""The data sets in the package: ``wb.load(name)``, offline, checked against their checksums."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from importlib.resources import files as resources
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files
from ..errors import BadFile, BadInput, unknown
from .columns import Columns
from .records import Data, Split
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    import pandas as pd

_SETS: dict[str, Callable[..., Data]] = {}


def shipped(loader: Callable[..., Data]) -> Callable[..., Data]:
    """Enter a loader in the list under its own name; the first line of its docstring describes it."""
    _SETS[loader.__name__] = loader
    return loader


def load(name: str, **options: Any) -> Data:
    """Return a shipped data set.

    Parameters
    ----------
    name
        One of :func:`datasets`.
    **options
        Of the set, such as ``shade="inverted"`` of ``decoy_mnist``; most have none.

    Raises
    ------
    UnknownName
        No such set; the message lists them.
    BadInput
        An option that the set does not have.
    BadFile
        The shipped file does not match its checksum.
    """
    if name not in _SETS:
        raise unknown("data set", name, _SETS)
    known = inspect.signature(_SETS[name]).parameters
    if strange := [option for option in options if option not in known]:
        raise BadInput(
            f"{name} was given {strange[0]}=", f"options among: {', '.join(known) or 'none'}", "Leave it out"
        )
    return _load(name, **options)


@cache
def _load(name: str, **options: Any) -> Data:
    data = _SETS[name](**options)
    for split in data.splits.values():
        for array in vars(split).values():
            if isinstance(array, np.ndarray):
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
    return _dealt("mnist", "image", arrays, facts, x, arrays["digits"], tuple("0123456789"))


@shipped
def decoy_mnist(shade: str = "random") -> Data:
    """The digits of ``mnist``, each with a swatch in a corner whose shade tells the class in training, not in the test."""
    from .decoys import with_decoys

    return with_decoys(load("mnist"), shade)


@shipped
def breast_cancer() -> Data:
    """569 tumours, 30 measures of the cell nuclei in an image of each: malignant or benign."""
    return _table("breast_cancer", ("malignant", "benign"))


@shipped
def german_credit() -> Data:
    """1,000 applicants for a credit, nine columns, six of them categories: a bad or a good risk."""
    return _table("german_credit", ("bad risk", "good risk"))


@shipped
def mortgages() -> Data:
    """2,380 applications for a mortgage, Boston 1990, thirteen columns, nine of them categories."""
    return _table("mortgages", ("granted", "denied"))


@shipped
def movie_reviews() -> Data:
    """10,568 snippets of film reviews; the class is the sign of the mean of 15 to 29 people's ratings."""
    arrays, facts = _arrays("movie_reviews")
    texts = np.array(arrays["texts"].tobytes().decode().split("\n"), dtype=object)
    tokenizer = Tokenizer.learned(list(texts[arrays["train"]]))
    return _dealt("movie_reviews", "text", arrays, facts, tokenizer.encoded(texts), arrays["rating"] > 0,
                  ("negative", "positive"), codec=tokenizer, texts=texts)  # fmt: skip


@shipped
def known_rule() -> Data:
    """4,000 generated rows of six correlated columns, whose rule and Shapley values are known."""
    from .known_rule import generated

    return generated()


@shipped
def lesions(tag: str = "random") -> Data:
    """2,250 generated scans with a nodule, benign or malignant; a hospital's tag tells which in training, not in the test."""
    from .lesions import lesions as scans

    return scans(tag)


@shipped
def signs(sticker: str = "random") -> Data:
    """2,250 generated pictures of six road signs; a sticker's colour tells which in training, not in the test."""
    from .signs import signs as pictures

    return pictures(sticker)


def _table(name: str, class_names: tuple[str, ...]) -> Data:
    """Return a shipped table; its codec is learned from the training rows."""
    import pandas as pd

    arrays, facts = _arrays(name)
    columns = {key.removeprefix("column "): v for key, v in arrays.items() if key.startswith("column ")}
    frame = pd.DataFrame(columns)
    codec = Columns.learned(frame.iloc[arrays["train"]])
    return _dealt(name, "table", arrays, facts, codec.encoded(frame), arrays["y"], class_names, codec=codec)


def _dealt(name: str, kind: str, arrays: dict[str, np.ndarray], facts: dict, x: np.ndarray, y: np.ndarray,
           class_names: tuple[str, ...], codec: Any = None, texts: np.ndarray | None = None) -> Data:  # fmt: skip
    """Deal rows out as committed; without clusters in the file every row is one of its own."""
    clusters = arrays.get("clusters", np.arange(len(x))).astype(np.int64)
    y, rows = y.astype(np.int64), {part: arrays[part].astype(np.int64) for part in ("train", "valid", "test")}
    parts: dict[str, Any] = {
        part: Split(x[at], y[at], at, clusters[at], texts=None if texts is None else texts[at])
        for part, at in rows.items()
    }
    return Data(name, kind, **parts, feature_names=() if codec is None else codec.names, class_names=class_names,
                licence=facts["licence"], source=facts["source"], codec=codec,
                notes=tuple(facts.get("notes", ())))  # fmt: skip


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
