"""``compare``: who is asked what, with which controls, and what is refused before anything is trained."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName
from workbench.evaluation import comparing

FAST = {"occlusion": {"window": 7, "strides": 7}}


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(train=400, valid=40, test=120)


@pytest.fixture(scope="module")
def small(trained, few):
    return trained("mlp", few, sizes={"hidden": [16]}, epochs=4, lr=3e-3, seed=0)


@pytest.fixture(scope="module")
def others(trained, few):
    return [trained("mlp", few, sizes={"hidden": [16]}, epochs=4, lr=3e-3, seed=seed) for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def narrow(trained, few):
    return trained("lenet5", few, sizes={"channels": [4, 6], "hidden": 20}, epochs=4, lr=3e-3, seed=0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    return tmp_path / "references"


def compared(before, after, data, **options):
    settings = {"methods": FAST, "references": 0, "n": 20, "verbose": False}
    return wb.compare(before, after, data, **(settings | options))


class Shifted(nn.Module):
    """A model with a constant and a function of the input added to all logits: the same answers and softmax."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x) + 3 * x.flatten(1).sum(1, keepdim=True).sin() - 7


# what is measured


def test_a_model_is_wholly_like_itself(small, few):
    c = compared(small, small, few)
    columns = c.of("occlusion")
    assert (columns["compressed"] == 1).all() and (columns["self"] == 1).all()
    assert (c.of("occlusion", "mass_moved")["compressed"] == 0).all()
    assert all(kept["compressed"].all() for kept in c.kept.values())


def test_what_is_added_to_all_logits_changes_nothing(small, few):
    c = compared(small, Shifted(small.model), few)
    assert c.of("occlusion")["compressed"] == pytest.approx(np.ones((1, 20)), abs=1e-4)
    assert c.kept["noisy"]["compressed"].all()


def test_on_raw_logits_it_would_change_everything(small, few):
    c = compared(small, Shifted(small.model), few, output="logit")
    assert c.of("occlusion")["compressed"].mean() < 0.9


def test_similarities_are_those_of_two_explanations_of_the_originals_class(small, others, few):
    c = compared(small, others[0], few)
    settings = {"output": "centred_logit", "target": c.rows["target"], **FAST["occlusion"]}
    a, b = (wb.explain(net, few.test[:20], "occlusion", **settings) for net in (small, others[0]))
    for name in ("cosine", "topk_iou", "mass_moved"):
        assert c.of("occlusion", name)["compressed"][0] == pytest.approx(
            wb.similarity(a, b, metrics=(name,))[name]
        )
    with torch.no_grad():
        answers = small.model(torch.tensor(few.test.x[:20])).argmax(1).numpy()
    assert np.array_equal(c.rows["target"], answers) and np.array_equal(c.answers["original"], answers)
    assert np.array_equal(c.maps["original"], a.map) and np.array_equal(c.maps["compressed"], b.map)


def test_answers_are_counted_on_all_test_rows(small, others, few):
    c = compared(small, others[0], few)
    with torch.no_grad():
        a, b = (net.model(torch.tensor(few.test.x)).argmax(1).numpy() for net in (small, others[0]))
    assert np.array_equal(c.kept["clean"]["compressed"][0], a == b)
    assert np.array_equal(c.right["original"][0], a == few.test.y)
    assert c.kept["masked"]["compressed"].shape == (1, 120) and c.n == 20


def test_every_column_has_a_row_a_run(small, others, few):
    c = compared(small, small, few, references=others, sham=others[0])
    runs = {"self": 1, "sham": 1, "compressed": 1, "references": 3, "randomized": 1}
    for columns in c.similarities.values():
        assert {name: values.shape for name, values in columns.items()} == {
            k: (v, 20) for k, v in runs.items()
        }
    assert c.right["references"].shape == (3, 120) and c.facts["references"] == 3
    assert list(c.maps) == ["original", "compressed", "trained on", "another run"]


