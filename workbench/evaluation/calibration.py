"""Does a model know how sure it may be? The gap between its confidence and its accuracy, and how it changed."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from ..errors import BadInput
from .intervals import Interval, bootstrap_mean

BINS = 15


def confidences(scores: np.ndarray) -> np.ndarray:
    """Return the probability of the answer that is given, ``(n,)``: the softmax of scores ``(n, class)``, or they as they are.

    Scores that are not negative and sum to 1 in every row are probabilities already.
    """
    already = (scores >= 0).all() and np.allclose(scores.sum(1), 1, atol=1e-4)
    return (scores if already else softmax(scores, axis=1)).max(1)


def calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Return the expected calibration error, by bins of equally many rows (Guo et al. 2017; Nixon et al. 2019).

    The mean distance between confidence and accuracy, a fraction. It **misleads** in small samples: even a perfectly
    calibrated model has an error of about ``sqrt(2 p (1 - p) bins / (pi n))``, so compare models on the same rows only.

    Parameters
    ----------
    confidence
        Of the answer given, ``(n,)`` in [0, 1].
    right
        Whether it was right, ``(n,)``.
    bins
        How many groups; fewer where there are fewer rows.

    Raises
    ------
    BadInput
        Shapes differ, or confidences outside [0, 1].

    Examples
    --------
    >>> calibration_error([0.9] * 10, [True] * 9 + [False]), calibration_error([1.0, 1.0], [True, False], bins=1)
    (0.0, 0.5)
    """
    sure, hits = np.asarray(confidence, float), np.asarray(right, float)
    if sure.shape != hits.shape or sure.ndim != 1 or not len(sure) or not ((sure >= 0) & (sure <= 1)).all():
        raise BadInput(f"confidence has shape {sure.shape} beside {hits.shape}, or leaves [0, 1]", "one probability and one hit a row",
                       "Pass the softmax of the answer that was given")  # fmt: skip
    edges = np.quantile(sure, np.arange(1, bins) / bins)
    where = np.searchsorted(
        edges, sure
    )  # Equal confidences lie in one bin, which may then be the larger one.
    gaps = [
        (where == k).sum() * abs(sure[where == k].mean() - hits[where == k].mean()) for k in np.unique(where)
    ]
    return float(np.round(sum(gaps) / len(sure), 12))


def brier(confidence: ArrayLike, right: ArrayLike) -> np.ndarray:
    """Return the squared distance of confidence and hit, ``(n,)``: proper, so that no model gains by bluffing (Brier 1950)."""
    return (np.asarray(confidence, float) - np.asarray(right, float)) ** 2


def calibration_change(
    before: tuple[ArrayLike, ArrayLike],
    after: tuple[ArrayLike, ArrayLike],
    clusters: ArrayLike | None = None,
    seed: int = 0,
) -> Interval:
    """Return by how much the Brier score of the answers changed, with its 95 % interval; above 0 is worse.

    Parameters
    ----------
    before, after
        Confidence and hits of each model, ``(n,)`` each, of the same rows.
    clusters, seed
        As in :func:`~workbench.evaluation.intervals.bootstrap_mean`.
    """
    return bootstrap_mean(brier(*after) - brier(*before), clusters, seed=seed)
