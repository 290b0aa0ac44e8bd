"""The rule that ranks methods, on numbers that are known."""

import numpy as np
import pytest

from workbench.evaluation.court import Trial
from workbench.evaluation.ranking import ranked

N = 60
NOISE = np.random.default_rng(0).normal(0, 0.02, N)
NONSENSE = {"edges": {"deletion": np.full(N, 0.5), "insertion": np.full(N, 0.5)}}
ALONE = np.arange(N)


def trial(name, gain, stability=0.9, evaluations=10.0, word="sound", untrained=None, noise=NOISE):
    """A method whose scores are so much on the good side of a half, with the noise that all share."""
    scores = {"deletion": 0.5 - gain - noise, "insertion": 0.5 + gain + noise}
    return Trial(
        name,
        scores=scores,
        untrained=untrained or {},
        stability=stability,
        evaluations=evaluations,
        word=word,
    )


def rank(*trials, nonsense=NONSENSE, clusters=ALONE):
    return ranked(trials, nonsense, clusters, seed=0)


def test_gain_is_the_mean_of_both_questions_on_the_good_side_of_the_floor():
    found = rank(trial("a", 0.2, noise=0 * NOISE))
    assert found.gains["a"] == pytest.approx(0.2)
    mixed = Trial("b", scores={"deletion": np.full(N, 0.1), "insertion": np.full(N, 0.4)})
    assert rank(mixed).gains["b"] == pytest.approx((0.4 - 0.1) / 2)


def test_the_surely_better_come_first_whatever_they_cost():
    found = rank(
        trial("cheap", 0.1, evaluations=1),
        trial("good", 0.3, evaluations=1000, stability=0.1),
        trial("fair", 0.2),
    )
    assert found.ranks == {"good": 1, "fair": 2, "cheap": 3}
    assert found.best == "good" and found.tied == []


def test_what_the_rows_do_not_tell_apart_is_tied_and_ordered_by_stability_then_cost():
    found = rank(
        trial("dear", 0.2, 0.9, 50),
        trial("cheap", 0.2, 0.88, 5),
        trial("shaky", 0.2, 0.5, 1),
        trial("mad", 0.2, 0.2, 1),
    )
    assert [*found.ranks] == ["cheap", "dear", "shaky", "mad"]
    assert {*found.ranks.values()} == {1}
    assert found.best == "cheap" and found.tied == ["dear", "shaky", "mad"]


def test_a_stability_that_is_not_known_comes_last_of_its_rank():
    assert [*rank(trial("unknown", 0.2, np.nan, 1), trial("known", 0.2, 0.1, 90)).ranks] == [
        "known",
        "unknown",
    ]


def test_a_difference_of_less_than_a_twentieth_of_the_best_is_none():
    assert rank(trial("a", 0.200), trial("b", 0.191)).ranks == {"a": 1, "b": 1}
    assert rank(trial("a", 0.200), trial("b", 0.189)).ranks == {"a": 1, "b": 2}


def test_a_larger_mean_that_is_not_sure_is_a_tie():
    swinging = trial("swinging", 0.22, noise=np.where(ALONE % 2, 0.3, -0.3))
    assert rank(trial("steady", 0.2), swinging).ranks == {"steady": 1, "swinging": 1}


def test_at_or_below_the_floor_there_is_no_rank():
    found = rank(trial("at", 0.0), trial("below", -0.2))
    assert found.ranks == {} and found.best is None
    assert found.intervals["below"].high < 0 < found.intervals["at"].high


def test_above_in_the_mean_is_not_above_the_floor():
    lucky = trial("lucky", 0.02, noise=np.where(ALONE % 2, 0.3, -0.3))
    found = rank(lucky)
    assert found.intervals["lucky"].value > 0 and found.ranks == {}


def test_the_floor_is_the_best_that_nonsense_reaches_and_one_for_all():
    strong = {"deletion": np.full(N, 0.35), "insertion": np.full(N, 0.8)}
    found = rank(trial("a", 0.2, untrained=strong), trial("b", 0.4))
    assert found.floors["deletion"][0] == found.floors["insertion"][0] == "a on a randomized model"
    assert found.intervals["a"].value == pytest.approx((0.05 - 0.1) / 2 + NOISE.mean(), abs=1e-9)
    assert found.best == "b"


def test_each_question_has_a_floor_of_its_own():
    nonsense = NONSENSE | {"dots": {"deletion": np.full(N, 0.4), "insertion": np.full(N, 0.1)}}
    found = rank(trial("a", 0.2), nonsense=nonsense)
    assert found.floors["deletion"][0] == "dots" and found.floors["insertion"][0] == "edges"


def test_a_broken_result_is_not_ranked_however_good_it_looks():
    assert rank(trial("broken", 0.4, word="broken"), trial("a", 0.1, word="caution")).ranks == {"a": 1}


def test_rows_that_belong_together_are_drawn_together():
    swings = np.repeat(np.random.default_rng(1).normal(0, 0.2, 6), 10)
    one = trial("a", 0.08, noise=swings)
    assert rank(one).best == "a"
    assert rank(one, clusters=np.arange(N) // 10).best is None
    assert "two inputs" in rank(one, clusters=np.zeros(N)).intervals["a"].reason


def test_nothing_tried_is_nothing_ranked():
    assert rank().best is None
