"""What rules for layers miss in silence is mended on a copy, with equal scores, or refused."""

import numpy as np
import pytest
import torch
from captum.attr import DeepLift
from nets import Function
from torch import nn
from torch.nn import functional as F

import workbench as wb
from workbench.errors import NotExplainable
from workbench.explanation.repair import Pooled

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6)).astype(np.float32)
IMAGES = RNG.random((4, 2, 8, 8), dtype=np.float32)


class Plain(nn.Module):
    """Two linear layers with a ReLU between them: as a module, a function, in place, a method, or used twice."""

    def __init__(self, how):
        super().__init__()
        torch.manual_seed(3)
        self.first, self.second, self.last = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.relu, self.other = nn.ReLU(inplace=how == "in place"), nn.ReLU(inplace=how == "in place")
        self.how = how

    def forward(self, x):
        return self.last(self.act(self.second(self.act(self.first(x), 0)), 1))

    def act(self, x, place):
        if self.how in ("module", "in place"):
            return (self.relu, self.other)[place](x)
        return {"twice": self.relu, "function": F.relu, "method": lambda x: x.relu(), "torch": torch.relu}[
            self.how
        ](x)


WAYS = ("in place", "twice", "function", "method", "torch")


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("method", ["deeplift", "lrp", "guided_backprop", "deconvolution"])
def test_however_a_relu_is_written_the_values_are_those_of_modules(how, method):
    wanted = wb.explain(Plain("module"), X, method, target=1)
    e = wb.explain(Plain(how), X, method, target=1)
    np.testing.assert_allclose(e.values, wanted.values, rtol=1e-5, atol=1e-6)
    assert "repaired" in e.flags and "repaired" not in wanted.flags


def test_captum_alone_is_wrong_in_silence_where_a_relu_is_a_function():
    net = Plain("function").eval()
    _, delta = DeepLift(net).attribute(torch.tensor(X), target=1, return_convergence_delta=True)
    assert delta.abs().max() > 0.05
    assert np.abs(wb.explain(net, X, "deeplift", target=1).delta).max() < 1e-5


def pooling(order):
    torch.manual_seed(1)
    two = [nn.MaxPool2d(2), nn.ReLU()] if order == "pool first" else [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(nn.Conv2d(2, 4, 3), *two, nn.Flatten(), nn.Linear(36, 3)).eval()


@pytest.mark.parametrize("order", ["pool first", "relu first"])
def test_deeplift_through_pooling_adds_up_for_any_baseline(order):
    net = pooling(order)
    baseline = RNG.random((1, 2, 8, 8), dtype=np.float32)
    _, delta = DeepLift(net).attribute(
        torch.tensor(IMAGES), torch.tensor(baseline), target=0, return_convergence_delta=True
    )
    assert delta.abs().max() > 1e-3  # captum's own rule loses a part
    e = wb.explain(net, IMAGES, "deeplift", target=0, baselines=baseline)
    assert np.abs(e.delta).max() < 1e-5
    assert "gap" not in e.flags


def test_deeplift_through_pooling_is_captums_where_the_baseline_is_constant():
    net = pooling("relu first")
    e = wb.explain(net, IMAGES, "deeplift", target=0)
    captum = DeepLift(net).attribute(torch.tensor(IMAGES), target=0).detach().numpy()
    np.testing.assert_allclose(e.values, captum, atol=1e-6)


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d((2, 3), (1, 2)), nn.MaxPool2d(2, dilation=2)],
)
def test_pooling_that_is_taken_apart_gives_the_same_bits(pool):
    x = torch.rand(3, 2, 9, 11)
    assert torch.equal(Pooled(pool)(x), pool(x))


def test_a_network_that_runs_around_a_layer_is_traced(unchanged):
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 2)

        def forward(self, x, scale=1.0):
            return self.b(x + F.relu(self.a(x)) * scale)

    net = Residual()
    with unchanged(net):
        e = wb.explain(net, X, "deeplift", target=0)
    assert np.abs(e.delta).max() < 1e-5


def test_control_flow_by_the_data_is_refused_with_those_that_can():
    net = Function(lambda x: x @ torch.ones(6, 2) if x.sum() > 0 else -x @ torch.ones(6, 2))
    with pytest.raises(NotExplainable, match=r"cannot be traced.*These can: .*integrated_gradients"):
        wb.explain(net, X, "deeplift")


def test_a_network_that_is_random_is_refused():
    net = Function(lambda x: F.dropout(x, 0.5) @ torch.ones(6, 2))
    with pytest.raises(NotExplainable, match="random in evaluation mode"):
        wb.explain(net, X, "guided_backprop")


def test_attention_is_refused():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(6, 1, batch_first=True)

        def forward(self, x):
            return self.attention(x[:, None], x[:, None], x[:, None])[0][:, 0]

    with pytest.raises(NotExplainable, match="attention has no rule"):
        wb.explain(Attends(), X, "deeplift")


def test_int8_models_are_refused_in_words(lenet, digits):
    small = wb.quantize(lenet, data=digits)
    with pytest.raises(NotExplainable, match=r"int8 layers.*have no rules"):
        wb.explain(small, digits.test[:2], "lrp")
    assert "conductance" in wb.methods(small.model, digits).query("can").index
