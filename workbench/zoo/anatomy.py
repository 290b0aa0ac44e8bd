"""What a network is made of: its layers in the order they run, what comes out of each, where its weights are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..data.records import Data
from ..errors import BadInput
from ..state import untouched
from .holder import unwrap
from .strides import tensor_for

if TYPE_CHECKING:
    import pandas as pd


def structure(model: Any, data: Data) -> pd.DataFrame:
    """Return a table of a network's layers in the order they run, for one input.

    Parameters
    ----------
    model
        A network; it comes back untouched.
    data
        Gives an input to run it on.

    Returns
    -------
    DataFrame
        By layer: ``kind``, ``output`` (shape without the batch), ``parameters``, ``share`` of all parameters.

    Raises
    ------
    BadInput
        Not a network, or one that does not take such inputs.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist")
    >>> wb.structure(wb.build("mlp", data, hidden=(12,)), data)["parameters"].tolist()
    [0, 9420, 0, 130]
    """
    import pandas as pd

    net = unwrap(model)
    if not isinstance(net, nn.Module):
        raise BadInput(
            f"{type(net).__name__} has no layers", "a network", "Look at its rules or coefficients"
        )
    rows: dict[str, dict[str, Any]] = {}
    leaves = [(name, layer) for name, layer in net.named_modules() if name and not any(layer.children())]
    row = tensor_for(net, data.test.x[:1])
    with untouched(net), torch.no_grad():
        for name, layer in leaves:
            layer.register_forward_hook(_recorder(rows, name))
        try:
            net(row)
        except (RuntimeError, TypeError, ValueError, LookupError) as problem:
            raise BadInput(f"The model failed on an input of shape {data.input_shape} ({problem})",
                           "data that the model takes", "Pass the data it was built for") from problem  # fmt: skip
    frame = pd.DataFrame.from_dict(rows, orient="index")
    total = max(1, sum(p.numel() for p in net.parameters()))
    frame["share"] = (frame["parameters"] / total).map("{:.1%}".format)
    return frame


def _recorder(rows: dict[str, dict[str, Any]], name: str) -> Callable:
    def record(layer: nn.Module, _inputs: Any, out: Any) -> None:
        first = out[0] if isinstance(out, tuple) else out
        own = sum(p.numel() for p in layer.parameters(recurse=False))
        shape = " x ".join(map(str, first.shape[1:])) if isinstance(first, torch.Tensor) else "-"
        rows[name] = {"kind": type(layer).__name__, "output": shape, "parameters": own}

    return record
