"""Judgements of explanations: one number an input and metric, with what it takes to read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .. import html
from ..errors import BadInput, unknown
from .intervals import Interval, bootstrap_mean
from .resampling import same_length


@dataclass(frozen=True, eq=False)
class Column:
    """One metric's numbers and how to read them.

    Parameters
    ----------
    values
        ``(inputs,)``; NaN where the metric is not defined for an input. Kept as a read-only copy.
    direction
        Which way is good, in words: "higher is better", "lower is more alike".
    category
        What kind of judgement it is: "faithfulness", "similarity".
    floor
        What nonsense reaches, on the same scale: one number, or ``(inputs,)``. NaN where there is no floor.
    """

    values: np.ndarray
    direction: str
    category: str
    floor: float | np.ndarray = float("nan")

    def __post_init__(self) -> None:
        values = np.array(self.values, dtype=float)
        if values.ndim != 1 or len(values) == 0:
            raise BadInput(f"values have the shape {values.shape}", "one number an input, (inputs,)",
                           "Give at least one input, and one number for each")  # fmt: skip
        floor = np.array(self.floor, dtype=float)
        if floor.ndim:
            same_length(floor, "floor", len(values))
        values.setflags(write=False)
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "floor", float(floor) if floor.ndim == 0 else floor)

    def interval(self, clusters: ArrayLike | None = None, seed: int = 0) -> Interval:
        """Return the mean over the inputs it is defined for, and its 95 % bootstrap interval."""
        known = np.isfinite(self.values)
        if not known.any():
            return Interval(np.nan, np.nan, np.nan, "not defined for any input")
        return bootstrap_mean(
            self.values[known], None if clusters is None else np.asarray(clusters)[known], seed=seed
        )


@dataclass(frozen=True, eq=False)
class Scores:
    """Named columns of judgements over the same inputs; ``scores["deletion"]`` is one number an input.

    Parameters
    ----------
    columns
        Metric name to :class:`Column`, all of one length.
    flags
        Short name to a sentence: what makes these numbers doubtful.
    clusters
        ``(inputs,)``; inputs of equal number are drawn together in intervals.
    seed
        For the intervals of :meth:`table`.

    Examples
    --------
    >>> scores = Scores({"cosine": Column([0.9, 1.0, 0.8], "higher is more alike", "similarity")})
    >>> scores["cosine"].tolist(), list(scores), scores.n
    ([0.9, 1.0, 0.8], ['cosine'], 3)
    >>> scores.table()[["metric", "mean", "direction"]].round(2).values.tolist()
    [['cosine', 0.9, 'higher is more alike']]
    """

    columns: Mapping[str, Column]
    flags: Mapping[str, str] = field(default_factory=dict)
    clusters: ArrayLike | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.columns:
            raise BadInput("There are no columns", "at least one metric", "Name a metric")
        for name, column in self.columns.items():
            same_length(column.values, name, self.n)

    @property
    def n(self) -> int:
        """How many inputs were judged."""
        return len(next(iter(self.columns.values())).values)

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise unknown("metric", name, self.columns)
        return self.columns[name].values

    def table(self) -> pd.DataFrame:
        """Return a row a metric: ``metric mean low high floor direction category``.

        ``low`` and ``high`` are the 95 % bootstrap interval of the mean over inputs, for this model; a floor
        of several numbers is shown as its mean, and NaN means that there is none.
        """
        return pd.DataFrame([self._row(name, column) for name, column in self.columns.items()])

    def _row(self, name: str, column: Column) -> dict[str, object]:
        mean, low, high, _ = column.interval(self.clusters, self.seed)
        numbers = {"mean": mean, "low": low, "high": high, "floor": float(np.mean(column.floor))}
        return {"metric": name, **numbers, "direction": column.direction, "category": column.category}

    def _repr_html_(self) -> str:
        under = html.listing(self.flags.values()) if self.flags else ""
        caption = f"Mean over {self.n} inputs, with its 95 % interval"
        return html.join(html.table(self.table(), caption), under)
