"""Exact Shapley values of models that can be read: trees and linear ones, by shap's own algorithms.

The players are the numbers that reach the model. Values add up, so that those of one original column, or of
one column and what a pipeline made of it, are summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import BadInput, NotExplainable
from .estimators import last_step
from .glass import asks, reaching
from .outputs import OUTPUTS
from .registry import method
from .score import Score
from .space import Space

LINEAR = ("logit", "centred_logit", "runner_up", "raw")  # outputs that are weighted sums of scores
PAIRS = 3  # rows on which the steps before a model are tried
EQUAL = 1e-4  # relative to the largest number that is compared
ADDED = "; summed over the numbers that a column is made of"
INTERVENTIONAL = ("each number's Shapley value for the output, absent numbers being taken from the background rows "
                  "(shap's interventional); marginal") + ADDED  # fmt: skip
PATH_DEPENDENT = ("each number's Shapley value for the output, absent numbers being averaged over the training rows that the tree "
                  "sent each way (shap's tree_path_dependent), which is near a conditional expectation") + ADDED  # fmt: skip


@method("tree_shap", ignores={"baselines", "feature_mask"}, needs={"trees", "places"}, signed=True, complete=True, cost="none",
        estimand="each number's Shapley value for the output; without a background absent numbers follow the tree's own splits",
        paper="Lundberg et al. 2020",
        misleads="With and without a background it estimates different things: e.estimand says which. Without one, columns that "
                 "the trees do not use can get credit through correlated ones; with one, rows may be unreal.")  # fmt: skip
def tree_shap(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    """Return exact Shapley values of a tree, a forest or boosted trees, by shap's ``TreeExplainer`` (Lundberg et al. 2020).

    What is explained is what the trees add up: the probability of a tree or forest that classifies
    (``output="probability"``), the score of boosted trees ("logit", "centred_logit" or "runner_up"), the
    prediction of a regression ("raw"). Another output is no sum over trees, and refused. A categorical column
    is several numbers, each a player, and gets their sum: not quite the value of the column as one player.
    """
    glass = last_step(score.model)
    _require_output(score, glass)
    asked = _apart(score, inputs)
    background = None if inputs.background is None else _numbers(score, inputs.background)
    values, expected = _of_trees(glass, _numbers(score, inputs.x), background)
    found, base = _scalar(score, _by_class(score, values)), _scalar(score, _by_class(score, expected))
    _hold_against(score, inputs, found.sum(1) + base[:, 0], "shap's values and their base")
    facts: dict[str, Any] = {
        "error": 0.0,
        "estimand": PATH_DEPENDENT if background is None else INTERVENTIONAL,
    }
    return _of_features(inputs, asked, found), {**facts, "base_values": base[:, 0].float()}


def _require_output(score: Score, glass: Any) -> None:
    shares = hasattr(glass, "predict_proba") and not hasattr(glass, "decision_function")
    can = ("probability",) if shares else LINEAR
    if score.output not in can:
        what = f"{type(glass).__name__} adds up {'probabilities' if shares else 'scores'} over its trees"
        raise BadInput(f"output={score.output!r}, but a {what}", f"output among {', '.join(can)}",
                       f"Pass output={can[0]!r}, or use kernel_shap for {score.output!r}")  # fmt: skip


def _of_trees(glass: Any, rows: np.ndarray, background: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return shap's values ``(n, number, score)`` and expected values ``(n, 1, score)``."""
    import shap

    masker = None if background is None else shap.maskers.Independent(background, max_samples=len(background))
    try:
        explainer = shap.TreeExplainer(glass, masker)
    except (shap.utils._exceptions.InvalidModelError, NotImplementedError) as problem:
        raise NotExplainable(f"shap does not read this {type(glass).__name__}: {problem}", "trees that it reads",
                             "Use kernel_shap, or HistGradientBoostingClassifier for several classes") from problem  # fmt: skip
    if background is not None:
        explainer.data = explainer.data.astype(explainer.model.input_dtype)  # As it does with the rows.
    explainer.model.thresholds = _floored(explainer.model.thresholds)
    values = np.asarray(explainer.shap_values(rows, check_additivity=False), dtype=float)
    expected = np.asarray(explainer.expected_value, dtype=float).reshape(1, 1, -1)
    return values.reshape(*rows.shape, -1), np.repeat(expected, len(rows), 0)


