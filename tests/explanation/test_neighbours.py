"""The nearest examples are those of the model's own space."""

import numpy as np
import pytest
import torch
from nets import linear
from sklearn.neighbors import NearestNeighbors
from torch import nn

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName
from workbench.int8.conversion import convert


def penultimate(net, x):
    """Return what the last layer of a net in a row is given."""
    return net.model[:-1](torch.tensor(x)).detach().numpy()


@pytest.fixture(scope="module")
def curved(clouds):
    """A net in a row, trained for the clouds."""
    torch.manual_seed(0)
    return wb.fit(
        nn.Sequential(nn.Linear(5, 9), nn.Tanh(), nn.Linear(9, 3)), clouds, epochs=5, lr=0.01, verbose=False
    )


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_they_are_those_of_scikit_learn(curved, clouds, metric):
    e = wb.explain(curved, clouds.test, "prototypes", examples=clouds.train, metric=metric, k=4, data=clouds)
    search = NearestNeighbors(n_neighbors=4, metric=metric).fit(penultimate(curved, clouds.train.x))
    far, places = search.kneighbors(penultimate(curved, clouds.test.x))
    np.testing.assert_allclose(e.values, 1 - far if metric == "cosine" else -far, atol=1e-5)
    assert e.settings["places"] == places.tolist()
    np.testing.assert_array_equal(e.settings["neighbours"], clouds.train.row_ids[places])
    np.testing.assert_array_equal(e.settings["neighbour_classes"], clouds.train.y[places])
    shares = (clouds.train.y[places] == e.target[:, None]).mean(1)
    np.testing.assert_allclose(e.settings["agreement"], shares)
    assert e.settings["space"] == "what 2 is given"


def test_known_neighbours():
    net = linear([[1, 0], [0, 1]])
    examples = np.array([[1, 0], [0, 2], [3, 3]], dtype=np.float32)
    e = wb.explain(
        net,
        np.array([[2, 1]], dtype=np.float32),
        "prototypes",
        examples=examples,
        example_classes=[0, 1, 1],
        k=3,
    )
    np.testing.assert_allclose(e.values, [[3 / 10**0.5, 2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)
    assert e.settings["neighbours"] == [[2, 0, 1]]
    assert e.settings["agreement"] == [pytest.approx(1 / 3)]


def test_an_input_among_the_examples_finds_itself(lenet, digits):
    e = wb.explain(lenet, digits.train[5:9], "prototypes", examples=digits.train[:200], k=1)
    assert [ids[0] for ids in e.settings["neighbours"]] == digits.train.row_ids[5:9].tolist()
    np.testing.assert_allclose(e.values, 1, atol=1e-6)


def test_a_net_that_knows_digits_finds_its_own_kind(lenet, digits):
    e = wb.explain(lenet, digits.test[:30], "prototypes", examples=digits.train[:1000], data=digits)
    assert np.mean(e.settings["agreement"]) > 0.85
    assert e.settings["space"] == "what fc2 is given"


def test_another_layer_is_another_space(lenet, digits):
    options = {"examples": digits.train[:100], "k": 2}
    e = wb.explain(lenet, digits.test[:3], "prototypes", layer="conv1", **options)
    assert e.settings["space"] == "what conv1 gives"
    assert not np.allclose(e.values, wb.explain(lenet, digits.test[:3], "prototypes", **options).values)


def test_texts_and_int8_models_have_neighbours(reader, reviews, curved, clouds):
    e = wb.explain(reader, reviews.test[:4], "prototypes", examples=reviews.train, data=reviews)
    assert e.values.shape == (4, 5)
    net = nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 3)).eval()
    small = convert(net, torch.tensor(clouds.train.x))
    ours, float_ = (wb.explain(m, clouds.test, "prototypes", examples=clouds.train) for m in (small, net))
    np.testing.assert_allclose(ours.values, float_.values, atol=0.05)


def test_a_slice_keeps_its_neighbours(curved, clouds):
    e = wb.explain(curved, clouds.test[:6], "prototypes", examples=clouds.train, data=clouds)
    part = e[[4, 1]]
    for name in ("neighbours", "places", "neighbour_classes", "agreement"):
        assert part.settings[name] == [e.settings[name][4], e.settings[name][1]]
    np.testing.assert_array_equal(part.settings["examples"], clouds.train.x)


def test_its_table_names_the_nearest(curved, clouds):
    e = wb.explain(curved, clouds.test[:2], "prototypes", examples=clouds.train, k=3, data=clouds)
    assert e.to_frame()["feature"].tolist() == ["nearest 1", "nearest 2", "nearest 3"] * 2
    assert not wb.explanation.registry.look_up("prototypes").attributes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, r"examples is None.*Pass examples=data.train"),
        ({"examples": np.zeros((9, 5))}, "examples is rows without classes"),
        ({"examples": np.zeros((9, 4)), "example_classes": np.zeros(9)}, r"examples has shape \(9, 4\)"),
        ({"examples": np.zeros((9, 5)), "example_classes": np.zeros(8)}, "with 8 classes and 9 ids"),
        ({"examples": np.zeros((3, 5)), "example_classes": np.zeros(3)}, "k is 5 for 3 examples"),
    ],
)
def test_what_makes_no_sense_is_refused(curved, clouds, options, words):
    with pytest.raises(BadInput, match=words):
        wb.explain(curved, clouds.test[:2], "prototypes", **options)


def test_what_has_no_space_is_refused(clouds, curved):
    with pytest.raises(NotExplainable, match="DecisionTreeClassifier has no layers"):
        wb.explain(wb.fit(wb.build("tree", clouds), clouds), clouds.test, "prototypes", examples=clouds.train)
    with pytest.raises(UnknownName, match=r"metric.*cosine, euclidean"):
        wb.explain(curved, clouds.test, "prototypes", examples=clouds.train, metric="l1")
    with pytest.raises(BadInput, match="The model has no layer with weights"):
        wb.explain(nn.Sequential(nn.ReLU()), clouds.test, "prototypes", examples=clouds.train)


def test_what_are_no_attributions_is_not_judged_grouped_or_compared_as_such(curved, clouds):
    e = wb.explain(curved, clouds.test[:4], "prototypes", examples=clouds.train, data=clouds)
    with pytest.raises(BadInput, match="prototypes gives no attributions of features"):
        wb.evaluate(e, curved)
    with pytest.raises(BadInput, match="prototypes has no values of features"):
        e.group({"money": ["income", "debt"]})
    with pytest.raises(BadInput, match="prototypes gives no attributions of rows"):
        wb.compare(curved, curved, clouds, methods=["prototypes"])
