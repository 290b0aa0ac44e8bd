"""Input-aware floors: maps that know the input but not the model. A score counts only above the best of them.

On digits a deletion curve falls to .66 in random order, to .22 in random order inside the ink, and to .195
by integrated gradients of an untrained net: "better than random" is passed by nonsense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..data.records import Data
from ..explanation.result import Explanation
from ..explanation.space import Space
from ..state import generator
from .controls import randomized

EMPTY = -1.0  # features that equal the baseline come last


def floors(e: Explanation, model: Any, space: Space, data: Data | None, seed: int) -> dict[str, np.ndarray]:
    """Return maps of the inputs' shape by name, each a floor for an explanation of these inputs."""
    away = (space.x - space.baselines).abs()
    noise = torch.rand(away.shape, generator=generator(seed, 3)).to(away.device)
    maps = {
        "random order inside the input": torch.where(away > 0, noise, EMPTY),
        "distance to the baseline": away,
    }
    if space.spatial:
        maps["edges of the input"] = _edges(space.x)
    found = {name: values.numpy(force=True) for name, values in maps.items()}
    if data is not None:
        found["mean input of the class"] = _class_means(e, data)
        found["the same method on a randomized model"] = _untrained(e, model, data, seed)
    return found


def _edges(x: torch.Tensor) -> torch.Tensor:
    """Return the size of the difference to the neighbours, by rows and by columns."""
    down = torch.zeros_like(x)
    across = torch.zeros_like(x)
    down[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    across[..., 1:-1] = x[..., 2:] - x[..., :-2]
    return (down.square() + across.square()).sqrt()


def _class_means(e: Explanation, data: Data) -> np.ndarray:
    means = {c: data.train.x[data.train.y == c].mean(0) for c in np.unique(data.train.y)}
    overall = data.train.x.mean(0)
    return np.stack([means.get(int(c), overall) for c in (e.target if e.target is not None else ())])


def _untrained(e: Explanation, model: Any, data: Data, seed: int) -> np.ndarray:
    return e.replay(randomized(model, data, seed)).values
