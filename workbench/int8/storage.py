"""An int8 model as arrays and a header, and back, bit for bit; nothing in a file is ever executed.

The file holds numbers only. The net itself is rebuilt from a float *skeleton* with the right layer shapes,
by the same conversion, and must then ask for exactly the arrays and the graph that the file describes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from ..errors import BadFile, BadInput
from ..state import quantized_engine
from .conversion import blank, is_int8
from .dynamic import convert_dynamic
from .packing import CELL, cell, is_float_grid, opened

FORMAT = "int8-1"
PACKED, LOOKUP, RECURRENT = "._packed_params._packed_params", "._packed_params._packed_weight", ".param"
GEOMETRY = (
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "padding_mode",
    "in_features",
    "out_features",
    *("input_size", "hidden_size", "num_layers", "bidirectional", "batch_first", "num_embeddings", "embedding_dim", "per_head"),
)  # fmt: skip


def store(int8_module: nn.Module) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return an int8 model as arrays and a header that JSON can hold.

    Each layer gives ``<layer>.weight`` (int8) with ``.scales`` (float64) and ``.zero_points`` (int64),
    ``<layer>.bias`` (float32), and the ``<layer>.scale`` and ``<layer>.zero_point`` of its output. A recurrent
    layer gives two weights and two biases a direction; an embedding's grid is float32.

    Parameters
    ----------
    int8_module
        From :func:`~workbench.int8.conversion.convert` or :func:`~workbench.int8.dynamic.convert_dynamic`; the
        given one is only read.

    Returns
    -------
    tensors, header
        What :func:`restore` takes, and :func:`workbench.files.write_tensors`.

    Raises
    ------
    BadInput
        Not made by these: such a model could not be rebuilt.
    """
    if not is_int8(int8_module) or not hasattr(int8_module, "int8"):
        raise BadInput(f"A {type(int8_module).__name__} cannot be stored as int8", "a model from convert",
                       "Convert the float model with the workbench, or save the float one")  # fmt: skip
    tensors: dict[str, np.ndarray] = {}
    for key, value in int8_module.state_dict().items():
        for name, tensor in _tensors(key, value).items():
            tensors |= _arrays(name, tensor)
    facts: Any = int8_module.int8
    header = {"format": FORMAT, **facts, "graph": _graph(int8_module), "sha256": _digest(tensors)}
    return tensors, header


def restore(tensors: Mapping[str, np.ndarray], header: Mapping[str, Any], skeleton: nn.Module) -> nn.Module:
    """Return the int8 model that :func:`store` took apart, with bit-equal outputs on one kind of machine.

    Parameters
    ----------
    tensors, header
        From :func:`store`, also by way of a file.
    skeleton
        The float model with layers of the stored sizes (see :func:`layer_shapes`); its weights do not
        matter. It is untouched, and gives the result its ``spec`` and ``recipe``.

    Raises
    ------
    BadFile
        Anything missing, damaged, altered or meant for another net or machine.
    """
    engine = _engine(header)
    try:
        dynamic = header.get("how") == "dynamic"
        int8: Any = convert_dynamic(skeleton, engine=engine) if dynamic else blank(skeleton, engine)
    except BadInput as problem:
        raise BadFile(f"The skeleton cannot hold the stored int8 model: {problem.wrong}", problem.expected,
                      problem.todo) from problem  # fmt: skip
    _agree(tensors, header, *store(int8))
    state = int8.state_dict()
    for key, value in state.items():
        state[key] = _value(key, value, tensors)
    with quantized_engine(engine):
        int8.load_state_dict(state)
    if not dynamic:
        int8.int8["rows"] = header["rows"]
    return int8


