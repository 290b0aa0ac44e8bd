"""Which metrics know the truth? Each is held against maps of graded truth on models whose truth is known.

A ladder of seven maps a row, from the true one to one with the same values in another order, is judged by every
metric; what counts is the rank correlation of its numbers with the grade, direction heeded. Three truths: a linear
model (weight times input), the rule of ``known_rule`` (its exact Shapley values), and a net that was fooled by the
swatch of ``decoy_mnist``, on rows whose answer changes when the swatch is taken away. There are no timings here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from harness import Table, machine, run
from scipy import stats
from torch import nn

import workbench as wb
from workbench import files
from workbench.data import known_rule
from workbench.errors import WorkbenchError
from workbench.evaluation import validity
from workbench.evaluation.intervals import bootstrap_mean
from workbench.evaluation.registry import look_up

GRADES = 7
ROWS = 60
AGAIN = {"again", "remade"}  # what asks the method itself, which graded maps do not have


@dataclass(frozen=True)
class Truth:
    """A model, an explanation of it whose values are the truth, and where they are largest."""

    name: str
    model: Any
    e: wb.Explanation
    evidence: np.ndarray
    data: wb.Data | None = None


def truths() -> Iterator[Truth]:
    """Return the models whose truth is known."""
    yield linear()
    yield of_the_rule()
    yield decoyed()


def linear() -> Truth:
    """Return a linear model of 24 columns: the truth is the centred weight times the input."""
    torch.manual_seed(0)
    net = nn.Linear(24, 3)
    x = torch.randn(ROWS, 24).numpy()
    e = wb.explain(net, x, "input_x_gradient", output="centred_logit")
    return Truth("linear model", net, e, _largest(e.values))


def of_the_rule() -> Truth:
    """Return the rule of ``known_rule`` against a baseline of zero: the truth is known exactly."""
    data = wb.load("known_rule")
    x = data.test.x[:ROWS]
    e = wb.explain(known_rule.rule, x, "feature_ablation", output="centred_logit")
    true = (
        known_rule.marginal_shapley(x, np.zeros((1, x.shape[1])))
        / 2
        * np.where(e.target == 1, 1, -1)[:, None]
    )
    return Truth("known_rule", known_rule.rule, replace(e, values=true.astype(np.float32)), _largest(true))


def decoyed() -> Truth:
    """Return a net that reads the swatch, on rows that it answers otherwise without it: the truth is the swatch."""
    data = wb.load("decoy_mnist")
    net = wb.fit(wb.build("mlp", data), data, epochs=8, verbose=False).model
    test = data.test
    with torch.no_grad():
        answers = [net(torch.tensor(x)).argmax(1).numpy() for x in (test.x, test.without_shortcut)]
    rows = np.flatnonzero(answers[0] != answers[1])[:ROWS]
    e = wb.explain(net, test[rows], "input_x_gradient", output="centred_logit")
    mask = np.asarray(test.shortcut)[rows]
    return Truth("decoy_mnist", net, replace(e, values=_spread(mask)), mask, data)


def _spread(mask: np.ndarray) -> np.ndarray:
    """Return maps that hold all mass in a mask, with a little noise so that no two pixels tie."""
    return (mask + 0.05 * np.random.default_rng(0).random(mask.shape)).astype(np.float32)


def _largest(values: np.ndarray) -> np.ndarray:
    """Return where the upper quarter of each row's values lies."""
    return values >= np.quantile(values, 0.75, axis=1, keepdims=True)


def ladder(values: np.ndarray) -> list[np.ndarray]:
    """Return maps from the worst grade to the true one: mixtures with the same values in another order."""
    rng, flat = np.random.default_rng(1), values.reshape(len(values), -1)
    other = rng.permuted(flat, axis=1)
    shares = np.linspace(0, 1, GRADES)
    return [(share * flat + (1 - share) * other).reshape(values.shape).astype(np.float32) for share in shares]


def judged(truth: Truth, metric: str) -> dict[str, float] | str:
    """Return the mean rank correlation over rows with its 95 % interval, or in words why there is none."""
    entry = look_up(metric)
    if AGAIN & set(entry.needs):
        return "it asks the method again, which a graded map does not have"
    try:
        numbers = np.stack([_numbers(truth, metric, values) for values in ladder(truth.e.values)], 1)
    except WorkbenchError as problem:
        return problem.wrong
    sign = -1 if entry.lower_is_better else 1
    found = np.array([_correlation(sign * row) for row in numbers])
    known = found[np.isfinite(found)]
    if len(known) < ROWS // 3:
        return "it gives all grades the same number, or none"
    interval = bootstrap_mean(known)
    return {"rho": interval.value, "low": interval.low, "high": interval.high, "rows": len(known)}


def _numbers(truth: Truth, metric: str, values: np.ndarray) -> np.ndarray:
    e = replace(truth.e, values=values, delta=None)
    return wb.evaluate(e, truth.model, metric, data=truth.data, evidence=truth.evidence, with_floors=False)[
        metric
    ]


def _correlation(numbers: np.ndarray) -> float:
    known = np.isfinite(numbers)
    if known.sum() < GRADES - 2 or np.ptp(numbers[known]) == 0:
        return float("nan")
    return float(stats.spearmanr(np.arange(GRADES)[known], numbers[known]).statistic)


def measure() -> Table:
    """Judge every metric on every truth."""
    found: dict[str, dict[str, Any]] = {}
    for truth in truths():
        for metric in wb.metrics().index:
            found.setdefault(metric, {})[truth.name] = judged(truth, metric)
            print(truth.name, metric, found[metric][truth.name], file=sys.stderr, flush=True)
    files.write_json(validity.FILE, {"metrics": found, "machine": machine(1)})
    rows = [{"metric": metric, **{name: validity.said({name: v}) for name, v in sets.items()},
             "passes": "yes" if validity.passes(sets) else "no"} for metric, sets in found.items()]  # fmt: skip
    return Table("Which metrics know the truth: rank correlation with graded maps", rows, notes=[
        f"{ROWS} rows, {GRADES} grades, from the true map to the same values in another order; mean Spearman correlation, 95 % interval over rows.",
        "Rule, fixed before: a metric passes if the lower bound is above 0 on every truth, and at least two could be measured.",
        "The swatch is the truth of decoy_mnist as far as the answer hangs on it; the net reads the digit too, which weakens every number there.",
        "The ladder moves values about: metrics of size or shape alone (complexity, completeness) are not expected to pass.",
    ])  # fmt: skip


if __name__ == "__main__":
    run(measure, timed=False)
