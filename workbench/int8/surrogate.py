"""The twin: a differentiable model with the outputs of an int8 one, bit for bit.

The graph of the int8 model is walked node by node and rebuilt from :mod:`.layers`, under the same names.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.ao.nn.intrinsic.quantized as fused_layers
import torch.ao.nn.quantized as int8_layers
import torch.ao.nn.quantized.dynamic as dynamic_layers
from torch import fx, nn
from torch.ao.nn.quantized.dynamic.modules.rnn import RNNBase, RNNCellBase
from torch.nn import functional as F

from ..errors import BadInput, NotExplainable
from .conversion import CARRIED, bare_copy, is_int8
from .layers import Grid, HeldConv2d, HeldDynamicLinear, HeldInput, HeldLinear, HeldReLU, HeldStep

WEIGHTED: dict[type, tuple[type, bool]] = {
    int8_layers.Conv2d: (HeldConv2d, False),
    fused_layers.ConvReLU2d: (HeldConv2d, True),
    int8_layers.Linear: (HeldLinear, False),
    fused_layers.LinearReLU: (HeldLinear, True),
}
RECURRENT = (RNNBase, RNNCellBase)
DYNAMIC = (dynamic_layers.Linear, *RECURRENT, int8_layers.Embedding)
SUMS: dict[Any, bool] = {torch.ops.quantized.add: False, torch.ops.quantized.add_relu: True}
JOINS = (torch.cat, torch.concat)
NORMS = {int8_layers.BatchNorm2d: False, fused_layers.BNReLU2d: True}
AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, F.avg_pool2d, F.adaptive_avg_pool2d)
SIZES = ("size", getattr)
# The tensors here hold real numbers already, and nothing is dropped outside of training.
UNCHANGED = ("dequantize", torch.ops.quantized.dropout)
# These pick or move numbers and make none: on a grid they stay on it.
MOVERS = (
    *(nn.MaxPool2d, nn.ReLU, nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout2d, int8_layers.Dropout),
    *(F.max_pool2d, torch.max_pool2d, F.relu, torch.relu, torch.flatten, torch.reshape),
    *("relu", "flatten", "reshape", "view", "contiguous", operator.getitem, *SIZES),
)  # fmt: skip


def twin(int8_module: nn.Module) -> nn.Module:
    """Return the differentiable surrogate of an int8 model: equal outputs, straight-through gradients.

    An int8 model is a staircase without a local slope (Jacob et al. 2018 train through one the same way).
    The twin's gradient describes larger changes, and **misleads** about tiny ones; it is zero where the
    model clamps, such as below 0 when calibration saw no negative input. A high agreement with the float
    model's gradient is a finding, not a proof of quality. Equal outputs do not certify a gradient:
    compare with occlusion of the int8 model itself, and look at the completeness gap. In dynamic int8 ranges
    are found anew for each batch: outputs are equal on equal batches, and a row's depend on its companions.

    Layers keep their names, and hooks on them see real activations. Each step is taken apart: ``conv2`` gives the
    sum before any rounding, and what stands behind it what the int8 model holds: ``relu2``, the ReLU that it
    swallowed (without a known name ``conv2_relu``), or ``conv2_rounded``. Methods with rules of their own put them
    there: DeepLift's shares add up to what the int8 model itself gives.

    Parameters
    ----------
    int8_module
        From :func:`~workbench.int8.conversion.convert`, or any FX-converted model of the same layers, or a
        record that holds one.

    Returns
    -------
    GraphModule
        With frozen parameters, in the mode of the given one; it shares the given one's kernels.

    Raises
    ------
    BadInput
        Not an int8 model, or a dynamic one with a recurrent layer.
    NotExplainable
        A layer or an operation without a surrogate; the message names it.

    Examples
    --------
    >>> from workbench.int8.conversion import convert
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> int8 = convert(net, torch.rand(100, 4))
    >>> surrogate, x = twin(int8), torch.rand(5, 4, requires_grad=True)
    >>> torch.equal(surrogate(x), int8(x))
    True
    >>> bool(torch.autograd.grad(surrogate(x).sum(), x)[0].any())
    True
    """
    if not isinstance(int8_module, nn.Module):  # what holds a model is taken as well
        int8_module = getattr(int8_module, "model", int8_module)
    if not is_int8(int8_module):
        raise BadInput(f"A {type(int8_module).__name__} without int8 layers has no twin", "an int8 model",
                       "Use the model itself: it has gradients of its own")  # fmt: skip
    if is_dynamic(int8_module):
        return _of_dynamic(int8_module)
    if not isinstance(int8_module, fx.GraphModule):
        raise _no_surrogate(f"A {type(int8_module).__name__}", "has no graph to walk")
    walk = _Walk(int8_module)
    for node in int8_module.graph.nodes:
        walk.take(node)
    surrogate = fx.GraphModule(walk.modules, walk.graph, "Twin")
    surrogate.train(int8_module.training)
    for name in CARRIED:
        if hasattr(int8_module, name):
            setattr(surrogate, name, getattr(int8_module, name))
    return surrogate


def has_twin(model: nn.Module) -> bool:
    """Whether a differentiable surrogate of an int8 model can be made: recurrent layers have none."""
    if is_dynamic(model):
        return not any(isinstance(layer, RECURRENT) for layer in model.modules())
    return isinstance(model, fx.GraphModule) and is_int8(model)


def twin_or_self(model: Any) -> Any:
    """Return what a gradient can be asked of: an int8 model's surrogate where it has one, any other model itself."""
    return twin(model) if isinstance(model, nn.Module) and has_twin(model) else model


