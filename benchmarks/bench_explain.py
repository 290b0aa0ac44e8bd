"""What does ``wb.explain`` add to the library call it stands on?

Captum by hand, with the same settings and the same rows a batch, beside ``wb.explain``. Captum's own gradient
takes a list of one scalar a row; ours is that of their sum. So captum is timed with both, and what we add
is counted from the faster one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum.attr
import torch
from captum._utils.common import _run_forward
from harness import Table, interleave, run
from torch import nn

import workbench as wb
from workbench.explanation.score import batch_rows
from workbench.state import threads

MS = 1000
BAR = "one forward and 2 ms"
SHARE = 1.03  # of integrated gradients of 50 steps on a net of ResNet18's size


class Block(nn.Module):
    """Two convolutions and a way around them (He et al. 2016)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.norm2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        same = into == out
        self.around = nn.Identity() if same else nn.Conv2d(into, out, 1, stride, bias=False)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the block's activations."""
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(inner + self.around(x))


def resnet18() -> nn.Module:
    """Return an untrained net of ResNet18's size: what it computes does not change how long it takes."""
    sizes = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2), (512, 512, 1))  # fmt: skip
    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))
    return nn.Sequential(*stem, *(Block(*size) for size in sizes), *head).eval()


def summed(
    forward_fn: Callable, inputs: Any, target_ind: Any = None, additional_forward_args: Any = None
) -> Any:
    """Return the gradient of the sum of the outputs: the same bits as captum's list of scalars."""
    with torch.enable_grad():
        return torch.autograd.grad(_run_forward(forward_fn, inputs, target_ind).sum(), inputs)


def by_hand(
    net: nn.Module, method: str, x: torch.Tensor, target: torch.Tensor, gradient: Any = None
) -> Callable:
    """Return the library call that does what ``wb.explain`` does."""
    rows = batch_rows(x)
    explainer, options = {
        "saliency": lambda: (captum.attr.Saliency(net), {}),
        "input_x_gradient": lambda: (captum.attr.InputXGradient(net), {}),
        "integrated_gradients": lambda: (captum.attr.IntegratedGradients(net), {"n_steps": 50, "internal_batch_size": rows}),
        "grad_cam": lambda: (captum.attr.LayerGradCam(net, last_convolution(net)), {"relu_attributions": True}),
        "occlusion": lambda: (captum.attr.Occlusion(net), windows(x, rows)),
    }[method]()  # fmt: skip
    if gradient is not None:
        explainer.gradient_func = gradient
    return lambda: explainer.attribute(x.clone().requires_grad_(), target=target, **options)


def last_convolution(net: nn.Module) -> nn.Module:
    """Return the layer that Grad-CAM reads."""
    return [m for m in net.modules() if isinstance(m, nn.Conv2d)][-1]


def windows(x: torch.Tensor, rows: int) -> dict[str, Any]:
    """Return our default windows in captum's words."""
    window = x.shape[-1] // 7
    return {"sliding_window_shapes": (x.shape[1], window, window), "strides": (x.shape[1], window // 2, window // 2),
            "perturbations_per_eval": max(1, rows // len(x))}  # fmt: skip


def compared(name: str, net: nn.Module, x: torch.Tensor, method: str, repeats: int) -> dict[str, Any]:
    """Time one method three ways, and a forward."""
    with torch.no_grad():
        target = net(x).argmax(1)

    def forward() -> None:
        with torch.no_grad():
            net(x)

    calls = {
        "forward": forward,
        "captum": by_hand(net, method, x, target),
        "captum, sum": by_hand(net, method, x, target, None if method == "occlusion" else summed),
        "ours": lambda: wb.explain(net, x, method),
    }
    times = interleave(calls, repeats=repeats, warmup=2)
    best = min(times["captum"].median, times["captum, sum"].median)
    added = MS * (times["ours"].median - best)
    beyond = added - MS * times["forward"].median
    return {
        "model": name, "method": method, "rows": len(x), "forward [ms]": MS * times["forward"].median,
        "captum [ms]": MS * times["captum"].median, "captum, gradient of the sum [ms]": MS * times["captum, sum"].median,
        "wb.explain [ms]": MS * times["ours"].median, "ratio to the faster": times["ours"].median / best,
        "added [ms]": added, "beyond one forward [ms]": beyond, BAR: "kept" if beyond <= 2 else "missed",
    }  # fmt: skip


def measure() -> Table:
    """Time five methods on LeNet-5, and integrated gradients on a net of ResNet18's size."""
    data = wb.load("mnist")
    lenet5 = wb.build("lenet5", data)
    digits = torch.tensor(data.test.x[:64]).clone(memory_format=torch.contiguous_format)  # one layout for all
    with threads(1):
        rows = [
            compared("LeNet-5", lenet5, digits[:n], method, repeats=7 if slow and n > 1 else 25)
            for method, slow in (("saliency", False), ("input_x_gradient", False), ("integrated_gradients", True),
                                 ("grad_cam", False), ("occlusion", True))
            for n in (1, 64)
        ]  # fmt: skip
        image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        rows.append(compared("ResNet18's size", resnet18(), image, "integrated_gradients", repeats=5))
    large = rows[-1]["ratio to the faster"]
    notes = [
        "Ours checks the input, finds the class (one forward), evaluates the baseline, checks the result and takes its fingerprint.",
        f"Bar: at most {BAR} beyond the faster library call.",
        f"Bar: at most {SHARE:.2f} times as long for integrated gradients of 50 steps on a net of ResNet18's size: "
        f"{large:.3f}, {'kept' if large <= SHARE else 'missed'}.",
    ]
    return Table("What wb.explain adds to the library call", rows, notes=notes)


if __name__ == "__main__":
    run(measure)
