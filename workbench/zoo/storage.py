"""Models on disk: one safetensors file with a JSON header; nothing in it is executed.

The header says how to build the model (builder, sizes, input shape), the shapes of its layers, which may
have lost channels since, and for an int8 model how it was quantized.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from .. import files
from ..errors import BadFile, BadInput
from ..int8.conversion import is_int8
from ..int8.storage import restore, store
from ..state import seeded
from .catalogue import from_spec
from .holder import unwrap

FORMAT = "workbench model, version 1"
INT8_RECURRENT = "_all_weight_values.0.weight_ih"  # where torch's dynamic int8 keeps weight_ih_l0


def save(model: Any, path: str | Path) -> Path:
    """Write a network, also a pruned or an int8 one, whole or not at all.

    Parameters
    ----------
    model
        An ``nn.Module``, or a ``Fitted`` or ``Compressed`` that holds one.
    path
        Of the file; its folder is made.

    Raises
    ------
    BadInput
        An estimator or a callable: their own files are not safe to read back.
    BadFile
        The path cannot be written.
    """
    return files.write_bytes(path, packed(model))


def packed(model: Any) -> bytes:
    """Return the bytes that :func:`save` writes."""
    return files.pack_tensors(*taken_apart(model))


def taken_apart(model: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a network as arrays, and a header that says how to build it; :func:`put_together` is the way back."""
    model = unwrap(model)
    if not isinstance(model, nn.Module):
        raise BadInput(f"{type(model).__name__} is not a network", "an nn.Module",
                       "Fit it again from its recipe: estimators are quick to train")  # fmt: skip
    header = {
        "format": FORMAT,
        "spec": getattr(model, "spec", None),
        "recipe": getattr(model, "recipe", None),
    }
    if is_int8(model):
        tensors, header["int8"] = store(model)
    else:
        tensors = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    return tensors, header


def load_model(path: str | Path, build: Callable[[], nn.Module] | None = None) -> nn.Module:
    """Read a model that :func:`save` wrote; int8 models give the same bits as before.

    Parameters
    ----------
    path
        Of the file.
    build
        Makes the fp32 module that the weights go into, for models that ``wb.build`` did not make.

    Returns
    -------
    nn.Module
        In evaluation mode, with its ``spec`` and ``recipe``.

    Raises
    ------
    BadFile
        The file is damaged or foreign, or its weights do not fit the module.
    """
    tensors, header = files.read_tensors(path)
    return put_together(path, tensors, header, build)


def put_together(path: Any, tensors: dict[str, np.ndarray], header: dict[str, Any],
                 build: Callable[[], nn.Module] | None = None) -> nn.Module:  # fmt: skip
    """Return the network of :func:`taken_apart`, in evaluation mode; ``path`` is named in what is refused."""
    if header.get("format") != FORMAT:
        raise BadFile(
            f"{path} is not a model of the workbench",
            "a file written by wb.save or wb.pack",
            "Check the path",
        )
    spec: Any = header.get("spec")
    if build is None and not spec:
        raise BadFile(f"{path} does not say how to build its model", "build=, a function that makes the module",
                      "Pass the class you trained, such as build=MyNet")  # fmt: skip
    try:
        with seeded(None):  # Making layers draws weights, which are then written over.
            model = _filled(build() if build else from_spec(spec), tensors, header)
    except (RuntimeError, LookupError, TypeError, AttributeError) as problem:
        why = " ".join(str(problem).split())
        raise BadFile(f"{path} does not fit its model ({why})", "the weights of that very model",
                      "Save the model again, or pass the right build=") from problem  # fmt: skip
    model.spec, model.recipe = spec, header["recipe"]
    return model.eval()


def _filled(skeleton: nn.Module, tensors: dict[str, np.ndarray], header: dict[str, Any]) -> nn.Module:
    reshape(skeleton, {name: value.shape for name, value in tensors.items()})
    if header.get("int8"):
        return restore(tensors, header["int8"], skeleton.eval())
    skeleton.load_state_dict({name: torch.as_tensor(value.copy()) for name, value in tensors.items()})
    return skeleton


def reshape(model: nn.Module, shapes: dict[str, tuple[int, ...]]) -> None:
    """Replace, in place, every layer whose weight has another shape: a pruned layer has fewer channels."""
    for name, layer in list(model.named_modules()):
        own, *others = ("weight_ih_l0", INT8_RECURRENT) if isinstance(layer, nn.RNNBase) else ("weight",)
        shape = next((shapes[at] for part in (own, *others) if (at := f"{name}.{part}") in shapes), None)
        weight = getattr(layer, own, None)
        if shape and weight is not None and tuple(weight.shape) != tuple(shape):
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], _resized(layer, shape).to(weight))


def _resized(layer: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    if isinstance(layer, nn.RNNBase):
        return _resized_recurrent(layer, shape)
    bias = getattr(layer, "bias", None) is not None
    if isinstance(layer, nn.Linear):
        return nn.Linear(shape[1], shape[0], bias=bias)
    if isinstance(layer, (nn.Conv1d, nn.Conv2d)) and layer.groups == 1:
        geometry: Any = {
            k: getattr(layer, k) for k in ("kernel_size", "stride", "padding", "dilation", "padding_mode")
        }
        return type(layer)(shape[1], shape[0], bias=bias, **geometry)
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm2d(shape[0], eps=layer.eps, momentum=layer.momentum)
    raise KeyError(f"a {type(layer).__name__} cannot be resized to {tuple(shape)}")


def _resized_recurrent(layer: nn.RNNBase, shape: tuple[int, ...]) -> nn.Module:
    """Return a recurrent layer whose ``weight_ih_l0`` has a shape ``(gate x unit, input)``."""
    gates = len(layer.weight_ih_l0) // layer.hidden_size  # type: ignore[arg-type]
    kept: Any = {
        k: getattr(layer, k) for k in ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
    }
    if isinstance(layer, nn.RNN):
        kept["nonlinearity"] = layer.nonlinearity
    return type(layer)(shape[1], shape[0] // gates, **kept)  # type: ignore[arg-type]