def test_a_method_with_draws_has_a_noise_of_its_own(small, few):
    noise = {"n_samples": 4, "stdev": 0.5}
    c = compared(small, small, few, n=6, methods={**FAST, "smooth_grad": noise, "saliency": {"noise": noise}})
    for method in ("smooth_grad", "saliency"):
        own = c.of(method)["self"]
        assert own.mean() < 1 and np.array_equal(c.of(method)["compressed"], own)
    assert (c.of("occlusion")["self"] == 1).all()


def test_the_same_seed_gives_the_same_numbers(small, others, few):
    a, b, other = (compared(small, others[0], few, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(a.kept["noisy"]["compressed"], b.kept["noisy"]["compressed"])
    assert not np.array_equal(a.kept["noisy"]["randomized"], other.kept["noisy"]["randomized"])
    assert a.table().equals(b.table())


def test_merit_is_that_of_evaluate_on_the_first_rows(small, others, few):
    c = compared(small, others[0], few)
    found, floor = c.merit["compressed"]["deletion"]
    settings = {"target": c.rows["target"], "output": "centred_logit", **FAST["occlusion"]}
    e = wb.explain(others[0], few.test[:20], "occlusion", **settings)[: len(found)]
    scores = wb.evaluate(e, others[0], ("deletion",), data=few)
    assert found == pytest.approx(scores["deletion"])
    assert floor == pytest.approx(scores.columns["deletion"].floor)
    assert set(c.merit) == {"original", "compressed"}


def test_neither_model_is_changed(small, narrow, few, unchanged):
    with unchanged(small.model), unchanged(narrow.model):
        compared(small, narrow, few)


# which methods


def test_by_default_every_method_that_can_is_used(narrow, few):
    c = compared(narrow, narrow, few, methods=None, n=4)
    assert list(c.facts["methods"]) == [
        "occlusion",
        "occlusion:runner_up",
        "integrated_gradients",
        "grad_cam",
    ]
    assert c.facts["methods"]["grad_cam"]["relu"] is False and not any(
        "explain" in note for note in c.facts["skipped"]
    )


def test_what_cannot_explain_them_is_left_out_and_said(small, few):
    c = compared(small, small, few, methods=None, n=4)
    assert list(c.facts["methods"]) == ["occlusion", "occlusion:runner_up", "integrated_gradients"]
    assert any(
        "grad_cam cannot explain this model: the model has no convolution" in n for n in c.facts["skipped"]
    )


def test_a_reference_of_another_kind_counts_too(narrow, small, few):
    c = compared(narrow, narrow, few, methods=None, n=4, references=[small])
    assert "grad_cam" not in c.facts["methods"] and any("grad_cam" in note for note in c.facts["skipped"])


def test_estimators_are_compared_by_hiding_parts(few):
    tree, other = (wb.fit(wb.build("tree", few, max_depth=depth), few) for depth in (6, 3))
    c = compared(tree, other, few, methods=None, references=1, n=10)
    assert list(c.facts["methods"]) == ["occlusion", "occlusion:runner_up"] and c.facts["references"] == 1
    assert sum("has no gradient" in note for note in c.facts["skipped"]) == 2
    assert c.verdict.word == "cannot tell" and c.rows["x"].shape == (10, 1, 28, 28)


def test_a_table_is_compared_column_by_column():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5))
    data = wb.from_arrays(x, (x[:, 0] > 0).astype(int))
    glass = wb.fit(wb.build("logistic", data), data)
    c = wb.compare(
        glass, wb.fit(wb.build("tree", data, max_depth=2), data), data, references=1, n=40, verbose=False
    )
    assert c.maps["original"].shape == (40, 5) and c.index("feature_ablation").reason.startswith("no room")
    assert c.of("feature_ablation")["references"] == pytest.approx(np.ones((1, 40)))


def test_the_primary_method_is_always_there_and_first(small, few):
    c = compared(small, small, few, methods=["saliency"], n=2)
    assert (
        list(c.facts["methods"]) == ["occlusion", "occlusion:runner_up", "saliency"]
        and c.facts["primary"] == "occlusion"
    )
    assert c.facts["methods"]["saliency"]["abs"] is False


