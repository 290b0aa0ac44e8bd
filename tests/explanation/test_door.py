"""The front door takes what it can and refuses the rest in words."""

import numpy as np
import pandas as pd
import pytest
import torch
from nets import OF_NETS, ask, linear
from sklearn.linear_model import LogisticRegression

import workbench as wb
from workbench.data.records import Split
from workbench.data.tokenizer import Tokenizer
from workbench.errors import BadInput

X = np.array([[1.0, 2.0], [3.0, -4.0]], dtype=np.float32)
NET = linear(np.eye(2))
VALUES = [[1, 0], [3, 0]]


# what is taken

INPUTS = {
    "float32": X,
    "float64": X.astype(float),
    "float16": X.astype(np.float16),
    "a tensor": torch.tensor(X),
    "a tensor with a gradient": torch.tensor(X, requires_grad=True),
    "a list": X.tolist(),
    "a column-major array": np.asfortranarray(X),
    "every other row": np.repeat(X, 2, axis=0)[::2],
    "a frame": pd.DataFrame(X),
}


@pytest.mark.parametrize("inputs", INPUTS.values(), ids=INPUTS)
def test_rows_may_come_in_many_forms(inputs):
    e = wb.explain(NET, inputs, "input_x_gradient", target=0)
    assert e.values.tolist() == VALUES
    assert e.inputs.dtype == np.float32
    assert e.row_ids.tolist() == [0, 1]


def test_a_split_gives_its_row_numbers_and_data_its_names(mlp, clouds):
    e = wb.explain(mlp, clouds.test[3:6], "saliency", data=clouds)
    assert e.row_ids.tolist() == clouds.test.row_ids[3:6].tolist()
    assert e.feature_names == clouds.feature_names
    assert e.class_names == ("red", "green", "blue")
    assert wb.explain(mlp, clouds.test[3:6], "saliency").class_names == ()


def test_the_same_rows_give_the_same_bits_however_they_lie(tiny, digits):
    split = digits.test[:4]
    forms = [split, split.x, split.x.copy(), torch.tensor(split.x), np.asfortranarray(split.x), list(split.x)]
    values = [wb.explain(tiny, form, "integrated_gradients", n_steps=4).values for form in forms]
    assert all(np.array_equal(values[0], other) for other in values)


def test_several_methods_give_a_dict():
    found = wb.explain(NET, X, ["saliency", "occlusion"], target=1, output="centred_logit")
    assert list(found) == ["saliency", "occlusion"]
    for method, e in found.items():
        alone = wb.explain(NET, X, method, target=1, output="centred_logit")
        np.testing.assert_array_equal(e.values, alone.values)
        assert e.method == method


def test_integrated_gradients_is_the_method_if_none_is_named():
    assert wb.explain(NET, X).method == "integrated_gradients"


def test_what_holds_a_model_is_taken(mlp, clouds):
    a, b = (wb.explain(model, clouds.test[:2]) for model in (mlp, mlp.model))
    np.testing.assert_array_equal(a.values, b.values)
    assert a.fingerprint == b.fingerprint


def test_settings_hold_what_was_asked_with_every_default_filled_in():
    e = wb.explain(NET, X, "kernel_shap", baselines=1.5, seed=3)
    assert e.settings["output"] == "logit"
    assert e.settings["seed"] == 3
    assert e.settings["baselines"] == 1.5
    assert wb.explain(NET, X).settings["n_steps"] == 50


def test_an_error_in_the_model_is_the_users_own(unchanged):
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise KeyboardInterrupt

    with unchanged(abs), pytest.raises(KeyboardInterrupt):
        wb.explain(Broken(), X, "saliency")


def test_a_step_of_training_may_explain_in_between(mlp, clouds):
    net, x = wb.build("mlp", clouds), torch.tensor(clouds.train.x[:8])
    net.train()
    loss = net(x).square().sum()
    wb.explain(net, clouds.test[:2], "saliency")
    loss.backward()
    assert all(p.grad is not None for p in net.parameters())


# what is refused

NAN, INF = X.copy(), X.copy()
NAN[1, 0], INF[0, 1] = np.nan, -np.inf
BAD = {
    "NaN": (NAN, "NaN or infinite values, first in row 1"),
    "infinity": (INF, "NaN or infinite values, first in row 0"),
    "whole numbers": (X.astype(int), "inputs has type int64.*floats.*divide pixels by 255"),
    "bytes": (X.astype(np.uint8), "inputs has type uint8"),
    "a tensor of whole numbers": (torch.ones(2, 2, dtype=torch.long), "inputs has type int64"),
    "truths": (X > 0, "inputs has type bool"),
    "words": ([["a", "b"]], "inputs has type <U1"),
    "nothing": (None, "inputs is None"),
    "no rows": (X[:0], r"shape \(0, 2\): an empty batch"),
    "no batch axis": (X[0], r"inputs has shape \(2,\)"),
    "no axis at all": (1.5, r"inputs has shape \(\)"),
    "an image without batch axis": (
        np.zeros((1, 28, 28)),
        r"shape \(1, 28, 28\).*\(n, channel, row, column\)",
    ),
}


