"""``League``: methods by metrics over models, each number beside its floor; it averages nothing that does not belong together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files, html
from ..errors import BadFile
from .intervals import Interval, bootstrap_mean

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

ABOVE, BELOW, OPEN, NO_FLOOR = "yes", "no", "cannot tell", ""


@dataclass(frozen=True, eq=False)
class Cell:
    """What one metric says of one method on one model: a number an input, ``(n,)``, with its floor and its cost.

    ``seconds`` and ``evaluations`` are those of the explanation, the same in all cells of a method and model.
    """

    model: str
    method: str
    metric: str
    category: str
    direction: str
    values: np.ndarray
    floor: np.ndarray | None
    best_floor: str
    seconds: float
    evaluations: int
    flags: tuple[str, ...] = ()

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.direction.startswith("lower") else 1

    def mean(self, clusters: np.ndarray | None) -> Interval:
        """Return the mean over rows where the metric is defined, with its 95 % interval over clusters."""
        return _mean(self.values, clusters)

    def above_floor(self, clusters: np.ndarray | None) -> str:
        """Say whether it is surely better than the best floor, row by row."""
        if self.floor is None:
            return NO_FLOOR
        gain = _mean(self.sign * (self.values - self.floor), clusters)
        return ABOVE if gain.low > 0 else BELOW if gain.high < 0 else OPEN

    def plain(self) -> dict[str, Any]:
        """Return it as JSON knows it; every bit of a number is kept."""
        return files.plain(asdict(self))

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Cell:
        """Return what :meth:`plain` gave."""
        arrays = {
            k: None if plain[k] is None else np.array(plain[k], dtype=float) for k in ("values", "floor")
        }
        return cls(**{**plain, **arrays, "flags": tuple(plain["flags"])})


def _mean(values: np.ndarray, clusters: np.ndarray | None) -> Interval:
    known = np.isfinite(values)
    if not known.any():
        return Interval(np.nan, np.nan, np.nan, "not defined for any input")
    return bootstrap_mean(values[known], None if clusters is None else clusters[known])


@dataclass(frozen=True, eq=False)
class League:
    """Methods judged by metrics over models.

    Attributes
    ----------
    cells
        One a model, method and metric that could be judged.
    refused
        ``(model, method, metric or "")`` and in words why it could not.
    clusters
        Rows that belong together, ``(n,)``.
    n, noun
        How many rows of what were explained.
    """

    cells: tuple[Cell, ...]
    refused: tuple[tuple[str, str, str, str], ...]
    clusters: np.ndarray
    noun: str = "rows"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """How many rows were explained."""
        return len(self.clusters)

    def table(self) -> pd.DataFrame:
        """Return a row a model, method and metric: mean, 95 % interval, best floor, whether above it, cost, flags."""
        import pandas as pd

        return pd.DataFrame([self._row(cell) for cell in self.cells], columns=[
            "model", "method", "metric", "category", "direction", "mean", "low", "high", "floor", "above floor", "best floor", "defined",
            "seconds", "evaluations", "flags"])  # fmt: skip

    def _row(self, cell: Cell) -> dict[str, Any]:
        mean = cell.mean(self.clusters)
        floor = np.nan if cell.floor is None else float(np.nanmean(cell.floor))
        return {"model": cell.model, "method": cell.method, "metric": cell.metric, "category": cell.category, "direction": cell.direction,
                "mean": mean.value, "low": mean.low, "high": mean.high, "floor": floor, "above floor": cell.above_floor(self.clusters),
                "best floor": cell.best_floor, "defined": int(np.isfinite(cell.values).sum()), "seconds": cell.seconds,
                "evaluations": cell.evaluations, "flags": ", ".join(cell.flags)}  # fmt: skip

    def ranking(self) -> pd.DataFrame:
        """Return each method's mean rank within every category, over its metrics and models; 1 is best.

        Ranks of one category only are averaged: a sparse map is not a true one. A faithfulness score that is not
        above its floor has the last rank, shared. ``below a floor`` counts these.
        """
        import pandas as pd

        table = self.table()
        if not len(table):
            return pd.DataFrame(columns=["below a floor"])
        better = np.where(table["direction"].str.startswith("lower"), -1, 1) * table["mean"]
        counts = ~table["above floor"].isin([BELOW, OPEN]) & better.notna()
        table = table.assign(
            worth=better.where(counts, -np.inf), below=table["above floor"].isin([BELOW, OPEN])
        )
        table["rank"] = table.groupby(["model", "metric"])["worth"].rank(ascending=False, method="average")
        ranks = table.pivot_table(index="method", columns="category", values="rank", aggfunc="mean")
        return ranks.assign(**{"below a floor": table.groupby("method")["below"].sum()}).sort_values(
            list(ranks.columns[:1])
        )

    def plot(self) -> Figure:
        """Draw methods by metrics, ranks as numbers and shades; what is not above its floor is crossed out."""
        from ..plotting import leagues

        return leagues.ranks(self)

    def save(self, path: str | Path) -> Path:
        """Write it to a JSON file."""
        content = {"what": "league", "cells": [cell.plain() for cell in self.cells], "refused": self.refused, "clusters": self.clusters,
                   "noun": self.noun, "facts": self.facts}  # fmt: skip
        return files.write_json(path, content)

    @classmethod
    def load(cls, path: str | Path) -> League:
        """Read what :meth:`save` wrote."""
        content = files.read_json(path)
        if not isinstance(content, dict) or content.get("what") != "league":
            raise BadFile(f"{path} is not a league", "a file written by League.save", "Check the path")
        return cls(tuple(map(Cell.from_plain, content["cells"])), tuple(map(tuple, content["refused"])), np.array(content["clusters"]),
                   content["noun"], content["facts"])  # fmt: skip

    def __repr__(self) -> str:
        names = {
            kind: len({getattr(cell, kind) for cell in self.cells}) for kind in ("model", "method", "metric")
        }
        counts = ", ".join(f"{n} {kind}{'s' if n != 1 else ''}" for kind, n in names.items())
        return f"League({counts}; {self.n} {self.noun}; {len(self.refused)} refused)"

    def _repr_html_(self) -> str:
        refused = [
            f"{method} on {model}{f', {metric}' if metric else ''}: {why}"
            for model, method, metric, why in self.refused
        ]
        return html.join(
            html.table(
                self.ranking().round(2).reset_index(),
                "Mean rank by category; 1 is best. Categories are not averaged.",
            ),
            html.table(
                self.table().round(4),
                f"{self.n} {self.noun}; 95 % intervals over rows that do not belong together",
            ),
            *([html.listing(refused)] if refused else []),
        )
