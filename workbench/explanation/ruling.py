"""Puts rules in the place of layers: which steps of a traced network are linear, and which need a rule."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.modules import batchnorm, conv, dropout, padding, pooling

from ..int8.layers import HeldInput, HeldReLU, HeldStep
from .multipliers import (
    POOLS,
    NoRule,
    Pointwise,
    Rule,
    Unit,
    damped,
    deconvolved,
    guided,
    proportioned,
    rescaled,
)

ACTIVATIONS = {
    *(
        nn.ReLU,
        nn.ReLU6,
        nn.LeakyReLU,
        nn.ELU,
        nn.SELU,
        nn.CELU,
        nn.GELU,
        nn.SiLU,
        nn.Mish,
        nn.Sigmoid,
        nn.Tanh,
    ),
    *(nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Tanhshrink),
    *(nn.Softshrink, nn.Hardshrink, nn.Threshold, Pointwise, HeldInput, HeldReLU),
}
SIZES, MEASURES = {"size", "dim", "numel", len}, {"shape", "ndim", "dtype", "device", "layout"}
WEIGHTED = (nn.Linear, conv._ConvNd, batchnorm._BatchNorm)
LINEAR = (
    *WEIGHTED,
    *(
        nn.Identity,
        nn.Flatten,
        nn.Unflatten,
        nn.Upsample,
        nn.PixelShuffle,
        nn.PixelUnshuffle,
        nn.ChannelShuffle,
    ),
    *(dropout._DropoutNd, pooling._AvgPoolNd, pooling._AdaptiveAvgPoolNd, padding._ConstantPadNd),
    *(padding._ReflectionPadNd, padding._ReplicationPadNd, padding._CircularPadNd, HeldStep),
)
# These are linear in all that depends on the input together: they move, pick, add and average.
MOVES = {
    *(operator.add, operator.sub, operator.neg, operator.getitem, torch.add, torch.sub, torch.neg),
    *(torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, torch.transpose, torch.permute, torch.cat),
    *(torch.concat, torch.stack, torch.chunk, torch.split, torch.unbind, torch.sum, torch.mean, torch.flip, torch.roll),
    *(F.pad, F.interpolate, F.avg_pool1d, F.avg_pool2d, F.avg_pool3d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d),
    *(F.adaptive_avg_pool3d, F.pixel_shuffle, torch.avg_pool1d, torch.adaptive_avg_pool1d),
    *("add", "sub", "neg", "flatten", "reshape", "view", "view_as", "squeeze", "unsqueeze", "transpose", "permute", "t"),
    *("contiguous", "clone", "expand", "expand_as", "repeat", "chunk", "split", "unbind", "sum", "mean", "flip", "roll"),
    *("unflatten", "float", "to", "type_as", "narrow", "select", "swapaxes", "movedim", "mT"),
}  # fmt: skip
# These are linear if only one of what they are given depends on the input.
PRODUCTS = {
    *(operator.mul, operator.matmul, torch.mul, torch.matmul, torch.bmm, torch.mm, torch.einsum),
    *(F.linear, F.conv1d, F.conv2d, F.conv3d, F.batch_norm, "mul", "matmul", "bmm", "mm"),
    *("masked_fill", torch.masked_fill),
}
QUOTIENTS = {operator.truediv, torch.div, "div"}
DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout}
COMPLETE = (rescaled, proportioned)  # rules that need every step to be linear or under a rule


def under(graph: Any, inputs: int, rule: Rule, epsilon: float = 0.0, gamma: float = 0.0) -> list[Unit]:
    """Put a rule in the place of every layer that needs one, and return them; say what has none.

    Parameters
    ----------
    graph
        A repaired copy, which is changed.
    inputs
        How many of its first arguments are explained; what depends on others alone needs no rule.
    rule
        Of activations, such as :func:`~workbench.explanation.multipliers.rescaled`.
    epsilon, gamma
        Of layers with weights, see :func:`~workbench.explanation.multipliers.damped`.
    """
    nodes, units = dependent(graph, inputs), []
    if rule in COMPLETE and (
        without := sorted({name_of(node) for node in _without(graph, nodes, inputs, rule)})
    ):
        raise NoRule(f"{', '.join(without)} {'has' if len(without) == 1 else 'have'} no rule")
    for node in nodes:
        mine = _rule_of(_layer(graph, node), rule, epsilon, gamma)
        if mine is not None:
            units.append(Unit(_layer(graph, node), mine))
            graph.set_submodule(str(node.target), units[-1])
    return units


def sources(graph: fx.GraphModule, inputs: int) -> set[fx.Node]:
    """Return the arguments that are explained."""
    return set([node for node in graph.graph.nodes if node.op == "placeholder"][:inputs])


def dependent(graph: fx.GraphModule, inputs: int) -> list[fx.Node]:
    """Return the steps whose numbers depend on what is explained, in order; the sizes of tensors do not."""
    found: list[fx.Node] = []
    moving = sources(graph, inputs)
    for node in graph.graph.nodes:
        measured = node.target in SIZES or (node.target is getattr and node.args[1] in MEASURES)
        if node.op != "output" and not measured and node not in moving and moving & set(node.all_input_nodes):
            moving.add(node)
            found.append(node)
    return found


def name_of(node: fx.Node) -> str:
    """Return the layer's name, or the step's."""
    return str(node.target) if node.op == "call_module" else node.name


def _layer(graph: fx.GraphModule, node: fx.Node) -> Any:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _rule_of(layer: Any, rule: Rule, epsilon: float, gamma: float) -> Rule | None:
    if rule in (guided, deconvolved):
        return rule if isinstance(layer, nn.ReLU) else None
    if _is_activation(layer) or (rule is rescaled and type(layer) in POOLS):
        return rule
    return damped(epsilon, gamma) if (epsilon or gamma) and isinstance(layer, WEIGHTED) else None


def _is_activation(layer: Any) -> bool:
    return type(layer) in ACTIVATIONS


def _without(graph: fx.GraphModule, nodes: list[fx.Node], inputs: int, rule: Rule) -> Iterator[fx.Node]:
    """Yield the steps that are neither linear nor under a rule."""
    depends = {*nodes, *sources(graph, inputs)}
    for node in nodes:
        layer = _layer(graph, node)
        if layer is None:
            fits = _is_linear(node, depends)
        elif _is_activation(layer):
            fits = rule is rescaled or _is_zero_at_zero(layer)
        else:
            fits = isinstance(layer, LINEAR) or type(layer) in POOLS
        if not fits:
            yield node


def _is_linear(node: fx.Node, depends: set[fx.Node]) -> bool:
    """Tell whether a function or a method is linear in all that depends on the input."""
    many = sum(one in depends for one in node.all_input_nodes)
    first = bool(node.args) and node.args[0] in depends
    return (
        node.target in MOVES
        or (node.target in PRODUCTS and many == 1 and not (node.args and node.args.count(node.args[0]) > 1))
        or (node.target in QUOTIENTS and many == 1 and first and node.args[1] is not node.args[0])
        or (node.target is getattr and node.args[1] in ("T", "mT", "H", "mH"))
        or (node.target in DROPOUTS and not node.kwargs.get("training", True))
    )


def _is_zero_at_zero(layer: nn.Module) -> bool:
    """Tell whether relevance can pass an activation: one that is not zero at zero makes some out of nothing."""
    with torch.no_grad():
        return not layer(torch.zeros(1)).abs().item() > 0
