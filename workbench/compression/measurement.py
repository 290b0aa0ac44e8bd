"""What a model costs and how right it is: sizes, multiply-accumulates, milliseconds, accuracy."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Data
from ..int8.packing import int8_biases, int8_weights, is_float_grid
from ..state import threads, untouched
from ..zoo.storage import packed
from ..zoo.strides import takes, tensor_for

BATCH, REPEATS = 64, 30


def compared(before: nn.Module, after: nn.Module, data: Data | None, example: torch.Tensor) -> dict[str, Any]:
    """Return the report of a compression; accuracy and agreement are NaN without data."""
    with untouched(before), untouched(after):
        costs = milliseconds({"before": before, "after": after}, example)
        answers = {name: _answers(model, data) for name, model in (("before", before), ("after", after))}
        sides = {
            name: {**_sizes(model, example), **costs[name], "accuracy": _accuracy(answers[name], data)}
            for name, model in (("before", before), ("after", after))
        }
        agreement = float((answers["before"] == answers["after"]).mean()) if data else float("nan")
        return {**sides, "agreement": agreement, "layers": _layers(before, after, example)}


def layer_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return every layer's weight by the layer's name, a recurrent layer's weights by their own.

    int8 weights are given as their integers, those of an embedding as the numbers that they stand for.
    """
    found: dict[str, torch.Tensor] = {}
    for name, layer in model.named_modules():
        if isinstance(layer, nn.RNNBase):
            found |= {
                f"{name}.{part}": w for part, w in layer.named_parameters() if part.startswith("weight")
            }
        else:
            found[name] = getattr(layer, "weight", None)  # type: ignore[assignment]
    found |= {
        name: w.dequantize() if is_float_grid(w) else w.int_repr() for name, w in int8_weights(model).items()
    }
    return {name: w.detach() for name, w in found.items() if isinstance(w, torch.Tensor)}


def milliseconds(models: dict[str, nn.Module], example: torch.Tensor) -> dict[str, dict[str, float]]:
    """Return milliseconds of one input, a batch, and a channels_last batch, on one thread: the fastest call.

    All models are called in turn, again and again. Whatever else the machine does can only add to a call,
    so the fastest says most about the model. An int8 model lays its tensors out as it likes, and one that views
    its activations cannot run so: the channels_last figure is then NaN.
    """
    batch = example[:1].repeat(BATCH, *[1] * (example.ndim - 1))
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, model in models.items():
        calls[name, "ms_single"] = partial(model, example[:1])
        calls[name, "ms_batch"] = partial(model, batch)
        if any(isinstance(m, nn.Conv2d) for m in model.modules()):
            laid_out, rows = _channels_last(model, batch)
            if takes(laid_out, rows):
                calls[name, "ms_batch_channels_last"] = partial(laid_out, rows)
    with threads(1), torch.no_grad():
        times = _interleaved(calls)
    return {name: {"ms_batch_channels_last": float("nan")} | {k: v for (n, k), v in times.items() if n == name}
            for name in models}  # fmt: skip


def _channels_last(model: nn.Module, batch: torch.Tensor) -> tuple[nn.Module, torch.Tensor]:
    laid_out: Any = copy.deepcopy(model).eval()
    laid_out = laid_out.to(memory_format=torch.channels_last)
    return laid_out, batch.to(memory_format=torch.channels_last)


def _interleaved(calls: dict[tuple[str, str], Callable[[], Any]]) -> dict[tuple[str, str], float]:
    times: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for repeat in range(REPEATS + 3):
        for key, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat >= 3:
                times[key].append(1000 * (time.perf_counter() - start))
    return {key: min(values) for key, values in times.items()}


def _sizes(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
    weights = [
        *model.parameters(),
        *(w.dequantize() for w in int8_weights(model).values()),
        *int8_biases(model),
    ]
    return {
        "parameters": sum(w.numel() for w in weights),
        "nonzero": sum(int(w.count_nonzero()) for w in weights),
        "bytes": len(packed(model)),
        "macs": sum(macs(model, example).values()),
    }


def macs(model: nn.Module, example: torch.Tensor) -> dict[str, int]:
    """Count multiply-accumulates with weights for one input, layer by layer in the order in which they run.

    Of a text, for all its tokens. What attention multiplies without weights, and looking up, is not counted.
    """
    counts: dict[str, int] = {}
    weights = {n: w for n, w in layer_weights(model).items() if w.ndim > 1}

    def count(name: str) -> Callable:
        def hook(layer: nn.Module, given: Any, out: Any) -> None:
            if name in weights:
                counts[name] = weights[name].numel() * out[0].numel() // len(weights[name])
            else:  # a recurrent layer multiplies every token by all its weights
                inside = {n: w for n, w in weights.items() if n.rpartition(".")[0] == name}
                counts.update({n: w.numel() * _tokens(layer, given[0]) for n, w in inside.items()})

        return hook

    with untouched(model), torch.no_grad():
        for name, layer in model.named_modules():
            if _multiplies(layer) and (name in weights or hasattr(layer, "hidden_size")):
                layer.register_forward_hook(count(name))
        model(example[:1])
    return counts


def _multiplies(layer: nn.Module) -> bool:
    return "Embedding" not in type(layer).__name__


def _tokens(layer: Any, given: Any) -> int:
    """Return how many tokens a recurrent layer is given, padding included, also packed ones."""
    numbers = given if isinstance(given, torch.Tensor) else given.data
    return numbers.numel() // layer.input_size


def _answers(model: nn.Module, data: Data | None) -> np.ndarray:
    if data is None:
        return np.empty(0)
    with torch.no_grad():
        parts = [model(x).argmax(1) for x in tensor_for(model, data.test.x).split(256)]
    return torch.cat(parts).numpy()


def _accuracy(answers: np.ndarray, data: Data | None) -> float:
    return float((answers == data.test.y).mean()) if data else float("nan")


def _layers(before: nn.Module, after: nn.Module, example: torch.Tensor) -> list[dict[str, Any]]:
    old, new = layer_weights(before), layer_weights(after)
    counts = macs(after, example)
    return [
        {
            "layer": name,
            "shape before": "x".join(map(str, weight.shape)),
            "shape after": "x".join(map(str, new[name].shape)),
            "weights": weight.numel(),
            "left": int(new[name].count_nonzero()),
            "removed": 1 - int(new[name].count_nonzero()) / max(1, int(weight.count_nonzero())),
            "macs": counts.get(name, 0),
        }
        for name, weight in old.items()
        if name in new
    ]
