"""captum, shap and our own Shapley values agree where they estimate the same thing, and only there.

With one baseline everybody plays the game in which an absent feature takes that value. With a background it is
the mean over such games. A path-dependent tree plays a third one. The last tests show that they differ.
"""

import captum.attr
import numpy as np
import pytest
import shap
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import dividends, shares
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from torch import nn

import workbench as wb
from workbench.explanation.coalitions import orders
from workbench.explanation.hierarchies import by_place
from workbench.explanation.space import Space

OURS = ("exact_shapley", "kernel_shap", "shapley_sampling", "permutation_shap")
D = 6


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(D, 16), nn.Tanh(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).eval()


@pytest.fixture(scope="module")
def rows():
    """Correlated rows: three to explain, one baseline, and a background."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(60, 2)) @ rng.normal(size=(2, D)) + 0.3 * rng.normal(size=(60, D))).astype(
        np.float32
    )
    return x[:3], x[3], x[10:40]


@pytest.fixture(scope="module")
def by_baseline(net, rows):
    return wb.explain(net, rows[0], "exact_shapley", target=1, baselines=rows[1]).values


@pytest.fixture(scope="module")
def by_background(net, rows):
    return wb.explain(net, rows[0], "exact_shapley", target=1, background=rows[2]).values


def logit(net):
    """Return class 1 of a net as a function of numpy rows."""

    def function(x):
        with torch.no_grad():
            return net(torch.tensor(np.asarray(x), dtype=torch.float32))[:, 1].double().numpy()

    return function


def everybody(background):
    """Return a masker of shap's that leaves no row of the background out."""
    background = np.atleast_2d(background).astype(float)
    return shap.maskers.Independent(background, max_samples=len(background))


# one baseline


def test_with_one_baseline_captums_shapley_values_are_the_exact_ones(net, rows, by_baseline):
    x, baseline, _ = rows
    theirs = captum.attr.ShapleyValues(net).attribute(torch.tensor(x), torch.tensor(baseline)[None], target=1)
    np.testing.assert_allclose(by_baseline, theirs, atol=1e-6)


def test_with_the_same_orders_captums_sampling_gives_our_sampling(net, rows):
    x, baseline, _ = rows
    drawn = orders(D, 9, 5).argsort(1).tolist()
    sampling = captum.attr.ShapleyValueSampling(net)
    sampling.permutation_generator = lambda *_: iter(drawn)
    theirs = sampling.attribute(torch.tensor(x), torch.tensor(baseline)[None], target=1, n_samples=9)
    ours = wb.explain(
        net, x, "shapley_sampling", target=1, baselines=baseline, n_samples=9, seed=5, shared_draws=True
    )
    np.testing.assert_allclose(ours.values, theirs, atol=1e-6)


def test_with_one_baseline_captums_kernel_shap_comes_near_the_exact_values(net, rows, by_baseline):
    x, baseline, _ = rows
    torch.manual_seed(0)
    np.random.seed(0)
    options = {"target": 1, "n_samples": 3000, "perturbations_per_eval": 500}
    theirs = captum.attr.KernelShap(net).attribute(
        torch.tensor(x[:1]), torch.tensor(baseline)[None], **options
    )
    np.testing.assert_allclose(by_baseline[:1], theirs, atol=0.03)


def test_one_baseline_is_a_background_of_one_row_to_shap(net, rows, by_baseline):
    x, baseline, _ = rows
    theirs = shap.explainers.ExactExplainer(logit(net), everybody(baseline))(x.astype(float))
    np.testing.assert_allclose(by_baseline, theirs.values, atol=1e-6)


@pytest.mark.parametrize("method", OURS)
@pytest.mark.parametrize("absent", ["baselines", "background"])
def test_our_estimators_estimate_the_exact_values(net, rows, method, absent, by_baseline, by_background):
    given, exact = {"baselines": (rows[1], by_baseline), "background": (rows[2], by_background)}[absent]
    many = {"exact_shapley": {}, "kernel_shap": {"n_samples": 60}}.get(method, {"n_samples": 400})
    e = wb.explain(net, rows[0], method, target=1, **{absent: given}, **many)
    np.testing.assert_allclose(e.values, exact, atol=6 * e.settings["error"] + 1e-5)
    assert e.settings["error"] < 0.02


