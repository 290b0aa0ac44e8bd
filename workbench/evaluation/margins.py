"""Equivalence, not absence of difference: an interval is read against a margin that was fixed before results.

The margin of the similarity is the larger of the sham's mean less .05 and the references' mean; that of
answers kept is the references' mean less a point. Where the interval lies decides, in one of three zones:
``below`` (even the upper bound is below the margin), ``clear`` (the lower bound reaches it), ``open`` (else).
An open zone is no finding: more inputs would settle it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from .intervals import tail_probability

BELOW, OPEN, CLEAR = "below", "open", "clear"
SHAM_ALLOWANCE, KEPT_ALLOWANCE = 0.05, 0.01  # of similarity; of answers (one point)
ROUNDING = 1e-6  # what float32 maps cannot tell apart is neither above nor below a margin
_GROUP_DRAWS = 10_000  # so that Holm's correction can pass five hundred tests


@dataclass(frozen=True)
class Measured:
    """A mean with its 95 % interval and the margin it has to reach.

    Parameters
    ----------
    name
        What was measured, as it reads in a sentence: "similarity of occlusion maps", "answers kept on clean inputs".
    value, low, high
        Mean and interval; NaN where there is none, and the zone is then open.
    margin
        Fixed before results: :func:`similarity_margin`, :func:`kept_margin`. NaN where there is none.

    Examples
    --------
    >>> Measured("similarity", 0.96, 0.95, 0.97, margin=0.94).zone
    'clear'
    """

    name: str
    value: float
    low: float
    high: float
    margin: float

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise BadInput(f"{self.name} has the interval {self.low} to {self.high}", "the lower bound first",
                           "Swap them")  # fmt: skip

    @property
    def zone(self) -> str:
        """``below``, ``clear`` or ``open``: where the interval lies with respect to the margin."""
        if self.high < self.margin - ROUNDING:
            return BELOW
        return CLEAR if self.low >= self.margin - ROUNDING else OPEN

    def __str__(self) -> str:
        interval = f"{short(self.value)}, 95 % {short(self.low)} to {short(self.high)}"
        if math.isnan(self.margin):
            return f"{self.name} ({interval}) has no margin to be read against"
        verb = {BELOW: "is below", OPEN: "neither clears nor is below", CLEAR: "clears"}[self.zone]
        return f"{self.name} ({interval}) {verb} the margin {short(self.margin)}"


@dataclass(frozen=True)
class Group:
    """One measure within one group of inputs, and how surely it is off its margin; :func:`examine` makes it.

    ``p`` is two-sided and **not** corrected: :func:`decide` does that, over all groups that are large enough.
    """

    name: str
    n: int
    value: float
    margin: float
    p: float

    def __str__(self) -> str:
        return f"{self.name} ({short(self.value)}, n = {self.n}) is below the margin {short(self.margin)}"


def examine(
    name: str, values: ArrayLike, margin: float, clusters: ArrayLike | None = None, seed: int = 0
) -> Group:
    """Test one measure within one group against its margin, for :func:`decide`.

    Parameters
    ----------
    name
        As it reads in a sentence: "answers kept on clean inputs of class 9".
    values
        One number an input of the group: its similarity, or 1 where the answer was kept and else 0.
    margin
        By the same rule as for all inputs, from the sham and the references **in this group**: a class that
        is hard for every training run has not moved.
    clusters
        ``(inputs,)``; inputs of equal number are drawn together.
    seed
        Same seed, same probability.

    Raises
    ------
    BadInput
        For empty or non-finite values.

    Examples
    --------
    >>> group = examine("similarity for class 9", np.linspace(0.7, 0.8, 40), margin=0.9)
    >>> group.n, group.value.__round__(2), group.p < 0.001
    (40, 0.75, True)
    """
    x = np.asarray(values, dtype=float)
    p = tail_probability(x - margin, clusters, _GROUP_DRAWS, seed)
    return Group(name, len(x), float(x.mean()), margin, p)


def similarity_margin(sham_mean: float, references_mean: float) -> float:
    """Return what the similarity has to reach: the sham's mean less .05, or the references', if that is more.

    A NaN sham (there is none) leaves the references alone; NaN references leave no margin.

    Examples
    --------
    >>> similarity_margin(0.97, 0.95), similarity_margin(1.0, 0.9), similarity_margin(float("nan"), 0.9)
    (0.95, 0.95, 0.9)
    """
    if math.isnan(sham_mean) or math.isnan(references_mean):
        return references_mean
    return max(sham_mean - SHAM_ALLOWANCE, references_mean)


def kept_margin(references_mean: float) -> float:
    """Return what answers kept (a fraction) have to reach: the references' mean in this condition less a point.

    Examples
    --------
    >>> round(kept_margin(0.975), 3)
    0.965
    """
    return references_mean - KEPT_ALLOWANCE


def short(number: float, decimals: int = 3) -> str:
    """Return a number between -1 and 1 as statistics are written.

    Examples
    --------
    >>> short(0.9614), short(-0.5, decimals=2), short(1.0), short(float("nan"))
    ('.961', '-.50', '1.000', 'unknown')
    """
    if math.isnan(number):
        return "unknown"
    text = f"{number:.{decimals}f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def closed(text: str) -> str:
    """Return text as a sentence: a capital first, one full stop last."""
    return capital(text).rstrip(".") + "."


def capital(text: str) -> str:
    """Return text with a capital first."""
    return text[:1].upper() + text[1:]
