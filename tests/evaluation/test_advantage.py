"""A net beside glass boxes: what is measured, and what may be said."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from workbench.data.records import Split
from workbench.evaluation.advantage import Advantage, advantage

N = 600


def split(y):
    rows = np.arange(len(y))
    return Split(rows[:, None].astype(np.float32), y, rows, rows)


def scorer(scores):
    """A model that gives each row, which is its own number, the scores it has in a list."""
    return lambda x: scores[x[:, 0].astype(int)]


def skilled(y, noise, seed=0, classes=2):
    z = np.random.default_rng(seed).normal(0, noise, (len(y), classes))
    z[np.arange(len(y)), y] += 1
    return scorer(z)


Y = np.arange(N) % 2


def test_the_area_under_the_curve_is_that_of_scikit_learn():
    y = np.arange(90) % 3
    for labels, classes in ((Y, 2), (y, 3)):
        model = skilled(labels, 1.5, classes=classes)
        z = model(np.arange(len(labels))[:, None])
        p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        known = (
            roc_auc_score(labels, p[:, 1]) if classes == 2 else roc_auc_score(labels, p, multi_class="ovr")
        )
        found = advantage("net", model, {"tree": skilled(labels, 3, classes=classes)}, split(labels))
        assert found.rows["net"]["auc"] == pytest.approx(known)


def test_a_better_net_is_called_better_with_its_numbers():
    found = advantage("mlp", skilled(Y, 0.4), {"tree": skilled(Y, 5), "logistic": skilled(Y, 2)}, split(Y))
    assert found.rival == "logistic" and found.accuracy.low > 0
    assert found.sentence.startswith("The mlp is better than a model that can be read: accuracy +")


def test_a_worse_net_is_called_worse_and_the_remedy_is_named():
    found = advantage("mlp", skilled(Y, 5), {"logistic": skilled(Y, 0.4)}, split(Y))
    assert "is worse than a model that can be read: use that one" in found.sentence


def test_an_equal_net_has_no_advantage():
    same = skilled(Y, 0.3)
    found = advantage("mlp", same, {"logistic": same}, split(Y))
    assert (
        "as good as a model that can be read, within 2 points and .02, and has no advantage" in found.sentence
    )


def test_few_rows_cannot_tell():
    y = Y[:40]
    found = advantage("mlp", skilled(y, 1.5, 1), {"logistic": skilled(y, 1.5, 2)}, split(y))
    assert "shows no advantage" in found.sentence and "cannot tell" in found.sentence


def test_intervals_resample_clusters():
    rows = split(Y)
    twins = Split(rows.x, rows.y, rows.row_ids, np.arange(N) // 20)
    wide, narrow = (
        advantage("n", skilled(Y, 2), {"t": skilled(Y, 3, 1)}, s).rows["n"] for s in (twins, rows)
    )
    assert narrow["auc"] == wide["auc"] and narrow["auc high"] != wide["auc high"]


def test_it_comes_back_from_plain_data():
    found = advantage("mlp", skilled(Y, 1), {"logistic": skilled(Y, 2)}, split(Y))
    again = Advantage.from_plain(found.plain())
    assert again.sentence == found.sentence and again.table().equals(found.table())
    assert "logistic" in again._repr_html_()


def test_a_class_that_nobody_has_is_left_out():
    z = np.random.default_rng(0).normal(size=(N, 3))
    found = advantage("net", scorer(z), {"tree": scorer(z)}, split(Y))
    assert np.isfinite(found.rows["net"]["auc"])


def test_ranking_is_held_against_the_box_that_ranks_best():
    right = np.arange(N) % 10 != 0  # nine answers in ten
    blunt = np.eye(2)[np.where(right, Y, 1 - Y)]  # accurate, and ranks by two values
    fine = np.random.default_rng(0).normal(0, 1, (N, 2))
    fine[np.arange(N), Y] += 1.5
    found = advantage("mlp", scorer(blunt), {"tree": scorer(blunt), "logistic": scorer(fine)}, split(Y))
    assert found.rows["tree"]["accuracy"] > found.rows["logistic"]["accuracy"]
    assert (found.rival, found.ranker) == ("tree", "logistic")
    assert (
        "against tree, area under the curve" in found.sentence
        and "against logistic, the best glass boxes" in found.sentence
    )


def test_answers_that_are_better_and_ranks_that_are_worse_are_told_apart():
    z = np.random.default_rng(0).normal(0, 1, (N, 2))
    z[np.arange(N), Y] += 1.5
    better = np.where(
        (z.argmax(1) == Y)[:, None] | (np.arange(N) % 9 == 0)[:, None],
        np.eye(2)[Y] * 0.1,
        np.eye(2)[1 - Y] * 9,
    )
    found = advantage("mlp", scorer(better), {"logistic": scorer(z)}, split(Y))
    assert "answers better and ranks worse" in found.sentence
