"""Local explanations of many rows become one view of the model, for each class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from .answers import aimed, standard_error
from .registry import look_up, method, table
from .score import Score
from .space import Space

Ask = Callable[..., dict[str, Any]]


@method("mean_shap", needs={"batch", "inputs", "places"}, signed=False, scope="global",
        cost="that of the Shapley method, for each row and class",
        estimand="the mean size, over these rows, of each feature's Shapley value for each class",
        paper="Lundberg, Erion and Lee 2018",
        misleads="The size of an average row's value says nothing of its direction (settings['signed']) or of which rows; "
                 "sampling error adds to a mean of sizes and never cancels; correlated features share credit.")  # fmt: skip
def mean_shap(score: Score, inputs: Space, *, of: str = "kernel_shap", options: dict | None = None,
              ask: Ask) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the mean absolute Shapley value of each feature for each class, ``(class, *features)`` (Lundberg et al. 2018).

    ``of`` names the Shapley method, ``options`` are its own, such as ``{"n_samples": 500}``. All rows count
    for every class. ``settings["signed"]`` is the mean with signs, ``settings["error"]`` and
    ``settings["signed_error"]`` are standard errors over the rows, clusters of rows being one draw, of the
    values' shape and in units of the output; what the method's own draws add is ``settings["sampling_error"]``.
    """
    if "Shapley" not in look_up(of).estimand:
        known = sorted(m.name for m in table().values() if m.scope == "local" and "Shapley" in m.estimand)
        raise BadInput(f"of is {of!r}, which gives no Shapley values", f"one of {', '.join(known)}",
                       "Choose one, or use gim, which adds up any local method")  # fmt: skip
    facts = aggregated(score, inputs, of, options, ask)
    return facts.pop("values"), facts


def aggregated(score: Score, inputs: Space, of: str, options: dict | None, ask: Ask) -> dict[str, Any]:
    """Return the mean size of a local method's values, and with it the mean, and the errors of both over rows."""
    found = [_towards(score, inputs, of, c, options, ask) for c in range(aimed(score, inputs))]
    facts = {name: np.stack([one[name] for one in found]) for name in found[0] if name != "sampling_error"}
    drawn = [one["sampling_error"] for one in found if one["sampling_error"] is not None]
    return {**facts, "values": torch.as_tensor(facts["values"]), "n_rows": inputs.n,
            **({"sampling_error": float(np.mean(drawn))} if drawn else {})}  # fmt: skip


def _towards(score: Score, inputs: Space, of: str, c: int, options: dict | None, ask: Ask) -> dict[str, Any]:
    """Return what a local method says of all rows for one class."""
    result = ask(of, c, options)
    score.counter[0] += result["n_forward"]
    score.flags.update({k: text for k, text in result["flags"].items() if k != "constant map"})
    values = result["values"].astype(np.float64)
    sizes, n = np.abs(values), len(values)
    sampling = result["facts"].get("error")
    return {
        "values": sizes.mean(0), "signed": values.mean(0).astype(np.float32),
        "error": standard_error((sizes - sizes.mean(0)) / n, inputs.clusters).astype(np.float32),
        "signed_error": standard_error((values - values.mean(0)) / n, inputs.clusters).astype(np.float32),
        "sampling_error": sampling if isinstance(sampling, float) else None,
    }  # fmt: skip