def _of_dynamic(model: nn.Module) -> nn.Module:
    """Return the surrogate of a model whose activations are rounded batch by batch: equal on the same batches."""
    if not has_twin(model):
        raise BadInput(f"A {type(model).__name__} in dynamic int8 has a recurrent layer, which has no twin",
                       "linear layers and embeddings, or an int8 model with fixed ranges (how='static')",
                       "Explain the int8 model itself without gradients: occlusion, lime, kernel_shap")  # fmt: skip
    surrogate = bare_copy(model)
    for name, layer in model.named_modules():
        if isinstance(layer, (dynamic_layers.Linear, int8_layers.Embedding)):
            holder = surrogate.get_submodule(name.rpartition(".")[0])
            setattr(holder, name.rpartition(".")[2], _held(layer))
    surrogate.train(model.training)
    return surrogate


def _held(layer: Any) -> nn.Module:
    if isinstance(layer, int8_layers.Embedding):
        return nn.Embedding.from_pretrained(layer.weight().dequantize(), freeze=True)
    return HeldDynamicLinear(layer)


def is_dynamic(model: nn.Module) -> bool:
    """Whether activations are rounded batch by batch, to ranges that are found anew each time."""
    return any(isinstance(layer, DYNAMIC) for layer in model.modules())


class _Walk:
    """One walk along an int8 graph: the new graph, its modules, and the grid of each node's output."""

    def __init__(self, int8_module: fx.GraphModule) -> None:
        self.source = int8_module
        self.relus = getattr(int8_module, "int8", {}).get("relu", {})
        self.graph = fx.Graph()
        self.modules: dict[str, nn.Module] = {}
        self.new: dict[fx.Node, fx.Node] = {}
        self.grids: dict[fx.Node, Grid | None] = {}

    def take(self, node: fx.Node) -> None:
        """Append the surrogate of one node."""
        self.grids[node] = self.grid_of(node)
        if node.op in ("placeholder", "output"):
            self.keep(node)
        elif node.op == "get_attr":
            pass  # Scales and zero points are read by who needs them; anything else is refused there.
        elif node.target is torch.quantize_per_tensor:
            self.enter(node)
        elif node.target in UNCHANGED:
            self.new[node] = self.new[node.all_input_nodes[0]]
            self.grids[node] = None if node.target == "dequantize" else self.grids[node]
        else:
            self.compute(node)

    def grid_of(self, node: fx.Node) -> Grid | None:
        """Return the grid that a node takes over from its inputs; None for a float."""
        return next((grid for grid in map(self.grids.get, node.all_input_nodes) if grid), None)

    def enter(self, node: fx.Node) -> None:
        """Append the step from float to integers."""
        _, scale, zero_point, dtype = node.args
        if dtype is not torch.quint8:
            raise _no_surrogate(node.name, f"quantizes to {dtype}")
        grid = Grid(float(self.constant(scale)), int(self.constant(zero_point)))
        self.call(node, node.name, HeldInput(grid), grid)

    def constant(self, node: Any) -> Any:
        """Return a number in the graph, given itself or as an attribute of the model."""
        return getattr(self.source, str(node.target)) if isinstance(node, fx.Node) else node

    def compute(self, node: fx.Node) -> None:
        """Append a layer, a function or a method."""
        module = self.source.get_submodule(str(node.target)) if node.op == "call_module" else None
        kind = node.target if module is None else type(module)
        grid = self.grids[node]
        if kind in SUMS:
            self.sum(node)
        elif any(n not in self.new for n in node.all_input_nodes):
            raise _no_surrogate(self.name_of(node), "reads numbers of its own")
        elif kind in WEIGHTED and grid:
            self.weigh(node, module, grid)
        elif kind in AVERAGES and grid:
            self.average(node, module, grid)
        elif kind in JOINS and grid:
            self.join(node)
        elif kind in NORMS and grid:
            self.normalize(node, module, grid)
        elif kind in MOVERS or (grid is None and not is_int8(module)):
            self.keep(node, module)
        else:
            raise _no_surrogate(self.name_of(node), "has no surrogate")

    def average(self, node: fx.Node, module: nn.Module | None, grid: Grid) -> None:
        """Append an average pooling, a layer or a function."""
        pool: Any = node.target if module is None else bare_copy(module)
        name = node.name if module is None else str(node.target)
        step = partial(_called, pool, node.args[1:], node.kwargs)
        self.add(node, name, HeldStep(step, step, [grid], grid), grid)

    def sum(self, node: fx.Node) -> None:
        """Append the sum of two branches, and the ReLU it swallowed."""
        first, second, scale, zero_point = node.args
        grids = [self.grids.get(n) if isinstance(n, fx.Node) else None for n in (first, second)]
        if None in grids:
            raise _no_surrogate(self.name_of(node), "adds a number of its own")
        made, fused = Grid(float(self.constant(scale)), int(self.constant(zero_point))), SUMS[node.target]
        step = HeldStep(torch.add, partial(_with_grid, node.target, made), grids, made, fused)  # type: ignore[arg-type]
        name, relu = (f"{node.name}_sum", node.name) if fused else (node.name, None)
        self.add(node, name, step, made, relu, (first, second))  # type: ignore[arg-type]

    def join(self, node: fx.Node) -> None:
        """Append a concatenation; the result has the grid of its first part."""
        parts: Any = node.args[0]
        grids: list[Any] = [self.grids.get(n) for n in parts]
        if None in grids:
            raise _no_surrogate(self.name_of(node), "joins a float to integers")
        axis: Any = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
        step = partial(_joined, axis)
        self.add(node, node.name, HeldStep(step, step, grids, grids[0]), grids[0], inputs=parts)

    def normalize(self, node: fx.Node, layer: Any, given: Grid) -> None:
        """Append a batch norm that no convolution has swallowed."""
        made, fused = Grid(float(layer.scale), int(layer.zero_point)), NORMS[type(layer)]
        real = bare_copy(nn.BatchNorm2d(layer.num_features, layer.eps))
        real.load_state_dict(
            {k: v for k, v in layer.state_dict().items() if k not in ("scale", "zero_point")}
        )
        name, step = str(node.target), HeldStep(real, layer.forward, [given], made, fused)
        self.add(node, name, step, made, self.relu_behind(name) if fused else None)

    def weigh(self, node: fx.Node, layer: Any, given: Grid) -> None:
        """Append a convolution or a linear layer, and the ReLU it swallowed."""
        make, fused = WEIGHTED[type(layer)]
        name = str(node.target)
        if name in self.modules:
            raise _no_surrogate(name, "is used twice")
        if getattr(layer, "padding_mode", "zeros") != "zeros":
            raise _no_surrogate(name, f"pads with {layer.padding_mode!r}")
        made = Grid(layer.scale, layer.zero_point)
        self.add(node, name, make(layer, given, fused), made, self.relu_behind(name) if fused else None)

    def relu_behind(self, name: str) -> str:
        """Return what the ReLU is called that a layer swallowed."""
        return self.relus.get(name, f"{name}_relu")

    def keep(self, node: fx.Node, module: nn.Module | None = None) -> None:
        """Append a node as it is, not in place."""
        self.new[node] = self.graph.node_copy(node, self.new.__getitem__)
        if "inplace" in node.kwargs:
            self.new[node].update_kwarg("inplace", False)
        if node.target in SIZES:
            self.grids[node] = None
        if module is not None:
            self.modules[str(node.target)] = _not_in_place(bare_copy(module))

    def add(self, node: fx.Node, name: str, step: nn.Module, made: Grid, relu: str | None = None,
            inputs: Sequence[fx.Node] = ()) -> None:  # fmt: skip
        """Append a step, and the rounding to its grid as a layer of its own: the ReLU that it swallowed, if any."""
        self.call(node, name, step, made, inputs)
        self.call(node, relu or f"{name}_rounded", HeldReLU(made) if relu else HeldInput(made), made, [node])

    def call(
        self, node: fx.Node, name: str, module: nn.Module, made: Grid, inputs: Sequence[fx.Node] = ()
    ) -> None:
        """Append a module, by default of the node's first input, with the grid of its output."""
        self.modules[name] = module
        given = tuple(self.new[n] for n in inputs or node.all_input_nodes[:1])
        self.new[node] = self.graph.call_module(name, given)
        self.grids[node] = made

    def name_of(self, node: fx.Node) -> str:
        """Return a node's name and what it computes, for messages."""
        target = getattr(node.target, "__name__", node.target)
        kind = type(self.source.get_submodule(str(target))).__name__ if node.op == "call_module" else target
        return f"{node.name} ({kind})"


def _called(step: Any, args: Any, kwargs: Any, x: torch.Tensor) -> torch.Tensor:
    return step(x, *args, **kwargs)


def _with_grid(kernel: Any, made: Grid, *quantized: torch.Tensor) -> torch.Tensor:
    return kernel(*quantized, made.scale, made.zero_point)


def _joined(axis: int, *parts: torch.Tensor) -> torch.Tensor:
    return torch.cat(parts, axis)


def _not_in_place(module: Any) -> nn.Module:
    """Let a ReLU or a dropout leave its input as it is: it is another layer's output."""
    if hasattr(module, "inplace"):
        module.inplace = False
    return module


def _no_surrogate(what: str, why: str) -> NotExplainable:
    return NotExplainable(f"{what} {why}",
                          "convolutions, linear layers, batch norm, sums, concatenations, pooling, ReLU, flatten, dropout, in an FX graph",
                          "Explain the int8 model itself without gradients: occlusion, lime, kernel_shap")  # fmt: skip
