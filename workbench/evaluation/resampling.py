"""Draws inputs and runs again, by the thousand and all at once: what every interval over inputs is made of.

A draw of inputs is kept as counts, how often each cluster came, so that the means of all draws and all runs
are one matrix product. Counts are made in blocks: memory does not grow with the number of draws.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from ..errors import BadInput

_CELLS = 1_000_000  # counts held at a time: 8 MB


def drawn_means(
    rows: np.ndarray, clusters: ArrayLike | None, n: int, seed: int, level: float
) -> np.ndarray | None:
    """Return means over drawn inputs, stretched, ``(n, runs)``; the same inputs for every run.

    None where fewer than two clusters leave nothing to draw from.
    """
    if n < 1:
        raise BadInput(f"n is {n}", "at least one draw, better 2,000", "Leave n out")
    inverse, count = cluster_ids(clusters, rows.shape[1])
    if count < 2:
        return None
    sizes = np.bincount(inverse, minlength=count).astype(float)
    sums = np.stack([np.bincount(inverse, row, minlength=count) for row in rows], axis=1)
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // count)
    counts = (_counts(rng, min(block, n - start), count) for start in range(0, n, block))
    means = np.concatenate([(c @ sums) / (c @ sizes)[:, None] for c in counts])
    return _stretched(means, rows.mean(axis=1), _stretch(count, level))


def over_runs(draws: np.ndarray, seed: int, level: float | None = None) -> np.ndarray:
    """Return means over drawn runs of ``(n, runs)``, stretched for an interval, or for a standard error.

    A single run is returned as it is: nothing is claimed about runs.
    """
    n, runs = draws.shape
    if runs == 1:
        return draws[:, 0]
    picks = np.random.default_rng([seed, 1]).integers(runs, size=(n, runs))
    drawn = np.take_along_axis(draws, picks, axis=1).mean(axis=1)
    return _stretched(drawn, draws.mean(axis=1), _stretch(runs, level))


def bounds(draws: np.ndarray, level: float) -> tuple[float, float]:
    """Return the outermost draws that an interval keeps; infinite ones stay infinite."""
    tail = (1 - level) / 2
    low = np.quantile(draws, tail, method="lower")
    return float(low), float(np.quantile(draws, 1 - tail, method="higher"))


def _counts(rng: np.random.Generator, n: int, count: int) -> np.ndarray:
    """Return how often each of ``count`` things was drawn in each of ``n`` draws with replacement."""
    picks = rng.integers(count, size=(n, count)) + np.arange(n)[:, None] * count
    return np.bincount(picks.ravel(), minlength=n * count).reshape(n, count).astype(float)


def _stretch(count: int, level: float | None) -> float:
    """Return what makes the deviations of a drawn mean unbiased and, for a level, as wide as Student's."""
    unbiased = np.sqrt(count / (count - 1))
    if level is None:
        return unbiased
    return unbiased * stats.t.ppf((1 + level) / 2, count - 1) / normal_quantile(level)


def _stretched(drawn: np.ndarray, centre: np.ndarray, factor: float) -> np.ndarray:
    return centre + factor * (drawn - centre)


def normal_quantile(level: float) -> float:
    """Return how many standard errors an interval of this level reaches to each side."""
    return float(stats.norm.ppf((1 + checked_level(level)) / 2))


def cluster_ids(clusters: ArrayLike | None, length: int) -> tuple[np.ndarray, int]:
    """Return the number of each input's cluster, counted from 0, and how many clusters there are."""
    if clusters is None:
        return np.arange(length), length
    ids = np.asarray(clusters)
    if ids.shape != (length,):
        wrong = f"clusters have the shape {ids.shape} but there are {length} inputs"
        raise BadInput(wrong, "one number an input", "Give the clusters of the same rows")
    kinds, inverse = np.unique(ids, return_inverse=True)
    return inverse, len(kinds)


def checked(values: ArrayLike, axes: int = 1) -> np.ndarray:
    """Return finite numbers with so many axes, or say what is wrong with them."""
    x = np.asarray(values, dtype=float)
    if x.ndim != axes or x.size == 0:
        shape = "one number an input, (inputs,)" if axes == 1 else "a matrix (runs, inputs)"
        raise BadInput(f"values have the shape {x.shape}", shape, "Give at least one value, in that shape")
    if not np.isfinite(x).all():
        wrong = f"{(~np.isfinite(x)).sum()} of {x.size} values are not finite"
        raise BadInput(wrong, "finite numbers", "Find their cause, or leave these inputs out and say so")
    return x


def checked_level(level: float) -> float:
    """Return a level between 0 and 1."""
    if not 0 < level < 1:
        expected = "a share between 0 and 1, such as 0.95"
        raise BadInput(f"level is {level}", expected, "Give a fraction, not per cent")
    return level


def same_length(values: np.ndarray, name: str, length: int) -> None:
    """Refuse values of other inputs."""
    if len(values) != length:
        wrong = f"{name} has {len(values)} inputs but the others have {length}"
        raise BadInput(wrong, "the same inputs in all", "Measure all models on one sample")
