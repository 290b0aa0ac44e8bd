"""The other models of a comparison: references out of a recipe and a cache, shams, randomized ones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import workbench as wb
from workbench.evaluation.controls import FIRST_SEED, assemble, randomized, reference


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    return tmp_path / "references"


@pytest.fixture
def stopped(monkeypatch):
    """The stop button, pressed in the second epoch of whatever trains."""
    from workbench.training import _Loop

    epoch = _Loop.epoch

    def pressed(loop):
        if loop.step:
            raise KeyboardInterrupt
        return epoch(loop)

    monkeypatch.setattr(_Loop, "epoch", pressed)


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(train=300, valid=30, test=100)


@pytest.fixture(scope="module")
def small(trained, few):
    return trained("mlp", few, sizes={"hidden": [16]}, epochs=2, seed=4, lr=2e-3)


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a)


def cast(before, after, data, references=0, sham=None):
    return assemble(before, after, data, references, sham, seed=0, verbose=False)


# references


@pytest.mark.filterwarnings("ignore:Interrupted")
def test_a_reference_that_was_cut_short_is_neither_used_nor_cached(small, few, cache, stopped):
    with pytest.raises(KeyboardInterrupt):
        reference(small.model.spec, small.model.recipe, few, 0, verbose=False)
    assert not list(cache.glob("*.safetensors"))


@pytest.mark.filterwarnings("ignore:Interrupted")
@pytest.mark.parametrize("made", ["the compressed model", "its sham"])
def test_a_fine_tuning_that_was_cut_short_is_not_passed_off_as_whole(small, few, made, request):
    options = {"data": few, "epochs": 2, "verbose": False}
    whole = wb.prune(small, 0.5, **options)
    request.getfixturevalue("stopped")
    with pytest.raises(KeyboardInterrupt):
        wb.sham(whole, few, verbose=False) if made == "its sham" else wb.prune(small, 0.5, **options)


def test_a_reference_is_the_recipe_from_other_first_weights_and_another_seed(small, few):
    seed = 4 + FIRST_SEED
    fresh = wb.build("mlp", few, seed=seed, hidden=[16])
    by_hand = wb.fit(fresh, few, epochs=2, lr=2e-3, seed=seed, verbose=False).model
    made = cast(small, small, few, references=2).references
    assert len(made) == 2 and same(made[0], by_hand) and not same(made[0], made[1])
    assert not same(made[0], small.model)


def test_a_reference_is_trained_once(small, few, cache):
    first = cast(small, small, few, references=1).references[0]
    written = {path: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = cast(small, small, few, references=1).references[0]
    assert same(first, again) and len(written) == 1
    assert written == {path: path.stat().st_mtime_ns for path in cache.iterdir()}


@pytest.mark.parametrize("damage", [b"", b"not a model", None])
def test_a_damaged_cache_file_is_made_again(small, few, cache, damage):
    spec, recipe = small.model.spec, small.model.recipe
    first = reference(spec, recipe, few, 0, verbose=False)
    path = next(cache.iterdir())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    again = reference(spec, recipe, few, 0, verbose=False)
    assert same(first, again) and path.read_bytes() == whole


def test_another_recipe_is_another_file(small, few, cache):
    spec, recipe = small.model.spec, small.model.recipe
    variants = [recipe, recipe | {"lr": 1e-3}, recipe | {"epochs": 1}, recipe | {"seed": 5}]
    nets = [reference(spec, r, few, 0, verbose=False) for r in variants]
    reference(spec, recipe, few.subset(train=200), 0, verbose=False)
    assert len(list(cache.iterdir())) == 5 and not any(same(nets[0], other) for other in nets[1:])


def test_given_references_are_taken_as_they_are(small, few, cache):
    nets = [small, wb.prune(small, 0.5)]
    made = cast(small, small, few, references=nets)
    assert made.references == tuple(net.model for net in nets) and not cache.exists()


def test_estimators_are_fitted_again_from_another_seed(few):
    glass = wb.fit(wb.build("tree", few, max_depth=4), few)
    made = cast(glass, glass, few, references=2).references
    assert [tree.random_state for tree in made] == [FIRST_SEED, FIRST_SEED + 1]
    assert all(tree.get_params()["max_depth"] == 4 and hasattr(tree, "tree_") for tree in made)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "pass references=5, or a list"),
        ({"recipe": None}, "has no recipe to train references from"),
        ({"spec": None}, "has no recipe to train references from"),
        ({"terms": ["distillation"]}, "has no recipe to train references from"),
        ({"after_step": "keep_zeros"}, "has no recipe to train references from"),
        ({"data_fingerprint": "other"}, "recipe names other data"),
    ],
)
def test_why_there_are_no_references_is_said(trained, few, change, words):
    net = trained("mlp", few, sizes={"hidden": [16]}, epochs=2, seed=4, lr=2e-3).model
    for name, value in change.items():
        if name in ("recipe", "spec"):
            setattr(net, name, value)
        else:
            net.recipe = net.recipe | {name: value}
    made = cast(net, net, few, references=2 if change else 0)
    assert made.references == () and words in made.notes[0]


# shams


def test_a_compressed_model_brings_its_sham(small, few):
    tuned = wb.prune(small, 0.5, data=few, epochs=1, verbose=False)
    made = cast(small, tuned, few)
    assert same(made.sham, wb.sham(tuned, few, verbose=False)) and not any(
        "sham" in note for note in made.notes
    )


def test_a_plain_module_has_no_sham_and_it_is_said(small, few):
    made = cast(small, small.model, few)
    assert made.sham is None and any("There is no sham" in note for note in made.notes)


def test_a_given_sham_is_taken(small, few):
    assert cast(small, wb.prune(small, 0.5), few, sham=small).sham is small.model


# randomized models


def test_a_randomized_net_has_new_weights_of_the_same_shapes(small, few, unchanged):
    with unchanged(small.model):
        one, two, other = (randomized(small.model, few, seed) for seed in (0, 0, 1))
    assert same(one, two) and not same(one, other)
    for name, value in small.model.state_dict().items():
        assert one.state_dict()[name].shape == value.shape and not torch.equal(one.state_dict()[name], value)


def test_weights_that_cannot_be_drawn_are_shuffled(few):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.arange(20.0))

        def forward(self, x):
            return x

    found = randomized(Own(), few).scale.detach()
    assert not torch.equal(found, torch.arange(20.0)) and torch.equal(found.sort().values, torch.arange(20.0))


def test_an_int8_net_is_shuffled_within_each_layer(trained, few):
    net = trained("lenet5", few, sizes={"channels": [4, 4], "hidden": 10}, epochs=1, seed=0)
    small = wb.quantize(net, data=few).model
    before = small.conv2.weight().int_repr().clone()
    found = randomized(small, few).conv2.weight().int_repr()
    assert not torch.equal(found, before) and torch.equal(
        found.flatten().sort().values, before.flatten().sort().values
    )
    assert torch.equal(small.conv2.weight().int_repr(), before)


def test_an_estimator_learns_shuffled_labels(few):
    glass = wb.fit(wb.build("logistic", few), few).model
    found = randomized(glass, few)
    test = few.test.x.reshape(len(few.test), -1)
    assert isinstance(found, LogisticRegression) and glass.score(test, few.test.y) > 0.7
    assert found.score(test, few.test.y) < 0.35
    assert np.array_equal(found.coef_, randomized(glass, few).coef_)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_a_callable_answers_another_class_for_every_input(few, classes, seed):
    def score(x):
        return np.eye(classes)[np.arange(len(x)) % classes]

    found = randomized(score, few, seed)(few.test.x)
    assert (found.argmax(1) != score(few.test.x).argmax(1)).all() and found.sum() == len(few.test)


def test_the_original_is_what_is_randomized(small, few):
    narrow = wb.prune(small, channels=0.5, how="channels")
    assert same(cast(small, narrow, few).randomized, randomized(small.model, few, 0))


def test_a_cast_knows_other_data(small, few):
    assert cast(small, small, replace(few, name="again"), references=1).references
