"""The numbers inside int8 layers, whose kernels keep them packed: taken out, and put back.

A recurrent layer keeps a *cell* a direction: the weights of the input and of the state, with a bias each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.ao.nn.quantized as static_layers
from torch import nn
from torch.ao.nn.quantized.dynamic.modules.rnn import RNNBase, RNNCellBase
from torch.ao.nn.quantized.modules.utils import WeightedQuantizedModule

LOOKUPS = (static_layers.Embedding,)
INT8_LAYERS = (WeightedQuantizedModule, RNNBase, RNNCellBase, *LOOKUPS)
CELL = ("weight_ih", "bias_ih", "weight_hh", "bias_hh")


def int8_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the quantized weights of every int8 layer, by the layer's name, or a recurrent one's weight's."""
    found: dict[str, torch.Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, RNNBase):
            found |= {f"{name}.{part}": weight for part, weight in layer.get_weight().items()}
        elif isinstance(layer, (WeightedQuantizedModule, *LOOKUPS)):
            found[name] = layer.weight()  # type: ignore[operator]
    return found


def int8_biases(model: nn.Module) -> list[torch.Tensor]:
    """Return the biases of every int8 layer; they are float32."""
    found: list[Any] = []
    for layer in model.modules():
        if isinstance(layer, RNNBase):
            found += layer.get_bias().values()
        elif isinstance(layer, WeightedQuantizedModule):
            found.append(layer.bias())  # type: ignore[operator]
    return [bias.detach() for bias in found if bias is not None]


def with_weights(layer: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Replace, in place, an int8 layer's weights by a function of them; any other layer stays as it is."""
    if isinstance(layer, RNNBase):
        for packed in layer._all_weight_values:
            parts = opened(packed.param)
            weights = {name: change(parts[name]) for name in ("weight_ih", "weight_hh")}
            packed.param = cell({**parts, **weights})
    elif isinstance(layer, LOOKUPS):
        layer.set_weight(change(layer.weight()))
    elif isinstance(layer, WeightedQuantizedModule):
        weighted: Any = layer
        weighted.set_weight_bias(change(weighted.weight()), weighted.bias())


def opened(packed: Any) -> dict[str, torch.Tensor]:
    """Return the weights and biases of a recurrent layer's cell, by the names of ``CELL``."""
    of_input, of_state = packed.__getstate__()[0][4]
    return dict(zip(CELL, (*of_input.__getstate__()[0], *of_state.__getstate__()[0]), strict=True))


def cell(parts: dict[str, torch.Tensor]) -> Any:
    """Pack a cell of a recurrent layer; activations get seven bits, as torch.ao has it since its version 2."""
    packed = [
        torch.ops.quantized.linear_prepack(parts[f"weight_{of}"], parts[f"bias_{of}"]) for of in ("ih", "hh")
    ]
    return torch.ops.quantized.make_quantized_cell_params_dynamic(
        *packed, parts["bias_ih"], parts["bias_hh"], True
    )


def is_float_grid(tensor: torch.Tensor) -> bool:
    """Whether a quantized tensor's zero points are real numbers, as those of an embedding are."""
    return tensor.qscheme() == torch.per_channel_affine_float_qparams
