"""How fast and how small is a compressed LeNet-5, beside fp32 as it is and fp32 in channels_last?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from harness import Table, Timing, interleave, run
from torch import nn

import workbench as wb
from workbench.state import threads

MS = 1000
EAGER, LAID_OUT = "fp32", "fp32, channels_last"
BARS = {EAGER: 3.0, LAID_OUT: 1.6}  # what int8 must be, in batches of 64


def variants() -> tuple[dict[str, nn.Module], dict[str, dict[str, Any]]]:
    """Return models and their sizes; untrained, since what the weights are does not change how long they take."""
    data = wb.load("mnist")
    net = wb.build("lenet5", data)
    half = wb.prune(net, channels=0.5, how="channels", verbose=False)
    small, both = wb.quantize(net, data=data), wb.quantize(half, data=data)
    models = {
        EAGER: net,
        LAID_OUT: copy.deepcopy(net).to(memory_format=torch.channels_last),
        "int8": small.model,
        "half the channels": half.model,
        "half the channels, int8": both.model,
    }
    whole = small.report["before"]
    reports = (whole, whole, small.report["after"], half.report["after"], both.report["after"])
    return models, dict(zip(models, reports, strict=True))


def timed(models: dict[str, nn.Module], n: int) -> dict[str, Timing]:
    """Time every model on a batch of ``n`` digits, one call of each in turn."""
    x = torch.tensor(wb.load("mnist").test.x[:n]).clone(memory_format=torch.contiguous_format)
    laid_out = x.to(memory_format=torch.channels_last)
    with torch.no_grad():
        return interleave({name: _call(net, laid_out if name == LAID_OUT else x) for name, net in models.items()},
                          repeats=200, warmup=20)  # fmt: skip


def _call(net: nn.Module, x: torch.Tensor) -> Callable[[], Any]:
    return lambda: net(x)


def measure() -> Table:
    """Time five forms of LeNet-5, one input and batches of 64."""
    models, sizes = variants()
    with threads(1):
        single, batch = timed(models, 1), timed(models, 64)
    rows = [
        {
            "model": name, "parameters": f"{sizes[name]['parameters']:,}", "file [KiB]": f"{sizes[name]['bytes'] / 1024:,.0f}",
            "one input [ms]": MS * single[name].median, "batch of 64 [ms]": MS * batch[name].median,
            **{f"times as fast as {base}": batch[base].over(batch[name]) for base in BARS},
        }
        for name in models
    ]  # fmt: skip
    return Table("A compressed LeNet-5", rows, notes=[_held(base, bar, batch) for base, bar in BARS.items()])


def _held(base: str, bar: float, batch: dict[str, Timing]) -> str:
    ratio = batch[base].over(batch["int8"])
    return f"Bar: int8 at least {bar:g} times as fast as {base}: {ratio:.2f}, {'kept' if ratio >= bar else 'missed'}."


if __name__ == "__main__":
    run(measure)
