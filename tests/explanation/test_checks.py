"""What is found stands in the flags, and only then."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from nets import Function, ask, linear
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.data.columns import Columns
from workbench.data.tokenizer import Tokenizer
from workbench.explanation import checks
from workbench.int8.conversion import convert
from workbench.int8.dynamic import convert_dynamic

X = np.array([[1.0, 2.0, 4.0], [-1.0, 0.5, 3.0]], dtype=np.float32)
LINE = linear([[1.0, -2, 0.5], [3, 0, -1]])


def raw(function, x=X, method="integrated_gradients", **options):
    """Explain a function with one output."""
    return wb.explain(Function(function), x, method, output="raw", **options)


def test_every_flag_is_documented_and_tested_here(lenet, digits):
    documented = [line.split("``")[1] for line in checks.__doc__.splitlines() if line.startswith("``")]
    assert set(documented) >= set(CASES)
    elsewhere = {"layer used twice", "interaction", "correlated columns", "no concept"}
    assert set(documented) - set(CASES) == elsewhere  # in test_layers, test_effects and test_concepts


def _train_mode():
    return wb.explain(linear([[1.0, -2, 0.5], [3, 0, -1]]).train(), X, "saliency")


def _one_part_in_train_mode():
    net = torch.nn.Sequential(linear([[1.0, -2, 0.5], [3, 0, -1]]), torch.nn.Dropout()).eval()
    net[1].train()
    return wb.explain(net, X, "saliency")


def _twin():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    return wb.explain(convert(net, torch.rand(50, 3)), X, "saliency")


def _tree():
    return wb.explain(DecisionTreeClassifier().fit(X, [0, 1]), X, "occlusion")


def _few_samples(method, **options):
    return raw(lambda x: x.sum(1), np.ones((1, 20), np.float32), method, n_samples=100, **options)


def _dynamic():
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)).eval()
    return wb.explain(convert_dynamic(net), X, "occlusion")


VOCABULARY = Tokenizer.learned(["a good film"], min_count=1)


def _of_words(*texts):
    net = torch.nn.Sequential(torch.nn.Embedding(6, 2), Function(lambda x: x.sum(1))).eval()
    data = SimpleNamespace(codec=VOCABULARY, class_names=(), feature_names=())
    return wb.explain(net, list(texts), "occlusion", data=data)


def _unknown_category():
    codec = Columns.learned(pd.DataFrame({"job": ["cook", "smith"], "age": [3.0, 4.0]}))
    rows = pd.DataFrame({"job": ["cook", "pilot"], "age": [3.0, 5.0]})
    data = SimpleNamespace(codec=codec, class_names=(), feature_names=codec.names)
    return wb.explain(linear(np.eye(3)), rows, "occlusion", data=data)


CASES = {
    "few samples": [lambda: _few_samples("kernel_shap"), lambda: _few_samples("lime"),
                    lambda: _few_samples("lime", background=np.eye(20)[:5])],
    "batch": [_dynamic],
    "unknown category": [_unknown_category],
    "cut off": [lambda: _of_words("a good good good film")],
    "unknown words": [lambda: _of_words("a fine film"), lambda: _of_words("good", "x y z")],
    "train mode": [_train_mode, _one_part_in_train_mode],
    "NaN": [lambda: raw(lambda x: (x - 1).clamp(min=0).sqrt().sum(1), method="saliency", x=np.ones((2, 3), np.float32))],
    "constant map": [lambda: raw(lambda x: x.sum(1) * 0, method="saliency"), lambda: wb.explain(LINE, X * 0, "input_x_gradient")],
    "gap": [lambda: raw(lambda x: torch.exp(3 * x).sum(1), n_steps=1), lambda: raw(lambda x: (x > 0.3).float().sum(1) + 0 * x.sum(1))],
    "twin": [_twin],
    "saturated": [lambda: wb.explain(LINE, 20 * X, "saliency", output="probability")],
    "log-probabilities": [_tree],
    "probabilities": [lambda: wb.explain(Function(lambda x: x.softmax(1)), X, "saliency")],
    "shared draws": [lambda: ask("lime", LINE, X, feature_mask=None), lambda: raw(lambda x: x.sum(1), np.ones((2, 20), np.float32), "kernel_shap")],
}  # fmt: skip


@pytest.mark.parametrize(("flag", "make"), [(flag, make) for flag, makes in CASES.items() for make in makes])
def test_what_is_wrong_is_flagged(flag, make):
    sentence = make().flags[flag]
    assert sentence.endswith(".")
    assert len(sentence) > 20


@pytest.mark.parametrize(
    "method",
    ["saliency", "input_x_gradient", "integrated_gradients", "smooth_grad", "occlusion", "exact_shapley"],
)
def test_where_nothing_is_wrong_nothing_is_flagged(method):
    assert wb.explain(LINE, X, method).flags == {}


@pytest.mark.parametrize("output", ["probability", "log_prob"])
def test_only_a_saturated_softmax_is_flagged(output):
    assert (
        "50%"
        in wb.explain(linear(np.eye(2)), [[20.0, 0], [1, 0]], "occlusion", output=output).flags["saturated"]
    )
    assert "saturated" not in wb.explain(linear(np.eye(2)), [[20.0, 0], [1, 0]], "occlusion").flags
    assert (
        "saturated" not in wb.explain(linear(np.eye(2)), [[2.0, 0], [1, 0]], "occlusion", output=output).flags
    )


def test_rows_that_are_flagged_are_counted():
    x = np.array([[0.0, 0, 0], [1, 2, 3], [0, 0, 0]], dtype=np.float32)
    assert "In 2 of 3 rows" in wb.explain(LINE, x, "input_x_gradient").flags["constant map"]
    net = Function(lambda x: x[:, :1].sqrt() @ torch.ones(1, 2))
    assert "2 of 3 rows" in wb.explain(net, x, "saliency").flags["NaN"]


def test_words_that_are_known_and_texts_that_fit_are_not_flagged():
    assert _of_words("a good film", "film").flags == {}
    assert "2 of 3 words" in _of_words("a x y").flags["unknown words"]
    assert _of_words("a good film", "a good", "a film", "a good x").flags == {}  # one of ten


def test_a_gap_of_one_row_is_said_with_its_size():
    e = raw(lambda x: torch.relu(x - 1.5).sum(1), x=np.array([[3.0, 0], [1, 1]], dtype=np.float32), n_steps=1)
    assert "In 1 of 2 rows" in e.flags["gap"]
    assert f"{np.abs(e.delta).max():.3g}" in e.flags["gap"]


def test_a_small_gap_is_not_flagged():
    e = raw(lambda x: torch.sin(x).sum(1), n_steps=50)
    assert 0 < np.abs(e.delta).max() < 0.05 * np.abs(e.output - e.base_values).min()
    assert "gap" not in e.flags


def test_one_row_shares_its_draws_with_nobody():
    assert "shared draws" not in wb.explain(LINE, X[:1], "lime").flags


def test_scores_from_zero_to_one_that_do_not_sum_to_one_are_no_probabilities():
    assert "probabilities" not in wb.explain(Function(torch.sigmoid), X, "saliency").flags


def test_the_twin_stands_for_an_int8_model_only_where_a_gradient_is_needed(lenet, digits, images):
    int8 = convert(lenet.model, torch.tensor(digits.train.x[:200]))
    twin = wb.twin(int8)
    for method in ("saliency", "integrated_gradients", "grad_cam"):
        e = ask(method, int8, images)
        assert "bit-equal on all" in e.flags["twin"]
        np.testing.assert_array_equal(e.values, ask(method, twin, images).values)
    with torch.no_grad():
        real = int8(torch.tensor(images)).numpy()
    np.testing.assert_array_equal(e.output, real.max(1))
    for method in ("occlusion", "kernel_shap", "lime"):
        assert "twin" not in ask(method, int8, images).flags
