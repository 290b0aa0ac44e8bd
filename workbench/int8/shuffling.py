"""A randomized int8 model: the same graph and ranges, every weight's entries in another order."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import nn

from .packing import with_weights


def shuffled(int8_module: nn.Module, draws: torch.Generator) -> nn.Module:
    """Return a copy whose weights are shuffled within each layer (Adebayo et al. 2018, for int8).

    Scales, biases and activation ranges stay, so the copy is a real int8 model that knows nothing.
    """
    fresh = copy.deepcopy(int8_module)
    for layer in fresh.modules():
        with_weights(layer, partial(_reordered, draws=draws))
    return fresh


def _reordered(weight: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    numbers = weight.int_repr()
    order = torch.randperm(numbers.numel(), generator=draws)
    mixed = numbers.flatten()[order].view_as(numbers)
    if weight.qscheme() == torch.per_tensor_affine:
        return torch._make_per_tensor_quantized_tensor(mixed, weight.q_scale(), weight.q_zero_point())
    return torch._make_per_channel_quantized_tensor(
        mixed, weight.q_per_channel_scales(), weight.q_per_channel_zero_points(), weight.q_per_channel_axis()
    )
