"""Views of the model itself, without any input."""

from __future__ import annotations

import torch

from ..errors import BadInput, unknown
from .registry import ABSENCE, method
from .score import Score
from .space import Space


@method("weights", ignores=ABSENCE, needs={"layers"}, signed=True, scope="global", cost="none",
        estimand="the weights of one layer, as they are",
        paper="Zeiler and Fergus 2014 (filters of a first convolution)",
        misleads="A large weight on an input that never varies does nothing; only a first layer can be read directly.")  # fmt: skip
def weights(score: Score, inputs: Space | None, *, layer: str | None = None) -> tuple[torch.Tensor, dict]:
    """Return a layer's weights, the first that has any by default: ``(unit, ...)``."""
    named = score.weights()
    if not named:
        raise BadInput("The model has no weights", "a layer with weights", "Explain it with a local method")
    name = next(iter(named)) if layer is None else layer
    if name not in named:
        raise unknown("layer with weights", name, named)
    return named[name], {"layer": name}
