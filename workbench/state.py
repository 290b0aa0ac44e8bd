"""The only place that touches global state; each is a context manager that puts it back.

Seeds, threads and a model's mode are easy to leave changed, above all after an error. Whoever needs
one of them changed asks here, inside a ``with`` block.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

# What a module keeps of its hooks: the hooks, and how some of them want to be called.
_HOOKS = (
    *("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"),
    *("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs"),
)


@contextmanager
def untouched(model: Any, frozen: bool = True, seed: int | None = None) -> Iterator[Any]:
    """Lend a model in evaluation mode with frozen parameters; it comes back as it was.

    With ``frozen=False`` its parameters keep their gradients' graph, for losses. A seed is set as by :func:`seeded`.

    Modes, ``requires_grad``, gradients, hooks, buffers and the global random state are restored, also
    after an error. Anything that is not an ``nn.Module`` (an estimator, a callable) only has the
    random state kept.
    """
    import torch

    with seeded(seed):
        if not isinstance(model, torch.nn.Module):
            yield model
            return
        modules = list(model.modules())  # one walk: this is done in every call
        with _modes(modules), _hooks(modules), _gradients(modules, frozen), _buffers(modules):
            if any(module.training for module in modules):
                model.eval()
            yield model


@contextmanager
def _modes(modules: list[torch.nn.Module]) -> Iterator[None]:
    kept = [(module, module.training) for module in modules]
    try:
        yield
    finally:
        for module, mode in kept:
            if module.training is not mode:
                module.training = mode


@contextmanager
def _hooks(modules: list[torch.nn.Module]) -> Iterator[None]:
    kept = [(hooks, dict(hooks)) for module in modules for hooks in map(vars(module).__getitem__, _HOOKS)]
    full = [(module, module._is_full_backward_hook) for module in modules]
    try:
        yield
    finally:
        for module, was in full:
            if module._is_full_backward_hook is not was:
                module._is_full_backward_hook = was
        for hooks, entries in kept:
            if hooks != entries:
                hooks.clear()
                hooks.update(entries)


@contextmanager
def _gradients(modules: list[torch.nn.Module], frozen: bool) -> Iterator[None]:
    """Freeze parameters, and take their gradients off meanwhile, so that none is changed in place."""
    own = dict.fromkeys(p for module in modules for p in module._parameters.values() if p is not None)
    kept = [(p, p.requires_grad, p.grad) for p in own]
    for p, needed, grad in kept:
        if needed and frozen:
            p.requires_grad_(False)
        if grad is not None:
            p.grad = None
    try:
        yield
    finally:
        for p, needed, grad in kept:
            if p.requires_grad is not needed:
                p.requires_grad_(needed)
            if p.grad is not grad:
                p.grad = grad


@contextmanager
def _buffers(modules: list[torch.nn.Module]) -> Iterator[None]:
    """Put back what was written into a buffer, and the buffer itself where it was exchanged."""
    import torch

    kept = [(module._buffers, name, buffer, buffer.clone())
            for module in modules for name, buffer in module._buffers.items() if buffer is not None]  # fmt: skip
    try:
        yield
    finally:
        for buffers, name, buffer, value in kept:
            buffers[name] = buffer
            if not torch.equal(buffer, value):  # Batch norm writes without counting up the buffer's version.
                with torch.no_grad():
                    buffer.copy_(value)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Seed torch, numpy and random inside the block; afterwards they go on as if nothing had been.

    With ``seed=None`` nothing is seeded, and the state is kept all the same.
    """
    import torch

    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    if seed is not None:
        _seed_all(seed)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch compute with ``n`` threads inside the block."""
    import torch

    kept = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(kept)


@contextmanager
def quantized_engine(name: str) -> Iterator[None]:
    """Let torch pack and run int8 weights with an engine, such as ``"x86"``, inside the block."""
    import torch

    kept = torch.backends.quantized.engine
    torch.backends.quantized.engine = name
    try:
        yield
    finally:
        torch.backends.quantized.engine = kept


@contextmanager
def slow_attention() -> Iterator[None]:
    """Let torch's own attention layers compute step by step inside the block: the fast path shows no weights."""
    import torch

    kept = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(kept)


@contextmanager
def no_stack_traces() -> Iterator[None]:
    """Trace networks without noting which line of whose source made each step: noting it loads torch's compiler, seconds."""
    import torch.fx.config as config

    kept = config.do_not_emit_stack_traces
    config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        config.do_not_emit_stack_traces = kept


def seed(n: int) -> None:
    """Seed torch, numpy and random for good: meant for the top of a notebook.

    Parameters
    ----------
    n
        The seed, such as 0.
    """
    _seed_all(n)


def _seed_all(n: int) -> None:
    import torch

    random.seed(n)
    np.random.seed(n % 2**32)
    torch.default_generator.manual_seed(n)  # torch.manual_seed asks every backend, fifty times as long
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(n)


def generator(*key: int) -> torch.Generator:
    """Return a generator that depends on the key alone, such as (seed, row): no global state is read.

    Examples
    --------
    >>> import torch
    >>> a = torch.rand(2, generator=generator(0, 7)); b = torch.rand(2, generator=generator(0, 7))
    >>> bool((a == b).all())
    True
    """
    import torch

    seed = int(np.random.SeedSequence([k % 2**32 for k in key]).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator().manual_seed(seed)


def generators(seed: int, rows: Iterable[int]) -> Iterator[torch.Generator]:
    """Yield a generator a row that depends on (seed, row) alone: many of them cost a third of as many :func:`generator`."""
    import torch

    for row in rows:
        digest = hashlib.blake2b(f"{int(seed)} {int(row)}".encode(), digest_size=8).digest()
        yield torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
