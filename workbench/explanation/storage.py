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
    settings = {k: v for k, v in e.settings.items() if not isinstance(v, np.ndarray)}
    tensors |= {f"settings.{k}": v for k, v in e.settings.items() if isinstance(v, np.ndarray)}
    header = {name: value for name, value in vars(e).items() if name not in ARRAYS}
    header["codec"] = None if e.codec is None else e.codec.plain()
    header |= {"what": "explanation", "schema": SCHEMA, "settings": settings, "soundness": e.soundness}
    return files.write_tensors(path, tensors, header)


def load(path: str | Path) -> Explanation:
    """Read what :func:`save` wrote; what a later version added within the schema is ignored."""
    tensors, header = files.read_tensors(path)
    _check(path, header)
    settings = header["settings"]
    settings |= {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith("settings.")}
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
