"""Coalitions of groups: drawn, hidden in the inputs, and what the output is worth with them."""

from __future__ import annotations

import torch

from ..state import generator
from .score import Score
from .space import Space

ESTIMAND = (
    "each group's Shapley value for the output, absent groups being replaced by the baseline or background"
)
AT_ONCE = 2**24  # masks over the inputs of at most so many entries are made once for all rows


def worth(
    score: Score, inputs: Space, kept: torch.Tensor, groups: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the scalar of every row with every coalition, ``(n, coalition)``.

    Parameters
    ----------
    score, inputs
        What is explained.
    kept
        Which groups stay, ``(1 or n, coalition, group)``: one list for all rows, or one a row.
    groups
        Group of each entry, ``(1 or n, ...)``; by default the space's own.
    """
    groups = inputs.groups if groups is None else groups
    k, lists = kept.shape[1], len(kept)
    if lists == len(groups) == 1 and k * groups.numel() <= AT_ONCE:
        masks = inputs.kept_to_hidden(kept[0], torch.zeros(k, dtype=torch.long, device=kept.device), groups)
        return score.responses(inputs, k, lambda rows, versions: masks[versions])
    return score.responses(
        inputs,
        k,
        lambda rows, versions: inputs.kept_to_hidden(kept[rows % lists, versions], rows, groups),
    )


def ends(score: Score, inputs: Space) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scalar of every row with all groups, and with none, ``(n,)`` each."""
    both = torch.tensor([[True], [False]], device=inputs.x.device).expand(1, 2, inputs.n_groups)
    full, empty = worth(score, inputs, both).double().T
    return full, empty


def every(d: int) -> torch.Tensor:
    """Return all coalitions of ``d`` groups, ``(2 to the d, group)``; group ``i`` adds ``2 to the i`` to the place."""
    return (torch.arange(2**d)[:, None] >> torch.arange(d) & 1).bool()


def paired(d: int, pairs: int, *key: int) -> torch.Tensor:
    """Draw coalitions with the sizes of the Shapley kernel, and their complements behind them."""
    draws = generator(*key)
    sizes = torch.arange(1, d, dtype=torch.float64)
    size = torch.multinomial((d - 1) / (sizes * (d - sizes)), pairs, True, generator=draws) + 1
    kept = _ranks(pairs, d, draws) < size[:, None]
    return torch.cat([kept, ~kept])


def halves(d: int, n: int, *key: int) -> torch.Tensor:
    """Draw coalitions in which each group stays with probability one half, ``(n, d)``; in the first all stay."""
    kept = torch.randint(0, 2, (n, d), generator=generator(*key)).bool()
    kept[0] = True
    return kept


def removals(d: int, n: int, *key: int) -> torch.Tensor:
    """Draw which words are kept, ``(n, d)``: as many are removed as a number drawn from 1 to d; first none."""
    draws = generator(*key)
    sizes = torch.randint(1, d + 1, (n - 1, 1), generator=draws)
    return torch.cat([torch.ones(1, d, dtype=torch.bool), _ranks(n - 1, d, draws) >= sizes])


def orders(d: int, n: int, *key: int) -> torch.Tensor:
    """Draw orders in which groups come in, ``(n, d)``: the place of each group in each order."""
    return _ranks(n, d, generator(*key))


def _ranks(n: int, d: int, draws: torch.Generator) -> torch.Tensor:
    return torch.rand(n, d, generator=draws).argsort(1).argsort(1)
