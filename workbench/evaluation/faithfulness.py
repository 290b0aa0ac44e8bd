"""Faithfulness: does the output follow when the features that an explanation ranks first come or go?"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import torch

from ..errors import BadInput
from ..explanation.score import Score
from ..explanation.space import Space
from .registry import metric

STEPS = 28


@metric("deletion", direction="lower is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Petsiuk, Das and Saenko 2018",
        misleads="Inputs with holes are unreal; an untrained model's map can do well on digits: read it against its floor.")  # fmt: skip
def deletion(score: Score, inputs: Space, values: np.ndarray) -> np.ndarray:
    """Return the mean probability while features go, the highest values first (Petsiuk et al. 2018)."""
    return _area(score, inputs, values, hidden=torch.lt)


@metric("insertion", direction="higher is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Petsiuk, Das and Saenko 2018",
        misleads="Rewards maps that draw outlines; the empty baseline may itself belong to a class.")  # fmt: skip
def insertion(score: Score, inputs: Space, values: np.ndarray) -> np.ndarray:
    """Return the mean probability while features come, the highest values first (Petsiuk et al. 2018)."""
    return _area(score, inputs, values, hidden=torch.ge)


def _area(score: Score, inputs: Space, values: np.ndarray, hidden: Callable) -> np.ndarray:
    """Return the area under the curve by the trapezoid rule, as a share of its width.

    ``hidden(rank, count)`` tells which features are hidden when the first ``count`` have had their turn.
    """
    rank, counts = _ranks(inputs, values), _counts(inputs)
    shape = (-1, *[1] * (rank.ndim - 1))

    def hide(rows: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return inputs.unfolded(hidden(rank[rows], counts[rows % len(counts), steps].view(shape)), rows)

    curve = score.responses(inputs, STEPS + 1, hide)
    return ((curve[:, 1:] + curve[:, :-1]) / 2).mean(1).numpy(force=True).astype(float)


def _ranks(inputs: Space, values: np.ndarray) -> torch.Tensor:
    """Return each feature's place in falling order, channels of a pixel together, what is never hidden last."""
    total = torch.as_tensor(values, device=inputs.x.device)
    total = total.sum(1, keepdim=True) if inputs.spatial and total.ndim == 4 else total
    if tuple(total.shape[1:]) != (tuple(inputs.x[0, :1].shape) if inputs.spatial else inputs.features):
        raise BadInput(f"The values have the shape {tuple(values.shape)}", "a value for each feature of the inputs, "
                       f"{tuple(inputs.x.shape)}", "Explain with upsample=True, or leave out deletion and insertion")  # fmt: skip
    if inputs.fixed is not None:
        total = total.masked_fill(inputs.fixed, -torch.inf)
    order = total.flatten(1).argsort(dim=1, descending=True, stable=True)
    return order.argsort(1).view(total.shape)


def _counts(inputs: Space) -> torch.Tensor:
    """Return how many features are hidden at each step, ``(1 or n, step)``."""
    features = torch.tensor([prod(inputs.x[0, :1].shape if inputs.spatial else inputs.features)])
    if inputs.fixed is not None:
        features = (~inputs.fixed).flatten(1).sum(1)
    steps = torch.arange(STEPS + 1, device=inputs.x.device)
    return (steps * features.to(steps.device)[:, None] / STEPS).round()
