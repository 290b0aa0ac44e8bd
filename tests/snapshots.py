"""What must not have changed after a model was lent: taken before, compared afterwards."""

from __future__ import annotations

import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def of_model(model: Any) -> dict[str, Any]:
    """Take down a model: modes, hooks, weights, buffers, gradients and what needs one.

    An estimator is taken down as its pickle, and what cannot be pickled as nothing.
    """
    if not isinstance(model, nn.Module):
        return {"the estimator": _pickled(model)}
    return dict(_parts(model))


def of_randomness() -> dict[str, Any]:
    """Take down the global random states of Python, numpy and torch."""
    return {
        "the random state of Python": random.getstate(),
        "the random state of numpy": pickle.dumps(np.random.get_state()),
        "the random state of torch": torch.get_rng_state().clone(),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Name what changed between two such records."""
    names = sorted({*before, *after})
    return [name for name in names if not _same(before.get(name), after.get(name))]


def _parts(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in model.named_modules():
        where = name or "the model"
        yield f"mode of {where}", module.training
        yield f"hooks of {where}", [tuple(getattr(module, hooks)) for hooks in _HOOKS]
    for name, parameter in model.named_parameters():
        yield f"weights of {name}", parameter.detach().clone()
        yield f"requires_grad of {name}", parameter.requires_grad
        yield f"gradient of {name}", None if parameter.grad is None else parameter.grad.clone()
    for name, buffer in model.named_buffers():
        yield f"buffer {name}", buffer.clone()


def _pickled(model: Any) -> bytes:
    try:
        return pickle.dumps(model)
    except (pickle.PicklingError, AttributeError, TypeError):
        return b""


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and bool(torch.equal(a, b))
    return type(a) is type(b) and a == b
