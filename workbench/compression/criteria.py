"""What a weight is worth: by its size, by the loss, by the relevance that flows through it, or by a function of yours.

A criterion is ``(model, data) -> {layer: worth}``, each of its weight's shape, 0 or above; the least go first. A
channel is worth the sum of the weights that make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Data
from ..errors import BadInput
from ..state import untouched
from ..training import first_order, loss_gradients
from ..zoo.strides import tensor_for

Worth = dict[str, torch.Tensor]
Criterion = Callable[[nn.Module, Data], Worth]
NAMES = ("magnitude", "taylor", "relevance")
PER_CLASS = 10  # reference inputs


def parameter(net: nn.Module, name: str) -> nn.Parameter:
    """Return a layer's weight by the layer's name, or a recurrent layer's by its own."""
    layers = dict(net.named_modules())
    return net.get_parameter(f"{name}.weight" if name in layers else name)


def worth(net: nn.Module, names: Iterable[str], by: str | Criterion, data: Data | None) -> Worth:
    """Return what each weight of the named layers is worth by a criterion, of its layer's shape.

    Parameters
    ----------
    net, data
        The network, and the data whose training rows a criterion may look at.
    names
        Of layers, or of recurrent weights.
    by
        "magnitude", "taylor", "relevance", or a criterion of your own.

    Raises
    ------
    BadInput
        A criterion of your own that leaves a layer out, or gives another shape, a negative number or NaN.
    """
    own = {name: parameter(net, name) for name in names}
    if by == "magnitude" or data is None:
        return {name: w.detach().abs() for name, w in own.items()}
    if callable(by):
        return _checked(by(net, data), own)
    with untouched(net):
        if by == "relevance":
            return relevance(net, own, data)
        rows = _rows(net, data, np.arange(len(data.train)))
        return first_order(own, loss_gradients(net, own, *rows))  # type: ignore[arg-type]


def _rows(net: nn.Module, data: Data, chosen: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    device = next(net.parameters()).device
    return tensor_for(net, data.train.x[chosen]), torch.tensor(data.train.y[chosen], device=device)


def relevance(
    net: nn.Module, weights: dict[str, nn.Parameter], data: Data, per_class: int = PER_CLASS
) -> Worth:
    """Return the relevance that flows through each weight, over a few reference inputs a class (Yeom et al. 2021).

    By the LRP-0 rule, which for ReLU networks hands on ``weight x gradient`` of the explained logit (Ancona et al.
    2018): of each reference input's own class, as a share of its logit, absolute, a mean over inputs. Unlike "taylor"
    it asks what carries the answer, not what the loss would lose; rows need classes, and few of them suffice
    (Hatefi et al. 2024).

    Parameters
    ----------
    net
        A network that :func:`~workbench.state.untouched` has lent out.
    weights
        By name.
    data
        Whose first ``per_class`` training rows of each class are the reference inputs.
    per_class
        How many.
    """
    chosen = np.concatenate([np.flatnonzero(data.train.y == c)[:per_class] for c in range(data.n_classes)])
    x, y = _rows(net, data, chosen)
    found = {name: torch.zeros_like(w.requires_grad_(True)) for name, w in weights.items()}
    for row, target in zip(x.split(1), y, strict=True):
        with torch.enable_grad():
            logit = net(row)[0, target]
            slopes = torch.autograd.grad(logit, list(weights.values()), allow_unused=True)
        share = len(x) * max(float(logit.detach().abs()), 1e-6)
        for (name, w), slope in zip(weights.items(), slopes, strict=True):
            found[name] += 0 if slope is None else (w.detach() * slope).abs() / share
    return found


def _checked(found: Any, own: dict[str, nn.Parameter]) -> Worth:
    """Refuse what a criterion of somebody's own gives, unless it is a worth of every weight."""
    for name, w in own.items():
        value = torch.as_tensor(found[name]) if isinstance(found, dict) and name in found else None
        shape = None if value is None else tuple(value.shape)
        if value is None or shape != tuple(w.shape) or not bool((value >= 0).all()):
            what = (
                "nothing"
                if value is None
                else f"shape {shape}"
                if shape != tuple(w.shape)
                else "numbers below 0, or NaN"
            )
            raise BadInput(f"The criterion gives {what} for {name}", f"a tensor of shape {tuple(w.shape)}, 0 or above",
                           "Return {layer: worth of each weight} for every layer with weights")  # fmt: skip
    return {name: torch.as_tensor(found[name]).detach() for name in own}


def by_channel(worths: Worth) -> Worth:
    """Return what each output channel of a layer is worth, ``(channel,)``: the sum of the weights that make it."""
    return {name: w.flatten(1).sum(1) for name, w in worths.items()}