def layer_shapes(tensors: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each layer's weights, by the layer's name: what a skeleton must have.

    Examples
    --------
    >>> from workbench.int8.conversion import convert
    >>> tensors, _ = store(convert(nn.Sequential(nn.Linear(4, 3)), torch.rand(10, 4)))
    >>> layer_shapes(tensors)
    {'0': (3, 4)}
    """
    suffix = ".weight.scales"
    return {
        name.removesuffix(suffix): tensors[name.removesuffix(".scales")].shape
        for name in tensors
        if name.endswith(suffix)
    }


def _tensors(key: str, value: Any) -> dict[str, torch.Tensor]:
    """Return the tensors behind one entry of a state: most layers keep weight and bias in one."""
    found = dict(zip(_names(key, value), _parts(value), strict=True))
    return {name: part for name, part in found.items() if isinstance(part, torch.Tensor)}


def _names(key: str, value: Any) -> list[str]:
    if isinstance(value, torch.ScriptObject):
        return [f"{key.removesuffix(RECURRENT)}.{part}" for part in CELL]
    if isinstance(value, tuple):
        return [f"{key.removesuffix(PACKED)}.{part}" for part in ("weight", "bias")]
    return [f"{key.removesuffix(LOOKUP)}.weight" if key.endswith(LOOKUP) else key]


def _parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, torch.ScriptObject):
        return tuple(opened(value).values())
    return value if isinstance(value, tuple) else (value,)


def _arrays(name: str, tensor: torch.Tensor) -> dict[str, np.ndarray]:
    """Return a tensor as arrays of at least one axis; a quantized one as integers, scales and zero points."""
    if not tensor.is_quantized:
        return {name: np.atleast_1d(tensor.detach().cpu().numpy())}
    integers = np.ascontiguousarray(tensor.int_repr().numpy())
    if tensor.qscheme() == torch.per_tensor_affine:
        scales, zero_points = np.array([tensor.q_scale()]), np.array([tensor.q_zero_point()])
    else:
        scales, zero_points = (
            tensor.q_per_channel_scales().numpy(),
            tensor.q_per_channel_zero_points().numpy(),
        )
    types = (np.float32, np.float32) if is_float_grid(tensor) else (np.float64, np.int64)
    return {name: integers, f"{name}.scales": scales.astype(types[0]),
            f"{name}.zero_points": zero_points.astype(types[1])}  # fmt: skip


def _value(key: str, old: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    """Return one entry of a state from the arrays, in the form of the old one."""
    names, parts = _names(key, old), _parts(old)
    new = [_tensor(name, part, tensors) for name, part in zip(names, parts, strict=True)]
    if isinstance(old, torch.ScriptObject):
        return cell(dict(zip(CELL, new, strict=True)))
    return tuple(new) if isinstance(old, tuple) else new[0]


def _tensor(name: str, old: Any, tensors: Mapping[str, np.ndarray]) -> Any:
    if not isinstance(old, torch.Tensor):
        return old
    numbers = torch.from_numpy(np.array(tensors[name])).reshape(old.shape)
    if not old.is_quantized:
        return numbers
    scales, zero_points = (
        torch.from_numpy(np.array(tensors[f"{name}.{p}"])) for p in ("scales", "zero_points")
    )
    if old.qscheme() == torch.per_tensor_affine:
        return torch._make_per_tensor_quantized_tensor(numbers, float(scales), int(zero_points))
    return torch._make_per_channel_quantized_tensor(numbers, scales, zero_points, old.q_per_channel_axis())


def _graph(int8_module: nn.Module) -> list[str]:
    """Describe each step of the net, or each layer of one without a graph, without its numbers."""
    if isinstance(int8_module, fx.GraphModule):
        return [_step(int8_module, node) for node in int8_module.graph.nodes]
    return [f"{name}{_geometry(layer)}" for name, layer in int8_module.named_modules() if name]


def _step(int8_module: fx.GraphModule, node: fx.Node) -> str:
    name = getattr(node.target, "__name__", str(node.target))
    arguments = fx.node.map_arg((node.args, node.kwargs), lambda n: n.name)
    layer = int8_module.get_submodule(str(node.target)) if node.op == "call_module" else None
    return f"{node.name} = {node.op} {name}{arguments}{_geometry(layer) if layer else ''}"


def _geometry(layer: nn.Module) -> str:
    shape = {name: getattr(layer, name) for name in GEOMETRY if hasattr(layer, name)}
    # A quantized layer's own description holds numbers as well, such as its scale.
    return f" {type(layer).__name__} {shape if is_int8(layer) else layer.extra_repr()}"


def _digest(tensors: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _engine(header: Any) -> str:
    """Return the engine of a header that can be trusted so far."""
    if not isinstance(header, Mapping) or header.get("format") != FORMAT:
        found = header.get("format") if isinstance(header, Mapping) else type(header).__name__
        raise _bad(f"The header has the format {found!r}", f"the format {FORMAT!r}")
    engine, here = header.get("engine"), torch.backends.quantized.supported_engines
    if engine not in here:
        raise BadFile(f"The int8 model was packed for the engine {engine!r}", f"one that this machine has: {here}",
                      "Convert the float model here, or use a machine of the same kind")  # fmt: skip
    if header.get("how") not in ("dynamic", "static", None):  # None: written before there were two
        raise _bad(f"The header gives the way {header.get('how')!r}", "'static' or 'dynamic'")
    if header.get("how") != "dynamic" and not isinstance(header.get("rows"), int):
        raise _bad(f"The header gives {header.get('rows')!r} calibration rows", "a whole number")
    return engine


def _agree(tensors: Mapping, header: Mapping, expected: Mapping, form: Mapping) -> None:
    """Refuse what is not exactly what the rebuilt net asks for."""
    _same_net(header, form)
    if odd := sorted(set(tensors) ^ set(expected)):
        which = "missing" if odd[0] in expected else "not known"
        raise _bad(f"The array {odd[0]!r} is {which}", f"the {len(expected)} arrays of the net")
    for name, wanted in expected.items():
        array = np.asarray(tensors[name])
        if (array.dtype, array.shape) != (wanted.dtype, wanted.shape):
            raise _bad(f"The array {name!r} is {array.dtype} {array.shape}", f"{wanted.dtype} {wanted.shape}")
        if not _usable(name, array, header):
            raise _bad(
                f"The array {name!r} holds numbers that no int8 model has", "finite values, scales above 0"
            )
    if header.get("sha256") != _digest(tensors):
        raise _bad("The arrays do not have the checksum of the header", "a file as it was written")


def _same_net(header: Mapping, form: Mapping) -> None:
    stored, rebuilt = header.get("graph"), form["graph"]
    if not isinstance(stored, list) or len(stored) != len(rebuilt) or header.get("relu") != form.get("relu"):
        raise _bad("The stored net has other steps than the one rebuilt from the skeleton", "the same net")
    for step, wanted in zip(stored, rebuilt, strict=True):
        if step != wanted:
            raise _bad(f"The stored net computes {step!r}", f"{wanted!r}, as the skeleton does")


def _usable(name: str, array: np.ndarray, header: Mapping) -> bool:
    """Tell whether an array's numbers can be what its name says; a dynamic net may have arrays of its own."""
    if header.get("how") == "dynamic":
        finite = not name.endswith((".scales", ".zero_points")) or bool(np.isfinite(array).all())
        return finite and not (name.endswith(".scales") and (array <= 0).any())
    if array.dtype.kind == "i":
        return bool((np.abs(array.astype(np.int64)) <= 255).all())
    lowest = -np.inf if name.endswith((".weight", ".bias")) else 0.0
    return bool((np.isfinite(array) & (array > lowest)).all())


def _bad(wrong: str, expected: str) -> BadFile:
    return BadFile(wrong, expected, "Save the model again, or give the skeleton that it was saved with")
