"""Draws are whole samples, keyed by the seed alone, and made in blocks."""

import numpy as np

from workbench.evaluation import resampling
from workbench.evaluation.resampling import bounds, drawn_means, over_runs


def test_every_draw_has_as_many_things_as_there_are():
    counts = resampling._counts(np.random.default_rng(0), 50, 7)
    assert counts.shape == (50, 7) and (counts.sum(axis=1) == 7).all()


def test_each_thing_is_drawn_once_on_average():
    counts = resampling._counts(np.random.default_rng(0), 20_000, 5)
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.03)


def test_all_runs_see_the_same_inputs():
    x = np.random.default_rng(0).normal(size=30)
    draws = drawn_means(np.stack([x, x + 1]), None, 100, 0, 0.95)
    np.testing.assert_allclose(draws[:, 1] - draws[:, 0], 1)


def test_blocks_do_not_change_a_draw(monkeypatch):
    x = np.random.default_rng(0).normal(size=(2, 40))
    whole = drawn_means(x, None, 500, 0, 0.95)
    monkeypatch.setattr(resampling, "_CELLS", 40 * 7)
    np.testing.assert_allclose(drawn_means(x, None, 500, 0, 0.95), whole)


def test_a_single_run_is_not_drawn_again():
    draws = np.arange(5.0)[:, None]
    assert over_runs(draws, seed=0).tolist() == draws[:, 0].tolist()


def test_the_spread_over_runs_is_the_standard_error_of_their_mean():
    runs = np.random.default_rng(1).normal(size=6)
    drawn = over_runs(np.tile(runs, (40_000, 1)), seed=0)
    assert abs(drawn.std() / (runs.std(ddof=1) / np.sqrt(6)) - 1) < 0.02


def test_an_infinite_draw_makes_an_infinite_bound():
    assert bounds(np.array([-np.inf, *range(20)]), 0.9)[0] == -np.inf
