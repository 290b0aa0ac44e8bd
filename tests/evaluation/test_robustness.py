"""Robustness and randomization: known for linear and quadratic nets, and for maps that ignore the model."""

import numpy as np
import pytest
import torch
from nets import Function, linear
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.evaluation import robustness
from workbench.evaluation.controls import layers_from_the_top, partly_randomized

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
W = np.array([[1.0, -2, 3, 0.5, -1], [0, 1, 1, -1, 2]], dtype=np.float32)
MOVING = (
    "max_sensitivity",
    "avg_sensitivity",
    "local_lipschitz",
    "relative_input_stability",
    "relative_output_stability",
)


def judged(e, model, name, **options):
    return wb.evaluate(e, model, {name: options})[name]


@pytest.mark.parametrize("name", MOVING)
def test_the_gradient_of_a_linear_net_does_not_move(name):
    net = linear(W)
    assert judged(wb.explain(net, X, "saliency", target=0), net, name) == pytest.approx(np.zeros(4), abs=1e-6)


def test_the_gradient_of_a_square_moves_twice_as_far_as_its_input():
    square = Function(lambda x: x.square().sum(1)).eval()
    e = wb.explain(square, X, "saliency", output="raw", abs=False)
    assert judged(e, square, "local_lipschitz") == pytest.approx(np.full(4, 2.0), rel=1e-3)


def test_a_larger_ball_and_more_samples_find_no_smaller_maximum(lenet, digits):
    e = wb.explain(lenet, digits.test[:4], "saliency")
    small, large = (judged(e, lenet, "max_sensitivity", radius=r, n_samples=3) for r in (0.01, 0.1))
    more = judged(e, lenet, "max_sensitivity", radius=0.01, n_samples=6)
    assert (large > small).all() and (more >= small).all()
    assert (judged(e, lenet, "avg_sensitivity", radius=0.01, n_samples=3) <= small + 1e-12).all()


def test_copies_belong_to_seed_and_row(lenet, digits):
    e = wb.explain(lenet, digits.test[:4], "saliency")
    whole = judged(e, lenet, "max_sensitivity", n_samples=2)
    np.testing.assert_allclose(judged(e[:2], lenet, "max_sensitivity", n_samples=2), whole[:2], rtol=1e-5)


def test_copies_answered_otherwise_do_not_count_and_none_is_nan(monkeypatch):
    cliff = Function(lambda x: torch.stack([x.sum(1), -x.sum(1)], 1) * x.sum(1, keepdim=True).abs()).eval()
    x = np.array([[1.0, -0.999], [5.0, -1.0]], np.float32)  # The first row stands on the cliff.
    e = wb.explain(cliff, x, "input_x_gradient")
    copies = np.array([[0.9, -1.0], [5.1, -1.0]], np.float32)
    monkeypatch.setattr(robustness, "_nearby", lambda *_: copies)
    found = judged(e, cliff, "relative_input_stability", n_samples=1)
    assert np.isnan(found[0]) and np.isfinite(found[1])


@pytest.mark.parametrize("radius", [0, -1, "wide", np.inf])
def test_a_ball_that_is_none_is_refused(radius):
    net = linear(W)
    with pytest.raises(BadInput, match="radius is"):
        judged(wb.explain(net, X, "saliency"), net, "max_sensitivity", radius=radius)


def test_words_move_to_other_words():

    data = wb.load("movie_reviews").subset(train=60, valid=10, test=10)
    net = wb.build("lstm_attention", data)
    e = wb.explain(net, data.test[:3], "feature_ablation", data=data)
    assert (judged(e, net, "max_sensitivity", n_samples=2) > 0).all()


# randomization


