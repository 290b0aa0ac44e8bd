"""Complexity: how few features carry an explanation."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import xlogy

from ..errors import BadInput
from .registry import metric


@metric("sparseness", direction="higher is sparser", category="complexity", range="0 to 1",
        paper="Chalasani, Chen, Chowdhury, Wu and Jha 2020; Hurley and Rickard 2009",
        sensitivity="the number of features, and how finely they are cut",
        misleads="Sparse is not true: a single wrong pixel is as sparse as a map can be.")  # fmt: skip
def sparseness(score: Any, inputs: Any, values: np.ndarray) -> np.ndarray:
    """Return the Gini index of the absolute values (Chalasani et al. 2020); NaN for a map of zeros."""
    sizes = np.sort(np.abs(values).reshape(len(values), -1).astype(float), axis=1)
    fixed = getattr(inputs, "fixed", None)
    hidden = np.zeros(len(sizes), dtype=int) if fixed is None else fixed.flatten(1).sum(1).numpy(force=True)
    n, total = (sizes.shape[1] - hidden)[:, None], sizes.sum(1)
    place = np.maximum(
        np.arange(1, sizes.shape[1] + 1) - hidden[:, None], 0
    )  # what is never hidden has 0 and comes first
    shares = (sizes * (2 * place - n - 1)).sum(1)
    return np.divide(shares, n[:, 0] * total, out=np.full(len(sizes), np.nan), where=total > 0)


@metric("complexity", direction="lower is simpler", category="complexity", range="0 to log(features)",
        paper="Bhatt, Weller and Moura 2020", sensitivity="the number of features, and how finely they are cut",
        misleads="Simple is not true; maps of inputs of different sizes are not on one scale.")  # fmt: skip
def complexity(score: Any, inputs: Any, values: np.ndarray) -> np.ndarray:
    """Return the entropy of the absolute values' shares, in nats (Bhatt et al. 2020); NaN for a map of zeros."""
    sizes = np.abs(values).reshape(len(values), -1).astype(float)
    total = sizes.sum(1, keepdims=True)
    shares = np.divide(sizes, total, out=np.full_like(sizes, np.nan), where=total > 0)
    return -xlogy(shares, shares).sum(1)


@metric("effective_complexity", direction="lower is simpler", category="complexity", range="0 to features",
        paper="Nguyen and Rodríguez Martínez 2020", sensitivity="epsilon, and the scale of the values",
        misleads="A threshold on raw values: another output, another scale, another count.")  # fmt: skip
def effective_complexity(score: Any, inputs: Any, values: np.ndarray, *, epsilon: float = 1e-5) -> np.ndarray:
    """Return how many features have an absolute value above ``epsilon`` (Nguyen and Rodríguez Martínez 2020)."""
    if not isinstance(epsilon, (int, float)) or not 0 <= epsilon < np.inf:
        raise BadInput(
            f"epsilon is {epsilon!r}", "a number, 0 or above, in units of the values", "Leave it out"
        )
    return (np.abs(values).reshape(len(values), -1) > epsilon).sum(1).astype(float)
