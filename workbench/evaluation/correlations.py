"""Faithfulness on random subsets: do values add up to what hiding their features takes from the output?"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import BadInput
from ..explanation.result import Explanation
from ..explanation.score import Score
from ..explanation.space import Space
from .features import Subsets, attributed, free_features
from .registry import metric

SLOPES = ("saliency", "smooth_grad", "guided_backprop", "deconvolution")  # values in units of output by input
DRAWS = "the baseline, the size of the subsets, and the draws (by seed and row)"


@metric("faithfulness_correlation", direction="higher is better", category="faithfulness", range="-1 to 1", floors=True,
        paper="Bhatt, Weller and Moura 2020", sensitivity=DRAWS,
        misleads="It asks for sums: methods that rank well and do not add up score low, and interactions cannot be added. "
                 "NaN where the output does not change.")  # fmt: skip
def faithfulness_correlation(
    score: Score, inputs: Space, values: np.ndarray, *, n_samples: int = 100, subset_size: int | None = None, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return Pearson's correlation of the sum of values in random subsets with the output's fall (Bhatt et al. 2020).

    ``subset_size`` counts features, by default a fifth of each row's.
    """
    sizes = _sizes(inputs, subset_size)[:, None].expand(-1, n_samples)
    return _pearson(inputs, values, Subsets.of_case(score, inputs, sizes, seed), score)


@metric("sensitivity_n", direction="higher is better", category="faithfulness", range="-1 to 1", floors=True,
        paper="Ancona, Ceolini, Öztireli and Gross 2018", sensitivity=DRAWS,
        misleads="As faithfulness_correlation, over subsets of several sizes: the large ones are empty inputs.")  # fmt: skip
def sensitivity_n(
    score: Score, inputs: Space, values: np.ndarray, *, n_samples: int = 50, seed: int = 0
) -> np.ndarray:
    """Return sensitivity-n, the correlation of sums and falls, its mean over n of a tenth to nine tenths (Ancona et al. 2018)."""
    free, found = free_features(inputs), []
    for tenth in (1, 3, 5, 7, 9):
        sizes = (free * tenth / 10).ceil().long().clamp(min=1).minimum((free - 1).clamp(min=1))
        subsets = Subsets.of_case(score, inputs, sizes[:, None].expand(-1, n_samples), seed)
        found.append(_pearson(inputs, values, subsets, score))
    return np.stack(found).mean(0)


@metric("infidelity", direction="lower is better", category="faithfulness", range="0 to infinity", floors=True,
        paper="Yeh, Hsieh, Suggala, Inouye and Ravikumar 2019", sensitivity=f"{DRAWS}; the scale of the values",
        misleads="In squared units of the output, so that maps on another scale (probabilities against logits, absolute "
                 "values, Grad-CAM) lose by their scale alone.")  # fmt: skip
def infidelity(
    score: Score, inputs: Space, values: np.ndarray, *, e: Explanation, n_samples: int = 100,
    subset_size: int | None = None, multiply_by_inputs: bool | None = None, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Return the mean squared gap of what values say hiding a random subset costs, and what it costs (Yeh et al. 2019).

    The perturbation takes a subset to the baseline. Values that are slopes (gradients) are multiplied by the
    distance to it, those that are contributions are added up; ``multiply_by_inputs`` says which, by default the method.
    Explain the output that is judged: ``evaluate(..., output=)``.
    """
    slopes = e.method in SLOPES or e.settings.get("multiply_by_inputs") is False
    multiplied = slopes if multiply_by_inputs is None else multiply_by_inputs
    if multiplied and tuple(values.shape) == tuple(inputs.x.shape):
        away = inputs.x - inputs.baselines
        values = (torch.as_tensor(values, device=away.device) * away).numpy(force=True)
    sizes = _sizes(inputs, subset_size)[:, None].expand(-1, n_samples)
    subsets = Subsets.of_case(score, inputs, sizes, seed)
    gap = subsets.sums(attributed(inputs, values)) - subsets.lost(score)
    return gap.square().mean(1).numpy(force=True)


def _sizes(inputs: Space, subset_size: int | None) -> torch.Tensor:
    """Return how many features a subset of each row has, ``(n,)``."""
    free = free_features(inputs)
    if subset_size is None:
        return (free / 5).ceil().long()
    if (
        isinstance(subset_size, bool)
        or not isinstance(subset_size, int)
        or not 1 <= subset_size < int(free.min())
    ):
        raise BadInput(f"subset_size is {subset_size!r}", f"a number of features from 1 to {int(free.min()) - 1}",
                       "Leave it out for a fifth of them")  # fmt: skip
    return torch.full_like(free, subset_size)


def _pearson(inputs: Space, values: np.ndarray, subsets: Subsets, score: Score) -> np.ndarray:
    """Return the correlation of sums and falls of each row; NaN where one of them does not vary."""
    a, b = subsets.sums(attributed(inputs, values)), subsets.lost(score)
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    sizes = a.norm(dim=1) * b.norm(dim=1)
    found = (a * b).sum(1) / torch.where(sizes > 1e-12, sizes, torch.nan)
    return found.numpy(force=True)
