"""How small does a pruned LeNet get in a file, and by which criterion should its weights go?

Quality, not time: a busy machine does not matter. Each net's cell is kept under ``runs/`` as soon as it is known.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_preserve import SHORT
from harness import Table, kept, pooled, run, spread

import workbench as wb
from workbench.data.records import Data
from workbench.evaluation.intervals import bootstrap_mean

SEEDS, AMOUNT = 10, 11 / 12
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
    small = wb.prune(net, AMOUNT, data=data, seed=seed, verbose=False, **SHORT)
    control = wb.sham(small, data, verbose=False)
    packed = wb.pack(small, Path(tempfile.mkdtemp()) / "small.wbp", shared=SHARED[name])
    areas = {by: [right(wb.prune(net, float(a), by=by, data=data, preserve=None, verbose=False).model, data).mean() for a in AMOUNTS]
             for by in CRITERIA} if name == "lenet5" else {}  # fmt: skip
    answers = {"own": net.model, "pruned": small.model, "packed": packed.model, "sham": control}
    return {"right": {who: right(model, data).tolist() for who, model in answers.items()}, "areas": areas,
            **{fact: packed.report[fact] for fact in ("dense", "bytes", "bound")}}  # fmt: skip


def measure() -> Table:
    """Shrink both nets, ten seeds each; a row a net, the criteria in notes."""
    data, rows, notes = wb.load("mnist"), [], []
    for name in SHARED:
        found = [kept(f"bench_shrink/{name}_{seed}", shrunk, name, seed, data) for seed in range(SEEDS)]
        rows += [row(name, what, found) for what in ("pruned", "packed")]
        if name == "lenet5":
            notes += criteria([one["areas"] for one in found])
    return Table("A twelfth of the weights, in a small file", rows, notes=[
        f"{SEEDS} seeds; 12 epochs, then rounds of {SHORT['epochs']} epochs, distilled from the original; packed with few shared values a layer ({SHARED}).",
        "Points: accuracy of all test digits, bootstrap over seeds and digits, and over digits alone, the ten seeds pooled; the sham is the original trained on with the same loss.",
        *notes,
    ])  # fmt: skip


def row(name: str, form: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a net's row."""
    right = {who: np.array([one["right"][who] for one in found]) for who in found[0]["right"]}
    by_digit = bootstrap_mean(100 * (right[form] - right["sham"]).mean(0))
    row = {"network": name, "form": form, "accuracy": f"{100 * right[form].mean():.2f}",
           "points against the sham": pooled(right[form] - right["sham"]),
           "the same, clustered by digit": f"{by_digit.value:+.2f} ({by_digit.low:+.2f} to {by_digit.high:+.2f})",
           "points against the original": pooled(right[form] - right["own"])}  # fmt: skip
    if form == "pruned":
        return row | {"times smaller than float32": "-", "bytes / entropy": "-"}
    smaller = [one["dense"] / one["bytes"] for one in found]
    return row | {"times smaller than float32": f"{np.mean(smaller):.1f} ({min(smaller):.1f} to {max(smaller):.1f})",
                  "bytes / entropy": f"{np.mean([one['bytes'] / one['bound'] for one in found]):.3f}"}  # fmt: skip


def criteria(areas: list[dict[str, list[float]]]) -> list[str]:
    """Return what the criteria are worth without fine-tuning: the area under accuracy by sparsity, over its width."""
    each = {
        by: np.array([np.trapezoid(one[by], AMOUNTS) for one in areas]) / np.ptp(AMOUNTS) for by in CRITERIA
    }
    return [f"LeNet-5 without fine-tuning, area under accuracy by sparsity from 10 to 98 % (1 is perfect): {by} {spread(each[by])}, "
            f"magnitude {spread(each['magnitude'])}; difference {spread(each[by] - each['magnitude'])}, t over {len(areas)} seeds."
            for by in CRITERIA[1:]]  # fmt: skip


if __name__ == "__main__":
    run(measure, timed=False)
