"""How much faster than Quantus is ``wb.evaluate``, and how long does a league table of three models take?

Both judge the same maps with the same number of model evaluations, on probabilities. Quantus' infidelity perturbs
patches one after the other where ours draws subsets: the number of evaluations is the same, their form is not.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import quantus
import torch
from harness import Table, interleave, run

import workbench as wb
from workbench.state import threads

BAR, SECONDS = 5, 120
QUIET = {"disable_warnings": True, "display_progressbar": False}
METRICS = ("deletion", "insertion", "comprehensiveness", "sufficiency", "faithfulness_correlation", "infidelity",
           "sparseness", "complexity")  # fmt: skip
METHODS: dict[str, dict[str, Any]] = {
    "saliency": {}, "input_x_gradient": {}, "integrated_gradients": {"n_steps": 32}, "smooth_grad": {"n_samples": 20},
    "grad_cam": {}, "occlusion": {"window": 7, "strides": 7},
}  # fmt: skip


def pair(
    net: Any,
    e: wb.Explanation,
    name: str,
    options: dict[str, Any],
    theirs: Any,
    evaluations: int,
    **more: Any,
) -> dict[str, Any]:
    """Time a metric of Quantus beside ours."""
    given = {
        "x_batch": e.inputs,
        "y_batch": e.target,
        "a_batch": e.values,
        "channel_first": True,
        "softmax": True,
    }
    calls: dict[str, Callable] = {
        "quantus": lambda: theirs(model=net, **given, **more),
        "ours": lambda: wb.evaluate(e, net, {name: options}, with_floors=False),
        "limit": limit(net, e, evaluations, gradient=name == "max_sensitivity"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = interleave(calls, repeats=3, warmup=1)
    ratio = times["quantus"].over(times["ours"])
    return {"metric": name, "digits": str(len(e)), "Quantus [ms]": 1000 * times["quantus"].median,
            "wb.evaluate [ms]": 1000 * times["ours"].median, "ratio": ratio, "bar": str(BAR),
            "held": "kept" if ratio >= BAR else "missed", "share of the limit": times["limit"].over(times["ours"])}  # fmt: skip


def limit(net: Any, e: wb.Explanation, evaluations: int, gradient: bool) -> Callable[[], None]:
    """Return so many evaluations of the net, with their gradients where asked for, and nothing else."""
    x = torch.tensor(e.inputs).repeat(13, 1, 1, 1)[:204].clone(memory_format=torch.channels_last)

    def call() -> None:
        for start in range(0, evaluations * len(e), len(x)):
            part = x[: min(len(x), evaluations * len(e) - start)].detach().requires_grad_(gradient)
            with torch.set_grad_enabled(gradient):
                z = net(part).softmax(1).amax(1).sum()
            if gradient:
                torch.autograd.grad(z, part)

    return call


def league(data: wb.Data) -> float:
    """Return how many seconds eight metrics take for six methods, 100 digits and three models, floors included."""
    models = [wb.build("lenet5", data, seed=seed) for seed in range(3)]
    started = time.perf_counter()
    wb.benchmark(METHODS, METRICS, models, data, n=100, verbose=False)
    return time.perf_counter() - started


def measure() -> Table:
    """Time four metrics beside Quantus, and the league table."""
    data = wb.load("mnist")
    net = wb.fit(wb.build("lenet5", data), data, epochs=2, verbose=False).model.eval()
    rows = wb.explain(net, data.test[:16], "saliency")

    def explained(model: Any, inputs: np.ndarray, targets: np.ndarray, **_: Any) -> np.ndarray:
        return quantus.explain(model, inputs, targets, method="Saliency")

    black: dict[str, Any] = {"perturb_baseline": "black", **QUIET}
    with threads(1):
        lines = [
            pair(net, rows, "pixel_flipping", {}, quantus.PixelFlipping(features_in_step=1, **black), 785),
            pair(net, rows, "faithfulness_correlation", {"n_samples": 100, "subset_size": 224},
                 quantus.FaithfulnessCorrelation(nr_runs=100, subset_size=224, **black), 101),
            pair(net, rows, "infidelity", {"n_samples": 128},
                 quantus.Infidelity(n_perturb_samples=8, perturb_patch_sizes=[7], **black), 129),
            pair(net, rows, "max_sensitivity", {"n_samples": 10},
                 quantus.MaxSensitivity(nr_samples=10, **QUIET), 10, explain_func=explained),
        ]  # fmt: skip
    with threads(2):
        seconds = league(data)
    notes = [
        f"Eight metrics x six methods x 100 digits x three LeNet-5, two threads, maps and floors included: {seconds:.0f} s; "
        f"bar {SECONDS} s: {'kept' if seconds <= SECONDS else 'missed'}. The metrics: {', '.join(METRICS)}.",
        "Beside Quantus without floors, which it does not have.",
    ]
    return Table("wb.evaluate beside Quantus", lines, notes=notes)


if __name__ == "__main__":
    run(measure)