# a background


def test_with_a_background_shaps_exact_and_kernel_explainers_give_our_values(net, rows, by_background):
    x, _, background = rows
    exact = shap.explainers.ExactExplainer(logit(net), everybody(background))(x.astype(float))
    np.testing.assert_allclose(by_background, exact.values, atol=1e-5)
    kernel = shap.KernelExplainer(logit(net), background.astype(float))
    np.testing.assert_allclose(
        by_background, kernel.shap_values(x.astype(float), nsamples=2**D, silent=True), atol=1e-5
    )


def test_with_the_same_orders_shaps_permutation_explainer_gives_ours(net, rows, monkeypatch):
    x, _, background = rows
    drawn = iter(orders(D, 4, 5, 0).argsort(1).numpy())
    explainer = shap.explainers.PermutationExplainer(logit(net), everybody(background))

    def shuffle(places):
        places[:] = next(drawn)

    monkeypatch.setattr(np.random, "shuffle", shuffle)
    theirs = explainer(x[:1].astype(float), max_evals=4 * (2 * D + 1), silent=True)
    ours = wb.explain(net, x[:1], "permutation_shap", target=1, background=background, n_samples=4, seed=5)
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-6)


def test_down_the_same_hierarchy_shaps_partition_explainer_gives_ours(net, rows):
    x, _, background = rows
    tree = by_place(Space(torch.tensor(x[:1])))
    masker = shap.maskers.Partition(background.astype(float), max_samples=len(background), clustering=tree)
    theirs = shap.explainers.PartitionExplainer(logit(net), masker)(
        x.astype(float), max_evals=5000, silent=True
    )
    ours = wb.explain(net, x, "partition_shap", target=1, background=background, clustering="place")
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-5)


@pytest.fixture(scope="module")
def labels():
    """Rows for trees and lines, correlated, and two classes."""
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(300, 3)) @ rng.normal(size=(3, 5)) + 0.2 * rng.normal(size=(300, 5))).astype(
        np.float32
    )
    return x, (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)


@pytest.mark.parametrize(("model", "output"), [(RandomForestClassifier(10, max_depth=4, random_state=0), "probability"),
                                               (GradientBoostingClassifier(n_estimators=10, random_state=0), "runner_up")])  # fmt: skip
@pytest.mark.parametrize("against", ["background", "splits"])
def test_trees_are_explained_as_shap_explains_them_by_hand(labels, model, output, against):
    x, y = labels
    model.fit(x, y)
    absent = {"background": x[:50]} if against == "background" else {}
    theirs = shap.TreeExplainer(model, *map(everybody, absent.values())).shap_values(x[100:104])
    theirs = theirs[..., 1] if theirs.ndim == 3 else theirs
    ours = wb.explain(model, x[100:104], "tree_shap", target=1, output=output, **absent)
    np.testing.assert_allclose(ours.values, theirs, atol=1e-5)


def test_lines_are_explained_as_shap_explains_them_by_hand(labels):
    x, y = labels
    line = LogisticRegression().fit(x, y)
    theirs = shap.LinearExplainer(line, everybody(x[:50])).shap_values(x[100:104])
    ours = wb.explain(line, x[100:104], "linear_shap", target=1, output="runner_up", background=x[:50])
    np.testing.assert_allclose(ours.values, theirs, atol=1e-5)
    exact = wb.explain(line, x[100:104], "exact_shapley", target=1, output="runner_up", background=x[:50])
    np.testing.assert_allclose(ours.values, exact.values, atol=1e-5)


# where they must differ


