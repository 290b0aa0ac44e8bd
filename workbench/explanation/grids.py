"""The columns of a table, each with the values at which a model is asked, in the units of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .space import Space

DECILES = np.arange(0.1, 1, 0.1)


@dataclass(frozen=True)
class Axis:
    """One original column of some rows.

    Attributes
    ----------
    name
        As in the data; "feature 3" where it has none.
    entries
        Which encoded columns stand for it.
    found
        What each row holds, ``(n,)``: a number, NaN where it is missing, or the place of its category.
    categories
        Those of the column, which are found in the rows; empty for a column of numbers.
    column
        What the codec knows of it, or None.
    """

    name: str
    entries: list[int]
    found: np.ndarray
    categories: tuple[str, ...] = ()
    column: Any = None

    def encoded(self, values: Sequence[Any]) -> np.ndarray:
        """Return numbers or categories as the model takes them, ``(value, entry)``."""
        import pandas as pd

        if self.column is None:
            return np.asarray(values, dtype=np.float32)[:, None]
        dtype = object if self.categories else float
        return self.column.encoded(pd.Series(list(values), dtype=dtype)).astype(np.float32)

    def said(self, value: Any) -> str:
        """Return a value beside the column's name, such as ``age = 35``."""
        return f"{self.name} = {value if isinstance(value, str) else format(value, '.4g')}"

    @property
    def present(self) -> np.ndarray:
        """The numbers that are not missing."""
        return self.found[~np.isnan(self.found)]


def axes(inputs: Space) -> list[Axis]:
    """Return the columns of a table's rows."""
    x = inputs.x.numpy(force=True).astype(np.float64)
    columns = getattr(inputs.codec, "columns", None)
    if columns is None:
        return [Axis(f"feature {j}", [j], x[:, j]) for j in range(x.shape[1])]
    return [_of_column(column, inputs.codec.members[column.name], x) for column in columns]


def _of_column(column: Any, entries: list[int], x: np.ndarray) -> Axis:
    here = x[:, entries]
    if not column.categories:
        return Axis(column.name, entries, column.decoded(here).astype(float), (), column)
    shares = here + np.array(column.means)
    places = np.where(shares.sum(1) < 0.5, -1, shares.argmax(1))  # -1: none of the known
    used = [i for i in range(len(column.categories)) if (places == i).any()]
    renumbered = np.array([used.index(p) if p >= 0 else np.nan for p in places], dtype=float)
    return Axis(column.name, entries, renumbered, tuple(column.categories[i] for i in used), column)


def spaced(axis: Axis, n_points: int) -> list[Any]:
    """Return the values at which a curve is drawn: all categories or, if they are few, numbers; else equal steps.

    Steps go from the 5 % to the 95 % quantile, as in scikit-learn: beyond them there are few rows.
    """
    from scipy.stats.mstats import mquantiles

    if axis.categories:
        return list(axis.categories)
    unique = np.unique(axis.present)
    if len(unique) <= n_points:
        return unique.tolist()
    low, high = mquantiles(axis.present, [0.05, 0.95])
    return np.linspace(low, high, n_points).tolist() if low < high else [float(low)]


def edges(axis: Axis, n_bins: int) -> list[float]:
    """Return the edges of bins with about equally many rows, each a value that some row has."""
    found = np.quantile(axis.present, np.linspace(0, 1, n_bins + 1), method="inverted_cdf")
    return np.unique(found).tolist()


def rug(found: Sequence[Axis], grid: dict[str, list[Any]]) -> dict[str, list[float]]:
    """Return where the rows are: the deciles of each column of numbers, the share of each category of a grid."""
    return {axis.name: _shares(axis, grid[axis.name]) if axis.categories else np.quantile(axis.present, DECILES).tolist()
            for axis in found}  # fmt: skip


def _shares(axis: Axis, order: Sequence[str]) -> list[float]:
    return [float((axis.present == axis.categories.index(name)).mean()) for name in order]


def correlated(found: Sequence[Axis], x: torch.Tensor, least: float) -> list[list[Any]]:
    """Return pairs of columns whose rank correlation is at least so large, with it; of categories the largest of any."""
    from scipy.stats import rankdata

    ranks = rankdata(x.numpy(force=True), axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        every = np.abs(np.nan_to_num(np.atleast_2d(np.corrcoef(ranks, rowvar=False))))
    pairs: list[list[Any]] = [[a.name, b.name, float(every[np.ix_(a.entries, b.entries)].max())]
             for i, a in enumerate(found) for b in found[i + 1 :]]  # fmt: skip
    return sorted((pair for pair in pairs if pair[2] >= least), key=lambda pair: -pair[2])


def by_likeness(axis: Axis, others: Sequence[Axis]) -> np.ndarray:
    """Return the places of categories ordered so that those stand together whose rows are alike (Apley and Zhu 2020).

    The distance of two categories is the sum over the other columns of how far their rows' distributions are
    apart: Kolmogorov and Smirnov's for numbers, total variation for categories. The order is that along the
    first axis of classical scaling, as in the authors' package.
    """
    k = len(axis.categories)
    far = np.array([[sum(_apart(axis.found == a, axis.found == b, other) for other in others) for b in range(k)]
                    for a in range(k)])  # fmt: skip
    centre = np.eye(k) - 1 / k
    values, vectors = np.linalg.eigh(-0.5 * centre @ far**2 @ centre)
    along = np.round(vectors[:, -1] * max(values[-1], 0) ** 0.5, 9)
    return np.argsort(along if along[np.argmax(np.abs(along))] > 0 else -along, kind="stable")


def _apart(a: np.ndarray, b: np.ndarray, other: Axis) -> float:
    mine, theirs = (other.found[rows][~np.isnan(other.found[rows])] for rows in (a, b))
    if not len(mine) or not len(theirs):
        return 0.0
    if other.categories:
        shares = [
            np.bincount(one.astype(int), minlength=len(other.categories)) / len(one) for one in (mine, theirs)
        ]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)
    at = np.concatenate([mine, theirs])
    below = [np.searchsorted(np.sort(one), at, side="right") / len(one) for one in (mine, theirs)]
    return float(np.abs(below[0] - below[1]).max())
