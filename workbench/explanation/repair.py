"""A check-up of a network whose layers get rules of their own, and its repair on a copy.

DeepLift, LRP and guided backpropagation exchange the backward pass of modules: ``nn.ReLU``, ``nn.MaxPool2d``
and the like. What a network does otherwise they miss in silence, with wrong values. So the network is traced,
and on the copy functions become modules, a module that runs twice becomes two, and
nothing writes in place. The copy's scores are held against the network's own; what cannot be repaired is refused.

===========================  ===========================================================
found                        done
===========================  ===========================================================
a function (``F.relu``)      a module in its place
a layer that runs twice      a layer for each time
a layer that writes in place a layer that does not
a network that is random     refused: two forwards in evaluation mode differ
control flow by the data     refused: it cannot be traced
===========================  ===========================================================
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from ..int8.layers import HELD
from .multipliers import Pointwise
from .registry import Method, refusal
from .score import Score
from .space import Space

EQUAL = 1e-6  # of the largest score: how far a repaired copy may be from the network
TRIED = 8  # rows, and their baselines, on which every score is held against the network's
RELUS = (F.relu, torch.relu, F.relu_, torch.relu_, "relu", "relu_")
# What a function becomes; the arguments behind the first are the module's own.
MODULES: dict[Any, Callable[..., nn.Module]] = {
    **dict.fromkeys(RELUS, lambda inplace=False: nn.ReLU()),
    **dict.fromkeys((torch.sigmoid, F.sigmoid, "sigmoid"), lambda: nn.Sigmoid()),
    **dict.fromkeys((torch.tanh, F.tanh, "tanh"), lambda: nn.Tanh()),
    F.leaky_relu: lambda negative_slope=0.01, inplace=False: nn.LeakyReLU(negative_slope),
    F.elu: lambda alpha=1.0, inplace=False: nn.ELU(alpha),
    F.softplus: nn.Softplus,
    **dict.fromkeys((F.max_pool2d, torch.max_pool2d), nn.MaxPool2d),
    **dict.fromkeys((F.max_pool1d, torch.max_pool1d), nn.MaxPool1d),
    F.max_pool3d: nn.MaxPool3d,
    F.gelu: lambda approximate="none": nn.GELU(approximate),
    F.relu6: lambda inplace=False: nn.ReLU6(),
    F.silu: lambda inplace=False: nn.SiLU(),
    F.mish: lambda inplace=False: nn.Mish(),
    F.selu: lambda inplace=False: nn.SELU(),
    F.hardswish: lambda inplace=False: nn.Hardswish(),
    F.hardsigmoid: lambda inplace=False: nn.Hardsigmoid(),
    **dict.fromkeys((torch.clamp, "clamp"), lambda min=None, max=None: _clamp(min, max)),
    **dict.fromkeys((torch.clamp_min, "clamp_min"), lambda min: _clamp(min, None)),
}  # fmt: skip


def _clamp(least: Any, most: Any) -> nn.Module:
    """Return a clamp as a layer: a ReLU, if it is one."""
    return nn.ReLU() if (least, most) == (0, None) else Pointwise(torch.clamp, min=least, max=most)


STATELESS = (nn.ReLU, nn.Sigmoid, nn.Tanh, nn.LeakyReLU, nn.ELU, nn.Softplus, nn.Softmax, nn.GELU, nn.SiLU, nn.Mish, nn.ReLU6, nn.SELU, nn.Hardswish, nn.Hardsigmoid, Pointwise, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)  # fmt: skip
PASSING = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


def repaired(
    score: Score, inputs: Space, entry: Method, key: Any, ruled: Callable[[fx.GraphModule], Any]
) -> tuple[Score, Any]:
    """Return a score of a copy of the network under rules, and the rules; what was mended stands in its flags.

    All scores of the first rows and their baselines are held against the network's; :func:`held` does so for the
    explained output of every row. The copy is kept for the next call.

    Parameters
    ----------
    score, inputs
        The score that is explained, and the inputs with their baselines.
    entry
        The method, for the words of a refusal.
    key, ruled
        What puts rules into a repaired copy and returns them, and what tells it from others.

    Raises
    ------
    NotExplainable
        The network cannot be traced, is random, has attention inside, or its copy gives other scores.
    """
    given = None if score.parts is None else score.parts.shapes
    place = (key, str(score.device), score.compute, str(given), *sorted(score.forward_kwargs))
    if place not in score.kept:
        score.kept[place] = _made(score, inputs, entry, ruled)
    mended, rules, said = score.kept[place]
    found = copy.copy(score)
    found.model = mended
    if said:
        score.flags["repaired"] = said
    return found, rules


def _made(score: Score, inputs: Space, entry: Method, ruled: Callable) -> tuple[fx.GraphModule, Any, str]:
    """Return a repaired copy that was found equal, the rules that were then put in, and what was mended, in words."""
    first = min(inputs.n, score.batch_size, TRIED)
    rows = torch.arange(first, device=inputs.x.device)
    tried = torch.cat([inputs.x[:first], inputs.baselines[:first]])
    own = _scores(score, tried, rows)
    if not torch.equal(own, _scores(score, tried, rows)):
        raise _refused(
            entry, score, "it is random in evaluation mode (such as F.dropout without training=self.training)"
        )
    if any(isinstance(m, nn.MultiheadAttention) for m in score.model.modules()):
        raise _refused(entry, score, "attention has no rule")
    mended, done = _mended(score, entry)
    found = copy.copy(score)
    found.model = mended
    _alike(entry, score, _scores(found, tried, rows), own)
    what = ", ".join(f"{n} x {step}" for step, n in sorted(done.items()))
    return (
        mended,
        ruled(mended),
        f"On a copy, whose scores are the same within {EQUAL:g} of the largest: {what}." if done else "",
    )


@torch.no_grad()
def held(entry: Method, score: Score, z: torch.Tensor, rows: torch.Tensor) -> None:
    """Refuse a copy whose explained output is not the network's own, where that is known: not under noise.

    Parameters
    ----------
    entry, score
        The method, and the score that was aimed.
    z, rows
        The copy's scores ``(m, class)`` of chosen rows as they were given.
    """
    if len(score.reached):
        _alike(entry, score, score.explained(z, score.target[rows], score.rival[rows]), score.reached[rows])


def _alike(entry: Method, score: Score, copied: torch.Tensor, own: torch.Tensor) -> None:
    gap = float((copied - own).abs().max())
    if not gap <= EQUAL * max(1.0, float(own.abs().max())):
        raise _refused(entry, score, f"a traced copy gives other scores (by {gap:.2g})")


def _scores(score: Score, tried: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return torch.cat([score.scores(part, rows) for part in tried.split(len(rows))])


def _refused(entry: Method, score: Score, why: str) -> Exception:
    return refusal(entry, [why], score.artifact, None, lacks="rules")


def _mended(score: Score, entry: Method) -> tuple[fx.GraphModule, Counter]:
    model = copy.deepcopy(score.model)
    for module in model.modules():
        module._forward_hooks.clear()
    try:
        traced = fx.GraphModule(model, Tracer().trace(model, _unused(model, score)))
    except Exception as problem:  # Tracing runs the user's own code, which may raise anything.
        raise _refused(
            entry, score, f"its forward cannot be traced ({str(problem).splitlines()[0][:120]})"
        ) from problem
    done: Counter = Counter()
    _out_of_place(traced, done)
    _as_functions(traced)
    _as_modules(traced, done)
    _one_each(traced, done)
    traced.delete_all_unused_submodules()
    traced.graph.lint()
    traced.recompile()
    return traced, done


class Tracer(fx.Tracer):
    """Leaves the layers of an int8 model's surrogate whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, HELD) or super().is_leaf_module(m, module_qualified_name)


