"""LIME's weights are those of its own regression on the same masks."""

import numpy as np
import pytest
import torch
from nets import NINE, linear
from sklearn.linear_model import Ridge

import workbench as wb
from workbench.errors import BadInput
from workbench.explanation import local_surrogates
from workbench.explanation.local_surrogates import Bins
from workbench.explanation.rules import questions
from workbench.explanation.space import Space
from workbench.state import generator


def masks(d, n, *key):
    """Return the masks that a key draws: which groups are kept, the first sample keeps all."""
    kept = torch.randint(0, 2, (n, d), generator=generator(*key)).numpy()
    kept[0] = 1
    return kept


def by_hand(kept, worth, width):
    """Fit LIME's ridge regression by scikit-learn: weights and the weighted R squared."""
    cosine = kept.sum(1) / np.maximum(np.sqrt(kept.sum(1) * kept.shape[1]), 1e-12)
    weights = np.sqrt(np.exp(-((1 - cosine) ** 2) / width**2))
    fit = Ridge(alpha=1, fit_intercept=True).fit(kept, worth, sample_weight=weights)
    return fit.coef_, fit.score(kept, worth, sample_weight=weights)


@pytest.mark.parametrize("width", [0.25, 1.0])
@pytest.mark.parametrize("shared", [True, False])
def test_weights_are_those_of_a_ridge_by_hand(mlp, clouds, width, shared):
    x, n = clouds.test.x[:3], 80
    e = wb.explain(mlp, x, "lime", target=1, n_samples=n, kernel_width=width, seed=4, shared_draws=shared)
    scores = []
    for row in range(3):
        kept = masks(5, n, *((4,) if shared else (4, row)))
        worth = wb.explain(mlp, np.where(kept, x[row], 0).astype(np.float32), "saliency", target=1).output
        weights, score = by_hand(kept, worth, width)
        np.testing.assert_allclose(e.values[row], weights, rtol=1e-4, atol=1e-5)
        scores.append(score)
    assert e.settings["fit"] == pytest.approx(np.mean(scores), rel=1e-4)


def test_the_weight_of_a_column_of_a_line_is_nearly_its_share():
    x = np.array([[1.0, 2, -1, 4]], dtype=np.float32)
    e = wb.explain(linear([[1, -2, 0, 0.5], [0, 0, 0, 0]]), x, "lime", target=0, n_samples=4000)
    np.testing.assert_allclose(e.values, [[1, -4, 0, 2]], atol=0.02)
    assert e.settings["fit"] > 0.99


def test_patches_share_their_weight_among_their_pixels(tiny, images):
    e = wb.explain(tiny, images, "lime", feature_mask=NINE, n_samples=100)
    for group in range(9):
        assert np.ptp(e.values[:, NINE[0] == group], axis=1).max() == 0
    kept = masks(9, 100, 0)
    shown = np.where(kept[:, NINE[0, 0]][:, None], images[0], 0).astype(np.float32)
    worth = wb.explain(tiny, shown, "saliency", target=int(e.target[0])).output
    weights, _ = by_hand(kept, worth, 0.25)
    for group in range(9):
        assert e.values[0][NINE[0] == group].sum() == pytest.approx(weights[group], abs=1e-5)


def test_how_an_image_was_cut_is_said(tiny, images):
    assert "a grid of 49 patches" in wb.explain(tiny, images[:1], "lime", n_samples=100).settings["segments"]
    given = wb.explain(tiny, images[:1], "lime", n_samples=100, feature_mask=NINE)
    assert given.settings["segments"] == "the given feature_mask"


def test_columns_are_their_own_segments(mlp, clouds):
    assert wb.explain(mlp, clouds.test[:1], "lime").settings["segments"] == "columns"


def test_large_images_are_cut_into_superpixels_a_row_of_its_own():
    rng = np.random.default_rng(0)
    x = np.kron(rng.random((2, 1, 4, 4)), np.ones((16, 16))).astype(np.float32)
    net = torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.Linear(16, 2)).eval()
    e = wb.explain(net, x, "lime", n_samples=150, n_segments=20)
    assert "SLIC" in e.settings["segments"]
    assert [8 < len(np.unique(values)) < 40 for values in e.values] == [True, True]
    np.testing.assert_array_equal(e.replay(net).values, e.values)


def test_the_replay_has_the_measured_fit_anew(mlp, clouds):
    e = wb.explain(mlp, clouds.test[:2], "lime", n_samples=50)
    assert e.settings["measured"] == ["fit", "fit_low", "error", "segments"]
    assert e.replay(mlp).settings == e.settings


@pytest.mark.parametrize("n_samples", [1, 9, 97])
def test_too_few_samples_are_refused(tiny, images, n_samples):
    with pytest.raises(BadInput, match=f"n_samples is {n_samples} for 49 segments.*at least 98"):
        wb.explain(tiny, images, "lime", n_samples=n_samples)


# tables with a background, and words


