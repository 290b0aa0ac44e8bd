"""Arrays come back bit for bit, near their entropy; what is damaged or too large is refused."""

import lzma

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.compression import entropy
from workbench.errors import BadFile

SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9)


@given(
    st.sampled_from(["float32", "float64", "int8", "int64", "bool"]).flatmap(
        lambda kind: arrays.arrays(kind, SHAPES)
    )
)
def test_an_array_comes_back_bit_for_bit(array):
    found = entropy.unfold(*entropy.fold(array))
    assert found.dtype == array.dtype and found.shape == array.shape and found.tobytes() == array.tobytes()


@given(st.lists(st.integers(0, 2000), unique=True, max_size=40))
def test_places_come_back_from_their_gaps(places):
    at = np.sort(np.array(places, dtype=np.int64))
    np.testing.assert_array_equal(entropy._places(entropy._gaps(at, 2001), len(at)), at)


def test_signs_of_zeros_and_kinds_of_nan_are_kept():
    array = np.array([0.0, -0.0, np.nan, np.inf, 1e-45], np.float32)
    assert entropy.unfold(*entropy.fold(array)).tobytes() == array.tobytes()


def test_sparse_weights_of_few_values_take_little_more_than_their_entropy():
    draws = np.random.default_rng(0)
    array = np.where(draws.random((200, 300)) < 0.1, draws.normal(size=(200, 300)).round(1), 0).astype(
        np.float32
    )
    size, least = len(entropy.fold(array)[1]), entropy.bound(array)
    assert 0.98 * least < size < 1.1 * least < array.nbytes / 15


def test_the_bound_by_hand():
    array = np.array([0, 0, 0, 5, 0, 0, 0, 7], np.float32)
    positions = 8 * -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert entropy.bound(array) == pytest.approx(
        positions / 8 + 8
    )  # two numbers that occur once: as they are
    many = np.repeat(array, 100)
    assert entropy.bound(many) == pytest.approx(100 * positions / 8 + 200 / 8 + 8)


def changed(facts, **changes):
    return {**facts, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [3, 3]},
        {"shape": [-1]},
        {"shape": [2**20, 2**20]},
        {"dtype": "object"},
        {"values": 3},
        {"book": 2},
        {"streams": [1]},
        {"gaps": 2},
        {"gaps": "x"},
    ],
)
def test_what_does_not_fit_is_refused(changes):
    array = np.zeros((40, 5), np.float32)
    array[::7] = 2.5
    facts, content = entropy.fold(array)
    with pytest.raises(BadFile, match="The file holds"):
        entropy.unfold({**facts, **changes}, content)


def test_a_stream_is_never_unfolded_beyond_its_size():
    bomb = bytes([1]) + lzma.compress(bytes(10_000_000), format=lzma.FORMAT_RAW, filters=entropy.PLAIN)
    with pytest.raises(BadFile, match="a stream of 101 bytes in place of 100"):
        entropy.decoded(bomb, 100)
    with pytest.raises(BadFile, match="a stream that cannot be unfolded"):
        entropy.decoded(bytes([2]) + b"nonsense", 100)
    with pytest.raises(BadFile, match="a stream of 0 bytes"):
        entropy.decoded(b"", 0)
