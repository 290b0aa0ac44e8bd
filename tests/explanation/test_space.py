"""Inputs become features that are hidden, grouped and summed."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.explanation.space import Space, copied

IMAGES = torch.rand(3, 2, 14, 21, generator=torch.Generator().manual_seed(0))
ROWS = torch.arange(12.0).view(3, 4)


def test_columns_are_features_and_images_are_cut_into_a_grid():
    assert Space(ROWS).groups.tolist() == [[0, 1, 2, 3]]
    grid = Space(IMAGES).groups
    assert grid.shape == (1, 1, 14, 21)
    assert grid.unique().tolist() == list(range(49))
    assert (grid[0, 0, :2, :3] == 0).all()
    assert int(grid[0, 0, 2, 3]) == 8
    assert Space(IMAGES).n_groups == 49


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_grid_has_at_most_seven_by_seven_patches_of_one_size(rows, columns):
    space = Space(torch.zeros(1, 1, rows, columns))
    numbers, sizes = np.unique(space.groups, return_counts=True)
    assert numbers.tolist() == list(range(len(numbers)))
    assert len(numbers) <= 49
    assert sizes.max() == -(-rows // 7) * -(-columns // 7)


def test_what_is_kept_stays_and_the_rest_is_replaced():
    space = Space(ROWS, baselines=[-1.0, -2, -3, -4])
    rows = torch.tensor([2, 0])
    hidden = space.kept_to_hidden(
        torch.tensor([[True, False, True, False], [False, False, False, True]]), rows
    )
    (replaced,) = space.replaced(hidden, rows)
    assert replaced.tolist() == [[8, -2, 10, -4], [-1, -2, -3, 3]]


def test_a_background_replaces_once_a_row():
    space = Space(ROWS, background=[[0.0] * 4, [1.0] * 4])
    versions = list(space.replaced(torch.tensor([[True, True, False, False]]), torch.tensor([1])))
    assert [v.tolist() for v in versions] == [[[0, 0, 6, 7]], [[1, 1, 6, 7]]]


@given(st.lists(st.integers(0, 5), min_size=294, max_size=294), st.integers(0, 3))
def test_what_is_spread_over_a_group_sums_to_its_value(numbers, seed):
    space = Space(IMAGES, feature_mask=np.array(numbers).reshape(1, 1, 14, 21))
    values = torch.rand(3, space.n_groups, generator=torch.Generator().manual_seed(seed))
    spread = space.spread(values)
    assert spread.shape == IMAGES.shape
    torch.testing.assert_close(spread.sum((1, 2, 3)), values.sum(1))


def test_windows_reach_the_border_and_the_last_is_cut_off():
    masks, sizes, steps = Space(torch.zeros(1, 7)).windows(3, 2)
    assert masks.int().tolist() == [[1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 1, 1, 1]]
    masks, sizes, steps = Space(torch.zeros(1, 6)).windows(4, 3)
    assert masks.int().tolist() == [[1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1]]
    assert (sizes, steps) == ((4,), (3,))


@given(st.integers(1, 20), st.integers(1, 20), st.data())
def test_every_place_is_in_a_window(rows, columns, data):
    window = tuple(data.draw(st.integers(1, side)) for side in (rows, columns))
    strides = tuple(data.draw(st.integers(1, size)) for size in window)
    masks, _, _ = Space(torch.zeros(1, 1, rows, columns)).windows(window, strides)
    assert masks.any(0).all()
    assert masks.flatten(1).any(1).all()


def test_other_versions_of_some_rows_keep_their_baselines_and_groups():
    mask = np.array([[0, 0, 1, 1], [0, 1, 1, 1], [0, 1, 2, 3]])
    space = Space(ROWS, baselines=ROWS + 100, feature_mask=mask)
    some = space.of(torch.tensor([2, 2, 0]), torch.zeros(3, 4))
    assert some.n == 3
    assert some.baselines[:, 0].tolist() == [108, 108, 100]
    assert some.groups.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 0, 1, 1]]
    assert space.n == 3
    assert space.baselines[:, 0].tolist() == [100, 104, 108]


def test_equal_numbers_are_laid_out_alike():
    odd = np.lib.stride_tricks.as_strided(np.zeros(8, np.float32), (2, 1, 2, 2), (16, 4, 8, 4))
    assert copied(odd).stride() == (4, 4, 2, 1)
    assert copied(np.float64(2)).dtype == torch.float32


REFUSED = {
    "another size": {"baselines": np.zeros(5)},
    "more rows than inputs": {"baselines": np.zeros((4, 4))},
    "an axis too many": {"baselines": np.zeros((1, 3, 4))},
    "NaN": {"baselines": np.nan},
    "infinite": {"background": [[0.0, 0, 0, np.inf]]},
    "a word": {"baselines": "blur"},
    "nothing": {"baselines": []},
    "rows of another size": {"background": np.zeros((2, 5))},
    "no rows": {"background": np.zeros((0, 4))},
    "objects": {"background": [{}]},
}


@pytest.mark.parametrize("given", REFUSED.values(), ids=REFUSED)
def test_what_cannot_stand_for_absent_is_refused(given):
    with pytest.raises(BadInput, match=f"{next(iter(given))} (has shape|holds NaN)"):
        Space(ROWS, **given)
