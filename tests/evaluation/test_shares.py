"""Counts of right and kept answers: exact, wide enough where nothing changed, and aware of clusters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from workbench.errors import BadInput
from workbench.evaluation.shares import (
    accuracy_difference,
    effective_size,
    mcnemar_exact,
    proportion_interval,
    share_interval,
)

counts = st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def paired(both, lost, gained, neither):
    """Answers right before and after, from the four counts."""
    before = [1] * (both + lost) + [0] * (gained + neither)
    return np.array(before), np.array([1] * both + [0] * lost + [1] * gained + [0] * neither)


def coverage(draw, interval, truth):
    found = [interval(*draw(np.random.default_rng(case))) for case in range(300)]
    return np.mean([low <= truth <= high for _, low, high, _ in found])


def groups_of_four(rng):
    who = np.arange(400) // 4
    return (rng.random(400) < rng.beta(0.9 * 2, 0.1 * 2, 100)[who]), who


def score_by_search(lost, gained, n, difference):
    """Tango's statistic with the nuisance rate found by maximizing the likelihood, not by his formula."""

    def against(rate):
        chances = np.array([rate, rate + difference, 1 - 2 * rate - difference])
        return -np.sum(np.array([lost, gained, n - lost - gained]) * np.log(np.maximum(chances, 1e-300)))

    span = max(0.0, -difference), (1 - difference) / 2
    rate = optimize.minimize_scalar(against, bounds=span, method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - n * difference) / np.sqrt(n * (2 * rate + difference * (1 - difference)))


# known answers and agreement


@given(counts)
def test_a_share_has_the_exact_interval_of_scipy(case):
    successes, n = case
    exact = stats.binomtest(successes, n).proportion_ci(0.95, method="exact")
    assert proportion_interval(successes, n)[1:3] == pytest.approx(tuple(exact), abs=1e-9)


def test_all_kept_of_four_hundred_leaves_room_for_four():
    assert share_interval(np.ones(400))[:3] == pytest.approx((1.0, 0.9908, 1.0), abs=1e-4)


@pytest.mark.parametrize(("lost", "gained", "n"), [(8, 3, 400), (1, 0, 44), (4, 9, 32), (20, 24, 60)])
def test_the_bounds_of_a_difference_are_where_the_score_is_at_its_limit(lost, gained, n):
    value, low, high, _ = accuracy_difference(*paired(n - lost - gained, lost, gained, 0))
    assert value == pytest.approx((gained - lost) / n)
    assert score_by_search(lost, gained, n, low) == pytest.approx(1.95996, abs=1e-4)
    assert score_by_search(lost, gained, n, high) == pytest.approx(-1.95996, abs=1e-4)


def test_no_change_in_a_thousand_inputs_does_not_prove_equality():
    z = stats.norm.ppf(0.975)
    bound = z**2 / (1000 + z**2)
    assert accuracy_difference(*paired(980, 0, 0, 20))[:3] == pytest.approx((0, -bound, bound), abs=1e-9)


def test_all_answers_lost_is_the_end_of_the_scale():
    assert accuracy_difference(*paired(0, 44, 0, 0))[:3] == pytest.approx((-1, -1, -0.8394), abs=1e-4)
    assert accuracy_difference(*paired(0, 0, 44, 0))[:3] == pytest.approx((1, 0.8394, 1), abs=1e-4)


def test_mcnemar_counts_only_those_who_changed_sides():
    assert mcnemar_exact(*paired(900, 8, 2, 90)) == pytest.approx(2 * stats.binom.cdf(2, 10, 0.5))
    assert mcnemar_exact(*paired(10, 0, 0, 5)) == 1.0


def test_a_copied_sample_is_worth_its_originals():
    x = np.random.default_rng(0).random(200) < 0.8
    assert effective_size(np.repeat(x, 2), np.repeat(np.arange(200), 2)) == pytest.approx(200, rel=0.02)


# laws


@given(counts, st.integers(0, 20), st.integers(0, 20))
def test_a_difference_lies_in_its_interval_and_turns_with_the_models(case, lost, gained):
    before, after = paired(case[0], lost, gained, case[1] - case[0])
    value, low, high, _ = accuracy_difference(before, after)
    assert -1 <= low <= value <= high <= 1
    turned = accuracy_difference(after, before)
    assert (-turned.value, -turned.high, -turned.low) == pytest.approx((value, low, high), abs=1e-8)
    assert mcnemar_exact(before, after) == pytest.approx(mcnemar_exact(after, before))


@given(counts)
def test_one_more_success_never_lowers_a_bound(case):
    successes, n = case
    _, low, high, _ = proportion_interval(successes, n + 1)
    _, more_low, more_high, _ = proportion_interval(successes + 1, n + 1)
    assert more_low >= low and more_high >= high


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=30))
def test_a_clustered_sample_is_never_worth_more_than_its_inputs(case):
    hits, who = np.array(case).T
    size = effective_size(hits, who)
    assert np.isnan(size) == (len(set(who.tolist())) == 1)
    assert np.isnan(size) or 1 <= size <= len(hits)


def test_inputs_on_their_own_are_worth_themselves():
    x = np.random.default_rng(0).random(50) < 0.5
    assert effective_size(x) == effective_size(x, np.arange(50)[::-1]) == 50
    assert share_interval(x) == share_interval(x, np.arange(50))


# coverage, small and seeded


@pytest.mark.parametrize("share", [0.99, 0.8])
def test_shares_hold_the_truth_at_least_as_often_as_they_say(share):
    assert 0.93 <= coverage(lambda rng: (rng.random(400) < share,), share_interval, share) <= 1


def test_shares_of_clustered_inputs_hold_the_truth_as_often_as_they_say():
    assert 0.92 <= coverage(groups_of_four, share_interval, 0.9) <= 0.99


def test_those_that_ignore_the_clusters_do_not():
    assert coverage(lambda rng: groups_of_four(rng)[:1], share_interval, 0.9) < 0.91


def test_differences_hold_the_truth_as_often_as_they_say():
    def draw(rng):
        kind = rng.choice(3, 400, p=[0.96, 0.03, 0.01])  # kept, lost, gained
        return kind != 2, kind != 1

    assert 0.91 <= coverage(draw, accuracy_difference, -0.02) <= 0.99


# refusals


def test_a_single_cluster_has_no_interval():
    assert np.isnan(share_interval([1, 0, 1], [3, 3, 3]).low)
    assert np.isnan(accuracy_difference([1, 0, 1], [1, 1, 1], [3, 3, 3]).low)


def test_no_inputs_have_no_share():
    assert np.isnan(proportion_interval(0, 0).value) and proportion_interval(0, 0).reason


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: proportion_interval(5, 4), "successes is 5 of 4"),
        (lambda: proportion_interval(1, 4, level=95), "level is 95"),
        (lambda: share_interval([0.5, 1]), "hits holds 0.5"),
        (lambda: mcnemar_exact([1, 0], [1, 0, 1]), "right_after has 3 inputs but the others have 2"),
        (lambda: accuracy_difference([], []), "values have the shape (0,)"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(call, words):
    with pytest.raises(BadInput) as error:
        call()
    assert words in str(error.value)
