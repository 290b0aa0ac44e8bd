"""The label column of a user's file: which rows have one, and which classes there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .remarks import Remarks, counted, several

GAPS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "?", "#N/A")  # "-" may be a class, beside "+"
MOST_CLASSES = 50
MEASURED = 10  # different fractions from which a label is a measurement
FEWEST_A_CLASS, FEWEST_ROWS = 3, 10
CUT = "Cut it into classes first, such as pd.qcut(values, 3, labels=['low', 'middle', 'high'])"


@dataclass(frozen=True)
class Labels:
    """The classes of the rows that have one.

    Attributes
    ----------
    kept
        Positions of those rows.
    y
        Their class numbers.
    names
        Of the classes.
    """

    kept: np.ndarray
    y: np.ndarray
    names: tuple[str, ...]


def classes(values: pd.Series, lines: np.ndarray, name: str, remarks: Remarks) -> Labels:
    """Return the classes in a label column that was read as it is written.

    Parameters
    ----------
    values
        The words, NaN where there is none.
    lines
        Line of each in the file.
    name
        Of the column.
    remarks
        Where left-out rows are noted.

    Raises
    ------
    BadInput
        One class, too many, a rare one, a measurement instead of classes, too few rows.
    """
    words = values.str.strip()
    missing = (words.isna() | words.isin(GAPS)).to_numpy()
    if missing.any():
        first = int(lines[np.argmax(missing)])
        _left_out(int(missing.sum()), first, len(values), name, remarks)
    kept = np.flatnonzero(~missing)
    found, y = _sorted(words.to_numpy(object)[kept])
    _check(found, y, lines[kept], name, remarks)
    return Labels(kept, y, tuple(found))


def _left_out(n: int, first: int, rows: int, name: str, remarks: Remarks) -> None:
    if n == rows:
        remarks.unusable(f"The label column {name!r} is empty in every row, first in line {first}", "a class in every row",
                         "Name another column as label")  # fmt: skip
    remarks.warn(f"The label {name!r} is missing in {counted(n, 'row')}, first in line {first}; "
                 f"{'it was' if n == 1 else 'they were'} left out.")  # fmt: skip


def _sorted(words: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Return classes, numbers in their order and words in the alphabet's, and the class of each row."""
    codes, found = pd.factorize(words)
    names = [_whole(str(word)) for word in found]
    numbers = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce").to_numpy()
    order = np.argsort(numbers, kind="stable") if not np.isnan(numbers).any() else np.argsort(np.array(names))
    places: dict[str, int] = {}
    for place in order:
        places.setdefault(names[place], len(places))
    return list(places), np.array([places[name] for name in names], dtype=np.int64)[codes]


def _whole(word: str) -> str:
    """Return ``1.0`` as ``1``: what a column of whole numbers with gaps becomes on its way through pandas."""
    return word[:-2] if word.endswith(".0") and word[:-2].lstrip("-").isdigit() else word


def _check(names: Sequence[str], y: np.ndarray, lines: np.ndarray, name: str, remarks: Remarks) -> None:
    if len(y) < FEWEST_ROWS:
        remarks.unusable(
            f"There are {counted(len(y), 'row')} with a label", f"{FEWEST_ROWS} or more", "Collect more rows"
        )
    if len(names) == 1:
        remarks.unusable(f"The label {name!r} has one class, {names[0]!r}, from line {lines[0]} on", "at least two classes",
                         "Name another column as label, or add rows of another class")  # fmt: skip
    numbers = pd.to_numeric(pd.Series(names, dtype=object), errors="coerce").to_numpy()
    if len(names) > MEASURED and not np.isnan(numbers).any() and (numbers % 1 != 0).any():
        first = lines[y == int(np.argmax(numbers % 1 != 0))][0]
        remarks.unusable(f"The label {name!r} holds {len(names):,} different fractions (line {first}: {names[y[lines == first][0]]}): a measurement, not classes",
                         "a class in every row", CUT)  # fmt: skip
    counts = np.bincount(y, minlength=len(names))
    if len(names) > MOST_CLASSES:
        advice = (
            CUT if not np.isnan(numbers).any() else "Name another column as label, or put classes together"
        )
        remarks.unusable(f"The label {name!r} has {len(names):,} different values in {counted(len(y), 'row')}, such as {several(names, 3)}",
                         f"at most {MOST_CLASSES} classes", advice)  # fmt: skip
    if counts.min() < FEWEST_A_CLASS:
        rare = int(np.argmin(counts))
        remarks.unusable(f"Class {names[rare]!r} of the label {name!r} has {counted(int(counts[rare]), 'row')}, first in line {lines[y == rare][0]}",
                         f"{FEWEST_A_CLASS} rows or more of every class, one for each split", "Leave these rows out, or put classes together")  # fmt: skip
