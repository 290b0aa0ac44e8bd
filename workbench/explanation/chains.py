"""Whether a network is a chain of linear layers, which its weights alone can describe, and if not why not."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

# What passes each unit on by itself, or changes nothing when the model is asked.
UNITWISE = (
    *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Softplus),
    *(
        nn.Tanh,
        nn.Sigmoid,
        nn.Hardtanh,
        nn.Hardswish,
        nn.Identity,
        nn.Dropout,
        nn.Flatten,
        nn.Softmax,
        nn.LogSoftmax,
    ),
)
BARE = {"relu", "relu_", "tanh", "sigmoid", "gelu", "silu", "leaky_relu", "elu", "softplus", "dropout", "flatten", "log_softmax", "softmax"}  # fmt: skip


def chain(model: Any) -> tuple[list[torch.Tensor], str]:
    """Return the matrices of a chain of linear layers from input to output, or in words why it is none.

    The forward is traced: every step must take the step before it, and nothing else.

    Examples
    --------
    >>> layers, why = chain(nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 4)))
    >>> [tuple(w.shape) for w in layers], why
    ([(2, 3), (4, 2)], '')
    >>> chain(nn.Sequential(nn.Conv1d(1, 1, 1), nn.Flatten(), nn.Linear(3, 2)))[1]
    'the layer 0 is a Conv1d'
    """
    if not hasattr(model, "named_modules"):
        return [], f"{type(model).__name__ if hasattr(model, 'predict') else 'a callable'} has no layers"
    if any("quantized" in type(layer).__module__ for layer in model.modules()):
        return [], "its layers are quantized"
    try:
        graph = torch.fx.symbolic_trace(model).graph
    except Exception as problem:  # A forward may raise anything when it is traced.
        return [], f"its forward cannot be followed ({type(problem).__name__})"
    found, before = [], None
    for node in graph.nodes:
        if why := _strange(model, node, before):
            return [], why
        if node.op == "call_module" and is_linear(model.get_submodule(node.target)):
            found.append(model.get_submodule(node.target).weight.detach().clone())
        before = node
    return (found, "") if found else ([], "it has no linear layer")


def is_linear(layer: nn.Module) -> bool:
    """Whether a layer answers as a linear one does, be its weight parametrized or masked."""
    return isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward


def _strange(model: nn.Module, node: Any, before: Any) -> str:
    """Return in words what in a step is not that of a chain, or nothing."""
    if node.op == "placeholder":
        return "" if before is None else "it has several inputs"
    if node.all_input_nodes != [before] or len(before.users) != 1:
        return "its forward branches"
    if node.op == "call_module":
        layer = model.get_submodule(node.target)
        plain = is_linear(layer) or type(layer) in UNITWISE
        return "" if plain else f"the layer {node.target} is a {type(layer).__name__}"
    if node.op == "output":
        return ""
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", str(node.target))
    return "" if name in BARE else f"its forward calls {name}"
