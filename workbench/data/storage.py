"""Data on disk: one safetensors file, so that every notebook of a walk reads the very rows of the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import files
from ..errors import BadFile
from .codecs import from_plain
from .records import Data, Split

WHAT = "workbench data, version 1"
ARRAYS = ("x", "y", "row_ids", "clusters", "evidence", "shortcut", "without_evidence", "without_shortcut")
FACTS = ("name", "kind", "feature_names", "class_names", "licence", "source", "notes")


def keep(data: Data, path: str | Path) -> Path:
    """Write data whole or not at all; images of whole grey levels take a byte a pixel.

    Parameters
    ----------
    data
        What to keep.
    path
        Of the file; its folder is made.
    """
    tensors: dict[str, np.ndarray] = {}
    for part, split in data.splits.items():
        tensors |= {
            f"{part}.{name}": getattr(split, name) for name in ARRAYS if getattr(split, name) is not None
        }
        tensors[f"{part}.x"] = _as_bytes(split.x)
        if split.texts is not None:
            tensors |= {f"{part}.texts": _joined(split.texts)}
    header = {"what": WHAT, **{name: getattr(data, name) for name in FACTS}, "fingerprint": data.fingerprint}
    header["codec"] = None if data.codec is None else data.codec.plain()
    return files.write_tensors(path, tensors, header)


def take(path: str | Path) -> Data:
    """Read what :func:`keep` wrote.

    Raises
    ------
    BadFile
        The file is damaged, foreign or was altered.
    """
    tensors, header = files.read_tensors(path)
    if header.get("what") != WHAT:
        raise BadFile(
            f"{path} holds no data of the workbench", "a file written by a report", "Check the path"
        )
    parts = {part: _split(part, tensors) for part in ("train", "valid", "test")}
    facts: Any = {name: tuple(v) if isinstance(v := header[name], list) else v for name in FACTS}
    data = Data(**(facts | parts), codec=from_plain(header["codec"]))
    if data.fingerprint != header["fingerprint"]:
        raise BadFile(f"The rows in {path} are not those that were kept", f"fingerprint {header['fingerprint'][:16]}",
                      "Make the report again into a new folder")  # fmt: skip
    return data


def _split(part: str, tensors: dict[str, np.ndarray]) -> Split:
    own: dict[str, Any] = {k.partition(".")[2]: v for k, v in tensors.items() if k.startswith(f"{part}.")}
    if own["x"].dtype == np.uint8:
        own["x"] = own["x"].astype(np.float32) / 255
    if "texts" in own:
        own["texts"] = _parted(own["texts"])
    return Split(**own)


def _as_bytes(x: np.ndarray) -> np.ndarray:
    """Return images as bytes where that loses nothing, bit for bit."""
    if x.ndim != 4:
        return x
    small = np.round(x * 255).clip(0, 255).astype(np.uint8)
    return small if np.array_equal(small.astype(np.float32) / 255, x) else x


def _joined(texts: np.ndarray) -> np.ndarray:
    """Return texts as bytes with a zero behind each; no text holds one, as none of the readers lets it in."""
    return np.frombuffer("".join(f"{text}\0" for text in texts).encode(), dtype=np.uint8).copy()


def _parted(content: np.ndarray) -> np.ndarray:
    return np.array(content.tobytes().decode().split("\0")[:-1], dtype=object)