# which controls


def test_references_come_from_the_recipe_and_a_cache(small, few, cache):
    c = compared(small, small, few, references=2)
    assert c.facts["references"] == 2 and len(list(cache.iterdir())) == 2
    next(cache.iterdir()).write_bytes(b"damaged")
    assert compared(small, small, few, references=2).table().equals(c.table())


def test_a_plain_module_has_no_index_and_no_verdict_and_both_say_why(small, few):
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    c = compared(net, net, few, references=5)
    index = c.index("occlusion")
    assert np.isnan(index.value) and "give a list of models" in index.reason
    assert c.verdict.word == "cannot tell" and "references=[models]" in c.verdict.doubt
    assert any("There is no sham" in note for note in c.facts["notes"])


def test_int8_models_are_explained_themselves_and_gradients_through_the_twin(narrow, few):
    c = compared(
        narrow, wb.quantize(narrow, data=few), few, n=5, methods={**FAST, "grad_cam": {"relu": False}}
    )
    assert c.facts["int8"] and c.facts["twin"].keys() == {"grad_cam"} and c.facts["real_artifact"]
    assert c.facts["steps"][0]["what"] == "quantize" and c.facts["report"]["agreement"] > 0.9
    assert c.facts["sham"] and (c.of("grad_cam")["sham"] == 1).all()


def test_groups_are_the_classes_or_what_is_given(small, few):
    assert compared(small, small, few).facts["labels"] == [str(c) for c in few.test.y]
    c = compared(small, small, few, groups=["a", "b"] * 60)
    assert c.by_group()["group"].tolist() == ["a", "b"] and c.facts["groups"] == "group"


def test_more_rows_than_there_are_is_all_of_them(small, few):
    assert compared(small, small, few, n=10_000).n == 120


# refusals


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": 5.0}, "n is 5.0"),
        ({"references": -1}, "references is -1"),
        ({"groups": ["a"] * 7}, "groups has 7 labels for 120 test rows"),
        ({"margin": 2}, "margin is 2"),
        ({"margin": "high"}, "margin is 'high'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(small, few, options, words):
    with pytest.raises(BadInput) as error:
        compared(small, small, few, **options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"output": "logits"}, "Did you mean 'logit'"),
        ({"methods": ["oclusion"]}, "Did you mean 'occlusion'"),
    ],
)
def test_an_unknown_word_lists_the_known_ones(small, few, options, words):
    with pytest.raises(UnknownName) as error:
        compared(small, small, few, **options)
    assert words in str(error.value)


def test_data_of_another_kind_are_refused(small, few):
    with pytest.raises(BadInput, match="data is a Split"):
        compared(small, small, few.test)


def test_models_that_do_not_fit_the_data_are_refused(few):
    net = nn.Sequential(nn.Flatten(), nn.Linear(9, 10))
    with pytest.raises((BadInput, RuntimeError)):
        compared(net, net, few)


def test_a_method_that_was_asked_for_and_cannot_is_refused_before_anything_is_trained(
    small, few, monkeypatch
):
    monkeypatch.setattr(comparing, "assemble", lambda *_: pytest.fail("controls were trained"))
    with pytest.raises(NotExplainable, match="grad_cam"):
        compared(small, small, few, methods=["grad_cam"])


def test_other_data_have_no_references(small, few):
    c = compared(small, small, replace(few, test=few.test[:50]), references=2)
    assert c.facts["references"] == 0 and any("names other data" in note for note in c.facts["notes"])


def test_windows_do_not_overlap_on_large_images():
    rng = np.random.default_rng(0)
    data = wb.from_arrays(rng.random((30, 1, 42, 44)), np.arange(30) % 2)
    net = wb.build("mlp", data)
    c = compared(net, net, data, methods=None, n=2, references=0)
    assert c.facts["methods"]["occlusion"] == {"window": [6, 6], "strides": [6, 6]}
