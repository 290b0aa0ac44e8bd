"""How good is LeNet-5 on the 5,000 digits, and how many of its answers does int8 keep? Five seeds."""

from __future__ import annotations

import statistics
import time

import torch
from harness import Table, run

import workbench as wb

SEEDS, EPOCHS = range(5), 15
ACCURACY, AGREEMENT = 0.98, 0.995  # bars of the five-seed means


def trained(seed: int) -> dict[str, float]:
    """Train one net with augmentation, quantize it, and return its row."""
    data, started = wb.load("mnist"), time.perf_counter()
    net = wb.fit(
        wb.build("lenet5", data, seed=seed), data, epochs=EPOCHS, augment=True, seed=seed, verbose=False
    )
    seconds = time.perf_counter() - started
    report = wb.quantize(net, data=data).report
    return {
        "test accuracy": report["before"]["accuracy"], "int8 accuracy": report["after"]["accuracy"],
        "int8 agreement": report["agreement"], "training [s]": seconds,
    }  # fmt: skip


def measure() -> Table:
    """Train five seeds; the last row is their mean."""
    rows = [trained(seed) for seed in SEEDS]
    mean = {name: statistics.mean(row[name] for row in rows) for name in rows[0]}
    lines = [
        {"seed": str(seed), **_fixed(row)} for seed, row in zip([*SEEDS, "mean"], [*rows, mean], strict=True)
    ]
    bars = {"test accuracy": ACCURACY, "int8 agreement": AGREEMENT}
    notes = [f"{EPOCHS} epochs with shifts, rotations and scales; 3,500 training and 1,000 test digits."]
    notes += [f"Bar: mean {name} at least {bar:g}: {mean[name]:.4f}, {'kept' if mean[name] >= bar else 'missed'}."
              for name, bar in bars.items()]  # fmt: skip
    return Table("LeNet-5, five seeds", lines, threads=torch.get_num_threads(), notes=notes)


def _fixed(row: dict[str, float]) -> dict[str, str]:
    return {name: f"{value:.1f}" if name.endswith("[s]") else f"{value:.4f}" for name, value in row.items()}


if __name__ == "__main__":
    run(measure)
