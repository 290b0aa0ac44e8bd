"""A column is one feature, however many numbers stand for it, for every model that reads tables."""

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from nets import linear
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.errors import BadInput, NotExplainable
from workbench.explanation.registry import look_up

COLUMNS = ("age", "job", "debt", "married")
QUICK = {"n_samples": 100}
LOCAL = ["feature_ablation", "occlusion", "exact_shapley", "kernel_shap", "lime", "saliency", "input_x_gradient",
         "integrated_gradients", "smooth_grad"]  # fmt: skip
BLACK = [name for name in LOCAL if "gradient" not in look_up(name).needs]
SUMMING = ["exact_shapley", "kernel_shap", "integrated_gradients"]


def options(method):
    return {"n_samples": 60} if "n_samples" in look_up(method).options and method != "kernel_shap" else {}


def ask(model, rows, method, **more):
    return wb.explain(model, rows, method, **(options(method) | more))


# shapes and names


@pytest.mark.parametrize("method", LOCAL)
def test_a_column_has_one_value(unchanged, clerk, people, method):
    with unchanged(clerk.model):
        e = ask(clerk, people.test[:7], method, data=people)
    assert e.values.shape == (7, 4)
    assert e.inputs.shape == (7, 8)
    assert e.feature_names == COLUMNS
    assert e.kind == "table"
    assert e.tokens is None
    assert e.padding is None
    assert set(e.flags) <= {"shared draws"}


@pytest.mark.parametrize("method", SUMMING)
def test_values_of_columns_sum_to_the_difference(clerk, people, method):
    e = ask(clerk, people.test[:7], method, data=people)
    np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=0.02)
    assert "gap" not in e.flags


@pytest.mark.parametrize("method", LOCAL)
def test_a_replay_and_a_file_give_the_same_bits(tmp_path, clerk, people, method):
    e = ask(clerk, people.test[:5], method, data=people, seed=3)
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    for other in (e.replay(clerk), loaded, loaded.replay(clerk)):
        np.testing.assert_array_equal(other.values, e.values)
        assert other.fingerprint == e.fingerprint
        assert other.labels == e.labels
        assert other.settings == e.settings
    assert loaded.codec == people.codec


@pytest.mark.parametrize("method", LOCAL)
def test_the_size_of_batches_does_not_matter(clerk, people, method):
    a, b = (ask(clerk, people.test[:6], method, batch_size=size).values for size in (3, 1000))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_cells_are_shown_as_in_the_data(clerk, people):
    e = wb.explain(clerk, people.test[:3], "feature_ablation", data=people)
    raw = people.test[:3].raw
    assert [row[1] for row in e.labels] == raw["job"].tolist()
    frame = e.to_frame()
    assert frame["input"].tolist()[1::4] == raw["job"].tolist()
    np.testing.assert_allclose([float(age) for age in frame["input"].tolist()[::4]], raw["age"], rtol=1e-5)


# ways in


def test_a_data_frame_is_read_by_the_data(clerk, people):
    raw = people.test[:4].raw
    expected = wb.explain(clerk, people.test[:4], "feature_ablation").values
    for frame in (raw, raw[list(reversed(COLUMNS))], raw.assign(more=1), raw.set_index("age", drop=False)):
        e = wb.explain(clerk, frame, "feature_ablation", data=people)
        np.testing.assert_allclose(e.values, expected, atol=1e-5)


def test_a_frame_is_read_by_the_background(clerk, people):
    background, raw = people.train[:50].raw, people.test[:4].raw
    e = wb.explain(
        lambda frame: np.stack([frame["age"], -frame["age"]], 1),
        raw,
        "kernel_shap",
        background=background,
        target=0,
    )
    np.testing.assert_allclose(e.values[:, 0], raw["age"] - background["age"].mean(), rtol=1e-3)
    np.testing.assert_allclose(e.values[:, 1:], 0, atol=1e-4)
    assert "marginal" in e.estimand


def test_a_pipeline_that_was_fitted_on_a_frame_is_given_frames(unchanged, column_pipeline, people):
    before = copy.deepcopy(column_pipeline.named_steps["logisticregression"].coef_)
    assert tuple(column_pipeline.feature_names_in_) == COLUMNS
    for rows in (people.test[:4], people.test[:4].raw, people.test.x[:4]):
        e = wb.explain(column_pipeline, rows, "feature_ablation", data=people)
        assert e.values.shape == (4, 4)
        score = column_pipeline.decision_function(people.test[:4].raw) / 2
        np.testing.assert_allclose(e.output, np.abs(score), rtol=1e-4)
    np.testing.assert_array_equal(column_pipeline.named_steps["logisticregression"].coef_, before)


