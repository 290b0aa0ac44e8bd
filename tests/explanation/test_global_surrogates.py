"""A small tree stands for a model, and says how often the two agree."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.errors import BadInput


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


def test_what_cannot_be_fitted_is_refused(clerk, people):
    with pytest.raises(BadInput, match="There are 3 rows"):
        wb.explain(clerk, people.test[:3], "surrogate_tree")
    with pytest.raises(BadInput, match="one output"):
        wb.explain(lambda x: x[:, 0], people.test, "surrogate_tree")
    with pytest.raises(BadInput, match="max_depth is 0"):
        wb.explain(clerk, people.test, "surrogate_tree", max_depth=0)
