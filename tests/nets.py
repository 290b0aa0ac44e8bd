"""Small nets whose attributions are arithmetic, and how every method is asked quickly."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import workbench as wb
from workbench.data.records import Split
from workbench.explanation.registry import look_up

METHODS = tuple(wb.methods().index)
GLASS = {
    "attention",
    "coefficients",
    "tree",
    "trees",
    "columns",
}  # what a convolutional net of images does not have
OF_NETS = tuple(name for name in METHODS if not look_up(name).needs & GLASS)  # what explains one
LOCAL = tuple(name for name in OF_NETS if look_up(name).scope == "local")
BY_BACKGROUND = {"deep_shap", "gradient_shap"}  # what is defined by a background; the first rows are given
NINE = (np.arange(28)[:, None] // 10 * 3 + np.arange(28) // 10)[None, None]  # nine patches of 28 x 28 pixels
SPECKS = np.random.default_rng(0).random((16, 1, 28, 28), dtype=np.float32)
# Enough for a test, where the defaults take longer; a method that is not here is asked with its defaults.
QUICK: dict[str, dict[str, Any]] = {
    "integrated_gradients": {"n_steps": 8},
    "smooth_grad": {"n_samples": 6},
    "occlusion": {"window": 9, "strides": 6},
    "exact_shapley": {"feature_mask": NINE},
    "kernel_shap": {"n_samples": 40, "feature_mask": NINE},
    "shapley_sampling": {"n_samples": 4, "feature_mask": NINE},
    "permutation_shap": {"n_samples": 3, "feature_mask": NINE},
    "partition_shap": {"n_samples": 80, "feature_mask": NINE},
    "lime": {"n_samples": 60, "feature_mask": NINE},
    "conductance": {"n_steps": 6},
    "gradient_shap": {"n_samples": 6},
    "permutation_importance": {"n_repeats": 1, "feature_mask": NINE},
    "mean_shap": {"of": "exact_shapley", "feature_mask": NINE // 3},
    "gim": {"feature_mask": NINE},
    "tcav": {"concepts": {"specks": SPECKS[:8]}, "random": SPECKS[8:], "n_runs": 3},
    "prototypes": {"examples": SPECKS, "example_classes": np.arange(16) % 3, "k": 3},
}


def ask(method: str, model: Any, x: Any, **options: Any) -> wb.Explanation:
    """Explain quickly; a method that explains the model itself gets no inputs, or rows with classes."""
    needed = {"background": x[:2]} if method in BY_BACKGROUND else {}
    return wb.explain(model, wanted(method, x), method, **(QUICK.get(method, {}) | needed | options))


def wanted(method: str, x: Any) -> Any:
    """Return the rows as a method wants them: as they are, with classes, or not at all."""
    entry = look_up(method)
    looks = method == "gim" or entry.needs & {"rows", "inputs"}
    if entry.scope == "local" or isinstance(x, Split):
        return x if entry.scope == "local" or looks else None
    if not looks:
        return None
    ids = np.arange(len(x))
    return Split(np.asarray(x.detach() if isinstance(x, torch.Tensor) else x), ids % 2, ids, ids)


def linear(weights: Any, bias: Any = 0.0) -> nn.Sequential:
    """Return a net whose logits are ``x @ weights.T + bias``: ``weights`` is ``(class, column)``."""
    weights = torch.as_tensor(weights, dtype=torch.float32)
    layer = nn.Linear(weights.shape[1], len(weights))
    with torch.no_grad():
        layer.weight.copy_(weights)
        layer.bias.copy_(torch.as_tensor(bias, dtype=torch.float32).expand(len(weights)))
    return nn.Sequential(layer).eval()


class Function(nn.Module):
    """A net that computes what a function of tensors says; one that gives ``(n,)`` has one raw output."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Convolutional(nn.Module):
    """A convolution with batch norm and dropout, and a linear layer over a grid of four by four."""

    def __init__(self, classes: int = 3, channels: int = 2) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.pool, self.drop, self.last = nn.AdaptiveAvgPool2d(4), nn.Dropout(0.3), nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.drop(self.pool(self.relu(self.norm(self.conv(x)))).flatten(1)))


class Failing(nn.Module):
    """A net that raises in its n-th forward."""

    def __init__(self, net: nn.Module, n: int) -> None:
        super().__init__()
        self.net, self.left = net, n

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.left -= 1
        if not self.left:
            raise ZeroDivisionError("made to fail")
        return self.net(x)


def dividends(terms: dict[tuple[int, ...], float]) -> Any:
    """Return ``f(x) = sum of c times the product of the named columns``, one raw output, for numpy rows.

    At ones against zeros a coalition is worth the sum of the terms it contains, so that the Shapley value
    of a column is the sum of ``c / size`` over its terms (Harsanyi 1963).
    """

    def function(x: np.ndarray) -> np.ndarray:
        parts = [c * x[:, list(columns)].prod(1) for columns, c in terms.items()]
        return np.sum([np.zeros(len(x)), *parts], axis=0)

    return function


def shares(terms: dict[tuple[int, ...], float], d: int) -> np.ndarray:
    """Return the Shapley values of :func:`dividends` at ones against zeros, ``(d,)``."""
    values = np.zeros(d)
    for columns, c in terms.items():
        for column in columns:
            values[column] += c / len(columns)
    return values
