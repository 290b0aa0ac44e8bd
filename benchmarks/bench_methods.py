"""How much faster than the raw libraries' default calls is ``wb.explain``, and how close to the speed limit?

Each line times a library as its users call it beside ``wb.explain`` with the same numbers of steps and samples.
The limit is the time of the same model evaluations alone (with their gradients, where the method takes them), in
batches that stay in cache.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import captum.attr
import numpy as np
import shap
import torch
from harness import Table, interleave, run
from lime.lime_image import LimeImageExplainer
from lime.lime_tabular import LimeTabularExplainer
from torch import nn

import workbench as wb
from workbench.explanation.score import batch_rows
from workbench.state import threads

BARS = {
    "integrated_gradients, MLP": 4, "smooth_grad, MLP": 4, "kernel_shap, MLP": 300, "gradient_shap, MLP": 50, "deep_shap, MLP": 3.5,
    "lime, MLP": 10, "kernel_shap, LeNet": 10, "lime, LeNet": 1, "lime, free model": 4, "occlusion, LeNet": 8,
    "feature_ablation, LeNet": 8, "shapley_sampling, LeNet": 8, "integrated_gradients, LeNet": 1,
}  # fmt: skip
MOST_MB = 120  # integrated gradients of 1,000 digits, above the model


class Case:
    """A net, its inputs and the classes that are explained, and how long its evaluations alone take."""

    def __init__(self, name: str, net: nn.Module, x: np.ndarray, rows: np.ndarray) -> None:
        self.name, self.net, self.x, self.rows = name, net.eval(), x, rows
        self.t = torch.tensor(x)
        with torch.no_grad():
            self.target = self.net(self.t).argmax(1)

    def limit(self, evaluations: int, gradient: bool) -> Callable[[], None]:
        """Return the same number of evaluations, and nothing else."""
        batch = self.t[torch.arange(batch_rows(self.t)) % len(self.t)].clone()

        def call() -> None:
            left = evaluations
            while left > 0:
                part = batch[:left].detach()
                if gradient:
                    part.requires_grad_()
                    torch.autograd.grad(self.net(part).sum(), part)
                else:
                    with torch.no_grad():
                        self.net(part)
                left -= len(part)

        return call

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return the net's probabilities, for libraries that want a function of arrays."""
        with torch.no_grad():
            return self.net(torch.tensor(x, dtype=torch.float32)).softmax(1).numpy()


