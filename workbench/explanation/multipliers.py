"""Rules that stand for the gradient of a non-linear layer: rescale, guided, proportion.

Backpropagation multiplies local slopes. DeepLift puts ``(y - y0) / (x - x0)``, the slope to a reference, in
their place, layer-wise relevance propagation ``y / x``, guided backpropagation lets only positive gradients
through. Whatever is linear keeps its own gradient: with these slopes the products sum to the output (Ancona et
al. 2018). Captum sets such rules by hooks on modules, which miss functions, overlapping pools and pools before
a ReLU; here a rule is an autograd function in place of the layer, in a copy that :mod:`.repair` made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

EPS = 1e-6  # a smaller step away from the reference is none: the local slope counts (as in shap)
Rule = Callable[["Unit", torch.Tensor], torch.Tensor]
POOLS: dict[type, Callable[..., Any]] = {
    nn.MaxPool1d: F.max_pool1d,
    nn.MaxPool2d: F.max_pool2d,
    nn.MaxPool3d: F.max_pool3d,
}


class NoRule(Exception):
    """A step of the network that no rule covers."""


class Pointwise(nn.Module):
    """A function of every number by itself, such as ``torch.exp``, as a layer.

    Parameters
    ----------
    function
        Of a tensor, and of what is given beside it.
    *args, **kwargs
        What is given beside it: numbers.
    """

    def __init__(self, function: Callable[..., torch.Tensor], *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.function, self.args, self.kwargs = function, args, kwargs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the function of every number."""
        return self.function(x, *self.args, **self.kwargs)


