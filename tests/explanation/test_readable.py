"""Exact Shapley values of trees and lines: arithmetic, agreement with every coalition, and honest refusals."""

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import shares
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, Normalizer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import workbench as wb
from workbench.errors import BadInput, NotExplainable

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 5)).astype(np.float32)
TWO = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
THREE = TWO + (X[:, 3] > 1)
BACKGROUND, ROWS = X[:40], X[200:206]


def exact(model, output, **options):
    return wb.explain(model, ROWS, "exact_shapley", output=output, background=BACKGROUND, **options)


# trees

TREES = {
    "tree": (DecisionTreeClassifier(max_depth=4, random_state=0), THREE, "probability"),
    "forest": (RandomForestClassifier(8, max_depth=4, random_state=0), THREE, "probability"),
    "extra trees": (ExtraTreesClassifier(8, max_depth=4, random_state=0), TWO, "probability"),
    "boosted trees": (GradientBoostingClassifier(n_estimators=8, random_state=0), TWO, "logit"),
    "boosted histograms": (HistGradientBoostingClassifier(max_iter=8, random_state=0), TWO, "runner_up"),
    "three classes": (HistGradientBoostingClassifier(max_iter=6, random_state=0), THREE, "centred_logit"),
    "regression": (DecisionTreeRegressor(max_depth=4, random_state=0), X[:, 0] * X[:, 1], "raw"),
    "forest of regressions": (
        RandomForestRegressor(8, max_depth=4, random_state=0),
        X[:, 0] * X[:, 1],
        "raw",
    ),
}


@pytest.mark.parametrize(("model", "y", "output"), TREES.values(), ids=TREES)
def test_over_a_background_trees_have_the_values_of_every_coalition(model, y, output):
    model = model.fit(X, y)
    e = wb.explain(model, ROWS, "tree_shap", output=output, background=BACKGROUND)
    expected = exact(model, output)
    np.testing.assert_allclose(e.values, expected.values, atol=2e-5)
    np.testing.assert_allclose(e.base_values, expected.base_values, atol=1e-5)
    np.testing.assert_allclose(e.delta, 0, atol=2e-5)
    assert "interventional" in e.estimand
    assert "marginal" in e.estimand
    assert e.settings["error"] == 0


@pytest.mark.parametrize(("model", "y", "output"), TREES.values(), ids=TREES)
def test_without_a_background_absent_numbers_follow_the_splits(model, y, output):
    model = model.fit(X, y)
    e = wb.explain(model, ROWS, "tree_shap", output=output)
    np.testing.assert_allclose(e.delta, 0, atol=2e-5)
    assert "tree_path_dependent" in e.estimand
    assert not np.allclose(e.values, exact(model, output).values, atol=1e-3)
    np.testing.assert_array_equal(e.replay(model).values, e.values)


def test_a_tree_of_two_questions_is_arithmetic():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    tree = DecisionTreeRegressor().fit(x, [0.0, 0, 0, 8])  # The product, times eight.
    e = wb.explain(tree, x[3:], "tree_shap", output="raw", background=x[:1])
    np.testing.assert_allclose(e.values, [shares({(0, 1): 8.0}, 2)], atol=1e-6)
    # Without one: an absent column is one or zero with equal odds. v() = 2, v(0) = v(1) = 4, v(01) = 8.
    e = wb.explain(tree, x[3:], "tree_shap", output="raw")
    np.testing.assert_allclose(e.values, [[3, 3]], atol=1e-6)
    np.testing.assert_allclose(e.base_values, [2], atol=1e-6)


def test_a_row_that_rounding_would_pass_falls_on_the_side_that_the_tree_says():
    x = np.float32([[0.1], [0.3], [0.7]])
    tree = DecisionTreeRegressor(max_depth=1).fit(x[[0, 2]], [0.0, 8])
    tree.tree_.threshold[0] = np.float64(x[1, 0]) - 1e-9  # Above it by less than single precision tells.
    e = wb.explain(tree, x[1:2], "tree_shap", output="raw", background=x[:1])
    np.testing.assert_allclose(e.values, [[8]], atol=1e-6)
    theirs = shap.TreeExplainer(tree, x[:1]).shap_values(x[1:2], check_additivity=False)
    assert theirs == 0  # If this fails, shap has mended it, and our rounding can go.


