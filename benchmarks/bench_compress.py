"""How fast and how small are a compressed LeNet-5 and a VGG16, beside fp32 as it is and fp32 in channels_last?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from harness import Table, Timing, interleave, run
from torch import nn

import workbench as wb
from workbench.data.records import Data
from workbench.state import threads

MS = 1000
EAGER, LAID_OUT = "fp32", "fp32, channels_last"
HALF, QUARTER = "half the channels, int8", "a quarter of the channels, int8"
# What a form must be, in batches: (network, form, beside, times as fast).
BARS = [
    ("lenet5", "int8", EAGER, 3.0),
    ("lenet5", "int8", LAID_OUT, 1.6),
    ("lenet5", QUARTER, EAGER, 8.0),
    ("vgg16", HALF, EAGER, 20.0),
    ("vgg16", QUARTER, EAGER, 20.0),
]
BATCH = {"lenet5": 64, "vgg16": 32}
REPEATS = {"lenet5": 200, "vgg16": 30}


def rows_of(name: str) -> Data:
    """Return digits, or random colours of 32 x 32: what is in an image does not change how long it takes."""
    if name == "lenet5":
        return wb.load("mnist")
    draws = np.random.default_rng(0)
    return wb.from_arrays(
        draws.random((200, 3, 32, 32), np.float32), np.arange(200) % 10, name="noise of 3 x 32 x 32"
    )


def variants(name: str, data: Data) -> tuple[dict[str, nn.Module], dict[str, dict[str, Any]]]:
    """Return models and their sizes; untrained, since what the weights are does not change how long they take."""
    net = wb.build(name, data)
    shares = {"half the channels": 0.5, "a quarter of the channels": 0.25}
    made = {
        form: wb.prune(net, channels=1 - left, how="channels", data=data, verbose=False)
        for form, left in shares.items()
    }
    small = {
        "int8": wb.quantize(net, data=data),
        **{f"{k}, int8": wb.quantize(v, data=data) for k, v in made.items()},
    }
    whole = small["int8"].report["before"]
    models = {EAGER: net, LAID_OUT: copy.deepcopy(net).to(memory_format=torch.channels_last)}
    reports = {EAGER: whole, LAID_OUT: whole}
    for form, compressed in {**small, **made}.items():
        models[form], reports[form] = compressed.model, compressed.report["after"]
    return models, reports


def timed(models: dict[str, nn.Module], x: torch.Tensor, repeats: int) -> dict[str, Timing]:
    """Time every model on a batch, one call of each in turn."""
    x = x.clone(memory_format=torch.contiguous_format)
    laid_out = x.to(memory_format=torch.channels_last)
    with torch.no_grad():
        return interleave({name: _call(net, laid_out if name == LAID_OUT else x) for name, net in models.items()},
                          repeats=repeats, warmup=3)  # fmt: skip


def _call(net: nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    return lambda: net(x)


def measure() -> Table:
    """Time the forms of both networks, one input and batches."""
    rows, notes = [], []
    for name, n in BATCH.items():
        data = rows_of(name)
        models, sizes = variants(name, data)
        x = torch.tensor(data.train.x[:n])
        with threads(1):
            single, batch = timed(models, x[:1], REPEATS[name]), timed(models, x, REPEATS[name])
        rows += [
            {
                "network": name, "model": form, "parameters": f"{sizes[form]['parameters']:,}", "file [KiB]": f"{sizes[form]['bytes'] / 1024:,.0f}",
                "one input [ms]": MS * single[form].median, "batch [ms]": MS * batch[form].median,
                **{f"times as fast as {base}": batch[base].over(batch[form]) for base in (EAGER, LAID_OUT)},
                "one input, times as fast as fp32": single[EAGER].over(single[form]),
            }
            for form in models
        ]  # fmt: skip
        notes += [_held(*bar, batch) for bar in BARS if bar[0] == name]
    notes.append(
        "Batches of 64 digits for LeNet-5, of 32 images of 3 x 32 x 32 for VGG16 (64 channels in its first stage)."
    )
    return Table("A compressed LeNet-5 and a compressed VGG16", rows, notes=notes)


def _held(name: str, form: str, base: str, bar: float, batch: dict[str, Timing]) -> str:
    ratio = batch[base].over(batch[form])
    return f"Bar: {name}, {form}, at least {bar:g} times as fast as {base}: {ratio:.2f}, {'kept' if ratio >= bar else 'missed'}."


if __name__ == "__main__":
    run(measure)
