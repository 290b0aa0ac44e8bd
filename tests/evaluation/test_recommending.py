"""A recommendation on models whose truth is known, and what it says of itself."""

import types

import numpy as np
import pandas as pd
import pytest
import smalldata
import torch
from nets import linear

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.evaluation.recommending import CHEAP
from workbench.explanation import registry
from workbench.explanation.registry import table
from workbench.state import generator

W = np.array([[0.0] * 8, [2.0, -1.5, 1.0, -0.8, 0.5, -0.3, 0.1, 0.0]], dtype=np.float32)
EXACT = ("exact_shapley", "feature_ablation", "input_x_gradient", "integrated_gradients", "occlusion")


@pytest.fixture(scope="module")
def points():
    """Rows in eight columns, whose classes a line of known weights tells apart."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 8)).astype(np.float32)
    return wb.from_arrays(x, (x @ W[1] > 0).astype(int))


@pytest.fixture
def own_methods(monkeypatch):
    """A table of methods that forgets what a test adds."""
    monkeypatch.setattr(registry, "_METHODS", dict(table()))


@pytest.fixture
def random_method(own_methods):
    @wb.method("dice", needs={"batch"}, signed=True, estimand="nothing", paper="none")
    def dice(score, inputs, *, seed=0):
        return torch.stack(
            [torch.randn(inputs.x.shape[1:], generator=generator(seed, i)) for i in range(inputs.n)]
        )

    return "dice"


def recommended(model, data, *methods, n=24, **options):
    return wb.recommend(model, data, methods=methods or None, n=n, verbose=False, **options)


# where the truth is known


def test_exact_methods_of_a_linear_model_are_tied_above_the_floor_and_dice_are_not(points, random_method):
    found = recommended(linear(W), points, *EXACT, random_method, n=60)
    table = found.table()
    assert {*table.index[table["rank"] == 1]} == {*EXACT}
    assert (table.loc[[*EXACT], "low"] > 0.02).all()
    assert (
        np.isnan(table.loc[random_method, "rank"])
        and table.loc[random_method, "standing"] == "not above the floor"
    )
    assert table.loc[random_method, "high"] < 0
    assert table.index[-1] == random_method


def test_no_map_deletes_better_than_the_exact_one_of_a_linear_model(points, random_method):
    found = recommended(linear(W), points, "input_x_gradient", "saliency", random_method, n=60)
    scores = {trial.method: trial.scores for trial in found.trials}
    for name in ("saliency", random_method):
        assert (scores["input_x_gradient"]["deletion"] <= scores[name]["deletion"] + 1e-6).all()
    assert (scores["input_x_gradient"]["deletion"] <= found.ranking.floors["deletion"][1] + 1e-6).all()


def test_of_those_tied_the_cheapest_is_taken(points):
    found = recommended(linear(W), points, *EXACT)
    cost = found.table()["evaluations"]
    assert found.best == "input_x_gradient" == cost.idxmin()
    assert found.sentence.startswith("input_x_gradient is recommended: on 24 rows its maps are .")
    assert "these rows do not tell it from feature_ablation, occlusion" in found.sentence


def test_where_nothing_is_above_the_floor_none_is_recommended(points, random_method):
    found = recommended(linear(W), points, random_method)
    assert found.best is None
    assert found.sentence == "No method is above the floor on 24 rows: none is recommended."
    assert "No method" in found.plot().axes[0].get_title("left")


def test_a_steady_method_is_more_stable_than_dice(points, random_method):
    stability = recommended(linear(W), points, "integrated_gradients", random_method).table()["stability"]
    assert stability["integrated_gradients"] > 0.8 > 0.3 > abs(stability[random_method])


def test_what_a_method_promises_is_measured(points):
    table = recommended(linear(W), points, "integrated_gradients", "kernel_shap", "lime", "saliency").table()
    assert table.loc["integrated_gradients", "gap"] < 1e-3 and np.isnan(table.loc["saliency", "gap"])
    assert table.loc["lime", "fit"] > 0.9 and np.isnan(table.loc["kernel_shap", "fit"])
    assert (table.loc[["kernel_shap", "lime"], "error"] >= 0).all()
    assert table.loc["lime", "evaluations"] == pytest.approx(300, abs=5) and (table["seconds"] > 0).all()
    assert table.loc["lime", "settings"] == "n_samples=300" and table.loc["saliency", "settings"] == ""


# any kind of input and model


def test_texts_tables_images_estimators_and_callables_are_taken(points, lenet, digits):
    words, sheet = smalldata.texts(), smalldata.table()
    reader = wb.build("lstm_attention", words, embedding=4, hidden=6)
    cases = [
        (lenet, digits, "occlusion"),
        (wb.fit(wb.build("logistic", words), words), words, "feature_ablation"),
        (reader, words, "attention"),
        (wb.fit(wb.build("tree", sheet), sheet), sheet, "decision_path"),
        (lambda x: x @ W.T, points, "feature_ablation"),
    ]
    for model, data, method in cases:
        row = recommended(model, data, method, n=8).table().loc[method]
        assert (
            row["reason"] == ""
            and np.isfinite(row[["gain", "low", "high", "stability", "evaluations"]].astype(float)).all()
        )


def test_a_model_of_one_number_is_judged_on_it(points):
    three = wb.from_arrays(points.train.x, np.arange(len(points.train)) % 3)
    found = recommended(torch.nn.Sequential(linear(W[1:])), three, "input_x_gradient")
    assert found.unit == "output" and "in output" in found.sentence
    assert recommended(linear(W[1:]), points, "input_x_gradient").unit == "probability"


def test_every_method_of_the_table_has_a_line(points):
    found = recommended(lambda x: x @ W.T, points, n=4)
    lines = found.table()
    assert {*lines.index} == {*table()}
    assert lines.loc["saliency", "reason"] == "a callable has no gradient"
    assert lines.loc["weights", "reason"] == "it explains the model, not rows"
    assert lines.loc["prototypes", "reason"] == "it gives no attributions of features"
    unmeasured = lines[lines["standing"] == "not measured"]
    assert (unmeasured["reason"].str.len() > 10).all()
    assert unmeasured[["rank", "gain", "evaluations"]].isna().all().all()


def test_settings_are_cheaper_than_the_defaults_and_belong_to_methods():
    for name, options in CHEAP.items():
        defaults = table()[name].options
        for option, value in options.items():
            if option not in ("background", "output"):
                assert 0 < value < defaults[option], (name, option)


# what goes wrong is said in its line


def test_an_error_of_one_method_is_said_in_its_line_and_stops_no_other(points, own_methods):
    @wb.method("failing", needs={"batch"}, signed=True, estimand="nothing", paper="none")
    def failing(score, inputs):
        raise ZeroDivisionError("made to fail")

    @wb.method("empty", needs={"batch"}, signed=True, estimand="nothing", paper="none")
    def empty(score, inputs):
        return inputs.x * torch.nan

    lines = recommended(linear(W), points, "failing", "empty", "occlusion").table()
    assert lines.loc["failing", "reason"] == "ZeroDivisionError: made to fail"
    assert lines.loc["empty", "reason"].startswith(
        "The values hold NaN or infinite numbers. Expected: finite"
    )
    assert lines.loc["occlusion", "standing"] == "recommended"


def test_a_broken_result_is_named_as_such_and_not_ranked(points, own_methods):
    @wb.method("lying", needs={"batch"}, signed=True, complete=True, estimand="nothing", paper="none")
    def lying(score, inputs):
        return 3 * inputs.x * torch.as_tensor(W[1])

    lines = recommended(linear(W), points, "lying", "occlusion").table()
    assert lines.loc["lying", ["standing", "checks"]].tolist() == ["broken", "broken"]
    assert "are not what they say they are" in lines.loc["lying", "reason"] and np.isnan(
        lines.loc["lying", "rank"]
    )


def test_an_interrupt_keeps_what_was_measured(points, own_methods):
    @wb.method("stopped", needs={"batch"}, signed=True, estimand="nothing", paper="none")
    def stopped(score, inputs):
        raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted before all methods were tried. 1 of 3 were"):
        found = recommended(linear(W), points, "occlusion", "stopped", "saliency")
    assert found.best == "occlusion" and "It was interrupted" in found.sentence
    assert found.table().loc[["stopped", "saliency"], "reason"].eq(found.flags["interrupted"]).all()


def test_a_budget_that_is_spent_is_said(points):
    with pytest.warns(UserWarning, match="budget was spent before all methods were tried. 1 of 2 were"):
        found = recommended(linear(W), points, "occlusion", "saliency", budget=1)
    assert found.best == "occlusion" and "The budget was spent" in found.sentence
    with pytest.raises(BadInput, match="budget is 'much'"):
        recommended(linear(W), points, budget="much")


def test_wrong_arguments_are_refused(points):
    for words, model, data, options in [
        ("data is a Split", linear(W), points.test, {}),
        ("n is 1", linear(W), points, {"n": 1}),
        ("feedback is a dict without ratings", linear(W), points, {"feedback": {}}),
    ]:
        with pytest.raises(BadInput, match=words):
            wb.recommend(model, data, verbose=False, **options)
    with pytest.raises(UnknownName, match="Did you mean 'saliency'"):
        recommended(linear(W), points, "salency")


# people


def test_ratings_stand_in_a_column_of_their_own_and_change_nothing_else(points):
    rated = pd.DataFrame({"method": ["saliency", "saliency", "occlusion", None], "rating": [5, 4, np.nan, 1]})
    store = types.SimpleNamespace(table=lambda: rated)
    without, with_them = (
        recommended(linear(W), points, "saliency", "occlusion", feedback=f).table() for f in (None, store)
    )
    assert without["ratings"].tolist() == ["no ratings yet"] * 2
    assert with_them["ratings"].to_dict() == {"saliency": "4.5 (n = 2)", "occlusion": "no ratings yet"}
    same = ["rank", "standing", "gain", "low", "high", "stability"]
    pd.testing.assert_frame_equal(without[same], with_them[same])


# the record


def test_the_same_seed_gives_the_same_order_and_numbers(points, random_method):
    a, b = (recommended(linear(W), points, "lime", random_method, seed=3).table() for _ in "ab")
    pd.testing.assert_frame_equal(a.drop(columns="seconds"), b.drop(columns="seconds"))


def test_options_can_be_given_with_the_names(points):
    found = wb.recommend(linear(W), points, methods={"lime": {"n_samples": 90}}, n=6, verbose=False)
    assert found.table().loc["lime", "settings"] == "n_samples=90"


def test_the_model_comes_back_as_it_was(unchanged, lenet, digits):
    with unchanged(lenet.model):
        recommended(lenet, digits, "grad_cam", "smooth_grad", n=4)
