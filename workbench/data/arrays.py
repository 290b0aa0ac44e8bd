"""Your own arrays as ``Data``: checked once, at the door."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import BadInput
from .columns import numeric
from .kinds import KINDS
from .records import Data, Split

_FRACTIONS = {"valid": 0.1, "test": 0.2}


def from_arrays(
    x,
    y,
    *,
    kind: str | None = None,
    name: str = "arrays",
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    splits: dict[str, Sequence[int]] | None = None,
    clusters=None,
    evidence=None,
    seed: int = 0,
    licence: str = "not stated",
    source: str = "not stated",
) -> Data:
    """Make ``Data`` of arrays: images, or a numeric table.

    Parameters
    ----------
    x
        ``(n, channel, row, column)`` images in [0, 1], or ``(n, column)`` numbers. Tables are
        standardized with the mean and standard deviation of the training rows.
    y
        Class of each row, ``(n,)``: integers from 0, or names.
    class_names
        One a class. With names in ``y`` they give the order; by default it is alphabetical.
    kind
        "image" or "table"; by default told from the number of axes.
    name
        What the data set is called on pages.
    feature_names, class_names
        Of columns and classes; numbered when left out.
    splits
        Positions of the rows of "train", "valid" and "test"; by default 70, 10 and 20 % of them,
        stratified by class. Rows of one cluster always stay in one split.
    clusters
        Rows that belong together (one patient, one writer), ``(n,)``; intervals resample clusters.
    evidence
        Boolean masks of the shape of ``x``: where the class truly is, if you know.
    seed
        Of the split.
    licence, source
        Said on every page.

    Raises
    ------
    BadInput
        Lengths differ, NaN or infinite values, missing labels, fewer than two classes, a class with fewer
        than three rows or clusters, pixels outside [0, 1], splits that overlap, are empty or tear a
        cluster apart.
    """
    x = _numbers(x)
    y, class_names = _classes(y, class_names)
    kind = _kind(kind, x)
    if len(x) != len(y):
        raise BadInput(
            f"x has {len(x)} rows but y has {len(y)}", "one class a row", "Pass arrays of one length"
        )
    clusters = np.arange(len(x)) if clusters is None else _clusters(clusters, len(x))
    positions = _stratified(y, clusters, seed) if splits is None else _given(splits, clusters)
    names, codec = _feature_names(feature_names, kind, x), None
    if kind == "table":
        codec = numeric(names, x, positions["train"])
        x = codec.encoded(pd.DataFrame(x, columns=list(names)))
    elif x.min() < 0 or x.max() > 1:
        raise BadInput(f"Pixels run from {x.min():.3g} to {x.max():.3g}", "values in [0, 1]", "Divide by 255")
    mask = None if evidence is None else np.asarray(evidence, dtype=bool)
    if mask is not None and mask.shape != x.shape:
        raise BadInput(f"evidence has shape {mask.shape}", f"the shape of x, {x.shape}", "Give a mask a row")
    parts = {
        part: Split(x[rows], y[rows], rows, clusters[rows], None if mask is None else mask[rows])
        for part, rows in positions.items()
    }
    return Data(name, kind, **parts, feature_names=names, class_names=class_names, licence=licence,
                source=source, codec=codec)  # fmt: skip


def _numbers(x) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.kind not in "fiub" or array.ndim not in (2, 4):
        raise BadInput(
            f"x has shape {array.shape} and type {array.dtype}",
            "numbers of shape (n, channel, row, column) or (n, column)",
            "Add the missing axis, or encode the columns as numbers",
        )
    array = array.astype(np.float32)
    if len(array) == 0 or not np.isfinite(array).all():
        bad = "no rows" if len(array) == 0 else f"NaN or infinite values, first in row {_first_bad(array)}"
        raise BadInput(f"x has {bad}", "finite numbers in every row", "Fill or drop those rows")
    return array


def _first_bad(array: np.ndarray) -> int:
    return int(np.argmax(~np.isfinite(array).reshape(len(array), -1).all(1)))


def _classes(y, class_names) -> tuple[np.ndarray, tuple[str, ...]]:
    y = np.asarray(y)
    if y.ndim != 1:
        raise BadInput(
            f"y has shape {y.shape}", "one class a row, (n,)", "Pass class indices, not one-hot rows"
        )
    if y.dtype.kind == "f" or pd.isna(y).any():
        raise BadInput(f"y has type {y.dtype} and {pd.isna(y).sum()} missing labels", "a class index or a name in every row",
                       "Drop those rows; turn numbers into integers, or cut them into classes")  # fmt: skip
    if y.dtype.kind in "iub" and (len(y) == 0 or y.min() >= 0):
        index = y.astype(np.int64)
        names = range(int(index.max(initial=-1)) + 1) if class_names is None else class_names
    else:
        names = np.unique(y.astype(str)).tolist() if class_names is None else class_names
        index = _looked_up(y.astype(str), names)
    names = tuple(map(str, names))
    counts = np.bincount(index, minlength=len(names))
    if len(counts) > len(names) or len(names) < 2 or counts.min() < 3:
        raise BadInput(
            f"Rows a class: {dict(zip(map(str, range(len(counts))), counts.tolist(), strict=True))} "
            f"for {len(names)} class names",
            "at least two classes, each named and with three rows or more",
            "Check the labels, or leave the rare classes out",
        )
    return index, names


def _looked_up(y: np.ndarray, names: Sequence[str]) -> np.ndarray:
    places = {str(name): place for place, name in enumerate(names)}
    if strange := sorted({*y.tolist()} - {*places}):
        raise BadInput(
            f"y holds the class {strange[0]!r}", f"classes among {[*places]}", "Add it to class_names"
        )
    return np.array([places[name] for name in y.tolist()], dtype=np.int64)


def _kind(kind: str | None, x: np.ndarray) -> str:
    told = "image" if x.ndim == 4 else "table"
    if kind not in (None, told):
        raise BadInput(f"kind is {kind!r} but x has {x.ndim} axes", f"{told!r} for such an array (of {tuple(KINDS)})",
                       "Leave kind out")  # fmt: skip
    return told


def _clusters(clusters, n: int) -> np.ndarray:
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    if numbers.shape != (n,):
        raise BadInput(f"clusters has shape {numbers.shape}", f"one number a row, ({n},)", "Pass one a row")
    return numbers.astype(np.int64)


def _stratified(y: np.ndarray, clusters: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Deal whole clusters out, class by class (a cluster counts for the class of its first row)."""
    rng = np.random.default_rng(seed)
    _, first = np.unique(clusters, return_index=True)
    dealt: dict[str, list[np.ndarray]] = {"train": [], "valid": [], "test": []}
    for label in np.unique(y):
        own = rng.permutation(clusters[first][y[first] == label])
        if len(own) in (1, 2):
            raise BadInput(f"Class {label} has {len(own)} clusters", "at least three, one for each split",
                           "Give splits, or leave the class out")  # fmt: skip
        n_test, n_valid = (max(1, round(len(own) * _FRACTIONS[part])) for part in ("test", "valid"))
        dealt["test"].append(own[:n_test])
        dealt["valid"].append(own[n_test : n_test + n_valid])
        dealt["train"].append(own[n_test + n_valid :])
    return {
        part: rng.permutation(np.flatnonzero(np.isin(clusters, np.concatenate(chosen))))
        for part, chosen in dealt.items()
    }


