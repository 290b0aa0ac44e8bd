"""One call of a method: a model, rows and settings become values, facts and flags; the model comes back as it was."""

from __future__ import annotations

import copy
import hashlib
import time
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..data.parts import Parts
from ..data.records import Data, Split
from ..errors import BadInput, NotExplainable, WorkbenchError
from ..int8.conversion import is_int8
from ..int8.surrogate import twin
from ..state import seeded, untouched
from ..zoo.identity import fingerprint
from . import checks, entrance
from .budgets import budget_of, spent
from .entrance import Given
from .gradients import smoothed
from .registry import NEEDS, Method, look_up, refusal, require
from .result import Explanation
from .score import Score, batch_rows
from .space import Space

SAID = (
    "feature_names",
    "estimand",
    "base_values",
)  # what a method may say of its result instead of the record's usual words
NOISE = {"n_samples": 50, "stdev": 0.1}
# What a model's own code may raise.
MODEL_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)
# What torch says where a model, such as a wrapper around numpy, breaks the chain of gradients.
NO_GRADIENT = ("does not require grad", "appears to not have been used in the graph")


GRAPHS = (
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "smooth_grad",
    "grad_cam",
    "occlusion",
    "feature_ablation",
    "exact_shapley",
    "kernel_shap",
    "shapley_sampling",
    "permutation_shap",
    "lime",
)  # methods whose values lead to the parameters
NOT_GIVEN = dict.fromkeys(("layer", "baselines", "background", "feature_mask", "shared_draws", "noise", "budget", "compute",
                           "forward_kwargs"))  # fmt: skip
ALIKE = 4  # rows that are explained in full precision as well, to say what another one changed


@dataclass
class Explainer:
    """A method prepared for a model: call it with inputs, as often as you like.

    What does not depend on the inputs is done once: options are checked, and an int8 model's surrogate is
    built, and built again when the model has changed. ``wb.explainer`` makes one.
    """

    model: Any
    entry: Method
    options: dict[str, Any]
    common: dict[str, Any]
    data: Data | None = None
    _surrogate: tuple[str, Any] = field(default=("", None), repr=False)

    def __call__(self, inputs: Any, target: Any = None) -> Explanation:
        """Explain the output for each input, as :func:`workbench.explain` does.

        Parameters
        ----------
        inputs, target
            As in :func:`workbench.explain`.
        """
        started, entry, model = time.perf_counter(), self.entry, self.model
        given = entrance.given(inputs, model, self.data, self.common["background"])
        common, budget = _common(entry, {**self.common, "background": given.background}, given)
        flags = checks.of_model(model) | given.flags | checks.of_rows(given.x, given.codec)
        mark = fingerprint(model)
        with untouched(model), seeded(common["seed"]):
            call = _Call(entry, model, given, target, common, surrogate=self._twin(mark))
            result = _within(budget, call, self.options, started)
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

    def _twin(self, mark: str) -> Any:
        """Return the surrogate of an int8 model that is explained by its gradient, else None."""
        if not (
            _differentiable(self.entry) and isinstance(self.model, torch.nn.Module) and is_int8(self.model)
        ):
            return None
        require(self.entry, self.model, None)
        if self._surrogate[0] != mark:
            self._surrogate = mark, twin(self.model).eval()
        return self._surrogate[1]

    def tensor(self, inputs: Any, target: Any, create_graph: bool) -> torch.Tensor:
        """Return the values as a tensor, with the graph that leads to the model's parameters where it is asked for.

        Parameters
        ----------
        inputs, target, create_graph
            As in :func:`workbench.attribute`.
        """
        given = entrance.given(inputs, self.model, self.data, self.common["background"])
        common, budget = _common(self.entry, {**self.common, "background": given.background}, given)
        if budget is not None or self.entry.scope == "global" or "compute" in common:
            raise BadInput("attribute was asked for a budget, a view of the model or another precision", "a plain call",
                           "Use wb.explain")  # fmt: skip
        surrogate = self._twin(fingerprint(self.model)) if not create_graph else None
        with untouched(self.model, frozen=not create_graph), seeded(common["seed"]):
            call = _Call(
                self.entry, self.model, given, target, common, surrogate=surrogate, keeps_graph=create_graph
            )
            values = call.tensor(self.options)
        if create_graph and (values is None or not values.requires_grad):
            raise NotExplainable(f"No graph leads from the values of {self.entry.name} to the model's parameters",
                                 "parameters that require gradients, and a method that keeps the graph",
                                 f"These can: {', '.join(sorted(GRAPHS))}")  # fmt: skip
        assert values is not None
        return values if create_graph else values.detach()


