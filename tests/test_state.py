"""What is lent comes back as it was: modes, gradients, hooks, buffers, threads and randomness."""

import copy
import random

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

from workbench import state


class Counting(nn.Module):
    """A net that writes into a buffer, replaces another, and draws from every global generator."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(3))

    def forward(self, x):
        self.calls = self.calls + 1
        self.seen += x.detach().mean(0)
        return self.last(self.norm(self.first(x))) + random.random() + np.random.rand() + torch.rand(1)


def ignored(*_):
    """A hook that does nothing."""


def with_keywords(_module, _args, keywords, _out):
    """A forward hook that wants the keywords."""
    keywords["seen"].append(True)


class Wanting(nn.Module):
    """A net whose forward takes a list that hooks may fill."""

    def forward(self, x, seen):
        return x


@pytest.fixture
def net():
    """A net with a mode of its own for each part, a gradient, and one frozen parameter."""
    net = Counting().train()
    net.norm.eval()
    net(torch.rand(5, 3)).sum().backward()
    net.last.bias.requires_grad_(False)
    net.zero_grad()
    net.first.weight.grad = torch.ones(4, 3)
    net.first.register_forward_hook(ignored)
    net.first.register_full_backward_hook(ignored)
    return net


CHANGES = {
    "nothing": lambda net: None,
    "the mode": lambda net: net.train(),
    "the mode of a part": lambda net: net.last.train(),
    "frozen parameters": lambda net: net.requires_grad_(True),
    "gradients": lambda net: net.requires_grad_(True)(torch.rand(4, 3)).sum().backward(),
    "gradients thrown away": lambda net: net.zero_grad(),
    "buffers": lambda net: net.train()(torch.rand(4, 3)),
    "a hook added": lambda net: net.last.register_forward_hook(ignored),
    "a backward hook added": lambda net: net.last.register_full_backward_hook(ignored),
    "a hook before forward added": lambda net: net.last.register_forward_pre_hook(ignored),
    "all hooks removed": lambda net: [m._forward_hooks.clear() for m in net.modules()],
    "all backward hooks removed": lambda net: [m._backward_hooks.clear() for m in net.modules()],
    "a hook exchanged": lambda net: (
        net.first._forward_hooks.clear(),
        net.first.register_forward_hook(print),
    ),
    "global seeds": lambda net: (random.seed(0), np.random.seed(0), torch.manual_seed(0)),
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)


@every_change
@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_a_model_comes_back_as_it_was(unchanged, net, change):
    with unchanged(net), state.untouched(net) as lent:
        change(lent)


@every_change
@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_a_model_comes_back_as_it_was_after_an_error(unchanged, net, change):
    with pytest.raises(ZeroDivisionError), unchanged(net), state.untouched(net) as lent:
        change(lent)
        raise ZeroDivisionError


def test_a_lent_model_is_in_evaluation_mode_and_frozen(net):
    with state.untouched(net) as lent:
        assert lent is net
        assert not any(m.training for m in net.modules())
        assert not any(p.requires_grad for p in net.parameters())
        assert net(torch.rand(2, 3, requires_grad=True)).requires_grad


def test_the_very_same_gradient_comes_back(net):
    gradient = net.first.weight.grad
    with state.untouched(net):
        net.zero_grad()
    assert net.first.weight.grad is gradient


def test_a_buffer_that_the_forward_replaces_comes_back(net):
    calls, buffer = net.calls.item(), net.calls
    with state.untouched(net):
        net(torch.rand(2, 3))
        assert net.calls.item() == calls + 1
    assert net.calls.item() == calls
    assert net.calls is buffer


def test_a_hook_with_keywords_that_was_removed_still_gets_them():
    net, seen = Wanting(), []
    handle = net.register_forward_hook(with_keywords, with_kwargs=True)
    with state.untouched(net):
        handle.remove()
    net(torch.zeros(1), seen=seen)
    assert seen == [True]


def test_a_hook_with_keywords_that_was_added_is_gone():
    net, seen = Wanting(), []
    with state.untouched(net):
        net.register_forward_hook(with_keywords, with_kwargs=True, always_call=True)
    net(torch.zeros(1), seen=seen)
    assert seen == []
    assert not net._forward_hooks_with_kwargs
    assert not net._forward_hooks_always_called


def test_an_old_backward_hook_can_still_be_added_after_a_lent_new_one():
    net = nn.Linear(2, 2)
    with state.untouched(net):
        net.register_full_backward_hook(ignored)
    net.register_backward_hook(ignored)


def test_a_model_lent_twice_comes_back_twice(unchanged, net):
    with unchanged(net), state.untouched(net), state.untouched(net):
        net.last.register_forward_hook(ignored)


def test_an_estimator_and_a_callable_are_lent_as_they_are(unchanged):
    estimator = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    for model in (estimator, abs):
        with unchanged(model), state.untouched(model) as lent:
            assert lent is model
            np.random.rand()


def drawn():
    """Draw once from each global generator."""
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_a_seeded_block_draws_the_same_each_time():
    with state.seeded(3):
        first = drawn()
    with state.seeded(3):
        assert drawn() == first
    with state.seeded(4):
        assert drawn() != first


@pytest.mark.parametrize("seed", [None, 0, 7])
def test_after_a_seeded_block_the_draws_go_on_as_if_nothing_had_been(seed):
    state.seed(1)
    drawn()
    undisturbed = drawn()
    state.seed(1)
    drawn()
    with state.seeded(seed):
        drawn()
    assert drawn() == undisturbed


def test_without_a_seed_the_block_goes_on_drawing():
    state.seed(1)
    undisturbed = drawn()
    state.seed(1)
    with state.seeded(None):
        assert drawn() == undisturbed


def test_the_random_state_comes_back_after_an_error(unchanged):
    with pytest.raises(KeyError), unchanged(abs), state.seeded(5):
        drawn()
        raise KeyError


def test_seed_is_for_good():
    with state.seeded(None):
        state.seed(11)
        first = drawn()
        state.seed(11)
        assert drawn() == first


@pytest.mark.parametrize("seed", [-1, 2**40])
def test_any_whole_number_is_a_seed(seed):
    with state.seeded(seed):
        first = drawn()
    with state.seeded(seed):
        assert drawn() == first


def test_threads_come_back_also_after_an_error():
    before = torch.get_num_threads()
    with state.threads(before + 1):
        assert torch.get_num_threads() == before + 1
    with pytest.raises(ZeroDivisionError), state.threads(before + 2):
        raise ZeroDivisionError
    assert torch.get_num_threads() == before


def test_torchs_fast_path_comes_back_also_after_an_error():
    with pytest.raises(ZeroDivisionError), state.slow_attention():
        assert not torch.backends.mha.get_fastpath_enabled()
        raise ZeroDivisionError
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_int8_engine_comes_back_also_after_an_error():
    before = torch.backends.quantized.engine
    other = next(e for e in torch.backends.quantized.supported_engines if e not in (before, "none"))
    with pytest.raises(ZeroDivisionError), state.quantized_engine(other):
        assert torch.backends.quantized.engine == other
        raise ZeroDivisionError
    assert torch.backends.quantized.engine == before


def numbers(*key):
    """Draw four numbers from the generator of a key."""
    return torch.rand(4, generator=state.generator(*key)).tolist()


def test_a_generator_depends_on_its_key_alone(unchanged):
    with unchanged(abs):
        first = numbers(0, 7)
    torch.manual_seed(99)
    assert numbers(0, 7) == first


def test_other_keys_give_other_numbers():
    keys = [(seed, row) for seed in range(5) for row in range(50)]
    assert len({tuple(numbers(*key)) for key in keys}) == len(keys)
    assert numbers(1, 2) != numbers(2, 1)


def test_negative_keys_are_keys_too():
    assert numbers(-1) == numbers(-1) != numbers(1)


def test_a_copy_of_a_lent_model_computes_the_same(net):
    x = torch.rand(4, 3)
    with state.untouched(net), state.seeded(0):
        first = net(x)
    with state.untouched(copy.deepcopy(net)) as other, state.seeded(0):
        assert torch.equal(other(x), first)


def test_a_generator_a_row_depends_on_seed_and_row_alone():
    def drawn(seed, rows):
        return [torch.rand(3, generator=own).tolist() for own in state.generators(seed, rows)]

    assert drawn(0, [4, 7]) == drawn(0, [7, 4])[::-1] == [*drawn(0, [4]), *drawn(0, [7])]
    assert len({tuple(d) for d in drawn(0, range(20)) + drawn(1, range(20))}) == 40
