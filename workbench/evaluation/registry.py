"""The table of metrics, filled by a decorator."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, unknown
from . import validity

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = (
    *("faithfulness", "correlations", "imputation", "robustness", "randomization"),
    *("complexity", "localization", "axiomatic"),
)
SHOWN = (
    "category",
    "direction",
    "range",
    "floors",
    "needs",
    "options",
    "sensitivity",
    "misleads",
    "validated here on",
    "paper",
)
SUPPLIED = ("e", "again", "remade", "model", "data", "evidence", "seed")  # keywords that are filled in
_METRICS: dict[str, Metric] = {}


@dataclass(frozen=True)
class Metric:
    """A metric and how to read it; ``floors`` says whether nonsense is scored beside it, ``chance`` what a random map reaches."""

    name: str
    function: Callable[..., Any]
    direction: str
    category: str
    range: str
    paper: str
    misleads: str
    sensitivity: str
    floors: bool
    chance: Callable[..., Any] | None = None

    @property
    def lower_is_better(self) -> bool:
        """Whether small numbers are good."""
        return self.direction.startswith("lower")

    @property
    def needs(self) -> tuple[str, ...]:
        """What the function asks for beside score, inputs and values, by the names of its keywords."""
        return tuple(name for name in self._keywords() if name in SUPPLIED)

    @property
    def options(self) -> dict[str, Any]:
        """The user's options with their defaults."""
        return {name: given for name, given in self._keywords().items() if name not in SUPPLIED}

    def _keywords(self) -> dict[str, Any]:
        each = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in each if p.kind is p.KEYWORD_ONLY}

    def checked(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options with their defaults; refuse what the metric does not have, and counts below 1."""
        for name, value in options.items():
            if name not in self.options:
                raise BadInput(f"{self.name} has no option called {name!r}",
                               f"options among: {', '.join(self.options) or 'none'}",
                               "Correct the name; every metric's options are in wb.metrics()")  # fmt: skip
            if type(self.options[name]) is int and (not isinstance(value, Integral) or value < 1):
                raise BadInput(f"{name} is {value!r}", "a whole number above 0", "Correct it")
        return {**self.options, **options}


def metric(name: str, *, direction: str, category: str, range: str, paper: str, misleads: str = "not stated",
           sensitivity: str = "not stated", floors: bool = False, chance: Callable | None = None) -> Callable:  # fmt: skip
    """Enter a function ``f(score, inputs, values, *, ...) -> (n,)`` in the table of metrics.

    ``score`` is the class's probability as a function of a batch, ``inputs`` the features that can be
    hidden, ``values`` the attributions ``(n, ...)`` as an array. NaN where the metric is not defined. Keyword
    arguments with these names are filled in: ``e``, the explanation; ``again(x, target=None)``, the attributions
    that the same method gives for versions of the inputs, classes kept; ``remade(model)``, those of another model;
    ``model``; ``data``; ``evidence``, where the class truly is, ``(n, ...)`` of the values' shape; ``seed``.
    The others are the user's options.

    Parameters
    ----------
    name
        The name in :func:`metrics` and :func:`evaluate`.
    direction
        Which way is good, in words that begin with "higher" or "lower".
    category
        The field's word: faithfulness, robustness, randomization, complexity, localization, axiomatic, people.
    range, paper, misleads
        For the table: possible values, source, pitfall.
    sensitivity
        What its numbers depend on beside the explanation: baseline, draws, size of a step.
    floors
        Whether maps that know nothing of the model are scored beside it.
    chance
        ``f(inputs, evidence) -> (n,)``: what a map at random reaches against a mask; it then stands where a floor does.

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
        _METRICS[name] = Metric(
            name, function, direction, category, range, paper, misleads, sensitivity, floors, chance
        )
        return function

    return enter


def _table() -> dict[str, Metric]:
    for family in FAMILIES:
        importlib.import_module(f"{__package__}.{family}")
    return _METRICS


def metrics() -> pd.DataFrame:
    """Return a table of the metrics: how to read each, what it needs, its options, when it misleads, its paper.

    "validated here on" holds the rank correlation of its numbers with maps of graded truth, measured by us
    (``benchmarks/results/validity.md``), with the 95 % interval over rows; or why it was not measured.
    """
    import pandas as pd

    found = {
        m.name: {"validated here on": validity.said(validity.measured().get(m.name, {}))}
        for m in _table().values()
    }
    rows = [
        {"metric": m.name, **{k: found[m.name].get(k) or getattr(m, k) for k in SHOWN}}
        for m in _table().values()
    ]
    return pd.DataFrame(rows).sort_values(["category", "metric"]).set_index("metric")


def look_up(name: str) -> Metric:
    """Return a metric by name.

    Raises
    ------
    UnknownName
        No such metric.
    """
    if name not in _table():
        raise unknown("metric", name, _table())
    return _METRICS[name]