def _floored(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest single-precision numbers that are not above the thresholds.

    Against a background shap rounds thresholds to single precision, to the nearest: a row that the rounding
    passes, such as a whole number half way between its neighbours, then falls on the wrong side. Rows are
    in single precision, so that rounding down changes no answer.
    """
    single = thresholds.astype(np.float32)
    return np.where(single > thresholds, np.nextafter(single, np.float32(-np.inf)), single).astype(
        thresholds.dtype
    )


def _by_class(score: Score, values: np.ndarray) -> torch.Tensor:
    """Return values with a column a class: of two classes one score is shared, as the adapter does."""
    halves = values.shape[2] == 1 and score.output != "raw"
    return torch.as_tensor(np.concatenate([-values / 2, values / 2], 2) if halves else values)


def _scalar(score: Score, values: torch.Tensor) -> torch.Tensor:
    """Return the explained scalar's part of values ``(n, number, class)``, ``(n, number)``."""
    n, numbers, classes = values.shape
    target, rival = (aim.cpu().repeat_interleave(numbers) for aim in (score.target, score.rival))
    output = OUTPUTS["logit" if score.output == "probability" else score.output]
    return output(values.reshape(-1, classes), target, rival).view(n, numbers)


@method("linear_shap", ignores={"feature_mask"}, needs={"coefficients", "places"}, signed=True, complete=True, cost="none",
        estimand="each column's Shapley value for the linear score: its coefficients times the distance to the baseline, or to the "
                 "background's mean",
        paper="Strumbelj and Kononenko 2014; Lundberg and Lee 2017",
        misleads="Exact for this model; correlated columns may share or cancel their coefficients.")  # fmt: skip
def linear_shap(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    """Return exact Shapley values of a linear model, by shap's ``LinearExplainer`` (Lundberg and Lee 2017).

    The output is a sum over columns, also through steps that make numbers of one column each (scaling,
    indicators of categories): then the column as one player has the sum of its numbers. Steps that mix
    columns, and outputs that are no sums (probabilities), are refused.
    """
    if score.output not in LINEAR:
        raise BadInput(f"output={score.output!r} is no sum over columns", f"output among {', '.join(LINEAR)}",
                       f"Pass output='logit', or use kernel_shap for {score.output!r}")  # fmt: skip
    asked = _apart(score, inputs)
    rows, absent = _numbers(score, inputs.x), _numbers(score, inputs.absent)
    weights = score.read(torch.as_tensor(_coefficients(last_step(score.model)).T)).numpy(force=True)
    predicted = (rows * weights[:, :-1]).sum(1) + weights[:, -1]
    _hold_against(score, inputs, torch.as_tensor(predicted), "its coefficients times its numbers")
    each = inputs.background is None and len(absent) > 1
    found = [
        _of_line(weights[i], rows[i : i + 1], absent[i : i + 1] if each else absent) for i in range(len(rows))
    ]
    return _of_features(inputs, asked, torch.as_tensor(np.concatenate(found))), {"error": 0.0}


def _coefficients(glass: Any) -> np.ndarray:
    """Return a linear model's coefficients with the intercept behind them, ``(class, number + 1)``."""
    plain = glass.coef_.toarray() if hasattr(glass.coef_, "toarray") else np.asarray(glass.coef_)
    coef = np.atleast_2d(plain).astype(float)
    intercept = np.broadcast_to(np.asarray(getattr(glass, "intercept_", 0.0), dtype=float).ravel(), len(coef))
    lines = np.concatenate([coef, intercept[:, None]], 1)
    return (
        np.concatenate([-lines / 2, lines / 2])
        if len(lines) == 1 and hasattr(glass, "decision_function")
        else lines
    )


def _of_line(weights: np.ndarray, row: np.ndarray, absent: np.ndarray) -> np.ndarray:
    import shap

    masker = shap.maskers.Independent(absent, max_samples=len(absent))
    return np.asarray(shap.LinearExplainer((weights[:-1], weights[-1]), masker).shap_values(row))


def _numbers(score: Score, x: torch.Tensor) -> np.ndarray:
    """Return rows as the numbers that reach the model, ``(n, number)``."""
    found = reaching(score, x)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=float)


def _of_features(inputs: Space, asked: Sequence[int], values: torch.Tensor) -> torch.Tensor:
    """Sum what belongs to one feature, ``(n, number)`` -> ``(n, *features)``."""
    places = torch.as_tensor(asked)
    out = torch.zeros(inputs.n, int(np.prod(inputs.features)), dtype=torch.float64)
    return out.index_add_(1, places, values.double()).float().view(inputs.n, *inputs.features)


def _hold_against(score: Score, inputs: Space, found: torch.Tensor, what: str) -> None:
    """Refuse a model whose output is not what its parts add up to."""
    output = score.evaluate(inputs.x).double().cpu()
    away = float((found.double() - output).abs().max())
    if away > EQUAL * (1 + float(output.abs().max())):
        raise NotExplainable(f"The model's output is up to {away:.3g} away from {what}", "a model that gives what they add up to",
                             "Use a method for any model, such as kernel_shap")  # fmt: skip


def _apart(score: Score, inputs: Space) -> list[int]:
    """Return the feature of each number that reaches the model; refuse steps that make one of several.

    Names can lie: a row's other columns are exchanged one by one, and only their own numbers may move.
    """
    places = [question.feature for question in asks(score, inputs)]
    if len(getattr(score.model, "steps", ())) < 2:
        return places
    d = int(np.prod(inputs.features))
    one = torch.eye(d, dtype=torch.bool, device=inputs.x.device).view(d, *inputs.features)
    for row in range(min(PAIRS, inputs.n)):
        x, other = inputs.x[row : row + 1], inputs.absent[row % len(inputs.absent)][None]
        mixed = torch.where(inputs.unfolded(one, torch.zeros(d, dtype=torch.long)), other, x)
        here, there, found = (_numbers(score, part) for part in (x, other, mixed))
        expected = np.where(np.array(places) == np.arange(d)[:, None], there, here)
        if np.abs(found - expected).max() > EQUAL * (1 + np.abs(expected).max()):
            raise NotExplainable("A step before the model makes a number of several columns", "steps that make numbers of one column each",
                                 "Use a method for any model, such as kernel_shap")  # fmt: skip
    return places
