"""Is the net worth its opacity? Accuracy and ranking against glass boxes, within margins that are stated.

A net that is no better than what can be read as a whole should not be explained but replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import softmax

from .. import html
from ..data.records import Split
from ..explanation.score import class_scores
from .intervals import Interval
from .resampling import cluster_ids
from .shares import accuracy_difference, share_interval

if TYPE_CHECKING:
    import pandas as pd

MARGIN_ACCURACY, MARGIN_AUC = 0.02, 0.02  # two points of accuracy, .02 of the area under the curve
DRAWS = 300  # resamplings of the area under the curve


@dataclass(frozen=True, eq=False)
class Advantage:
    """A model beside glass boxes on the same test rows.

    Attributes
    ----------
    name
        Of the model.
    rows
        ``{model: {"accuracy", "low", "high", "auc", "auc low", "auc high"}}``; the model itself comes first.
    rival, ranker
        The glass boxes of the highest accuracy, and of the largest area under the curve.
    accuracy, auc
        The model minus the rival in accuracy, and minus the ranker in area, with 95 % intervals; fractions.
    """

    name: str
    rows: dict[str, dict[str, float]]
    rival: str
    ranker: str
    accuracy: Interval
    auc: Interval

    @property
    def sentence(self) -> str:
        """What may be said, in one sentence with its numbers and margins."""
        points = [f"{100 * part:+.1f}" for part in self.accuracy[:3]]
        area = f"area under the curve {self.auc.value:+.3f} ({self.auc.low:+.3f} to {self.auc.high:+.3f})"
        rest = f"against {self.rival}, " if self.rival != self.ranker else ""
        return (
            f"{self._claim()}: accuracy {points[0]} points (95 % {points[1]} to {points[2]}) {rest}{'and ' * (not rest)}"
            f"{area} against {self.ranker}, the best glass {'boxes' if rest else 'box'} in these."
        )

    def _claim(self) -> str:
        name = f"The {self.name}"
        if self.accuracy.low > 0 and self.auc.high < 0:
            return f"{name} answers better and ranks worse than a model that can be read"
        if self.accuracy.low > 0:
            return f"{name} is better than a model that can be read"
        if self.auc.low > 0 and self.accuracy.low > -MARGIN_ACCURACY:
            return f"{name} ranks better than a model that can be read, and is as accurate within 2 points"
        if self.accuracy.high < -MARGIN_ACCURACY or self.auc.high < -MARGIN_AUC:
            return f"{name} is worse than a model that can be read: use that one"
        if self.accuracy.low > -MARGIN_ACCURACY and self.auc.low > -MARGIN_AUC:
            return f"{name} is as good as a model that can be read, within 2 points and .02, and has no advantage over it"
        return f"{name} shows no advantage over a model that can be read; these rows cannot tell whether it is as good within 2 points"

    def table(self) -> pd.DataFrame:
        """Return a row a model: accuracy and area under the curve with their intervals."""
        import pandas as pd

        return pd.DataFrame.from_dict(self.rows, orient="index")

    def plain(self) -> dict[str, Any]:
        """Return the record as JSON can hold it."""
        return {"name": self.name, "rows": self.rows, "rival": self.rival, "ranker": self.ranker,
                "accuracy": list(self.accuracy[:3]), "auc": list(self.auc[:3])}  # fmt: skip

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Advantage:
        """Return what :meth:`plain` wrote."""
        return cls(
            plain["name"],
            plain["rows"],
            plain["rival"],
            plain["ranker"],
            Interval(*plain["accuracy"]),
            Interval(*plain["auc"]),
        )

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        return html.join(
            html.paragraph(html.strong(self.sentence)),
            html.table(self.table().round(3).reset_index(names="model")),
        )


def advantage(name: str, model: Any, glass: Mapping[str, Any], test: Split) -> Advantage:
    """Hold a model against glass boxes on test rows, with intervals that resample clusters.

    Parameters
    ----------
    name
        Of the model, as it reads in a sentence.
    model
        The model.
    glass
        Name to fitted glass box.
    test
        Rows that none of them was trained on.
    """
    scores = {n: class_scores(m, test) for n, m in {name: model, **glass}.items()}
    hits = {n: z.argmax(1) == test.y for n, z in scores.items()}
    areas = {n: _areas(z, test) for n, z in scores.items()}
    rows = {n: _row(hits[n], areas[n], test) for n in scores}
    rival = max(glass, key=lambda n: rows[n]["accuracy"])
    ranker = max(glass, key=lambda n: rows[n]["auc"])
    change = accuracy_difference(hits[rival], hits[name], test.clusters)
    return Advantage(name, rows, rival, ranker, change, _interval(areas[name] - areas[ranker]))


def _row(hits: np.ndarray, areas: np.ndarray, test: Split) -> dict[str, float]:
    accuracy, area = share_interval(hits, test.clusters), _interval(areas)
    return {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high,
            "auc": area.value, "auc low": area.low, "auc high": area.high}  # fmt: skip


def _areas(scores: np.ndarray, test: Split) -> np.ndarray:
    """Return the area under the curve of all rows, then of resamplings; classes one against the rest, averaged."""
    chances = softmax(scores, axis=1)
    drawn = (_area(chances[rows], test.y[rows]) for rows in _resamplings(test.clusters))
    return np.array([_area(chances, test.y), *drawn])


def _resamplings(clusters: np.ndarray) -> Iterator[np.ndarray]:
    """Yield row numbers of whole clusters drawn with replacement; the same for every model."""
    ids, count = cluster_ids(clusters, len(clusters))
    members = np.split(np.argsort(ids, kind="stable"), np.cumsum(np.bincount(ids))[:-1])
    draws = np.random.default_rng(0)
    for _ in range(DRAWS):
        yield np.concatenate([members[c] for c in draws.integers(count, size=count)])


def _interval(areas: np.ndarray) -> Interval:
    low, high = np.nanquantile(areas[1:], [0.025, 0.975])
    return Interval(float(areas[0]), float(low), float(high))


def _area(chances: np.ndarray, y: np.ndarray) -> float:
    """Return the mean probability that a row of a class is ranked before one that is not (ties count half)."""
    classes = [1] if chances.shape[1] == 2 else range(chances.shape[1])
    each = [_ranked(chances[:, c], y == c) for c in classes]
    return float(np.nanmean(each)) if not np.isnan(each).all() else float("nan")


def _ranked(values: np.ndarray, positive: np.ndarray) -> float:
    from scipy.stats import rankdata

    n, rest = int(positive.sum()), int((~positive).sum())
    if not n or not rest:
        return float("nan")
    return float((rankdata(values)[positive].sum() - n * (n + 1) / 2) / (n * rest))