def _unused(model: nn.Module, score: Score) -> dict[str, Any]:
    """Return the defaults of arguments that nobody gives: a traced copy takes what is given, and no more."""
    import inspect

    parameters = list(inspect.signature(model.forward).parameters.values())[
        1 if score.parts is None else len(score.parts.shapes) :
    ]
    return {p.name: p.default for p in parameters
            if p.default is not p.empty and p.name not in score.forward_kwargs}  # fmt: skip


def _as_functions(traced: fx.GraphModule) -> None:
    """Take out layers that only lay numbers out, or do nothing outside of training: no rule is needed for them."""
    for node in list(traced.graph.nodes):
        if not _is(traced, node, PASSING):
            continue
        layer, (x, *_) = traced.get_submodule(node.target), node.args
        if isinstance(layer, nn.Flatten):
            with traced.graph.inserting_before(node):
                x = traced.graph.call_function(torch.flatten, (x, layer.start_dim, layer.end_dim))
        node.replace_all_uses_with(x)
        traced.graph.erase_node(node)


def _as_modules(traced: fx.GraphModule, done: Counter) -> None:
    for number, node in enumerate(list(traced.graph.nodes)):
        if node.op not in ("call_function", "call_method") or node.target not in MODULES:
            continue
        x, *rest = node.args
        called = f"_{getattr(node.target, '__name__', node.target)}_{number}"
        options = {k: v for k, v in node.kwargs.items() if k not in ("input", "return_indices")}
        traced.add_submodule(called, MODULES[node.target](*rest, **options))
        with traced.graph.inserting_before(node):
            new = traced.graph.call_module(called, (x,))
        node.replace_all_uses_with(new)
        traced.graph.erase_node(node)
        done["a function made a layer"] += 1


