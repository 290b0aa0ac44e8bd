"""Quantization: real int8 weights and activations, calibrated on training rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Data
from ..errors import BadInput, unknown
from ..int8.conversion import convert, is_int8
from ..zoo.holder import unwrap
from .compressed import Compressed
from .measurement import compared

HOWS = ("static",)


def quantize(model: Any, how: str = "static", *, data: Data, calibration: int = 1000) -> Compressed:
    """Return a real int8 model: weights per channel, activations by calibrated ranges (Jacob et al. 2018).

    The int8 module has no gradient; ``wb.twin`` gives its differentiable surrogate, which ``wb.explain``
    uses by itself for gradient methods.

    Parameters
    ----------
    model
        A float network of convolution, linear, pooling, flatten and ReLU layers; it is not touched.
    how
        "static".
    data
        Its first training rows calibrate the ranges; its test rows are measured on.
    calibration
        How many training rows.

    Returns
    -------
    Compressed
        ``model, report``. Milliseconds of int8 are to be held against fp32 channels_last too.

    Raises
    ------
    UnknownName
        Another ``how``.
    BadInput
        Not a float network, or one that cannot be traced; nothing to calibrate on.
    """
    started, model = model, unwrap(model)
    if how not in HOWS:
        raise unknown("way (how)", how, HOWS)
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(
            f"A {type(model).__name__} was given", "a float network", "Quantize it once, at the end"
        )
    if not isinstance(data, Data):
        raise BadInput(f"data is a {type(data).__name__}", "Data, whose training rows calibrate the ranges",
                       "Make it with wb.load or wb.from_arrays")  # fmt: skip
    if not isinstance(calibration, (int, np.integer)) or calibration < 1:
        raise BadInput(f"calibration is {calibration!r}", "a number of rows", "A thousand are plenty")
    chained = isinstance(started, Compressed)
    rows = torch.tensor(data.train.x[:calibration])
    small = convert(model, rows)
    step = {"what": "quantize", "how": how, "calibration": len(rows), "epochs": []}
    original = started.original if chained else model
    return Compressed(small, compared(original, small, data, torch.tensor(data.test.x[:1])), original,
                      (*(started.steps if chained else ()), step))  # fmt: skip
