"""Sums of values in random subsets: exact for linear nets, by (seed, row), and of the features that can be hidden."""

import handmade
import numpy as np
import pytest
import torch
from nets import linear

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation import features
from workbench.evaluation.features import Subsets, attributed, free_features
from workbench.explanation.space import Space

W = np.array([[1.0, -2, 3, 0.5, -1, 2], [0, 1, 1, -1, 2, 0]], dtype=np.float32)
X = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
FAITHFUL = ("faithfulness_correlation", "sensitivity_n")


@pytest.fixture(scope="module")
def net():
    return linear(W)


@pytest.fixture(scope="module")
def own(net):
    """The net's own contributions to the logit: w x."""
    return wb.explain(net, X, "input_x_gradient", target=0)


def judged(e, net, name, **options):
    return wb.evaluate(e, net, {name: options}, output="logit")[name]


@pytest.mark.parametrize("name", FAITHFUL)
def test_a_linear_nets_own_contributions_add_up(net, own, name):
    np.testing.assert_allclose(judged(own, net, name), 1, atol=1e-6)
    opposite = handmade.replace(own, values=-own.values)
    np.testing.assert_allclose(judged(opposite, net, name), -1, atol=1e-6)


def test_a_linear_nets_own_weights_have_no_infidelity(net, own):
    slopes = wb.explain(net, X, "saliency", target=0, abs=False)
    np.testing.assert_allclose(judged(slopes, net, "infidelity"), 0, atol=1e-9)
    np.testing.assert_allclose(judged(own, net, "infidelity"), 0, atol=1e-9)
    assert (judged(own, net, "infidelity", multiply_by_inputs=True) > 1e-3).all()
    assert (judged(handmade.replace(own, values=own.values + 1), net, "infidelity") > 1e-3).all()


def test_the_gap_is_squared_and_its_mean_taken(net, own):
    twice = handmade.replace(
        own, values=2 * own.values
    )  # Says twice of what hiding costs: the gap is the cost.
    subsets = Subsets(Space(torch.tensor(X)), torch.full((5, 100), 2), seed=0)
    cost = np.stack([subsets.of(row).numpy() @ own.values[row] for row in range(5)])
    np.testing.assert_allclose(judged(twice, net, "infidelity", subset_size=2), (cost**2).mean(1), rtol=1e-4)


@pytest.mark.parametrize("name", FAITHFUL)
def test_where_nothing_changes_there_is_no_correlation(name):
    flat = linear(np.zeros((2, 6)))
    e = handmade.explanation(flat, X, np.random.default_rng(1).normal(size=X.shape))
    assert np.isnan(judged(e, flat, name)).all()


@pytest.mark.parametrize("name", [*FAITHFUL, "infidelity"])
def test_draws_belong_to_seed_and_row(net, own, name):
    noisy = handmade.replace(own, values=own.values + np.random.default_rng(2).normal(size=X.shape))
    whole = judged(noisy, net, name)
    np.testing.assert_array_equal(judged(noisy, net, name), whole)
    np.testing.assert_allclose(judged(noisy[:2], net, name), whole[:2], rtol=1e-6)
    other = wb.evaluate(noisy, net, {name: {}}, output="logit", seed=1)[name]
    assert not np.allclose(other, whole)


@pytest.mark.parametrize("size", [0, 6, 2.5, True])
def test_a_subset_of_none_or_all_is_refused(net, own, size):
    with pytest.raises(BadInput, match=r"subset_size is .*from 1 to 5"):
        judged(own, net, "infidelity", subset_size=size)


def test_the_scale_of_the_output_is_asked_for(net, own):
    logit, share = (
        wb.evaluate(own, net, "infidelity", output=output)["infidelity"]
        for output in ("logit", "probability")
    )
    assert (logit < 1e-9).all() and (share > 1e-6).all()


def test_baselines_are_those_of_the_explanation_unless_others_are_given(net):
    e = wb.explain(net, X, "integrated_gradients", target=0, baselines=1.0)
    assert (judged(e, net, "infidelity") < 1e-9).all()
    moved = wb.evaluate(e, net, "infidelity", output="logit", baselines=0.0)["infidelity"]
    assert (moved > 1e-3).all()


@pytest.mark.parametrize("kept", [0, 10**9])
def test_what_is_not_kept_is_drawn_again(net, own, monkeypatch, kept):
    whole = judged(own, net, "infidelity", multiply_by_inputs=True)
    monkeypatch.setattr(features, "KEPT", kept)
    np.testing.assert_array_equal(judged(own, net, "infidelity", multiply_by_inputs=True), whole)
    subsets = Subsets(Space(torch.tensor(X)), torch.full((5, 3), 2), seed=0)
    for row in range(5):
        subsets.of(row)
    assert len(subsets._drawn) == (5 if kept else 1)


def test_subsets_have_their_size_and_leave_padding_alone():
    space = Space(torch.tensor(X))
    drawn = Subsets(space, torch.tensor([[1, 3, 5]] * 5), seed=0).of(2)
    assert drawn.sum(1).tolist() == [1, 3, 5]
    fixed = Space(torch.tensor([[5, 6, 7, 0], [5, 6, 0, 0]]))
    fixed.members = torch.tensor([[0, 1, 2, -1], [0, 1, -1, -1]])
    assert free_features(fixed).tolist() == [3, 2]
    assert Subsets(fixed, torch.tensor([[3], [2]]), seed=0).of(1).tolist() == [[True, True, False, False]]


def test_a_map_of_another_size_is_refused(net, own):
    with pytest.raises(BadInput, match="a value for each feature"):
        attributed(Space(torch.tensor(X)), own.values[:, :3])