def test_the_indicators_of_a_column_are_summed(people):
    forest = RandomForestClassifier(10, max_depth=4, random_state=0).fit(people.train.x, people.train.y)
    e = wb.explain(
        forest, people.test[:5], "tree_shap", output="probability", background=people.train.x[:30], target=1
    )
    assert e.values.shape == (5, 4)
    bare = wb.explain(
        forest, people.test.x[:5], "tree_shap", output="probability", background=people.train.x[:30], target=1
    )
    for i, name in enumerate(people.feature_names):
        members = people.columns[name]
        np.testing.assert_allclose(e.values[:, i], bare.values[:, members].sum(1), atol=1e-6)
    assert "summed" in e.estimand


def test_a_pipeline_on_frames_gives_its_original_columns(people):
    parts = make_column_transformer((OneHotEncoder(), ["job", "married"]), (StandardScaler(), ["age"]))
    model = make_pipeline(parts, RandomForestClassifier(10, max_depth=3, random_state=0))
    model.fit(people.train.raw, people.train.y)
    e = wb.explain(model, people.test[:5], "tree_shap", output="probability", background=people.train[:30])
    assert e.values.shape == (5, 4)
    np.testing.assert_allclose(e.values[:, people.feature_names.index("debt")], 0, atol=1e-7)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


@pytest.mark.parametrize(("model", "output", "can"), [
    (TREES["forest"][0], "logit", "adds up probabilities.*output='probability'"),
    (TREES["forest"][0], "log_prob", "adds up probabilities"),
    (TREES["boosted trees"][0], "probability", "adds up scores.*logit, centred_logit, runner_up"),
])  # fmt: skip
def test_an_output_that_trees_do_not_add_up_is_refused_with_what_they_do(model, output, can):
    model = model.fit(X, TWO)
    with pytest.raises(BadInput, match=f"output='{output}'.*{can}"):
        wb.explain(model, ROWS, "tree_shap", output=output)


def test_models_without_trees_that_shap_reads_are_refused(mlp, clouds):
    for model in (mlp, AdaBoostClassifier(n_estimators=3).fit(X, TWO), LogisticRegression().fit(X, TWO)):
        with pytest.raises(NotExplainable, match=r"no decision tree, forest or boosted trees.*kernel_shap"):
            wb.explain(model, clouds.test.x[:2], "tree_shap")
    three = GradientBoostingClassifier(n_estimators=3).fit(X, THREE)
    with pytest.raises(NotExplainable, match=r"shap does not read.*HistGradientBoosting"):
        wb.explain(three, ROWS, "tree_shap")


def test_baselines_and_groups_have_no_use_for_trees():
    model = TREES["forest"][0].fit(X, TWO)
    with pytest.raises(BadInput, match="tree_shap was given baselines"):
        wb.explain(model, ROWS, "tree_shap", output="probability", baselines=0.5)


# lines

LINES = {
    "two classes": (LogisticRegression(), TWO, "logit"),
    "three classes": (LogisticRegression(), THREE, "runner_up"),
    "centred": (LogisticRegression(), THREE, "centred_logit"),
    "margins": (LinearSVC(), THREE, "logit"),
    "regression": (LinearRegression(), X[:, 0] * X[:, 1], "raw"),
    "scaled": (make_pipeline(StandardScaler(), LogisticRegression()), THREE, "logit"),
    "logarithms": (make_pipeline(FunctionTransformer(np.abs, feature_names_out="one-to-one"), StandardScaler(),
                                 LogisticRegression()), THREE, "logit"),
}  # fmt: skip


@pytest.mark.parametrize(("model", "y", "output"), LINES.values(), ids=LINES)
@pytest.mark.parametrize("against", ["background", "one baseline", "a baseline a row", "zero"])
def test_lines_have_the_values_of_every_coalition(model, y, output, against):
    model = model.fit(X, y)
    absent = {"background": {"background": BACKGROUND}, "one baseline": {"baselines": X[7]},
              "a baseline a row": {"baselines": X[7:13]}, "zero": {}}[against]  # fmt: skip
    e = wb.explain(model, ROWS, "linear_shap", output=output, **absent)
    expected = wb.explain(model, ROWS, "exact_shapley", output=output, **absent)
    np.testing.assert_allclose(e.values, expected.values, atol=2e-5)
    np.testing.assert_allclose(e.delta, 0, atol=2e-5)


def test_the_value_of_a_column_is_its_coefficient_times_its_distance():
    line = LinearRegression().fit(X, X @ [1.0, -2, 0, 3, 0.5] + 4)
    e = wb.explain(line, ROWS, "linear_shap", output="raw", background=BACKGROUND)
    np.testing.assert_allclose(e.values, (ROWS - BACKGROUND.mean(0)) * [1, -2, 0, 3, 0.5], atol=1e-5)


