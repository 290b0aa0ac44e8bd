"""Static post-training int8, the one adapter around ``torch.ao`` (deprecated there, and still what runs).

Weights become int8 with one scale a channel, activations 8-bit integers with one scale a layer, found on
calibration rows (Jacob et al. 2018). The result is a new ``GraphModule`` that computes with integers.

An *engine* chooses the kernels when the weights are packed, here and in :mod:`.storage`. Afterwards layers
keep their kernels, whatever the global engine is, but average pooling looks at it at run time (``"qnnpack"``
rounds otherwise), and a deep copy packs anew for it. With ``"x86"`` the processor chooses between two
libraries, which round about one in a million activations differently: bit-equality holds on one kind of
machine. Such models cannot be pickled (torch): :mod:`.storage` takes them apart.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx, nn
from torch.ao.quantization import QConfig, QConfigMapping, get_default_qconfig_mapping
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

from ..errors import BadInput, WorkbenchError
from ..state import no_stack_traces, quantized_engine, seeded, untouched
from .packing import INT8_LAYERS

BATCH = 128
CARRIED = ("spec", "recipe")
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
# Only attributes that torch finds here survive a deep copy of a GraphModule.
PRESERVED = "_user_preserved_attributes"


def convert(model: nn.Module, calibration: torch.Tensor, *, engine: str = "x86") -> fx.GraphModule:
    """Return a new int8 model, with ranges of activations from calibration rows (Jacob et al. 2018).

    The ranges hold what was seen: an input far outside the calibration rows is clamped, and the model is
    then blind to part of it. The given model is untouched. A convolution or a linear layer swallows the
    batch norm and the ReLU behind it.

    Parameters
    ----------
    model
        A float model that ``torch.fx`` can trace: no branches on values.
    calibration
        Inputs ``(n, ...)`` as the model takes them; some hundred training rows are enough.
    engine
        Kernels to pack the weights for: ``"x86"``, ``"fbgemm"``, ``"onednn"`` or ``"qnnpack"``.

    Returns
    -------
    GraphModule
        In evaluation mode, with the given model's ``spec`` and ``recipe``, and ``int8``: how and for which
        engine, the number of calibration rows, and the name of the ReLU that each layer swallowed.

    Raises
    ------
    BadInput
        No such engine here; calibration rows that are empty, not finite or not float; a model that cannot
        be traced, holds nothing to quantize, or cannot run in int8.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> int8 = convert(net, torch.rand(100, 4))
    >>> is_int8(int8), is_int8(net), tuple(int8(torch.rand(5, 4)).shape)
    (True, False, (5, 3))
    """
    rows = _checked(calibration)
    with packed_for(engine):
        prepared, names = _prepared(model, engine)
        with explained(f"The model does not run on calibration rows of shape {tuple(rows.shape)}",
                        "rows as the model takes them", "Give rows of the training split"), torch.no_grad():  # fmt: skip
            for part in rows.split(BATCH):
                prepared(part)
        int8 = converted_graph(prepared)
        with explained("The converted model does not run", "layers that have an int8 kernel",
                        "Use reshape or flatten in place of view, or replace the layer"), torch.no_grad():  # fmt: skip
            int8(rows[:1])
    return marked(int8, model, {"how": "static", "engine": engine, "rows": len(rows), "relu": names})


def blank(skeleton: nn.Module, engine: str) -> fx.GraphModule:
    """Return the int8 model that a float model turns into, with ranges still to be filled in."""
    with packed_for(engine):
        prepared, names = _prepared(skeleton, engine)
        return marked(
            converted_graph(prepared), skeleton, {"how": "static", "engine": engine, "rows": 0, "relu": names}
        )


def is_int8(model: Any) -> bool:
    """Tell whether any layer of a model computes with int8 weights."""
    return isinstance(model, nn.Module) and any(isinstance(m, INT8_LAYERS) for m in model.modules())


def _known(engine: str) -> str:
    known = [name for name in torch.backends.quantized.supported_engines if name != "none"]
    if engine not in known:
        raise BadInput(f"There is no engine called {engine!r} on this machine", f"one of {known}",
                       "Choose one of them with engine=")  # fmt: skip
    return engine


def _checked(calibration: Any) -> torch.Tensor:
    rows = torch.as_tensor(calibration).detach().cpu()
    if rows.ndim < 2 or not len(rows):
        raise BadInput(f"calibration has shape {tuple(rows.shape)}", "at least one row and a batch axis, (n, ...)",
                       "Give some hundred training rows")  # fmt: skip
    if rows.dtype != torch.float32:
        raise BadInput(f"calibration has type {rows.dtype}", "torch.float32", "Convert it with .float()")
    if not torch.isfinite(rows).all():
        raise BadInput("calibration holds NaN or infinite values", "finite numbers", "Clean the rows first")
    return rows


def _prepared(model: nn.Module, engine: str) -> tuple[fx.GraphModule, dict[str, str]]:
    """Return a traced copy with observers, and which ReLU stands behind which layer."""
    checked_layers(model, engine)
    with no_stack_traces(), explained("The model cannot be copied and traced", "a model without branches on values",
                    "Move such branches out of forward, and make pruning or other re-parametrizations permanent"):  # fmt: skip
        float_copy = bare_copy(model)
        traced = fx.symbolic_trace(float_copy)
        ranges = whole_answers(get_default_qconfig_mapping(engine), traced)
        return prepare_fx(float_copy, ranges, (torch.zeros(1),)), relus_behind(traced)


def whole_answers(ranges: QConfigMapping, traced: fx.GraphModule) -> QConfigMapping:
    """Give the last layer's output all 256 numbers, and return the mapping, which is changed.

    torch keeps activations to 128 of them on x86, where the kernel of a layer that reads them could overflow without
    VNNI. No kernel reads the answer, so that it need not be kept so coarse.
    """
    (last, *_) = next(node for node in reversed(traced.graph.nodes) if node.op == "output").all_input_nodes
    alone = last.op == "call_module" and len(last.users) == 1
    if alone and isinstance(traced.get_submodule(str(last.target)), (nn.Linear, nn.Conv2d)):
        own: Any = ranges.global_qconfig
        whole = QConfig(activation=own.activation.with_args(reduce_range=False), weight=own.weight)
        ranges.set_module_name(str(last.target), whole)
    return ranges


def checked_layers(model: nn.Module, engine: str) -> None:
    """Refuse what is not a float module, and layers whose int8 kernel is known to be wrong."""
    if not isinstance(model, nn.Module) or is_int8(model):
        raise BadInput(f"A {type(model).__name__} cannot be converted" + " again" * is_int8(model),
                       "a float torch.nn.Module", "Give the original model")  # fmt: skip
    for name, layer in model.named_modules():
        _check_padding(name, layer, engine)


def _check_padding(name: str, layer: nn.Module, engine: str) -> None:
    """Refuse what oneDNN (3.x, as of torch 2.13) computes from memory that nobody wrote, in silence."""
    if engine in ("x86", "onednn") and isinstance(layer, nn.Conv2d) and layer.in_channels == 1:
        pads = [] if isinstance(layer.padding, str) else zip(layer.padding, layer.kernel_size, strict=True)
        if any(padding >= size > 1 for padding, size in pads):
            raise BadInput(f"{name} pads one channel by {layer.padding}, with a kernel of {layer.kernel_size}",
                           f"less padding than kernel: {engine} gives random numbers otherwise",
                           "Choose engine='fbgemm', or pad less")  # fmt: skip


def bare_copy(model: nn.Module) -> nn.Module:
    """Return a frozen copy in evaluation mode on the CPU, without the hooks, which belong to the given model."""
    with untouched(model):
        copied = copy.deepcopy(model).cpu()
    for module in copied.modules():
        for hooks in HOOKS:
            getattr(module, hooks).clear()
    return copied


def relus_behind(traced: fx.GraphModule) -> dict[str, str]:
    """Return the name of the ReLU module behind each layer; one that is used twice belongs to none."""
    calls = [n for n in traced.graph.nodes if n.op == "call_module"]
    targets = [n.target for n in calls]
    relus = [n for n in calls if _is(traced, n, nn.ReLU) and targets.count(n.target) == 1]
    return {str(_before(traced, n).target): str(n.target) for n in relus}


def _before(traced: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Return the node before this one, skipping batch norms."""
    earlier = node.all_input_nodes[0]
    return _before(traced, earlier) if _is(traced, earlier, nn.BatchNorm2d, nn.BatchNorm1d) else earlier


