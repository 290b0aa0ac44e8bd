"""An explanation in a file: arrays and a JSON header, whose schema docs/explanation_file.md publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..data.codecs import from_plain
from ..errors import BadFile
from .result import ARRAYS, Explanation

SCHEMA = 1  # It changes when a reader of the published page would go wrong.


def save(e: Explanation, path: str | Path) -> Path:
    """Write an explanation to one safetensors file."""
    tensors = {name: getattr(e, name) for name in ARRAYS if getattr(e, name) is not None}
    settings, arrays = _parted(e.settings)
    tensors |= {f"settings.{name}": array for name, array in arrays.items()}
    header = {name: value for name, value in vars(e).items() if name not in ARRAYS}
    header["codec"] = None if e.codec is None else e.codec.plain()
    header |= {"what": "explanation", "schema": SCHEMA, "settings": settings, "soundness": e.soundness}
    return files.write_tensors(path, tensors, header)


def _parted(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return settings that JSON can hold, and the arrays among them; those of a dict as ``name.key``."""
    plain, arrays = {}, {}
    for name, value in settings.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, dict) and any(isinstance(part, np.ndarray) for part in value.values()):
            plain[name], inner = _parted(value)
            arrays |= {f"{name}.{key}": array for key, array in inner.items()}
        else:
            plain[name] = value
    return plain, arrays


def _put(settings: dict[str, Any], name: str, array: np.ndarray) -> None:
    """Put an array back to where it was."""
    outer, _, key = name.partition(".")
    if key and isinstance(settings.get(outer), dict):
        _put(settings[outer], key, array)
    else:
        settings[name] = array


def load(path: str | Path) -> Explanation:
    """Read what :func:`save` wrote; what a later version added within the schema is ignored."""
    tensors, header = files.read_tensors(path)
    _check(path, header)
    settings = header["settings"]
    for name, array in tensors.items():
        if name.startswith("settings."):
            _put(settings, name.split(".", 1)[1], array)
    if header["labels"] is not None:
        header["labels"] = tuple(map(tuple, header["labels"]))
    header["codec"] = from_plain(header["codec"])
    header |= {k: tuple(header[k]) for k in ("feature_names", "class_names")}
    arrays: dict[str, Any] = {name: tensors.get(name) for name in ARRAYS}
    known = {name: header[name] for name in Explanation.__dataclass_fields__ if name in header}
    return Explanation(**arrays, **known)


def _check(path: str | Path, header: dict[str, Any]) -> None:
    if header.get("what") != "explanation":
        raise BadFile(f"{path} is not an explanation", "a file written by Explanation.save", "Check the path")
    if header.get("schema") != SCHEMA:
        raise BadFile(f"{path} has schema {header.get('schema')}", f"schema {SCHEMA}, the one that this version knows",
                      "Read it with the version that wrote it, or by hand: docs/explanation_file.md")  # fmt: skip
