"""Several inputs are laid into one row, and come apart as they were."""

import numpy as np
import pytest
import torch

from workbench.data.codecs import from_plain
from workbench.data.parts import Parts, grid
from workbench.errors import BadInput

IMAGES = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)
AGES = np.array([[30.0], [40.0]], dtype=np.float32)
PLACES = np.array([3, 9])


def test_what_is_joined_comes_apart_as_it_was():
    codec = Parts.of([IMAGES, AGES, PLACES])
    x = codec.encoded([IMAGES, AGES, PLACES])
    assert x.shape == (2, 62)
    for found in (codec.decoded(x), codec.decoded(torch.tensor(x))):
        for part, wanted in zip(found, (IMAGES, AGES, PLACES), strict=True):
            np.testing.assert_array_equal(np.asarray(part), wanted)
    assert codec.decoded(torch.tensor(x))[2].dtype == torch.int64


def test_numbers_are_named_by_their_input_and_their_place():
    def model(picture, age, place):
        return None

    codec = Parts.of([IMAGES, AGES, PLACES], model)
    assert codec.names[0] == "picture[0, 0, 0]"
    assert codec.names[-2:] == ("age[0]", "place")
    assert Parts.of([AGES, AGES]).titles == ("input 0", "input 1")


def test_one_number_or_array_stands_for_each_input():
    codec = Parts.of([IMAGES, AGES])
    x = codec.joined((0, AGES))
    assert x.shape == (2, 61)
    assert x[:, -1].tolist() == [30, 40]
    assert not x[:, :-1].any()
    with pytest.raises(BadInput, match="3 parts and 2 inputs"):
        codec.joined((0, 0, 0))


def test_patches_group_pixels_and_leave_other_numbers_alone():
    codec = Parts.of([np.zeros((1, 1, 28, 28), np.float32), np.zeros((1, 3), np.float32)])
    patches = codec.patches(np.zeros((1, 787)))
    np.testing.assert_array_equal(patches[0, :784].reshape(28, 28), grid(28, 28))
    assert patches[0, 784:].tolist() == [49, 50, 51]


def test_a_codec_of_parts_is_kept_in_a_file():
    codec = Parts.of([IMAGES, PLACES])
    assert from_plain(codec.plain()) == codec


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ([IMAGES, AGES[:1]], "as many rows in each"),
        ([IMAGES, np.array(["a", "b"])], "types"),
        ([IMAGES, np.array([0, 2**25])], "16,777,216"),
    ],
)
def test_what_does_not_fit_is_refused(arrays, words):
    with pytest.raises(BadInput, match=words):
        Parts.of(arrays)
