"""What metrics hide: the features of an input in the order of their values, or random subsets of them.

A feature is a pixel with all its channels, a column of the original table, a token that is no padding.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np
import torch

from ..errors import BadInput
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import generators

KEPT = 64_000_000  # bytes of masks that are kept for the next map


def attributed(inputs: Space, values: np.ndarray) -> torch.Tensor:
    """Return a value a feature, ``(n, ...)``: the channels of a pixel are added up.

    Raises
    ------
    BadInput
        Values of another shape than the features, such as a map that was not upsampled.
    """
    total = torch.as_tensor(values, device=inputs.x.device)
    total = total.sum(1, keepdim=True) if inputs.spatial and total.ndim == 4 else total
    if tuple(total.shape[1:]) != _shape(inputs):
        raise BadInput(f"The values have the shape {tuple(values.shape)}", "a value for each feature of the inputs, "
                       f"{tuple(inputs.x.shape)}", "Explain with upsample=True, or choose metrics of the map alone")  # fmt: skip
    return total


def _shape(inputs: Space) -> tuple[int, ...]:
    return tuple(inputs.x[0, :1].shape) if inputs.spatial else inputs.features


def free_features(inputs: Space) -> torch.Tensor:
    """Return how many features of each row can be hidden, ``(n,)``."""
    if inputs.fixed is not None:
        return (~inputs.fixed).flatten(1).sum(1)
    return torch.full((inputs.n,), prod(_shape(inputs)), device=inputs.x.device)


def ranked(inputs: Space, values: np.ndarray) -> torch.Tensor:
    """Return each feature's place in falling order, from 0, what is never hidden last."""
    total = attributed(inputs, values)
    if inputs.fixed is not None:
        total = total.masked_fill(inputs.fixed, -torch.inf)
    order = total.flatten(1).argsort(dim=1, descending=True, stable=True)
    return order.argsort(1).view(total.shape)


def hiding(inputs: Space, rank: torch.Tensor, counts: torch.Tensor, hidden: Callable) -> Callable:
    """Return what :meth:`Score.responses` asks: masks of rows at steps.

    ``counts`` say how many features have had their turn, ``(n, step)``; ``hidden(rank, count)`` which are hidden then.
    """
    shape = (-1, *[1] * (rank.ndim - 1))

    def hide(rows: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return inputs.unfolded(hidden(rank[rows], counts[rows, steps].view(shape)), rows)

    return hide


class Subsets:
    """Random subsets of each row's features, drawn by (seed, row), whatever the batch.

    They are kept for the next map where they take little memory, and else drawn again row by row.

    Parameters
    ----------
    inputs
        Whose features they are.
    sizes
        How many features each subset has, ``(n, subset)``.
    seed
        Of the draws.
    """

    def __init__(self, inputs: Space, sizes: torch.Tensor, seed: int) -> None:
        self.inputs, self.sizes, self.seed = inputs, sizes, seed
        self._lost: torch.Tensor | None = None
        self._drawn: dict[int, torch.Tensor] = {}
        self._all = sizes.numel() * prod(_shape(inputs)) <= KEPT

    @classmethod
    def of_case(cls, score: Score, inputs: Space, sizes: torch.Tensor, seed: int) -> Subsets:
        """Return the subsets that all maps of these inputs are judged on."""
        key = ("subsets", seed, tuple(sizes.flatten().tolist()))
        if key not in score.kept:
            score.kept[key] = cls(inputs, sizes, seed)
        return score.kept[key]

    def of(self, row: int) -> torch.Tensor:
        """Return a row's subsets, boolean ``(subset, feature)``."""
        if row not in self._drawn:
            if not self._all:
                self._drawn.clear()
            self._drawn[row] = self._draw(row)
        return self._drawn[row]

    def _draw(self, row: int) -> torch.Tensor:
        own = next(generators(self.seed, [int(self.inputs.rows[row])]))
        draws = torch.rand(self.sizes.shape[1], prod(_shape(self.inputs)), generator=own)
        if self.inputs.fixed is not None:
            draws = draws.masked_fill(self.inputs.fixed[row].flatten().cpu(), 2)
        first = torch.arange(draws.shape[1]) < self.sizes[row].cpu()[:, None]
        return torch.zeros_like(first).scatter_(1, draws.argsort(1), first).to(self.inputs.x.device)

    def lost(self, score: Score) -> torch.Tensor:
        """Return what hiding each subset takes from the output, ``(n, subset)``; asked once for all maps."""
        if self._lost is None:
            whole = score.evaluate(self.inputs.x)[:, None]
            self._lost = (whole - score.responses(self.inputs, self.sizes.shape[1], self._hide)).double()
        return self._lost

    def _hide(self, rows: torch.Tensor, versions: torch.Tensor) -> torch.Tensor:
        masks = torch.cat([self.of(int(row))[versions[rows == row]] for row in rows.unique()])
        return self.inputs.unfolded(masks.view(-1, *_shape(self.inputs)), rows)

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of values ``(n, ...)`` in each subset, ``(n, subset)``."""
        flat = values.flatten(1).double()
        return torch.stack([self.of(row).double() @ flat[row] for row in range(len(flat))])
