"""What is found stands in the flags, and only then."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from attentive import Words
from nets import Function, ask, linear
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.data.columns import Columns
from workbench.data.tokenizer import Tokenizer
from workbench.explanation import checks
from workbench.explanation.registry import look_up
from workbench.int8.conversion import convert
from workbench.int8.dynamic import convert_dynamic

X = np.array([[1.0, 2.0, 4.0], [-1.0, 0.5, 3.0]], dtype=np.float32)
LINE = linear([[1.0, -2, 0.5], [3, 0, -1]])


def raw(function, x=X, method="integrated_gradients", **options):
    """Explain a function with one output."""
    return wb.explain(Function(function), x, method, output="raw", **options)


ELSEWHERE = {  # tested where they are found
    "layer used twice": "test_layers",
    "spaces": "test_door",
    "raw baseline": "test_door",
    "baseline": "test_texts",
    "another model": "test_every_method",
    "coarse": "test_hierarchies",
    "repaired": "test_repair",
    **dict.fromkeys(("interaction", "correlated columns"), "test_effects"),
    "no concept": "test_concepts",
    "incomplete": "test_shards",
    **dict.fromkeys(("scores", "over budget", "out of memory", "compute"), "test_calls"),
    "one output": "test_score",
}
ROOT = Path(checks.__file__).parents[2]


def documented(text, bar):
    """Read a table of flags and words, of reStructuredText or of markdown."""
    lines = [
        line.strip("| ").replace("|", " ")
        for line in text.splitlines()
        if line.startswith(bar) and "`[" not in line
    ]
    return {
        line.split("`")[1]: line.split("`")[2].split()[0]
        for line in (one.replace("``", "`") for one in lines)
    }


def raised(source):
    """List the flags that a source raises by name."""
    return re.findall(r"""flags\[["']([^"']+)["']\] = """, source)


def test_every_flag_is_documented_and_tested_here():
    assert documented(checks.__doc__, "``") == checks.RULE
    assert set(checks.RULE) - set(CASES) == set(ELSEWHERE)


def test_the_page_of_the_documentation_has_the_same_rule():
    page = (ROOT / "docs" / "checks.md").read_text("utf-8")
    assert documented(page, "| `") == checks.RULE
    changed = page.replace("| `gap` | caution |", "| `gap` | note |")
    assert documented(changed, "| `") != checks.RULE


def test_every_flag_that_is_raised_somewhere_has_a_word():
    assert raised('score.flags["made up"] = "x"') == ["made up"]
    sources = [path.read_text("utf-8") for path in (ROOT / "workbench" / "explanation").glob("*.py")]
    assert len({name for source in sources for name in raised(source)}) > 10
    assert sorted({name for source in sources for name in raised(source)} - set(checks.RULE)) == []


# one word

TRUTH = {
    (): "sound",
    ("twin", "shared draws"): "sound",
    ("gap",): "caution",
    ("twin", "poor fit"): "caution",
    ("a flag that nobody knows",): "caution",
    ("NaN",): "broken",
    ("gap", "sum missed"): "broken",
    ("drowned", "train mode"): "broken",
}


@pytest.mark.parametrize(("flags", "word"), TRUTH.items(), ids=str)
def test_the_worst_flag_decides(flags, word):
    e = replace(wb.explain(LINE, X, "saliency"), flags=dict.fromkeys(flags, "."))
    assert (e.soundness, checks.soundness(reversed(flags))) == (word, word)
    assert f"{checks.MARKS[word]} {word}" in repr(e) and f"{checks.MARKS[word]} {word}" in e._repr_html_()


@pytest.mark.parametrize("flag", checks.RULE)
def test_each_flag_alone_gives_its_word(flag):
    word = checks.RULE[flag]
    assert checks.soundness([flag]) == ("sound" if word == "note" else word)
    assert checks.deciding(["twin", flag]) == ([] if word == "note" else [flag])


def test_what_breaks_is_named_first():
    assert checks.deciding(["gap", "twin", "NaN", "noisy"]) == ["NaN", "gap", "noisy"]


def test_marks_are_ascii_and_differ():
    assert len(set(checks.MARKS.values())) == 3 == len(checks.WORDS)
    assert all(mark.isascii() for mark in checks.MARKS.values())


def test_each_word_is_reached_by_a_real_explanation():
    square = {steps: raw(lambda x: (x**4).sum(1), n_steps=steps) for steps in (1, 3, 30)}
    apart = raw(lambda x: torch.relu(x - 1.5).sum(1), x=np.array([[3.0, 0], [1, 1]], np.float32), n_steps=1)
    assert (square[1].soundness, apart.soundness, square[30].soundness) == ("broken", "caution", "sound")


def test_a_gap_in_half_of_the_rows_is_no_broken_promise():
    delta, difference = np.array([1.0, 1, 0, 0]), np.ones(4)
    assert list(checks.of_values(X, delta, difference)) == ["gap"]
    assert list(checks.of_values(X, np.array([1.0, 1, 1, 0]), difference)) == ["gap", "sum missed"]
    assert list(checks.of_values(X, np.full(4, 0.05), difference)) == []


# what a method measured of itself


def parity(share):
    """Return a function in which only all columns together count, but for a share of their sum."""
    return lambda x: torch.cos(np.pi * x.sum(1)) + share * x.sum(1)


def by_parity(share, method="kernel_shap", d=41, n_samples=1640):
    """Explain parity, of which no column alone has a share: the sum takes away what all together had."""
    net = Function(parity(share + 2 / d)).eval()
    return wb.explain(net, np.ones((1, d), np.float32), method, output="raw", n_samples=n_samples)


@pytest.mark.parametrize(("method", "mask"), [("kernel_shap", None), ("kernel_shap", np.arange(15) // 3 * 3)])
def test_the_error_is_held_against_the_groups_values(method, mask):
    space = SimpleNamespace(groups=torch.arange(15)[None] if mask is None else torch.tensor(mask)[None] // 3)
    entry, values = look_up(method), np.ones((2, 15))  # Groups of three are worth 3, and share it.
    typical = 1.0 if mask is None else 3.0
    assert checks.of_facts(values, {"error": 0.5 * typical}, entry, space) == {}
    assert list(checks.of_facts(values, {"error": 0.51 * typical}, entry, space)) == ["noisy"]
    assert list(checks.of_facts(values, {"error": 1.0 * typical}, entry, space)) == ["drowned"]


def test_what_has_no_groups_is_held_against_its_features():
    entry, space = look_up("smooth_grad"), SimpleNamespace(fixed=torch.tensor([[True, False], [True, False]]))
    values = np.array([[0.0, 1.0], [0.0, 1.0]])  # The fixed ones do not make it look small.
    assert checks.of_facts(values, {"error": 0.5}, entry, space) == {}
    assert list(checks.of_facts(values, {"error": 0.6}, entry, space)) == ["noisy"]


def test_one_value_that_stands_out_of_its_own_error_is_enough_for_a_whole_model():
    entry, errors = look_up("permutation_importance"), np.array([[0.1, 0.1, 0.1]])
    assert checks.of_facts(np.array([[0.2, 0, 0]]), {"error": errors}, entry, None) == {}
    assert list(checks.of_facts(np.array([[0.19, 0, 0]]), {"error": errors}, entry, None)) == ["noisy"]
    assert checks.of_facts(np.zeros((1, 3)), {"error": 0 * errors}, entry, None) == {}


@pytest.mark.parametrize(
    ("fit", "flagged"), [(0.5, False), (0.49, True), ([0.9, 0.2], True), ([0.9, 0.5], False), (None, False)]
)
def test_a_poor_fit_is_one_below_a_half(fit, flagged):
    found = checks.of_facts(np.ones((1, 2)), {} if fit is None else {"fit": fit}, look_up("lime"), None)
    assert ("poor fit" in found) == flagged
    assert "in 1 of 2 rows" in found["poor fit"] if flagged and np.ndim(fit) else True


def test_values_without_a_truth_are_drowned_and_the_same_ones_beside_a_large_truth_are_not():
    assert [by_parity(share).soundness for share in (0, 0.1, 1)] == ["broken", "caution", "sound"]
    drowned = by_parity(0)
    assert (
        0.8 < np.abs(drowned.values).mean() / drowned.settings["error"] * 1.25 < 1.25
    )  # .8 of a standard error


def test_a_good_fit_and_an_exact_result_are_sound():
    line = Function(lambda x: x @ torch.arange(1.0, 16)).eval()
    e = wb.explain(line, np.ones((1, 15), np.float32), "lime", output="raw", n_samples=400)
    assert (e.flags, e.soundness) == ({}, "sound") and e.settings["fit"] > 0.5
    exact = wb.explain(
        Function(parity(0.3)).eval(), np.array([[1.0, 2, 4]], np.float32), "exact_shapley", output="raw"
    )
    assert exact.soundness == "sound"


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
    "sum missed": [lambda: raw(lambda x: torch.exp(3 * x).sum(1), n_steps=1)],
    "drowned": [lambda: by_parity(0)],
    "noisy": [lambda: by_parity(0.1)],
    "poor fit": [lambda: by_parity(0, "lime")],
    "few samples": [lambda: _few_samples("kernel_shap"), lambda: _few_samples("lime"),
                    lambda: _few_samples("lime", background=np.eye(20)[:5])],
    "batch": [_dynamic],
    "unknown category": [_unknown_category],
    "cut off": [lambda: _of_words("a good good good film")],
    "unknown words": [lambda: _of_words("a fine film"), lambda: _of_words("good", "x y z")],
    "read otherwise": [lambda: wb.explain(Words(9, mean=True), np.array([[2, 3, 4], [2, 5, 0]]), "attention")],
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
