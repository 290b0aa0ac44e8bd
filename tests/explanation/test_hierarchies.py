"""Owen values: arithmetic down small hierarchies, laws, and hierarchies that follow places and correlations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import NINE, dividends, linear, shares
from scipy.cluster.hierarchy import is_valid_linkage, to_tree

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.explanation.hierarchies import by_correlation, by_place, evaluations
from workbench.explanation.space import Space

D = 4
weights = st.integers(-6, 6).map(lambda k: k / 2)
subsets = st.lists(st.integers(0, D - 1), min_size=1, max_size=3, unique=True).map(lambda s: tuple(sorted(s)))
functions = st.dictionaries(subsets, weights, min_size=1, max_size=6)


def owen(terms, d=D, **options):
    """Return Owen values of ones against zeros for a function made of products."""
    x = np.ones((1, d), dtype=np.float32)
    return wb.explain(dividends(terms), x, "partition_shap", output="raw", **options).values[0]


def members(tree):
    """Return the leaves under the two branches of a hierarchy's root."""
    root = to_tree(tree)
    return {frozenset(branch.pre_order()) for branch in (root.left, root.right)}


# known answers


def test_what_two_neighbours_do_together_with_a_third_is_shared_by_branches_first():
    # Halves {0, 1} and {2, 3}: the product of 0, 1 and 2 belongs one half to each branch.
    np.testing.assert_allclose(owen({(0, 1, 2): 12.0}), [3, 3, 6, 0], atol=1e-6)
    np.testing.assert_allclose(shares({(0, 1, 2): 12.0}, D), [4, 4, 4, 0])


def test_for_pairs_and_single_columns_owen_values_are_shapley_values():
    terms = {(0,): 2.0, (0, 1): 4.0, (1, 3): -3.0, (2, 3): 5.0}
    np.testing.assert_allclose(owen(terms), shares(terms, D), atol=1e-6)


def test_of_a_line_each_gets_its_own(clouds):
    net = linear([[1.0, -2, 0, 3, 0.5], [0, 0, 1, 0, 0]])
    e = wb.explain(net, clouds.test[:3], "partition_shap", target=0)
    np.testing.assert_allclose(e.values, clouds.test.x[:3] * [1, -2, 0, 3, 0.5], atol=1e-5)
    assert e.settings["error"] == 0
    assert "halves by place" in e.settings["hierarchy"]


# laws


@given(functions)
def test_values_sum_to_the_difference(terms):
    np.testing.assert_allclose(owen(terms).sum(), sum(terms.values()), atol=1e-5)


@given(functions, st.integers(0, D - 1))
def test_what_the_function_ignores_gets_nothing(terms, column):
    without = {columns: c for columns, c in terms.items() if column not in columns}
    assert owen(without)[column] == pytest.approx(0, abs=1e-7)


@given(functions)
def test_neighbours_who_can_be_exchanged_get_the_same(terms):
    exchange = {0: 1, 1: 0}
    swapped = {tuple(sorted(exchange.get(i, i) for i in columns)): c for columns, c in terms.items()}
    values = owen({k: terms.get(k, 0) + swapped.get(k, 0) for k in {*terms, *swapped}})
    assert values[0] == pytest.approx(values[1], abs=1e-5)


@given(functions, functions, weights)
def test_the_values_of_a_sum_are_the_sum_of_the_values(first, second, factor):
    both = {k: first.get(k, 0) + factor * second.get(k, 0) for k in {*first, *second}}
    np.testing.assert_allclose(owen(first) + factor * owen(second), owen(both), atol=1e-4)


# hierarchies


def test_patches_are_halved_along_the_longer_side():
    tree = by_place(Space(torch.zeros(1, 1, 4, 2), feature_mask=np.arange(8).reshape(4, 2)))
    assert is_valid_linkage(tree)
    assert members(tree) == {frozenset(range(4)), frozenset(range(4, 8))}
    tree = by_place(Space(torch.zeros(1, 1, 28, 28)))
    assert {len(part) for part in members(tree)} == {21, 28}


def test_groups_in_one_place_are_halved_by_number():
    mask = np.array([[0, 1, 2, 2, 1, 0]])  # Three rings around one centre.
    tree = by_place(Space(torch.zeros(1, 6), feature_mask=mask))
    assert is_valid_linkage(tree)


