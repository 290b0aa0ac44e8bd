"""What a model answers: on clean inputs, and on inputs partly hidden or drowned in noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..data.kinds import HIDDEN
from ..explanation.score import class_scores
from ..explanation.space import Space
from ..state import generator

CONDITIONS = ("clean", "masked", "noisy")


def conditions(x: np.ndarray, seed: int = 0, codec: Any = None) -> dict[str, np.ndarray]:
    """Return the inputs clean, with 30 % of their parts hidden, and noisy; draws depend on (seed, condition) alone."""
    space, draws = Space(torch.tensor(x), codec=codec), generator(seed, 1)
    kept = torch.rand(space.n, space.n_groups, generator=draws) >= HIDDEN
    masked = next(space.replaced(space.kept_to_hidden(kept, space.rows), space.rows))
    return {"clean": x, "masked": masked.numpy(), "noisy": space.noisy(generator(seed, 2)).numpy()}


def answers(model: Any, rows: Any, codec: Any = None) -> np.ndarray:
    """Return the class that a model answers for each row of a split, or of an array with its codec, ``(n,)``."""
    return class_scores(model, rows, codec).argmax(1)
