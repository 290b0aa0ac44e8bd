"""How images lie in memory: it decides which kernels are used, and whether a model that views its activations runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..state import untouched

# What torch says where activations do not lie as a model takes them to (``x.view(-1, 320)`` behind a convolution).
NO_VIEW = "view size is not compatible"


def takes(model: nn.Module, x: torch.Tensor) -> bool:
    """Tell whether a model takes one row as it lies in memory; any other failure is left to whoever asks next."""
    try:
        with untouched(model), torch.no_grad():
            model(x[:1])
    except RuntimeError as problem:
        return NO_VIEW not in str(problem)
    return True


def tensor_for(model: Any, array: np.ndarray) -> torch.Tensor:
    """Return rows as a tensor that a model takes: on its device, and contiguous for a model that views its activations.

    numpy and torch count an axis of length 1 as contiguous whatever its stride; the kernels do not.
    """
    if not isinstance(model, nn.Module):
        return torch.tensor(array)
    x = torch.tensor(array, device=next(iter(model.parameters()), torch.empty(0)).device)
    if x.ndim != 4 or takes(model, x):
        return x
    return x.clone(memory_format=torch.contiguous_format)
