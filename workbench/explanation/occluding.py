"""Hide a part, see what the output loses: windows (occlusion), or one group at a time (feature ablation)."""

from __future__ import annotations

import torch

from .lengths import by_length
from .registry import method
from .score import Score
from .space import Space


@method("occlusion", graph=True, ignores={"feature_mask"}, needs={"batch"}, signed=True, cost="a forward a window",
        estimand="what the output loses when a window is replaced by the baseline, averaged over the windows",
        paper="Zeiler and Fergus 2014",
        misleads="A hidden window is an input of another kind; what two windows hold twice is missed; the size decides.")  # fmt: skip
def occlusion(score: Score, inputs: Space, *, window: int | tuple[int, ...] | None = None,
              strides: int | tuple[int, ...] | None = None) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the mean loss of output over the windows that hide each feature (Zeiler and Fergus 2014).

    ``window`` and ``strides`` count features along the trailing axes: pixels with channels whole, columns in
    their order, words. By default a seventh of an image's side, and half of the window; one column or word.
    """
    masks, window, strides = inputs.windows(window, strides)
    whole = score.evaluate(inputs.x)
    worth = score.responses(inputs, len(masks), lambda rows, versions: inputs.unfolded(masks[versions], rows))
    lost = whole[:, None] - worth
    weights = masks.flatten(1).to(lost.dtype)
    share = (lost @ weights) / weights.sum(0)
    values = share.view(inputs.n, *masks.shape[1:]).expand(inputs.n, *inputs.features)
    return values, {"window": list(window), "strides": list(strides)}


@method("feature_ablation", graph=True, needs={"batch"}, signed=True, cost="a forward a group",
        estimand="what the output loses when one group alone is replaced by the baseline or background",
        paper="Li, Monroe and Jurafsky 2016; captum's FeatureAblation",
        misleads="What two groups hold twice is missed, as the other one still tells; a hidden group is an unreal input.")  # fmt: skip
def feature_ablation(score: Score, inputs: Space) -> torch.Tensor:
    """Return what the output loses without each group: a column, a word, a patch (Li et al. 2016).

    A group's loss is shared equally among its pixels, so that sums over groups stay true. Values do not add
    up to the output's difference to the baseline, except for models without interactions.
    """
    return by_length(_one_by_one, score, inputs)[0]


def _one_by_one(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    d = inputs.n_groups
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), {}
    kept = ~torch.eye(d, dtype=torch.bool, device=inputs.x.device)
    whole = score.evaluate(inputs.x)
    worth = score.responses(inputs, d, lambda rows, k: inputs.kept_to_hidden(kept[k], rows))
    return inputs.spread(whole[:, None] - worth), {}
