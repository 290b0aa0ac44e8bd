"""How sure is a number? Intervals and probabilities over inputs, and over training runs where there are several.

Two things could have come out otherwise: which inputs were drawn, and which training runs were made.
Resampling inputs alone says "for this pair of models"; only resampling runs as well says anything about
training. So the crossed bootstrap draws both, and **with a single run nothing is claimed about runs**.

Inputs that belong together (near-duplicates, one writer, one review) are no independent evidence. They
carry the same number in ``clusters`` and are drawn together.

A plain percentile bootstrap is too narrow for few runs: with five, a "95 %" interval holds the truth in
some 85 of 100 cases. Every deviation is therefore stretched by the factor that makes the interval of a
plain mean as wide as Student's (Hesterberg 2015): 1.58 for five runs, 1.004 for four hundred inputs.
Answers are right or wrong, and often all right, where a bootstrap sees no spread at all: the module
``shares`` counts those exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from .resampling import bounds, checked, drawn_means, over_runs, same_length

NO_ROOM = 0.02  # an index is refused when its denominator is smaller than this, in units of similarity,
NO_ROOM_ERRORS = 3.0  # or than this many of its own standard errors
REFERENCES_FOR_AN_INTERVAL = 3


class Interval(NamedTuple):
    """A number with its interval; where a bound is NaN, ``reason`` says why.

    Examples
    --------
    >>> Interval(0.5, 0.4, 0.6).low
    0.4
    """

    value: float
    low: float
    high: float
    reason: str = ""


def bootstrap_mean(
    values: ArrayLike,
    clusters: ArrayLike | None = None,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Put an interval around a mean over inputs by drawing inputs again (Efron 1979, Hesterberg 2015).

    It says "for this pair of models". It misleads for values that are nearly all equal, such as right or
    wrong: :func:`~workbench.evaluation.shares.share_interval` is for those.

    Parameters
    ----------
    values
        One finite number an input, ``(inputs,)``.
    clusters
        ``(inputs,)``; inputs of equal number are drawn together. None: each input on its own.
    n
        How many times to draw.
    seed
        Same seed, same interval.
    level
        The share of such intervals that hold the truth.

    Returns
    -------
    Interval
        The mean and its bounds, in the unit of the values. With fewer than two clusters the bounds are NaN.

    Raises
    ------
    BadInput
        For empty, non-finite or misshapen values, clusters of another length, or a level outside (0, 1).

    Examples
    --------
    >>> mean, low, high, _ = bootstrap_mean([0.0, 1.0, 2.0, 3.0, 4.0])
    >>> mean, low < mean < high
    (2.0, True)
    """
    return crossed_bootstrap(checked(values)[None], clusters, n, seed, level)