class Deep(nn.Module):
    """Two layers with weights, and one that is not used."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.low, self.high = nn.Linear(5, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.high(self.low(x).relu())


def test_layers_go_from_the_output_down():
    net = Deep()
    assert layers_from_the_top(net, lambda: net(torch.ones(1, 5))) == ["high", "low"]
    changed = partly_randomized(net, ["high"])
    assert torch.equal(changed.low.weight, net.low.weight)
    assert not torch.equal(changed.high.weight, net.high.weight)


class Turned(nn.Module):
    """Defined from the output down, and with weights that are read without a call."""

    def __init__(self):
        super().__init__()
        self.out, self.attend, self.into = (
            nn.Linear(4, 3),
            nn.MultiheadAttention(4, 2, batch_first=True),
            nn.Linear(5, 4),
        )

    def forward(self, x):
        words = self.into(x)[:, None]
        return self.out(self.attend(words, words, words, need_weights=False)[0][:, 0])


def test_the_order_is_that_of_the_calls_not_of_the_definition():
    net = Turned()
    found = layers_from_the_top(net, lambda: net(torch.ones(1, 5)))
    assert found == ["out", "attend.out_proj", "attend", "into"]
    assert not any(module._forward_pre_hooks for module in net.modules())


def test_smooth_randomization_compares_means_over_noisy_copies():
    net, x = Deep(), np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    e = wb.explain(net, x, "input_x_gradient")
    plain = wb.evaluate(e, net, "randomization")["randomization"]
    smooth = wb.evaluate(e, net, {"randomization": {"n_noisy": 3}})["randomization"]
    assert smooth.shape == (6,) and (np.abs(smooth) <= 1).all() and not np.allclose(plain, smooth)
    again = wb.evaluate(e, net, {"randomization": {"n_noisy": 3}})["randomization"]
    assert np.array_equal(smooth, again)
    with pytest.raises(BadInput, match="n_noisy is 0"):
        wb.evaluate(e, net, {"randomization": {"n_noisy": 0}})


ROBUST = (
    "max_sensitivity",
    "avg_sensitivity",
    "local_lipschitz",
    "relative_input_stability",
    "relative_output_stability",
)


@pytest.mark.parametrize("name", ROBUST)
def test_an_input_without_a_range_is_not_called_stable(name):
    net, x = Deep(), np.ones((2, 5), np.float32)
    x[1, 0] = 3
    found = wb.evaluate(wb.explain(net, x, "input_x_gradient"), net, name)[name]
    assert np.isnan(found[0]) and np.isfinite(found[1])


@pytest.fixture
def edges(monkeypatch):
    """A method that ignores the model."""
    from workbench.explanation import registry

    monkeypatch.setattr(registry, "_METHODS", dict(registry.table()), raising=True)
    wb.method("itself", needs={"batch"}, signed=True, estimand="nothing", paper="none")(
        lambda score, inputs: inputs.x.clone()
    )
    return "itself"


@pytest.mark.parametrize("how", ["cascading", "independent"])
def test_a_map_that_ignores_the_model_stays_and_a_gradient_does_not(edges, how):
    net, x = Deep().eval(), np.random.default_rng(1).normal(size=(30, 5)).astype(np.float32)
    assert judged(wb.explain(net, x, edges), net, "randomization", how=how) == pytest.approx(np.ones(30))
    assert judged(wb.explain(net, x, "saliency"), net, "randomization", how=how).mean() < 0.8
    assert judged(wb.explain(net, x, edges), net, "efficient_randomization") == pytest.approx(np.zeros(30))


def test_another_class_of_equal_rows_has_the_same_map_and_an_opposite_one_the_opposite():
    same, opposite = linear(np.tile(W[:1], (2, 1))), linear(np.concatenate([W[:1], -W[:1]]))
    for net, expected in ((same, 1), (opposite, -1)):
        e = wb.explain(net, X, "input_x_gradient")
        assert judged(e, net, "random_logit") == pytest.approx(np.full(4, expected))


def test_what_cannot_be_randomized_is_refused():
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(X, [0, 1, 0, 1])
    e = wb.explain(model, X[:3], "occlusion")
    with pytest.raises(BadInput, match="a float network"):
        judged(e, model, "randomization")
    one = Function(lambda x: x.sum(1)).eval()
    with pytest.raises(BadInput, match="The model has one output"):
        judged(wb.explain(one, X, "saliency", output="raw"), one, "random_logit")
    net = linear(W)
    with pytest.raises(UnknownName, match="way to randomize"):
        judged(wb.explain(net, X, "saliency"), net, "randomization", how="sideways")


@pytest.mark.parametrize("name", ["max_sensitivity", "avg_sensitivity", "local_lipschitz"])
def test_a_column_with_categories_stays_one_feature_when_it_is_asked_again(name):
    data = wb.load("german_credit")
    net = wb.fit(wb.build("mlp", data), data, epochs=1, verbose=False)
    e = wb.explain(net, data.test[:4], "feature_ablation")
    assert e.values.shape[1] < e.inputs.shape[1]
    assert e.replay(net, e.inputs).values.shape == e.values.shape
    np.testing.assert_array_equal(e.replay(net, e.inputs, target=e.target).values, e.values)
    found = wb.evaluate(e, net, {name: {"n_samples": 2}}, data=data)[name]
    assert found.shape == (4,) and np.isfinite(found).all() and (found > 0).all()
