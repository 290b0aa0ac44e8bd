"""Layers of the surrogate: real numbers forward as the int8 model holds them, straight-through backward.

An int8 model is a staircase: flat almost everywhere, so its own gradient is zero. Each layer here computes
twice. Forward counts what the **int8 kernel itself** returns, as the real number that its integers stand
for. Backward follows the float layer with the same int8 weights, as if nothing had been rounded, and is
zero where the kernel clamped (straight-through, Bengio et al. 2013).

Every tensor between layers therefore holds real activations, not integers, and hooks see those.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

EVERYWHERE = (-np.inf, np.inf)


@dataclass(frozen=True)
class Grid:
    """The 256 real numbers that an 8-bit tensor can hold: ``scale * (q - zero_point)``, q from 0 to 255."""

    scale: float
    zero_point: int

    def quantize(self, x: torch.Tensor) -> torch.Tensor:
        """Return the quantized tensor; exact for numbers that are on the grid already."""
        return torch.quantize_per_tensor(x, self.scale, self.zero_point, torch.quint8)

    @property
    def bounds(self) -> tuple[float, float]:
        """Return the numbers next to the range on either side: these and all beyond are clamped."""
        lowest, highest = -self.zero_point * self.scale, (255 - self.zero_point) * self.scale
        return _next(lowest, -np.inf), _next(highest, np.inf)


def _next(x: float, towards: float) -> float:
    return float(np.nextafter(np.float32(x), np.float32(towards)))


class _Straight(torch.autograd.Function):
    """Forward what is held; backward to the real number it came from, if that lies between the bounds."""

    @staticmethod
    def forward(ctx: Any, real: torch.Tensor, held: torch.Tensor, below: float, above: float) -> torch.Tensor:
        ctx.save_for_backward(real)
        ctx.bounds = below, above
        return held

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:  # type: ignore[override]
        # The gradient of a clamp, in one pass where comparing and multiplying would take four.
        return torch.ops.aten.hardtanh_backward(gradient, *ctx.saved_tensors, *ctx.bounds), None, None, None


class HeldInput(nn.Module):
    """Rounds real numbers to a grid: the door of the int8 model."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the numbers that the int8 model holds in place of ``x``."""
        with torch.no_grad():
            held = self.grid.quantize(x).dequantize()
        return _Straight.apply(x, held, *self.grid.bounds)


class HeldReLU(nn.ReLU):
    """The ReLU that a layer had swallowed, with the rounding behind it."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the activation that the int8 model holds."""
        with torch.no_grad():
            held = self.grid.quantize(input).relu().dequantize()
        return _Straight.apply(input, held, 0.0, self.grid.bounds[1])


