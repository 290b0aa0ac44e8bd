"""Pairs of models of which it is known how alike they are: what a measure of drift must say about them.

The first three give the same answers with other weights or other logits; the others give other answers: from the
same hidden layers, with the same maps, or only where the input is rough. They are made of any trained network, and
test a comparison as a referee would.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from ..state import generator, untouched
from ..zoo.pairs import relu_pairs

ROUNDING = 1e-4  # of the largest answer: sums in another order


@torch.no_grad()
def rescaled(net: nn.Module, example: torch.Tensor, factor: float = 8.0) -> nn.Module:
    """Return a copy that computes the same function, bit for bit, with one hidden layer ``factor`` times as large.

    A ReLU passes positive factors on, so what reads the layer is divided by the same (Neyshabur et al. 2015;
    Dinh et al. 2017). Measures of weights or hidden activations that see a change here measure a scale.

    Parameters
    ----------
    net
        A network with two layers of one kind and only a ReLU between them; it is not touched.
    example
        Inputs ``(n, ...)`` on which the two are held against each other.
    factor
        A power of two, so that nothing is rounded.

    Raises
    ------
    BadInput
        The factor is no power of two, or the network has no such layers.
    """
    if not isinstance(factor, (int, float)) or factor <= 0 or math.frexp(factor)[0] != 0.5:
        raise BadInput(f"factor is {factor!r}", "a power of two, such as 8", "Others would round")

    def change(writer: Any, reader: Any) -> None:
        writer.weight.mul_(factor)
        if writer.bias is not None:
            writer.bias.mul_(factor)
        reader.weight.div_(factor)

    return _changed(net, example, change, torch.equal)


@torch.no_grad()
def reordered(net: nn.Module, example: torch.Tensor, seed: int = 0) -> nn.Module:
    """Return a copy that computes the same function, up to rounding, with one layer's hidden units in another order.

    Parameters
    ----------
    net
        A network with two layers of one kind and only a ReLU between them; it is not touched.
    example
        Inputs ``(n, ...)`` on which the two are held against each other.
    seed
        Of the order.

    Raises
    ------
    BadInput
        The network has no such layers.
    """

    def change(writer: Any, reader: Any) -> None:
        order = torch.randperm(len(writer.weight), generator=generator(seed)).to(writer.weight.device)
        writer.weight.copy_(writer.weight[order])
        if writer.bias is not None:
            writer.bias.copy_(writer.bias[order])
        reader.weight.copy_(reader.weight[:, order])

    return _changed(net, example, change, _alike)


@torch.no_grad()
def swapped_answers(net: nn.Module) -> nn.Module:
    """Return a copy whose last linear layer gives each class the next one's logit: nothing hidden changes.

    Parameters
    ----------
    net
        A network that ends in a linear layer; it is not touched.

    Raises
    ------
    BadInput
        It has no linear layer.
    """
    changed = _copied(net)
    last = _last_linear(changed)
    last.weight.copy_(last.weight.roll(1, 0))
    if last.bias is not None:
        last.bias.copy_(last.bias.roll(1, 0))
    return changed


@torch.no_grad()
def biased(net: nn.Module, towards: int, size: float) -> nn.Module:
    """Return a copy that leans towards one class by a constant, and whose maps of differences are the original's.

    What hiding a part changes is blind to a constant, so that a look at maps alone is fooled (the end that Heo et al.
    2019 and Anders et al. 2020 reach by training): only the answers say that the two differ.

    Parameters
    ----------
    net
        A network that ends in a linear layer with a bias; it is not touched.
    towards, size
        The class, and what is added to its logit.

    Raises
    ------
    BadInput
        It has no such layer.
    """
    changed = _copied(net)
    last = _last_linear(changed)
    if last.bias is None:
        raise BadInput("The last linear layer has no bias", "one that has", "Use another net")
    last.bias[towards] += size
    return changed


class ShiftedLogits(nn.Module):
    """A network with a function of the input added to all its logits: every probability is as before."""

    def __init__(self, net: nn.Module, size: float = 5.0) -> None:
        super().__init__()
        self.net, self.size = _copied(net), size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(n, class)``, shifted by one number a row."""
        return self.net(x) + self.size * (1 + x.float().flatten(1).mean(1, keepdim=True).sin())


class RoughlyOtherwise(nn.Module):
    """A network that gives each class the next one's logit wherever neighbouring pixels differ much.

    On smooth images its answers and gradients are the original's; on noisy ones it answers otherwise, as a model
    that knows when it is audited can (Slack et al. 2020, the other way round).

    Parameters
    ----------
    net
        A network of images; it is copied.
    smooth, rough
        Images ``(n, channel, row, column)`` of the two kinds; the threshold lies half-way between their means.
    """

    def __init__(self, net: nn.Module, smooth: torch.Tensor, rough: torch.Tensor) -> None:
        super().__init__()
        self.net = _copied(net)
        self.threshold = float(roughness(smooth).mean() + roughness(rough).mean()) / 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits ``(n, class)``."""
        z = self.net(x)
        return torch.where((roughness(x) > self.threshold)[:, None], z.roll(1, 1), z)


def roughness(x: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference of neighbours along the rows of images, ``(n,)``."""
    return x.diff(dim=-1).abs().flatten(1).mean(1)


def _changed(net: nn.Module, example: torch.Tensor, change: Callable[[Any, Any], None],
             same: Callable[[torch.Tensor, torch.Tensor], bool]) -> nn.Module:  # fmt: skip
    """Change the last two layers between which only a ReLU stands, and that nobody else reads: the answers say so."""
    pairs = relu_pairs(net, example) if isinstance(net, nn.Module) else []
    for writer, reader in reversed(pairs):
        changed = _copied(net)
        change(changed.get_submodule(writer), changed.get_submodule(reader))
        with untouched(net):
            if same(changed(example), net(example)):
                return changed
    raise BadInput(f"A {type(net).__name__} has no hidden layer that a ReLU alone stands behind",
                   "two linear layers or two convolutions with nn.ReLU, a module, between them",
                   "Use mlp, lenet5, cnn, lstm_attention or transformer")  # fmt: skip


def _alike(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    return bool((ours - theirs).abs().max() <= ROUNDING * theirs.abs().max())


def _last_linear(net: nn.Module) -> Any:
    found = [m for m in net.modules() if isinstance(m, nn.Linear)]
    if not found:
        raise BadInput(
            f"A {type(net).__name__} has no linear layer", "one that gives the logits", "Use another net"
        )
    return found[-1]


def _copied(net: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode that carries what the given one does."""
    return copy.deepcopy(net).eval()