class Unit(nn.Module):
    """A layer under a rule.

    Parameters
    ----------
    layer
        What is computed forward.
    rule
        ``(unit, x) -> y``, an autograd function whose backward is the rule.

    Attributes
    ----------
    noting
        Whether the next forward is that of the reference, whose numbers are kept.
    reference
        What came in and went out at the reference.
    """

    def __init__(self, layer: nn.Module, rule: Rule) -> None:
        super().__init__()
        self.layer, self.rule = layer, rule
        self.noting, self.reference = False, (torch.empty(0), torch.empty(0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the layer's output; what is backward of it is the rule's."""
        if not self.noting:
            return self.rule(self, x)
        y = self.layer(x)
        self.reference = x, y
        return y


# DeepLift


def rescaled(unit: Unit, x: torch.Tensor) -> torch.Tensor:
    """Apply the rescale rule: the slope to the reference (Shrikumar, Greenside and Kundaje 2017)."""
    if x.shape[1:] != unit.reference[0].shape[1:] or len(x) % len(unit.reference[0]):
        raise NoRule("its batch is not the first axis of every layer")
    if type(unit.layer) in POOLS:
        return _PoolToReference.apply(x, *unit.reference, unit.layer)
    return _ToReference.apply(x, *unit.reference, unit.layer)


class _ToReference(torch.autograd.Function):
    """The slope to the reference of a function of every number by itself."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, x0: torch.Tensor, y0: torch.Tensor, layer: nn.Module
    ) -> torch.Tensor:
        y = layer(x)
        ctx.save_for_backward(x, y, x0, y0)
        ctx.layer = layer
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:  # type: ignore[override]
        x, y, x0, y0 = ctx.saved_tensors
        step = away(x, x0)
        slope, still = away(y, y0).div_(step), step.abs_() < EPS
        if still.any():
            slope = torch.where(still, _local_slope(ctx.layer, x), slope)
        return slope.mul_(gradient), None, None, None


class _PoolToReference(torch.autograd.Function):
    """What a window's maximum gained over the reference's goes to the place that holds the larger of the two."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, x0: torch.Tensor, y0: torch.Tensor, layer: nn.Module
    ) -> torch.Tensor:
        y, places = _pooled(layer, x)
        ctx.save_for_backward(x, y, places, x0, y0, _pooled(layer, x0)[1])
        ctx.axes = x.ndim - POOL_AXES[type(layer)]
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:  # type: ignore[override]
        x, y, places, x0, y0, places0 = ctx.saved_tensors
        gained, step = away(y, y0), away(x, x0)
        where = torch.where(gained >= 0, places, alike(places0, places))
        shares = _unpooled(gained * gradient, where, x, ctx.axes)
        still = step.abs() < EPS
        return torch.where(still, _unpooled(gradient, places, x, ctx.axes), shares / step), None, None, None


POOL_AXES: dict[type, int] = {nn.MaxPool1d: 1, nn.MaxPool2d: 2, nn.MaxPool3d: 3}


def _pooled(layer: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the maxima of the windows, and at which place of the flattened image each stands."""
    return POOLS[type(layer)](
        x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode, True
    )


def _unpooled(values: torch.Tensor, places: torch.Tensor, x: torch.Tensor, axes: int) -> torch.Tensor:
    """Add values up at their places: windows may overlap."""
    out = torch.zeros_like(x).flatten(axes)
    return out.scatter_add_(axes, places.flatten(axes), values.flatten(axes)).view(x.shape)


def away(x: torch.Tensor, x0: torch.Tensor) -> torch.Tensor:
    """Return ``x - x0``, where ``x`` holds one or more rows for each of the reference's, one pass after another."""
    return (x.reshape(-1, *x0.shape) - x0).view(x.shape)


def alike(x0: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Repeat the reference's rows for each pass of ``x``."""
    return x0.expand(len(x) // len(x0), *x0.shape).reshape(x.shape)


def _local_slope(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(layer(x).sum(), x)[0]


# layer-wise relevance propagation


def proportioned(unit: Unit, x: torch.Tensor) -> torch.Tensor:
    """Apply ``y / x``: relevance passes an activation unchanged (Bach et al. 2015; Ancona et al. 2018)."""
    return _Proportion.apply(x, unit.layer)


class _Proportion(torch.autograd.Function):
    """The slope to zero, for functions that are zero there."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: nn.Module) -> torch.Tensor:
        y = layer(x)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:  # type: ignore[override]
        x, y = ctx.saved_tensors
        return torch.where(x == 0, 0.0, y / x).mul_(gradient), None


def damped(epsilon: float, gamma: float) -> Rule:
    """Return the rule of linear layers: what is small is damped, what speaks for gains (Montavon et al. 2019).

    Relevance is shared in proportion to ``x * (w + gamma * max(w, 0))`` over their sum plus ``epsilon``.
    """

    def rule(unit: Unit, x: torch.Tensor) -> torch.Tensor:
        y = unit.layer(x)
        shared = _favoured(unit.layer, x, gamma) if gamma and _is_weighted(unit.layer) else y
        small = torch.where(shared.detach() < 0, -epsilon, epsilon)
        below = shared.detach() + small
        share = torch.where(below == 0, 0.0, y.detach() / below)
        return y.detach() + share * (
            shared - shared.detach()
        )  # the layer's own number, with the rule's slope

    return rule


def _favoured(layer: Any, x: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return a layer's output with its positive weights made larger by a fraction."""
    weight = layer.weight
    larger = {"weight": weight + gamma * weight.clamp(min=0)}
    return torch.func.functional_call(layer, larger, (x,))


def _is_weighted(layer: nn.Module) -> bool:
    return isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d))


# guided backpropagation and deconvolution


def guided(unit: Unit, x: torch.Tensor) -> torch.Tensor:
    """Let only positive gradients through a ReLU, where it was active (Springenberg et al. 2015)."""
    return _Positive.apply(x, unit.layer, True)


def deconvolved(unit: Unit, x: torch.Tensor) -> torch.Tensor:
    """Let only positive gradients through a ReLU, active or not (Zeiler and Fergus 2014)."""
    return _Positive.apply(x, unit.layer, False)


class _Positive(torch.autograd.Function):
    """The positive part of the gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: nn.Module, where_active: bool) -> torch.Tensor:
        y = layer(x)
        ctx.save_for_backward(y if where_active else None)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple:  # type: ignore[override]
        (y,) = ctx.saved_tensors
        active = gradient if y is None else torch.ops.aten.threshold_backward(gradient, y, 0)
        return active.clamp(min=0), None, None
