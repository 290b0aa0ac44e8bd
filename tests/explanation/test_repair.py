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


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, 1),
        nn.MaxPool2d((2, 3), (1, 2)),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(3, 2, ceil_mode=True),
    ],
)
@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_shares_add_up_through_any_pooling_behind_any_activation(pool, activation):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), activation(), pool, nn.Flatten(), nn.LazyLinear(2)).eval()
    net(torch.tensor(IMAGES))
    baselines = RNG.normal(size=IMAGES.shape).astype(np.float32)
    e = wb.explain(net, IMAGES, "deeplift", target=0, baselines=baselines)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_relevance_divides_at_a_shortcut():
    """The output is a + relu(a) with a = 2x: twice the relevance of one way, and no more."""
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(2.0)
    shortcut = Function(lambda x: x + F.relu(x))
    e = wb.explain(nn.Sequential(net, shortcut).eval(), np.ones((1, 1), np.float32), "lrp", output="raw")
    np.testing.assert_allclose(e.values, [[4]])
    assert e.settings["conserved"] == pytest.approx(1)


def test_who_reads_what_was_overwritten_reads_the_new_numbers():
    class Overwriting(nn.Module):
        def forward(self, x):
            y = x * 1
            y.add_(1)
            torch.relu_(y)
            return y.sum(1, keepdim=True) * torch.ones(1, 2)

    e = wb.explain(Overwriting(), X, "deeplift", target=0)
    np.testing.assert_allclose(e.values, np.maximum(X + 1, 0) - 1, atol=1e-5)
    assert "2 x a step that wrote in place" in e.flags["repaired"]


@pytest.mark.parametrize(
    ("function", "without"),
    [
        (lambda x: x.softmax(1), "softmax has no rule"),
        (lambda x: x * x, "mul has no rule"),
        (lambda x: (x[:, None] @ x[:, :, None])[:, 0].expand(-1, 2), "matmul has no rule"),
        (lambda x: torch.where(x > 0, x, -x), "gt, where have no rule"),
        (lambda x: x.detach() + x, "detach has no rule"),
    ],
)
@pytest.mark.parametrize("method", ["deeplift", "lrp"])
def test_steps_without_a_rule_are_refused_by_name(function, without, method):
    with pytest.raises(NotExplainable, match=rf"{without}.*These can: .*integrated_gradients"):
        wb.explain(Function(function), X, method, target=0)


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
