"""Axioms: does an explanation keep what its method promises?"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..explanation.result import Explanation
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import generators
from .features import attributed
from .registry import metric


@metric("completeness", direction="lower is better", category="axiomatic", range="0 to infinity",
        paper="Sundararajan, Taly and Yan 2017", sensitivity="the number of steps or samples of the method",
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


@metric("non_sensitivity", direction="lower is better", category="axiomatic", range="0 to features",
        paper="Nguyen and Rodríguez Martínez 2020", sensitivity="epsilon, the scale of the values, and the draws (by seed and row)",
        misleads="A saturated model reacts to nothing here, and a method that says so is not wrong; costs n_samples evaluations a feature.")  # fmt: skip
def non_sensitivity(
    score: Score, inputs: Space, values: np.ndarray, *, n_samples: int = 3, epsilon: float = 1e-5, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return at how many features value and reaction disagree about being zero (Nguyen and Rodríguez Martínez 2020).

    A feature reacts when hiding it, or replacing it by what other rows hold there, moves the output by more
    than ``epsilon``; of one row alone only the baseline is known.
    """
    total = attributed(inputs, values).flatten(1)
    reacts = _reaction(score, inputs, n_samples, seed) > epsilon
    wrong = reacts != (total.abs() > epsilon)
    if inputs.fixed is not None:
        wrong = wrong & ~inputs.fixed
    return wrong.sum(1).numpy(force=True).astype(float)


def _reaction(score: Score, inputs: Space, n_samples: int, seed: int) -> torch.Tensor:
    """Return how far each feature alone moves the output at most, ``(n, feature)``."""
    shape = attributed(inputs, np.zeros((inputs.n, *inputs.features), np.float32)).shape
    count, whole = shape[1:].numel(), score.evaluate(inputs.x)[:, None]
    alone = torch.eye(count, dtype=torch.bool, device=inputs.x.device).view(count, *shape[1:])

    def hide(rows: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        return inputs.unfolded(alone[features], rows)

    furthest = (score.responses(inputs, count, hide) - whole).abs()
    others = (torch.randperm(inputs.n, generator=draws) for draws in generators(seed, range(n_samples - 1)))
    for order in others if inputs.n > 1 else ():
        swapped = inputs.of(inputs.rows.new_tensor(range(inputs.n)), inputs.x)
        swapped.baselines = inputs._keeping(inputs.x[order.to(inputs.x.device)])
        furthest = furthest.maximum((score.responses(swapped, count, hide) - whole).abs())
    return furthest
