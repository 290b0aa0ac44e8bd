"""Attention weights out of any model, as its own forward computes them; the model is lent hooks, never changed.

Where weights are found, and how they are asked for:

==========================================  ==================================================================
``AttentionWeights``                        the layers of our own networks give them: a hook reads
``nn.MultiheadAttention``                   also inside ``nn.TransformerEncoder``: asked for the weights of each
                                            head, off the fast path; the caller gets back what it had asked for
a class with "Attention" in its name        its softmax over the last of four axes, or else weights in the tuple
                                            that it returns
``F.scaled_dot_product_attention``          computed step by step, by the same formula
a module that takes ``output_attentions``   as Hugging Face models do, where nothing above is inside: asked for,
                                            and read from ``.attentions``
==========================================  ==================================================================

Who calls ``layer.forward(x)`` instead of ``layer(x)`` goes past every hook.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from ..errors import BadInput
from ..state import slow_attention

LIKE = ("Attention", "Attn")  # in the name of a class whose softmax gives weights
SOFTMAX = (torch.softmax, torch.Tensor.softmax, F.softmax)
VIEWS = ("View", "ReshapeAlias", "Squeeze")
SUM = 1e-3  # rows of weights sum to one up to this, in half precision as well


@dataclass(frozen=True)
class Read:
    """The weights of one use of a layer.

    Attributes
    ----------
    layer
        Its name in the model.
    raw
        The tensor as the layer made it, with its graph.
    wrong
        Why these weights are not of tokens, in words; empty if they are.
    """

    layer: str
    raw: torch.Tensor
    wrong: str = ""

    @property
    def weights(self) -> torch.Tensor:
        """The weights ``(n, head, query, key)``; pooling has one head and one that looks."""
        return self.shaped(self.raw)

    def shaped(self, values: torch.Tensor) -> torch.Tensor:
        """Return numbers of the raw shape as ``(n, head, query, key)``."""
        values = values.reshape(self.raw.shape)
        return values if values.ndim == 4 else values.reshape(len(values), 1, -1, values.shape[-1])


@dataclass
class _Forward:
    """What is going on in a forward: which modules run, what was asked of them, what was read."""

    reads: list[Read]
    running: list[tuple[str, nn.Module, int]] = field(default_factory=list)
    asked: list[tuple[bool, bool]] = field(default_factory=list)

    def enter(self, name: str) -> Callable:
        return lambda module, _: self.running.append((name, module, len(self.reads)))

    def add(self, name: str, raw: torch.Tensor, wrong: str = "") -> None:
        self.reads.append(Read(name or "model", raw, wrong))

    def leave(self, *_: Any) -> None:
        self.running.pop()

    def attending(self) -> tuple[str, nn.Module] | None:
        """Return the innermost module that runs and has attention in its name."""
        return next(((name, m) for name, m, _ in reversed(self.running) if _alike(m)), None)

    def unread(self) -> bool:
        """Whether nothing was read inside the module that ends now."""
        return self.running[-1][2] == len(self.reads)


@contextmanager
def reading(model: nn.Module) -> Iterator[list[Read]]:
    """Collect the attention weights of the forwards inside the block, in the order in which layers are used.

    Parameters
    ----------
    model
        In evaluation mode; it computes the same numbers up to rounding, and has its own hooks back afterwards.
    """
    now = _Forward([])
    with ExitStack() as stack:
        for name, module in model.named_modules():
            stack.enter_context(module.register_forward_pre_hook(now.enter(name)))
            for handle in _ears(now, name, module):
                stack.enter_context(handle)
            stack.enter_context(module.register_forward_hook(now.leave, always_call=True))
        stack.enter_context(slow_attention())
        stack.enter_context(_Products(now))
        yield now.reads


def attends(module: nn.Module) -> bool:
    """Whether a module is of a kind that gives attention weights."""
    return _alike(module) or _asks(module)


def _alike(module: nn.Module) -> bool:
    return isinstance(module, nn.MultiheadAttention) or any(part in type(module).__name__ for part in LIKE)


def _asks(module: nn.Module) -> bool:
    """Whether a module follows Hugging Face: a config, and a forward that takes ``output_attentions``."""
    return hasattr(module, "config") and "output_attentions" in inspect.signature(module.forward).parameters


def _is_torchs(module: nn.Module) -> bool:
    """Whether it is torch's own layer, or one of its children that is asked in the same way."""
    alike = isinstance(module, nn.MultiheadAttention)
    return alike and "average_attn_weights" in inspect.signature(module.forward).parameters


def _gives(module: nn.Module) -> bool:
    """Tell by the name of the class: what turns scores into weights over tokens."""
    return type(module).__name__ == "AttentionWeights"


def _ears(now: _Forward, name: str, module: nn.Module) -> Iterator[Any]:
    """Hook a module in the way of its kind; what it is asked for beside, its caller does not see."""
    if _gives(module):
        yield module.register_forward_hook(lambda m, _, out: now.add(name, _plain(out)))
    elif _is_torchs(module):
        yield module.register_forward_pre_hook(_asking(now), with_kwargs=True)
        yield module.register_forward_hook(_answering(now, name), prepend=True)
    elif _alike(module):
        yield module.register_forward_hook(_returning(now, name))
    elif _asks(module) and not any(_alike(m) for m in module.modules()):
        yield module.register_forward_pre_hook(lambda m, args, kwargs: (args, {**kwargs, "output_attentions": True}),
                                               with_kwargs=True)  # fmt: skip
        yield module.register_forward_hook(_listing(now, name))