def _is(traced: fx.GraphModule, node: fx.Node, *kinds: type[nn.Module]) -> bool:
    return node.op == "call_module" and isinstance(traced.get_submodule(str(node.target)), kinds)


def converted_graph(prepared: fx.GraphModule) -> fx.GraphModule:
    """Return the int8 model of one with observers, and refuse one in which nothing became int8."""
    int8 = convert_fx(prepared).eval()
    if not is_int8(int8):
        raise BadInput("The model has nothing to quantize", "at least one convolution or linear layer",
                       "Leave this model in float")  # fmt: skip
    return int8


def marked(int8: fx.GraphModule, model: nn.Module, facts: dict[str, Any]) -> fx.GraphModule:
    """Write on an int8 model what it is and what it comes from."""
    marks = {name: getattr(model, name) for name in CARRIED if hasattr(model, name)} | {"int8": facts}
    int8.meta[PRESERVED] = marks
    for name, value in marks.items():
        setattr(int8, name, value)
    return int8


@contextmanager
def packed_for(engine: str) -> Iterator[None]:
    """Pack for an engine, and keep torch.ao's deprecation warnings and its random numbers from the outside."""
    with quantized_engine(_known(engine)), seeded(None), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def explained(wrong: str, expected: str, todo: str) -> Iterator[None]:
    """Turn whatever a model's own code raises into an error in three parts."""
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as problem:
        reason = next(iter(str(problem).strip().splitlines()), "")
        raise BadInput(f"{wrong} ({type(problem).__name__}: {reason})", expected, todo) from problem
