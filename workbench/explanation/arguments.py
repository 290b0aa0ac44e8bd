"""The arguments that all methods have in common: their defaults, and what a method makes no use of."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..data.parts import Parts
from ..data.records import Split
from ..errors import BadInput
from .entrance import Given
from .registry import Method

DEFAULTS: dict[str, Any] = {
    "output": "logit",
    **dict.fromkeys(
        ("baselines", "background", "layer", "feature_mask", "forward_kwargs", "noise", "budget")
    ),
    **{"shared_draws": None, "seed": 0, "batch_size": None, "compute": None},
}
NOISE = {"n_samples": 50, "stdev": 0.1}


def checked(entry: Method, common: dict[str, Any], given: Given) -> tuple[dict[str, Any], Any]:
    """Refuse a common argument that this method would ignore; leave out what was not given; return the budget apart."""
    common = {name: joined(value, given) for name, value in common.items()}
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
    beside = common["forward_kwargs"]
    common["forward_kwargs"] = beside and {name: _plain(value) for name, value in beside.items()}
    return {
        name: _array(value) if name in arrays else value
        for name, value in common.items()
        if value is not None
    }, budget


def _plain(value: Any) -> Any:
    """Return a tensor as an array, so that a result holds none."""
    return value.detach().numpy(force=True) if isinstance(value, torch.Tensor) else value


def joined(value: Any, given: Given) -> Any:
    """Return one array of a tuple that has a part for each of several inputs."""
    return given.codec.joined(value) if isinstance(value, tuple) and isinstance(given.codec, Parts) else value


def noise_of(noise: dict) -> dict:
    """Return what noise was asked for, with its defaults."""
    if stray := set(noise) - set(NOISE):
        raise BadInput(
            f"noise has no {sorted(stray)[0]!r}", f"keys among {sorted(NOISE)}", "Correct the name"
        )
    noise = NOISE | noise
    if not isinstance(noise["n_samples"], Integral) or noise["n_samples"] < 1 or not noise["stdev"] > 0:
        raise BadInput(f"noise is {noise}", "a whole number of samples and a width above 0", "Correct it")
    return noise


def _short(value: Any) -> str:
    return repr(value) if np.ndim(getattr(value, "x", value)) == 0 else "an array"


def _array(value: Any) -> Any:
    value = value.x if isinstance(value, Split) else value
    array = np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value)
    return array if array.ndim else array.item()
