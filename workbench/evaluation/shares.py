"""Right or wrong, kept or changed: exact intervals and tests for shares of inputs.

Where nearly all answers are kept a bootstrap sees no spread and would be sure of everything, so these count.
Inputs that belong together are worth fewer independent ones (:func:`effective_size`), and the counts
shrink to that number before the same exact formula is used.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from ..errors import BadInput
from .intervals import Interval, too_few
from .resampling import checked, checked_level, cluster_ids, normal_quantile, same_length


def proportion_interval(successes: float, n: float, level: float = 0.95) -> Interval:
    """Put the exact interval around a share of independent inputs (Clopper & Pearson 1934).

    Exact rather than Wilson's, because a verdict reads single bounds: each of these is wrong in at most
    2.5 of 100 cases, also when nearly all inputs succeed. The price is a slightly wider interval.

    Parameters
    ----------
    successes, n
        Counts of inputs; fractions are taken too (an effective number of inputs).
    level
        The share of such intervals that hold the truth.

    Returns
    -------
    Interval
        The share and its bounds, fractions; NaN with a reason when ``n`` is 0.

    Raises
    ------
    BadInput
        Unless ``0 <= successes <= n``.

    Examples
    --------
    >>> value, low, high, _ = proportion_interval(400, 400)
    >>> value, round(low, 4), high
    (1.0, 0.9908, 1.0)
    """
    tail = (1 - checked_level(level)) / 2
    if not 0 <= successes <= n:
        raise BadInput(f"successes is {successes} of {n}", "0 <= successes <= n", "Check the counts")
    if n == 0:
        return Interval(np.nan, np.nan, np.nan, "there are no inputs")
    low = stats.beta.ppf(tail, successes, n - successes + 1) if successes > 0 else 0.0
    high = stats.beta.isf(tail, successes + 1, n - successes) if successes < n else 1.0
    return Interval(float(successes / n), float(low), float(high))


def share_interval(hits: ArrayLike, clusters: ArrayLike | None = None, level: float = 0.95) -> Interval:
    """Put the exact interval around a share of inputs that may belong together (Korn & Graubard 1998).

    Parameters
    ----------
    hits
        ``(inputs,)``, true where the answer was kept, or right.
    clusters
        ``(inputs,)``; inputs of equal number belong together. None: each input on its own, and the interval
        is :func:`proportion_interval`.
    level
        The share of such intervals that hold the truth.

    Returns
    -------
    Interval
        The share and its bounds, fractions.

    Raises
    ------
    BadInput
        For hits that are not true or false, an empty sample, or clusters of another length.

    Examples
    --------
    >>> apart, together = share_interval([1] * 40), share_interval([1] * 40, np.arange(40) // 4)
    >>> round(apart.low, 2), round(together.low, 2)
    (0.91, 0.69)
    """
    right = _checked_hits(hits, "hits")
    size = effective_size(right, clusters)
    share = float(right.mean())
    return too_few(share) if np.isnan(size) else proportion_interval(share * size, size, level)


def effective_size(values: ArrayLike, clusters: ArrayLike | None = None) -> float:
    """Say how many independent inputs a clustered sample is worth (Korn & Graubard 1998).

    The variance that the mean would have without clusters, divided by the one that it has, times n, with
    Student's correction for few clusters; never more than n. Where all values are equal nothing can be
    estimated, and the number of clusters is returned, the cautious end.

    Parameters
    ----------
    values
        ``(inputs,)``, finite.
    clusters
        ``(inputs,)``.

    Returns
    -------
    float
        A number of inputs in [1, n]; NaN where all inputs belong together.

    Examples
    --------
    >>> effective_size([0, 0, 1, 1, 0, 0, 1, 0]), effective_size([1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2])
    (8.0, 3.0)
    """
    x = checked(values)
    inverse, count = cluster_ids(clusters, len(x))
    if count < 2 and len(x) > 1:
        return float("nan")
    deviation = x - x.mean()
    between = np.square(np.bincount(inverse, deviation)).sum() * count
    if count == len(x) or not deviation.any():
        return float(count)
    alone = np.square(deviation).sum() * len(x) * (count - 1) / (len(x) - 1)
    few = stats.t.ppf(0.975, len(x) - 1) / stats.t.ppf(0.975, count - 1)
    return float(np.clip(len(x) * few**2 * alone / max(between, 1e-300), 1.0, len(x)))


def mcnemar_exact(right_before: ArrayLike, right_after: ArrayLike) -> float:
    """Say how rarely two models of equal accuracy would change sides so unevenly (McNemar 1947, exact).

    Only inputs that one model gets right and the other wrong count; clusters are not heeded. A large value
    is **no** proof of equality: read :func:`accuracy_difference` beside it.

    Parameters
    ----------
    right_before, right_after
        ``(inputs,)``, true where the answer was right.

    Returns
    -------
    float
        The two-sided binomial probability; 1 when no input changed sides.

    Raises
    ------
    BadInput
        For values that are not true or false, or of different length.

    Examples
    --------
    >>> mcnemar_exact([1, 1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0, 0])
    0.03125
    """
    lost, gained, _ = _changed_sides(right_before, right_after)
    return float(stats.binomtest(lost, lost + gained, 0.5).pvalue) if lost + gained else 1.0


def accuracy_difference(
    right_before: ArrayLike,
    right_after: ArrayLike,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
) -> Interval:
    """Put the score interval around the change of accuracy on the same inputs (Tango 1998).

    It has width even where no answer changed sides: none in 1,000 still allows .4 points either way.

    Parameters
    ----------
    right_before, right_after
        ``(inputs,)``, true where the answer was right.
    clusters
        ``(inputs,)``; inputs of equal number belong together.
    level
        The share of such intervals that hold the truth.

    Returns
    -------
    Interval
        Accuracy after minus before, a fraction; negative is a loss. Not inferior by a margin of one point
        means ``low > -0.01``.

    Raises
    ------
    BadInput
        For values that are not true or false, or of different length.

    Examples
    --------
    >>> _, low, high, _ = accuracy_difference([1] * 1000, [1] * 1000)
    >>> round(low, 4), round(high, 4)
    (-0.0038, 0.0038)
    """
    lost, gained, n = _changed_sides(right_before, right_after)
    change = np.asarray(right_after, dtype=float) - np.asarray(right_before, dtype=float)
    value, size = (gained - lost) / n, effective_size(change, clusters)
    if np.isnan(size):
        return too_few(value)
    return Interval(value, *_tango(lost * size / n, gained * size / n, size, normal_quantile(level)))


def _tango(lost: float, gained: float, n: float, z: float) -> tuple[float, float]:
    """Return the two differences at which the score statistic is z and -z; it falls from end to end."""
    value, end = (gained - lost) / n, 1 - 1e-9
    if lost == n or gained == n:  # at an end of the scale only the inner bound has to be found
        inner = (n - z * z) / (n + z * z)
        return (-1.0, -inner) if lost == n else (inner, 1.0)
    low = optimize.brentq(lambda d: _score(d, lost, gained, n) - z, -end, value)
    return float(low), float(optimize.brentq(lambda d: _score(d, lost, gained, n) + z, value, end))


def _score(difference: float, lost: float, gained: float, n: float) -> float:
    """Return how many standard errors the counts are from a true difference, errors taken as if it were true."""
    b = (2 * n - gained + lost) * difference - gained - lost
    c = -lost * difference * (1 - difference)
    rate_lost = (np.sqrt(max(b * b - 8 * n * c, 0.0)) - b) / (4 * n)
    variance = n * (2 * rate_lost + difference * (1 - difference))
    return (gained - lost - n * difference) / np.sqrt(max(variance, 1e-300))


def _changed_sides(before: ArrayLike, after: ArrayLike) -> tuple[int, int, int]:
    """Return how many answers were lost, how many gained, and of how many."""
    was, now = _checked_hits(before, "right_before") > 0, _checked_hits(after, "right_after") > 0
    same_length(now, "right_after", len(was))
    return int((was & ~now).sum()), int((~was & now).sum()), len(was)


def _checked_hits(values: ArrayLike, name: str) -> np.ndarray:
    x = checked(values)
    if not np.isin(x, (0, 1)).all():
        wrong = f"{name} holds {x[~np.isin(x, (0, 1))][0]:g}"
        raise BadInput(wrong, "true or false for each input", "Compare answers with labels first")
    return x
