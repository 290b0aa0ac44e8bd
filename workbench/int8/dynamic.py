"""Dynamic int8: weights stored in bytes, activations rounded as they come, for networks of tokens.

Linear and recurrent layers multiply integers; an embedding keeps a byte a number and gives real ones back.
Everything else (norms, attention, shortcuts) stays in float32.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.ao.quantization import (
    float_qparams_weight_only_qconfig,
    per_channel_dynamic_qconfig,
    quantize_dynamic,
)

from ..errors import BadInput
from .conversion import CARRIED, bare_copy, explained, is_int8, packed_for

LAYERS = {
    nn.Linear: per_channel_dynamic_qconfig,
    nn.LSTM: per_channel_dynamic_qconfig,
    nn.GRU: per_channel_dynamic_qconfig,
    nn.Embedding: float_qparams_weight_only_qconfig,
}


def convert_dynamic(
    model: nn.Module, example: torch.Tensor | None = None, *, engine: str = "x86"
) -> nn.Module:
    """Return a new model with int8 weights, whose activations are rounded batch by batch (Jacob et al. 2018).

    **A row's answer depends on its companions**: torch finds one range of activations for the whole batch, at
    every layer, and offers none for a row. On 512 reviews in batches of 64 the logits (deviation 1.5 to 1.8)
    of a batch and of its rows alone are .015 apart on average, .12 at most, as far as int8 is from float32;
    2 to 6 answers in a thousand differ. The same batches give the same bits. There is no gradient, no twin.

    Parameters
    ----------
    model
        A float network of linear, LSTM, GRU and embedding layers, and others that stay as they are.
    example
        Inputs ``(n, ...)`` that the new model is tried on.
    engine
        Kernels to pack the weights for: ``"x86"``, ``"fbgemm"`` or ``"onednn"``.

    Returns
    -------
    nn.Module
        In evaluation mode, frozen, with the given model's ``spec`` and ``recipe``, and ``int8``, which says
        ``{"how": "dynamic", "engine": ...}``.

    Raises
    ------
    BadInput
        No such engine; not a float model; nothing to convert, or convolutions, which would stay in float32;
        a model that does not run in this form.

    Examples
    --------
    >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(20, 2))
    >>> int8 = convert_dynamic(net, torch.ones(1, 5, dtype=torch.long))
    >>> is_int8(int8), is_int8(net), int8.int8["how"]
    (True, False, 'dynamic')
    """
    _check(model, engine)
    with packed_for(engine):
        with explained("The model cannot be converted", "linear, LSTM, GRU and embedding layers with biases",
                       "Leave this model in float"):  # fmt: skip
            changed = quantize_dynamic(bare_copy(model), LAYERS, inplace=True)
            int8 = copy.deepcopy(changed).eval().requires_grad_(False)  # new layers are in training mode
        with explained("The converted model does not run", "layers that are called, not read for their weights",
                       "Write attention with linear layers of its own, as the transformer of wb.build"), torch.no_grad():  # fmt: skip
            if example is not None:
                int8(example[:1])
    return _marked(int8, model, engine)


def _check(model: nn.Module, engine: str) -> None:
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(f"A {type(model).__name__} cannot be converted" + " again" * is_int8(model),
                       "a float torch.nn.Module", "Give the original model")  # fmt: skip
    layers = list(model.modules())
    if any(isinstance(layer, nn.modules.conv._ConvNd) for layer in layers):
        raise BadInput(f"A {type(model).__name__} has convolutions, and dynamic int8 changes nothing but its linear layers",
                       "a model without convolutions", "Use how='static'")  # fmt: skip
    if not any(type(layer) in LAYERS for layer in layers[1:]):
        raise BadInput(f"A {type(model).__name__} holds nothing to quantize", "at least one linear, LSTM, GRU or embedding layer",
                       "Leave this model in float")  # fmt: skip
    if engine == "qnnpack":
        raise BadInput("engine is 'qnnpack' for dynamic int8, whose answers do not come back from a file bit for bit",
                       "'x86', 'fbgemm' or 'onednn'", "Choose one of them")  # fmt: skip


def _marked(int8: nn.Module, model: nn.Module, engine: str) -> nn.Module:
    """Write on an int8 model what it is and what it comes from."""
    for name in CARRIED:
        if hasattr(model, name):
            setattr(int8, name, getattr(model, name))
    int8.int8 = {"how": "dynamic", "engine": engine}  # type: ignore[assignment]
    return int8
