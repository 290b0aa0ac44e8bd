"""What a model answers: on clean inputs, and on inputs partly hidden or drowned in noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..explanation.score import class_scores
from ..explanation.space import Space
from ..state import generator

HIDDEN, NOISE = (
    0.3,
    0.3,
)  # the share of patches or columns hidden; the noise's deviation in ranges of the input
CONDITIONS = {
    "clean": "clean inputs",
    "masked": f"inputs with {HIDDEN:.0%} of their parts hidden",
    "noisy": f"inputs with noise of {NOISE:g} of their range",
}


def conditions(x: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the inputs clean, masked and noisy; draws depend on (seed, condition) alone."""
    inputs = torch.tensor(x)
    space, draws = Space(inputs), generator(seed, 1)
    kept = torch.rand(space.n, space.n_groups, generator=draws) >= HIDDEN
    rows = torch.arange(space.n)
    masked = next(space.replaced(space.kept_to_hidden(kept, rows), rows))
    return {"clean": x, "masked": masked.numpy(), "noisy": _noisy(inputs, generator(seed, 2)).numpy()}


def _noisy(inputs: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Return the inputs with noise; images stay within their range, outside of which int8 models see nothing."""
    shape = (-1, *[1] * (inputs.ndim - 1))
    low, high = inputs.flatten(1).amin(1).view(shape), inputs.flatten(1).amax(1).view(shape)
    noisy = inputs + NOISE * (high - low) * torch.randn(inputs.shape, generator=draws)
    return torch.clamp(noisy, low, high) if inputs.ndim == 4 else noisy


def answers(model: Any, x: np.ndarray) -> np.ndarray:
    """Return the class that a model answers for each input, ``(n,)``."""
    return class_scores(model, x).argmax(1)
