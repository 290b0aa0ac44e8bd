"""What ``recommend`` found: methods in order, by how much the first is above the floor, and what cannot be said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files, html
from .court import Trial
from .margins import short
from .ranking import Ranking

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

UNRATED = "no ratings yet"
LIMITS = (
    "The best of several on the same rows looks a little better than it is.",
    "Deletion and insertion ask what hiding does: methods that hide features are asked their own question.",
    "They ask feature by feature: a map of whole regions is behind wherever single pixels count.",
    "Inputs with holes are unreal; a method that is faithful here may answer another question than yours: read its estimand.",
)


@dataclass(frozen=True, eq=False)
class Recommendation:
    """Methods for a model, ranked by what was measured; see :mod:`workbench.evaluation.ranking` for the rule.

    Attributes
    ----------
    trials
        What was measured of each method, or why it was not.
    ranking
        The order, with gains ``(inputs,)``, intervals and floors.
    ratings
        What people say of a method, in words; it counts for nothing in the order.
    n, noun
        How many rows of what were explained.
    unit
        Of gains and scores: "probability", or "output" for a model of one number.
    flags
        What cut it short, name -> sentence.
    """

    trials: tuple[Trial, ...]
    ranking: Ranking
    ratings: Mapping[str, str]
    n: int
    noun: str
    unit: str = "probability"
    flags: dict[str, str] = field(default_factory=dict)

    @property
    def best(self) -> str | None:
        """The method to take; None where no method is above the floor."""
        return self.ranking.best

    @property
    def sentence(self) -> str:
        """Which method, by how much above the floor, and what it is tied with."""
        cut = "".join(f" {said}" for said in self.flags.values())
        if self.best is None:
            return f"No method is above the floor on {self.n} {self.noun}: none is recommended.{cut}"
        value, low, high, _ = self.ranking.intervals[self.best]
        return (f"{self.best} is recommended: on {self.n} {self.noun} its maps are {short(value)} (95 % {short(low)} to "
                f"{short(high)}) above the best nonsense in {self.unit}, the mean of deletion and insertion; {self._rivals()}.{cut}")  # fmt: skip

    def _rivals(self) -> str:
        tied = self.ranking.tied
        if not tied:
            return "no other method is tied with it"
        return f"these rows do not tell it from {', '.join(tied)}; of the most stable of them it costs least"

    def table(self) -> pd.DataFrame:
        """Return a row a method, the best first.

        ``rank`` (equal where the rows do not tell methods apart), ``standing`` in words, ``gain`` above the
        floor with its 95 % interval ``low high`` and ``deletion insertion`` (probability), ``stability``
        (cosine), ``gap`` (completeness, a share), ``error`` (standard error of a value, in units of the
        output), ``fit`` (R²), ``evaluations`` and ``seconds`` for one input, ``checks`` (the result's word),
        ``settings`` where they are not the defaults, ``ratings`` by people, ``reason`` why there is no rank.
        """
        import pandas as pd

        return pd.DataFrame([self._row(trial) for trial in self._ordered()]).set_index("method")

    def _ordered(self) -> list[Trial]:
        places = {name: place for place, name in enumerate(self.ranking.ranks)}
        return sorted(
            self.trials,
            key=lambda t: (places.get(t.method, len(places)), not t.scores, -self._gain(t), t.method),
        )

    def _gain(self, trial: Trial) -> float:
        return self.ranking.intervals[trial.method].value if trial.scores else 0.0

    def _row(self, trial: Trial) -> dict[str, Any]:
        interval = self.ranking.intervals.get(trial.method, (np.nan,) * 4)
        scores = {
            name: float(trial.scores[name].mean()) if trial.scores else np.nan
            for name in ("deletion", "insertion")
        }
        measured = {
            k: getattr(trial, k) for k in ("stability", "gap", "error", "fit", "evaluations", "seconds")
        }
        return {"method": trial.method, "rank": self.ranking.ranks.get(trial.method, np.nan), "standing": self._standing(trial),
                "gain": interval[0], "low": interval[1], "high": interval[2], **scores, **measured, "checks": trial.word,
                "settings": trial.settings, "ratings": self.ratings.get(trial.method, UNRATED),
                "reason": self._reason(trial)}  # fmt: skip

    def _standing(self, trial: Trial) -> str:
        if not trial.scores:
            return "not measured"
        if trial.method not in self.ranking.ranks:
            return "broken" if trial.word == "broken" else "not above the floor"
        if trial.method == self.best:
            return "recommended"
        return "tied with it" if trial.method in self.ranking.tied else "above the floor"

    def _reason(self, trial: Trial) -> str:
        if trial.scores and trial.word == "broken":
            return "The checks of its result say that the numbers are not what they say they are."
        interval = self.ranking.intervals.get(trial.method)
        return trial.reason or (interval.reason if interval else "")

    def plot(self) -> Figure:
        """Draw each measured method's gain with its interval, beside the floor at zero."""
        from ..plotting import recommendations

        measured = self.table().query("standing != 'not measured'")
        return recommendations.draw(measured, self.best, self.unit)

    def _tables(self) -> list[Any]:
        found = self.table().astype({"rank": "Int64"})
        tried, rest = found[found["standing"] != "not measured"], found[found["standing"] == "not measured"]
        return [
            *(self._of_tried(tried) if len(tried) else ()),
            *(_of_rest(rest) if len(rest) else ()),
            html.listing(LIMITS),
        ]

    def _of_tried(self, tried: Any) -> list[Any]:
        """Return who comes first and why, and beside it everything that was measured."""
        told = [
            f"{short(g)} ({short(low)} to {short(high)})"
            for g, low, high in tried[["gain", "low", "high"]].itertuples(index=False)
        ]
        first = tried[["rank", "standing", "stability", "evaluations", "checks", "ratings"]].copy()
        first["stability"], first["evaluations"] = (
            first["stability"].round(2),
            first["evaluations"].round().astype(int),
        )
        first.insert(2, f"gain in {self.unit}, 95 %", told)
        beside = tried[
            ["deletion", "insertion", "gap", "error", "fit", "seconds", "settings", "reason"]
        ].replace("", np.nan)
        floors = "; ".join(
            f"{q} {short(float(v.mean()))} ({name})" for q, (name, v) in self.ranking.floors.items()
        )
        return [html.table(first, f"Who comes first, on {self.n} {self.noun}; evaluations are for one input"),
                html.table(beside.dropna(axis=1, how="all"), f"What else was measured. The best nonsense reached: {floors}")]  # fmt: skip

    def __repr__(self) -> str:
        return f"Recommendation({self.sentence})"

    def _repr_html_(self) -> str:
        return html.join(html.paragraph(html.strong(self.sentence)), *self._tables())

    def to_html(self, path: str | Path) -> Path:
        """Write one page that needs no network: the sentence, the picture, the tables."""
        from ..plotting.canvas import png

        pictures = (
            [html.figure(png(self.plot()), alt=self.sentence)] if any(t.scores for t in self.trials) else []
        )
        page = html.page(
            "Which method for this model?",
            html.paragraph(html.strong(self.sentence)),
            *pictures,
            *self._tables(),
        )
        return files.write_text(path, page)


def _of_rest(rest: Any) -> list[Any]:
    return [html.table(rest[["reason", "ratings"]], "Not measured, and why")]
