"""What a model answers to many rows, for every class at once, and how far other rows would move a mean of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from .outputs import OUTPUTS
from .score import Score
from .space import Space


def aimed(score: Score, inputs: Space) -> int:
    """Return how many classes there are, if the model's outputs go with the one that is explained."""
    score.aim(inputs.x[:1])
    with torch.no_grad():
        return score.columns(score.scores(inputs.x[:1])).shape[1]


@torch.no_grad()
def every_class(score: Score, x: torch.Tensor) -> torch.Tensor:
    """Return the explained scalar of a batch for each class, ``(m, class)``."""
    z = score.columns(score.scores(x))
    return torch.stack([_of_class(score, z, c) for c in range(z.shape[1])], 1)


def _of_class(score: Score, z: torch.Tensor, c: int) -> torch.Tensor:
    mine = torch.full((len(z),), c, device=z.device)
    rival = z.scatter(1, mine[:, None], -torch.inf).argmax(1)
    return OUTPUTS[score.output](z, mine, rival)


def standard_error(influence: np.ndarray, clusters: Any = None) -> np.ndarray:
    """Return the standard error of a statistic from what each row adds to it, ``(n, ...) -> (...)``.

    A row's influence on a mean is its distance from it, over n. Rows of one cluster are one draw: their
    influences are added up before they are squared (Liang and Zeger 1986).

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0, 6.0])
    >>> bool(np.isclose(standard_error((x - x.mean()) / 4), x.std(ddof=1) / 2))
    True
    """
    inverse = np.arange(len(influence)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    count = int(inverse.max()) + 1
    if count < 2:
        what = "row" if len(influence) == 1 else "cluster of rows"
        raise BadInput(
            f"There is 1 {what}", "at least two: an error is what other rows would move", "Pass more"
        )
    sums = np.zeros((count, *influence.shape[1:]))
    np.add.at(sums, inverse, influence)
    return np.sqrt(np.square(sums).sum(0) * count / (count - 1))
