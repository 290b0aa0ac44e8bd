"""Files are written whole or not at all; this is the only module that opens one for writing.

Arrays travel as safetensors with a JSON header: nothing in such a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadFile

HEADER = "workbench"


def folder(path: str | Path) -> Path:
    """Make a folder, with its parents, and prove that it can be written to."""
    path = Path(path).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle, probe = tempfile.mkstemp(dir=path, prefix=".probe-")
        os.close(handle)
        os.unlink(probe)
    except OSError as problem:
        raise _unwritable(path, problem) from problem
    return path


def cache(*parts: str) -> Path:
    """Return a folder for what can be made again, such as trained references; WORKBENCH_CACHE moves it."""
    home = os.environ.get("WORKBENCH_CACHE") or Path.home() / ".cache" / "interpretability-workbench"
    return folder(Path(home).joinpath(*parts))


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file beside its place and move it there: a reader sees the old file or the new one."""
    path = Path(path).expanduser()
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as problem:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(problem, OSError):
            raise _unwritable(path, problem) from problem
        raise
    return path


def write_text(path: str | Path, text: str) -> Path:
    """Write UTF-8 text, whole or not at all."""
    return write_bytes(path, text.encode("utf-8"))


def write_json(path: str | Path, content: Any) -> Path:
    """Write JSON that a person can read and any parser accepts (NaN becomes null)."""
    return write_text(path, json.dumps(plain(content), indent=1, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(Path(path).expanduser().read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise BadFile(
            f"{path} cannot be read ({problem})", "a JSON file written by the workbench", "Check the path"
        ) from problem


def write_tensors(path: str | Path, tensors: dict[str, np.ndarray], header: dict[str, Any]) -> Path:
    """Write arrays and a JSON header as one safetensors file."""
    return write_bytes(path, pack_tensors(tensors, header))


def pack_tensors(tensors: dict[str, np.ndarray], header: dict[str, Any]) -> bytes:
    """Return the bytes of :func:`write_tensors`."""
    from safetensors.numpy import save

    arrays = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    return save(arrays, metadata={HEADER: json.dumps(plain(header), allow_nan=False)})


def read_tensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`write_tensors` wrote: the arrays and the header."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(Path(path).expanduser()), framework="numpy") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as problem:
        raise BadFile(
            f"{path} cannot be read ({type(problem).__name__}: {problem})",
            "a safetensors file written whole by the workbench",
            "Check the path, or write the file again",
        ) from problem


def sha256(content: bytes) -> str:
    """Return the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def plain(value: Any) -> Any:
    """Turn numpy scalars, arrays, tensors, tuples, paths and NaN into what JSON knows."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


def _unwritable(path: Path, problem: OSError) -> BadFile:
    reason = problem.strerror or type(problem).__name__
    return BadFile(f"{path} cannot be written ({reason})", "a folder that you may write to and a disk with room",
                   "Choose another path, or free the space")  # fmt: skip
