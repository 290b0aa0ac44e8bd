"""``Explainer``: a method prepared for a model, which becomes an explanation of whatever inputs it is called with."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..data.records import Data
from ..errors import BadInput, NotExplainable
from ..int8.packing import int8_weights
from ..state import untouched
from ..zoo.identity import fingerprint
from . import checks, entrance
from .arguments import checked
from .budgets import budget_of, spent
from .calls import Call
from .entrance import Given
from .registry import Method, table
from .result import Explanation

ALIKE = 4  # rows that are explained in full precision as well, to say what another one changed
LIGHT = 16 * 2**20  # bytes of weights: of a lighter module, what was made of it is kept from call to call
_MADE: weakref.WeakKeyDictionary = (
    weakref.WeakKeyDictionary()
)  # of a module: its fingerprint, and what was made of it


@dataclass
class Explainer:
    """A method prepared for a model: call it with inputs, as often as you like.

    What does not depend on the inputs is done once, and again when the model has changed: options are checked, an
    int8 model's surrogate is built, a network is traced and repaired for rules. ``wb.explainer`` makes one.
    """

    model: Any
    entry: Method
    options: dict[str, Any]
    common: dict[str, Any]
    data: Data | None = None
    _own: dict = field(default_factory=dict, repr=False)

    def __call__(self, inputs: Any, target: Any = None) -> Explanation:
        """Explain the output for each input, as :func:`workbench.explain` does.

        Parameters
        ----------
        inputs, target
            As in :func:`workbench.explain`.
        """
        started, entry, model = time.perf_counter(), self.entry, self.model
        given = entrance.given(inputs, model, self.data, self.common["background"])
        common, budget = checked(entry, {**self.common, "background": given.background}, given)
        flags = checks.of_model(model) | given.flags | checks.of_rows(given.x, given.codec)
        mark = fingerprint(model)
        with untouched(model, seed=common["seed"]):
            call = Call(entry, model, given, target, common, kept=self._kept(mark))
            result = self._afresh(call, lambda: _within(budget, call, self.options, started))
            result = _held_against_full(call, self.options, result)
        facts = result.pop("facts")
        names = facts.pop("feature_names", None) or _names(entry, given, self.data, result["values"])
        estimand = facts.pop("estimand", None) or _estimand(entry, common)
        settings = {**common, **self.options, **facts}
        return Explanation(
            **{**result, "flags": flags | result["flags"]}, method=entry.name, estimand=estimand,
            signed=_signed(entry, settings), settings=settings, model_fingerprint=mark,
            seconds=time.perf_counter() - started, feature_names=names,
            class_names=self.data.class_names if self.data else (), codec=given.codec,
        )  # fmt: skip

    def _kept(self, mark: str) -> dict:
        """Return what was made of the model, also for an earlier call; it is made again when the weights have changed."""
        made, key = (_MADE, self.model) if _lasting(self.model) else (self._own, "model")
        if made.get(key, ("", {}))[0] != mark:
            made[key] = mark, {}
        return made[key][1]

    @staticmethod
    def _afresh(call: Call, work: Callable[[], Any]) -> Any:
        """Do some work; once more without what was made earlier, where that is no longer the model.

        Weights tell a model from another one, but not all that it does: its code may have been changed in place.
        """
        if "noise" in call.common and call.kept:
            call.kept = {}  # Under noise nothing is held against the model.
        before = dict(call.kept or {})
        try:
            return work()
        except NotExplainable:
            if not before:
                raise
            call.kept.clear()  # type: ignore[union-attr]
            return work()

    def tensor(self, inputs: Any, target: Any, create_graph: bool) -> torch.Tensor:
        """Return the values as a tensor, with the graph that leads to the model's parameters where it is asked for.

        Parameters
        ----------
        inputs, target, create_graph
            As in :func:`workbench.attribute`.
        """
        given = entrance.given(inputs, self.model, self.data, self.common["background"])
        common, budget = checked(self.entry, {**self.common, "background": given.background}, given)
        if budget is not None or self.entry.scope == "global" or "compute" in common:
            raise BadInput("attribute was asked for a budget, a view of the model or another precision", "a plain call",
                           "Use wb.explain")  # fmt: skip
        if create_graph:
            self._require_graph()
        kept = None if create_graph else self._kept(fingerprint(self.model))
        with untouched(self.model, frozen=not create_graph, seed=common["seed"]):
            call = Call(self.entry, self.model, given, target, common, kept=kept, keeps_graph=create_graph)
            values = self._afresh(call, lambda: call.values(self.options)[0])
        return values if create_graph else values.detach()

    def _require_graph(self) -> None:
        parameters = self.model.parameters() if isinstance(self.model, torch.nn.Module) else ()
        if self.entry.graph and any(p.requires_grad for p in parameters):
            return
        raise NotExplainable(f"No graph leads from the values of {self.entry.name} to the model's parameters",
                             "parameters that require gradients, and a method that keeps the graph",
                             f"These can: {', '.join(sorted(m.name for m in table().values() if m.graph))}")  # fmt: skip


def _lasting(model: Any) -> bool:
    """Whether what is made of a module is kept as long as the module lives: a copy of it has to be small."""
    if not isinstance(model, torch.nn.Module):
        return False
    if model in _MADE:
        return True
    real = sum(p.numel() * p.element_size() for p in model.parameters())
    return (
        real + 4 * sum(w.numel() for w in int8_weights(model).values()) <= LIGHT
    )  # A surrogate's weights are float32.


def _within(budget: Any, call: Call, options: dict[str, Any], started: float) -> dict[str, Any]:
    """Run a call, as far as a budget goes; what was reached replays it."""
    if budget is None:
        return call.result(options)
    name = call.entry.spends or ""
    limit = budget_of(budget, call.entry)
    result, n, evaluations = spent(limit, lambda n: call.result({**options, name: n}), started)
    facts = {name: n, **result["facts"], "budget": budget}
    facts["measured"] = [*(fact for fact in facts["measured"] if fact != name), "budget"]
    over = limit.left(started, evaluations) < 0
    flags = (
        {"over budget": f"The budget was {budget}: the fewest samples that the method takes cost more."}
        if over
        else {}
    )
    return {**result, "facts": facts, "n_forward": evaluations, "flags": result["flags"] | flags}


def _held_against_full(call: Call, options: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Say how far another layout or precision changed the values of the first rows."""
    if "compute" not in call.common:
        return result
    reached = {name: result["facts"].get(name, value) for name, value in options.items()}
    first = call.first(ALIKE, without="compute").result(reached)
    full = first["values"]
    a, b = (part.reshape(len(part), -1).astype(float) for part in (full, result["values"][:ALIKE]))
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    agreement = float(np.divide((a * b).sum(1), sizes, out=np.zeros(len(a)), where=sizes > 0).min())
    said = f"Computed in {call.common['compute']}: over the first {len(a)} rows the least cosine to plain values is {agreement:.4f}."
    facts = {
        **result["facts"],
        "agreement": agreement,
        "measured": [*result["facts"]["measured"], "agreement"],
    }
    return {**result, "facts": facts, "flags": result["flags"] | {"compute": said},
            "n_forward": result["n_forward"] + first["n_forward"]}  # fmt: skip


def _names(entry: Method, given: Given, data: Data | None, values: np.ndarray) -> tuple[str, ...]:
    """Return the names of the features: the original columns, or the encoded ones where these have the values."""
    encoded = getattr(given.codec, "encoded_names", ())
    if entry.scope == "global" and len(encoded) == values.shape[-1]:
        return encoded
    return given.codec.names if given.codec is not None else data.feature_names if data else ()


def _estimand(entry: Method, common: dict[str, Any]) -> str:
    marginal = "; marginal: the mean over what background rows put in place of absent features"
    return entry.estimand + (marginal if "background" in common else "")


def _signed(entry: Method, settings: dict) -> bool:
    """Tell whether signs mean something, which an option may have decided."""
    folded = [settings[name] for name in ("abs", "relu") if name in settings]
    return not any(folded) if folded else entry.signed
