"""A residual net that nobody built for us is explained by every local method, and comes back as it was."""

import numpy as np
import pytest
import torch
from nets import BY_BACKGROUND, LOCAL
from torch import nn
from torch.nn import functional as F

import workbench as wb


class Block(nn.Module):
    """Two convolutions with batch norm, and a way around them; functional, in-place activations."""

    def __init__(self, channels):
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.norm1(self.first(x)), inplace=True)
        return F.relu(x + self.norm2(self.second(y)), inplace=True)


class Residual(nn.Module):
    """A stem, three blocks and a linear layer, for colour images."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*[Block(8) for _ in range(3)])
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.drop(self.blocks(self.stem(x)).mean((2, 3))))


@pytest.fixture
def net():
    """The net as its user left it, in train mode with gradients."""
    torch.manual_seed(0)
    net = Residual().train()
    net(torch.rand(4, 3, 32, 32)).sum().backward()
    return net


X = np.random.default_rng(0).random((3, 3, 32, 32), dtype=np.float32)
OPTIONS = {
    "exact_shapley": {"feature_mask": (np.arange(32)[:, None] // 16 * 2 + np.arange(32) // 16)},
    **{name: {"background": X[:2] / 2} for name in BY_BACKGROUND},
    "prototypes": {"examples": np.tile(X, (3, 1, 1, 1)) / 3, "example_classes": np.arange(9) % 3},
}


@pytest.mark.parametrize("method", LOCAL)
def test_every_method_explains_it_and_puts_it_back(unchanged, tmp_path, net, method):
    with unchanged(net):
        e = wb.explain(net, X, method, **OPTIONS.get(method, {}))
        again = wb.Explanation.load(e.save(tmp_path / "e")).replay(net)
    assert np.isfinite(e.values).all()
    assert np.ptp(e.values) > 0
    np.testing.assert_array_equal(again.values, e.values)
    assert set(e.flags) <= {"train mode", "shared draws", "constant map", "repaired"}


@pytest.mark.parametrize("method", ["integrated_gradients", "exact_shapley", "kernel_shap"])
def test_what_is_promised_to_sum_sums(net, method):
    e = wb.explain(net.eval(), X, method, output="centred_logit", **OPTIONS.get(method, {}))
    np.testing.assert_allclose(
        e.values.sum((1, 2, 3)), e.output - e.base_values, atol=0.03 * np.abs(e.output - e.base_values).max()
    )
