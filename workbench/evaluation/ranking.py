"""Which method first? A rule of a few lines over what was measured, one number an input.

**Gain.** Half of (floor - deletion) + (insertion - floor): by how much hiding features in the map's order
takes more of the answer away than the best nonsense does, and showing them brings more of it, in units of
probability. The floor of each question is the best that anything reached on these rows that knows nothing of
what the model learned: maps of the inputs, and **every** tried method on a randomized model. It is one for
all, so that a difference of gains is a difference of scores.

**Above the floor** is a method whose gain has a 95 % interval above zero, over inputs drawn by clusters. Only
such are ranked. **Rank** 1 + how many others are surely better: the interval of the paired difference of
gains is above a twentieth of the best mean gain, as less is no difference to anybody. So methods that the
rows cannot tell apart share a rank, and are said to be tied. **Within a rank** come first those within .05 of
its highest stability, of these what needs fewest evaluations. A result whose checks say "broken" is not
ranked. People's ratings count for nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .court import QUESTIONS, Trial
from .floors import UNTRAINED
from .intervals import Interval, bootstrap_mean
from .margins import ROUNDING

STEP = 0.05  # of stability, a cosine: less is no difference
SHARE = 0.05  # of the best mean gain: less is no difference
LOWER = ("deletion",)  # questions in which less is better


@dataclass(frozen=True, eq=False)
class Ranking:
    """Methods in the order of the rule.

    Attributes
    ----------
    floors
        Question -> name of the best nonsense and its score, ``(inputs,)``.
    gains
        Method -> gain, ``(inputs,)``, in units of probability.
    intervals
        Method -> mean gain with its 95 % interval.
    ranks
        Method -> rank, of those above the floor and not broken, in order.
    """

    floors: dict[str, tuple[str, np.ndarray]]
    gains: dict[str, np.ndarray]
    intervals: dict[str, Interval]
    ranks: dict[str, int]

    @property
    def best(self) -> str | None:
        """The first method, None where none is above the floor."""
        return next(iter(self.ranks), None)

    @property
    def tied(self) -> list[str]:
        """The others of the first rank."""
        return [name for name, rank in self.ranks.items() if rank == 1][1:]


def ranked(
    trials: Sequence[Trial], nonsense: Mapping[str, Mapping[str, np.ndarray]], clusters: ArrayLike, seed: int
) -> Ranking:
    """Rank tried methods by the rule of this module.

    Parameters
    ----------
    trials
        Those that were measured.
    nonsense
        What maps of the inputs reach: name -> question -> ``(inputs,)``.
    clusters
        ``(inputs,)``; inputs of equal number are drawn together.
    seed
        Of the draws.
    """
    if not trials:
        return Ranking({}, {}, {}, {})
    floors = _floors(trials, nonsense)
    gains = {trial.method: gain(trial.scores, floors) for trial in trials}
    intervals = {name: bootstrap_mean(values, clusters, seed=seed) for name, values in gains.items()}
    able = {t.method: t for t in trials if intervals[t.method].low > ROUNDING and t.word != "broken"}
    least = max([ROUNDING, *(SHARE * intervals[name].value for name in able)])
    ranks = {
        name: 1 + sum(_surely_better(gains[other], gains[name], least, clusters, seed) for other in able)
        for name in able
    }
    return Ranking(floors, gains, intervals, _ordered(ranks, able))


def _ordered(ranks: Mapping[str, int], trials: Mapping[str, Trial]) -> dict[str, int]:
    """Order by rank, within a rank by stability, then by cost."""
    stability = {name: -1.0 if np.isnan(trials[name].stability) else trials[name].stability for name in ranks}
    top = {rank: max(stability[name] for name in ranks if ranks[name] == rank) for rank in ranks.values()}

    def place(name: str) -> tuple:
        shaky = stability[name] < top[ranks[name]] - STEP
        return ranks[name], shaky, -stability[name] if shaky else trials[name].evaluations, name

    return {name: ranks[name] for name in sorted(ranks, key=place)}


def gain(scores: Mapping[str, np.ndarray], floors: Mapping[str, tuple[str, np.ndarray]]) -> np.ndarray:
    """Return how far scores are on the good side of the floors, the mean over questions, ``(inputs,)``.

    Examples
    --------
    >>> floors = {"deletion": ("a", np.array([0.5])), "insertion": ("b", np.array([0.6]))}
    >>> gain({"deletion": np.array([0.2]), "insertion": np.array([0.7])}, floors).round(2).tolist()
    [0.2]
    """
    return np.mean([_sign(name) * (scores[name] - floor) for name, (_, floor) in floors.items()], axis=0)


def _sign(question: str) -> int:
    return -1 if question in LOWER else 1


def _floors(
    trials: Sequence[Trial], nonsense: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, tuple[str, np.ndarray]]:
    """Return the best that nonsense reached on average, a question."""
    reached = {
        **nonsense,
        **{UNTRAINED.replace("the same method", t.method): t.untrained for t in trials if t.untrained},
    }
    best = {q: max(reached, key=lambda name: _sign(q) * reached[name][q].mean()) for q in QUESTIONS}
    return {question: (name, reached[name][question]) for question, name in best.items()}


def _surely_better(one: np.ndarray, other: np.ndarray, least: float, clusters: ArrayLike, seed: int) -> bool:
    difference = one - other
    return bool(difference.mean() > least and bootstrap_mean(difference, clusters, seed=seed).low > least)
