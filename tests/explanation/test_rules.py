"""Questions of trees are said in the units of the data."""

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

from workbench.explanation.rules import Question, contains, is_so, paths, questions, spoken
from workbench.explanation.space import Space


def test_every_entry_of_a_table_has_its_question(people):
    asked = questions(Space(torch.tensor(people.test.x), codec=people.codec))
    assert [q.name for q in asked] == list(people.codec.encoded_names)
    assert [q.feature for q in asked] == [0, 1, 1, 1, 2, 2, 3, 3]
    assert [q.indicates for q in asked] == [False, True, True, True, False, True, True, True]
    age = people.codec.columns[0]
    assert asked[0].said((44.5 - age.means[0]) / age.deviation, above=True) == "age > 44.5"
    assert asked[1].said(0.2, above=True) == "job is cook"
    assert asked[5].said(0.2, above=False) == "debt is not (missing)"


def test_what_has_no_columns_is_named_by_its_place():
    assert [q.name for q in questions(Space(torch.zeros(1, 2)))] == ["feature 0", "feature 1"]
    assert questions(Space(torch.zeros(1, 1, 2, 2)))[3].name == "row 1, column 1"
    assert questions(Space(torch.zeros(1, 3, 2, 2)))[5].name == "row 0, column 1 of channel 1"


def test_thresholds_keep_six_digits():
    assert Question("income", 0).said(1234567.5, above=False) == "income <= 1.23457e+06"
    assert Question("income", 0).said(123456.4, above=False) == "income <= 123456"
    assert Question("age", 0, mean=30, deviation=7).said(np.float32(0.5), above=True) == "age > 33.5"


def test_words_are_there_or_not():
    assert (contains("good", 3).said(0.5, True), contains("good", 3).said(0.5, False)) == (
        "contains 'good'", "does not contain 'good'")  # fmt: skip


@pytest.mark.parametrize("depth", [1, 3, None])
def test_a_path_leads_from_the_root_to_the_leaf(people, depth):
    tree = DecisionTreeClassifier(max_depth=depth, random_state=0).fit(people.train.x, people.train.y)
    leaves = tree.apply(people.test.x)
    known = paths(tree.tree_, leaves)
    for x, leaf in zip(people.test.x, leaves, strict=True):
        steps = known[leaf]
        assert [s.before for s in steps] == [0, *(s.after for s in steps[:-1])]
        assert steps[-1].after == leaf
        assert all((x[s.number] > s.threshold) == s.above for s in steps)


def test_the_tightest_bounds_are_said():
    x = np.arange(16, dtype=np.float32)[:, None]
    tree = DecisionTreeClassifier(random_state=0).fit(x, [0] * 5 + [1] * 2 + [2] * 3 + [0] * 6)
    known = paths(tree.tree_, tree.apply(x))
    said = [spoken(known[leaf], [Question("age", 0)]) for leaf in tree.apply(x)]
    assert said[0] == "age <= 4.5"
    assert said[5] == "4.5 < age <= 6.5"
    assert said[8] == "6.5 < age <= 9.5"
    assert said[15] == "age > 9.5"


def test_a_category_that_is_and_others_that_are_not():
    x = np.eye(3, dtype=np.float32)
    tree = DecisionTreeClassifier(random_state=0).fit(x, [0, 1, 2])
    known = paths(tree.tree_, tree.apply(x))
    said = {spoken(steps, [is_so("job", v, 0) for v in "abc"]) for steps in known.values()}
    assert any("job is not " in rule and " and job is" in rule for rule in said)
    assert spoken([], []) == "always"


def test_a_tree_is_read_once_for_all_its_leaves(people):
    tree = DecisionTreeClassifier(random_state=0).fit(people.train.x, people.train.y).tree_
    read = []

    class Read:
        """A tree that counts how often its children are read."""

        feature, threshold, children_right = tree.feature, tree.threshold, tree.children_right

        @property
        def children_left(self):
            read.append(1)
            return tree.children_left

    leaves = np.flatnonzero(tree.children_left == -1)
    assert len(paths(Read(), np.repeat(leaves, 3))) == len(leaves) > 5
    assert read == [1]
