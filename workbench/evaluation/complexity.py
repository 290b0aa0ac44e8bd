"""Complexity: how few features carry an explanation."""

from __future__ import annotations

from typing import Any

import numpy as np

from .registry import metric


@metric("sparseness", direction="higher is sparser", category="complexity", range="0 to 1",
        paper="Chalasani, Chen, Chowdhury, Wu and Jha 2020; Hurley and Rickard 2009",
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
