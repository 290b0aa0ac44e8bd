"""The table of methods, filled by a decorator; what a method needs, estimates and where it misleads."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Integral
from typing import TYPE_CHECKING, Any

from ..data.records import Data, Split
from ..errors import BadInput, NotExplainable, unknown
from ..zoo.holder import unwrap
from .abilities import abilities
from .aliases import in_our_words

if TYPE_CHECKING:
    import pandas as pd

FAMILIES = (
    "gradients",
    "layers",
    "backpropagation",
    "attending",
    "occluding",
    "shapley",
    "hierarchies",
    "readable",
    "local_surrogates",
    "structural",
    "glass",
    "importance",
    "global_surrogates",
    "aggregates",
    "effects",
    "concepts",
    "neighbours",
)
NEEDS = {
    "batch": "any model that scores a batch",
    "gradient": "a gradient with respect to the input",
    "convolution": "a convolution",
    "layers": "layers that can be read",
    "attention": "attention weights",
    "coefficients": "a linear model",
    "tree": "a decision tree",
    "trees": "a decision tree, a forest or boosted trees",
    "image": "images",
    "rules": "layers that can be traced and given rules of their own",
    "numbers": "inputs that are numbers, not tokens",
    "places": "features that have the same place in every input",
    "rows": "rows with their classes, as a Split such as data.test",
    "inputs": "rows to look at, such as data.test",
    "columns": "a table, whose columns have values of their own",
    "trainable": "float weights, with a gradient of their own",
}
INPUTS = {
    "image": "images",
    "table": "a table",
    "text": "a text",
    "several": "several inputs",
    "weights": "no rows",
}
COMMON = ("layer", "seed", "shared_draws", "ask")
ABSENCE = frozenset(
    {"baselines", "background", "feature_mask"}
)  # what stands for "absent", and what goes together
_METHODS: dict[str, Method] = {}


@dataclass(frozen=True)
class Method:
    """A method and what it declares.

    Attributes
    ----------
    needs
        Names out of ``NEEDS``.
    signed
        Whether the sign of a value means something.
    estimand
        What it estimates, in words.
    complete
        Whether its values promise to sum to the output minus the base value.
    scope
        "local" (one explanation an input) or "global" (one a model).
    ignores
        Common arguments that it has no use for, and refuses.
    spends
        The option that counts its samples, which a budget may set; None for a method that draws none.
    attributes
        Whether its values are what the features of an input count; not so for the nearest examples.
    graph
        Whether its values can be differentiated with respect to the model's parameters.
    """

    name: str
    function: Callable[..., Any]
    needs: frozenset[str]
    signed: bool
    estimand: str
    paper: str
    misleads: str
    cost: str
    complete: bool
    scope: str
    ignores: frozenset[str] = frozenset()
    spends: str | None = None
    attributes: bool = True
    graph: bool = False

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @property
    def options(self) -> dict[str, Any]:
        """The method's own options and their defaults."""
        own = self._parameters.values()
        return {p.name: p.default for p in own if p.kind is p.KEYWORD_ONLY and p.name not in COMMON}

    @property
    def shares_draws(self) -> bool:
        """Whether rows share random draws where nobody says otherwise."""
        draws = self._parameters.get("shared_draws")
        return draws is not None and bool(draws.default)

    def takes(self, name: str) -> bool:
        """Whether the method has a keyword of that name."""
        return name in self._parameters

    def checked(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the options with their defaults; refuse what the method does not have, and counts below 1."""
        options = in_our_words(self.name, options, self.options)
        for name in options:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise BadInput(f"{self.name} has no option called {name!r}", f"options among: {known}",
                               "Correct the name; every method's options are in wb.methods()")  # fmt: skip
            count = type(self.options[name]) is int and self.options[name] > 0
            if count and (not isinstance(options[name], Integral) or options[name] < 1):
                raise BadInput(f"{name} is {options[name]!r}", "a whole number above 0", "Correct it")
        return {**self.options, **options}


def method(name: str, *, needs: Iterable[str], signed: bool, estimand: str, paper: str, misleads: str = "not stated",
           cost: str = "not stated", complete: bool = False, scope: str = "local",
           ignores: Iterable[str] = (), spends: str | None = None, attributes: bool = True,
           graph: bool = False) -> Callable:  # fmt: skip
    """Enter a function in the table of methods.

    The function is ``f(score, inputs, *, options...) -> values``: ``score`` is the scalar that is explained
    (:class:`~workbench.explanation.score.Score`), ``inputs`` the features
    (:class:`~workbench.explanation.space.Space`); ``values`` a tensor of the inputs' shape, or a pair of it
    and a dict of facts that belong in ``settings``. It may ask for ``seed``, ``layer`` or ``shared_draws``; a
    view of the model also for ``ask``, a function ``(name, target, options)`` that explains its rows by a
    local method and returns what it found, with the same common arguments.

    Parameters
    ----------
    name
        The name for ``method=``.
    needs
        Out of "batch", "gradient", "convolution", "layers", "attention", "coefficients", "tree", "image",
        "places" (no texts), "rows" (a global method that looks at labelled rows), "inputs" (one that looks at
        any rows), "columns" (tables), "trainable" (float weights).
    signed
        Whether the sign of a value means something.
    estimand, paper, misleads, cost
        For the table: what is estimated, source, pitfall, model evaluations for one input.
    complete
        Whether the values promise to sum to output minus base value; then ``delta`` and the gap are checked.
    scope
        "local", or "global" for a view of the model itself (``inputs`` is then None).
    ignores
        Out of "baselines", "background", "feature_mask": what the method has no use for, and so refuses.
    spends
        The option that counts samples, such as "n_samples": what ``budget=`` sets.
    attributes
        False for a local method whose values are no attributions to the features of an input.
    graph
        Whether ``wb.attribute(create_graph=True)`` can differentiate its values: it leaves torch nowhere.

    Examples
    --------
    >>> import workbench as wb
    >>> @wb.method("ink", needs={"batch"}, signed=False, estimand="how bright a pixel is", paper="an example")
    ... def ink(score, inputs):
    ...     return inputs.x
    >>> "ink" in wb.methods().index
    True
    """
    if strange := set(needs) - set(NEEDS):
        raise unknown("need", sorted(strange)[0], NEEDS)

    def enter(function: Callable) -> Callable:
        _METHODS[name] = Method(
            name,
            function,
            frozenset(needs),
            signed,
            estimand,
            paper,
            misleads,
            cost,
            complete,
            scope,
            frozenset(ignores),
            spends,
            attributes,
            graph,
        )
        return function

    return enter


def table() -> dict[str, Method]:
    """Return all methods by name; the families are imported on first use."""
    _import_families()
    return _METHODS


@cache
def _import_families() -> None:
    for family in FAMILIES:
        importlib.import_module(f"{__package__}.{family}")


def look_up(name: str) -> Method:
    """Return a method by name; an unknown one is answered with the list."""
    if name not in table():
        raise unknown("method", name, table())
    return table()[name]


def attributing(name: str) -> bool:
    """Whether a method's values are attributions to features; so is a method's that is not in this session's table."""
    return name not in table() or table()[name].attributes


def obstacles(entry: Method, model: Any, kind: str | None) -> list[str]:
    """Return in words why a method cannot explain this model or this kind of input; empty if it can."""
    lacks = abilities(unwrap(model)) if model is not None else {}
    reasons = [lacks[need] for need in sorted(entry.needs) if need in lacks]
    if "image" in entry.needs and kind not in (None, "image"):
        reasons.append(f"the input is {INPUTS[kind]}, not images")
    if "numbers" in entry.needs and kind == "text":
        reasons.append("the input is a text, and its layers' rules start at numbers")
    if "columns" in entry.needs and kind not in (None, "table"):
        reasons.append(f"the input is {INPUTS[kind]}, not a table")
    if "places" in entry.needs and kind == "text":
        reasons.append("the input is a text, whose places hold another word in each row")
    return reasons


def require(entry: Method, model: Any, kind: str | None) -> None:
    """Raise :class:`~workbench.errors.NotExplainable` with the remedy if the method cannot explain this model."""
    if reasons := obstacles(entry, model, kind):
        raise refusal(entry, reasons, model, kind)


def refusal(
    entry: Method, reasons: Iterable[str], model: Any, kind: str | None, lacks: str = ""
) -> NotExplainable:
    """Return the error that says why a method cannot explain a model, and which methods can.

    ``lacks`` is a need that only turned out to be missing when the method ran.
    """
    can = [m.name for m in table().values()
           if m.scope == entry.scope and lacks not in m.needs and not obstacles(m, model, kind)]  # fmt: skip
    return NotExplainable(f"{entry.name} cannot explain this model: {'; '.join(reasons)}",
                          f"{entry.name} needs {' and '.join(NEEDS[n] for n in sorted(entry.needs))}",
                          f"These can: {', '.join(sorted(can)) or 'none'}")  # fmt: skip


def methods(model: Any = None, data: Data | Split | None = None) -> pd.DataFrame:
    """Return a table of the methods; with a model (and data), who can explain it and why the others cannot.

    Parameters
    ----------
    model
        Adds the columns "can" and "why not".
    data
        Its kind rules out methods for other inputs.

    Examples
    --------
    >>> import workbench as wb
    >>> glass = wb.fit(wb.build("tree", wb.load("mnist")), wb.load("mnist"))
    >>> wb.methods(glass).loc["saliency", "why not"]
    'DecisionTreeClassifier has no gradient'
    """
    import pandas as pd

    kind = getattr(data, "kind", None)
    rows = []
    for entry in sorted(table().values(), key=lambda m: (m.scope != "local", m.name)):
        why = "; ".join(obstacles(entry, model, kind))
        able = {} if model is None else {"can": not why, "why not": why}
        rows.append({
            "method": entry.name, **able, "scope": entry.scope, "estimand": entry.estimand,
            "signed": entry.signed, "options": ", ".join(f"{k}={v!r}" for k, v in entry.options.items()),
            "cost in evaluations": entry.cost, "misleads": entry.misleads, "paper": entry.paper,
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("method")
