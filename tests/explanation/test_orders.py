"""Shapley values along random orders: laws that hold for each draw, and an error that means what it says."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import NINE, dividends, linear, shares

import workbench as wb
from workbench.errors import BadInput
from workbench.explanation import shapley
from workbench.explanation.coalitions import orders

METHODS = ("shapley_sampling", "permutation_shap")
D = 6
weights = st.integers(-6, 6).map(lambda k: k / 2)
subsets = st.lists(st.integers(0, D - 1), min_size=1, max_size=4, unique=True).map(lambda s: tuple(sorted(s)))
functions = st.dictionaries(subsets, weights, min_size=1, max_size=6)
methods, seeds = st.sampled_from(METHODS), st.integers(0, 5)


def along(terms, method, n=3, d=D, rows=1, **options):
    """Explain ones against zeros for a function made of products."""
    x = np.ones((rows, d), dtype=np.float32)
    return wb.explain(dividends(terms), x, method, output="raw", n_samples=n, **options)


def by_hand(terms, d, order):
    """Return what each column adds when columns come in by an order of their numbers."""
    function, x, values = dividends(terms), np.zeros((1, d)), np.zeros(d)
    for column in order:
        before = function(x)[0]
        x[0, column] = 1
        values[column] = function(x)[0] - before
    return values


@pytest.mark.parametrize("n", [2, 7])
def test_values_are_the_mean_over_the_orders_that_were_drawn(n):
    terms = {(0,): 1.0, (0, 1, 2): 3.0, (2, 3, 4, 5): -2.0}
    drawn = orders(D, n, 4, 0).argsort(1).numpy()
    each = [by_hand(terms, D, order) for order in drawn]
    e = along(terms, "shapley_sampling", n, seed=4)
    np.testing.assert_allclose(e.values[0], np.mean(each, 0), atol=1e-6)
    assert e.settings["error"] == pytest.approx((np.std(each, 0, ddof=1) / n**0.5).mean(), rel=1e-5)
    pairs = [(by_hand(terms, D, order) + by_hand(terms, D, order[::-1])) / 2 for order in drawn]
    e = along(terms, "permutation_shap", n, seed=4)
    np.testing.assert_allclose(e.values[0], np.mean(pairs, 0), atol=1e-6)
    assert e.settings["error"] == pytest.approx((np.std(pairs, 0, ddof=1) / n**0.5).mean(), rel=1e-5)


def test_pairs_of_orders_are_exact_for_pairs_of_columns():
    terms = {(0,): 2.0, (1, 2): 3.0, (3, 4): -1.0, (0, 5): 4.0}
    e = along(terms, "permutation_shap", 2)
    np.testing.assert_allclose(e.values[0], shares(terms, D), atol=1e-6)
    assert e.settings["error"] == pytest.approx(0, abs=1e-7)
    assert along(terms, "shapley_sampling", 2).settings["error"] > 0.1


@given(functions, methods, seeds)
def test_values_sum_to_the_difference_in_every_draw(terms, method, seed):
    e = along(terms, method, seed=seed)
    np.testing.assert_allclose(e.values.sum(), sum(terms.values()), atol=1e-5)


@given(functions, st.integers(0, D - 1), methods, seeds)
def test_what_the_function_ignores_gets_nothing(terms, column, method, seed):
    without = {columns: c for columns, c in terms.items() if column not in columns}
    assert along(without, method, seed=seed).values[0, column] == 0


@given(functions, functions, weights, methods, seeds)
def test_values_add_up_draw_by_draw(first, second, factor, method, seed):
    both = {k: first.get(k, 0) + factor * second.get(k, 0) for k in {*first, *second}}
    a, b, c = (along(terms, method, seed=seed).values for terms in (first, second, both))
    np.testing.assert_allclose(a + factor * b, c, atol=1e-4)


@given(functions, methods)
def test_who_can_be_exchanged_gets_the_same_within_error(terms, method):
    exchange = {0: 1, 1: 0}
    swapped = {tuple(sorted(exchange.get(i, i) for i in columns)): c for columns, c in terms.items()}
    both = {k: terms.get(k, 0) + swapped.get(k, 0) for k in {*terms, *swapped}}
    e = along(both, method, 200, seed=1)
    spread = sum(abs(c) for c in both.values()) / 200**0.5
    assert abs(e.values[0, 0] - e.values[0, 1]) <= 6 * spread + 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_the_error_is_what_another_draw_would_move(method):
    rng = np.random.default_rng(0)
    terms = {tuple(rng.choice(10, size, False)): rng.normal() for size in (1, 3, 4) for _ in range(15)}
    x = np.ones((150, 10), dtype=np.float32)  # rows alike: as many draws, one a row
    e = wb.explain(dividends(terms), x, method, output="raw", n_samples=12)
    spread = e.values.std(0, ddof=1).mean()
    assert e.settings["error"] == pytest.approx(spread, rel=0.1)
    np.testing.assert_allclose(e.values.mean(0), shares(terms, 10), atol=5 * spread / 150**0.5)


@pytest.mark.parametrize("method", METHODS)
def test_rows_draw_their_own_orders_unless_told_otherwise(tiny, images, method):
    x = np.repeat(images[:1], 3, axis=0)
    own = wb.explain(tiny, x, method, n_samples=3)
    assert not np.allclose(own.values[0], own.values[1], rtol=1e-3)
    assert "shared draws" not in own.flags
    alone = wb.explain(tiny, x[:1], method, n_samples=3)
    np.testing.assert_allclose(alone.values[0], own.values[0], atol=1e-6)
    shared = wb.explain(tiny, x, method, n_samples=3, shared_draws=True)
    assert np.ptp(shared.values, axis=0).max() < 1e-6
    assert "shared draws" in shared.flags


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_held_a_block_at_a_time_with_the_same_values(monkeypatch, tiny, images, method):
    options = {"n_samples": 3, "feature_mask": NINE}
    whole = wb.explain(tiny, images, method, **options)
    monkeypatch.setattr(shapley, "IN_BLOCK", 2 * 3 * 2 * 9)
    np.testing.assert_allclose(wb.explain(tiny, images, method, **options).values, whole.values, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_background_counts_by_its_mean(mlp, clouds, method):
    rows = clouds.train.x[:3]
    e = wb.explain(mlp, clouds.test[:4], method, background=rows)
    each = [wb.explain(mlp, clouds.test[:4], method, baselines=row).values for row in rows]
    np.testing.assert_allclose(e.values, np.mean(each, 0), rtol=1e-4, atol=1e-5)
    assert "marginal" in e.estimand


@pytest.mark.parametrize("method", METHODS)
def test_words_come_in_one_by_one_at_every_length(method):
    def score(texts):
        return np.array([3.0 * ("good" in t.split()) - 1.0 * ("dull" in t.split()) for t in texts])

    e = wb.explain(score, ["a good film and a dull plot", "good", "dull plot"], method, output="raw")
    np.testing.assert_allclose(e.values[:, :3], [[0, 0, 3], [0, 3, 0], [0, -1, 0]], atol=1e-6)
    assert e.settings["error"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_one_group_gets_the_whole_difference(tiny, images, method):
    e = wb.explain(tiny, images, method, feature_mask=NINE * 0)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_one_order_is_refused_as_it_has_no_error(mlp, clouds, method):
    with pytest.raises(BadInput, match=r"n_samples is 1\..*at least 2.*the spread over orders"):
        wb.explain(mlp, clouds.test[:1], method, n_samples=1)


def test_a_line_needs_no_more_than_two_orders(clouds):
    net = linear([[1.0, -2, 0, 3, 0.5], [0, 0, 1, 0, 0]])
    e = wb.explain(net, clouds.test[:6], "shapley_sampling", target=0, n_samples=2)
    np.testing.assert_allclose(e.values, clouds.test.x[:6] * [1, -2, 0, 3, 0.5], atol=1e-5)
    assert torch.is_tensor(orders(3, 2, 0))


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_is_spent_in_orders_and_the_error_that_was_reached_is_said(tiny, images, method):
    few, many = (wb.explain(tiny, images[:1], method, budget=n, feature_mask=NINE) for n in (800, 12_000))
    assert 6000 < many.n_forward <= 12_000
    assert many.settings["error"] < few.settings["error"]
    np.testing.assert_array_equal(many.replay(tiny).values, many.values)


@pytest.mark.parametrize("method", ["exact_shapley", "kernel_shap", *METHODS, "lime"])
@pytest.mark.parametrize("absent", ["baselines", "background"])
def test_values_lead_to_the_parameters_where_a_loss_asks_for_it(clouds, method, absent):
    net = linear(np.eye(2, 5))
    x, row = clouds.test.x[:3], clouds.train.x[:1]
    given = {"target": 0, absent: clouds.train.x[:20] if method == "lime" and absent == "background" else row}
    values = wb.attribute(net, x, method, create_graph=True, **given)
    values[:, 1].sum().backward()  # The second column's value is its weight times its distance.
    gradient = net[0].weight.grad[0]
    assert gradient[1] != 0
    if method != "lime":
        np.testing.assert_allclose(gradient, [0, (x - row)[:, 1].sum(), 0, 0, 0], atol=1e-4)
