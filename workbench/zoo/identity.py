"""A fingerprint of a model: the same weights give the same one, in every session."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import nn

from .holder import unwrap

# What a model carries beside what it computes with; the last one is a place in memory (of the stop words).
CARRIED = ("spec", "recipe", "_stop_words_id")
PLAIN = (str, bytes, int, float, complex, type(None), np.generic)
BLOCK = 2**16  # words
_SEEN: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def fingerprint(model: Any) -> str:
    """Return the SHA-256 of a model's class and state, in hexadecimal.

    Weights, biases, buffers, int8 weights and scales count; mode, hooks and gradients do not. For an
    estimator what it holds counts, for a plain callable its name and its own code, which proves little.
    """
    model = unwrap(model)
    if not isinstance(model, nn.Module):
        return hashlib.sha256(_content(model)).hexdigest()
    state = [(name, _bytes(part)) for name, part in _parts(model)]
    # A tenth of the cost of the SHA-256; the tensors' version counters would miss what .data writes.
    check = tuple(_told_apart(content) for _, content in state)
    if _SEEN.get(model, (None, ""))[0] != check:
        _SEEN[model] = check, _digest(model, state)
    return _SEEN[model][1]


def _told_apart(content: Any) -> bytes:
    """Return a short text that differs when contents of equal length do (a random linear form of their words, modulo 2^64)."""
    plain = (
        np.frombuffer(content, np.uint8) if isinstance(content, bytes) else content.reshape(-1).view(np.uint8)
    )
    words = plain[: len(plain) // 8 * 8].view(np.int64)
    factors, whole = _factors(), len(words) // BLOCK * BLOCK
    blocks = words[:whole].reshape(-1, BLOCK) @ factors
    rest = words[whole:] @ factors[: len(words) - whole]
    return blocks.tobytes() + rest.tobytes() + plain[8 * len(words) :].tobytes()


@cache
def _factors() -> np.ndarray:
    """Return odd numbers: a single changed word always changes the form."""
    return np.random.default_rng(0).integers(-(2**62), 2**62, BLOCK) * 2 + 1


def _content(model: Any) -> bytes:
    if not hasattr(model, "get_params"):
        return getattr(model, "__qualname__", type(model).__qualname__).encode() + _code(model)
    return b"|".join([type(model).__name__.encode(), *_walked(_learnt(vars(model)))])


def _code(function: Any) -> bytes:
    """Return what a function does, as far as its own code says: two lambdas have one name."""
    code = getattr(function, "__code__", None)
    if code is None:
        return b""
    return code.co_code + repr((code.co_names, [c for c in code.co_consts if isinstance(c, PLAIN)])).encode()


def _walked(value: Any) -> Iterator[bytes]:
    """Yield what an estimator holds; its pickle would hold how memory was laid out as well, and so differ."""
    if isinstance(value, dict):
        for name in sorted(value, key=str):
            yield str(name).encode()
            yield from _walked(value[name])
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _walked(part)
    elif isinstance(value, np.ndarray):
        yield from _array(value)
    elif hasattr(value, "tocsr"):  # sparse
        yield from _walked([value.tocsr().data, value.tocsr().indices, value.tocsr().indptr])
    elif isinstance(value, PLAIN):
        yield repr(value).encode()
    else:
        yield getattr(value, "__qualname__", type(value).__qualname__).encode()
        yield from _walked(None if callable(value) else _learnt(value.__getstate__()))


def _learnt(state: Any) -> Any:
    return {k: v for k, v in state.items() if k not in CARRIED} if isinstance(state, dict) else state


def _array(value: np.ndarray) -> Iterator[bytes]:
    yield f"{value.dtype}{value.shape}".encode()
    if value.dtype.names:  # A tree's nodes: between the fields lie bytes that mean nothing.
        yield from _walked([value[name] for name in value.dtype.names])
    else:
        yield from _walked(value.tolist()) if value.dtype.hasobject else [value.tobytes()]


def _parts(model: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, value in model.state_dict().items():
        for part in _unpacked(value):
            yield name, part


def _unpacked(value: Any) -> Iterator[Any]:
    """Yield what an entry of a state holds: an int8 layer has several things in one, packed for its kernel."""
    if isinstance(value, torch.ScriptObject):
        value = value.__getstate__()
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _unpacked(part)
    else:
        yield value


def _digest(model: nn.Module, state: list[tuple[str, Any]]) -> str:
    digest = hashlib.sha256(type(model).__name__.encode())
    for name, content in state:
        digest.update(name.encode())
        digest.update(content)
    return digest.hexdigest()


def _bytes(value: Any) -> Any:
    if not isinstance(value, torch.Tensor):
        return repr(value).encode()
    if not value.is_quantized:
        plain = value.detach().cpu().contiguous()
        # Hashed where it lies, not copied; numpy has no bfloat16.
        return (plain.view(torch.int16) if plain.dtype == torch.bfloat16 else plain).numpy()
    numbers = value.int_repr().numpy().tobytes()
    if value.qscheme() == torch.per_tensor_affine:
        return numbers + np.array(value.q_scale()).tobytes()
    numbers += value.q_per_channel_scales().numpy().tobytes()
    if value.qscheme() == torch.per_channel_affine_float_qparams:  # elsewhere every zero point is zero
        numbers += value.q_per_channel_zero_points().numpy().tobytes()
    return numbers