def _one_each(traced: fx.GraphModule, done: Counter) -> None:
    seen: set[str] = set()
    for number, node in enumerate(traced.graph.nodes):
        if node.op != "call_module" or not isinstance(traced.get_submodule(node.target), STATELESS):
            continue
        same = str(id(traced.get_submodule(node.target)))
        if same in seen:
            called = f"{node.target.replace('.', '_')}_{number}"
            traced.add_submodule(called, copy.deepcopy(traced.get_submodule(node.target)))
            node.target = called
            done["a layer that runs twice"] += 1
        seen.add(same)


def _out_of_place(traced: fx.GraphModule, done: Counter) -> None:
    """Let every step leave its input as it is; who read an overwritten input later reads the step's output."""
    order = {node: place for place, node in enumerate(traced.graph.nodes)}
    for node, place in order.items():
        plain = _plain(node)
        layer = traced.get_submodule(str(node.target)) if node.op == "call_module" else None
        if plain is not None:
            node.target = plain
            done["a step that wrote in place"] += 1
        elif getattr(layer, "inplace", False) is True:
            layer.inplace = False  # type: ignore[assignment,union-attr]
            done["a layer that wrote in place"] += 1
        elif node.kwargs.get("inplace"):
            node.update_kwarg("inplace", False)
        else:
            continue
        node.args[0].replace_all_uses_with(node, delete_user_cb=lambda user, at=place: order[user] > at)  # type: ignore[union-attr,misc]


def _plain(node: fx.Node) -> Any:
    """Return the function or method that does the same and not in place, such as "add" for "add_"; None if it is plain."""
    name = str(getattr(node.target, "__name__", node.target))
    plain = name.removesuffix("_")
    if node.op not in ("call_function", "call_method") or plain == name or name.endswith("__"):
        return None
    homes = (torch, F) if node.op == "call_function" else (torch.Tensor,)
    found = next((getattr(home, plain) for home in homes if hasattr(home, plain)), None)
    return plain if found is not None and node.op == "call_method" else found


def _is(traced: fx.GraphModule, node: fx.Node, kinds: Any) -> bool:
    return node.op == "call_module" and isinstance(traced.get_submodule(str(node.target)), kinds)