def test_columns_that_vary_together_join_first():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 200, 1))
    rows = np.concatenate([a, b, -a + 0.1 * rng.normal(size=(200, 1)), b, 0 * a], 1).astype(np.float32)
    tree = by_correlation(Space(torch.tensor(rows[:1]), background=rows))
    assert is_valid_linkage(tree)
    pairs = {frozenset(map(int, pair)) for pair in tree[:2, :2]}
    assert pairs == {frozenset({0, 2}), frozenset({1, 3})}


def test_a_background_of_a_table_makes_the_hierarchy(clerk, people):
    e = wb.explain(clerk, people.test[:2], "partition_shap", background=people.train.x[:30])
    assert e.values.shape == (2, 4)
    assert "correlation" in e.settings["hierarchy"]
    assert "marginal" in e.estimand
    np.testing.assert_allclose(e.delta, 0, atol=1e-4)
    placed = wb.explain(
        clerk, people.test[:2], "partition_shap", background=people.train.x[:30], clustering="place"
    )
    assert "halves by place" in placed.settings["hierarchy"]


def test_words_of_every_length_are_halved():
    def score(texts):
        return np.array([3.0 * ("good" in t.split()) - 1.0 * ("dull" in t.split()) for t in texts])

    e = wb.explain(
        score, ["a good film and a dull plot", "good", "dull plot"], "partition_shap", output="raw"
    )
    np.testing.assert_allclose(e.values[:, :3], [[0, 0, 3], [0, 3, 0], [0, -1, 0]], atol=1e-6)


# how far down


@pytest.mark.parametrize("d", [2, 3, 8, 11])
def test_as_many_evaluations_are_made_as_were_foreseen(d):
    seen = []

    def look(x):
        seen.append(len(x))
        return x.sum(1)

    x = np.ones((1, d), dtype=np.float32)
    tree = by_place(Space(torch.tensor(x)))
    exact = wb.explain(look, x, "partition_shap", output="raw", n_samples=max(4, evaluations(tree) + 2))
    assert "coarse" not in exact.flags
    assert sum(seen) == exact.n_forward == evaluations(tree) + 2 + 2  # aimed at x and at the baseline


def test_what_is_not_reached_is_shared_equally_and_flagged(lenet, images):
    fine = wb.explain(lenet, images[:2], "partition_shap", feature_mask=NINE)
    coarse = wb.explain(lenet, images[:2], "partition_shap", feature_mask=NINE, n_samples=4)
    assert "coarse" not in fine.flags
    assert fine.settings["error"] == 0
    assert "error" not in coarse.settings
    assert "Up to 68 evaluations reach every group, 4 were allowed" in coarse.flags["coarse"]
    np.testing.assert_allclose(coarse.values.sum((1, 2, 3)), fine.values.sum((1, 2, 3)), atol=1e-4)
    upper, lower = coarse.values[:, NINE[0] == 0], coarse.values[:, NINE[0] == 1]
    np.testing.assert_allclose(upper[:, 0] * 100, lower[:, 0] * 100, atol=1e-4)


@pytest.mark.parametrize("n_samples", [4, 30])
def test_also_a_coarse_result_does_not_depend_on_other_rows(lenet, images, n_samples):
    whole, last = (
        wb.explain(lenet, rows, "partition_shap", feature_mask=NINE, n_samples=n_samples).values
        for rows in (images, images[-1:])
    )
    np.testing.assert_allclose(whole[-1:], last, atol=1e-5)


# refusals


def test_what_makes_no_hierarchy_is_refused(mlp, clouds, tiny, images):
    with pytest.raises(UnknownName, match=r"no clustering called 'corelation'.*correlation"):
        wb.explain(mlp, clouds.test[:1], "partition_shap", clustering="corelation")
    with pytest.raises(BadInput, match="clustering='correlation' without rows"):
        wb.explain(mlp, clouds.test[:1], "partition_shap", clustering="correlation")
    with pytest.raises(BadInput, match="clustering='correlation' without rows"):
        wb.explain(tiny, images, "partition_shap", clustering="correlation", background=images)
    with pytest.raises(BadInput, match=r"n_samples is 3.*at least 4"):
        wb.explain(mlp, clouds.test[:1], "partition_shap", n_samples=3)


def test_a_budget_is_spent_until_every_group_is_reached(lenet, images):
    options = {"method": "partition_shap", "feature_mask": NINE}
    fine = wb.explain(lenet, images[:1], **options)
    spent = wb.explain(lenet, images[:1], budget=1000, **options)
    assert "coarse" not in spent.flags
    assert spent.n_forward <= 1000
    np.testing.assert_allclose(spent.values, fine.values, atol=1e-6)
