"""Rows as a model takes them, made into ``Data`` without a change: for judging a model, not for training one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import BadInput
from .records import Data, Split
from .shipped import load

NOTE = "Rows were given as arrays, are taken as the models take them, and are all compared; a column's mean stands for its absence"


def as_data(given: Any) -> Data:
    """Return ``Data`` as it is, a shipped set by its name, or that of a pair ``(x, y)`` of arrays.

    Parameters
    ----------
    given
        ``Data``; a name of ``wb.datasets()``; ``(x, y)`` with images ``(n, channel, row, column)`` or numbers
        ``(n, column)``, finite, and classes ``(n,)``, whole numbers from 0.

    Raises
    ------
    BadInput
        Something else, lengths that differ, NaN, classes that are no whole numbers.
    UnknownName
        No such shipped set.
    """
    if isinstance(given, Data):
        return given
    if isinstance(given, str):
        return load(given)
    if isinstance(given, (tuple, list)) and len(given) == 2:
        return _of_arrays(*map(np.asarray, given))
    raise BadInput(f"data is a {type(given).__name__}", "Data, the name of a shipped set, or a pair of arrays (x, y)",
                   "Use wb.from_arrays")  # fmt: skip


def _of_arrays(x: np.ndarray, y: np.ndarray) -> Data:
    if x.ndim not in (2, 4) or x.dtype.kind not in "fiub" or not np.isfinite(x).all():
        raise BadInput(f"x is {x.dtype} of shape {x.shape}, or holds NaN", "images (n, channel, row, column) or numbers (n, column)",
                       "Use wb.from_arrays for texts and for columns of words, and fill or drop what is missing")  # fmt: skip
    if y.shape != (len(x),) or y.dtype.kind not in "iub" or not len(y) or y.min() < 0:
        raise BadInput(
            f"y is {y.dtype} of shape {y.shape} beside {len(x)} rows",
            "a class a row, whole numbers from 0",
            "Match them",
        )
    ids = np.arange(len(x))
    rows = Split(np.ascontiguousarray(x, np.float32), y.astype(np.int64), ids, ids)
    kind, columns = (
        ("image", ()) if x.ndim == 4 else ("table", tuple(f"column {i}" for i in range(x.shape[1])))
    )
    classes = tuple(map(str, range(int(y.max()) + 1)))
    return Data("arrays", kind, rows, rows, rows, columns, classes, notes=(NOTE,))