class HeldStep(nn.Module):
    """A step without int8 weights, such as an average, a sum or a norm, to be rounded as its kernel rounds.

    What a kernel returns can depend on layout and engine, so that the kernel itself is asked. A :class:`HeldInput` or
    a :class:`HeldReLU` stands behind.

    Parameters
    ----------
    real, kernel
        The step on real numbers, and on quantized tensors.
    grids, made
        Of its inputs, which then come back as they are, and of its output.
    fused
        Whether the kernel swallowed a ReLU.
    """

    def __init__(self, real: Callable[..., torch.Tensor], kernel: Callable[..., torch.Tensor], grids: Sequence[Grid],
                 made: Grid, fused: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.real, self.kernel, self.grids, self.made, self.fused = real, kernel, tuple(grids), made, fused

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Return real numbers that round to what the int8 model holds."""
        real = self.real(*inputs)
        with torch.no_grad():
            chosen = self.kernel(*[grid.quantize(x) for grid, x in zip(self.grids, inputs, strict=True)])
            _side_with(chosen, real.detach(), _rounded(self, real))
        return real


class HeldDynamicLinear(nn.Linear):
    """A linear layer whose input is rounded batch by batch: the kernel's output, and the gradient of its weights."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        bias = layer.bias()
        self.weight = nn.Parameter(layer.weight().dequantize(), requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)  # type: ignore[assignment]
        self.kernel = layer.forward

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return real activations ``(n, ..., unit)``."""
        real = super().forward(input)
        with torch.no_grad():
            held = self.kernel(input)
        return _Straight.apply(real, held, *EVERYWHERE)


class HeldConv2d(nn.Conv2d):
    """A convolution with the real values of int8 weights; its output is the sum before any rounding.

    What stands behind makes what the int8 model holds: with ``fused`` a :class:`HeldReLU`, else a :class:`HeldInput`.
    """

    def __init__(self, layer: Any, given: Grid, fused: bool) -> None:
        # On the meta device nothing is drawn: the random state stays as it is.
        super().__init__(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
                         layer.dilation, layer.groups, device="meta")  # fmt: skip
        _adopt(self, layer, given, fused)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return real activations ``(n, channel, row, column)``."""
        return _as_held(self, input)

    def summed(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sums in float32, before any rounding, laid out as the kernel lays out its own."""
        return super().forward(x.contiguous(memory_format=torch.channels_last))


class HeldLinear(nn.Linear):
    """A linear layer with the real values of int8 weights; ``fused`` as in :class:`HeldConv2d`."""

    def __init__(self, layer: Any, given: Grid, fused: bool) -> None:
        super().__init__(layer.in_features, layer.out_features, device="meta")
        _adopt(self, layer, given, fused)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return real activations ``(n, unit)``."""
        return _as_held(self, input)

    def summed(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sums in float32, before any rounding."""
        return super().forward(x)


def _adopt(held: Any, layer: Any, given: Grid, fused: bool) -> None:
    """Take over a quantized layer's numbers, frozen, and its kernel."""
    bias = layer.bias()
    held.weight = nn.Parameter(layer.weight().dequantize(), requires_grad=False)
    held.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)
    held.given, held.made, held.fused = given, Grid(layer.scale, layer.zero_point), fused
    # The bound method, not the module: a kernel is no layer of its own to whoever walks the modules.
    held.kernel = layer.forward


def _as_held(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Return the float32 sums, changed where they would not round to what the int8 kernel holds.

    float32 and the kernel round a sum that is half-way between two numbers of the grid differently, about once
    in a million. There the kernel's choice counts. They never differ by more than one step, unless someone
    changed the weights: then the float32 sums count, so that a twin can be randomized like any other model.
    """
    real = layer.summed(x)
    with torch.no_grad():
        # The sums are this layer's own and no backward pass reads them: they may be changed in place.
        _side_with(_chosen(layer, x), real.detach(), _rounded(layer, real), most=1)
    return real


def _side_with(chosen: torch.Tensor, real: torch.Tensor, rounded: torch.Tensor, most: int = 255) -> None:
    """Put the kernel's choice in place of real numbers that round otherwise, by so many steps at most."""
    integers, own = chosen.int_repr(), rounded.int_repr()
    places = (own != integers).nonzero(as_tuple=True)
    if len(places[0]):
        near = (own[places].short() - integers[places].short()).abs() <= most
        real[places] = torch.where(near, chosen.dequantize()[places], real[places])


def _rounded(step: Any, real: torch.Tensor) -> torch.Tensor:
    """Return real numbers on the grid of a step's output, behind the ReLU if its kernel swallowed one."""
    rounded = step.made.quantize(real)
    return rounded.relu() if step.fused else rounded


def _chosen(layer: Any, x: torch.Tensor) -> torch.Tensor:
    return layer.kernel(layer.given.quantize(x))


@torch.no_grad()
def disagreement(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Tell for each activation of a layer whether float32 rounds it otherwise than the kernel."""
    return _rounded(layer, layer.summed(x)).int_repr() != _chosen(layer, x).int_repr()


HELD = (HeldInput, HeldReLU, HeldStep, HeldDynamicLinear, HeldConv2d, HeldLinear)
