"""The fixture that says a model came back as it was sees every kind of change."""

import random

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn


def _gradient(net):
    net(torch.zeros(2, 3)).sum().backward()


def _weights(net):
    with torch.no_grad():
        net[0].weight.mul_(2)


def _buffers(net):
    with torch.no_grad():
        net[1].running_mean.add_(1)


CHANGES = {
    "mode": lambda net: net[1].train(),
    "requires_grad": lambda net: net[0].weight.requires_grad_(False),
    "gradient": _gradient,
    "weights": _weights,
    "buffer": _buffers,
    "hooks": lambda net: net[0].register_forward_hook(print),
    "Python": lambda _: random.random(),
    "numpy": lambda _: np.random.rand(),
    "torch": lambda _: torch.rand(1),
}


@pytest.fixture
def net():
    """A small net with a parameter, a buffer and a mode."""
    return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).eval()


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_seen(unchanged, net, kind):
    with pytest.raises(AssertionError, match=kind), unchanged(net):
        CHANGES[kind](net)


def test_a_change_is_seen_after_an_error_too(unchanged, net):
    with pytest.raises(AssertionError, match="mode"), unchanged(net):
        net.train()
        raise ValueError


def test_looking_at_a_model_changes_nothing(unchanged, net):
    with unchanged(net), torch.no_grad():
        net(torch.zeros(2, 3))


def test_a_refitted_estimator_is_seen(unchanged):
    x = np.array([[0.0], [1.0]])
    estimator = LogisticRegression().fit(x, [0, 1])
    with unchanged(estimator):
        estimator.predict(x)
    with pytest.raises(AssertionError, match="estimator"), unchanged(estimator):
        estimator.fit(x, [1, 0])


def test_a_net_is_trained_once_for_one_recipe(trained, digits, shared_folder):
    recipe = {"sizes": {"hidden": [8]}, "epochs": 1, "seed": 3}
    first = trained("mlp", digits, **recipe)
    written = {path: path.stat().st_mtime_ns for path in shared_folder.glob("mlp-*.safetensors")}
    again = trained("mlp", digits, **recipe)
    assert written == {path: path.stat().st_mtime_ns for path in shared_folder.glob("mlp-*.safetensors")}
    pairs = zip(first.model.parameters(), again.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs) and first.history == again.history


def test_the_lenet_knows_most_digits(lenet, digits):
    with torch.no_grad():
        guessed = lenet.model(torch.tensor(digits.test.x)).argmax(1).numpy()
    assert (guessed == digits.test.y).mean() > 0.9