def crossed_bootstrap(
    matrix: ArrayLike,
    clusters: ArrayLike | None = None,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Put an interval around a mean over runs and inputs by drawing both again (Owen 2007).

    Every draw takes whole inputs (by cluster) and whole runs, so what a run or an input shares stays
    shared. With one row nothing is claimed about runs: the interval is that of :func:`bootstrap_mean`.
    It errs on the wide side where runs and inputs interact more than they differ; with two runs it is
    very wide, as it should be.

    Parameters
    ----------
    matrix
        ``(runs, inputs)``, finite.
    clusters, n, seed, level
        As in :func:`bootstrap_mean`.

    Returns
    -------
    Interval
        The mean of the matrix and its bounds.

    Raises
    ------
    BadInput
        As in :func:`bootstrap_mean`.

    Examples
    --------
    >>> round(crossed_bootstrap([[0.9, 0.8, 0.9], [0.7, 0.6, 0.7]]).value, 3)
    0.767
    """
    rows = checked(matrix, axes=2)
    value = float(rows.mean())
    draws = drawn_means(rows, clusters, n, seed, level)
    return too_few(value) if draws is None else Interval(value, *bounds(over_runs(draws, seed, level), level))


def index_interval(
    compressed: ArrayLike,
    references: ArrayLike,
    own: ArrayLike,
    clusters: ArrayLike | None = None,
    n: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Place a similarity between other training runs (0) and the method's own noise (1), with an interval.

    ``index = (s - s_references) / (s_own - s_references)``, a ratio of means over inputs; below 0 is further
    away than another training run. Inputs and references are drawn together for all three. It misleads when
    averaged over methods, and when read without the raw similarities beside it.

    Parameters
    ----------
    compressed
        Similarity of the original's and the compressed model's maps, ``(inputs,)``.
    references
        Similarity of the original's and each other run's maps, ``(runs, inputs)``; may be empty.
    own
        Similarity of two independent draws of the original's maps, ``(inputs,)``: 1 for a method
        without randomness.
    clusters, n, seed, level
        As in :func:`bootstrap_mean`.

    Returns
    -------
    Interval
        All NaN without references, and (a reason that begins with "no room") when the denominator is below
        .02 or three of its standard errors. With one or two references the value stands without bounds. A
        bound is infinite where draws in which the references reach the method's own noise are not rare.

    Raises
    ------
    BadInput
        As in :func:`bootstrap_mean`, and when the three do not hold the same inputs.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.01, (6, 200))
    >>> index = index_interval(0.95 + noise[0], 0.90 + noise[1:], np.ones(200))
    >>> round(index.value, 1), index.low < index.value < index.high
    (0.5, True)
    >>> index_interval([0.99, 0.98], [[0.99, 0.98]], [1, 1]).reason
    "no room: other training runs are within 0.02 of the method's own noise (0.0150)"
    """
    if np.size(references) == 0:
        return _refused("there are no references: train some, or give a list of models")
    runs, between, top = checked(references, axes=2), checked(compressed), checked(own)
    same_length(between, "compressed", runs.shape[1])
    same_length(top, "own", runs.shape[1])
    room = float(top.mean() - runs.mean())
    draws = drawn_means(np.vstack([between, top, runs]), clusters, n, seed, level)
    why = _no_room(room, draws, seed)
    if why:
        return _refused(why)
    value = float((between.mean() - runs.mean()) / room)
    if draws is None:
        return too_few(value)
    if len(runs) < REFERENCES_FOR_AN_INTERVAL:
        few = f"an interval needs at least {REFERENCES_FOR_AN_INTERVAL} references, there are {len(runs)}"
        return Interval(value, np.nan, np.nan, few)
    return Interval(value, *bounds(_ratios(draws, over_runs(draws[:, 2:], seed, level)), level))


def _no_room(room: float, draws: np.ndarray | None, seed: int) -> str:
    if room < NO_ROOM:
        return f"no room: other training runs are within {NO_ROOM} of the method's own noise ({room:.4f})"
    error = 0.0 if draws is None else float(np.std(draws[:, 1] - over_runs(draws[:, 2:], seed)))
    if room < NO_ROOM_ERRORS * error:
        return f"no room: {room:.4f} is less than {NO_ROOM_ERRORS:g} of its standard errors ({error:.4f})"
    return ""


def _ratios(draws: np.ndarray, references: np.ndarray) -> np.ndarray:
    """Return the index of every draw; where there is no room, its limit as the room closes."""
    between, top = draws[:, 0], draws[:, 1]
    room = top - references
    closed = np.where(between > top, np.inf, -np.inf)
    return np.where(room > 0, 1 - (top - between) / np.where(room > 0, room, 1.0), closed)


def tail_probability(
    difference: ArrayLike, clusters: ArrayLike | None = None, n: int = 2000, seed: int = 0
) -> float:
    """Say how rarely the mean difference would be drawn at zero or beyond, two-sided (Efron & Tibshirani 1993).

    It is below .05 exactly where the 95 % interval of :func:`bootstrap_mean` leaves zero out. It is never
    below ``1 / (n + 1)``: with 2,000 draws, Holm's correction can pass no more than a hundred tests.

    Parameters
    ----------
    difference
        One number an input, ``(inputs,)``: compressed minus sham, or a value minus its margin.
    clusters, n, seed
        As in :func:`bootstrap_mean`.

    Returns
    -------
    float
        In ``[1 / (n + 1), 1]``; 1 when all differences are zero, or when there are fewer than two clusters.

    Raises
    ------
    BadInput
        As in :func:`bootstrap_mean`.

    Examples
    --------
    >>> round(tail_probability(np.linspace(0.1, 0.2, 50)), 4), tail_probability(np.zeros(50))
    (0.0005, 1.0)
    """
    draws = drawn_means(checked(difference)[None], clusters, n, seed, level=0.95)
    if draws is None:
        return 1.0
    tail = min((draws <= 0).mean(), (draws >= 0).mean())
    return float(np.clip(2 * tail, 1 / (n + 1), 1.0))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Correct probabilities for having looked at several (Holm 1979).

    Parameters
    ----------
    p_values
        ``(tests,)``, of one family of questions that was fixed before results.

    Returns
    -------
    numpy.ndarray
        ``(tests,)``, in the order given; below .05 is a finding at the 5 % level for the whole family.

    Raises
    ------
    BadInput
        For a value outside [0, 1], or NaN.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=float).ravel()
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        wrong = f"p_values holds {p[outside][0]}"
        raise BadInput(wrong, "probabilities in [0, 1]", "Leave out what was not tested")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return adjusted


def too_few(value: float) -> Interval:
    """Return a number whose inputs all belong together, so that nothing is known about its spread."""
    why = "an interval needs at least two inputs that do not belong together"
    return Interval(value, np.nan, np.nan, why)


def _refused(reason: str) -> Interval:
    return Interval(np.nan, np.nan, np.nan, reason)
