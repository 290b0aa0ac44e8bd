"""The sham is what a compression's training does to a model from which nothing was removed."""

import pytest
import torch

import workbench as wb
from workbench.compression import distillation
from workbench.compression.controls import is_sham_of

TINY = 1e-9  # of all weights: none


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def trainings(monkeypatch):
    """Take down the settings of every fine-tuning, and which losses it had."""
    seen, fit = [], distillation.fit

    def spy(model, data, *, terms, after_step, **settings):
        seen.append(settings | {"terms": [term.__name__ for term in terms], "data": data.fingerprint})
        return fit(model, data, terms=terms, after_step=after_step, **settings)

    monkeypatch.setattr(distillation, "fit", spy)
    return seen


def sham(compressed, data):
    return wb.sham(compressed, data, verbose=False)


@pytest.mark.parametrize(
    "make", [lambda net, data: wb.prune(net, 0.5), lambda net, data: wb.quantize(net, data=data)]
)
def test_for_a_compression_without_training_it_is_the_original(narrow, few, make):
    control = sham(make(narrow, few), few)
    assert control is not narrow.model and same(control, narrow.model)


@pytest.mark.parametrize("preserve", ["behaviour", None])
def test_a_compression_that_removes_nothing_is_its_own_sham(narrow, few, preserve):
    tuned = wb.prune(
        narrow, TINY, data=few, epochs=[1, 2], rounds=2, preserve=preserve, seed=5, verbose=False
    )
    assert not same(tuned.model, narrow.model) and same(sham(tuned, few), tuned.model)


def test_so_is_a_chain_that_removes_nothing(narrow, few):
    first = wb.prune(narrow, TINY, data=few, epochs=1, verbose=False)
    second = wb.prune(first, TINY, data=few, epochs=1, seed=1, verbose=False)
    assert same(sham(second, few), second.model)


@pytest.mark.parametrize("how", [{"amount": 0.8}, {"channels": 0.5, "how": "channels"}])
def test_loss_schedule_seed_and_data_are_those_of_the_compression(narrow, few, trainings, how):
    small = wb.prune(narrow, data=few, epochs=[1, 2], rounds=2, lr=5e-4, seed=3, verbose=False, **how)
    removed = list(trainings)
    trainings.clear()
    control = sham(small, few)
    assert trainings == removed and [t["epochs"] for t in removed] == [1, 2]
    assert [t["seed"] for t in removed] == [3, 4] and {t["lr"] for t in removed} == {5e-4}
    assert all((w != 0).all() for name, w in control.state_dict().items() if name.endswith("weight"))


def test_int8_after_training_adds_nothing_to_the_sham(narrow, few):
    pruned = wb.prune(narrow, 0.8, data=few, epochs=1, verbose=False)
    assert same(sham(wb.quantize(pruned, data=few), few), sham(pruned, few))


def test_the_original_comes_back_as_it_was(narrow, few, unchanged):
    pruned = wb.prune(narrow, 0.8, data=few, epochs=1, verbose=False)
    with unchanged(narrow.model):
        first, second = sham(pruned, few), sham(pruned, few)
    assert same(first, second) and not first.training


def test_a_sham_knows_of_which_compression_it_is(narrow, few):
    small, other = (wb.prune(narrow, amount) for amount in (0.5, 0.6))
    control = sham(small, few)
    assert is_sham_of(control, small) and not is_sham_of(control, other)
    assert not is_sham_of(narrow, small) and not is_sham_of(control, small.model)
