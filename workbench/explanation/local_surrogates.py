"""LIME: a linear model of the output in the neighbourhood of one input, whose features are kept or changed.

As in the library there are three neighbourhoods. Images: groups are hidden with probability one half. Words:
first how many to hide, then which. Tables with a background: columns are drawn from it anew, and count as
kept while they stay in the row's quartile or category. Without a background columns are hidden like patches.
"""

from __future__ import annotations

import numpy as np
import torch

from ..errors import BadInput
from ..state import generator
from .lengths import by_length, keys, look_at
from .registry import method
from .rules import questions
from .score import Score
from .space import Space

WIDTH = 0.25  # of LIME's kernel for images, and for words, where the library counts distances in per cent
WIDTH_OF_TABLES = 0.75  # times the square root of the number of columns
QUARTILES = [25, 50, 75]
DRAWN = "columns drawn from the background; kept: in the same quartile or category as in the row"
ESTIMAND_OF_DRAWN = ("what it adds to the output that a column is in the row's quartile or category, in a linear model fitted "
                     "to rows whose columns are drawn, each by itself, from the background; marginal")  # fmt: skip


@method("lime", needs={"batch"}, signed=True, cost="n_samples", spends="n_samples",
        estimand="each group's weight in a linear model fitted to the output where groups are hidden at random",
        paper="Ribeiro, Singh and Guestrin 2016",
        misleads="The fit may be poor (settings['fit'] is its R²); the segments and the kernel's width decide what is seen.")  # fmt: skip