def test_a_callable_is_given_frames_where_frames_came_in(people):
    seen = []

    def rule(frame):
        seen.append(type(frame))
        return np.stack([frame["job"] == "cook", frame["age"] > 40], 1).astype(float)

    rows = people.test[people.test.raw["job"].to_numpy() == "cook"].raw
    e = wb.explain(rule, rows, "feature_ablation", data=people, target=0, baselines=people.codec.encoded(
        pd.DataFrame({"age": [50.0], "job": ["smith"], "debt": [0.0], "married": [False]}))[0])  # fmt: skip
    assert set(seen) == {pd.DataFrame}
    np.testing.assert_allclose(e.values, [[0, 1, 0, 0]] * len(rows))


def test_a_callable_on_frames_is_replayed_on_frames(tmp_path, people):
    def rule(frame):
        return np.stack([frame["age"] + (frame["job"] == "cook"), frame["age"] * 0], 1)

    more = (
        {"data": people},
        {"background": people.train[:20].raw},
        {"data": people, "background": people.train[:20]},
    )
    for options in more:
        e = wb.explain(rule, people.test[:5].raw, "kernel_shap", **options)
        loaded = wb.Explanation.load(e.save(tmp_path / "e"))
        for again in (e.replay(rule), loaded.replay(rule)):
            np.testing.assert_array_equal(again.values, e.values)
            assert again.fingerprint == e.fingerprint
        np.testing.assert_array_equal(e[1:3].replay(rule).values, e.values[1:3])


def test_a_callable_is_given_numbers_where_numbers_came_in(people):
    e = wb.explain(lambda x: x[:, :2], people.test[:2], "feature_ablation", target=0, data=people)
    np.testing.assert_allclose(e.values[:, 0], people.test.x[:2, 0], rtol=1e-5)
    np.testing.assert_array_equal(e.values[:, 1:], 0)


@pytest.mark.parametrize("model", [DecisionTreeClassifier(max_depth=3), LogisticRegression(),
                                   make_pipeline(StandardScaler(), LogisticRegression())], ids=["tree", "linear", "pipeline"])  # fmt: skip
@pytest.mark.parametrize("method", BLACK)
def test_estimators_of_numbers_have_a_value_a_column(people, model, method):
    model.fit(people.train.x, people.train.y)
    e = ask(model, people.test[:3], method, data=people)
    assert e.values.shape == (3, 4)
    assert np.isfinite(e.values).all()


# what hiding a column means


def test_a_hidden_category_takes_the_share_of_each(people):
    weights = np.zeros((2, 8))
    weights[0, people.columns["job"]] = [3, -1, 2]
    e = wb.explain(linear(weights), people.test[:9], "feature_ablation", data=people, target=0)
    job = people.codec.columns[1]
    worth = dict(zip(job.categories, [3, -1, 2], strict=True))
    mean = sum(worth[c] * m for c, m in zip(job.categories, job.means, strict=True))
    np.testing.assert_allclose(
        e.values[:, 1], [worth[j] - mean for j in people.test[:9].raw["job"]], rtol=1e-4
    )
    np.testing.assert_array_equal(e.values[:, [0, 2, 3]], 0)


def test_ablation_of_a_line_is_its_shares_and_that_of_captum(clerk, people):
    import captum.attr

    mask = torch.tensor(people.codec.groups(people.test.x))
    x = torch.tensor(people.test.x[:6])
    theirs = captum.attr.FeatureAblation(clerk.model).attribute(x, target=1, feature_mask=mask).numpy()
    ours = wb.explain(clerk, people.test[:6], "feature_ablation", target=1).values
    first = [people.columns[name][0] for name in COLUMNS]
    np.testing.assert_allclose(ours, theirs[:, first], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["exact_shapley", "kernel_shap"])
