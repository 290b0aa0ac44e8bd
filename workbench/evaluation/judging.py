"""The table of metrics, filled by a decorator, and ``evaluate``: is this explanation true?"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..data.records import Data
from ..errors import BadInput, unknown
from ..explanation.estimators import reads_raw
from ..explanation.registry import attributing
from ..explanation.result import Explanation
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import seeded, untouched
from ..zoo.holder import unwrap
from .floors import floors
from .scores import Column, Scores

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = ("faithfulness", "complexity", "axiomatic")
DEFAULT = ("deletion", "insertion", "completeness", "sparseness")
_METRICS: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it; ``floors`` says whether nonsense is scored beside it."""

    name: str
    function: Callable[..., Any]
    direction: str
    category: str
    range: str
    paper: str
    misleads: str
    floors: bool

    @property
    def lower_is_better(self) -> bool:
        """Whether small numbers are good."""
        return self.direction.startswith("lower")


def metric(name: str, *, direction: str, category: str, range: str, paper: str, misleads: str = "not stated",
           floors: bool = False) -> Callable:  # fmt: skip
    """Enter a function ``f(score, inputs, values) -> (n,)`` in the table of metrics.

    ``score`` is the class's probability as a function of a batch, ``inputs`` the features that can be
    hidden, ``values`` the attributions ``(n, ...)`` as an array. NaN where the metric is not defined. An
    "axiomatic" metric is a function of the explanation alone.

    Parameters
    ----------
    name
        The name in :func:`metrics` and :func:`evaluate`.
    direction
        Which way is good, in words that begin with "higher" or "lower".
    category
        The field's word: faithfulness, complexity, axiomatic.
    range, paper, misleads
        For the table: possible values, source, pitfall.
    floors
        Whether maps that know nothing of the model are scored beside it.

    Examples
    --------
    >>> import workbench as wb
    >>> @wb.metric("peak", direction="higher is sharper", category="complexity", range="0 to infinity", paper="an example")
    ... def peak(score, inputs, values):
    ...     return abs(values).reshape(len(values), -1).max(1)
    >>> "peak" in wb.metrics().index
    True
    """

    def enter(function: Callable) -> Callable:
        _METRICS[name] = Metric(name, function, direction, category, range, paper, misleads, floors)
        return function

    return enter


def _table() -> dict[str, Metric]:
    for family in FAMILIES:
        importlib.import_module(f"{__package__}.{family}")
    return _METRICS


def metrics() -> pd.DataFrame:
    """Return a table of the metrics: category, direction, range, floors, when each misleads, paper."""
    import pandas as pd

    shown = ("category", "direction", "range", "floors", "misleads", "paper")
    rows = [{"metric": m.name, **{k: getattr(m, k) for k in shown}} for m in _table().values()]
    return pd.DataFrame(rows).sort_values(["category", "metric"]).set_index("metric")


def evaluate(
    e: Explanation, model: Any, metrics: Iterable[str] = DEFAULT, *, data: Data | None = None, seed: int = 0
) -> Scores:
    """Judge an explanation, each faithfulness score beside the best floor that nonsense reaches.

    A score counts only above its floor: an untrained net's map can beat a random order by far. Scores are
    about the class's probability, whatever output was explained.

    Parameters
    ----------
    e
        A local explanation of ``model``.
    model
        The model it explains; it comes back as it was.
    metrics
        Names out of :func:`metrics`.
    data
        For the floors "mean input of the class" and "the same method on a randomized model"; without it
        both are left out.
    seed
        Of the random floors.

    Raises
    ------
    UnknownName
        No such metric.
    BadInput
        A global explanation, or values that are not finite.
    """
    if e.inputs is None or e.target is None:
        raise BadInput(
            f"{e.method} explains the model, not inputs", "a local explanation", "Choose another method"
        )
    if not attributing(e.method):
        raise BadInput(
            f"{e.method} gives no attributions of features",
            "an explanation that does",
            "Choose another method",
        )
    if not np.isfinite(e.values).all():
        raise BadInput("The values hold NaN or infinite numbers", "finite values", "Look at e.flags")
    chosen = [_look_up(name) for name in ([metrics] if isinstance(metrics, str) else metrics)]
    with untouched(unwrap(model)) as lent, seeded(seed):
        score, space = asked(e, lent)
        worst = floors(e, lent, space, data, seed) if any(m.floors for m in chosen) else {}
        columns, flags = {}, {}
        for entry in chosen:
            columns[entry.name], best = _judged(entry, e, score, space, worst)
            if best:
                flags[f"{entry.name} floor"] = f"The best floor of {entry.name} is {best}."
    return Scores(columns, flags, seed=seed)


def asked(e: Explanation, model: Any) -> tuple[Score, Space]:
    """Return what metrics ask: the probability of the explained class, and the features that can be hidden.

    Parameters
    ----------
    e
        A local explanation.
    model
        The model, lent untouched.
    """
    output = "raw" if e.settings["output"] == "raw" else "probability"
    codec = e.codec if reads_raw(model, e.codec) or e.settings.get("raw") else None
    score = Score(model, output, forward_kwargs=e.settings.get("forward_kwargs"), codec=codec, freely=True)
    x = torch.tensor(e.inputs, device=score.device)
    score.aim(x, e.target)
    return score, Space(x, baselines=e.settings.get("baselines"), codec=e.codec)


def _look_up(name: str) -> Metric:
    if name not in _table():
        raise unknown("metric", name, _table())
    return _METRICS[name]


def _judged(
    entry: Metric, e: Explanation, score: Score, space: Space, nonsense: dict[str, np.ndarray]
) -> tuple[Column, str]:
    """Return a metric's column with its best floor, and that floor's name."""
    if entry.category == "axiomatic":
        return Column(entry.function(e), entry.direction, entry.category), ""
    values = entry.function(score, space, e.values)
    if not entry.floors:
        return Column(values, entry.direction, entry.category), ""
    reached = {name: entry.function(score, space, maps) for name, maps in nonsense.items()}
    best = (min if entry.lower_is_better else max)(reached, key=lambda name: reached[name].mean())
    return Column(values, entry.direction, entry.category, reached[best]), best
