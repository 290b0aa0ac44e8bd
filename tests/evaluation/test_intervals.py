"""Intervals hold the truth as often as they say, and say nothing where nothing can be known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from workbench.errors import BadInput
from workbench.evaluation.intervals import (
    bootstrap_mean,
    crossed_bootstrap,
    holm,
    index_interval,
    tail_probability,
)

CASES = 200
probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def coverage(draw, interval, truth):
    """The share of simulated samples whose interval holds the truth."""
    found = [interval(*draw(np.random.default_rng(case)), n=500, seed=case) for case in range(CASES)]
    return np.mean([low <= truth <= high for _, low, high, _ in found])


def runs_that_differ(rng):
    return (rng.normal(0, 0.1, (5, 1)) + rng.normal(0, 0.2, (1, 80)) + rng.normal(0, 0.1, (5, 80)),)


def writers(rng):
    who = np.arange(120) // 4
    return rng.normal(0, 1, 30)[who] + rng.normal(0, 0.3, 120), who


# known answers


def test_equal_values_have_an_interval_without_width():
    assert bootstrap_mean(np.full(30, 0.25))[:3] == pytest.approx((0.25, 0.25, 0.25))


def test_a_mean_of_normal_values_has_an_interval_as_wide_as_students():
    x = np.random.default_rng(3).normal(size=12)
    _, low, high, _ = bootstrap_mean(x, n=40_000)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 11) * stats.sem(x), rel=0.04)


def test_the_interval_of_five_runs_on_one_kind_of_input_is_students():
    runs = np.random.default_rng(4).normal(size=5)
    expected = stats.t.interval(0.95, 4, runs.mean(), stats.sem(runs))
    found = crossed_bootstrap(np.tile(runs[:, None], 20), n=40_000)
    assert found[1:3] == pytest.approx(expected, rel=0.15)


def test_an_index_is_a_ratio_of_means_and_no_mean_of_ratios():
    compressed, references, own = [0.9, 0.5] * 20, [[0.8, 0.1] * 20] * 3, [1.0, 0.9] * 20
    assert index_interval(compressed, references, own).value == pytest.approx((0.7 - 0.45) / (0.95 - 0.45))


def test_the_original_itself_has_index_one_and_another_run_has_index_zero():
    runs = 0.9 + np.random.default_rng(0).normal(0, 0.02, (5, 100))
    assert index_interval(np.ones(100), runs, np.ones(100))[:3] == (1.0, 1.0, 1.0)
    typical = index_interval(runs.mean(axis=0), runs, np.ones(100))
    assert typical.value == pytest.approx(0, abs=1e-12) and typical.low < 0 < typical.high


def test_holm_multiplies_by_the_number_of_tests_that_are_left():
    assert holm([0.02, 0.5, 0.001, 0.04]) == pytest.approx([0.06, 0.5, 0.004, 0.08])
    assert holm([]).shape == (0,)


def test_a_difference_of_zero_has_probability_one_and_a_sure_one_the_smallest_there_is():
    assert tail_probability(np.zeros(50)) == 1.0
    assert tail_probability(np.full(50, -0.1), n=999) == 1 / 1000


# laws


@pytest.mark.parametrize("values", [np.arange(40.0), np.random.default_rng(1).exponential(size=25)])
def test_one_run_is_the_bootstrap_of_its_inputs(values):
    assert crossed_bootstrap(values[None]) == bootstrap_mean(values)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    x = np.random.default_rng(0).normal(size=50)
    assert bootstrap_mean(x, seed=7) == bootstrap_mean(x, seed=7) != bootstrap_mean(x, seed=8)


def test_copies_of_an_input_add_nothing_when_they_share_its_cluster():
    x = np.random.default_rng(0).normal(size=50)
    copied = bootstrap_mean(np.repeat(x, 3), clusters=np.repeat(np.arange(50), 3))
    assert copied[:3] == pytest.approx(bootstrap_mean(x)[:3])


def test_more_runs_that_agree_make_a_narrower_interval():
    rng = np.random.default_rng(0)
    rows = rng.normal(0, 0.1, (20, 1)) + rng.normal(0, 0.01, (20, 50))
    few, many = crossed_bootstrap(rows[:5]), crossed_bootstrap(rows)
    assert many.high - many.low < few.high - few.low


@given(scale=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_an_interval_moves_with_its_unit(scale, shift):
    x = np.random.default_rng(2).normal(size=20)
    expected = scale * np.array(bootstrap_mean(x, n=200)[:3]) + shift
    assert bootstrap_mean(scale * x + shift, n=200)[:3] == pytest.approx(expected, abs=1e-9 + 1e-9 * scale)


@given(shift=st.floats(-0.6, 0.6), n=st.sampled_from([200, 999, 2000]))
def test_a_probability_below_five_per_cent_is_an_interval_without_zero(shift, n):
    x = shift + np.random.default_rng(5).normal(size=30)
    _, low, high, _ = bootstrap_mean(x, n=n)
    assert (tail_probability(x, n=n) < 0.05) == (low > 0 or high < 0)


@given(probabilities)
def test_holm_never_lowers_a_probability_and_keeps_their_order(p):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= 1).all()
    assert adjusted[np.argsort(p)].tolist() == sorted(adjusted)
    assert holm(p[::-1]).tolist() == adjusted[::-1].tolist()


def test_scaling_all_similarities_leaves_the_index():
    rng = np.random.default_rng(0)
    s, runs, own = 0.95 + rng.normal(0, 0.01, 80), 0.9 + rng.normal(0, 0.01, (4, 80)), np.ones(80)
    assert index_interval(s / 2, runs / 2, own / 2)[:3] == pytest.approx(index_interval(s, runs, own)[:3])


# coverage, small and seeded


def test_intervals_over_skewed_inputs_hold_the_truth_as_often_as_they_say():
    assert 0.90 <= coverage(lambda rng: (rng.exponential(1, 60),), bootstrap_mean, 1.0) <= 0.99


def test_intervals_over_five_runs_that_differ_hold_the_truth_as_often_as_they_say():
    assert 0.90 <= coverage(runs_that_differ, crossed_bootstrap, 0.0) <= 0.99


def test_one_of_those_runs_alone_is_nearly_always_wrong_about_training():
    assert coverage(lambda rng: (runs_that_differ(rng)[0][0],), bootstrap_mean, 0.0) < 0.7


def test_intervals_over_writers_hold_the_truth_as_often_as_they_say():
    assert 0.90 <= coverage(writers, bootstrap_mean, 0.0) <= 0.99


def test_those_that_ignore_the_writers_do_not():
    assert coverage(lambda rng: writers(rng)[:1], bootstrap_mean, 0.0) < 0.8


def test_intervals_of_the_index_hold_the_truth_as_often_as_they_say():
    def draw(rng):
        shared = rng.normal(0, 0.05, 80)
        runs = 0.9 + rng.normal(0, 0.02, (5, 1)) + shared + rng.normal(0, 0.05, (5, 80))
        return 0.95 + shared / 2 + rng.normal(0, 0.05, 80), runs, np.ones(80)

    assert 0.90 <= coverage(draw, index_interval, 0.5) <= 0.99


# refusals


def test_an_index_is_refused_where_other_runs_are_as_alike_as_the_method_allows():
    refused = index_interval(np.full(50, 0.99), np.full((5, 50), 0.985), np.ones(50))
    assert np.isnan(refused[:3]).all() and refused.reason.startswith(
        "no room: other training runs are within 0.02"
    )


def test_an_index_is_refused_where_its_denominator_is_uncertain():
    runs = np.array([0.99, 0.97, 0.6, 1.0, 0.98])[:, None] + np.zeros(50)
    refused = index_interval(np.full(50, 0.9), runs, np.ones(50))
    assert np.isnan(refused.value) and "of its standard errors" in refused.reason


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_references_give_an_index_without_interval(count):
    value, low, high, reason = index_interval(np.full(50, 0.95), np.full((count, 50), 0.9), np.ones(50))
    assert value == pytest.approx(0.5) and np.isnan([low, high]).all() and "at least 3 references" in reason


def test_no_references_give_no_index_and_the_remedy():
    assert "train some" in index_interval(np.ones(5), [], np.ones(5)).reason


@pytest.mark.parametrize("make", [bootstrap_mean, lambda x, c: crossed_bootstrap([x, x], c)])
def test_inputs_that_all_belong_together_have_no_interval(make):
    value, low, high, reason = make([1.0, 2.0], [7, 7])
    assert value == 1.5 and np.isnan([low, high]).all() and reason
    assert tail_probability([1.0, 2.0], [7, 7]) == 1.0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bootstrap_mean([]), "values have the shape (0,)"),
        (lambda: bootstrap_mean([1.0, np.nan]), "1 of 2 values are not finite"),
        (lambda: bootstrap_mean([[1.0]]), "(inputs,)"),
        (lambda: bootstrap_mean([1.0, 2.0], [1, 2, 3]), "clusters have the shape (3,)"),
        (lambda: bootstrap_mean([1.0, 2.0], level=95), "level is 95"),
        (lambda: bootstrap_mean([1.0, 2.0], n=0), "n is 0"),
        (lambda: crossed_bootstrap([1.0]), "(runs, inputs)"),
        (
            lambda: index_interval([1.0], [[0.5, 0.5]], [1.0, 1.0]),
            "compressed has 1 inputs but the others have 2",
        ),
        (lambda: holm([0.1, np.nan]), "p_values holds nan"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(call, words):
    with pytest.raises(BadInput) as error:
        call()
    assert words in str(error.value)
