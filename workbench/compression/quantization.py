"""Quantization: real int8 weights and activations, calibrated on training rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8 import aware
from ..int8.conversion import convert, is_int8
from ..int8.dynamic import convert_dynamic
from ..int8.surrogate import twin_or_self
from ..state import untouched
from ..zoo.holder import unwrap
from ..zoo.strides import tensor_for
from .compressed import Compressed
from .distillation import fine_tuned
from .measurement import compared
from .preservation import checked, checked_keep, trained_on, watched
from .pruning import held, reads_tokens

HOWS = ("static", "dynamic", "aware")
TRIED = 100  # rows on which the outputs of layers are compared


def quantize(
    model: Any,
    how: str = "static",
    *,
    data: Data,
    calibration: int = 1000,
    epochs: int = 3,
    preserve: Any = "behaviour",
    keep: Any = None,
    lr: float = 1e-4,
    seed: int = 0,
    verbose: bool = True,
) -> Compressed:
    """Return a real int8 model: weights per channel, activations by calibrated ranges (Jacob et al. 2018).

    The int8 module has no gradient. For a static one ``wb.twin`` gives a differentiable surrogate, which
    ``wb.explain`` uses by itself for gradient methods. A dynamic one has none, and **rounds by what is in
    the batch**: a row's answer depends a little on its companions.

    Parameters
    ----------
    model
        A float network; it is not touched.
    how
        "static": activations get ranges that calibration finds; for networks of convolution, linear,
        pooling, flatten and ReLU layers. "dynamic": each batch gives its own ranges; for networks of
        tokens (embedding, LSTM and linear layers), or for linear ones. "aware": as static, after training that
        rounds on its way (Jacob et al. 2018); weights that pruning set to zero stay so.
    data
        Its first training rows calibrate the ranges; its test rows are measured on.
    calibration
        How many training rows; a dynamic model needs none.
    epochs, preserve, keep, lr, seed, verbose
        Of the training of "aware", as in :func:`prune`; batch size and augmentation are those of the model's recipe.

    Returns
    -------
    Compressed
        ``model, report``. Milliseconds of int8 are to be held against fp32 channels_last too. ``int8_error`` of a
        layer is how far its output is from the float one's, on 100 test rows, as a share of its length.

    Raises
    ------
    UnknownName
        Another ``how``.
    BadInput
        Not a float network, or one that cannot be traced; a network of tokens in static, or one of
        convolutions in dynamic int8; nothing to calibrate on.
    """
    started, model = model, unwrap(model)
    _check(model, how, data, calibration)
    chained = isinstance(started, Compressed)
    original = started.original if chained else model
    example = tensor_for(model, data.test.x[:1])
    rows = tensor_for(model, data.train.x[:calibration])
    step: dict[str, Any] = {"what": "quantize", "how": how, "epochs": []}
    if how == "dynamic":
        small = convert_dynamic(model, example)
    else:
        step["calibration"] = len(rows)
        if how == "aware":
            step |= {**_plan(model, epochs, preserve, lr, seed), "keep": checked_keep(keep)}
        small = (
            _trained(model, original, data, rows, step, verbose, keep)
            if how == "aware"
            else convert(model, rows)
        )
    report = compared(original, small, data, example)
    errors = layer_errors(model, small, tensor_for(model, data.test.x[:TRIED]))
    for layer in report["layers"]:
        layer["int8_error"] = errors.get(layer["layer"], float("nan"))
    return Compressed(
        small, report, original, (*(started.steps if chained else ()), step), held(keep, started)
    )


def _plan(model: nn.Module, epochs: int, preserve: Any, lr: float, seed: int) -> dict[str, Any]:
    """Return how a network is trained that rounds on its way."""
    if not isinstance(epochs, (int, np.integer)) or epochs < 1:
        raise BadInput(f"epochs is {epochs!r}", "a whole number above 0", "Use how='static' to train nothing")
    recipe, wanted = getattr(model, "recipe", None) or {}, checked(preserve, model)
    return {"epochs": [int(epochs)], "preserve": wanted, "trained_on": trained_on(wanted), "lr": lr, "seed": seed,
            "batch_size": recipe.get("batch_size", 64), "augment": recipe.get("augment", False)}  # fmt: skip


def _trained(model: nn.Module, original: nn.Module, data: Data, rows: torch.Tensor, step: dict[str, Any], verbose: bool, keep: Any) -> nn.Module:  # fmt: skip
    prepared, relu = aware.rounding(model, rows)
    tuned = fine_tuned(
        prepared, original, data, step, 0, after_step=_keeping_zeros(model), verbose=verbose, keep=keep
    )
    return aware.converted(tuned, model, relu, len(rows))


def _keeping_zeros(model: nn.Module) -> Callable[[nn.Module], None] | None:
    """Return what puts back the zeros of a pruned network after each step; None where there are none."""
    gone = {name: w == 0 for name, w in model.named_parameters() if w.ndim > 1 and bool((w == 0).any())}

    @torch.no_grad()
    def keep_zeros(net: nn.Module) -> None:
        for name, removed in gone.items():
            net.get_parameter(name).masked_fill_(removed, 0.0)

    return keep_zeros if gone else None


def layer_errors(before: nn.Module, after: nn.Module, x: torch.Tensor) -> dict[str, float]:
    """Return how far each layer's output is from the float network's, as a share of its length, by the layer's name."""
    shown = twin_or_self(after)
    names = [name for name, layer in before.named_modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    names = [name for name in names if name in dict(shown.named_modules())]
    with torch.no_grad(), untouched(before), watched(before, names) as real, watched(shown, names) as held:
        before(x)
        shown(x)
        return {name: float((held[name] - real[name]).norm() / real[name].norm().clamp_min(1e-12))
                for name in names if name in real and name in held}  # fmt: skip


def _check(model: Any, how: str, data: Any, calibration: Any) -> None:
    if how not in HOWS:
        raise unknown("way (how)", how, HOWS)
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(
            f"A {type(model).__name__} was given", "a float network", "Quantize it once, at the end"
        )
    if how != "dynamic" and reads_tokens(model):
        raise BadInput(f"how is {how!r} for a {type(model).__name__}, which reads tokens", "a network of images or columns",
                       "Use how='dynamic'")  # fmt: skip
    if not isinstance(data, Data):
        raise BadInput(f"data is a {type(data).__name__}", "Data, whose training rows calibrate the ranges",
                       "Make it with wb.load or wb.from_arrays")  # fmt: skip
    if not isinstance(calibration, (int, np.integer)) or calibration < 1:
        raise BadInput(f"calibration is {calibration!r}", "a number of rows", "A thousand are plenty")