@pytest.mark.parametrize(("inputs", "words"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("method", ["saliency", "occlusion"])
def test_inputs_that_make_no_sense_are_refused(unchanged, method, inputs, words):
    with unchanged(NET), pytest.raises(BadInput, match=words):
        wb.explain(NET, inputs, method)


@pytest.mark.parametrize("method", [m for m in OF_NETS if m != "weights"])
def test_an_image_without_its_batch_axis_is_refused_with_the_remedy(tiny, digits, method):
    with pytest.raises(BadInput, match=r"shape \(1, 28, 28\).*\(n, 1, 28, 28\).*inputs\[None\]"):
        ask(method, tiny, digits.test.x[0])


def test_images_of_another_size_are_refused_for_a_model_that_knows_its_own(tiny):
    with pytest.raises(BadInput, match=r"shape \(2, 1, 32, 32\).*\(n, 1, 28, 28\).*Reshape"):
        wb.explain(tiny, np.zeros((2, 1, 32, 32)), "saliency")


OPTIONS = {
    "a batch of nothing": ({"batch_size": 0}, "batch_size is 0"),
    "a negative batch": ({"batch_size": -4}, "batch_size is -4"),
    "half a batch": ({"batch_size": 2.5}, "batch_size is 2.5"),
    "no seed": ({"seed": None}, "seed is None"),
    "a word as seed": ({"seed": "x"}, "seed is 'x'"),
    "shared draws where none are": (
        {"shared_draws": True},
        "integrated_gradients was given shared_draws=True",
    ),
    "a baseline of another size": ({"baselines": [1.0, 2, 3]}, r"baselines has shape \(3,\)"),
    "a background of another size": ({"background": np.ones((4, 3))}, r"background has shape \(4, 3\)"),
    "no background": ({"background": np.ones((0, 2))}, r"background has shape \(0, 2\)"),
    "a baseline in words": ({"baselines": "mean"}, "baselines has shape"),
    "a baseline that is not a number": ({"baselines": np.nan}, "baselines holds NaN"),
}


@pytest.mark.parametrize(("options", "words"), OPTIONS.values(), ids=OPTIONS)
def test_options_that_make_no_sense_are_refused(unchanged, options, words):
    with unchanged(NET), pytest.raises(BadInput, match=words):
        wb.explain(NET, X, "integrated_gradients", **options)


# what reads raw rows, and what other classes


def test_an_estimator_of_other_classes_is_read_by_its_class_numbers(digits):
    rows = digits.train.y >= 5
    flat = digits.train.x.reshape(len(digits.train), -1)
    late = LogisticRegression(max_iter=50).fit(flat[rows], digits.train.y[rows])
    e = wb.explain(late, digits.test[:5], "feature_ablation")
    assert e.target.tolist() == late.predict(digits.test.x[:5].reshape(5, -1)).tolist()
    named = LogisticRegression(max_iter=50).fit(flat, np.array(["odd", "even"])[digits.train.y % 2])
    with pytest.raises(BadInput, match=r"The estimator's classes are .*even.*class numbers from 0"):
        wb.explain(named, digits.test[:5], "feature_ablation")


def test_a_text_pipeline_is_given_the_texts_of_a_split_as_they_were():
    seen = []

    class Reader:
        def predict(self, rows):
            return np.zeros(len(rows))

        def decision_function(self, rows):
            seen.extend(rows)
            return np.array([float(len(row) > 9) for row in rows])

    texts = np.array(["Smart, sassy!", "Odd  words, Xylophone", "so"], dtype=object)
    codec = Tokenizer.learned(["smart odd so"], min_count=1)
    ids = np.arange(3)
    split = Split(codec.encoded(texts), ids % 2, ids + 7, ids, texts=texts, codec=codec)
    e = wb.explain(Reader(), split, "feature_ablation")
    assert {*texts} <= {*seen} and "Odd words , Xylophone" in seen
    assert e.row_ids.tolist() == [7, 8, 9] and "unknown words" not in e.flags


def test_a_model_that_sees_spaces_is_flagged():
    def long(rows):
        return np.array([[len(row), 0.0] for row in rows])

    assert "spaces" in wb.explain(long, ["Hi, you (all)!"], "feature_ablation").flags


def test_a_series_of_texts_is_taken():
    def loud(rows):
        return np.array([[row.count("!"), 0.0] for row in rows])

    e = wb.explain(loud, pd.Series(["oh !", "oh"], index=[5, 9]), "feature_ablation", target=0)
    assert e.values[0].tolist() == [0, 0, 1]


def test_rows_without_data_say_what_their_baseline_is():
    frame = pd.DataFrame({"year": [1990.0, 2000.0], "gap": [1.0, np.nan]})

    def recent(rows):
        late = (rows["year"] > 1995).to_numpy(float) + rows["gap"].isna()
        return np.column_stack([late, 1 - late])

    e = wb.explain(recent, frame, "feature_ablation", target=0)
    assert "raw baseline" in e.flags and e.output.tolist() == [0, 2]


def test_frames_and_texts_for_the_wrong_data_are_refused(digits):
    codec = Tokenizer.learned(["smart odd so"], min_count=1)
    rows = np.arange(4)
    split = Split(codec.encoded(["odd so"] * 4), rows % 2, rows, rows)
    data = wb.Data("t", "text", split, split, split, (), ("0", "1"), codec=codec)
    with pytest.raises(BadInput, match=r"A data frame was given with data of texts.*its column"):
        wb.explain(NET, pd.DataFrame({"text": ["odd"]}), "saliency", data=data)
    table = wb.from_arrays(np.random.default_rng(0).normal(size=(30, 2)), np.arange(30) % 2)
    with pytest.raises(BadInput, match="Texts were given with data of kind 'table'"):
        wb.explain(NET, ["odd"], "saliency", data=table)
