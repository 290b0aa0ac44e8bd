"""Maps as pictures: the libraries' numbers, known distances, and refusals."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from skimage.metrics import structural_similarity

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.pictorial import sliced_emd, ssim
from workbench.evaluation.similarities import facts

MAPS = np.random.default_rng(0).normal(size=(3, 1, 16, 16))


def dot(row, column, size=16):
    picture = np.zeros((1, size, size))
    picture[0, row, column] = 1
    return picture


def test_equal_maps_are_alike_whatever_their_scale():
    assert ssim(MAPS, 7 * MAPS) == pytest.approx(np.ones(3)) and sliced_emd(MAPS, 7 * MAPS) == pytest.approx(
        np.zeros(3)
    )


def test_structure_is_that_of_the_library_and_its_sign_counts():
    one, other = (0.5 + m[0] / np.abs(m[0]).max() / 2 for m in (MAPS[0], MAPS[1]))
    by_hand = structural_similarity(
        one, other, data_range=1, gaussian_weights=True, use_sample_covariance=False
    )
    assert ssim(MAPS[:1], MAPS[1:2])[0] == pytest.approx(by_hand)
    assert ssim(MAPS, -MAPS).max() < 0


def test_a_dot_that_is_moved_costs_its_way():
    found = [sliced_emd(dot(8, 4), dot(8, 4 + k))[0] for k in (0, 1, 2, 4)]
    assert found == pytest.approx(np.array([0, 1, 2, 4]) / 16 * 2 / np.pi, rel=1e-2)
    assert sliced_emd(dot(2, 8), dot(6, 8))[0] == pytest.approx(found[-1], rel=1e-2)


def test_along_one_direction_it_is_that_of_scipy():
    from workbench.evaluation.pictorial import _moved

    a, b, places = np.random.default_rng(1).random((3, 30))
    a, b = a / a.sum(), b / b.sum()
    assert _moved((a - b)[None], places)[0] == pytest.approx(wasserstein_distance(places, places, a, b))


def test_a_map_of_zeros_is_like_nothing():
    zero = np.zeros((1, 16, 16))
    assert ssim(zero, MAPS[:1, 0])[0] == 0 == ssim(zero, zero)[0]
    assert sliced_emd(zero, MAPS[:1, 0])[0] == 1 == sliced_emd(zero, zero)[0]


def test_they_are_asked_for_by_name_and_listed():
    scores = wb.similarity(MAPS, MAPS + 0.1, metrics=("ssim", "sliced_emd", "cosine"))
    assert set(scores) == {"ssim", "sliced_emd", "cosine"} and scores["sliced_emd"].shape == (3,)
    assert {"ssim", "sliced_emd"} <= set(facts()["name"])


@pytest.mark.parametrize(
    ("name", "maps"), [("ssim", MAPS[:, :, :10]), ("ssim", MAPS[:, 0, 0]), ("sliced_emd", MAPS[:, 0, 0])]
)
def test_what_is_no_picture_is_refused(name, maps):
    with pytest.raises(BadInput, match="rows and columns"):
        wb.similarity(maps, maps, metrics=name)
