"""``known_rule``: a table whose rule is known, and with it what explanations of the rule should be.

A story of recommendation: six standardized numbers about a person and a film say whether it will be watched.
The rule is ``f(x) = INTERCEPT + sum of LINEAR[i] x[i] + sum of PRODUCTS[i, j] x[i] x[j]``, and a row's class is
drawn with probability ``sigmoid(f)``. ``page_views`` is not in the rule, but is correlated with what is.

"The" Shapley value of a column does not exist; two are known here, exactly:

- the **marginal** (interventional) one, in which absent columns are drawn without regard to the present ones.
  It tells what the *model* reads: a column that is not in the rule has 0 (Janzing et al. 2020). It asks the
  model about rows that never occur, such as somebody who likes the genre and never watches it.
- the **conditional** (observational) one, in which absent columns are drawn given the present ones. It tells
  what the *data* says about the answer: ``page_views`` has a value, because it tells of ``watched_genre``.

Which is right depends on the question: "true to the model or true to the data?" (Chen et al. 2020). A method
must be compared with the one that it estimates.

``f`` acts on the standardized columns as they are in ``Data.x``. In the population these have mean 0, variance
1 and the correlation ``CORRELATION``; the sample is standardized by its own training rows, so its moments
differ from these by a sampling error of about .02. ``marginal_shapley(x, background)`` has none.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd

from ..errors import BadInput
from .columns import Columns
from .records import Data, Split

NAMES = ("watched_genre", "liked_genre", "page_views", "price", "recency", "popularity")
CLASSES = ("skipped", "watched")
ROWS = {"train": 2800, "valid": 400, "test": 800}
SEED = 20260101

INTERCEPT = -0.64  # so that the mean of f is 0
LINEAR = {"watched_genre": 2.0, "liked_genre": 1.2, "page_views": 0.0, "price": -1.5, "recency": 0.8, "popularity": 1.0}  # fmt: skip
PRODUCTS = {("watched_genre", "liked_genre"): 0.8, ("watched_genre", "price"): 1.0}

# How each column is mixed of six independent standard normal numbers; the rows have length 1.
_MIX = np.array(
    [
        [1, 0, 0, 0, 0, 0],
        [0.8, 0.6, 0, 0, 0, 0],
        [0.6, 0, 0.8, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0.5, 0.75**0.5, 0],
        [0, 0, 0, 0, 0, 1],
    ]
)
CORRELATION = _MIX @ _MIX.T

_SLOPES = np.array([LINEAR[name] for name in NAMES])
_CURVES = np.zeros((len(NAMES), len(NAMES)))  # f(x) = INTERCEPT + x . _SLOPES + x . _CURVES . x
for (_one, _other), _weight in PRODUCTS.items():
    _CURVES[[NAMES.index(_one), NAMES.index(_other)], [NAMES.index(_other), NAMES.index(_one)]] = _weight / 2


def generated() -> Data:
    """Draw the rows, standardize them by the training rows, and draw their classes."""
    rng = np.random.default_rng(SEED)
    n = sum(ROWS.values())
    # Three decimals, so that the last bits of a matrix product cannot differ between machines.
    frame = pd.DataFrame((rng.standard_normal((n, len(NAMES))) @ _MIX.T).round(3), columns=list(NAMES))
    codec = Columns.learned(frame[: ROWS["train"]])
    x = codec.encoded(frame)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit(x)))).astype(np.int64)
    at = np.split(np.arange(n), np.cumsum(list(ROWS.values()))[:-1])
    parts = {part: Split(x[rows], y[rows], rows, rows.copy()) for part, rows in zip(ROWS, at, strict=True)}
    return Data("known_rule", "table", **parts, feature_names=NAMES, class_names=CLASSES, codec=codec,
                licence="Apache-2.0, as this package",
                source="Generated: six correlated columns and a known rule (workbench.data.known_rule)",
                notes=("Generated, not observed: a rule with two products of columns.",
                       "page_views is not in the rule, but correlated with what is."))  # fmt: skip


def logit(x: np.ndarray) -> np.ndarray:
    """Return ``f``, the log odds of "watched", ``(n,)``.

    Parameters
    ----------
    x
        Rows as in ``Data.x``, ``(n, column)``.
    """
    return _plus_curves(_rows(x), np.zeros_like(_CURVES))


def rule(x: np.ndarray) -> np.ndarray:
    """Return the scores of both classes, ``(n, 2)``, ``-f/2`` and ``f/2``: a model that can be explained.

    For the target 1, the output ``"runner_up"`` is ``f`` itself; ``"logit"`` and ``"centred_logit"`` are ``f/2``.

    Parameters
    ----------
    x
        Rows as in ``Data.x``, ``(n, column)``.

    Examples
    --------
    >>> rule(np.zeros((1, 6))).tolist()
    [[0.32, -0.32]]
    """
    return logit(x)[:, None] * [-0.5, 0.5]


def marginal_shapley(x: np.ndarray, background: np.ndarray | None = None) -> np.ndarray:
    """Return the exact marginal (interventional) Shapley values of ``f``, ``(n, column)``.

    In closed form. A linear term gives its column ``w (x_i - E[x_i])``. A product ``c x_i x_j`` is worth
    ``c E[x_i x_j]`` with both absent and ``c x_i E[x_j]`` with the other absent, hence gives ``x_i``
    ``c/2 (x_i x_j - E[x_i x_j] + x_i E[x_j] - x_j E[x_i])``. A row's values sum to ``f(x) - E[f]``.

    Misleads where rows that never occur must not count: absent columns are drawn without regard to the others.

    Parameters
    ----------
    x
        Rows as in ``Data.x``, ``(n, column)``.
    background
        Rows whose moments are taken, ``(m, column)``: the result is then exact for what a method does with
        this background. By default those of the population: mean 0 and ``CORRELATION``.
    """
    x = _rows(x)
    means, products = np.zeros(len(NAMES)), CORRELATION
    if background is not None:
        given = _rows(background, "background")
        means, products = given.mean(0), given.T @ given / len(given)
    own = x * (x @ _CURVES) - (products * _CURVES).sum(0)
    return (x - means) * _SLOPES + own + x * (means @ _CURVES) - (x @ _CURVES) * means


def conditional_shapley(x: np.ndarray, correlation: np.ndarray = CORRELATION) -> np.ndarray:
    """Return the exact conditional (observational) Shapley values of ``f``, ``(n, column)``.

    All 64 coalitions are gone through, with the conditional means and covariances of the normal distribution
    of the population. A row's values sum to ``f(x) - E[f]``.

    Misleads where one wants to know what the model reads: a column that it does not read has a value as well,
    where it tells of others.

    Parameters
    ----------
    x
        Rows as in ``Data.x``, ``(n, column)``.
    correlation
        Of the columns; by default as they were drawn. With ``np.eye(6)`` there is no difference to the
        marginal values.
    """
    x = _rows(x)
    worth = {known: _expected(x, known, correlation) for known in _coalitions(range(len(NAMES)))}
    return np.stack([_gain(worth, column) for column in range(len(NAMES))], axis=1)


def _expected(x: np.ndarray, known: tuple[int, ...], correlation: np.ndarray) -> np.ndarray:
    """Return the mean of ``f`` over rows that share the known columns, ``(n,)``."""
    seen = list(known)
    pull = correlation[:, seen] @ np.linalg.inv(correlation[np.ix_(seen, seen)])
    return _plus_curves(x[:, seen] @ pull.T, correlation - pull @ correlation[seen])


def _plus_curves(means: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Return the mean of ``f`` over rows with these means ``(n, column)`` and this covariance."""
    curved = ((means @ _CURVES) * means).sum(1) + (_CURVES * covariance).sum()
    return INTERCEPT + means @ _SLOPES + curved


def _gain(worth: dict[tuple[int, ...], np.ndarray], column: int) -> np.ndarray:
    """Return what a column adds to each coalition of the others, averaged as Shapley does."""
    others = [i for i in range(len(NAMES)) if i != column]
    return sum(
        (worth[tuple(sorted((*known, column)))] - worth[known]) / (len(NAMES) * comb(len(others), len(known)))
        for known in _coalitions(others)
    )


def _coalitions(columns) -> list[tuple[int, ...]]:
    return [chosen for size in range(len(columns) + 1) for chosen in combinations(columns, size)]


def _rows(x: np.ndarray, what: str = "x") -> np.ndarray:
    rows = np.asarray(x, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(NAMES):
        raise BadInput(f"{what} has shape {rows.shape}", f"(n, {len(NAMES)}): {', '.join(NAMES)}",
                       'Pass rows of wb.load("known_rule"), such as data.test.x')  # fmt: skip
    return rows