@dataclass
class _Call:
    """What one call works on: everything but the method's own options."""

    entry: Method
    model: Any
    given: Given
    target: Any
    common: dict[str, Any]
    surrogate: Any = None
    keeps_graph: bool = False

    def result(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the parts of an explanation."""
        return self._of_model(options) if self.entry.scope == "global" else self._of_rows(options)

    def values(
        self, options: dict[str, Any]
    ) -> tuple[torch.Tensor, dict, Score, Space, Space, torch.Tensor, torch.Tensor]:
        """Return values, facts, and what they were made from: score, space, its words, output and base values."""
        x = self.given.rows()
        require(self.entry, self.model, self.given.kind)
        score = self._score()
        words = space = self._space(x.to(score.device))
        if words.tokens and "gradient" in self.entry.needs:
            score, space = _embedded(score, words)
        output = _aimed(score, space, self.target)
        if self.given.texts is not None and score.codec is not None:
            score.hold_against(self.given.texts, words.x)
        base = score.of_absent(marginal=space.background is not None)
        values, facts = _asked(self.entry, score, space, self.common, options)
        return values, facts, score, space, words, output, facts.pop("base_values", base)

    def tensor(self, options: dict[str, Any]) -> torch.Tensor | None:
        """Return the values alone; None for a method that leaves torch on the way, and with it the graph."""
        try:
            return self.values(options)[0]
        except RuntimeError as problem:
            if self.keeps_graph and "requires grad" in str(problem):
                return None
            raise

    def _score(self) -> Score:
        common, given = self.common, self.given
        parts = (
            given.codec
            if isinstance(given.codec, Parts) and isinstance(self.model, torch.nn.Module)
            else None
        )
        if parts is not None and any(parts.whole) and _differentiable(self.entry):
            raise refusal(self.entry, ["an input holds whole numbers, which have no gradient (forward_kwargs= hands them on)"],
                          self.model, given.kind, lacks="gradient")  # fmt: skip
        model = (
            copy.deepcopy(self.model).to(memory_format=torch.channels_last)
            if self._laid_out()
            else self.model
        )
        return Score(model, common["output"], differentiable=_differentiable(self.entry), codec=given.reads(self.model),
                     forward_kwargs=common.get("forward_kwargs"), batch_size=common.get("batch_size"), parts=parts,
                     compute=common.get("compute"), surrogate=self.surrogate, keeps_graph=self.keeps_graph)  # fmt: skip

    def _laid_out(self) -> bool:
        if "compute" in self.common and not isinstance(self.model, torch.nn.Module):
            raise BadInput(
                f"compute is {self.common['compute']!r} for a {type(self.model).__name__}",
                "a module",
                "Leave it out",
            )
        return self.common.get("compute") == "channels_last"

    def _space(self, x: torch.Tensor) -> Space:
        arrays = {name: self.common.get(name) for name in ("baselines", "background", "feature_mask")}
        return Space(x, **arrays, codec=self.given.codec, labels=self.given.y, clusters=self.given.clusters,
                     places=self.given.places)  # fmt: skip

    def _of_rows(self, options: dict[str, Any]) -> dict[str, Any]:
        tensor, facts, score, _, words, output, base = self.values(options)
        entry, given, common = self.entry, self.given, {**self.common, "output": score.output}
        values, facts = _plain(tensor), _sorted_out(facts, options)
        if given.calls_raw(self.model):
            facts = {**facts, "raw": True, "measured": [*facts["measured"], "raw"]}
        difference = (output - base).numpy(force=True)
        promised = entry.complete and "noise" not in common and options.get("multiply_by_inputs", True)
        delta = values.reshape(len(values), -1).sum(1) - difference if promised else None
        fixed = None if words.fixed is None else words.fixed.numpy(force=True)
        return {
            "values": values, "inputs": words.x.numpy(force=True), "target": score.target.numpy(force=True),
            "output": output.numpy(force=True), "base_values": base.numpy(force=True), "delta": delta, "kind": given.kind,
            "row_ids": given.row_ids, "padding": fixed, "labels": given.labels(), "n_forward": score.n_forward,
            "facts": {**facts, "output": score.output},
            "flags": score.flags | checks.of_values(values, delta, difference) | checks.of_facts(values, facts, entry, words)
                     | checks.of_call(score, common, entry, len(values), facts),
        }  # fmt: skip

    def _of_model(self, options: dict[str, Any]) -> dict[str, Any]:
        entry, given, common = self.entry, self.given, self.common
        require(entry, self.model, given.kind if given.x is not None else None)
        lacking = given.y if "rows" in entry.needs else given.x
        if entry.needs & {"rows", "inputs"} and lacking is None:
            raise BadInput(f"{entry.name} was given {'no rows' if given.x is None else 'rows without classes'}",
                           NEEDS["rows" if "rows" in entry.needs else "inputs"], "Pass data.test as inputs")  # fmt: skip
        score = Score(self.model, common["output"], differentiable="gradient" in entry.needs, codec=given.reads(self.model),
                      forward_kwargs=common.get("forward_kwargs"), batch_size=common.get("batch_size"))  # fmt: skip
        space = None if given.x is None else self._space(given.rows().to(score.device))
        if space is not None:
            score.batch_size = score.batch_size or batch_rows(space.x)
        own = {**options, "ask": self._asks} if entry.takes("ask") else options
        tensor, facts = _asked(entry, score, space, common, own)
        values, facts = _plain(tensor), _sorted_out(facts, options)
        if space is not None:
            facts = {**facts, "rows": _digest(given), "measured": [*facts["measured"], "rows"]}
        nothing = dict.fromkeys(("inputs", "target", "output", "base_values", "delta"))
        return {"values": values, **nothing, "kind": "weights" if space is None else given.kind, "facts": facts,
                "n_forward": score.n_forward, "flags": score.flags | checks.of_values(values, None, None) | checks.of_facts(values, facts, entry, space)}  # fmt: skip

    def _asks(self, name: str, target: Any, options: dict[str, Any] | None) -> dict[str, Any]:
        """Explain the rows by a local method, for a view of the model that sums them up; return what it found."""
        entry = look_up(name)
        if entry.scope == "global" or not entry.attributes:
            raise BadInput(f"{name} gives no attributions of rows", "a local method that does",
                           "Choose one such as integrated_gradients")  # fmt: skip
        common = _common(entry, NOT_GIVEN | self.common, self.given)[0]
        return replace(self, entry=entry, target=target, common=common).result(entry.checked(options or {}))


def _differentiable(entry: Method) -> bool:
    return bool(entry.needs & {"gradient", "layers"})


def _within(budget: Any, call: _Call, options: dict[str, Any], started: float) -> dict[str, Any]:
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


def _held_against_full(call: _Call, options: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    """Say how far another layout or precision changed the values of the first rows."""
    if "compute" not in call.common:
        return result
    common = {name: value for name, value in call.common.items() if name != "compute"}
    reached = {name: result["facts"].get(name, value) for name, value in options.items()}
    full = replace(call, common=common).result(reached)["values"][:ALIKE]
    a, b = (part.reshape(len(part), -1).astype(float) for part in (full, result["values"][:ALIKE]))
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    agreement = float(np.divide((a * b).sum(1), sizes, out=np.zeros(len(a)), where=sizes > 0).min())
    said = f"Computed in {call.common['compute']}: over the first {len(a)} rows the least cosine to plain values is {agreement:.4f}."
    facts = {
        **result["facts"],
        "agreement": agreement,
        "measured": [*result["facts"]["measured"], "agreement"],
    }
    return {**result, "facts": facts, "flags": result["flags"] | {"compute": said}}


def _names(entry: Method, given: Given, data: Data | None, values: np.ndarray) -> tuple[str, ...]:
    """Return the names of the features: the original columns, or the encoded ones where these have the values."""
    encoded = getattr(given.codec, "encoded_names", ())
    if entry.scope == "global" and len(encoded) == values.shape[-1]:
        return encoded
    return given.codec.names if given.codec is not None else data.feature_names if data else ()


def _common(entry: Method, common: dict[str, Any], given: Given) -> tuple[dict[str, Any], Any]:
    """Refuse a common argument that this method would ignore; leave out what was not given; return the budget apart."""
    common = {name: _joined(value, given) for name, value in common.items()}
    without = [name for name in ("layer", "shared_draws") if not entry.takes(name)]
    of_rows = ["compute"] if entry.scope == "global" else []
    for name in [*without, *of_rows, *sorted(entry.ignores)]:
        if common[name] is not None:
            raise BadInput(f"{entry.name} was given {name}={_short(common[name])}", f"no {name}: the method has no use for it",
                           "Leave it out")  # fmt: skip
    if common["noise"] is not None and ("gradient" not in entry.needs or entry.takes("seed")):
        raise BadInput(
            f"{entry.name} was given noise", "a gradient method that draws nothing itself", "Leave noise out"
        )
    if not isinstance(common["seed"], Integral):
        raise BadInput(f"seed is {common['seed']!r}", "a whole number", "Pass one")
    budget = common.pop("budget")
    arrays = {"baselines", "background", "feature_mask"}
    return {
        name: _array(value) if name in arrays else value
        for name, value in common.items()
        if value is not None
    }, budget


def _joined(value: Any, given: Given) -> Any:
    """Return one array of a tuple that has a part for each of several inputs."""
    return given.codec.joined(value) if isinstance(value, tuple) and isinstance(given.codec, Parts) else value


def _estimand(entry: Method, common: dict[str, Any]) -> str:
    marginal = "; marginal: the mean over what background rows put in place of absent features"
    return entry.estimand + (marginal if "background" in common else "")


def _short(value: Any) -> str:
    return repr(value) if np.ndim(getattr(value, "x", value)) == 0 else "an array"


def _array(value: Any) -> Any:
    value = value.x if isinstance(value, Split) else value
    array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
    return array if array.ndim else array.item()


def _embedded(score: Score, words: Space) -> tuple[Score, Space]:
    """Move to the embeddings, where a text model has gradients."""
    try:
        inner, embed = score.embedded(words.x)
        score.flags["baseline"] = (
            "At the embedding a hidden word is a vector of padding that the model still reads; methods that hide words "
            "take them away: base values differ."
        )
        return inner, words.embedded(embed)
    except WorkbenchError:
        raise
    except MODEL_ERRORS as problem:
        raise _failed(words, problem) from problem


def _digest(given: Given) -> str:
    """Return the SHA-256 of the rows that a view of the model looked at."""
    arrays = [np.ascontiguousarray(array) for array in (given.x, given.y) if array is not None]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def _asked(entry: Method, score: Score, space: Any, common: dict, options: dict) -> tuple[torch.Tensor, dict]:
    """Run the method, with smaller batches where memory does not suffice; return values of the features and facts."""
    while True:
        try:
            values, facts = _answered(entry, score, space, common, options)
            return space.folded(values) if entry.scope == "local" else values, facts
        except (RuntimeError, MemoryError) as problem:
            if not _out_of_memory(problem) or score.batch_size <= 1:
                raise
            score.batch_size //= 2  # Draws belong to rows, so that smaller batches give the same values.
            score.flags["out of memory"] = (
                f"Memory did not suffice: batches were cut to {score.batch_size} rows."
            )


def _out_of_memory(problem: Exception) -> bool:
    words = str(problem).lower()
    return isinstance(problem, MemoryError) or "out of memory" in words or "can't allocate memory" in words


def _answered(
    entry: Method, score: Score, space: Any, common: dict, options: dict
) -> tuple[torch.Tensor, dict]:
    keywords = options | {
        name: common[name]
        for name in ("layer", "seed", "shared_draws")
        if name in common and entry.takes(name)
    }

    def function(score: Score, space: Any) -> Any:
        return entry.function(score, space, **keywords)

    try:
        if "noise" in common:
            answer: Any = smoothed(function, score, space, seed=common["seed"], **_noise(common["noise"]))[0]
        else:
            answer = function(score, space)
    except RuntimeError as problem:
        if not any(words in str(problem) for words in NO_GRADIENT):
            raise
        raise refusal(entry, ["its outputs have no gradient with respect to the inputs"], score.artifact,
                      "image" if space.spatial else "table", lacks="gradient") from problem  # fmt: skip
    return answer if isinstance(answer, tuple) else (answer, {})


def _sorted_out(facts: dict, options: dict) -> dict:
    """Tell apart what a method says beside its values: settings to replay, and things measured."""
    measured = [name for name in facts if name not in options and name not in ("layer", *SAID)]
    return {**facts, "measured": measured}


def _plain(values: torch.Tensor) -> np.ndarray:
    return values.detach().to(torch.float32).numpy(force=True).copy()


def _noise(noise: dict) -> dict:
    if stray := set(noise) - set(NOISE):
        raise BadInput(
            f"noise has no {sorted(stray)[0]!r}", f"keys among {sorted(NOISE)}", "Correct the name"
        )
    noise = NOISE | noise
    if not isinstance(noise["n_samples"], Integral) or noise["n_samples"] < 1 or not noise["stdev"] > 0:
        raise BadInput(f"noise is {noise}", "a whole number of samples and a width above 0", "Correct it")
    return noise


def _signed(entry: Method, settings: dict) -> bool:
    """Tell whether signs mean something, which an option may have decided."""
    folded = [settings[name] for name in ("abs", "relu") if name in settings]
    return not any(folded) if folded else entry.signed


def _aimed(score: Score, space: Space, target: Any) -> torch.Tensor:
    try:
        return score.aim(space.x, target, space.absent)
    except WorkbenchError:
        raise
    except MODEL_ERRORS as problem:
        raise _failed(space, problem) from problem


def _failed(space: Space, problem: Exception) -> BadInput:
    return BadInput(f"The model failed on inputs of shape {tuple(space.x.shape)} ({problem})",
                    "inputs that it takes",
                    "Check the shape, pass forward_kwargs=, or give a callable on frames its raw rows, data.test.raw")  # fmt: skip
