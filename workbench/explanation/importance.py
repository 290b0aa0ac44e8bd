"""How much worse a model answers when a feature no longer belongs to its row."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ..errors import BadInput, unknown
from ..state import generator
from .registry import method
from .score import Score
from .space import Space

METRICS = {
    "accuracy": lambda z, y: (z.argmax(1) == y).double(),
    "log_loss": lambda z, y: F.log_softmax(z.double(), 1).gather(1, y[:, None])[:, 0],
}  # how good an answer is, a row: more is better


@method("permutation_importance", ignores={"baselines", "background"}, needs={"batch", "rows", "places"}, signed=True,
        scope="global", cost="n_repeats a group, for each row",
        estimand="what the metric loses, on these rows, when a group is swapped between rows",
        paper="Breiman 2001; Fisher, Rudin and Dominici 2019",
        misleads="Swapping correlated columns makes rows that cannot be, and what two columns both tell counts for "
                 "neither (Hooker, Mentch and Zhou 2021).")  # fmt: skip
def permutation_importance(score: Score, inputs: Space, *, n_repeats: int = 5, metric: str = "accuracy",
                           seed: int = 0) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the mean loss of the metric when a group is permuted among the rows (Breiman 2001), ``(1, *features)``.

    Groups are columns with all their indicators, and patches of images, of which each pixel shows its
    group's number. ``metric`` is "accuracy", or "log_loss" in nats. ``settings["error"]`` are standard
    errors over the rows, of the values' shape, ``settings["unpermuted"]`` is the metric before.
    """
    y = _checked(score, inputs, metric)
    whole = _goodness(score, inputs.x, y, metric)
    groups = inputs.groups[0].expand(inputs.x.shape[1:])
    lost = torch.stack([_lost(score, inputs, groups == g, whole, y, metric, n_repeats, (seed, g))
                        for g in range(inputs.n_groups)])  # fmt: skip
    error = lost.std(1) / len(y) ** 0.5
    base = float(whole.mean()) * (1 if metric == "accuracy" else -1)
    facts = {"error": _shown(error, groups, inputs).numpy(force=True), "unpermuted": base}
    return _shown(lost.mean(1), groups, inputs), facts


def _checked(score: Score, inputs: Space, metric: str) -> torch.Tensor:
    """Return the rows' classes, if everything fits."""
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    if len(inputs.groups) > 1:
        raise BadInput("feature_mask has groups for each row", "one mask for all rows", "Give one")
    if inputs.n < 2:
        raise BadInput(
            f"There is {inputs.n} row", "at least two: features are swapped between rows", "Pass more"
        )
    y, n_classes = inputs.labels.long(), score.scores(inputs.x[:1]).shape[1]  # type: ignore[union-attr]
    if n_classes < 2 or y.max() >= n_classes:
        raise BadInput(f"The model has {n_classes} outputs, and classes run to {int(y.max())}", "an output a class",
                       "Pass the data that the model was trained for")  # fmt: skip
    return y


@torch.no_grad()
def _goodness(score: Score, x: torch.Tensor, y: torch.Tensor, metric: str) -> torch.Tensor:
    scores = [score.scores(part) for part in x.split(score.batch_size)]
    return METRICS[metric](torch.cat(scores), y)


def _lost(score: Score, inputs: Space, mine: torch.Tensor, whole: torch.Tensor, y: torch.Tensor, metric: str,
          n_repeats: int, key: tuple[int, ...]) -> torch.Tensor:  # fmt: skip
    """Return the mean loss of each row over the repeats, ``(n,)``."""
    orders = [torch.randperm(inputs.n, generator=generator(*key, k)) for k in range(n_repeats)]
    swapped = (torch.where(mine, inputs.x[order.to(inputs.x.device)], inputs.x) for order in orders)
    return torch.stack([whole - _goodness(score, x, y, metric) for x in swapped]).mean(0)


def _shown(values: torch.Tensor, groups: torch.Tensor, inputs: Space) -> torch.Tensor:
    """Return each feature's number, that of its group, ``(1, *features)``."""
    each = values[groups]
    if inputs.members is None:
        return each[None]
    out = torch.zeros(inputs.features, dtype=each.dtype, device=each.device)
    out[inputs.members[0]] = each
    return out[None]
