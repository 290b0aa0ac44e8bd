"""Nets and inputs for the tests of explanations: quick, and not all alike."""

import numpy as np
import pytest
import torch
from nets import Convolutional

import workbench as wb


@pytest.fixture(scope="session")
def tiny(digits):
    """An untrained LeNet-5 of a few channels; whoever changes it fails the test that looks."""
    return wb.build("lenet5", digits, channels=(3, 4), hidden=8, seed=1)


@pytest.fixture
def images(digits):
    """Five digits."""
    return digits.test.x[:5].copy()


@pytest.fixture
def convolutional():
    """A net with batch norm and dropout, left in train mode, with hooks and gradients of the user's own."""
    torch.manual_seed(0)
    net = Convolutional(channels=1).train()
    for _ in range(2):
        net(torch.rand(6, 1, 28, 28)).sum().backward()
    net.pool.eval()
    net.last.bias.requires_grad_(False)
    net.conv.register_forward_hook(lambda *_: None)
    return net


@pytest.fixture(scope="session")
def clouds():
    """Three clouds of points in five columns that are nearly lines apart."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    centres = rng.normal(size=(3, 5)) * 2
    return wb.from_arrays(rng.normal(size=(150, 5)) + centres[y], y, class_names=["red", "green", "blue"],
                          feature_names=["age", "income", "debt", "years", "rooms"])  # fmt: skip


@pytest.fixture(scope="session")
def mlp(clouds):
    """A trained net for the clouds."""
    return wb.fit(wb.build("mlp", clouds, hidden=(12,)), clouds, epochs=10, lr=0.01, verbose=False)
