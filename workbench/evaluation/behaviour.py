"""What a model answers: on clean inputs, on inputs partly hidden, drowned in noise or shifted, and on their counterfactuals."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..data.kinds import HIDDEN
from ..data.records import Split
from ..explanation.score import class_scores
from ..explanation.space import Space
from ..state import generator
from .shifts import shifted

CONDITIONS = ("clean", "masked", "noisy", "shifted")
COUNTERFACTUALS = {
    "without_evidence": "evidence removed",
    "without_shortcut": "shortcut removed",
}  # of a split


def conditions(x: np.ndarray, seed: int = 0, codec: Any = None) -> dict[str, np.ndarray]:
    """Return the inputs clean, with 30 % of their parts hidden, noisy, and shifted; draws depend on (seed, condition) alone."""
    space, draws = Space(torch.tensor(x), codec=codec), generator(seed, 1)
    kept = torch.rand(space.n, space.n_groups, generator=draws) >= HIDDEN
    masked = next(space.replaced(space.kept_to_hidden(kept, space.rows), space.rows))
    noisy, moved = space.noisy(generator(seed, 2)), shifted(space, generator(seed, 3))
    return {"clean": x, "masked": masked.numpy(), "noisy": noisy.numpy(), "shifted": moved.numpy()}


def counterfactuals(split: Split) -> dict[str, np.ndarray]:
    """Return the rows with what is known about them removed: the evidence of the class, or what was planted."""
    known = {name: getattr(split, field) for field, name in COUNTERFACTUALS.items()}
    return {name: x for name, x in known.items() if x is not None}


def answers(model: Any, rows: Any, codec: Any = None) -> np.ndarray:
    """Return the class that a model answers for each row of a split, or of an array with its codec, ``(n,)``."""
    return class_scores(model, rows, codec).argmax(1)
