"""Pairs of which it is known how alike they are: the same function, bit for bit or up to rounding, or other answers."""

import pytest
import torch
from reviews import made_up
from torch import nn

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.known_pairs import reordered, rescaled, swapped_answers

NAMES = ("mlp", "lenet5", "lenet300", "cnn", "lstm_attention", "transformer")


@pytest.fixture(scope="module")
def texts():
    """Made-up reviews."""
    return made_up(60)


@pytest.fixture(params=NAMES)
def pair(request, digits, texts):
    """A net, and rows for it."""
    data = texts if request.param in ("lstm_attention", "transformer") else digits
    return wb.build(request.param, data), torch.tensor(data.test.x[:40])


def changed(one, other):
    """Name the parameters that differ."""
    theirs = other.state_dict()
    return [name for name, value in one.state_dict().items() if not torch.equal(value, theirs[name])]


def test_a_rescaled_net_gives_the_same_bits_with_other_weights(pair, unchanged):
    net, x = pair
    with unchanged(net):
        other = rescaled(net, x)
    assert torch.equal(other(x), net(x))
    names = changed(net, other)
    assert len(names) == 3
    writer, reader = names[0].removesuffix(".weight"), names[2].removesuffix(".weight")
    assert torch.equal(other.get_submodule(writer).weight, net.get_submodule(writer).weight * 8)
    assert torch.equal(other.get_submodule(reader).weight, net.get_submodule(reader).weight / 8)


def test_a_rescaled_net_gives_the_same_bits_on_other_rows(digits):
    net, x = wb.build("lenet5", digits), torch.tensor(digits.test.x[:80])
    assert torch.equal(rescaled(net, x[:1], 0.25)(x), net(x))


def test_a_reordered_net_gives_the_same_up_to_rounding(pair, unchanged):
    net, x = pair
    with unchanged(net):
        other = reordered(net, x)
    assert torch.allclose(other(x), net(x), atol=1e-6)
    writer = changed(net, other)[0]
    ours, theirs = net.state_dict()[writer], other.state_dict()[writer]
    assert torch.equal(ours.flatten().sort()[0], theirs.flatten().sort()[0]) and not torch.equal(ours, theirs)


def test_the_order_is_drawn_from_the_seed(digits):
    net, x = wb.build("mlp", digits), torch.tensor(digits.test.x[:3])
    assert changed(reordered(net, x), reordered(net, x)) == []
    assert changed(reordered(net, x, seed=1), reordered(net, x)) != []


def test_swapped_answers_are_those_of_the_next_class(pair, unchanged):
    net, x = pair
    with unchanged(net):
        other = swapped_answers(net)
    assert torch.allclose(other(x), net(x).roll(1, 1), atol=1e-6)
    assert all(name.startswith("fc") for name in changed(net, other))


def test_what_a_pair_is_made_of_is_carried(pair):
    net, x = pair
    assert rescaled(net, x).spec == reordered(net, x).spec == swapped_answers(net).spec == net.spec


def test_a_hidden_layer_that_is_read_twice_is_left_alone():
    class Short(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.relu1, self.b, self.relu2, self.c = (
                nn.Linear(4, 4),
                nn.ReLU(),
                nn.Linear(4, 4),
                nn.ReLU(),
                nn.Linear(4, 2),
            )

        def forward(self, x):
            hidden = self.relu1(self.a(x))
            last = self.relu2(self.b(hidden))
            return self.c(last) + last.sum(1, keepdim=True)

    torch.manual_seed(0)
    net, x = Short().eval(), torch.rand(9, 4)
    assert changed(net, rescaled(net, x)) == ["a.weight", "a.bias", "b.weight"]
    assert torch.equal(rescaled(net, x)(x), net(x))


@pytest.mark.parametrize("make", [rescaled, reordered])
@pytest.mark.parametrize(
    "net", [nn.Sequential(nn.Linear(4, 2)), nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2)), len],
    ids=["no hidden layer", "another activation", "no network"],
)  # fmt: skip
def test_a_net_without_such_a_layer_is_refused(make, net):
    with pytest.raises(BadInput, match="no hidden layer that a ReLU alone"):
        make(net, torch.rand(3, 4))


@pytest.mark.parametrize("factor", [3, 0, -8, 0.1, "8", float("nan")])
def test_a_factor_that_would_round_is_refused(factor, digits):
    with pytest.raises(BadInput, match="a power of two"):
        rescaled(wb.build("mlp", digits), torch.tensor(digits.test.x[:3]), factor)


def test_answers_of_a_net_without_a_linear_layer_are_not_swapped():
    with pytest.raises(BadInput, match="no linear layer"):
        swapped_answers(nn.Sequential(nn.Flatten()))
