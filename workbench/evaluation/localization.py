"""Localization: does a map lie where the class truly is, or where people marked it?

Only as good as the mask: that the class is somewhere does not mean that the model looked there. A mask is truth
with its counterfactual pair alone; without it these numbers judge model and map together.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import hypergeom, rankdata

from ..errors import BadInput
from ..explanation.score import Score
from ..explanation.space import Space
from .features import attributed, free_features
from .registry import metric

MASK = "the mask's size: read it beside the share of features that the mask holds"
EMPTY = "NaN where the mask is empty or full"
NOTHING = f"{EMPTY}, or the map has no positive value"
MODEL = "A model that looks elsewhere makes a true map lose; "


def share(inputs: Space, evidence: np.ndarray) -> np.ndarray:
    """Return the share of the features that a mask holds, ``(n,)``: what a map at random reaches."""
    mask, free = _masks(inputs, evidence)
    return mask.sum(1) / np.maximum(free.sum(1), 1)


def half(inputs: Space, evidence: np.ndarray) -> np.ndarray:
    """Return a half for each row: what an order at random reaches."""
    return np.full(inputs.n, 0.5)


def overlap(inputs: Space, evidence: np.ndarray) -> np.ndarray:
    """Return the IoU that a mask has on average with as many features at random, ``(n,)``, exactly."""
    mask, free = _masks(inputs, evidence)
    return np.array([_expected(int(k), int(d)) for k, d in zip(mask.sum(1), free.sum(1), strict=True)])


def _expected(k: int, d: int) -> float:
    shared = np.arange(max(0, 2 * k - d), k + 1)
    return float((hypergeom.pmf(shared, d, k, k) * shared / (2 * k - shared)).sum()) if k else float("nan")


@metric("pointing_game", direction="higher is better", category="localization", range="0 or 1",
        paper="Zhang, Bargal, Lin, Brandt, Shen and Sclaroff 2018", sensitivity=MASK, chance=share,
        misleads=f"{MODEL}one feature decides, the rest of the map may be anywhere. {NOTHING}.")  # fmt: skip
def pointing_game(score: Score, inputs: Space, values: np.ndarray, *, evidence: np.ndarray) -> np.ndarray:
    """Return 1 where a feature with the largest value lies in the mask, else 0 (Zhang et al. 2018)."""
    flat, mask, known = _held(inputs, values, evidence)
    top = flat == flat.max(1, keepdims=True)
    return np.where(known, (top & mask).any(1), np.nan)


@metric("relevance_mass", direction="higher is better", category="localization", range="0 to 1",
        paper="Arras, Osman and Samek 2022", sensitivity=MASK, chance=share,
        misleads=f"{MODEL}negative values are left out, so half of a map may go unseen. {NOTHING}.")  # fmt: skip
def relevance_mass(score: Score, inputs: Space, values: np.ndarray, *, evidence: np.ndarray) -> np.ndarray:
    """Return the share of the positive values that lies in the mask (Arras et al. 2022)."""
    flat, mask, known = _held(inputs, values, evidence)
    positive = np.where(np.isfinite(flat), flat, 0).clip(min=0)
    total = positive.sum(1)
    inside = (positive * mask).sum(1)
    return np.divide(inside, total, out=np.full(len(flat), np.nan), where=known & (total > 0))


@metric("relevance_rank", direction="higher is better", category="localization", range="0 to 1",
        paper="Arras, Osman and Samek 2022", sensitivity=MASK, chance=share,
        misleads=f"{MODEL}ties are broken by place. {NOTHING}.")  # fmt: skip
def relevance_rank(score: Score, inputs: Space, values: np.ndarray, *, evidence: np.ndarray) -> np.ndarray:
    """Return the share of the mask that is among as many top features as it has (Arras et al. 2022)."""
    flat, mask, known = _held(inputs, values, evidence)
    sizes = mask.sum(1)
    return np.where(known, (mask & _top(flat, sizes)).sum(1) / np.maximum(sizes, 1), np.nan)


@metric("localization_auc", direction="higher is better", category="localization", range="0 to 1",
        paper="Fawcett 2006; Cong, Chu, Yang and Hatta 2020", sensitivity="nothing but the order of values: .5 is chance", chance=half,
        misleads=f"{MODEL}most of its area is about features that nobody looks at. {EMPTY}.")  # fmt: skip
def localization_auc(score: Score, inputs: Space, values: np.ndarray, *, evidence: np.ndarray) -> np.ndarray:
    """Return the probability that a feature in the mask has a larger value than one outside (area under the ROC curve)."""
    flat, mask, known = _held(inputs, values, evidence, order_alone=True)
    free = np.isfinite(flat)
    inside, outside = mask.sum(1), (free & ~mask).sum(1)
    ranks = np.stack([rankdata(row) for row in flat]) - (~free).sum(
        1, keepdims=True
    )  # Of what is never hidden: first.
    wins = (ranks * mask).sum(1) - inside * (inside + 1) / 2
    both = inside * outside
    return np.divide(wins, both, out=np.full(len(flat), np.nan), where=known & (both > 0))


@metric("topk_intersection", direction="higher is better", category="localization", range="0 to 1",
        paper="Theiner, Müller-Budack and Ewerth 2022", sensitivity=f"k; {MASK}", chance=share,
        misleads=f"{MODEL}a mask with fewer than k features can never reach 1. {NOTHING}.")  # fmt: skip
def topk_intersection(
    score: Score, inputs: Space, values: np.ndarray, *, evidence: np.ndarray, k: int | None = None
) -> np.ndarray:
    """Return the share of the ``k`` top features that lies in the mask, by default a tenth of them (Theiner et al. 2022)."""
    flat, mask, known = _held(inputs, values, evidence)
    free = free_features(inputs).numpy(force=True)
    if k is not None and (
        isinstance(k, bool) or not isinstance(k, (int, np.integer)) or not 1 <= k <= free.min()
    ):
        raise BadInput(
            f"k is {k!r}", f"a number of features from 1 to {free.min()}", "Leave it out for a tenth of them"
        )
    sizes = np.ceil(free / 10).astype(int) if k is None else np.full(len(flat), k)
    return np.where(known, (mask & _top(flat, sizes)).sum(1) / sizes, np.nan)


@metric("plausibility", direction="higher is better", category="people", range="0 to 1",
        paper="DeYoung et al. 2020; Jacovi and Goldberg 2020", sensitivity=f"{MASK}; where nobody marked anything there is none", chance=overlap,
        misleads=f"What convinces people need not be what the model used: never read it as faithfulness. {NOTHING}.")  # fmt: skip
def plausibility(score: Score, inputs: Space, values: np.ndarray, *, evidence: np.ndarray) -> np.ndarray:
    """Return the IoU of what people marked and as many top features, beside what chance gives (DeYoung et al. 2020)."""
    flat, mask, known = _held(inputs, values, evidence)
    top = _top(flat, mask.sum(1))
    return np.where(known, (mask & top).sum(1) / np.maximum((mask | top).sum(1), 1), np.nan)


def _masks(inputs: Space, evidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which features a mask holds, and which can be hidden at all, ``(n, feature)``."""
    mask = attributed(inputs, evidence.astype(np.float32)).flatten(1) > 0
    free = torch.ones_like(mask) if inputs.fixed is None else ~inputs.fixed.flatten(1)
    return (mask & free).numpy(force=True), free.numpy(force=True)


def _held(
    inputs: Space, values: np.ndarray, evidence: np.ndarray, order_alone: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values and mask a feature, ``(n, feature)``, and where there is something to judge, ``(n,)``.

    What is never hidden is no part of a mask and comes last. A map that is the same everywhere points nowhere, nor
    does one without a positive value, unless its order alone counts.
    """
    mask, free = _masks(inputs, evidence)
    flat = attributed(inputs, values).flatten(1).double().numpy(force=True)
    lowest = np.where(free, flat, np.inf).min(1)
    flat = np.where(free, flat, -np.inf)
    points = flat.max(1) > (lowest if order_alone else np.maximum(lowest, 0))
    return flat, mask, mask.any(1) & (free & ~mask).any(1) & points


def _top(flat: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return which features are among the ``sizes`` largest of their row, ties in order of place."""
    rank = np.argsort(np.argsort(-flat, axis=1, kind="stable"), axis=1, kind="stable")
    return rank < sizes[:, None]