def test_columns_of_a_table_are_drawn_from_the_background_where_there_is_one(people):
    weights = np.zeros((2, 8))
    weights[0, people.columns["job"]], weights[0, 0] = [3, -1, 2], 1
    net, background = linear(weights), people.train.x
    e = wb.explain(net, people.test[:6], "lime", target=0, background=background, data=people, n_samples=4000)
    assert e.settings["kernel_width"] == pytest.approx(0.75 * 4**0.5)
    assert "quartile or category" in e.settings["segments"]
    assert "drawn, each by itself, from the background" in e.estimand
    np.testing.assert_allclose(e.values[:, 2:], 0, atol=0.1)
    # Staying with one's job adds what it is worth beyond the mean of the others.
    worth = people.train.x @ weights[0]
    jobs = people.train.raw["job"].to_numpy()
    for value, job in zip(e.values[:, 1], people.test[:6].raw["job"], strict=True):
        age = people.train.x[:, 0]
        expected = (worth - age)[jobs == job].mean() - (worth - age)[jobs != job].mean()
        assert value == pytest.approx(expected, abs=0.15)


def test_each_row_may_draw_its_own_neighbours(clerk, people):
    rows = people.test[[0, 0, 1]]
    shared, own = (
        wb.explain(clerk, rows, "lime", background=people.train, n_samples=100, shared_draws=s)
        for s in (True, False)
    )
    np.testing.assert_allclose(shared.values[0], shared.values[1], atol=1e-6)
    assert not np.allclose(own.values[0], own.values[1], rtol=1e-3)
    alone = wb.explain(clerk, rows[:1], "lime", background=people.train, n_samples=100, shared_draws=False)
    np.testing.assert_allclose(alone.values[0], own.values[0], atol=1e-6)


def test_the_background_is_cut_once_for_all_rows(monkeypatch, clerk, people):
    cuts, asked, percentile = [], [], np.percentile
    monkeypatch.setattr(
        local_surrogates.np, "percentile", lambda *a, **k: cuts.append(1) or percentile(*a, **k)
    )
    monkeypatch.setattr(local_surrogates, "questions", lambda inputs: asked.append(1) or questions(inputs))
    wb.explain(clerk, people.test[:4], "lime", background=people.train, n_samples=50, data=people)
    assert cuts == asked == [1]


def test_groups_of_entries_have_moved_where_one_of_them_has(people):
    space, x = Space(torch.tensor(people.test.x), background=people.train.x), torch.tensor(people.test.x)
    groups = torch.tensor([2, 0, 0, 1, 1, 2, 2, 0])
    bins = Bins(space)
    alone, together = (bins.same(x[:2], x, g) for g in (torch.arange(8), groups))
    expected = torch.stack([alone[:, :, groups == g].all(2) for g in range(3)], 2)
    assert torch.equal(together, expected)
    assert 0 < together.float().mean() < 1


def test_columns_of_one_group_are_drawn_from_one_row(people):
    seen = []

    def look(x):
        seen.append(x)
        return x[:, :2]

    wb.explain(
        look, people.test[:1], "lime", background=people.train, feature_mask=[0, 0, 1, 1], n_samples=50
    )
    pairs = {tuple(row[:4]) for row in np.round(people.train.x, 4)}
    drawn = np.round(next(x for x in seen if len(x) == 50)[1:], 4)
    assert all(tuple(row[:4]) in pairs for row in drawn)
    assert not all(tuple(row) in {tuple(r) for r in np.round(people.train.x, 4)} for row in drawn)


def test_a_missing_number_is_a_bin_of_its_own(people):
    missing = people.test[np.flatnonzero(people.test.raw["debt"].isna())[:1]]
    weights = np.zeros((2, 8))
    weights[0, people.columns["debt"][1]] = 4.0
    e = wb.explain(
        linear(weights), missing, "lime", target=0, background=people.train, n_samples=2000, data=people
    )
    np.testing.assert_allclose(e.values, [[0, 0, 4, 0]], atol=0.2)


def test_the_weight_of_a_word_is_what_it_adds():
    def score(texts):
        return np.array([3.0 * ("good" in t.split()) - 1.0 * ("dull" in t.split()) for t in texts])

    e = wb.explain(
        score, ["a good film and a dull plot"], "lime", output="raw", n_samples=4000, kernel_width=2.0
    )
    np.testing.assert_allclose(e.values, [[0, 0, 3, 0, 0, 0, -1, 0]], atol=0.05)
    assert e.settings["segments"] == "words"
    assert e.settings["fit"] > 0.99
    assert wb.explain(score, ["good"], "lime", output="raw").settings["kernel_width"] == 0.25


@pytest.mark.parametrize("width", [0, -1.0])
def test_a_kernel_without_width_is_refused(mlp, clouds, width):
    with pytest.raises(BadInput, match=f"kernel_width is {width}.*Leave it out"):
        wb.explain(mlp, clouds.test[:1], "lime", kernel_width=width)
