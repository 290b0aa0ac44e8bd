"""How alike two maps are: known by hand, lawful, and honest about zeros and chance."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from scipy.spatial import distance

from workbench.errors import BadInput, UnknownName
from workbench.evaluation.similarities import (
    SIMILARITIES,
    chance,
    cosine,
    facts,
    mass_moved,
    similarity,
    topk_iou,
    zero_maps,
)

NAMES = tuple(SIMILARITIES)
ORDERS = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}
SAME = {
    "cosine": 1.0,
    "topk_iou": 1.0,
    "mass_moved": 0.0,
    "spearman": 1.0,
    "kendall": 1.0,
    "sign_agreement": 1.0,
}
NOTHING = {**dict.fromkeys(SAME, 0.0), "mass_moved": 100.0}

numbers = st.integers(-50, 50).map(lambda k: k / 8)
maps = arrays.arrays(float, (3, 12), elements=numbers)


def both(a, b, **options):
    return {name: s.compute(a, b, **options) for name, s in SIMILARITIES.items()}


# known answers and agreement


def test_every_known_similarity_is_tested_here():
    assert set(NAMES) == set(SAME) == set(NOTHING)


def test_a_cosine_is_that_of_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 30))
    expected = [1 - distance.cosine(x, y) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(cosine(a, b), expected)


def test_the_overlap_of_the_strongest_heeds_no_sign():
    a, b = np.array([[9.0, -8.0, 1.0, 0.5]]), np.array([[-9.0, 1.0, 8.0, 0.5]])
    assert topk_iou(a, b, k_fraction=0.5) == pytest.approx(1 / 3)
    assert topk_iou(a, -a, k_fraction=0.5) == 1


def test_ties_belong_to_the_strongest_and_zeros_never_do():
    tied, sparse = np.array([[2.0, 2.0, 2.0, 0.0]]), np.array([[2.0, 0.0, 0.0, 0.0]])
    assert topk_iou(tied, sparse, k_fraction=0.25) == pytest.approx(1 / 3)
    assert topk_iou(sparse, sparse, k_fraction=1.0) == 1


def test_mass_that_has_nothing_in_common_has_all_moved():
    assert mass_moved(np.array([[1.0, 1, 0, 0]]), np.array([[0, 0, 3.0, 5]])) == pytest.approx(100)
    assert mass_moved(np.array([[1.0, 1, 0, 0]]), np.array([[1, 0, 1.0, 0]])) == pytest.approx(50)


@pytest.mark.parametrize(("fraction", "n"), [(0.1, 30), (0.5, 8), (0.9, 20)])
def test_chance_is_what_random_maps_reach(fraction, n):
    a, b = np.random.default_rng(0).random((2, 20_000, n))
    assert topk_iou(a, b, k_fraction=fraction).mean() == pytest.approx(chance(fraction, n), abs=0.005)


@pytest.mark.parametrize("name", ORDERS)
def test_orders_are_compared_as_scipy_does_without_tied_zeros(name):
    a, b = np.random.default_rng(0).normal(size=(2, 4, 12))
    zeros = np.zeros((4, 200))
    expected = [ORDERS[name](x, y).statistic for x, y in zip(a, b, strict=True)]
    found = SIMILARITIES[name].compute
    np.testing.assert_allclose(found(a, b), expected)
    np.testing.assert_allclose(found(np.hstack([a, zeros]), np.hstack([b, zeros])), expected)
    assert found(np.ones((1, 5)), np.arange(5.0)[None]).tolist() == [0]  # One of them has no order.


# laws


@given(maps)
def test_a_map_is_wholly_like_itself_unless_it_is_zero(a):
    zero = ~a.any(axis=1)
    for name, found in both(a, a).items():
        expected = np.where(zero, NOTHING[name], SAME[name])
        if name in ORDERS:  # Which divide by roots.
            np.testing.assert_allclose(found, expected, atol=1e-12)
        else:
            assert found.tolist() == expected.tolist()


@given(maps, maps)
def test_it_does_not_matter_which_comes_first(a, b):
    for name, found in both(a, b).items():
        np.testing.assert_allclose(found, SIMILARITIES[name].compute(b, a), atol=1e-9)


@given(maps, maps, st.sampled_from([1e-200, 1e-9, 3.0, 1e200]))
def test_the_scale_of_a_map_does_not_matter(a, b, scale):
    for name, found in both(a * scale, b).items():
        np.testing.assert_allclose(found, SIMILARITIES[name].compute(a, b), atol=1e-9)


@given(maps, maps, st.permutations(range(12)))
def test_the_order_of_features_does_not_matter(a, b, order):
    for name, found in both(a[:, order], b[:, order]).items():
        np.testing.assert_allclose(found, SIMILARITIES[name].compute(a, b), atol=1e-9)


@given(maps, maps)
def test_only_the_signed_one_sees_a_change_of_sign(a, b):
    for name, found in both(a, -b).items():
        plain = SIMILARITIES[name].compute(a, b)
        np.testing.assert_allclose(found, -plain if SIMILARITIES[name].signed else plain, atol=1e-9)


@given(maps, maps, maps)
def test_mass_never_moves_farther_by_a_detour_less(a, b, c):
    assert (mass_moved(a, c) <= mass_moved(a, b) + mass_moved(b, c) + 1e-9).all()


@given(maps, maps)
def test_a_map_of_zeros_is_like_nothing(a, b):
    a[0] = 0
    for name, found in both(a, b).items():
        assert found[0] == NOTHING[name]


@given(st.floats(0.01, 1), st.integers(1, 200))
def test_chance_lies_between_nothing_and_all(fraction, n):
    assert 0 < chance(fraction, n) <= 1 + 1e-9


# the public face


def test_similarity_takes_arrays_and_explanations_of_any_shape():
    a = np.random.default_rng(0).normal(size=(4, 1, 6, 6))
    b = SimpleNamespace(values=a.astype(np.float32))
    scores = similarity(a.tolist(), b)
    assert list(scores) == ["cosine", "topk_iou", "mass_moved"] and scores.n == 4 and not scores.flags
    assert scores["cosine"] == pytest.approx(np.ones(4))


def test_the_table_shows_direction_and_chance():
    table = similarity(np.eye(20), np.eye(20)).table().set_index("metric")
    assert table.loc["topk_iou", "floor"] == pytest.approx(chance(0.1, 20))
    assert np.isnan(table.loc["cosine", "floor"]) and set(table.category) == {"similarity"}
    assert table.loc["mass_moved", "direction"] == "lower is more alike"


def test_zero_maps_are_counted_and_can_be_listed():
    a, b = np.ones((4, 5)), np.ones((4, 5))
    a[1] = b[3] = 0
    assert similarity(a, b).flags["zero maps"] == "2 of 4 inputs have a map of zeros and count as not alike"
    assert zero_maps(a, b).tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("estimand", {"estimand": "baseline Shapley"}, {"estimand": "marginal Shapley"}),
        ("output", {"settings": {"output": "logit"}}, {"settings": {"output": "probability"}}),
        ("target", {"target": np.array([1, 2])}, {"target": np.array([1, 3])}),
        ("signed", {"signed": True}, {"signed": False}),
        ("row_ids", {"row_ids": np.array([1, 2])}, {"row_ids": np.array([2, 1])}),
    ],
)
def test_explanations_of_different_things_are_flagged(name, one, other):
    x = np.ones((2, 3))
    flags = similarity(SimpleNamespace(values=x, **one), SimpleNamespace(values=x, **other)).flags
    assert list(flags) == [name]
    assert not similarity(SimpleNamespace(values=x, **one), SimpleNamespace(values=x, **one)).flags
    assert not similarity(SimpleNamespace(values=x, **one), x).flags


def test_facts_list_what_each_similarity_heeds():
    table = facts().set_index("name")
    assert table.index.tolist() == [*NAMES, "ssim", "sliced_emd"]
    assert table.loc["cosine", "signed"] and not table.loc["topk_iou", "signed"]
    assert table.asks.str.endswith(".").all()


# refusals


def test_an_unknown_similarity_lists_the_known_ones():
    with pytest.raises(
        UnknownName,
        match="one of cosine, kendall, mass_moved, sign_agreement, sliced_emd, spearman, ssim, topk_iou",
    ):
        similarity(np.eye(2), np.eye(2), metrics=["cosin"])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: similarity(np.ones((2, 3)), np.ones((2, 4))), "a has the shape (2, 3) and b (2, 4)"),
        (lambda: similarity(np.ones(3), np.ones(3)), "x[None]"),
        (lambda: similarity(np.ones((0, 3)), np.ones((0, 3))), "shape (0, 3)"),
        (lambda: similarity(np.eye(2), np.array([[1, np.nan], [1, 1]])), "b is not finite for 1 of 2 inputs"),
        (lambda: similarity(np.eye(2), [["a", "b"], ["c", "d"]]), "b holds no numbers"),
        (lambda: similarity(np.eye(2), {"a": 1}), "b holds no numbers"),
        (lambda: similarity(np.eye(2), np.eye(2), metrics=[]), "no columns"),
        (lambda: topk_iou(np.eye(2), np.eye(2), k_fraction=10), "k_fraction is 10"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(call, words):
    with pytest.raises(BadInput) as error:
        call()
    assert words in str(error.value)


def test_padding_is_no_feature():
    values = np.zeros((2, 40))
    values[0, :8], values[1, :20] = np.arange(8, 0, -1), np.arange(20, 0, -1)
    other = values[:, ::-1].copy()
    other[0, :8], other[1, :20] = values[0, :8][::-1], values[1, :20][::-1]
    other[0, 8:], other[1, 20:] = 0, 0
    padding = np.arange(40) >= np.array([[8], [20]])
    one, two = (SimpleNamespace(values=v, padding=padding) for v in (values, other))
    short, long = similarity(one, one, metrics=["topk_iou"]), similarity(one, two, metrics=["topk_iou"])
    assert short["topk_iou"].tolist() == [1, 1] and long["topk_iou"].tolist() == [0, 0]
    assert long.columns["topk_iou"].floor == pytest.approx((chance(0.1, 8) + chance(0.1, 20)) / 2)
