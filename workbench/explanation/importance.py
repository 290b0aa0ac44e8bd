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
    errors over the rows, of the values' shape, each row counting for what it loses and for what others lose
    by its values; ``settings["unpermuted"]`` is the metric before.
    """
    y = _checked(score, inputs, metric)
    whole = _goodness(score, inputs.x, y, metric)
    groups = inputs.groups[0].expand(inputs.x.shape[1:])
    found = [_lost(score, inputs.x, groups == g, whole, y, metric, n_repeats, (seed, g))
             for g in range(inputs.n_groups)]  # fmt: skip
    lost, error = (torch.stack(each) for each in zip(*found, strict=True))
    base = float(whole.mean()) * (1 if metric == "accuracy" else -1)
    facts = {"error": _shown(error, groups, inputs).numpy(force=True), "unpermuted": base}
    return _shown(lost, groups, inputs), facts


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


def _lost(score: Score, x: torch.Tensor, mine: torch.Tensor, whole: torch.Tensor, y: torch.Tensor, metric: str,
          n_repeats: int, key: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """Return the mean loss over rows and repeats, and its standard error."""
    received, gave, squares = torch.zeros_like(whole), torch.zeros_like(whole), torch.zeros_like(whole)
    for k in range(n_repeats):
        order = torch.randperm(len(x), generator=generator(*key, k)).to(x.device)
        loss = whole - _swapped_goodness(score, x, mine, order, y, metric)
        received += loss
        gave[order] += loss
        squares += loss**2
    mean = received.mean() / n_repeats
    return mean, _error((received + gave) / n_repeats, squares.mean() / n_repeats - mean**2, n_repeats)


@torch.no_grad()
def _swapped_goodness(score: Score, x: torch.Tensor, mine: torch.Tensor, order: torch.Tensor, y: torch.Tensor,
                      metric: str) -> torch.Tensor:  # fmt: skip
    """Return each row's metric with a group from another row, ``(n,)``; beyond the group only a batch is copied at a time."""
    at = torch.nonzero(mine.flatten())[:, 0]
    given, found = x.flatten(1).index_select(1, at), []
    for part, donors, classes in zip(*(each.split(score.batch_size) for each in (x, order, y)), strict=True):
        part = part.clone()
        part.view(len(part), -1).index_copy_(1, at, given.index_select(0, donors))
        found.append(METRICS[metric](score.scores(part), classes))
    return torch.cat(found)


def _error(sides: torch.Tensor, scatter: torch.Tensor, n_repeats: int) -> torch.Tensor:
    """Return the standard error of the mean loss from each row's two sides, what it lost and what it made others lose.

    A row's sides are means over few partners, which scatter adds to their variance once too often. What
    is left is never less than that variance's own error.
    """
    variance = sides.var()
    own = torch.maximum(variance - scatter / n_repeats, variance * (2 / len(sides)) ** 0.5)
    return (own / len(sides)) ** 0.5


def _shown(values: torch.Tensor, groups: torch.Tensor, inputs: Space) -> torch.Tensor:
    """Return each feature's number, that of its group, ``(1, *features)``."""
    each = values[groups]
    if inputs.members is None:
        return each[None]
    out = torch.zeros(inputs.features, dtype=each.dtype, device=each.device)
    out[inputs.members[0]] = each
    return out[None]
