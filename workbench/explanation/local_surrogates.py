"""LIME: a linear model of the output in the neighbourhood of one input, whose features are kept or changed.

As in the library there are three neighbourhoods. Images: groups are hidden with probability one half. Words:
first how many to hide, then which. Tables with a background: columns are drawn from it anew, and count as
kept while they stay in the row's quartile or category. Without a background columns are hidden like patches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..errors import BadInput, TooFew
from ..state import generator
from .coalitions import halves, removals, worth
from .lengths import by_length, keys, look_at
from .registry import method
from .regressions import BLOCK, Fit, ridge
from .rules import questions
from .score import Score
from .space import Space

WIDTH = 0.25  # of LIME's kernel for images, and for words, where the library counts distances in per cent
WIDTH_OF_TABLES = 0.75  # times the square root of the number of columns
QUARTILES = [25, 50, 75]
DRAWN = "columns drawn from the background; kept: in the same quartile or category as in the row"
ESTIMAND_OF_DRAWN = ("what it adds to the output that a column is in the row's quartile or category, in a linear model fitted "
                     "to rows whose columns are drawn, each by itself, from the background; marginal")  # fmt: skip


@method("lime", graph=True, needs={"batch"}, signed=True, cost="n_samples", spends="n_samples",
        estimand="each group's weight in a linear model fitted to the output where groups are hidden at random",
        paper="Ribeiro, Singh and Guestrin 2016",
        misleads="The fit may be poor (settings['fit'] is its R²); the segments and the kernel's width decide what is seen.")  # fmt: skip
def lime(score: Score, inputs: Space, *, n_samples: int = 1000, n_segments: int = 50, kernel_width: float | None = None,
         seed: int = 0, shared_draws: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return LIME's weights, by the library's weighted ridge regression for all rows at once (Ribeiro et al. 2016).

    The first sample hides nothing, and samples weigh by an exponential kernel of their distance to it, whose
    ``kernel_width`` is by default the library's: .25, or .75 times the root of the number of columns for a
    table with a background. Hidden groups take the baseline, hidden words are padded. Images below 64 pixels
    are cut into a grid and larger ones by SLIC: the library's quickshift finds one or two segments in a digit.

    ``settings["fit"]`` is the mean of the rows' weighted R², ``"fit_low"`` the lowest; ``"error"`` is the mean
    standard error of a weight, which says how much another draw would move it, in units of the output.
    """
    if kernel_width is not None and not kernel_width > 0:
        raise BadInput(f"kernel_width is {kernel_width!r}", "a number above 0", "Leave it out for LIME's own")
    if inputs.background is not None and not inputs.spatial:
        width = kernel_width or WIDTH_OF_TABLES * inputs.n_groups**0.5
        values, facts = _of_drawn_columns(score, inputs, n_samples, width, seed, shared_draws)
    else:
        width = kernel_width or WIDTH
        segmented, how = inputs.segmented(n_segments)
        values, facts = by_length(
            lambda s, i: _of_hidden_groups(s, i, n_samples, width, seed, shared_draws), score, segmented
        )
        facts = {**facts, "segments": how}
    return values, {**facts, "kernel_width": width}


def _of_hidden_groups(score: Score, inputs: Space, n_samples: int, width: float, seed: int,
                      shared_draws: bool) -> tuple[torch.Tensor, dict]:  # fmt: skip
    d = inputs.n_groups
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), {}
    _check(score, n_samples, d)
    draw = removals if inputs.tokens else halves
    drawn = [draw(d, n_samples, *key) for key in keys(inputs, seed, shared_draws)]
    kept = torch.stack(drawn).to(inputs.x.device)
    found = _fitted(kept, worth(score, inputs, kept), width, cosine)
    return inputs.spread(found.weights.float()), _facts(found)


def _check(score: Score, n_samples: int, d: int) -> None:
    if n_samples < 2 * d:
        raise TooFew(f"n_samples is {n_samples} for {d} segments", 2 * d, "Raise it")
    look_at(score, n_samples, d)


