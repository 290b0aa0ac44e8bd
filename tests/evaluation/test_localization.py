"""Localization: a perfect map reaches 1, an inverted one 0; what has no answer is NaN."""

import handmade
import numpy as np
import pytest
from nets import linear

import workbench as wb
from workbench.errors import BadInput

NAMES = ("pointing_game", "relevance_mass", "relevance_rank", "localization_auc", "plausibility")
X = np.ones((3, 12), np.float32)
MASK = np.zeros((3, 12), bool)
MASK[0, :3] = MASK[1, 5:8] = MASK[2, [0, 11]] = True
NET = linear(np.ones((2, 12)))


def judged(values, mask=MASK, names=NAMES):
    return wb.evaluate(handmade.explanation(NET, X, values), NET, names, evidence=mask)


@pytest.mark.parametrize("name", NAMES)
def test_a_perfect_map_is_1_and_an_inverted_one_0(name):
    assert judged(MASK.astype(float))[name].tolist() == [1, 1, 1]
    assert judged(1 - MASK)[name].tolist() == [0, 0, 0]


def test_the_top_tenth_lies_in_the_mask_or_not():
    values = np.tile(np.arange(12.0), (3, 1))  # The two last ones lead.
    assert judged(values, names=("topk_intersection",))["topk_intersection"].tolist() == [0, 0, 0.5]
    four = wb.evaluate(
        handmade.explanation(NET, X, values), NET, {"topk_intersection": {"k": 4}}, evidence=MASK
    )
    assert four["topk_intersection"].tolist() == [0, 0, 0.25]
    with pytest.raises(BadInput, match="k is 13"):
        wb.evaluate(
            handmade.explanation(NET, X, values), NET, {"topk_intersection": {"k": 13}}, evidence=MASK
        )


def test_the_mass_counts_what_is_positive():
    values = np.where(MASK, 3.0, -1.0)
    values[:, 4] = 1
    assert judged(values)["relevance_mass"] == pytest.approx([0.9, 0.9, 6 / 7])
    assert np.isnan(judged(-np.ones((3, 12)) + 0.1 * MASK)["relevance_mass"]).all()


def test_by_chance_the_area_is_a_half_and_the_overlap_what_is_said():
    rng = np.random.default_rng(0)
    x, mask = np.ones((400, 40), np.float32), np.zeros((400, 40), bool)
    mask[:, :10] = True
    net = linear(np.ones((2, 40)))
    found = wb.evaluate(handmade.explanation(net, x, rng.random((400, 40))), net, NAMES, evidence=mask)
    assert found["localization_auc"].mean() == pytest.approx(0.5, abs=0.02)
    assert found["plausibility"].mean() == pytest.approx(0.25 / 1.75, abs=0.02)


@pytest.mark.parametrize("name", NAMES)
def test_a_map_or_a_mask_that_says_nothing_is_nan(name):
    values = MASK.astype(float)
    values[0] = 4
    mask = MASK.copy()
    mask[1] = False
    found = judged(values, mask)[name]
    assert np.isnan(found[:2]).all() and found[2] == 1


@pytest.mark.parametrize("name", [*NAMES, "topk_intersection"])
def test_a_mask_that_holds_everything_tells_nothing(name):
    values = np.random.default_rng(0).random((3, 12))
    assert np.isnan(judged(values, np.ones((3, 12), bool), (name,))[name]).all()


@pytest.mark.parametrize("name", [*NAMES, "topk_intersection"])
def test_a_map_that_speaks_for_nothing_points_nowhere_though_it_has_an_order(name):
    found = judged(MASK.astype(float) - 2, names=(name,))[name]
    assert (found == 1).all() if name == "localization_auc" else np.isnan(found).all()


def test_chance_stands_beside_every_number():
    rng = np.random.default_rng(0)
    x, mask = np.ones((2000, 20), np.float32), np.zeros((2000, 20), bool)
    mask[:, :6] = True
    net = linear(np.ones((2, 20)))
    found = wb.evaluate(
        handmade.explanation(net, x, rng.random((2000, 20))),
        net,
        [*NAMES, "topk_intersection"],
        evidence=mask,
    )
    for name, column in found.columns.items():
        assert column.floor.mean() == pytest.approx(found[name].mean(), abs=0.02), name
    assert found.columns["plausibility"].floor[0] == pytest.approx(0.18, abs=0.01)


def test_a_pixel_counts_with_all_its_channels():
    x = np.random.default_rng(0).random((2, 3, 8, 8), np.float32)
    values, mask = np.zeros((2, 3, 8, 8)), np.zeros((2, 1, 8, 8), bool)
    values[:, 0, 2, 2], values[:, 1, 2, 2], values[:, 1, 5, 5] = (
        2,
        -2,
        1,
    )  # The first pixel's channels cancel.
    mask[:, :, 5, 5] = True
    net = wb.build("cnn", wb.from_arrays(x.repeat(20, 0), np.arange(40) % 2))
    found = wb.evaluate(handmade.explanation(net, x, values), net, ("pointing_game",), evidence=mask)
    assert found["pointing_game"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("evidence", "words"),
    [(None, "relevance_rank was given no evidence"), (np.ones((3, 5)), "evidence has the shape"), (MASK * 2, "True and False")],
)  # fmt: skip
def test_masks_that_are_missing_or_do_not_fit_are_refused(evidence, words):
    with pytest.raises(BadInput, match=words):
        judged(MASK.astype(float), evidence, ("relevance_rank",))


def test_masks_of_encoded_numbers_are_masks_of_their_columns():
    data = wb.plant_shortcut(wb.load("german_credit").subset(train=200))
    net = wb.build("mlp", data)
    e = wb.explain(net, data.test[:6], "integrated_gradients", data=data)
    assert e.values.shape[1] < data.test.x.shape[1]
    last = np.zeros(e.values.shape, bool)
    last[:, -1] = True
    encoded, folded = (
        wb.evaluate(e, net, "relevance_mass", evidence=mask, with_floors=False)["relevance_mass"]
        for mask in (data.test.shortcut[:6], last)
    )
    np.testing.assert_array_equal(encoded, folded)
    assert (encoded >= 0).all() and encoded.any()


def test_masks_of_channels_are_masks_of_places_where_a_map_has_one():
    x = np.random.default_rng(0).random((90, 3, 8, 8), np.float32)
    data = wb.plant_shortcut(wb.from_arrays(x, np.arange(90) % 3))
    net = wb.build("cnn", data)
    e = wb.explain(net, data.test[:4], "grad_cam", data=data)
    every, one = (
        wb.evaluate(e, net, "relevance_mass", evidence=mask, with_floors=False)["relevance_mass"]
        for mask in (data.test.shortcut[:4], data.test.shortcut[:4, :1])
    )
    np.testing.assert_array_equal(every, one)
