"""ROAD: what neighbours tell is told exactly, and nobody sees where a pixel was."""

import handmade
import numpy as np
import pytest
import torch
from nets import linear

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.imputation import imputed


def test_a_plane_is_imputed_as_it_was():
    plane = np.add.outer(np.arange(9.0), 2 * np.arange(8.0))[None]
    removed = np.zeros((9, 8), bool)
    removed[2:6, 3:6] = True  # Away from the border, every pixel is the mean of its neighbours.
    np.testing.assert_allclose(imputed(plane, removed, 0.0, torch.Generator()), plane, atol=1e-9)


def test_noise_lies_on_what_is_imputed_alone():
    image, removed = np.ones((2, 6, 6)), np.eye(6, dtype=bool)
    found = imputed(image, removed, 0.1, torch.Generator().manual_seed(0))
    assert (found[:, ~removed] == 1).all() and (found[:, removed] != 1).all()
    assert np.abs(found - 1).max() < 1


def test_nothing_and_everything_can_be_removed():
    image = np.random.default_rng(0).random((1, 4, 4))
    np.testing.assert_array_equal(imputed(image, np.zeros((4, 4), bool), 0.1, torch.Generator()), image)
    assert (imputed(image, np.ones((4, 4), bool), 0.1, torch.Generator()) == 0).all()


def test_true_maps_lose_more_than_inverted_ones(lenet, digits):
    e = wb.explain(lenet, digits.test[:20], "integrated_gradients")
    own, inverted = (
        wb.evaluate(one, lenet, ("road",))["road"] for one in (e, handmade.replace(e, values=-e.values))
    )
    assert own.mean() < inverted.mean() - 0.1
    np.testing.assert_allclose(wb.evaluate(e[:3], lenet, ("road",))["road"], own[:3], rtol=1e-4)


def test_what_is_no_image_has_no_neighbours():
    net = linear(np.ones((2, 3)))
    with pytest.raises(BadInput, match="pixels with neighbours"):
        wb.evaluate(handmade.explanation(net, np.ones((2, 3)), np.eye(3)[:2]), net, ("road",))