def test_shapley_values_of_a_line_are_its_distance_to_the_background(people, method):
    weights, rows = np.random.default_rng(0).normal(size=(2, 8)), people.train.x[:25]
    e = wb.explain(linear(weights), people.test[:6], method, target=0, background=rows)
    parts = weights[0] * (people.test.x[:6] - rows.mean(0))
    expected = np.stack([parts[:, people.columns[name]].sum(1) for name in COLUMNS], 1)
    np.testing.assert_allclose(e.values, expected, rtol=1e-4, atol=1e-5)


def test_a_mask_may_number_the_columns(clerk, people):
    e = wb.explain(clerk, people.test[:5], "exact_shapley", feature_mask=[0, 1, 0, 1], data=people)
    encoded = wb.explain(
        clerk, people.test[:5], "exact_shapley", feature_mask=[0, 1, 1, 1, 0, 0, 1, 1], data=people
    )
    np.testing.assert_array_equal(e.values, encoded.values)
    assert e.n_forward == encoded.n_forward < wb.explain(clerk, people.test[:5], "exact_shapley").n_forward
    np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=1e-4)


def test_a_window_is_columns_side_by_side(clerk, people):
    e = wb.explain(clerk, people.test[:5], "occlusion", window=2, strides=2, target=0)
    pairs = wb.explain(clerk, people.test[:5], "feature_ablation", feature_mask=[0, 0, 1, 1], target=0)
    np.testing.assert_allclose(e.values[:, 0], e.values[:, 1])
    np.testing.assert_allclose(e.values[:, 0], pairs.values[:, :2].sum(1), rtol=1e-4, atol=1e-6)


def test_gradients_of_a_category_are_those_of_its_indicators(clerk, people):
    e = wb.explain(clerk, people.test[:4], "input_x_gradient", target=1)
    x = torch.tensor(people.test.x[:4], requires_grad=True)
    clerk.model(x)[:, 1].sum().backward()
    parts = (x.grad * x).detach().numpy()
    np.testing.assert_allclose(e.values[:, 1], parts[:, people.columns["job"]].sum(1), rtol=1e-4, atol=1e-6)


# groups


def test_columns_add_up_to_named_groups(clerk, people):
    e = wb.explain(clerk, people.test[:4], "kernel_shap", data=people)
    g = e.group({"person": ["age", "married"], "means": ["job"]})
    assert g.feature_names == ("person", "means", "debt")
    np.testing.assert_allclose(g.values[:, 0], e.values[:, 0] + e.values[:, 3], rtol=1e-5)
    np.testing.assert_allclose(g.values.sum(1), e.values.sum(1), atol=1e-5)
    np.testing.assert_array_equal(g.delta, e.delta)


@pytest.mark.parametrize(("by", "words"), [({"x": ["agee"]}, "no column 'agee'"), ("word", "by is 'word' for a table"),
                                           ({"x": ["age"], "y": ["age"]}, "named in two groups")], ids=str)  # fmt: skip
def test_groups_that_make_no_sense_are_refused(clerk, people, by, words):
    with pytest.raises(BadInput, match=words):
        wb.explain(clerk, people.test[:2], "feature_ablation", data=people).group(by)


# refusals


def test_rows_that_cannot_be_read_are_refused(unchanged, clerk, people):
    raw = people.test[:3].raw
    cases = {
        "no column 'job'": raw.drop(columns="job"),
        "'age' holds 'old' in row 1": raw.assign(age=["30", "old", "40"]),
        "'age' has a missing value in row 2": raw.assign(age=[30.0, 31.0, np.nan]),
    }
    for words, frame in cases.items():
        with unchanged(clerk.model), pytest.raises(BadInput, match=words):
            wb.explain(clerk, frame, "feature_ablation", data=people)
    with pytest.raises(BadInput, match=r"Rows with words were given without data.*Pass data="):
        wb.explain(clerk, raw, "feature_ablation")


def test_a_method_for_images_is_refused_with_those_that_can(clerk, people):
    with pytest.raises(NotExplainable, match=r"the input is a table, not images.*feature_ablation"):
        wb.explain(clerk, people.test[:2], "grad_cam")


def test_an_unknown_category_is_none_of_the_known_and_said(clerk, people):
    e = wb.explain(clerk, people.test[:2].raw.assign(job=["cook", "pilot"]), "feature_ablation", data=people)
    assert [row[1] for row in e.labels] == ["cook", "(other)"]
    assert "Values of job were not in training" in e.flags["unknown category"]
