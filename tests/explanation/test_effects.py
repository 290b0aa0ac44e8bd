"""Curves along a column are those of scikit-learn, of a hand calculation, and of the function itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets import Function
from sklearn.inspection import partial_dependence as theirs
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

import workbench as wb
from workbench.errors import BadInput, NotExplainable

X = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)


def raw(function):
    """Return a model with one output, a function of the columns."""
    return lambda x: function(*x.T)


def curve(e, name):
    """Return the grid and the last class's values of a column."""
    ends = np.cumsum([len(v) for v in e.settings["grid"].values()])
    end = ends[list(e.settings["grid"]).index(name)]
    grid = e.settings["grid"][name]
    return np.array(grid), e.values[-1, end - len(grid) : end]


def of_raw(function, method, x=X, **options):
    return wb.explain(raw(function), x, method, output="raw", **options)


# agreement


@pytest.mark.parametrize("n_points", [20, 7])
def test_partial_dependence_is_that_of_scikit_learn(n_points):
    # A tree has steps, at which rounding could fall on the other side: leaves of many rows keep them apart.
    model = DecisionTreeRegressor(max_depth=3, random_state=0).fit(X, X[:, 0] * 2 + X[:, 1] ** 2)
    x = X.copy()
    x[:, 2] = np.round(x[:, 2])  # Few values: both take them as they are.
    e = wb.explain(model, x, "partial_dependence", output="raw", n_points=n_points)
    for j in range(3):
        grid, values = curve(e, f"feature {j}")
        found = theirs(model, x, [j], custom_values={j: grid.astype(np.float32)}, method="brute")
        np.testing.assert_allclose(values, found["average"][0], rtol=1e-6, atol=1e-6)
    few = np.unique(x[:, 2])
    assert len(curve(e, "feature 2")[0]) == min(len(few), n_points) or len(few) > n_points


def test_the_grid_is_that_of_scikit_learn():
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    e = wb.explain(model, X, "partial_dependence")
    found = theirs(model, X, [0], response_method="decision_function", grid_resolution=20)
    np.testing.assert_allclose(curve(e, "feature 0")[0], found["grid_values"][0], rtol=1e-6)


def test_a_categorys_value_puts_the_whole_column_there(clerk, people):
    e = wb.explain(clerk, people.test, "partial_dependence", data=people)
    grid, values = curve(e, "job")
    for word, value in zip(grid, values, strict=True):
        frame = people.test.raw.assign(job=word)
        logits = wb.explain(clerk, frame, "saliency", data=people, target=1).output
        assert value == pytest.approx(logits.mean(), abs=1e-5)
    assert [f"job = {word}" in e.feature_names for word in grid] == [True] * 3


# known answers


def test_of_a_sum_each_column_has_its_own_curve_and_ale_is_the_same_but_for_the_level():
    for method in ("partial_dependence", "ale"):
        e = of_raw(lambda a, b, c: 2 * a + np.sin(b), method)
        for name, own in (
            ("feature 0", lambda v: 2 * v),
            ("feature 1", np.sin),
            ("feature 2", lambda v: 0 * v),
        ):
            grid, values = curve(e, name)
            np.testing.assert_allclose(np.diff(values), np.diff(own(grid)), atol=1e-4)
        np.testing.assert_allclose(e.settings["interaction"], 0, atol=1e-6)
        assert "interaction" not in e.flags


def test_ale_by_hand():
    x = np.array([[0, 1], [1, 3], [2, 5], [3, 7]], dtype=np.float32)
    e = of_raw(lambda a, b: a * b, "ale", x, n_bins=2)
    # Edges 0, 1, 3: rows 1 and 2 gain b = 1 and 3 over the first bin, rows 3 and 4 gain 2b = 10 and 14 over the second.
    grid, values = curve(e, "feature 0")
    assert grid.tolist() == [0, 1, 3]
    uncentred = np.array([0, 2, 14])
    mean = (2 * (0 + 2) / 2 + 2 * (2 + 14) / 2) / 4
    np.testing.assert_allclose(values, uncentred - mean, atol=1e-5)