def test_a_pipeline_on_frames_gives_columns_as_one_player(column_pipeline, people):
    e = wb.explain(column_pipeline, people.test[:6], "linear_shap", background=people.train[:20])
    expected = wb.explain(column_pipeline, people.test[:6], "exact_shapley", background=people.train[:20])
    np.testing.assert_allclose(e.values, expected.values, atol=1e-4)


MIXING = {
    "principal components": (PCA(5), "made of several columns"),
    "rows of length one": (Normalizer(), "makes a number of several columns"),
}


@pytest.mark.parametrize(("step", "words"), MIXING.values(), ids=MIXING)
@pytest.mark.parametrize("method", ["linear_shap", "tree_shap"])
def test_steps_that_mix_columns_are_refused_also_if_their_names_hide_it(step, words, method):
    last = LogisticRegression() if method == "linear_shap" else DecisionTreeRegressor(max_depth=3)
    model = make_pipeline(step, last).fit(X, TWO)
    with pytest.raises((BadInput, NotExplainable), match=words):
        wb.explain(
            model, ROWS, method, output="logit" if method == "linear_shap" else "raw", background=BACKGROUND
        )


def test_what_is_no_sum_over_columns_is_refused():
    line = LogisticRegression().fit(X, TWO)
    with pytest.raises(BadInput, match=r"output='probability' is no sum over columns.*kernel_shap"):
        wb.explain(line, ROWS, "linear_shap", output="probability")
    counts = PoissonRegressor().fit(X, np.abs(X[:, 0]))
    with pytest.raises(NotExplainable, match="away from its coefficients times its numbers"):
        wb.explain(counts, ROWS, "linear_shap", output="raw")
    pairs = SVC(kernel="linear").fit(X, THREE)
    with pytest.raises(NotExplainable, match="away from its coefficients"):
        wb.explain(pairs, ROWS, "linear_shap")
    with pytest.raises(NotExplainable, match="has no coefficients"):
        wb.explain(TREES["tree"][0], ROWS, "linear_shap")


# laws

CORNERS = np.float32(np.indices((2, 2, 2)).reshape(3, 8).T)
numbers = st.integers(-8, 8).map(float)
tables = st.lists(numbers, min_size=8, max_size=8).map(np.array)
triples = st.lists(numbers, min_size=3, max_size=3).map(np.array)


def of_tree(table, method="tree_shap"):
    """Explain the corner of ones, over all corners, of the tree that knows a table of eight values by heart."""
    tree = DecisionTreeRegressor(random_state=0).fit(CORNERS, table)
    return wb.explain(tree, CORNERS[-1:], method, output="raw", background=CORNERS).values[0]


@settings(max_examples=25)
@given(tables)
def test_a_tree_has_the_values_of_every_coalition_whatever_it_says(table):
    values = of_tree(table)
    np.testing.assert_allclose(values, of_tree(table, "exact_shapley"), atol=1e-5)
    np.testing.assert_allclose(values.sum(), table[-1] - table.mean(), atol=1e-5)


@settings(max_examples=25)
@given(tables, tables)
def test_values_of_a_sum_of_trees_are_sums_of_values(first, second):
    np.testing.assert_allclose(of_tree(first) + of_tree(second), of_tree(first + second), atol=1e-4)


@settings(max_examples=25)
@given(tables)
def test_what_a_tree_does_not_ask_about_gets_nothing_and_equals_get_equal(table):
    cube = table.reshape(2, 2, 2)
    assert of_tree(np.stack([cube[0], cube[0]]).ravel())[0] == 0
    values = of_tree((cube + cube.transpose(1, 0, 2)).ravel())
    assert values[0] == pytest.approx(values[1], abs=1e-5)


def of_line(coefficients, x, background):
    line = LinearRegression().fit(CORNERS, CORNERS[:, 0])
    line.coef_, line.intercept_ = np.asarray(coefficients), 1.5
    return wb.explain(
        line, np.float32([x]), "linear_shap", output="raw", background=np.float32(background)
    ).values[0]


@settings(max_examples=25)
@given(triples, triples, triples, triples)
def test_lines_keep_the_four_laws(first, second, x, row):
    background = [row, row + 1]
    a, b, both = (of_line(c, x, background) for c in (first, second, first + second))
    np.testing.assert_allclose(a + b, both, atol=1e-3)
    np.testing.assert_allclose(a.sum(), first @ (x - row - 0.5), atol=1e-3)
    assert of_line([0, *first[1:]], x, background)[0] == 0
    same = of_line([first[0], first[0], 0], [x[0], x[0], 0], [[row[0], row[0], 0]])
    assert same[0] == same[1]
