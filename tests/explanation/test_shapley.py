"""Shapley values: arithmetic on functions made by hand, the four laws, and an error that means what it says."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import NINE, dividends, linear, shares
from sizes import Sizes

import workbench as wb
from workbench.data import known_rule
from workbench.errors import BadInput
from workbench.explanation.regressions import shares as solve

ONES = np.ones((1, 4), dtype=np.float32)


def shapley(function, x, method="exact_shapley", **options):
    """Return the values of one row for a function with one output."""
    return wb.explain(
        function, np.atleast_2d(np.asarray(x, dtype=np.float32)), method, output="raw", **options
    ).values[0]


# known answers


def test_of_a_sum_each_gets_its_own():
    np.testing.assert_allclose(shapley(dividends({(0,): 2.0, (1,): -3.0, (3,): 0.5}), ONES), [2, -3, 0, 0.5])


def test_of_a_product_each_gets_an_equal_share():
    np.testing.assert_allclose(shapley(dividends({(0, 1): 6.0}), ONES), [3, 3, 0, 0])
    np.testing.assert_allclose(shapley(dividends({(0, 1, 3): 6.0}), ONES), [2, 2, 0, 2], rtol=1e-6)


def test_of_an_exclusive_or_each_gets_nothing_where_both_are_there():
    def exclusive(x):
        return (x[:, 0] != x[:, 1]).astype(float)

    np.testing.assert_allclose(shapley(exclusive, [1, 1]), [0, 0], atol=1e-7)
    np.testing.assert_allclose(shapley(exclusive, [1, 0]), [1, 0], atol=1e-7)


def test_of_a_maximum_the_larger_gets_the_rest():
    np.testing.assert_allclose(
        shapley(lambda x: x.max(1), [2, 6, 3]), [2 / 3, 2 / 3 + 3.5, 2 / 3 + 0.5], rtol=1e-6
    )


def test_of_a_line_over_a_background_each_gets_its_distance_to_the_mean(clouds):
    weights, rows = np.array([[1.0, -2, 0, 3, 0.5], [0, 0, 1, 0, 0]]), clouds.train.x[:20]
    for method in ("exact_shapley", "kernel_shap"):
        e = wb.explain(linear(weights, 4.0), clouds.test[:6], method, target=0, background=rows)
        np.testing.assert_allclose(
            e.values, weights[0] * (clouds.test.x[:6] - rows.mean(0)), rtol=1e-4, atol=1e-5
        )
        np.testing.assert_allclose(e.base_values, weights[0] @ rows.mean(0) + 4, rtol=1e-5)


def test_a_background_counts_by_its_mean(mlp, clouds):
    rows = clouds.train[:3]
    each = [wb.explain(mlp, clouds.test[:4], "exact_shapley", baselines=row).values for row in rows.x]
    e = wb.explain(mlp, clouds.test[:4], "exact_shapley", background=rows)
    np.testing.assert_allclose(e.values, np.mean(each, 0), rtol=1e-4, atol=1e-5)


def test_memory_does_not_grow_with_the_background(mlp, clouds):
    largest = []
    for rows in (2, 100):
        with Sizes() as sizes:
            wb.explain(mlp, clouds.test[:8], "exact_shapley", background=clouds.train.x[:rows], batch_size=64)
        largest.append(max(sizes.seen))
    assert largest[1] <= max(largest[0], 100 * 64)  # One scalar a background row and version, no row of it.


def test_one_row_is_a_background_of_one(mlp, clouds):
    row = clouds.train.x[0]
    expected = wb.explain(mlp, clouds.test[:3], "exact_shapley", baselines=row)
    for background in (row, row[None]):
        e = wb.explain(mlp, clouds.test[:3], "exact_shapley", background=background)
        np.testing.assert_allclose(e.values, expected.values, rtol=1e-5)
        assert e.n_forward == expected.n_forward


def test_a_group_shares_its_value_among_its_pixels(tiny, images):
    e = wb.explain(tiny, images, "exact_shapley", feature_mask=NINE)
    for group in range(9):
        values = e.values[:, NINE[0] == group]
        assert np.ptp(values, axis=1).max() == 0
    np.testing.assert_allclose(e.values.sum((1, 2, 3)), e.output - e.base_values, atol=1e-5)


MASKS = {
    "rows and columns alone": NINE[0, 0],
    "all axes": NINE,
    "other numbers": NINE * 7 - 3,
    "one a row": np.repeat(NINE, 5, 0),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_may_be_given_in_many_ways(tiny, images, mask):
    expected = wb.explain(tiny, images, "exact_shapley", feature_mask=NINE).values
    np.testing.assert_allclose(
        wb.explain(tiny, images, "exact_shapley", feature_mask=mask).values, expected, atol=1e-6
    )


def test_each_row_may_have_groups_of_its_own():
    x, mask = np.ones((2, 4), dtype=np.float32), np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
    e = wb.explain(
        dividends({(0,): 1.0, (1,): 2.0, (2, 3): 4.0}), x, "exact_shapley", output="raw", feature_mask=mask
    )
    np.testing.assert_allclose(e.values, [[1.5, 1.5, 2, 2], [1, 2, 2, 2]], rtol=1e-6)


# laws

weights = st.integers(-6, 6).map(lambda k: k / 2)
D = 4
subsets = st.lists(st.integers(0, D - 1), min_size=1, max_size=3, unique=True).map(lambda s: tuple(sorted(s)))
functions = st.dictionaries(subsets, weights, min_size=1, max_size=6)
methods = st.sampled_from(["exact_shapley", "kernel_shap"])


@given(functions, methods)
def test_values_are_the_shares_of_all_interactions(terms, method):
    np.testing.assert_allclose(shapley(dividends(terms), np.ones(D), method), shares(terms, D), atol=1e-5)


@given(
    functions, st.lists(weights, min_size=D, max_size=D), st.lists(weights, min_size=D, max_size=D), methods
)
def test_values_sum_to_the_difference(terms, x, baseline, method):
    function = dividends(terms)
    values = shapley(function, x, method, baselines=baseline)
    difference = function(np.array([x])) - function(np.array([baseline]))
    np.testing.assert_allclose(values.sum(), difference[0], atol=1e-3)


@given(functions, st.integers(0, D - 1), methods)
def test_what_the_function_ignores_gets_nothing(terms, column, method):
    without = {columns: c for columns, c in terms.items() if column not in columns}
    assert shapley(dividends(without), np.ones(D), method)[column] == pytest.approx(0, abs=1e-6)


@given(functions, methods)
def test_who_can_be_exchanged_gets_the_same(terms, method):
    exchange = {0: 1, 1: 0}
    swapped = {tuple(sorted(exchange.get(i, i) for i in columns)): c for columns, c in terms.items()}
    both = {k: terms.get(k, 0) + swapped.get(k, 0) for k in {*terms, *swapped}}
    values = shapley(dividends(both), np.ones(D), method)
    assert values[0] == pytest.approx(values[1], abs=1e-5)


@given(functions, functions, weights, methods)
def test_the_values_of_a_sum_are_the_sum_of_the_values(first, second, factor, method):
    both = {k: first.get(k, 0) + factor * second.get(k, 0) for k in {*first, *second}}
    a, b, c = (shapley(dividends(terms), np.ones(D), method) for terms in (first, second, both))
    np.testing.assert_allclose(a + factor * b, c, atol=1e-4)


@given(functions, st.permutations(range(D)))
def test_values_follow_their_columns(terms, order):
    values = shapley(dividends(terms), np.ones(D))
    renamed = {tuple(sorted(order[i] for i in columns)): c for columns, c in terms.items()}
    np.testing.assert_allclose(shapley(dividends(renamed), np.ones(D))[list(order)], values, atol=1e-5)


def test_values_are_the_mean_over_all_orders(mlp, clouds):
    x, base = clouds.test.x[:1], np.zeros(5, dtype=np.float32)
    expected = np.zeros(5)
    for order in permutations(range(5)):
        versions = np.stack([np.where(np.isin(np.arange(5), order[:k]), x[0], base) for k in range(6)])
        scores = wb.explain(mlp, versions, "saliency", target=1).output
        expected[list(order)] += np.diff(scores) / 120
    np.testing.assert_allclose(
        wb.explain(mlp, x, "exact_shapley", target=1).values[0], expected, rtol=1e-4, atol=1e-5
    )


# sampling

WIDE = 8  # 254 coalitions: more than are drawn below
subsets_of_eight = st.lists(st.integers(0, WIDE - 1), min_size=1, max_size=3, unique=True).map(tuple)
wide = st.dictionaries(subsets_of_eight, weights, min_size=1, max_size=8)


@given(wide, st.integers(0, 5))
def test_sampled_values_sum_to_the_difference(terms, seed):
    values = shapley(dividends(terms), np.ones(WIDE), "kernel_shap", n_samples=100, seed=seed)
    np.testing.assert_allclose(values.sum(), sum(terms.values()), atol=1e-4)


@given(st.lists(weights, min_size=WIDE, max_size=WIDE), st.integers(0, 5))
def test_sampled_values_of_a_sum_are_exact(each, seed):
    terms = {(i,): c for i, c in enumerate(each)}
    values = shapley(dividends(terms), np.ones(WIDE), "kernel_shap", n_samples=60, seed=seed)
    np.testing.assert_allclose(values, each, atol=1e-4)


@given(wide, wide)
def test_sampled_values_add_up_draw_by_draw(first, second):
    both = {k: first.get(k, 0) + second.get(k, 0) for k in {*first, *second}}
    options = {"method": "kernel_shap", "n_samples": 60, "seed": 1}
    a, b, c = (shapley(dividends(terms), np.ones(WIDE), **options) for terms in (first, second, both))
    np.testing.assert_allclose(a + b, c, atol=1e-4)


def test_samples_are_within_their_error_of_the_exact_values(lenet, images):
    exact = wb.explain(lenet, images, "exact_shapley", feature_mask=NINE)
    sampled = [
        wb.explain(lenet, images, "kernel_shap", feature_mask=NINE, n_samples=200, seed=s) for s in range(4)
    ]
    size = 1 / (NINE == 4).sum()  # a pixel's share of its group
    for e in sampled:
        wrong = np.abs(e.values - exact.values).max(1)[:, NINE[0, 0] == 4].mean() / size
        assert 0 < e.settings["error"] < 1
        assert wrong < 6 * e.settings["error"]


def test_more_samples_have_less_error(lenet, images):
    few, many = (wb.explain(lenet, images, "kernel_shap", n_samples=n).settings["error"] for n in (300, 1200))
    assert many == pytest.approx(few / 2, rel=0.3)


def test_few_groups_are_enumerated_and_said_so(tiny, images):
    e = wb.explain(tiny, images, "kernel_shap", feature_mask=NINE)
    np.testing.assert_array_equal(
        e.values, wb.explain(tiny, images, "exact_shapley", feature_mask=NINE).values
    )
    assert (e.settings["n_samples"], e.settings["error"], e.settings["coalitions"]) == (512, 0, "all")
    assert "shared draws" not in e.flags


@pytest.mark.parametrize("groups", [2, 3, 4])
def test_very_few_groups_can_be_replayed(tiny, images, groups):
    e = wb.explain(tiny, images, "kernel_shap", feature_mask=np.arange(784).reshape(28, 28) % groups)
    np.testing.assert_array_equal(e.replay(tiny).values, e.values)


def test_many_groups_are_sampled_however_many_samples_are_allowed(tiny, images):
    e = wb.explain(
        tiny, images[:1], "kernel_shap", feature_mask=np.arange(784).reshape(28, 28) % 13, n_samples=8190
    )
    assert "coalitions" not in e.settings
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


@pytest.mark.parametrize("method", ["kernel_shap", "lime"])
def test_rows_share_draws_unless_told_otherwise(tiny, images, method):
    x = np.repeat(images[:1], 3, axis=0)
    shared = wb.explain(tiny, x, method, n_samples=200)
    assert np.ptp(shared.values, axis=0).max() < 1e-6
    assert "shared draws" in shared.flags
    own = wb.explain(tiny, x, method, n_samples=200, shared_draws=False)
    assert not any(np.allclose(own.values[a], own.values[b], rtol=1e-3) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert "shared draws" not in own.flags
    alone = wb.explain(tiny, x[:1], method, n_samples=200, shared_draws=False)
    np.testing.assert_allclose(alone.values[0], own.values[0], atol=1e-6)


@pytest.mark.parametrize("a_group", [4, 10])
def test_the_error_is_what_another_draw_would_move(a_group):
    rng = np.random.default_rng(0)
    terms = {tuple(rng.choice(16, size, False)): rng.normal() for size in (1, 3) for _ in range(25)}
    found = [shapley_of(terms, n_samples=16 * a_group, seed=s) for s in range(100)]
    spread = np.std([e.values[0] for e in found], axis=0, ddof=1).mean()
    assert np.mean([e.settings["error"] for e in found]) == pytest.approx(spread, rel=0.15)


def shapley_of(terms, **options):
    """Return kernel SHAP of one row of 16 columns for a function made of products."""
    return wb.explain(
        dividends(terms), np.ones((1, 16), dtype=np.float32), "kernel_shap", output="raw", **options
    )


@pytest.mark.parametrize("designs", [1, 12])
def test_the_solve_holds_one_design_at_a_time(designs):
    draws = torch.Generator().manual_seed(0)
    half = torch.rand(designs, 60, 20, generator=draws) < 0.5
    kept, worth = torch.cat([half, ~half], 1), torch.rand(12, 120, generator=draws).double()
    with Sizes() as sizes:
        values, _ = solve(kept, worth, worth[:, 0], worth[:, 1])
    assert values.shape == (12, 20)
    assert max(sizes.seen) <= 120 * 20


# a rule whose values are known


@pytest.mark.parametrize("n_samples", [30, 60])
def test_samples_are_within_four_errors_of_the_known_marginal_values(n_samples):
    data = known_rule.generated()
    rows, background = data.test[:60], data.train.x[:40]
    truth = known_rule.marginal_shapley(rows.x, background)
    e = wb.explain(known_rule.rule, rows, "kernel_shap", target=1, output="runner_up", background=background,
                   n_samples=n_samples, shared_draws=False)  # fmt: skip
    assert 0 < e.settings["error"] < 1
    assert np.sqrt(np.mean((e.values - truth) ** 2)) < 4 * e.settings["error"]
    assert np.abs(e.values - truth).mean() > e.settings["error"] / 4  # nor is the error far too large


def test_all_coalitions_give_the_known_marginal_values():
    data = known_rule.generated()
    rows, background = data.test[:60], data.train.x[:40]
    for method in ("kernel_shap", "exact_shapley"):
        e = wb.explain(known_rule.rule, rows, method, target=1, output="runner_up", background=background)
        np.testing.assert_allclose(e.values, known_rule.marginal_shapley(rows.x, background), atol=1e-4)
    assert np.abs(e.values[:, 2]).max() < 1e-5  # page_views is not in the rule


# refusals


def test_too_many_groups_for_exact_values_are_refused(tiny, images):
    with pytest.raises(BadInput, match=r"There are 49 groups.*at most 12.*kernel_shap"):
        wb.explain(tiny, images, "exact_shapley")


def test_too_few_groups_or_samples_are_refused(tiny, images):
    with pytest.raises(BadInput, match="There is 1 group"):
        wb.explain(tiny, images, "kernel_shap", feature_mask=NINE * 0)
    with pytest.raises(BadInput, match=r"n_samples is 100 for 49 groups.*at least 196"):
        wb.explain(tiny, images, "kernel_shap", n_samples=100)


BAD_MASKS = {
    "fractions": NINE / 2,
    "another size": NINE[..., :20],
    "more rows than inputs": np.repeat(NINE, 6, axis=0),
    "channels that are not there": np.repeat(NINE, 3, axis=1),
    "an axis too many": NINE[None],
    "words": np.full((28, 28), "a"),
}


@pytest.mark.parametrize("mask", BAD_MASKS.values(), ids=BAD_MASKS)
@pytest.mark.parametrize("method", ["exact_shapley", "kernel_shap", "lime"])
def test_a_mask_that_does_not_fit_is_refused(tiny, images, method, mask):
    with pytest.raises(BadInput, match=r"feature_mask has shape.*broadcast to \(5, 1, 28, 28\)"):
        wb.explain(tiny, images, method, feature_mask=mask)


@pytest.mark.parametrize(
    "method", ["exact_shapley", "kernel_shap", "lime", "occlusion", "integrated_gradients"]
)
def test_baselines_and_background_together_are_refused(tiny, images, method):
    with pytest.raises(BadInput, match="Both baselines and background"):
        wb.explain(tiny, images, method, baselines=0, background=images)