def _given(splits: dict[str, Sequence[int]], clusters: np.ndarray) -> dict[str, np.ndarray]:
    if set(splits) != {"train", "valid", "test"} or not all(map(len, splits.values())):
        sizes = {part: len(rows) for part, rows in splits.items()}
        raise BadInput(f"splits has the rows {sizes}", "rows for train, valid and test", "Name all three")
    positions = {part: np.asarray(splits[part], dtype=np.int64) for part in ("train", "valid", "test")}
    together, n = np.concatenate(list(positions.values())), len(clusters)
    if len(np.unique(together)) != len(together) or not np.isin(together, np.arange(n)).all():
        raise BadInput("splits share rows or point outside x", f"each row of 0 to {n - 1} at most once",
                       "Deal the rows out again")  # fmt: skip
    dealt = np.concatenate([np.unique(clusters[rows]) for rows in positions.values()])
    if len(np.unique(dealt)) != len(dealt):
        raise BadInput(
            "splits tear a cluster apart", "every row of a cluster in one split", "Deal whole clusters out"
        )
    return positions


def _feature_names(names, kind: str, x: np.ndarray) -> tuple[str, ...]:
    if kind == "image":
        return ()
    names = tuple(map(str, names)) if names is not None else tuple(f"column {i}" for i in range(x.shape[1]))
    if len({*names}) != x.shape[1] or len(names) != x.shape[1]:
        raise BadInput(f"{len(names)} feature names, {len({*names})} different ones, for {x.shape[1]} columns",
                       "a name of its own for each column", "Match them")  # fmt: skip
    return names
