"""Axioms: does an explanation keep what its method promises?"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..explanation.result import Explanation
from .registry import metric


@metric("completeness", direction="lower is better", category="axiomatic", range="0 to infinity",
        paper="Sundararajan, Taly and Yan 2017",
        misleads="Values that add up can still be the wrong ones; a method without the promise has no score.")  # fmt: skip
def completeness(score: Any, inputs: Any, values: np.ndarray, *, e: Explanation) -> np.ndarray:
    """Return |sum of values - (output - base)| as a share of |output - base| (Sundararajan et al. 2017).

    NaN where the method promises no sum.
    """
    return relative_gap(e)


def relative_gap(e: Explanation) -> np.ndarray:
    """Return by how much the values miss the output's difference to the base value, as a share of it, ``(n,)``."""
    if e.delta is None or e.output is None or e.base_values is None:
        return np.full(len(e), np.nan)
    return np.abs(e.delta) / np.maximum(np.abs(e.output - e.base_values), 1e-12)