def lime(score: Score, inputs: Space, *, n_samples: int = 1000, n_segments: int = 50, kernel_width: float | None = None,
         seed: int = 0, shared_draws: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return LIME's weights, computed by the library's own weighted ridge regression (Ribeiro et al. 2016).

    The first sample hides nothing, and samples weigh by an exponential kernel of their distance to it, whose
    ``kernel_width`` is by default the library's: .25, or .75 times the root of the number of columns for a
    table with a background. Hidden groups take the baseline, hidden words are padded.
    """
    if kernel_width is not None and not kernel_width > 0:
        raise BadInput(f"kernel_width is {kernel_width!r}", "a number above 0", "Leave it out for LIME's own")
    if inputs.background is not None and not inputs.spatial:
        width = kernel_width or WIDTH_OF_TABLES * inputs.n_groups**0.5
        values, facts = _of_drawn_columns(score, inputs, n_samples, width, seed, shared_draws)
    else:
        width = kernel_width or WIDTH
        values, facts = by_length(
            lambda s, i: _of_hidden_groups(s, i, n_samples, n_segments, width, seed, shared_draws),
            score,
            inputs,
        )
    return values, {**facts, "kernel_width": width}


def _of_hidden_groups(score: Score, inputs: Space, n_samples: int, n_segments: int, width: float, seed: int,
                      shared_draws: bool) -> tuple[torch.Tensor, dict]:  # fmt: skip
    groups, how = inputs.superpixels(n_segments)
    d = int(groups.max()) + 1
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), {"segments": how}
    _check(score, n_samples, d)
    draw = removals if inputs.tokens else _coalitions
    kept = torch.stack([draw(d, n_samples, *key) for key in keys(inputs, seed, shared_draws)]).to(
        inputs.x.device
    )
    worth = score.responses(
        inputs, n_samples, lambda rows, k: inputs.kept_to_hidden(kept[rows % len(kept), k], rows, groups)
    )
    fits = [
        ridge(kept[row % len(kept)].cpu().numpy(), y, width, "cosine")
        for row, y in enumerate(worth.cpu().numpy())
    ]
    weights = torch.as_tensor(np.stack([w for w, _ in fits]), dtype=torch.float32, device=inputs.x.device)
    return inputs.spread(weights, groups), {"fit": float(np.mean([r2 for _, r2 in fits])), "segments": how}


def _check(score: Score, n_samples: int, d: int) -> None:
    if n_samples < 2 * d:
        raise BadInput(f"n_samples is {n_samples} for {d} segments", f"at least {2 * d}", "Raise it")
    look_at(score, n_samples, d)


def _coalitions(d: int, n: int, *key: int) -> torch.Tensor:
    kept = torch.randint(0, 2, (n, d), generator=generator(*key)).bool()
    kept[0] = True
    return kept


def removals(d: int, n: int, *key: int) -> torch.Tensor:
    """Draw which words are kept, ``(n, d)``: as many are removed as a number drawn from 1 to d; first none."""
    draws = generator(*key)
    sizes = torch.randint(1, d + 1, (n - 1, 1), generator=draws)
    order = torch.rand(n - 1, d, generator=draws).argsort(1).argsort(1)
    return torch.cat([torch.ones(1, d, dtype=torch.bool), order >= sizes])


def _of_drawn_columns(score: Score, inputs: Space, n_samples: int, width: float, seed: int,
                      shared_draws: bool) -> tuple[torch.Tensor, dict]:  # fmt: skip
    d = inputs.n_groups
    _check(score, n_samples, d)
    drawn = keys(inputs, seed, shared_draws)
    groups = inputs.groups.expand(-1, *inputs.x.shape[1:]).flatten(1)
    bins, fits = Bins(inputs), []
    for row in range(inputs.n):
        own = groups[row % len(groups)]
        x = _drawn(inputs, row, own, d, n_samples, *drawn[row % len(drawn)])
        at = torch.full((n_samples,), row, device=x.device)
        kept = bins.same(inputs.x[row], x, own, d)
        fits.append(ridge(kept, score.evaluate(x, at).cpu().numpy(), width, "euclidean"))
    weights = torch.as_tensor(np.stack([w for w, _ in fits]), dtype=torch.float32, device=inputs.x.device)
    facts = {"segments": DRAWN, "estimand": ESTIMAND_OF_DRAWN, "fit": float(np.mean([r2 for _, r2 in fits]))}
    return inputs.spread(weights), facts


def _drawn(inputs: Space, row: int, groups: torch.Tensor, d: int, n: int, *key: int) -> torch.Tensor:
    """Return a row's neighbours: each group out of a background row of its own; first the row itself."""
    rows = inputs.absent.flatten(1)
    which = torch.randint(len(rows), (n, d), generator=generator(*key)).to(rows.device)
    x = rows[which[:, groups], torch.arange(rows.shape[1], device=rows.device)].view(n, *inputs.x.shape[1:])
    x[0] = inputs.x[row]
    return x


class Bins:
    """Where the background cuts columns: numbers at its quartiles, and indicators between no and yes.

    Parameters
    ----------
    inputs
        A space with a background.
    """

    def __init__(self, inputs: Space) -> None:
        rows = _flat(inputs.absent)
        self._edges = np.percentile(rows, QUARTILES, axis=0)[:, None]
        self._indicates = np.array([question.indicates for question in questions(inputs)])

    def same(self, row: torch.Tensor, x: torch.Tensor, groups: torch.Tensor, d: int) -> np.ndarray:
        """Return which groups of neighbours are in a row's bins, ``(neighbour, group)``.

        Parameters
        ----------
        row, x
            A row of the inputs, and its neighbours ``(neighbour, ...)``.
        groups, d
            Number of each entry's group, and how many groups there are.
        """
        one, many = _flat(row[None]), _flat(x)
        of_many, of_one = ((part > self._edges).sum(0) for part in (many, one))
        moved = torch.as_tensor(np.where(self._indicates, np.abs(many - one) > 0.5, of_many != of_one))
        found = torch.zeros(len(many), d).index_add_(1, groups.cpu(), moved.float())
        return (found == 0).numpy()


def _flat(x: torch.Tensor) -> np.ndarray:
    return x.flatten(1).numpy(force=True).astype(float)


def ridge(kept: np.ndarray, worth: np.ndarray, width: float, metric: str) -> tuple[np.ndarray, float]:
    """Fit one input's weights with LIME's own regression; return them and the weighted R²."""
    from lime.lime_base import LimeBase
    from sklearn.metrics import pairwise_distances

    z = kept.astype(float)
    base = LimeBase(lambda distance: np.sqrt(np.exp(-(distance**2) / width**2)))
    distance = pairwise_distances(z, z[:1], metric=metric).ravel()
    _, pairs, fit, _ = base.explain_instance_with_data(
        z, worth[:, None].astype(float), distance, 0, z.shape[1], feature_selection="none"
    )
    weights = np.zeros(z.shape[1])
    for group, weight in pairs:
        weights[group] = weight
    return weights, float(fit)
