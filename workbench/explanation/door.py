"""The front door: ``explain`` checks what it is given, lends the model out untouched, and returns a record."""

from __future__ import annotations

import time
from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..data.records import Data, Split
from ..errors import BadInput, WorkbenchError
from ..state import seeded, untouched
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from . import checks
from .gradients import smoothed
from .registry import Method, look_up, refusal, require
from .result import Explanation
from .score import Score
from .space import Space, copied

NOISE = {"n_samples": 50, "stdev": 0.1}
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
        ``(n, ...)`` float array or tensor, or a ``Split``. None for a method that explains the model itself.
    method
        A name, or a list of names for a dict of explanations.
    target
        Class to explain, one a row or one for all. None is the class the model itself predicts.
    output
        The scalar: "logit", "centred_logit" (minus the mean of all logits), "log_prob", "probability",
        "runner_up" (difference to the second class), "raw" (a model with one output).
    baselines, background
        What stands for absent: one value or row (default 0, which for a standardized table is the training
        mean), or rows to average over, which makes the estimand marginal. Not both.
    layer
        For methods that look at one.
    feature_mask
        Integers that broadcast to the inputs: equal numbers form one feature.
    data
        Gives names of classes and columns.
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
    common = _common(entry, common)
    flags = checks.of_model(model)
    with untouched(model), seeded(seed):
        part = _explain_model if entry.scope == "global" else _explain_rows
        result = part(entry, model, inputs, target, common, options)
    settings = {**common, **options, **result.pop("facts")}
    return Explanation(
        **{**result, "flags": flags | result["flags"]}, method=method, estimand=_estimand(entry, common), signed=_signed(entry, settings),
        settings=settings, model_fingerprint=fingerprint(model), seconds=time.perf_counter() - started,
        feature_names=data.feature_names if data else (), class_names=data.class_names if data else (),
    )  # fmt: skip


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
    entry: Method, model: Any, inputs: Any, target: Any, common: dict, options: dict
) -> dict[str, Any]:
    x, row_ids = _rows(inputs, model)
    kind = "image" if x.ndim == 4 else "table"
    require(entry, model, kind)
    score = Score(model, common["output"], differentiable=bool(entry.needs & {"gradient", "layers"}),
                  forward_kwargs=common.get("forward_kwargs"), batch_size=common.get("batch_size"))  # fmt: skip
    space = Space(x.to(score.device), baselines=common.get("baselines"), background=common.get("background"),
                  feature_mask=common.get("feature_mask"))  # fmt: skip
    output = _aimed(score, space, target)
    base = score.of_absent(marginal=space.background is not None)
    values, facts = _call(entry, score, space, common, options)
    difference = (output - base).numpy(force=True)
    promised = entry.complete and "noise" not in common and options.get("multiply_by_inputs", True)
    delta = values.reshape(len(values), -1).sum(1) - difference if promised else None
    return {
        "values": values, "inputs": x.numpy(force=True), "target": score.target.numpy(force=True),
        "output": output.numpy(force=True), "base_values": base.numpy(force=True), "delta": delta, "kind": kind,
        "row_ids": row_ids, "n_forward": score.n_forward, "facts": facts,
        "flags": score.flags | checks.of_values(values, delta, difference) | checks.of_call(score, common, entry, len(x), facts),
    }  # fmt: skip


def _explain_model(
    entry: Method, model: Any, inputs: Any, target: Any, common: dict, options: dict
) -> dict[str, Any]:
    require(entry, model, None)
    score = Score(model, common["output"])
    values, facts = _call(entry, score, None, common, options)
    nothing = dict.fromkeys(("inputs", "target", "output", "base_values", "delta"))
    return {"values": values, **nothing, "kind": "weights", "facts": facts, "n_forward": score.n_forward,
            "flags": score.flags | checks.of_values(values, None, None)}  # fmt: skip


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
    measured = [name for name in facts if name not in options and name not in ("layer",)]
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


def _rows(inputs: Any, model: Any) -> tuple[torch.Tensor, np.ndarray]:
    """Return checked float rows and their ids."""
    split = isinstance(inputs, Split)
    raw = inputs.x if split else inputs
    array = raw.detach().cpu().numpy() if isinstance(raw, torch.Tensor) else np.asarray(raw)
    if array.dtype.kind != "f":
        raise BadInput(f"inputs has type {array.dtype}", "floats", "Convert them; divide pixels by 255")
    shape = (getattr(model, "spec", None) or {}).get("input_shape")
    if (
        array.ndim < 2
        or (array.ndim == 3 and shape is None)
        or (shape and list(array.shape[1:]) != list(shape))
    ):
        wanted = f"(n, {', '.join(map(str, shape))})" if shape else "(n, channel, row, column) or (n, column)"
        todo = (
            "Add the batch axis: inputs[None]"
            if shape and list(array.shape) == list(shape)
            else "Reshape the inputs"
        )
        raise BadInput(f"inputs has shape {array.shape}", f"shape {wanted}", todo)
    if len(array) == 0:
        raise BadInput(
            f"inputs has shape {array.shape}: an empty batch", "at least one row", "Check the selection"
        )
    if not np.isfinite(array).all():
        row = int(np.argmax(~np.isfinite(array).reshape(len(array), -1).all(1)))
        raise BadInput(
            f"inputs holds NaN or infinite values, first in row {row}",
            "finite numbers",
            "Fill or drop the row",
        )
    ids = inputs.row_ids if split else np.arange(len(array))
    return copied(array), np.asarray(ids)


def _aimed(score: Score, space: Space, target: Any) -> torch.Tensor:
    try:
        return score.aim(space.x, target, space.absent)
    except WorkbenchError:
        raise
    except (RuntimeError, TypeError, ValueError, LookupError) as problem:
        raise BadInput(f"The model failed on inputs of shape {tuple(space.x.shape)} ({problem})",
                       "inputs that its forward takes", "Check the shape, or pass forward_kwargs=") from problem  # fmt: skip