def test_ale_of_a_product_of_correlated_columns_is_the_analytic_one():
    rng = np.random.default_rng(1)
    a = rng.uniform(-1, 1, 20_000)
    x = np.stack([a, a + rng.normal(0, 0.1, len(a))], 1).astype(np.float32)
    e = of_raw(lambda a, b: a * b, "ale", x, n_bins=40)
    grid, values = curve(e, "feature 0")
    # d(ab)/da = b, whose mean at a is a: the effect is a^2/2 - E[a^2]/2. Partial dependence would be flat.
    np.testing.assert_allclose(values, grid**2 / 2 - 1 / 6, atol=0.01)
    flat = of_raw(lambda a, b: a * b, "partial_dependence", x[:2000])
    assert np.abs(curve(flat, "feature 0")[1] - x[:2000].prod(1).mean()).max() < 0.4
    assert {"interaction", "correlated columns"} <= set(flat.flags)
    assert "feature 0 and feature 1" in flat.flags["correlated columns"]


def test_ale_of_categories_has_the_steps_of_the_model(people):
    worth = {"cook": 0.0, "smith": 1.5, "tailor": -1.0}
    model = type("Rule", (), {"feature_names_in_": np.array(people.feature_names), "predict":
                 lambda self, frame: frame["job"].map(worth).to_numpy(dtype=float)})()  # fmt: skip
    e = wb.explain(model, people.train, "ale", data=people, output="raw")
    grid, values = curve(e, "job")
    wanted = np.array([worth[word] for word in grid])
    np.testing.assert_allclose(values - values[0], wanted - wanted[0], atol=1e-5)
    shares = np.array(e.settings["rug"]["job"])
    assert shares.sum() == pytest.approx(1)
    assert values @ shares == pytest.approx(0, abs=1e-5)


def test_categories_stand_beside_those_whose_rows_are_alike():
    import pandas as pd

    from workbench.data.columns import Columns

    rng = np.random.default_rng(0)
    job = rng.choice(["a", "b", "c", "d"], 400)
    level = pd.Series(job).map({"a": 3, "b": 0, "c": 2, "d": 1}).to_numpy(dtype=float)
    frame = pd.DataFrame({"job": job, "level": level + rng.normal(0, 0.7, 400)})
    codec = Columns.learned(frame)
    data = wb.from_arrays(np.eye(8, 1), np.arange(8) % 2)
    e = wb.explain(
        lambda rows: rows["level"].to_numpy(), frame, "ale", output="raw", data=with_codec(data, codec)
    )
    assert e.settings["grid"]["job"] in (["b", "d", "c", "a"], ["a", "c", "d", "b"])


def with_codec(data, codec):
    """Return data that reads rows with a codec."""
    from dataclasses import replace

    return replace(data, codec=codec)


def test_what_interacts_is_said_with_its_share():
    e = of_raw(lambda a, b, c: a * b + c, "partial_dependence")
    share = dict(zip(e.settings["grid"], e.settings["interaction"][0], strict=True))
    assert (
        share["feature 0"] > 0.9
        and share["feature 1"] > 0.9
        and share["feature 2"] == pytest.approx(0, abs=1e-6)
    )
    assert "feature 2" not in e.flags["interaction"]


def test_the_share_is_an_analytic_one():
    # Rows' curves are (1 + b) a: centred (1 + b) times the centred grid, so that the share is var(b) / mean((1 + b)^2).
    e = of_raw(lambda a, b, c: a + a * b, "partial_dependence")
    b = X[:, 1].astype(float)
    assert e.settings["interaction"][0, 0] == pytest.approx(b.var() / np.mean((1 + b) ** 2), abs=1e-5)


def test_rows_where_a_number_is_missing_are_left_out_of_ale(clerk, people):
    e = wb.explain(clerk, people.test, "ale", data=people)
    missing = people.test.raw["debt"].isna()
    assert missing.any()
    grid, _ = curve(e, "debt")
    debts = people.test.raw["debt"][~missing]
    assert (grid[0], grid[-1]) == pytest.approx((debts.min(), debts.max()))


@pytest.mark.parametrize("method", ["partial_dependence", "ale"])
def test_the_error_is_what_other_rows_would_move(method):
    rng = np.random.default_rng(3)
    found, errors = [], []
    for _ in range(60):
        x = rng.normal(size=(80, 2)).astype(np.float32)
        x[:, 0] = np.round(x[:, 0] / 2)  # The same bins in every draw.
        x[:4, 0] = [-1, -1, 1, 1]
        x[:, 0] = np.clip(x[:, 0], -1, 1)
        e = of_raw(lambda a, b: a * (1 + b), method, x)
        at = curve(e, "feature 0")[0].tolist().index(1.0)
        found.append(e.values[0, at])
        errors.append(e.settings["error"][0, at])
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.3)


