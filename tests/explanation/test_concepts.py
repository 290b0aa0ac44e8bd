"""Concepts that a layer holds are found, and those that it does not hold are not."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import workbench as wb
from workbench.data.records import Split
from workbench.errors import BadInput, NotExplainable, UnknownName
from workbench.explanation.concepts import _told, _welch, holm
from workbench.int8.conversion import convert

RNG = np.random.default_rng(0)


def rows(n, *shifts):
    """Return rows of four columns, with a shift of some."""
    x = RNG.normal(size=(n, 4)).astype(np.float32)
    for column, by in shifts:
        x[:, column] += by
    return x


def split(x, y):
    ids = np.arange(len(x))
    return Split(x, np.asarray(y), ids, ids)


@pytest.fixture(scope="module")
def net():
    """A layer that passes four columns on, and two logits: the first is for column 0 and against column 1."""
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.eye(4))
        net[1].weight.copy_(torch.tensor([[1.0, -1.0, 0.0, 0.0], [-1.0, 1.0, 0.0, 0.0]]))
    return net


@pytest.fixture(scope="module")
def found(net):
    """What is found of three concepts."""
    concepts = {"first": rows(40, (0, 3)), "second": rows(40, (1, 3)), "nothing": rows(40)}
    given = split(rows(30), np.arange(30) % 2)
    return given, wb.explain(net, given, "tcav", concepts=concepts, random=rows(300), layer="0")


def test_a_concept_that_a_class_needs_has_share_one_and_its_opposite_none(found):
    _, e = found
    assert e.feature_names == ("first", "second", "nothing")
    np.testing.assert_array_equal(e.values[:, :2], [[1, 0], [0, 1]])
    assert (e.settings["p"][:, :2] < 0.01).all()
    assert e.settings["classes"] == [0, 1]
    assert min(e.settings["accuracy"][:2]) > 0.85


def test_a_concept_that_there_is_none_of_says_so(found):
    _, e = found
    assert (e.settings["p"][:, 2] > 0.05).all()
    assert "2 of 6 shares say nothing" in e.flags["no concept"]
    assert "nothing for class 0" in e.flags["no concept"]


def test_random_sets_are_seldom_found(net):
    # Any fixed set has some direction; what is required beside the t-test is that it is told on held-out rows.
    concepts = {f"set {i}": rows(30) for i in range(25)}
    e = wb.explain(
        net,
        split(rows(30), np.arange(30) % 2),
        "tcav",
        concepts=concepts,
        random=rows(300),
        layer="0",
        n_runs=8,
    )
    assert (e.settings["p"] < 0.05).mean() <= 0.04


def test_it_is_replayed_saved_and_seeded(found, net, tmp_path):
    given, e = found
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    again = loaded.replay(net, given)
    np.testing.assert_array_equal(again.values, e.values)
    np.testing.assert_array_equal(again.settings["p"], e.settings["p"])
    assert again.fingerprint == e.fingerprint
    assert loaded.settings["concept_rows"] == {"first": 40, "second": 40, "nothing": 40}
    other = e.replay(net, split(given.x[::-1].copy(), given.y[::-1].copy()))
    assert other.fingerprint != e.fingerprint


def test_the_t_test_is_welchs_and_many_are_corrected():
    a, b = RNG.normal(size=(2, 9, 3)), RNG.normal(size=(2, 9, 3)) + 0.5
    np.testing.assert_allclose(_welch(a, b), stats.ttest_ind(a, b, axis=1, equal_var=False).pvalue)
    np.testing.assert_array_equal(
        _welch(np.ones((1, 4, 2)), np.stack([np.zeros(4), np.ones(4)], 1)[None]), [[0, 1]]
    )
    np.testing.assert_allclose(holm(np.array([[0.01, 0.04], [0.03, 0.9]])), [[0.04, 0.09], [0.09, 0.9]])
    assert _told(0.5, 30, 20) == pytest.approx(0.5)
    assert _told(0.9, 30, 20) < 1e-6


def test_texts_and_images_have_concepts_as_well(reader, reviews, lenet, digits):
    e = wb.explain(reader, reviews.test, "tcav", concepts={"praise": ["a good film"] * 6 + ["great cast"] * 6}, layer="fc1",
                   random=reviews.train, n_runs=3, data=reviews)  # fmt: skip
    assert e.values.shape == (2, 1)
    assert e.values[1, 0] > e.values[0, 0]
    dark = {"dim": digits.train.x[:20] * 0.3}
    e = wb.explain(lenet, digits.test[:40], "tcav", concepts=dark, classes=[7, 2], n_runs=3, data=digits)
    assert e.settings["layer"] == "conv2"
    assert e.values.shape == (2, 1)
    assert e.settings["classes"] == [7, 2]


def test_an_int8_model_is_asked_through_its_twin():
    small = convert(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval(), torch.tensor(rows(50)))
    e = wb.explain(
        small,
        split(rows(9), np.zeros(9, dtype=int)),
        "tcav",
        concepts={"first": rows(8, (0, 3))},
        layer="0",
        n_runs=2,
    )
    assert 0 <= e.values[0, 0] <= 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "concepts is None"),
        ({"concepts": {}}, "concepts is empty"),
        ({"concepts": {"few": rows(3)}}, "Concept 'few' has 3 rows.*at least 6"),
        ({"concepts": {"wide": np.zeros((8, 5))}}, r"concept 'wide' has rows of shape \(5,\)"),
        ({"concepts": rows(8), "concept_rows": {"a": 3}}, "adds up to 3 for 8 rows"),
        ({"concepts": {"a": rows(8)}, "random": rows(4)}, "There are 4 random rows"),
        ({"concepts": {"a": rows(8)}, "classes": [0, 5]}, "No row has class 5"),
        ({"concepts": {"a": rows(8)}, "n_runs": 1}, "n_runs is 1"),
    ],
)
def test_what_makes_no_sense_is_refused(net, options, words):
    with pytest.raises(BadInput, match=words):
        wb.explain(net, split(rows(9), np.arange(9) % 2), "tcav", **{"layer": "0", **options})


def test_a_layer_must_be_there(net, clouds):
    given = split(rows(9), np.arange(9) % 2)
    with pytest.raises(BadInput, match=r"no convolution.*a layer among \['0', '1'\]"):
        wb.explain(net, given, "tcav", concepts={"a": rows(8)})
    with pytest.raises(UnknownName, match="'7'"):
        wb.explain(net, given, "tcav", concepts={"a": rows(8)}, layer="7")
    with pytest.raises(NotExplainable, match="DecisionTreeClassifier has no gradient"):
        wb.explain(
            wb.fit(wb.build("tree", clouds), clouds), clouds.test, "tcav", concepts={"a": clouds.train.x}
        )
