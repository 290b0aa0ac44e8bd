"""Decoys: the swatch tells the class in training and not in the test, and nothing else of a digit has changed."""

import numpy as np
import pytest

import workbench as wb
from workbench.data.storage import keep, take
from workbench.errors import BadInput, UnknownName


@pytest.fixture(scope="module", params=["random", "inverted"])
def decoys(request):
    return wb.load("decoy_mnist", shade=request.param)


def shades(split):
    """Return the grey of each row's swatch, 0 to 255."""
    return np.array([round(255 * x[mask].mean()) for x, mask in zip(split.x, split.shortcut, strict=True)])


def test_the_swatch_is_sixteen_pixels_in_one_of_four_corners(decoys):
    for split in decoys.splits.values():
        assert (split.shortcut.sum((1, 2, 3)) == 16).all()
        corners = [split.shortcut[:, 0, r, c] for r in (0, 27) for c in (0, 27)]
        assert (np.sum(corners, axis=0) == 1).all()
        assert np.min([c.mean() for c in corners]) > 0.2


def test_it_tells_the_class_until_the_test(decoys):
    for name in ("train", "valid"):
        split = decoys.splits[name]
        assert (shades(split) == 255 - 25 * split.y).all()


def test_in_the_test_it_is_random_or_inverted():
    random, inverted = (wb.load("decoy_mnist", shade=shade).test for shade in ("random", "inverted"))
    assert ((255 - shades(random)) // 25 == random.y).mean() == pytest.approx(0.1, abs=0.03)
    assert (shades(inverted) == 25 * inverted.y).all()


def test_outside_the_swatch_the_digit_is_as_it_was_and_the_pair_has_none(decoys, digits):
    for name, split in decoys.splits.items():
        own = digits.splits[name]
        np.testing.assert_array_equal(split.without_shortcut, own.x)
        np.testing.assert_array_equal(
            np.where(split.shortcut, 0, split.x), np.where(split.shortcut, 0, own.x)
        )
        assert split.y.tolist() == own.y.tolist() and split.row_ids.tolist() == own.row_ids.tolist()


def test_rows_take_their_pairs_along(decoys, tmp_path):
    few = decoys.subset(train=20, valid=5, test=5)
    np.testing.assert_array_equal(few.test[[3]].without_shortcut, decoys.test.without_shortcut[[3]])
    again = take(keep(few, tmp_path / "d"))
    np.testing.assert_array_equal(again.test.without_shortcut, few.test.without_shortcut)
    np.testing.assert_array_equal(again.test.shortcut, few.test.shortcut)


def test_loading_twice_gives_the_same_bits_and_the_page_says_what_was_planted(decoys):
    shade = "random" if "random" in decoys.notes[-1] else "inverted"
    assert wb.load("decoy_mnist", shade=shade).fingerprint == decoys.fingerprint
    assert "tells the class in training" in decoys.notes[-1] and "planted" in decoys.source


def test_another_shade_or_another_option_is_refused():
    with pytest.raises(UnknownName, match="one of inverted, random"):
        wb.load("decoy_mnist", shade="pink")
    with pytest.raises(BadInput, match=r"mnist was given shade=.*options among: none"):
        wb.load("mnist", shade="random")
    with pytest.raises(BadInput, match=r"decoy_mnist was given colour=.*shade"):
        wb.load("decoy_mnist", colour="pink")