def line(
    method: str, case: Case, raw: Callable, ours: Callable, *, gradient: bool, repeats: int = 5
) -> dict[str, Any]:
    """Time a library, ``wb.explain`` and the limit, in turn."""
    n_forward = ours().n_forward
    calls = {"raw": raw, "ours": ours, "limit": case.limit(n_forward, gradient)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times = interleave(calls, repeats=repeats, warmup=1)
    ratio, key = times["raw"].over(times["ours"]), f"{method}, {case.name}"
    bar = BARS[key]
    return {"method": method, "model": case.name, "rows": str(len(case.x)), "library [ms]": 1000 * times["raw"].median,
            "wb.explain [ms]": 1000 * times["ours"].median, "ratio": ratio, "bar": str(bar), "held": "kept" if ratio >= bar else "missed",
            "share of the limit": times["limit"].over(times["ours"])}  # fmt: skip


def table_lines(case: Case) -> list[dict[str, Any]]:
    """Time the methods on an MLP of columns."""
    net, t, target, back = case.net, case.t, case.target, torch.tensor(case.rows[:64])
    few, few_t = case.x[:16], case.t[:16]
    small = Case(case.name, net, few, case.rows)
    lime = LimeTabularExplainer(case.rows, mode="classification", discretize_continuous=True)
    gradients = shap.GradientExplainer(net, back)
    deep = shap.DeepExplainer(net, back)
    labels = case.target.numpy()
    return [
        line("integrated_gradients", case, lambda: captum.attr.IntegratedGradients(net).attribute(t, target=target),
             lambda: wb.explain(net, case.x, "integrated_gradients"), gradient=True),
        line("smooth_grad", case, lambda: captum.attr.NoiseTunnel(captum.attr.Saliency(net)).attribute(
                 t, target=target, nt_type="smoothgrad", nt_samples=50, stdevs=0.1),
             lambda: wb.explain(net, case.x, "smooth_grad", abs=False), gradient=True),
        line("kernel_shap", case, lambda: captum.attr.KernelShap(net).attribute(t, target=target, n_samples=1000),
             lambda: wb.explain(net, case.x, "kernel_shap", n_samples=1000), gradient=False, repeats=2),
        line("gradient_shap", small, lambda: gradients.shap_values(few_t, nsamples=200),
             lambda: wb.explain(net, few, "gradient_shap", background=case.rows[:64], n_samples=200), gradient=True, repeats=2),
        line("deep_shap", small, lambda: deep.shap_values(few_t, check_additivity=False),
             lambda: wb.explain(net, few, "deep_shap", background=case.rows[:64]), gradient=True),
        line("lime", Case(case.name, net, case.x[:64], case.rows),
             lambda: [lime.explain_instance(row, case.scores, labels=(int(k),), num_samples=5000) for row, k in zip(case.x[:64], labels, strict=False)],
             lambda: wb.explain(net, case.x[:64], "lime", background=case.rows, n_samples=5000, output="probability"), gradient=False, repeats=2),
    ]  # fmt: skip


def digit_lines(case: Case) -> list[dict[str, Any]]:
    """Time the methods on LeNet-5; perturbations of one digit, kernel SHAP of 16."""
    net, one = case.net, Case(case.name, case.net, case.x[:1], case.rows)
    x, target = one.t, one.target
    down = torch.arange(28) // 4
    patches = (down[:, None] * 7 + down)[None, None]
    many = Case(case.name, net, case.x[:16], case.rows)
    window = {"sliding_window_shapes": (1, 4, 4), "strides": (1, 2, 2)}
    return [
        line("integrated_gradients", case, lambda: captum.attr.IntegratedGradients(net).attribute(case.t, target=case.target),
             lambda: wb.explain(net, case.x, "integrated_gradients"), gradient=True, repeats=3),
        line("kernel_shap", many, lambda: captum.attr.KernelShap(net).attribute(many.t, target=many.target, n_samples=1000, feature_mask=patches),
             lambda: wb.explain(net, many.x, "kernel_shap", n_samples=1000), gradient=False, repeats=2),
        line("occlusion", one, lambda: captum.attr.Occlusion(net).attribute(x, target=target, **window),
             lambda: wb.explain(net, one.x, "occlusion", window=4, strides=2), gradient=False),
        line("feature_ablation", one, lambda: captum.attr.FeatureAblation(net).attribute(x, target=target),
             lambda: wb.explain(net, one.x, "feature_ablation", feature_mask=np.arange(784).reshape(1, 1, 28, 28)), gradient=False),
        line("shapley_sampling", one, lambda: captum.attr.ShapleyValueSampling(net).attribute(x, target=target, feature_mask=patches, n_samples=25),
             lambda: wb.explain(net, one.x, "shapley_sampling", n_samples=25), gradient=False),
        line("lime", one, _lime_of_images(one.x, one.scores), lambda: wb.explain(net, one.x, "lime", n_samples=1000), gradient=False, repeats=3),
    ]  # fmt: skip


def _lime_of_images(x: np.ndarray, scores: Callable[[np.ndarray], np.ndarray]) -> Callable[[], None]:
    down = np.arange(28) // 4
    patches, colour = down[:, None] * 7 + down, np.repeat(x[0, 0][..., None], 3, 2).astype(float)

    def call() -> None:
        LimeImageExplainer().explain_instance(
            colour, lambda images: scores(images[..., :1].transpose(0, 3, 1, 2)), hide_color=0, num_samples=1000,
            segmentation_fn=lambda _: patches,
        )  # fmt: skip

    return call


class Free(nn.Module):
    """A model that costs next to nothing: what is left is the machinery of a method."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return two scores of the mean brightness."""
        mean = x[:, 0, ::7, ::7].mean((1, 2))
        return torch.stack([mean, -mean], 1)


def machinery(x: np.ndarray) -> dict[str, Any]:
    """Time LIME's image machinery, without a model."""
    case = Case("free model", Free(), x[:1], x)
    return line("lime", case, _lime_of_images(case.x, case.scores),
                lambda: wb.explain(case.net, case.x, "lime", n_samples=1000), gradient=False)  # fmt: skip


PEAK = """
import captum.attr, torch, workbench as wb
from pathlib import Path
def said(name):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024
torch.set_num_threads(1)
data = wb.load("mnist"); net = wb.build("lenet5", data).eval(); x = data.train.x[:{n}].copy(); t = torch.tensor(x)
call = {call}
call(8)
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew from here
before = said("VmRSS"); call({n}); print(said("VmHWM") - before)
"""
OURS = "lambda k: wb.explain(net, x[:k], 'integrated_gradients')"
CAPTUM = "lambda k: captum.attr.IntegratedGradients(net).attribute(t[:k], target=0)"


def peak(n: int, call: str = OURS) -> float:
    """Return the peak memory, in MB above that of the model with its data, of integrated gradients of n digits."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK.format(n=n, call=call)], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def measure() -> Table:
    """Time every bar of the list, and the memory of integrated gradients."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 20)).astype(np.float32)
    torch.manual_seed(0)
    mlp = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    data = wb.load("mnist")
    digits = np.ascontiguousarray(data.test.x[:32])
    with threads(1):
        lines = table_lines(Case("MLP", mlp, rows[:128], rows))
        lines += digit_lines(Case("LeNet", wb.build("lenet5", data, channels=(6, 16)), digits, digits))
        lines.append(machinery(digits))
    peaks, theirs = {n: peak(n) for n in (200, 1000)}, peak(200, CAPTUM)
    missed = [f"{row['method']}, {row['model']}" for row in lines if row["held"] == "missed"]
    notes = [
        f"Integrated gradients of 1,000 digits on LeNet-5 peak {peaks[1000]:.0f} MB above the model and its data (200 digits: "
        f"{peaks[200]:.0f} MB; captum's default with 200: {theirs:,.0f} MB); bar {MOST_MB} MB: {'kept' if peaks[1000] <= MOST_MB else 'missed'}.",
        f"Missed: {', '.join(missed) or 'none'}. A bar of 1 says not slower than the library.",
        "LIME of images: the library is given the same 49 patches; 'free model' times the machinery alone.",
        "The limit counts what wb.explain evaluates, the class and the baseline included.",
    ]
    return Table("wb.explain beside the libraries' default calls", lines, notes=notes)


if __name__ == "__main__":
    run(measure)
