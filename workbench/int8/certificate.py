"""How well a twin stands for its int8 model, on given inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ..state import untouched
from .layers import HeldConv2d, HeldLinear, disagreement

BATCH = 256


@torch.no_grad()
def certify(surrogate: nn.Module, int8_module: nn.Module, inputs: torch.Tensor) -> dict[str, Any]:
    """Return how far a twin's outputs equal those of its int8 model on these inputs.

    Ask on the inputs **and** on the points that a method queries, such as those along an integration path.
    Equality says nothing about the gradient; ``nudged`` says a little: in how many activations the float32
    sums, which the gradient follows, round to another number than the kernel chose.

    Parameters
    ----------
    surrogate, int8_module
        From :func:`~workbench.int8.surrogate.twin`, and what it was made from.
    inputs
        ``(n, ...)`` as the models take them.

    Returns
    -------
    dict
        ``rows``; ``equal``, the fraction of rows whose outputs are bit-equal (1 is perfect); ``gap``, the
        largest difference of an output; ``nudged``, a fraction of all activations of weighted layers.

    Examples
    --------
    >>> from workbench.int8.conversion import convert
    >>> from workbench.int8.surrogate import twin
    >>> x = torch.linspace(0, 1, 40).reshape(10, 4)
    >>> int8 = convert(nn.Sequential(nn.Linear(4, 3)), x)
    >>> certify(twin(int8), int8, x)
    {'rows': 10, 'equal': 1.0, 'gap': 0.0, 'nudged': 0.0}
    """
    equal, gap = 0, 0.0
    with _counting(surrogate) as counts:
        for part in inputs.split(BATCH):
            ours, theirs = surrogate(part).flatten(1), int8_module(part).flatten(1)
            equal += int((ours == theirs).all(1).sum())
            gap = max(gap, float((ours - theirs).abs().max()))
    nudged = sum(otherwise for otherwise, _ in counts) / max(1, sum(n for _, n in counts))
    return {"rows": len(inputs), "equal": equal / len(inputs), "gap": gap, "nudged": nudged}


@contextmanager
def _counting(surrogate: nn.Module) -> Iterator[list[tuple[int, int]]]:
    """Collect, a weighted layer and batch, how many activations float32 rounds otherwise, of how many."""
    counts: list[tuple[int, int]] = []

    def count(layer: Any, given: tuple, _: torch.Tensor) -> None:
        otherwise = disagreement(layer, given[0])
        counts.append((int(otherwise.sum()), otherwise.numel()))

    with untouched(surrogate):
        for layer in surrogate.modules():
            if isinstance(layer, (HeldConv2d, HeldLinear)):
                layer.register_forward_hook(count)
        yield counts
