"""How small does a pruned LeNet get in a file, by which criterion do weights go, and is int8's surrogate exact?

Quality, not time: a busy machine does not matter.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Table, machine, markdown, record

import workbench as wb
from workbench.data.records import Data
from workbench.evaluation.intervals import crossed_bootstrap

SEEDS, AMOUNT = 10, 11 / 12
LONG_LAST = [2, 4, 18]
RECIPE: dict[str, Any] = {"epochs": 12, "augment": True, "verbose": False}
SHARED = {
    "lenet5": {"conv1": 64, "conv2": 32, "fc1": 16, "fc2": 32},
    "lenet300": {"fc1": 16, "fc2": 16, "fc3": 32},
}
AMOUNTS = np.linspace(0.1, 0.98, 12)
CRITERIA = ("magnitude", "taylor", "relevance")


def right(model: Any, data: Data) -> np.ndarray:
    """Return which test digits are answered rightly, as 0 and 1."""
    with torch.no_grad():
        return (model(torch.tensor(data.test.x)).argmax(1).numpy() == data.test.y).astype(float)


def shrunk(name: str, seed: int, data: Data) -> dict[str, Any]:
    """Prune one net twelvefold, pack it, and count what is lost against its sham."""
    net = wb.fit(wb.build(name, data, seed=seed), data, seed=seed, **RECIPE)
    small = wb.prune(net, AMOUNT, data=data, epochs=LONG_LAST, rounds=3, seed=seed, verbose=False)
    control = wb.sham(small, data, verbose=False)
    packed = wb.pack(small, Path(tempfile.mkdtemp()) / "small.wbp", shared=SHARED[name])
    areas = {by: [right(wb.prune(net, float(a), by=by, data=data, preserve=None, verbose=False).model, data).mean() for a in AMOUNTS]
             for by in CRITERIA} if name == "lenet5" else {}  # fmt: skip
    print(name, seed, packed, file=sys.stderr, flush=True)
    return {"own": right(net.model, data), "pruned": right(small.model, data), "packed": right(packed.model, data),
            "sham": right(control, data), "smaller": packed.report["dense"] / packed.report["bytes"], "bytes": packed.report["bytes"],
            "bound": packed.report["bound"], "areas": areas}  # fmt: skip


def measure() -> Table:
    """Shrink both nets, ten seeds each; a row a net, the criteria in notes."""
    data, rows, notes = wb.load("mnist"), [], []
    for name in SHARED:
        found = [shrunk(name, seed, data) for seed in range(SEEDS)]
        rows += [row(name, what, found) for what in ("pruned", "packed")]
        if name == "lenet5":
            notes += criteria([one["areas"] for one in found])
    return Table("A twelfth of the weights, in a small file", rows, notes=[
        f"{SEEDS} seeds; 12 epochs, then rounds of {LONG_LAST} epochs, distilled from the original; packed with few shared values a layer ({SHARED}).",
        "Points: accuracy of all test digits, bootstrap over seeds and digits; the sham is the original trained on with the same loss.",
        *notes,
    ])  # fmt: skip


def row(name: str, what: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a net's row."""
    against = {
        who: crossed_bootstrap(100 * np.stack([one[what] - one[who] for one in found]))
        for who in ("sham", "own")
    }
    row: dict[str, Any] = {
        "network": name,
        "form": what,
        "accuracy": f"{100 * np.mean([one[what] for one in found]):.2f}",
    }
    for who, label in (("sham", "points against the sham"), ("own", "points against the original")):
        row[label] = f"{against[who].value:+.2f} ({against[who].low:+.2f} to {against[who].high:+.2f})"
    size = [one["smaller"] for one in found]
    return row | {"times smaller than float32": f"{np.mean(size):.1f} ({min(size):.1f} to {max(size):.1f})" if what == "packed" else "-",
                  "bytes / entropy": f"{np.mean([one['bytes'] / one['bound'] for one in found]):.3f}" if what == "packed" else "-"}  # fmt: skip


def criteria(areas: list[dict[str, list[float]]]) -> list[str]:
    """Return what the criteria are worth without fine-tuning: the mean accuracy from 10 to 98 % of the weights removed."""
    each = {by: np.array([np.mean(one[by]) for one in areas]) for by in CRITERIA}
    said = []
    for by in CRITERIA[1:]:
        gain = crossed_bootstrap(100 * (each[by] - each["magnitude"])[:, None].repeat(2, 1))
        said.append(f"LeNet-5 without fine-tuning, mean accuracy over 12 amounts from 10 to 98 %: {by} {100 * each[by].mean():.1f}, magnitude "
                    f"{100 * each['magnitude'].mean():.1f}; difference {gain.value:+.1f} points ({gain.low:+.1f} to {gain.high:+.1f} over seeds).")  # fmt: skip
    return said


if __name__ == "__main__":
    torch.set_num_threads(1)
    table = measure()
    print(markdown(table, machine(1)))
    print(f"recorded: {record('shrink', table)}")
