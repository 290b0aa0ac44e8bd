"""Shifted inputs: the same thing to a reader, other numbers to a model."""

from __future__ import annotations

import torch

from ..data.kinds import MOVED, NUDGED
from ..explanation.space import Space


def shifted(inputs: Space, draws: torch.Generator) -> torch.Tensor:
    """Return inputs shifted as their kind allows, of their shape.

    Images move up, down, left or right by a fourteenth of their side, their edge repeated; the numbers of a table by a
    tenth of their deviation up or down; of a text two neighbouring words change places.
    """
    if inputs.spatial:
        return _moved(inputs.x, torch.randint(4, (inputs.n,), generator=draws))
    if inputs.fixed is not None:
        return _exchanged(inputs.x, ~inputs.fixed, torch.rand(inputs.n, inputs.x.shape[1], generator=draws))
    numbers = getattr(inputs.codec, "numbers", list(range(inputs.x.shape[1])))
    sides = 2 * torch.randint(2, (inputs.n, len(numbers)), generator=draws) - 1
    found = inputs.x.clone()
    found[:, numbers] += NUDGED * inputs.x[:, numbers].std(0, correction=0) * sides.to(inputs.x)
    return found


def _moved(x: torch.Tensor, ways: torch.Tensor) -> torch.Tensor:
    """Return images moved one of four ways, ``(n,)``."""
    height, width = x.shape[-2:]
    step = torch.tensor([max(1, height // MOVED), max(1, width // MOVED)])
    down, right = (torch.tensor([[1, 0], [-1, 0], [0, 1], [0, -1]])[ways] * step).T
    rows = (torch.arange(height) - down[:, None]).clamp(0, height - 1)[:, None, :, None]
    columns = (torch.arange(width) - right[:, None]).clamp(0, width - 1)[:, None, None, :]
    moved = x.gather(2, rows.to(x.device).expand(*x.shape))
    return moved.gather(3, columns.to(x.device).expand(*x.shape))


def _exchanged(x: torch.Tensor, words: torch.Tensor, luck: torch.Tensor) -> torch.Tensor:
    """Return texts with two neighbouring words in each other's place; a single word stays as it is."""
    both = words[:, :-1] & words[:, 1:]
    first = torch.where(both, luck.to(x.device)[:, :-1], -1).argmax(1)[:, None]
    here, there, able = x.gather(1, first), x.gather(1, first + 1), both.any(1)[:, None]
    found = x.scatter(1, first, torch.where(able, there, here))
    return found.scatter(1, first + 1, torch.where(able, here, there))
