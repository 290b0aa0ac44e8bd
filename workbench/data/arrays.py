"""Your own arrays as ``Data``: checked once, at the door."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import BadInput
from .columns import encoder, filled, numeric
from .dealing import kept_whole, numbered, stratified
from .kinds import KINDS
from .records import Data, Split
from .remarks import Remarks
from .tokenizer import Tokenizer

_READABLE = {
    "string",
    "boolean",
    "categorical",
    "integer",
    "floating",
    "mixed-integer-float",
    "mixed-integer",
    "empty",
}


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
    """Make ``Data`` of arrays: images, a table of numbers or a data frame, or texts.

    Parameters
    ----------
    x
        ``(n, channel, row, column)`` images in [0, 1]; ``(n, column)`` numbers, or a data frame, whose words
        become categories and may be missing; or a list of texts. Numbers are standardized with the mean
        and standard deviation of the training rows, which also give a text's vocabulary.
    y
        Class of each row, ``(n,)``: integers from 0, or names.
    class_names
        One a class. With names in ``y`` they give the order; by default it is alphabetical.
    kind
        "image", "table" or "text"; by default told from x.
    name
        What the data set is called on pages.
    feature_names, class_names
        Of columns and classes; numbered when left out, or those of the data frame.
    splits
        Positions of the rows of "train", "valid" and "test"; by default 70, 10 and 20 % of them,
        stratified by class. Rows of one cluster always stay in one split. Given rows keep their order, and
        ``compare`` takes the first rows of test: shuffle them if they are sorted by class.
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
    rows = _rows(x)
    y, class_names = _classes(y, class_names)
    kind = _kind(kind, rows)
    if len(rows) != len(y):
        raise BadInput(
            f"x has {len(rows)} rows but y has {len(y)}", "one class a row", "Pass arrays of one length"
        )
    clusters = np.arange(len(rows)) if clusters is None else numbered(clusters, len(rows))
    positions = stratified(y, clusters, seed) if splits is None else kept_whole(splits, clusters)
    remarks = Remarks(name)
    names, codec, x = _encoded(rows, kind, feature_names, positions["train"], remarks)
    mask = None if evidence is None else np.asarray(evidence, dtype=bool)
    if mask is not None and mask.shape != x.shape:
        raise BadInput(f"evidence has shape {mask.shape}", f"the shape of x, {x.shape}", "Give a mask a row")
    parts: dict[str, Any] = {
        part: Split(x[at], y[at], at, clusters[at], None if mask is None else mask[at],
                    texts=rows[at] if kind == "text" else None)
        for part, at in positions.items()
    }  # fmt: skip
    return Data(name, kind, **parts, feature_names=names, class_names=class_names, licence=licence,
                source=source, codec=codec, notes=tuple(remarks.notes))  # fmt: skip


def _rows(x) -> np.ndarray | pd.DataFrame:
    """Return a data frame as it is, texts as an array of strings, anything else as an array of numbers."""
    if isinstance(x, pd.DataFrame):
        return x
    array = np.asarray(x)
    if array.ndim == 1 and len(array) and isinstance(array[0], str):
        if strange := [i for i, text in enumerate(array) if not isinstance(text, str)]:
            found = type(array[strange[0]]).__name__
            raise BadInput(
                f"Text {strange[0]} is a {found}", "a string in every row", "Fill or drop those rows"
            )
        return np.array([str(text) for text in array], dtype=object)
    return _numbers(x)


def _encoded(
    rows: np.ndarray | pd.DataFrame, kind: str, names, train: np.ndarray, remarks: Remarks
) -> tuple[tuple[str, ...], Any, np.ndarray]:
    """Return the names of the features, the codec that was learned from training rows, and ``x``."""
    if kind == "text":
        tokenizer = Tokenizer.learned(list(rows[train]))
        return (), tokenizer, tokenizer.encoded(rows)
    if isinstance(rows, pd.DataFrame):
        frame = _checked(rows, names)
        columns = encoder(frame, train)
        return columns.names, columns, columns.encoded(filled(frame, columns, remarks))
    names = _feature_names(names, kind, rows.shape[1])
    if kind == "table":
        columns = numeric(names, rows, train)
        return names, columns, columns.encoded(pd.DataFrame(rows, columns=list(names)))
    if rows.min() < 0 or rows.max() > 1:
        raise BadInput(
            f"Pixels run from {rows.min():.3g} to {rows.max():.3g}", "values in [0, 1]", "Divide by 255"
        )
    return names, None, rows


def _checked(frame: pd.DataFrame, names) -> pd.DataFrame:
    """Return a frame whose columns have names of their own and hold numbers, words or truths."""
    named = frame.set_axis(
        list(_feature_names(frame.columns if names is None else names, "table", frame.shape[1])), axis=1
    )
    for name in named:
        what = pd.api.types.infer_dtype(named[name], skipna=True)
        if what not in _READABLE:
            raise BadInput(f"Column {name!r} holds {what} values", "numbers, words or true and false in every column",
                           "Turn it into a number, such as days since a date, or into words, or drop it")  # fmt: skip
    return named.reset_index(drop=True)


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


def _kind(kind: str | None, rows: np.ndarray | pd.DataFrame) -> str:
    if isinstance(rows, pd.DataFrame):
        told, what = "table", "is a data frame"
    elif rows.dtype == object:
        told, what = "text", "holds strings"
    else:
        told, what = "image" if rows.ndim == 4 else "table", f"has {rows.ndim} axes"
    if kind not in (None, told):
        raise BadInput(f"kind is {kind!r} but x {what}", f"{told!r} for such an array (of {tuple(KINDS)})",
                       "Leave kind out")  # fmt: skip
    return told


def _feature_names(names, kind: str, n: int) -> tuple[str, ...]:
    if kind == "image":
        return ()
    names = tuple(map(str, names)) if names is not None else tuple(f"column {i}" for i in range(n))
    if len({*names}) != n or len(names) != n:
        raise BadInput(f"{len(names)} feature names, {len({*names})} different ones, for {n} columns",
                       "a name of its own for each column", "Match them")  # fmt: skip
    return names
