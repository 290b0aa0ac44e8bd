"""The front door: ``explain`` checks what it is given, lends the model out untouched, and returns a record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..data.records import Data, Split
from ..errors import BadInput, WorkbenchError
from ..state import seeded, untouched
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from . import checks, entrance
from .entrance import Given
from .gradients import smoothed
from .registry import NEEDS, Method, look_up, refusal, require
from .result import Explanation
from .score import Score, batch_rows
from .space import Space

SAID = (
    "feature_names",
    "estimand",
)  # what a method may say of its result instead of the record's usual words
NOISE = {"n_samples": 50, "stdev": 0.1}
# What a model's own code may raise.
MODEL_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)
# What torch says where a model, such as a wrapper around numpy, breaks the chain of gradients.
NO_GRADIENT = ("does not require grad", "appears to not have been used in the graph")


def explain(
    model: Any,
    inputs: Any,
    method: str | Iterable[str] = "integrated_gradients",
    *,
    target: Any = None,
    output: str = "logit",
    baselines: Any = None,
    background: Any = None,
    layer: str | None = None,
    feature_mask: Any = None,
    data: Data | None = None,
    forward_kwargs: dict | None = None,
    noise: dict | None = None,
    shared_draws: bool | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    **options: Any,
) -> Any:
    """Explain a model's output for each input by a method of :func:`methods`.

    Parameters
    ----------
    model
        Any ``nn.Module``, fitted estimator, callable ``x -> scores (n, class)``, or a ``Fitted`` or
        ``Compressed``. It comes back as it was, also after an error.
    inputs
        A ``Split`` such as ``data.test[:5]``, a float array or tensor ``(n, ...)``, token numbers
        ``(n, length)``, a data frame of raw rows (with ``data=`` or ``background=``), or a list of texts.
        A global method takes None, or the labelled rows it looks at.
    method
        A name, or a list of names for a dict of explanations.
    target
        Class to explain, one a row or one for all. None is the class the model itself predicts.
    output
        The scalar: "logit", "centred_logit" (minus the mean of all logits), "log_prob", "probability",
        "runner_up" (difference to the second class), "raw" (a model with one output).
    baselines, background
        What stands for absent: one value or row (default 0, which for a standardized table is the training
        mean; the pad token for texts), or rows to average over, which makes the estimand marginal. Not both.
    layer
        For methods that look at one.
    feature_mask
        Integers that broadcast to the inputs, or one a column: equal numbers form one feature.
    data
        Gives names of classes and columns, and turns raw rows and texts into what the model takes.
    forward_kwargs
        Passed on to the module's forward.
    noise
        ``{"n_samples": 50, "stdev": .1}``: average a gradient method over noisy copies of each input.
    shared_draws
        Whether rows share random draws; by default the method's own choice (shared for LIME and kernel SHAP).
    seed
        Of everything random. Same seed, same bits, for equal batch size, threads and versions.
    batch_size
        Rows of one forward; chosen by the size of an input when None.
    **options
        The method's own; see ``wb.methods()``.

    Returns
    -------
    Explanation
        Or a dict of them, for a list of methods.

    Raises
    ------
    UnknownName
        No such method, output or layer; the message lists the known.
    NotExplainable
        This method cannot explain this model; the message says why, and which can.
    BadInput
        Wrong shape, NaN, empty batch, a target out of range, a misspelt option.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist").subset(train=300)
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=2, verbose=False)
    >>> wb.explain(net, data.test[:2], "occlusion", window=7)
    Explanation(occlusion of the logit, values 2x1x28x28)
    """
    common = {"output": output, "baselines": baselines, "background": background, "layer": layer,
              "feature_mask": feature_mask, "forward_kwargs": forward_kwargs, "noise": noise,
              "shared_draws": shared_draws, "seed": seed, "batch_size": batch_size}  # fmt: skip
    if not isinstance(method, str):
        return {
            name: explain(model, inputs, name, target=target, data=data, **common, **options)
            for name in method
        }
    entry, model, started = look_up(method), unwrap(model), time.perf_counter()
    options = entry.checked(options)
    given = entrance.given(inputs, model, data, background)
    common = _common(entry, {**common, "background": given.background})
    flags = checks.of_model(model) | given.flags | checks.of_rows(given.x, given.codec)
    with untouched(model), seeded(seed):
        part = _explain_model if entry.scope == "global" else _explain_rows
        result = part(entry, model, given, target, common, options)
    facts = result.pop("facts")
    names = facts.pop("feature_names", None) or _names(entry, given, data, result["values"])
    estimand = facts.pop("estimand", None) or _estimand(entry, common)
    settings = {**common, **options, **facts}
    return Explanation(
        **{**result, "flags": flags | result["flags"]}, method=method, estimand=estimand, signed=_signed(entry, settings),
        settings=settings, model_fingerprint=fingerprint(model), seconds=time.perf_counter() - started,
        feature_names=names, class_names=data.class_names if data else (), codec=given.codec,
    )  # fmt: skip


def _names(entry: Method, given: Given, data: Data | None, values: np.ndarray) -> tuple[str, ...]:
    """Return the names of the features: the original columns, or the encoded ones where these have the values."""
    encoded = getattr(given.codec, "encoded_names", ())
    if entry.scope == "global" and len(encoded) == values.shape[-1]:
        return encoded
    return given.codec.names if given.codec is not None else data.feature_names if data else ()


def _common(entry: Method, common: dict[str, Any]) -> dict[str, Any]:
    """Refuse a common argument that this method would ignore; leave out those that were not given."""
    without = [name for name in ("layer", "shared_draws") if not entry.takes(name)]
    for name in [*without, *sorted(entry.ignores)]:
        if common[name] is not None:
            raise BadInput(f"{entry.name} was given {name}={_short(common[name])}", f"no {name}: the method has no use for it",
                           "Leave it out")  # fmt: skip
    if common["noise"] is not None and ("gradient" not in entry.needs or entry.takes("seed")):
        raise BadInput(
            f"{entry.name} was given noise", "a gradient method that draws nothing itself", "Leave noise out"
        )
    if not isinstance(common["seed"], Integral):
        raise BadInput(f"seed is {common['seed']!r}", "a whole number", "Pass one")
    arrays = {"baselines", "background", "feature_mask"}
    return {
        name: _array(value) if name in arrays else value
        for name, value in common.items()
        if value is not None
    }


def _estimand(entry: Method, common: dict[str, Any]) -> str:
    marginal = "; marginal: the mean over what background rows put in place of absent features"
    return entry.estimand + (marginal if "background" in common else "")


def _short(value: Any) -> str:
    return repr(value) if np.ndim(getattr(value, "x", value)) == 0 else "an array"


def _array(value: Any) -> Any:
    value = value.x if isinstance(value, Split) else value
    array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
    return array if array.ndim else array.item()


def _explain_rows(
    entry: Method, model: Any, given: Given, target: Any, common: dict, options: dict
) -> dict[str, Any]:
    x, kind = given.rows(), given.kind
    require(entry, model, kind)
    score = Score(model, common["output"], differentiable=bool(entry.needs & {"gradient", "layers"}), codec=given.reads(model),
                  forward_kwargs=common.get("forward_kwargs"), batch_size=common.get("batch_size"))  # fmt: skip
    words = space = _space(given, x.to(score.device), common)
    if words.tokens and "gradient" in entry.needs:
        score, space = _embedded(score, words)
    output = _aimed(score, space, target)
    if given.texts is not None and score.codec is not None:
        score.hold_against(given.texts, words.x)
    base = score.of_absent(marginal=space.background is not None)
    values, facts = _call(entry, score, space, common, options)
    if given.calls_raw(model):
        facts = {**facts, "raw": True, "measured": [*facts["measured"], "raw"]}
    difference = (output - base).numpy(force=True)
    promised = entry.complete and "noise" not in common and options.get("multiply_by_inputs", True)
    delta = values.reshape(len(values), -1).sum(1) - difference if promised else None
    fixed = None if words.fixed is None else words.fixed.numpy(force=True)
    return {
        "values": values, "inputs": x.numpy(force=True), "target": score.target.numpy(force=True),
        "output": output.numpy(force=True), "base_values": base.numpy(force=True), "delta": delta, "kind": kind,
        "row_ids": given.row_ids, "padding": fixed, "labels": given.labels(), "n_forward": score.n_forward, "facts": facts,
        "flags": score.flags | checks.of_values(values, delta, difference) | checks.of_call(score, common, entry, len(x), facts),
    }  # fmt: skip


def _space(given: Given, x: torch.Tensor, common: dict) -> Space:
    arrays = {name: common.get(name) for name in ("baselines", "background", "feature_mask")}
    return Space(x, **arrays, codec=given.codec, labels=given.y, clusters=given.clusters)


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


def _explain_model(
    entry: Method, model: Any, given: Given, target: Any, common: dict, options: dict
) -> dict[str, Any]:
    require(entry, model, given.kind if given.x is not None else None)
    lacking = given.y if "rows" in entry.needs else given.x
    if entry.needs & {"rows", "inputs"} and lacking is None:
        raise BadInput(f"{entry.name} was given {'no rows' if given.x is None else 'rows without classes'}",
                       NEEDS["rows" if "rows" in entry.needs else "inputs"], "Pass data.test as inputs")  # fmt: skip
    score = Score(model, common["output"], differentiable="gradient" in entry.needs, codec=given.reads(model),
                  forward_kwargs=common.get("forward_kwargs"), batch_size=common.get("batch_size"))  # fmt: skip
    space = None if given.x is None else _space(given, given.rows().to(score.device), common)
    if space is not None:
        score.batch_size = score.batch_size or batch_rows(space.x)
    own = {**options, "ask": _asking(model, given, common)} if entry.takes("ask") else options
    values, facts = _call(entry, score, space, common, own)
    if space is not None:
        facts = {**facts, "rows": _digest(given), "measured": [*facts["measured"], "rows"]}
    nothing = dict.fromkeys(("inputs", "target", "output", "base_values", "delta"))
    return {"values": values, **nothing, "kind": "weights" if space is None else given.kind, "facts": facts,
            "n_forward": score.n_forward, "flags": score.flags | checks.of_values(values, None, None)}  # fmt: skip


def _asking(model: Any, given: Given, common: dict) -> Callable[..., dict[str, Any]]:
    """Return what a view of the model asks to explain its rows: ``(local method, target, options) -> what it found``."""
    every = dict.fromkeys(("layer", "baselines", "background", "feature_mask", "shared_draws", "noise"))

    def ask(name: str, target: Any, options: dict[str, Any] | None) -> dict[str, Any]:
        entry = look_up(name)
        if entry.scope == "global" or not entry.attributes:
            raise BadInput(f"{name} gives no attributions of rows", "a local method that does",
                           "Choose one such as integrated_gradients")  # fmt: skip
        return _explain_rows(
            entry, model, given, target, _common(entry, every | common), entry.checked(options or {})
        )

    return ask


def _digest(given: Given) -> str:
    """Return the SHA-256 of the rows that a view of the model looked at."""
    arrays = [np.ascontiguousarray(array) for array in (given.x, given.y) if array is not None]
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()


def _call(entry: Method, score: Score, space: Any, common: dict, options: dict) -> tuple[np.ndarray, dict]:
    """Run the method; sort what it says beside its values into settings to replay and things measured."""
    keywords = options | {
        name: common[name]
        for name in ("layer", "seed", "shared_draws")
        if name in common and entry.takes(name)
    }

    def function(score: Score, space: Any) -> Any:
        return entry.function(score, space, **keywords)

    try:
        if "noise" in common:
            answer: Any = smoothed(function, score, space, seed=common["seed"], **_noise(common["noise"]))
        else:
            answer = function(score, space)
    except RuntimeError as problem:
        if not any(words in str(problem) for words in NO_GRADIENT):
            raise
        raise refusal(entry, ["its outputs have no gradient with respect to the inputs"], score.artifact,
                      "image" if space.spatial else "table", lacks="gradient") from problem  # fmt: skip
    values, facts = answer if isinstance(answer, tuple) else (answer, {})
    values = space.folded(values) if entry.scope == "local" else values
    measured = [name for name in facts if name not in options and name not in ("layer", *SAID)]
    return values.detach().to(torch.float32).numpy(force=True).copy(), {**facts, "measured": measured}


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
