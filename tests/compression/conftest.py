"""Small things to compress: few digits, a narrow LeNet-5 that knows some, a table of two columns."""

import copy

import numpy as np
import pytest
import torch
from reviews import made_up
from torch import nn

import workbench as wb
from workbench.compression import measurement, pruning


@pytest.fixture(autouse=True, scope="session")
def _quick_timing():
    """Time two calls instead of fifteen: these tests look at what is reported, not at how fast it is."""
    patch = pytest.MonkeyPatch()
    patch.setattr(measurement, "REPEATS", 2)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def few(digits):
    """Some of the digits."""
    return digits.subset(train=600, valid=60, test=200)


@pytest.fixture(scope="session")
def narrow(trained, few):
    """A LeNet-5 with 8 and 16 channels and 40 units that knows three digits in four; a second of training."""
    return trained("lenet5", few, sizes={"channels": [8, 16], "hidden": 40}, epochs=8, lr=3e-3, seed=0)


@pytest.fixture(scope="session")
def table():
    """Sixty rows of two columns and two classes."""
    x = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    return wb.from_arrays(x, (x[:, 0] > x[:, 1]).astype(int), name="two columns")


@pytest.fixture
def counted():
    """Two linear layers of two columns with the weights 1 to 4 and 5 to 8."""
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, -4.0]]))
        net[2].weight.copy_(torch.tensor([[-5.0, 6.0], [-7.0, 8.0]]))
    return net


@pytest.fixture(scope="session")
def texts():
    """Made-up reviews."""
    return made_up()


@pytest.fixture(scope="session")
def lstm(trained, texts):
    """A small LSTM with attention that knows them; a second of training."""
    return trained("lstm_attention", texts, sizes={"embedding": 8, "hidden": 8, "dropout": 0.1},
                   epochs=8, lr=1e-2, batch_size=16, seed=0)  # fmt: skip


@pytest.fixture(scope="session")
def transformer(trained, texts):
    """A small transformer that knows them; a second of training."""
    return trained(
        "transformer", texts, sizes={"width": 8, "feedforward": 16}, epochs=6, lr=1e-2, batch_size=16, seed=0
    )


@pytest.fixture
def rounds(monkeypatch):
    """Take down the net of every round, as it is when its training begins."""
    seen, train = [], pruning.fine_tuned

    def spy(net, *args, **options):
        seen.append(copy.deepcopy(net))
        return train(net, *args, **options)

    monkeypatch.setattr(pruning, "fine_tuned", spy)
    return seen
