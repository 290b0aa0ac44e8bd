"""One call of a method: a model, rows and settings become values, facts and flags."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..data.parts import Parts
from ..errors import BadInput, WorkbenchError
from . import checks
from .arguments import DEFAULTS, checked, noise_of
from .entrance import Given
from .gradients import smoothed
from .registry import NEEDS, Method, look_up, refusal, require
from .score import Score, batch_rows
from .space import Space

SAID = (
    "feature_names",
    "estimand",
    "base_values",
)  # what a method may say of its result instead of the record's usual words
# What a model's own code may raise.
MODEL_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)
# What torch says where a model, such as a wrapper around numpy, breaks the chain of gradients.
NO_GRADIENT = ("does not require grad", "appears to not have been used in the graph")


@dataclass
class Call:
    """What one call works on: everything but the method's own options."""

    entry: Method
    model: Any
    given: Given
    target: Any
    common: dict[str, Any]
    kept: dict | None = None
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
        score = self._score(differentiable(self.entry))
        words = space = self._space(x.to(score.device))
        if words.tokens and "gradient" in self.entry.needs:
            score, space = _embedded(score, words)
        output = _sparing(score, lambda: _aimed(score, space, self.target))
        if self.given.texts is not None and score.codec is not None:
            score.hold_against(self.given.texts, words.x)
        base = score.of_absent(marginal=space.background is not None)
        values, facts = _sparing(score, lambda: _answered(self.entry, score, space, self.common, options))
        return values, facts, score, space, words, output, facts.pop("base_values", base)

    def _score(self, by_gradient: bool) -> Score:
        common, given = self.common, self.given
        parts = (
            given.codec
            if isinstance(given.codec, Parts) and isinstance(self.model, torch.nn.Module)
            else None
        )
        if parts is not None and any(parts.whole) and by_gradient:
            raise refusal(self.entry, ["an input holds whole numbers, which have no gradient (forward_kwargs= hands them on)"],
                          self.model, given.kind, lacks="gradient")  # fmt: skip
        model = (
            copy.deepcopy(self.model).to(memory_format=torch.channels_last)
            if self._laid_out()
            else self.model
        )
        return Score(model, common["output"], differentiable=by_gradient, codec=given.reads(self.model),
                     forward_kwargs=common.get("forward_kwargs"), batch_size=common.get("batch_size"), parts=parts,
                     compute=common.get("compute"), kept=self.kept, keeps_graph=self.keeps_graph)  # fmt: skip

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
        values, facts = _array(tensor), _sorted_out(facts, options)
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
        score = self._score("gradient" in entry.needs)
        space = None if given.x is None else self._space(given.rows().to(score.device))
        if space is not None:
            score.batch_size = score.batch_size or batch_rows(space.x)
        own = {**options, "ask": self._asks} if entry.takes("ask") else options
        tensor, facts = _sparing(score, lambda: _answered(entry, score, space, common, own))
        values, facts = _array(tensor), _sorted_out(facts, options)
        if space is not None:
            facts = {**facts, "rows": _digest(given), "measured": [*facts["measured"], "rows"]}
        nothing = dict.fromkeys(("inputs", "target", "output", "base_values", "delta"))
        return {"values": values, **nothing, "kind": "weights" if space is None else given.kind, "facts": facts,
                "n_forward": score.n_forward, "flags": score.flags | checks.of_values(values, None, None) | checks.of_facts(values, facts, entry, space)}  # fmt: skip

    def first(self, n: int, without: str) -> Call:
        """Return the same call for its first rows, without one of the common arguments."""
        rows, given = slice(n), self.given
        common = {name: given.rows_of(name, value, rows) for name, value in self.common.items()
                  if name in ("baselines", "feature_mask")}  # fmt: skip
        if beside := self.common.get("forward_kwargs"):
            common["forward_kwargs"] = {
                name: given.rows_of("", value, rows) for name, value in beside.items()
            }
        common = {name: value for name, value in (self.common | common).items() if name != without}
        target = given.rows_of("target", self.target, rows)
        return replace(self, given=given.part(rows), target=target, common=common)

    def _asks(self, name: str, target: Any, options: dict[str, Any] | None) -> dict[str, Any]:
        """Explain the rows by a local method, for a view of the model that sums them up; return what it found."""
        entry = look_up(name)
        if entry.scope == "global" or not entry.attributes:
            raise BadInput(f"{name} gives no attributions of rows", "a local method that does",
                           "Choose one such as integrated_gradients")  # fmt: skip
        common = checked(entry, DEFAULTS | self.common, self.given)[0]
        return replace(self, entry=entry, target=target, common=common).result(entry.checked(options or {}))


def differentiable(entry: Method) -> bool:
    """Whether a method looks at a model's layers or gradients: an int8 one is then represented by its surrogate."""
    return bool(entry.needs & {"gradient", "layers"})


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


def _sparing(score: Score, work: Callable[[], Any]) -> Any:
    """Do some work, again with smaller batches where memory does not suffice."""
    while True:
        try:
            return work()
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
    """Run the method; return values of the features, and facts."""
    keywords = options | {
        name: common[name]
        for name in ("layer", "seed", "shared_draws")
        if name in common and entry.takes(name)
    }

    def function(score: Score, space: Any) -> Any:
        return entry.function(score, space, **keywords)

    try:
        if "noise" in common:
            answer: Any = smoothed(function, score, space, seed=common["seed"], **noise_of(common["noise"]))[
                0
            ]
        else:
            answer = function(score, space)
    except RuntimeError as problem:
        if not any(words in str(problem) for words in NO_GRADIENT):
            raise
        raise refusal(entry, ["its outputs have no gradient with respect to the inputs"], score.artifact,
                      "image" if space.spatial else "table", lacks="gradient") from problem  # fmt: skip
    values, facts = answer if isinstance(answer, tuple) else (answer, {})
    return space.folded(values) if entry.scope == "local" else values, facts


def _sorted_out(facts: dict, options: dict) -> dict:
    """Tell apart what a method says beside its values: settings to replay, and things measured."""
    measured = [name for name in facts if name not in options and name not in ("layer", *SAID)]
    return {**facts, "measured": measured}


def _array(values: torch.Tensor) -> np.ndarray:
    return values.detach().to(torch.float32).numpy(force=True).copy()


def _aimed(score: Score, space: Space, target: Any) -> torch.Tensor:
    try:
        return score.aim(space.x, target, space.absent)
    except WorkbenchError:
        raise
    except MODEL_ERRORS as problem:
        if _out_of_memory(problem) and score.batch_size > 1:
            raise
        raise _failed(space, problem) from problem


def _failed(space: Space, problem: Exception) -> BadInput:
    return BadInput(f"The model failed on inputs of shape {tuple(space.x.shape)} ({problem})",
                    "inputs that it takes",
                    "Check the shape, pass forward_kwargs=, or give a callable on frames its raw rows, data.test.raw")  # fmt: skip
