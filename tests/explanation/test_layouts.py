"""A token is shown at the feature that it stands for; where that is not clear, nothing is guessed."""

import numpy as np
import pytest
import torch
from attentive import Patches, Squares
from torch import nn

from workbench.errors import BadInput, UnknownName
from workbench.explanation.layouts import laid_out
from workbench.explanation.space import Space


def images(*size):
    return Space(torch.zeros(2, 1, *size))


def cut(*windows):
    return nn.Sequential(*[nn.Conv2d(1, 2, window, window) for window in windows])


@pytest.mark.parametrize(("tokens", "extra"), [(16, 0), (17, 1), (20, 4)])
def test_a_convolution_that_cuts_says_how_large_a_patch_is(tokens, extra):
    layout = laid_out(cut(7), images(28, 28), tokens)
    assert (layout.grid, layout.extra, layout.patch) == ((4, 4), extra, (7, 7))
    assert layout.facts()["patches"]["found"].startswith("7 x 7 pixels, the window")


def test_a_convolution_that_overlaps_or_reads_other_channels_says_nothing():
    net = nn.Sequential(
        nn.Conv2d(1, 2, 7, 4), nn.Conv2d(2, 2, 2, 2), nn.Conv2d(1, 2, 4, 4, padding=2), nn.Conv2d(1, 1, 1)
    )
    assert laid_out(net, images(28, 28), 17).found == "7 x 7 pixels, as 16 squares fill the image"


@pytest.mark.parametrize(("size", "tokens", "grid", "extra"), [
    ((28, 28), 16, (4, 4), 0), ((28, 28), 50, (7, 7), 1), ((12, 24), 8, (2, 4), 0), ((24, 12), 33, (8, 4), 1),
])  # fmt: skip
def test_else_squares_that_fill_the_image_are_found(size, tokens, grid, extra):
    layout = laid_out(nn.Sequential(), images(*size), tokens)
    assert (layout.grid, layout.extra) == (grid, extra)


@pytest.mark.parametrize(("net", "size", "tokens"), [
    (nn.Sequential(), (28, 28), 15), (cut(7, 14), (28, 28), 17), (nn.Sequential(), (20, 20), 10), (nn.Sequential(), (30, 28), 16),
])  # fmt: skip
def test_what_is_not_clear_is_refused_with_the_option(net, size, tokens):
    with pytest.raises(BadInput, match=r"ways.*Pass grid=\(rows, columns\)"):
        laid_out(net, images(*size), tokens)


def test_a_given_grid_settles_it():
    layout = laid_out(nn.Sequential(), images(20, 20), 10, grid=(3, 3))
    assert (layout.grid, layout.extra, layout.found) == ((3, 3), 1, "as given")


@pytest.mark.parametrize("grid", [(4, 5), (0, 4), 4, "4x4", (2, 2, 2), (4.0, 4.0)])
def test_a_grid_that_cannot_be_is_refused(grid):
    with pytest.raises(BadInput, match="grid is"):
        laid_out(cut(7), images(28, 28), 17, grid=grid)


@pytest.mark.parametrize(("special", "place"), [("first", slice(1, 5)), ("last", slice(0, 4))])
def test_patches_are_folded_row_by_row_whichever_end_the_models_own_token_has(special, place):
    layout = laid_out(cut(2), images(5, 4), 5, special=special)
    weights = torch.arange(10.0).view(2, 5)
    assert layout.place == place
    patches = layout.folded(weights, (5, 4), upsample=False)
    np.testing.assert_array_equal(patches[:, 0].flatten(1), weights[:, place])
    whole = layout.folded(weights, (5, 4), upsample=True)
    np.testing.assert_array_equal(whole[0, 0, :4, :4], np.kron(patches[0, 0], np.ones((2, 2))))
    assert whole.shape == (2, 1, 5, 4)
    assert not whole[:, :, 4].any()  # The line at the border that no window reaches.


def test_columns_and_the_place_of_the_models_own_token():
    table = Space(torch.zeros(2, 4))
    assert laid_out(nn.Sequential(), table, 4).extra == 0
    with pytest.raises(BadInput, match="Pass special='first' or 'last'"):
        laid_out(nn.Sequential(), table, 5)
    assert laid_out(nn.Sequential(), table, 5, special="last").place == slice(0, 4)
    with pytest.raises(BadInput, match="among 7 tokens, but an input has 4"):
        laid_out(nn.Sequential(), table, 7)
    with pytest.raises(BadInput, match="inputs are no images"):
        laid_out(nn.Sequential(), table, 4, grid=(2, 2))
    with pytest.raises(UnknownName, match="first, last"):
        laid_out(nn.Sequential(), table, 5, special="middle")


def test_encoded_columns_may_be_tokens_but_not_by_guess(people):
    x = torch.tensor(people.test.x[:3])
    table = Space(x, codec=people.codec)
    columns, encoded = table.features[0], x.shape[1]
    assert encoded > columns + 1
    assert laid_out(nn.Sequential(), table, encoded).extra == 0
    assert laid_out(nn.Sequential(), table, columns + 1, special="last").extra == 1
    narrow = Space(x, codec=people.codec)
    narrow.members = torch.arange(encoded).clamp(max=encoded - 2)[None]  # One column has two entries.
    with pytest.raises(BadInput, match="may be the 8 encoded columns, or 7 columns and one"):
        laid_out(nn.Sequential(), narrow, encoded)
    assert laid_out(nn.Sequential(), narrow, encoded, special="first").place == slice(1, encoded)


def test_the_nets_of_these_tests_are_what_they_say():
    assert any(isinstance(m, nn.Conv2d) for m in Patches().modules())
    assert not any(isinstance(m, nn.Conv2d) for m in Squares().modules())
