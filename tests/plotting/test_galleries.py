"""Galleries keep their colour scales honest: symmetric, shared, and one a column where units differ."""

from types import SimpleNamespace

import numpy as np
import pytest

from workbench.plotting import galleries


def _limits(fig):
    return [ax.images[0].get_clim() for ax in fig.axes if ax.images]


def test_one_scale_serves_all_maps_and_is_symmetric():
    maps = [np.array([[0.0, 1.0]]), np.array([[-4.0, 0.0]])]
    assert _limits(galleries.gallery(maps, ["a", "b"], "found")) == [(-4, 4), (-4, 4)]


def test_limits_and_kinds_may_differ_by_map():
    maps = [np.full((2, 2), 0.5), np.ones((2, 2))]
    fig = galleries.gallery(maps, ["a", "b"], "found", kind=["unsigned", "signed"], limits=[2, 3])
    assert _limits(fig) == [(0, 2), (-3, 3)]


def test_a_title_says_what_was_found():
    assert galleries.gallery([np.eye(2)], ["a"], "Half of it").get_suptitle() == "Half of it"


@pytest.mark.parametrize(("units", "side"), [(1, 1), (4, 2), (5, 3), (500, 23)])
def test_units_are_laid_out_as_a_square_that_holds_all_of_them(units, side):
    laid_out = galleries.square(np.arange(units))
    assert laid_out.shape == (side, side)
    assert np.nansum(laid_out) == units * (units - 1) / 2 and np.isfinite(laid_out).sum() == units


def test_a_picture_stays_as_it_is():
    assert galleries.square(np.eye(3)).tolist() == np.eye(3).tolist()


def test_a_pair_is_drawn_on_the_scale_of_its_first():
    def explained(height):
        return SimpleNamespace(inputs=np.zeros((1, 1, 2, 2)), map=np.full((1, 2, 2), height), signed=True)

    fig = galleries.pairs({"occlusion": [explained(2.0), explained(8.0)]}, ["before", "after"], "found")
    assert _limits(fig) == [(0, 1), (-2, 2), (0, 1), (-2, 2)]


def test_inputs_with_three_channels_keep_their_colours():
    fig = galleries.gallery(
        [np.stack([np.full((2, 2), v) for v in (0.2, 0.4, 0.6)])], ["a"], "found", kind="input"
    )
    np.testing.assert_allclose(fig.axes[0].images[0].get_array()[0, 0], [0.2, 0.4, 0.6])