def _plain(values: torch.Tensor) -> torch.Tensor:
    return values.dequantize() if values.is_quantized else values


def _asking(now: _Forward) -> Callable:
    def hook(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
        bound.apply_defaults()
        now.asked.append((bound.arguments["need_weights"], bound.arguments["average_attn_weights"]))
        bound.arguments |= {"need_weights": True, "average_attn_weights": False}
        return bound.args, bound.kwargs

    return hook


def _answering(now: _Forward, name: str) -> Callable:
    def hook(module: Any, _: Any, out: tuple) -> tuple:
        values, weights = out
        wanted, averaged = now.asked.pop()
        now.add(name, weights, _oddity(module, weights))
        return values, (weights.mean(-3) if averaged else weights) if wanted else None

    return hook


def _oddity(module: nn.MultiheadAttention, weights: torch.Tensor) -> str:
    if module.bias_k is not None or module.add_zero_attn:
        option = "add_bias_kv" if module.bias_k is not None else "add_zero_attn"
        return f"it was built with {option}: the last of its {weights.shape[-1]} keys is no token"
    return "it was called without a batch axis" if weights.ndim == 3 else ""


def _returning(now: _Forward, name: str) -> Callable:
    """Read weights from a returned tuple, unless the softmax inside was seen already."""

    def hook(module: nn.Module, _: Any, out: Any) -> None:
        if now.unread() and isinstance(out, (tuple, list)):
            for part in filter(_sums_to_one, out):
                now.add(name, part)

    return hook


def _sums_to_one(part: Any) -> bool:
    if not isinstance(part, torch.Tensor) or part.ndim != 4 or not part.is_floating_point():
        return False
    return bool((part >= 0).all()) and bool(((part.sum(-1) - 1).abs() < SUM).all())


def _listing(now: _Forward, name: str) -> Callable:
    def hook(module: nn.Module, _: Any, out: Any) -> None:
        found = getattr(out, "attentions", None) or ()
        for i, part in enumerate(found if now.unread() else ()):
            if isinstance(part, torch.Tensor):  # Where weights are not computed, None stands in their place.
                now.add(f"{name}.attentions.{i}".removeprefix("."), part)

    return hook


class _Products(TorchFunctionMode):
    """Sees the softmax inside a layer of attention, and takes torch's fused product apart."""

    def __init__(self, now: _Forward) -> None:
        super().__init__()
        self.now = now

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            out, weights = product(*args, **kwargs)
            name = (self.now.attending() or self.now.running[-1])[0] if self.now.running else ""
            self.now.add(name, weights, "" if weights.ndim == 4 else "it has no axis of heads")
            return out
        out = func(*args, **kwargs)
        if func in SOFTMAX and out.ndim == 4 and kwargs.get("dim", args[1] if args[1:] else None) in (-1, 3):
            name, module = self.now.attending() or ("", None)
            if module is not None and not _gives(module):
                self.now.add(name, out)
        return out


def product(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None,
            dropout_p: float = 0.0, is_causal: bool = False, *, scale: float | None = None,
            enable_gqa: bool = False) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Return what ``F.scaled_dot_product_attention`` returns, and its weights (formula of torch's own page).

    A query from which everything is hidden has weights of zero, as in torch. Arguments as in torch.
    """
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = (part.repeat_interleave(times, -3) for part in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    blind = (scores == -torch.inf).all(-1, keepdim=True)
    weights = scores.masked_fill(blind, 0).softmax(-1).masked_fill(blind, 0)
    weights = F.dropout(weights, dropout_p) if dropout_p else weights
    return weights @ value, weights


def gradients(output: torch.Tensor, reads: list[Read]) -> list[torch.Tensor]:
    """Return the gradient of a scalar with respect to the weights of each use, ``(n, head, query, key)``.

    A layer may return a view of the weights that it used: then the gradient is taken one step further up.
    """
    edges = [_edges(read) for read in reads]
    flat = torch.autograd.grad(output, [e for pair in edges for e in pair], allow_unused=True)
    answers = iter(flat)
    return [_first(read, [next(answers) for _ in pair]) for read, pair in zip(reads, edges, strict=True)]


def _edges(read: Read) -> list[GradientEdge]:
    if not read.raw.requires_grad:
        raise _unused(read)
    edge = get_gradient_edge(read.raw)
    if not any(view in edge.node.name() for view in VIEWS):
        return [edge]
    node, number = edge.node.next_functions[0]
    return [edge] if node is None else [edge, GradientEdge(node, number)]


def _first(read: Read, found: list[torch.Tensor | None]) -> torch.Tensor:
    used = next((gradient for gradient in found if gradient is not None), None)
    if used is None:
        raise _unused(read)
    return read.shaped(used)


def _unused(read: Read) -> BadInput:
    return BadInput(f"The output does not depend on the weights that {read.layer} gives, or they are a copy",
                    "weights that the layer itself multiplies with its values",
                    "Use attention or attention_rollout, which need no gradient")  # fmt: skip
