"""Quantization-aware training: a float network that rounds as int8 will, trained, and then converted.

Rounding stands in the forward pass and is passed straight through in the backward pass (Jacob et al. 2018). The
network of :func:`rounding` is **not** the int8 model: converted, one logit in ten or so differs a little.
"""

from __future__ import annotations

import torch
from torch import fx, nn
from torch.ao.quantization import get_default_qat_qconfig_mapping
from torch.ao.quantization.quantize_fx import prepare_qat_fx

from ..state import no_stack_traces
from .conversion import (
    bare_copy,
    checked_layers,
    converted_graph,
    explained,
    marked,
    packed_for,
    relus_behind,
    whole_answers,
)


def rounding(
    model: nn.Module, rows: torch.Tensor, *, engine: str = "x86"
) -> tuple[fx.GraphModule, dict[str, str]]:
    """Return a trainable copy of a network that rounds weights and activations, and which ReLU stands behind which layer.

    Parameters
    ----------
    model
        A float model that ``torch.fx`` can trace; it stays as it is.
    rows
        Inputs ``(n, ...)`` that give the first ranges.
    engine
        Whose ranges to use, as in :func:`~workbench.int8.conversion.convert`.
    """
    checked_layers(model, engine)
    with packed_for(engine), no_stack_traces(), explained(
        "The model cannot be copied and traced", "a model without branches on values",
        "Move such branches out of forward",
    ):  # fmt: skip
        copied = bare_copy(model).train().requires_grad_(True)
        traced = fx.symbolic_trace(copied)
        ranges = whole_answers(get_default_qat_qconfig_mapping(engine), traced)
        prepared, names = prepare_qat_fx(copied, ranges, (torch.zeros(1),)), relus_behind(traced)
    with explained(f"The model does not run on rows of shape {tuple(rows.shape)}", "rows as the model takes them",
                   "Give rows of the training split"), torch.no_grad():  # fmt: skip
        prepared(rows)
    return prepared, names


def converted(trained: nn.Module, model: nn.Module, relu: dict[str, str], rows: int, *, engine: str = "x86") -> fx.GraphModule:  # fmt: skip
    """Return the int8 model of a trained network, in evaluation mode, of :func:`rounding`, marked as ``convert`` marks its own: the ranges are fixed."""
    with packed_for(engine):
        int8 = converted_graph(trained)  # type: ignore[arg-type]
    return marked(int8, model, {"how": "static", "engine": engine, "rows": rows, "relu": relu})
