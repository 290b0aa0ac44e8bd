"""The Shapley values that are said to be exact agree with their definition, with sampling, and with each other."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest

import workbench as wb
from workbench.data import known_rule
from workbench.data.known_rule import CORRELATION, NAMES, conditional_shapley, logit, marginal_shapley, rule
from workbench.errors import BadInput

UNUSED, ALONE = NAMES.index("page_views"), NAMES.index("popularity")
FIRST = [1.578, 1.969, 1.195, -0.386, -0.439, -2.789]
CLASSES = [1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 1, 0]


@pytest.fixture(scope="module")
def data():
    return wb.load("known_rule")


@pytest.fixture(scope="module")
def rows(data):
    return data.test.x[:12].astype(float)


def by_permutations(worth, n):
    """Return Shapley values by their definition: the mean gain over all orders of arriving."""
    memory = {}

    def known(columns):
        key = frozenset(columns)
        if key not in memory:
            memory[key] = worth(sorted(key))
        return memory[key]

    gains = [0.0] * n
    for order in permutations(range(n)):
        for place, column in enumerate(order):
            gains[column] = gains[column] + known(order[: place + 1]) - known(order[:place])
    return np.stack(gains, axis=1) / factorial(n)


def mixed(x, background, columns):
    """Return each row with the other columns taken from each background row, ``(n, m, column)``."""
    out = np.repeat(background[None], len(x), axis=0)
    out[:, :, columns] = x[:, None, columns]
    return out


def mean_of(rows):
    return logit(rows.reshape(-1, len(NAMES))).reshape(rows.shape[:2]).mean(1)


def test_the_rule_is_its_terms(rows):
    terms = known_rule.INTERCEPT + sum(known_rule.LINEAR[name] * rows[:, i] for i, name in enumerate(NAMES))
    for (one, other), weight in known_rule.PRODUCTS.items():
        terms = terms + weight * rows[:, NAMES.index(one)] * rows[:, NAMES.index(other)]
    assert np.allclose(logit(rows), terms, atol=1e-12)
    scores = rule(rows)
    assert scores.shape == (len(rows), 2)
    assert np.allclose(scores[:, 1] - scores[:, 0], terms)
    assert np.allclose(scores.sum(1), 0)


def test_the_rows_are_what_they_are_said_to_be(data):
    x = np.concatenate([split.x for split in data.splits.values()])
    assert np.allclose(np.corrcoef(x.T), CORRELATION, atol=0.04)
    assert CORRELATION[0, 1] == pytest.approx(0.8)
    assert np.allclose(np.diag(CORRELATION), 1)
    f = logit(x)
    assert f.mean() == pytest.approx(0, abs=0.15)
    y = np.concatenate([split.y for split in data.splits.values()])
    for low, high in ((-9, -2), (-2, 0), (0, 2), (2, 9)):  # classes are drawn with the rule's probability
        inside = (f > low) & (f < high)
        assert y[inside].mean() == pytest.approx((1 / (1 + np.exp(-f[inside]))).mean(), abs=0.05)


def test_every_machine_draws_the_same_rows(data):
    """A few numbers of the first row and the classes, as drawn when the set was made."""
    assert data.train.raw.iloc[0].astype(float).round(3).tolist() == FIRST
    assert data.train.y[:20].tolist() == CLASSES


@pytest.mark.parametrize("values", [marginal_shapley, conditional_shapley])
def test_values_sum_to_the_difference_from_the_mean(rows, values):
    assert np.allclose(values(rows).sum(1), logit(rows), atol=1e-10)  # the population's mean of f is 0


def test_marginal_values_are_those_of_the_definition_for_a_background(data, rows):
    background = data.train.x[:50].astype(float)
    truth = by_permutations(lambda columns: mean_of(mixed(rows, background, columns)), len(NAMES))
    assert np.allclose(marginal_shapley(rows, background), truth, atol=1e-9)


def test_marginal_values_of_the_population_are_those_of_many_rows(rows):
    rng = np.random.default_rng(0)
    many = rng.multivariate_normal(np.zeros(len(NAMES)), CORRELATION, size=200_000)
    assert np.allclose(marginal_shapley(rows), marginal_shapley(rows, many), atol=0.05)
    assert not np.allclose(marginal_shapley(rows), marginal_shapley(rows, many + 0.2), atol=0.05)


def test_conditional_values_are_those_of_sampled_rows(rows):
    rows, rng = rows[:3], np.random.default_rng(0)

    def worth(known):
        hidden = [i for i in range(len(NAMES)) if i not in known]
        many = np.repeat(rows[:, None], 20_000, axis=1)
        if hidden:
            pull = np.linalg.lstsq(
                CORRELATION[np.ix_(known, known)], CORRELATION[np.ix_(known, hidden)], rcond=None
            )[0]
            spread = CORRELATION[np.ix_(hidden, hidden)] - CORRELATION[np.ix_(hidden, known)] @ pull
            noise = rng.multivariate_normal(np.zeros(len(hidden)), spread, size=10_000)
            many[:, :, hidden] = (rows[:, known] @ pull)[:, None] + np.concatenate([noise, -noise])
        return mean_of(many)

    assert np.allclose(conditional_shapley(rows), by_permutations(worth, len(NAMES)), atol=0.06)


def test_both_are_equal_where_columns_are_independent(rows):
    n = len(NAMES)
    cross = np.concatenate([np.eye(n), -np.eye(n)]) * np.sqrt(n)  # mean 0, variance 1, no correlation
    independent = conditional_shapley(rows, np.eye(n))
    assert np.allclose(marginal_shapley(rows, cross), independent, atol=1e-10)
    assert not np.allclose(conditional_shapley(rows), independent, atol=0.1)


def test_a_column_that_is_not_in_the_rule_has_a_conditional_value_only(rows):
    assert np.allclose(marginal_shapley(rows)[:, UNUSED], 0, atol=1e-12)
    assert np.abs(conditional_shapley(rows)[:, UNUSED]).mean() > 0.3


def test_a_column_without_relations_has_one_value_in_both(rows):
    effect = known_rule.LINEAR["popularity"] * rows[:, ALONE]
    assert np.allclose(marginal_shapley(rows)[:, ALONE], effect)
    assert np.allclose(conditional_shapley(rows)[:, ALONE], effect)


def test_exact_shapley_of_the_rule_is_the_marginal_value(data):
    background = data.train.x[:40]
    e = wb.explain(
        rule, data.test.x[:6], method="exact_shapley", target=1, output="runner_up", background=background
    )
    assert np.allclose(e.values, marginal_shapley(data.test.x[:6], background), atol=1e-4)
    assert not np.allclose(e.values, conditional_shapley(data.test.x[:6]), atol=0.3)


@pytest.mark.parametrize("values", [logit, rule, marginal_shapley, conditional_shapley])
def test_rows_of_another_table_are_refused(values):
    with pytest.raises(BadInput, match=r"x has shape \(2, 5\).*\(n, 6\): watched_genre.*known_rule"):
        values(np.zeros((2, 5)))


def test_a_background_of_another_table_is_refused(rows):
    with pytest.raises(BadInput, match=r"background has shape \(6,\)"):
        marginal_shapley(rows, np.zeros(6))
