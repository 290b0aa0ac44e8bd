"""A small tree stands for a model, and says how often the two agree."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.shares import effective_size
from workbench.explanation.global_surrogates import _held_out, _worth


def test_a_rule_is_found_and_printed(people):
    def rule(frame):
        late = (frame["job"] != "cook") & (frame["age"] > 40)
        return np.stack([late, ~late], 1).astype(float)

    # A model that reads frames is told by the names of what it was fitted on.
    model = type("Rule", (), {"feature_names_in_": np.array(people.feature_names), "predict": None,
                              "decision_function": staticmethod(lambda frame: rule(frame)[:, 1] - 0.5)})()  # fmt: skip
    e = wb.explain(model, people.train, "surrogate_tree", max_depth=2, data=people)
    assert e.settings["fidelity"] == 1
    (late,) = (set(rule["if"].split(" and ")) for rule in e.settings["rules"] if rule["class"] == 0)
    assert late in ({"job is not cook", "age > 40.5"}, {"job is not cook", "age > 41"})
    lines = str(e).splitlines()
    assert lines[0] == repr(e)
    assert any(
        line.startswith("if ") and "job is not cook" in line and ": late (100 % of " in line for line in lines
    )
    assert lines[-1].startswith(
        "It answers like the model on 100 % of 60 held-out rows (95 % interval 94 % to 100 %)"
    )
    assert set(e.top(2)["feature"]) == {"job", "age"}
    np.testing.assert_allclose(e.values.sum(), 1, rtol=1e-5)


def test_the_fidelity_is_that_on_rows_that_the_tree_has_not_seen(clerk, people):
    e = wb.explain(clerk, people.train, "surrogate_tree", data=people)
    assert e.settings["held_out"] == 60
    assert sum(rule["n"] for rule in e.settings["rules"]) == 140
    s = e.settings
    assert 0 <= s["fidelity_low"] < s["fidelity"] < s["fidelity_high"] <= 1
    assert s["fidelity"] > s["floor"] + 0.1
    alone = wb.explain(
        lambda x: np.random.default_rng(0).random((len(x), 2)), people.train, "surrogate_tree", data=people
    )
    assert (
        alone.settings["fidelity"] < 0.75
    )  # Noise cannot be learned: a tree scored on its own rows would do better.


def test_the_interval_is_wilsons(clerk, people):
    from scipy.stats import binomtest

    e = wb.explain(clerk, people.train, "surrogate_tree", max_depth=1)
    n = e.settings["held_out"]
    theirs = binomtest(round(e.settings["fidelity"] * n), n).proportion_ci(method="wilson")
    assert (e.settings["fidelity_low"], e.settings["fidelity_high"]) == pytest.approx(tuple(theirs), abs=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_a_tree_explains_a_tree_of_its_depth(people, depth):
    model = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(people.train.x, people.train.y)
    e = wb.explain(model, people.train, "surrogate_tree", max_depth=depth)
    assert e.settings["fidelity"] > 0.9
    assert len(e.settings["rules"]) <= 2**depth


def test_texts_are_asked_for_their_words(reader, bag, reviews):
    for model in (reader, bag):
        e = wb.explain(model, reviews.train, "surrogate_tree", data=reviews, max_depth=6)
        assert e.values.shape == (1, len(e.feature_names))
        assert e.settings["fidelity"] > e.settings["floor"] + 0.1
        assert set(e.top(4)["feature"]) & {"good", "great", "fine", "lovely", "bad", "poor", "dull", "awful"}
        assert "contains '" in str(e)
    assert {"[CLS]", ""} & {*e.feature_names} == set()


def test_images_are_asked_for_their_pixels(lenet, digits):
    e = wb.explain(lenet, digits.test[:200], "surrogate_tree", data=digits)
    assert e.values.shape == (1, 1, 28, 28)
    assert "if row " in str(e)


def test_a_model_that_always_answers_alike_has_one_rule(people):
    e = wb.explain(lambda x: np.tile([0.0, 1.0], (len(x), 1)), people.test, "surrogate_tree", data=people)
    assert "if always: paid (100 % of 42 rows)" in str(e)
    assert "constant map" in e.flags


def test_classes_without_names_are_counted(clerk, people):
    assert ": class 1 (" in str(wb.explain(clerk, people.test, "surrogate_tree"))


def test_another_seed_holds_other_rows_out(tmp_path, clerk, people):
    e, same, other = (
        wb.explain(clerk, people.test, "surrogate_tree", seed=s, data=people) for s in (0, 0, 1)
    )
    assert str(e) == str(same) != str(other)
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    assert str(loaded) == str(e)
    assert str(loaded.replay(clerk, people.test)) == str(e)
    assert e._repr_html_().count("held-out rows") == 1


def clustered(people, clusters):
    """Return the training rows, which belong to so many clusters of several sizes."""
    return replace(people.train, clusters=np.random.default_rng(0).integers(0, clusters, len(people.train)))


@pytest.mark.parametrize("clusters", [5, 40])
def test_clusters_are_held_out_whole(people, clusters):
    together = np.unique(clustered(people, clusters).clusters, return_inverse=True)[1]
    for seed in range(10):
        fitted, held = _held_out(together, together.max() + 1, seed)
        assert sorted([*fitted, *held]) == list(range(200))
        assert not {*together[fitted]} & {*together[held]}
        assert len({*together[held]}) >= 2
        assert abs(len(held) - 60) < 200 / clusters


def test_the_interval_is_that_of_clusters(clerk, people):
    rows = people.train[np.repeat(np.arange(0, 200, 5), 5)]  # 40 rows, five times each
    copies = replace(rows, clusters=np.repeat(np.arange(40), 5))
    e, single = (
        wb.explain(clerk, part, "surrogate_tree", max_depth=1, data=people) for part in (copies, rows[::5])
    )
    assert (e.settings["held_out"], e.settings["held_out_clusters"]) == (60, 12)
    assert "60 held-out rows in 12 clusters" in str(e)
    for name in ("fidelity", "fidelity_low", "fidelity_high"):  # Few clusters have Student's correction.
        assert e.settings[name] == pytest.approx(single.settings[name], abs=0.05)
    assert e.settings["fidelity_low"] <= single.settings["fidelity_low"]
    assert 0 < e.settings["fidelity"] < 1
    assert "held_out_clusters" not in single.settings


@pytest.mark.parametrize("clusters", [1, 3])
def test_few_clusters_are_refused(clerk, people, clusters):
    with pytest.raises(BadInput, match=f"There are {clusters} clusters of rows.*at least 4"):
        wb.explain(clerk, clustered(people, clusters), "surrogate_tree")


@pytest.mark.parametrize("seed", range(4))
def test_what_clusters_are_worth_is_what_the_evaluation_says(seed):
    rng = np.random.default_rng(seed)
    together = rng.integers(0, 15, 90)
    agrees = rng.random(90) < rng.random(15)[together]
    assert _worth(agrees, together) == pytest.approx(effective_size(agrees, together))
    assert _worth(agrees | True, together) == 15


def test_what_cannot_be_fitted_is_refused(clerk, people):
    with pytest.raises(BadInput, match="There are 3 rows"):
        wb.explain(clerk, people.test[:3], "surrogate_tree")
    with pytest.raises(BadInput, match="one output"):
        wb.explain(lambda x: x[:, 0], people.test, "surrogate_tree")
    with pytest.raises(BadInput, match="max_depth is 0"):
        wb.explain(clerk, people.test, "surrogate_tree", max_depth=0)
