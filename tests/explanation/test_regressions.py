"""The two regressions: scikit-learn's numbers for all rows at once, and errors that mean what they say."""

import numpy as np
import pytest
import torch
from lime.lime_base import LimeBase
from nets import dividends
from sizes import Sizes
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances

import workbench as wb
from workbench.explanation import local_surrogates
from workbench.explanation.local_surrogates import cosine, euclidean, near
from workbench.explanation.regressions import ridge, shares

DRAWS = torch.Generator().manual_seed(0)


def drawn(lists, n=80, d=7):
    kept = torch.rand(lists, n, d, generator=DRAWS) < 0.6
    kept[:, 0] = True
    return kept, torch.randn(5, n, generator=DRAWS).double()


@pytest.mark.parametrize("lists", [1, 5])
def test_all_rows_at_once_have_scikit_learns_weights(lists):
    kept, worth = drawn(lists)
    weight = near(euclidean(kept), 1.3)
    fits = ridge(kept, worth, weight)
    for row in range(5):
        z, w = kept[row % lists].double().numpy(), weight[row % lists].numpy()
        theirs = Ridge(alpha=1).fit(z, worth[row], sample_weight=w)
        np.testing.assert_allclose(fits.weights[row], theirs.coef_, rtol=1e-10, atol=1e-12)
        assert float(fits.fit[row]) == pytest.approx(theirs.score(z, worth[row], sample_weight=w), rel=1e-10)


@pytest.mark.parametrize(("metric", "distance"), [("cosine", cosine), ("euclidean", euclidean)])
def test_weights_are_those_of_limes_own_regression_to_ten_digits(metric, distance):
    kept, worth = drawn(1, 200, 9)
    kept[0, 3] = False  # Nothing is kept: as far away as can be.
    z, width = kept[0].double().numpy(), 0.7
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / width**2)))
    apart = pairwise_distances(z, z[:1], metric=metric).ravel()
    fits = ridge(kept, worth, near(distance(kept), width))
    for row in range(5):
        _, pairs, fit, _ = base.explain_instance_with_data(
            z, worth[row][:, None].numpy(), apart, 0, 9, feature_selection="none"
        )
        np.testing.assert_allclose(
            fits.weights[row], [dict(pairs)[i] for i in range(9)], rtol=1e-10, atol=1e-10
        )
        assert float(fits.fit[row]) == pytest.approx(fit, rel=1e-10)


def test_a_constant_output_is_fitted_perfectly_by_nothing():
    kept, worth = drawn(1)
    fits = ridge(kept, torch.full_like(worth, 0.3), near(cosine(kept), 0.25))
    assert fits.fit.tolist() == [1.0] * 5
    np.testing.assert_allclose(fits.weights, 0, atol=1e-12)
    np.testing.assert_allclose(fits.error, 0, atol=1e-12)


def test_shared_coalitions_have_the_solution_of_each_row_alone():
    half = torch.rand(60, 9, generator=DRAWS) < 0.5
    kept, worth = torch.cat([half, ~half])[None], torch.randn(6, 120, generator=DRAWS).double()
    full, empty = torch.randn(2, 6, generator=DRAWS).double()
    values, errors = shares(kept, worth, full, empty)
    alone = [shares(kept, worth[i : i + 1], full[i : i + 1], empty[i : i + 1]) for i in range(6)]
    np.testing.assert_allclose(values, torch.cat([v for v, _ in alone]), rtol=1e-9)
    np.testing.assert_allclose(errors, torch.cat([e for _, e in alone]), rtol=1e-9)
    np.testing.assert_allclose(values.sum(1), full - empty, rtol=1e-9)


@pytest.mark.parametrize("a_group", [5, 25])
def test_the_error_of_lime_is_what_another_draw_would_move(a_group):
    rng = np.random.default_rng(0)
    terms = {tuple(rng.choice(8, size, False)): rng.normal() for size in (1, 3) for _ in range(12)}
    x = np.ones((200, 8), dtype=np.float32)  # rows alike: as many draws, one a row
    e = wb.explain(
        dividends(terms), x, "lime", output="raw", n_samples=8 * a_group, kernel_width=1.0, shared_draws=False
    )
    spread = e.values.std(0, ddof=1).mean()
    assert e.settings["error"] == pytest.approx(spread, rel=0.15)


def test_the_error_of_lime_on_drawn_columns_is_what_another_draw_would_move(clerk, people):
    rows = people.test[np.zeros(120, dtype=int)]
    e = wb.explain(clerk, rows, "lime", background=people.train, n_samples=100, shared_draws=False)
    assert e.settings["error"] == pytest.approx(e.values.std(0, ddof=1).mean(), rel=0.2)


def test_the_worst_fit_stands_beside_the_mean(clerk, people):
    e = wb.explain(clerk, people.test[:6], "lime", background=people.train, n_samples=100)
    each = [
        wb.explain(clerk, people.test[[i]], "lime", background=people.train, n_samples=100) for i in range(6)
    ]
    fits = [one.settings["fit"] for one in each if one.target[0] == one.target[0]]
    assert e.settings["fit_low"] == pytest.approx(min(fits), abs=1e-5)
    assert e.settings["fit"] == pytest.approx(np.mean(fits), abs=1e-5)


def test_neighbours_that_rows_share_are_evaluated_once_and_held_in_blocks(monkeypatch, clerk, people):
    options = {"background": people.train, "n_samples": 300}
    e = wb.explain(clerk, people.test[:40], "lime", **options)
    assert e.n_forward < 40 + 200 + 300 + 40 + 1
    monkeypatch.setattr(local_surrogates, "BLOCK", 2 * 300 * 4)
    with Sizes() as sizes:
        blocks = wb.explain(clerk, people.test[:40], "lime", **options)
    np.testing.assert_allclose(blocks.values, e.values, atol=1e-6)
    assert max(sizes.seen) < 40 * 300 * 4