def _fitted(kept: torch.Tensor, worth: torch.Tensor, width: float, distance: Callable) -> Fit:
    """Fit every row's samples ``(1 or n, sample, group)``, as many rows at a time as fit into a block."""
    if len(kept) == 1:
        return ridge(kept, worth, near(distance(kept), width))
    parts = zip(*(each.split(max(1, BLOCK // kept[0].numel())) for each in (kept, worth)), strict=True)
    return joined([ridge(k, y, near(distance(k), width)) for k, y in parts])


def joined(fits: Sequence[Fit]) -> Fit:
    """Return the fits of several blocks of rows as one."""
    return Fit(*(torch.cat(parts) for parts in zip(*fits, strict=True)))


def near(distance: torch.Tensor, width: float) -> torch.Tensor:
    """Return the weight of a sample at a distance: the root of an exponential kernel, as in the library."""
    return (-(distance**2) / width**2).exp().sqrt()


def cosine(kept: torch.Tensor) -> torch.Tensor:
    """Return the cosine distance of each sample to the one that keeps all; 1 for the one that keeps nothing."""
    return 1 - (kept.sum(2).double() / kept.shape[2]).sqrt()


def euclidean(kept: torch.Tensor) -> torch.Tensor:
    """Return the Euclidean distance of each sample to the one that keeps all."""
    return (~kept).sum(2).double().sqrt()


def _facts(found: Fit) -> dict[str, float]:
    return {
        "fit": found.fit.mean().item(),
        "fit_low": found.fit.min().item(),
        "error": found.error.mean().item(),
    }


def _of_drawn_columns(score: Score, inputs: Space, n_samples: int, width: float, seed: int,
                      shared_draws: bool) -> tuple[torch.Tensor, dict]:  # fmt: skip
    d = inputs.n_groups
    _check(score, n_samples, d)
    alike = shared_draws and len(inputs.groups) == 1 and not score.by_row
    part = _from_shared_rows if alike else _from_rows_of_its_own
    found = part(score, inputs, n_samples, width, keys(inputs, seed, shared_draws))
    return inputs.spread(found.weights.float()), {
        **_facts(found),
        "segments": DRAWN,
        "estimand": ESTIMAND_OF_DRAWN,
    }


def _from_shared_rows(score: Score, inputs: Space, n: int, width: float, drawn: list) -> Fit:
    """Fit all rows to the same neighbours, which the model is asked about once; first each row itself."""
    x = _drawn(inputs, inputs.groups[0].flatten(), n, *drawn[0])
    worth = score.crossed(x)
    worth[:, 0] = score.evaluate(inputs.x)
    bins, fits = Bins(inputs), []
    for rows in torch.arange(inputs.n, device=x.device).split(max(1, BLOCK // (n * inputs.n_groups))):
        kept = bins.same(inputs.x[rows], x, inputs.groups[0].flatten())
        kept[:, 0] = True
        fits.append(ridge(kept, worth[rows], near(euclidean(kept), width)))
    return joined(fits)


def _from_rows_of_its_own(score: Score, inputs: Space, n: int, width: float, drawn: list) -> Fit:
    """Fit each row to neighbours of its own; first the row itself."""
    groups = inputs.groups.expand(-1, *inputs.x.shape[1:]).flatten(1)
    bins, fits = Bins(inputs), []
    for row in range(inputs.n):
        own = groups[row % len(groups)]
        x = _drawn(inputs, own, n, *drawn[row % len(drawn)])
        x[0] = inputs.x[row]
        worth = score.evaluate(x, torch.full((n,), row, device=x.device))
        kept = bins.same(inputs.x[row : row + 1], x, own)
        fits.append(ridge(kept, worth[None], near(euclidean(kept), width)))
    return joined(fits)


def _drawn(inputs: Space, groups: torch.Tensor, n: int, *key: int) -> torch.Tensor:
    """Return neighbours: each group out of a background row of its own."""
    rows = inputs.absent.flatten(1)
    which = torch.randint(len(rows), (n, inputs.n_groups), generator=generator(*key)).to(rows.device)
    return rows[which[:, groups], torch.arange(rows.shape[1], device=rows.device)].view(
        n, *inputs.x.shape[1:]
    )


class Bins:
    """Where the background cuts columns: numbers at its quartiles, and indicators between no and yes.

    Parameters
    ----------
    inputs
        A space with a background.
    """

    def __init__(self, inputs: Space) -> None:
        rows = inputs.absent.flatten(1)
        edges = np.percentile(rows.double().numpy(force=True), QUARTILES, axis=0)
        self._edges = torch.as_tensor(edges, device=rows.device)[:, None]
        indicates = [question.indicates for question in questions(inputs)]
        self._indicates = torch.tensor(indicates, device=rows.device)

    def same(self, rows: torch.Tensor, x: torch.Tensor, groups: torch.Tensor) -> torch.Tensor:
        """Return which groups of neighbours are in each row's bins, ``(row, neighbour, group)``.

        Parameters
        ----------
        rows, x
            Rows of the inputs, and neighbours that they share, ``(neighbour, ...)``.
        groups
            Number of each entry's group.
        """
        ones, many = rows.flatten(1).double(), x.flatten(1).double()
        moved = self._of(ones)[:, None] != self._of(many)
        if self._indicates.any():
            changed = (many - ones[:, None]).abs() > 0.5
            moved = torch.where(self._indicates, changed, moved)
        if torch.equal(groups, torch.arange(len(groups), device=groups.device)):
            return ~moved
        return moved.float() @ torch.nn.functional.one_hot(groups).float() == 0

    def _of(self, x: torch.Tensor) -> torch.Tensor:
        return (x > self._edges).sum(0, dtype=torch.uint8)
