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

UNTRAINED = "the same method on a randomized model"
EMPTY = -1.0  # features that equal the baseline come last


def floors(e: Explanation, model: Any, space: Space, data: Data | None, seed: int) -> dict[str, np.ndarray]:
    """Return maps of the inputs' shape by name, each a floor for an explanation of these inputs."""
    found = of_inputs(e, space, data, seed)
    return found if data is None else found | {UNTRAINED: _untrained(e, model, data, seed)}


def of_inputs(e: Explanation, space: Space, data: Data | None, seed: int) -> dict[str, np.ndarray]:
    """Return the floors that are the same for every method: maps that are made of the inputs and their classes."""
    what, away = space.salience()
    noise = torch.rand(away.shape, generator=generator(seed, 3)).to(away.device)
    maps = {"random order inside the input": torch.where(away > 0, noise, EMPTY), what: away}
    if space.spatial:
        maps["edges of the input"] = _edges(space.x)
    found = {name: values.numpy(force=True) for name, values in maps.items()}
    return found if data is None else found | _of_classes(e, space, data)


def _edges(x: torch.Tensor) -> torch.Tensor:
    """Return the size of the difference to the neighbours, by rows and by columns."""
    down = torch.zeros_like(x)
    across = torch.zeros_like(x)
    down[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    across[..., 1:-1] = x[..., 2:] - x[..., :-2]
    return (down.square() + across.square()).sqrt()


def _of_classes(e: Explanation, space: Space, data: Data) -> dict[str, np.ndarray]:
    """Return the mean input of each row's class; of texts, how telling each word is of the class in training."""
    classes = e.target if e.target is not None else np.empty(0, dtype=int)
    if space.tokens:
        telling = _telling(data)[classes]
        return {
            "how telling the word is of the class": np.take_along_axis(telling, space.x.numpy(force=True), 1)
        }
    means = {c: data.train.x[data.train.y == c].mean(0) for c in np.unique(data.train.y)}
    overall = data.train.x.mean(0)
    own = np.stack([means.get(int(c), overall) for c in classes])
    return {"mean input of the class": space.folded(torch.tensor(own).abs()).numpy()}


def _telling(data: Data) -> np.ndarray:
    """Return the log odds that a text of a class holds a token, against all texts, ``(class, token)``."""
    size = int(max(split.x.max() for split in data.splits.values())) + 1
    held = np.stack([_held(data.train.x[data.train.y == c], size) for c in range(data.n_classes)])
    n = np.bincount(data.train.y, minlength=data.n_classes)[:, None]
    return np.log((held + 1) / (n + 2)) - np.log((held.sum(0) + 1) / (n.sum() + 2))


def _held(x: np.ndarray, size: int) -> np.ndarray:
    """Count the texts that hold each token."""
    return np.bincount(np.concatenate([np.unique(row) for row in x]), minlength=size)


def _untrained(e: Explanation, model: Any, data: Data, seed: int) -> np.ndarray:
    return e.replay(randomized(model, data, seed)).values