def test_a_baseline_and_a_background_are_other_questions_even_with_the_same_mean(net, rows):
    x, _, background = rows
    marginal = wb.explain(net, x, "exact_shapley", target=1, background=background)
    of_the_mean = wb.explain(net, x, "exact_shapley", target=1, baselines=background.mean(0))
    assert np.abs(marginal.values - of_the_mean.values).max() > 0.02
    assert "marginal" in marginal.estimand
    assert "marginal" not in of_the_mean.estimand


def test_a_copy_of_a_column_gets_credit_only_where_absent_follows_the_data():
    rng = np.random.default_rng(0)
    first = (rng.random(400) < 0.5).astype(np.float32)
    copy = np.where(rng.random(400) < 0.05, 1 - first, first).astype(
        np.float32
    )  # nearly a copy, which nothing reads
    x = np.stack([first, copy], 1)
    forest = RandomForestClassifier(60, max_features=1, max_depth=2, random_state=0).fit(x, first.astype(int))
    options = {"target": 1, "output": "probability"}
    row = np.float32([[1, 1]])
    marginal = wb.explain(lambda x: x[:, 0], row, "exact_shapley", output="raw", background=x).values[0]
    splits = wb.explain(forest, row, "tree_shap", **options).values[0]
    swapped = wb.explain(forest, row, "tree_shap", background=x, **options).values[0]
    assert marginal[1] == 0  # The rule does not read the copy.
    assert splits[1] > 0.05  # The forest grew on both, and gives both credit.
    np.testing.assert_allclose(splits.sum(), swapped.sum(), atol=0.05)
    assert (
        np.abs(splits - swapped).max() > 0.01
    )  # Rows (1, 0) are as likely as (1, 1) to the one, and rare to the other.


def test_an_owen_value_is_no_shapley_value_where_branches_share():
    x = np.ones((1, 4), dtype=np.float32)
    terms = {(0, 1, 2): 12.0}
    owen = wb.explain(dividends(terms), x, "partition_shap", output="raw").values[0]
    shapley = wb.explain(dividends(terms), x, "exact_shapley", output="raw").values[0]
    np.testing.assert_allclose(shapley, shares(terms, 4), atol=1e-6)
    np.testing.assert_allclose(owen, [3, 3, 6, 0], atol=1e-6)


# laws for all, over a background


weights = st.integers(-6, 6).map(lambda k: k / 2)
subsets = st.lists(st.integers(0, 3), min_size=1, max_size=2, unique=True).map(lambda s: tuple(sorted(s)))
functions = st.dictionaries(subsets, weights, min_size=1, max_size=5)
every = st.sampled_from((*OURS, "partition_shap"))
BACKGROUND = np.float32([[0, 0, 0, 0], [1, 0, 2, 0], [0, 1, 0, 1]])


def over(terms, method):
    """Explain twos over three background rows for a function made of products."""
    return wb.explain(
        dividends(terms), np.full((1, 4), 2, dtype=np.float32), method, output="raw", background=BACKGROUND
    )


@settings(max_examples=40)
@given(functions, every)
def test_values_share_out_the_distance_to_the_backgrounds_mean(terms, method):
    function = dividends(terms)
    difference = function(np.full((1, 4), 2.0))[0] - function(BACKGROUND).mean()
    np.testing.assert_allclose(over(terms, method).values.sum(), difference, atol=1e-4)


@settings(max_examples=40)
@given(functions, st.integers(0, 3), every)
def test_over_a_background_as_well_what_is_ignored_gets_nothing(terms, column, method):
    without = {columns: c for columns, c in terms.items() if column not in columns}
    assert over(without, method).values[0, column] == pytest.approx(0, abs=1e-6)


@settings(max_examples=40)
@given(functions, functions, weights, every)
def test_over_a_background_as_well_values_of_a_sum_are_sums_of_values(first, second, factor, method):
    both = {k: first.get(k, 0) + factor * second.get(k, 0) for k in {*first, *second}}
    a, b, c = (over(terms, method).values for terms in (first, second, both))
    np.testing.assert_allclose(a + factor * b, c, atol=1e-4)
