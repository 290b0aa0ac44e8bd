"""What a model loses when a column is swapped between rows."""

import numpy as np
import pytest
import torch
from nets import NINE
from sizes import Sizes
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.explanation.importance import permutation_importance as permutation_importance_
from workbench.explanation.score import Score
from workbench.explanation.space import Space


def clipped(model, x, y):
    probability = np.clip(model.predict_proba(x), 1e-6, 1)
    return -log_loss(y, probability / probability.sum(1, keepdims=True))


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_it_is_that_of_scikit_learn_within_errors(clouds, metric):
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(clouds.train.x, clouds.train.y)
    ours = wb.explain(model, clouds.train, "permutation_importance", n_repeats=30, metric=metric, data=clouds)
    scoring = {"accuracy": "accuracy", "log_loss": clipped}
    theirs = permutation_importance(
        model, clouds.train.x, clouds.train.y, n_repeats=30, scoring=scoring[metric], random_state=0
    )
    spread = 4 * np.hypot(theirs.importances_std / 30**0.5, theirs.importances.std(1) / 30**0.5) + 1e-4
    assert (np.abs(ours.values[0] - theirs.importances_mean) < spread).all()
    assert np.ptp(ours.values) > 0.1
    assert ours.feature_names == clouds.feature_names


def test_a_category_is_swapped_with_all_its_indicators(people):
    seen = []

    def look(x):
        seen.append(x[:, people.columns["job"]])
        return x[:, :2]

    wb.explain(look, people.test, "permutation_importance", data=people, n_repeats=2)
    job = people.codec.columns[1]
    assert {tuple(np.round(row + job.means, 4)) for x in seen for row in x} == {
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
    }


def test_what_a_model_ignores_costs_nothing(clerk, people):
    model = DecisionTreeClassifier(max_depth=1, random_state=0).fit(people.train.x, people.train.y)
    e = wb.explain(model, people.test, "permutation_importance", data=people)
    assert e.values.shape == (1, 4)
    assert e.values[0, 1] > 3 * e.settings["error"][0, 1] > 0
    np.testing.assert_array_equal(e.values[0, [0, 2, 3]], 0)
    assert e.settings["unpermuted"] == pytest.approx((model.predict(people.test.x) == people.test.y).mean())
    assert e.top(1)["feature"][0] == "job"


def test_the_error_is_what_another_draw_of_rows_would_move(clerk, people):
    rng = np.random.default_rng(0)
    draws = [
        wb.explain(clerk, people.train[rng.integers(0, 200, 200)], "permutation_importance", seed=s)
        for s in range(25)
    ]
    spread = np.std([e.values[0, 1] for e in draws])
    assert np.mean([e.settings["error"][0, 1] for e in draws]) == pytest.approx(spread, rel=0.5)


def rare(x):
    """A model whose answers depend on few rows' values."""
    z = np.exp(np.asarray(x, dtype=float)[:, 0])
    return np.stack([0 * z, z], 1).astype(np.float32)


@pytest.mark.parametrize(("shift", "n_repeats"), [(0, 30), (3, 5)])
def test_the_error_counts_what_a_row_gives_and_receives(shift, n_repeats):
    found = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(200, 2)).astype(np.float32)
        y = (rng.random(200) < 1 / (1 + np.exp(1 - rare(x)[:, 1] - shift))).astype(int)
        found.append(importance_of(rare, x, y, n_repeats=n_repeats, metric="log_loss", seed=seed))
    spread = np.std([values[0, 0] for values, _ in found])
    assert np.mean([facts["error"][0, 0] for _, facts in found]) == pytest.approx(spread, rel=0.2)
    assert {facts["error"][0, 1] for _, facts in found} == {0}  # What a model ignores has no error.


def importance_of(model, x, y, batch_size=None, **options):
    """Return permutation importance, below the front door."""
    score, space = Score(model, "logit", batch_size=batch_size), Space(torch.tensor(x), labels=y)
    score.aim(space.x)
    with Sizes() as sizes:
        values, facts = permutation_importance_(score, space, **options)
    return values.numpy(), facts | {"largest": max(sizes.seen)}


def test_no_more_than_a_batch_is_copied():
    x = np.random.default_rng(0).normal(size=(400, 60)).astype(np.float32)
    _, facts = importance_of(rare, x, np.arange(400) % 2, batch_size=16)
    assert facts["largest"] <= 16 * 60


def test_patches_of_an_image_show_their_groups_number(lenet, digits):
    e = wb.explain(lenet, digits.test[:60], "permutation_importance", feature_mask=NINE, n_repeats=2)
    assert e.values.shape == e.settings["error"].shape == (1, 1, 28, 28)
    for group in range(9):
        assert np.ptp(e.values[0][NINE[0] == group]) == 0
    assert e.values[0, 0, 14, 14] == e.values.max() > 0.1
    assert e.n_forward == 1 + 60 * (1 + 2 * 9)


def test_columns_may_be_swapped_together(clerk, people):
    e = wb.explain(clerk, people.test, "permutation_importance", feature_mask=[0, 1, 1, 0], data=people)
    assert e.values[0, 0] == e.values[0, 3]
    assert e.values[0, 1] == e.values[0, 2] != e.values[0, 0]


def test_same_seed_same_bits_and_other_rows_another_fingerprint(tmp_path, clerk, people):
    e, same, other = (
        wb.explain(clerk, people.test, "permutation_importance", seed=s, data=people) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(e.values, same.values)
    assert not np.array_equal(e.values, other.values)
    few = wb.explain(clerk, people.test[:30], "permutation_importance", seed=1, data=people)
    assert few.fingerprint != e.fingerprint == same.fingerprint
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    np.testing.assert_array_equal(loaded.settings["error"], e.settings["error"])
    np.testing.assert_array_equal(loaded.replay(clerk, people.test).values, e.values)


def test_what_makes_no_sense_is_refused(clerk, people):
    with pytest.raises(BadInput, match=r"was given no rows.*Pass data.test"):
        wb.explain(clerk, None, "permutation_importance", data=people)
    with pytest.raises(BadInput, match="rows without classes"):
        wb.explain(clerk, people.test.x, "permutation_importance", data=people)
    with pytest.raises(UnknownName, match=r"no metric called 'f1'.*accuracy, log_loss"):
        wb.explain(clerk, people.test, "permutation_importance", metric="f1")
    with pytest.raises(BadInput, match="There is 1 row"):
        wb.explain(clerk, people.test[:1], "permutation_importance")
    with pytest.raises(BadInput, match=r"The model has 1 outputs, and classes run to 1"):
        wb.explain(lambda x: x[:, :1], people.test, "permutation_importance")
    with pytest.raises(BadInput, match="feature_mask has groups for each row"):
        wb.explain(clerk, people.test[:2], "permutation_importance", feature_mask=np.arange(16).reshape(2, 8))