# laws


@pytest.mark.parametrize("method", ["partial_dependence", "ale"])
def test_a_view_of_the_model_is_replayed_saved_and_independent_of_batches(tmp_path, clerk, people, method):
    e = wb.explain(clerk, people.test, method, data=people)
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    again = loaded.replay(clerk, people.test)
    np.testing.assert_array_equal(again.values, e.values)
    assert again.fingerprint == e.fingerprint == loaded.fingerprint
    assert loaded.settings["grid"] == e.settings["grid"]
    np.testing.assert_array_equal(loaded.settings["error"], e.settings["error"])
    small = wb.explain(clerk, people.test, method, data=people, batch_size=7)
    np.testing.assert_allclose(small.values, e.values, rtol=1e-4, atol=1e-6)
    assert e.values.shape == (2, sum(map(len, e.settings["grid"].values())))
    assert len(e.to_frame()) == e.values.size
    assert e.to_frame()["feature"].iloc[0].startswith("age = ")


@pytest.mark.parametrize("method", ["partial_dependence", "ale"])
def test_centred_logits_do_not_heed_what_all_classes_gain(method, people):
    def plain(x):
        return np.stack([x[:, 0], -x[:, 0]], 1)

    def shifted(x):
        return plain(x) + x[:, 1:2] ** 2

    a, b = (wb.explain(m, people.test, method, data=people, output="centred_logit") for m in (plain, shifted))
    np.testing.assert_allclose(a.values, b.values, atol=1e-5)


def test_cost_is_what_is_said(people, clerk):
    e = wb.explain(clerk, people.test, "partial_dependence", data=people)
    assert e.n_forward == 2 + len(people.test) * sum(map(len, e.settings["grid"].values()))


numbers = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


@pytest.mark.parametrize("method", ["partial_dependence", "ale"])
@settings(max_examples=15)
@given(numbers, numbers)
def test_effects_are_linear_in_the_model_and_flat_along_what_it_ignores(method, first, second):
    def product(w):
        return lambda a, b, c: w[0] * a + w[1] * a * b + w[2] * b**2 + w[3]

    x, both = X[:25], np.add(first, second)
    one, other, whole = (of_raw(product(w), method, x, **SIZES[method]) for w in (first, second, both))
    np.testing.assert_allclose(whole.values, one.values + other.values, atol=1e-3)
    values = curve(whole, "feature 2")[1]
    np.testing.assert_allclose(values, values[0], atol=1e-4)


SIZES = {"partial_dependence": {"n_points": 4}, "ale": {"n_bins": 4}}


# refusals


def test_one_output_is_a_probability_of_two_classes(clouds):
    net = Function(lambda x: x[:, :1] * 2).eval()
    e = wb.explain(net, clouds.test, "partial_dependence", data=clouds, output="probability")
    assert len(e.values) == 2
    np.testing.assert_allclose(e.values.sum(0), 1, rtol=1e-5)
    assert np.ptp(e.values[1]) > 0.5


def test_what_has_no_columns_is_refused_in_words(lenet, digits, reader, reviews):
    with pytest.raises(NotExplainable, match=r"the input is images, not a table.*These can: .*gim"):
        wb.explain(lenet, digits.test[:5], "partial_dependence")
    with pytest.raises(NotExplainable, match="the input is a text, not a table"):
        wb.explain(reader, reviews.test, "ale", data=reviews)
    assert wb.methods(lenet, digits).loc["ale", "why not"] == "the input is images, not a table"


def test_what_makes_no_sense_is_refused(clerk, people):
    with pytest.raises(BadInput, match=r"ale was given no rows.*rows to look at"):
        wb.explain(clerk, None, "ale")
    with pytest.raises(BadInput, match=r"There is 1 row.*an error is what other rows would move"):
        wb.explain(clerk, people.test[:1], "partial_dependence", data=people)
    with pytest.raises(BadInput, match=r"n_points is 0"):
        wb.explain(clerk, people.test, "partial_dependence", n_points=0)
    with pytest.raises(BadInput, match="output='raw' but the model has 2 outputs"):
        wb.explain(clerk, people.test, "ale", output="raw")
    gaps = people.test[people.test.raw["debt"].isna().to_numpy()]
    with pytest.raises(BadInput, match="Column 'debt' has no value in these rows"):
        wb.explain(clerk, gaps, "ale", data=people)
