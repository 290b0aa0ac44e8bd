"""Occlusion: hide a window, see what the output loses."""

from __future__ import annotations

import torch

from .registry import method
from .score import Score
from .space import Space


@method("occlusion", ignores={"feature_mask"}, needs={"batch"}, signed=True, cost="a forward a window",
        estimand="what the output loses when a window is replaced by the baseline, averaged over the windows",
        paper="Zeiler and Fergus 2014",
        misleads="A hidden window is an input of another kind; what two windows hold twice is missed; the size decides.")  # fmt: skip
def occlusion(score: Score, inputs: Space, *, window: int | tuple[int, ...] | None = None,
              strides: int | tuple[int, ...] | None = None) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the mean loss of output over the windows that hide each feature (Zeiler and Fergus 2014).

    ``window`` and ``strides`` count along the trailing axes, channels whole; by default a seventh of the
    side, and half of the window.
    """
    masks, window, strides = inputs.windows(window, strides)
    whole = score.evaluate(inputs.x)
    lost = whole[:, None] - score.responses(inputs, len(masks), lambda rows, versions: masks[versions])
    weights = masks.flatten(1).to(lost.dtype)
    share = (lost @ weights) / weights.sum(0)
    values = share.view(inputs.n, *masks.shape[1:]).expand(inputs.x.shape)
    return values, {"window": list(window), "strides": list(strides)}
