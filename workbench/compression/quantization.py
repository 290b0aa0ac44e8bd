"""Quantization: real int8 weights and activations, calibrated on training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8.conversion import convert, is_int8
from ..int8.dynamic import convert_dynamic
from ..zoo.holder import unwrap
from ..zoo.strides import tensor_for
from .compressed import Compressed
from .measurement import compared
from .pruning import reads_tokens

HOWS = ("static", "dynamic")


def quantize(model: Any, how: str = "static", *, data: Data, calibration: int = 1000) -> Compressed:
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
        tokens (embedding, LSTM and linear layers), or for linear ones.
    data
        Its first training rows calibrate the ranges; its test rows are measured on.
    calibration
        How many training rows; a dynamic model needs none.

    Returns
    -------
    Compressed
        ``model, report``. Milliseconds of int8 are to be held against fp32 channels_last too.

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
    example = tensor_for(model, data.test.x[:1])
    step: dict[str, Any] = {"what": "quantize", "how": how}
    if how == "dynamic":
        small = convert_dynamic(model, example)
    else:
        rows = tensor_for(model, data.train.x[:calibration])
        small, step["calibration"] = convert(model, rows), len(rows)
    chained = isinstance(started, Compressed)
    original = started.original if chained else model
    return Compressed(small, compared(original, small, data, example), original,
                      (*(started.steps if chained else ()), {**step, "epochs": []}))  # fmt: skip


def _check(model: Any, how: str, data: Any, calibration: Any) -> None:
    if how not in HOWS:
        raise unknown("way (how)", how, HOWS)
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(
            f"A {type(model).__name__} was given", "a float network", "Quantize it once, at the end"
        )
    if how == "static" and reads_tokens(model):
        raise BadInput(f"how is 'static' for a {type(model).__name__}, which reads tokens", "a network of images or columns",
                       "Use how='dynamic'")  # fmt: skip
    if not isinstance(data, Data):
        raise BadInput(f"data is a {type(data).__name__}", "Data, whose training rows calibrate the ranges",
                       "Make it with wb.load or wb.from_arrays")  # fmt: skip
    if not isinstance(calibration, (int, np.integer)) or calibration < 1:
        raise BadInput(f"calibration is {calibration!r}", "a number of rows", "A thousand are plenty")
