"""``recommend``: which method for this model? Every one that can is tried on the same rows, and held against nonsense."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..data.records import Data
from ..errors import BadInput, WorkbenchError
from ..explanation.budgets import Budget, read
from ..explanation.registry import Method, look_up, obstacles, table
from ..zoo.holder import unwrap
from .court import Court, Trial
from .ranking import ranked
from .recommendation import Recommendation

# Enough to compare by; the defaults are for explaining. A background is so many training rows.
CHEAP: dict[str, dict[str, Any]] = {
    "conductance": {"n_steps": 12},
    "deep_shap": {"background": 10},
    "gradient_shap": {"n_samples": 40, "background": 40},
    "integrated_gradients": {"n_steps": 24},
    "kernel_shap": {"n_samples": 300},
    "lime": {"n_samples": 300},
    "partition_shap": {"n_samples": 300},
    "permutation_shap": {"n_samples": 3},
    "shapley_sampling": {"n_samples": 6},
    "smooth_grad": {"n_samples": 20},
    "tree_shap": {"output": "probability"},
}


def recommend(
    model: Any,
    data: Data,
    *,
    feedback: Any = None,
    methods: Iterable[str] | Mapping[str, dict[str, Any]] | None = None,
    n: int = 24,
    budget: str | int | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> Recommendation:
    """Try every method that can explain a model, and rank them by faithfulness above the best floor.

    Methods explain the same test rows and are asked the same questions: how far the class's probability
    follows when the features they rank first go or come (deletion and insertion, Petsiuk et al. 2018), held
    against the best that nonsense reaches; how alike the maps of an input and of a noisy copy are; what they
    cost. Ties within the intervals are said as ties. It misleads where hiding features makes inputs that mean
    nothing to the model, and it does not know which question you have: see the estimands in :func:`methods`.

    Parameters
    ----------
    model
        Any model; it comes back as it was.
    data
        Its test rows are explained, its training rows make floors, backgrounds and the randomized model.
    feedback
        Whatever has ``table()`` with columns ``method`` and ``rating`` (a number), such as a store of
        people's ratings. They stand in a column of their own, and are never mixed into the ranking.
    methods
        Names, or a dict of names and options; by default all, in cheap settings, which the table shows.
    n
        How many test rows are explained: more make intervals narrower.
    budget
        ``"60s"`` or a number of evaluations: once it is spent no further method is tried, and it is said.
    seed
        Of draws, noise and resampling.
    verbose
        Show progress. An interrupt (the stop button) keeps what was measured.

    Returns
    -------
    Recommendation
        ``.best``, ``.sentence``, ``.table()``, ``.plot()``, ``.to_html(path)``.

    Raises
    ------
    BadInput
        No data, a wrong number of rows or budget, feedback without ratings.
    UnknownName
        A method that there is not.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist").subset(train=300)
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=2, verbose=False)
    >>> found = wb.recommend(net, data, methods=("occlusion", "grad_cam"), n=12, verbose=False)
    >>> found.best, found.table().loc["grad_cam", "reason"]
    ('occlusion', 'the model has no convolution')
    """
    _check(data, n)
    limit, ratings = None if budget is None else read(budget), ratings_of(feedback)
    model, chosen = unwrap(model), _chosen(methods)
    court = Court(model, data, n, seed)
    able, unable = {}, []
    for name, options in chosen.items():
        if why := _why_not(look_up(name), model, data):
            unable.append(Trial(name, reason=why))
        else:
            able[name] = options
    trials, flags = _tried(court, able, limit, verbose)
    measured = [trial for trial in trials if trial.scores]
    ranking = ranked(measured, court.nonsense, court.rows.clusters, seed)
    return Recommendation(
        (*trials, *unable), ranking, ratings, len(court.rows), data.wording.noun, court.unit, flags
    )


def _check(data: Any, n: Any) -> None:
    if not isinstance(data, Data):
        raise BadInput(
            f"data is a {type(data).__name__}", "Data, with test rows to explain", "Use wb.from_arrays"
        )
    if not isinstance(n, Integral) or isinstance(n, bool) or n < 2:
        raise BadInput(f"n is {n!r}", "a whole number of rows, at least 2", "24 are a good number")


RATINGS = ("rating", "understandable", "matches")


def ratings_of(feedback: Any) -> dict[str, str]:
    """Return what people say of methods: the mean of each rating, and of how many."""
    if feedback is None:
        return {}
    found = feedback.table() if callable(getattr(feedback, "table", None)) else None
    asked = [] if found is None else [name for name in RATINGS if name in found.columns]
    if found is None or "method" not in found.columns or not asked:
        raise BadInput(f"feedback is a {type(feedback).__name__} without ratings of methods",
                       f"wb.Feedback, or an object whose table() has the column method and one of {RATINGS}",
                       "Leave it out where nobody has rated")  # fmt: skip
    said: dict[str, list[str]] = {}
    for name in asked:
        for method, values in found.dropna(subset=["method", name]).groupby("method")[name]:
            label = "" if name == "rating" else f"{name} "
            said.setdefault(str(method), []).append(
                f"{label}{values.astype(float).mean():.3g} (n = {len(values)})"
            )
    return {method: ", ".join(parts) for method, parts in said.items()}


def _chosen(methods: Any) -> dict[str, dict[str, Any]]:
    if methods is None:
        return {name: CHEAP.get(name, {}) for name in sorted(table())}
    methods = [methods] if isinstance(methods, str) else methods
    named = methods if isinstance(methods, Mapping) else {name: CHEAP.get(name, {}) for name in methods}
    for name in named:
        look_up(name)
    return dict(named)


def _why_not(entry: Method, model: Any, data: Data) -> str:
    """Return in words why a method is not tried; empty if it is."""
    if entry.scope != "local":
        return "it explains the model, not rows"
    if not entry.attributes:
        return "it gives no attributions of features"
    return "; ".join(obstacles(entry, model, data.kind))


def _tried(
    court: Court, able: Mapping[str, dict[str, Any]], limit: Budget | None, verbose: bool
) -> tuple[list[Trial], dict[str, str]]:
    """Try one method after the other, as far as the budget and the user let it."""
    trials: list[Trial] = []
    flags, started = {}, time.perf_counter()
    bar = tqdm(able.items(), unit="method", desc="recommend", disable=not verbose, leave=False)
    try:
        for name, options in bar:
            bar.set_postfix_str(name)
            if limit is not None and limit.left(started, court.evaluations) <= 0:
                flags["budget"] = "The budget was spent before all methods were tried."
                break
            trials.append(_trial(court, name, options))
    except KeyboardInterrupt:
        flags["interrupted"] = "It was interrupted before all methods were tried."
    finally:
        bar.close()
    for said in flags.values():
        warnings.warn(f"{said} {len(trials)} of {len(able)} were", stacklevel=3)
    left = [name for name in able if name not in {trial.method for trial in trials}]
    return [*trials, *(Trial(name, reason=next(iter(flags.values()), "")) for name in left)], flags


def _trial(court: Court, name: str, options: dict[str, Any]) -> Trial:
    """Try a method; what goes wrong is said in its place, and does not stop the others."""
    try:
        trial = court.tried(name, _with_background(options, court.data))
    except WorkbenchError as problem:
        return Trial(name, _spelt(options), reason=str(problem))
    except Exception as problem:
        return Trial(name, _spelt(options), reason=f"{type(problem).__name__}: {problem}")
    return replace(trial, settings=_spelt(options))


def _with_background(options: dict[str, Any], data: Data) -> dict[str, Any]:
    """Take a number as background for so many training rows."""
    rows = options.get("background")
    return {**options, "background": data.train.x[:rows]} if isinstance(rows, int) else options


def _spelt(options: Mapping[str, Any]) -> str:
    told = {
        "background": lambda v: f"background={v} training rows" if isinstance(v, int) else "background given"
    }
    return ", ".join(told.get(k, lambda v, k=k: f"{k}={_short(v)}")(v) for k, v in options.items())


def _short(value: Any) -> str:
    return f"array {np.shape(value)}" if np.ndim(value) > 1 else f"{value}"
