"""Shapley values: exact for few groups, else a weighted regression on paired coalitions."""

from __future__ import annotations

import torch

from ..errors import BadInput
from ..state import generator
from .lengths import by_length, keys, look_at
from .registry import method
from .score import Score
from .space import Space

EXACT = 12  # at most so many groups are enumerated
_ESTIMAND = (
    "each group's Shapley value for the output, absent groups being replaced by the baseline or background"
)


@method("exact_shapley", needs={"batch"}, signed=True, complete=True, cost="2 to the number of groups",
        estimand=_ESTIMAND, paper="Shapley 1953",
        misleads="An average over coalitions that may be no real inputs; correlated features share credit.")  # fmt: skip
def exact_shapley(score: Score, inputs: Space) -> torch.Tensor:
    """Return Shapley values by enumerating every coalition of at most 12 groups (Shapley 1953)."""
    return by_length(_exact, score, inputs)[0]


def _exact(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    d = inputs.n_groups
    facts = {"n_samples": 2**d, "error": 0.0, "coalitions": "all"}
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), facts
    if d > EXACT:
        raise BadInput(f"There are {d} groups", f"at most {EXACT}, as every coalition is evaluated",
                       "Give a coarser feature_mask, or use kernel_shap")  # fmt: skip
    kept = _all_coalitions(d).to(inputs.x.device)
    worth = score.responses(inputs, len(kept), lambda rows, k: inputs.kept_to_hidden(kept[k], rows)).double()
    factorial = torch.tensor(
        [torch.lgamma(torch.tensor(k + 1.0)).exp() for k in range(d + 1)], dtype=torch.float64
    )
    values = torch.stack([_shapley_value(i, kept, worth, factorial, d) for i in range(d)], 1)
    return inputs.spread(values.float()), facts


def _all_coalitions(d: int) -> torch.Tensor:
    return (torch.arange(2**d)[:, None] >> torch.arange(d) & 1).bool()


def _shapley_value(
    i: int, kept: torch.Tensor, worth: torch.Tensor, factorial: torch.Tensor, d: int
) -> torch.Tensor:
    without = torch.nonzero(~kept[:, i])[:, 0]
    size = kept[without].sum(1)
    weight = factorial[size] * factorial[d - 1 - size] / factorial[d]
    return ((worth[:, without + 2**i] - worth[:, without]) * weight).sum(1)


@method("kernel_shap", needs={"batch"}, signed=True, complete=True, cost="n_samples", spends="n_samples",
        estimand=_ESTIMAND + ", estimated by weighted regression", paper="Lundberg and Lee 2017; Covert and Lee 2021",
        misleads="The sampling error is in settings['error']; correlated features share credit; hidden groups are unreal inputs.")  # fmt: skip
def kernel_shap(score: Score, inputs: Space, *, n_samples: int = 1000, seed: int = 0,
                shared_draws: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return kernel SHAP from paired coalitions and one constrained solve (Lundberg and Lee 2017).

    Coalitions come in pairs with their complement (Covert and Lee 2021). The same coalitions serve every
    row, so that rows share their sampling error; ``shared_draws=False`` draws for each row alone.
    ``settings["error"]`` is the mean standard error of a group's value, in units of the output. Few groups
    are enumerated, and texts are taken a length at a time.
    """
    return by_length(lambda s, i: _by_regression(s, i, n_samples, seed, shared_draws), score, inputs)


def _by_regression(score: Score, inputs: Space, n_samples: int, seed: int,
                   shared_draws: bool) -> tuple[torch.Tensor, dict]:  # fmt: skip
    d = inputs.n_groups
    if d < 2 and not inputs.tokens:
        raise BadInput(f"There is {d} group", "at least two", "Give a finer feature_mask")
    if d <= EXACT and 2**d - 2 <= n_samples:
        return _exact(score, inputs)
    if n_samples < 4 * d:
        raise BadInput(
            f"n_samples is {n_samples} for {d} groups", f"at least {4 * d}", "Raise it, or coarsen the groups"
        )
    look_at(score, n_samples, d)
    drawn = [_paired_coalitions(d, n_samples // 2, *key) for key in keys(inputs, seed, shared_draws)]
    kept = torch.stack(drawn).to(inputs.x.device)
    worth = score.responses(
        inputs, kept.shape[1], lambda rows, k: inputs.kept_to_hidden(kept[rows % len(kept), k], rows)
    )
    ends = torch.tensor([[True] * d, [False] * d], device=inputs.x.device)
    full, empty = score.responses(inputs, 2, lambda rows, k: inputs.kept_to_hidden(ends[k], rows)).T
    values, error = _solve(kept, worth.double(), full.double(), empty.double())
    return inputs.spread(values.float()), {"n_samples": kept.shape[1], "error": error}


def _paired_coalitions(d: int, pairs: int, *key: int) -> torch.Tensor:
    """Draw coalitions with the Shapley kernel's sizes, and their complements behind them."""
    draws = generator(*key)
    sizes = torch.arange(1, d, dtype=torch.float64)
    size = torch.multinomial((d - 1) / (sizes * (d - sizes)), pairs, True, generator=draws) + 1
    order = torch.rand(pairs, d, generator=draws).argsort(1).argsort(1)
    kept = order < size[:, None]
    return torch.cat([kept, ~kept])


def _solve(
    kept: torch.Tensor, worth: torch.Tensor, full: torch.Tensor, empty: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Solve the regression under the constraint that values sum to ``full - empty``, a row at a time.

    ``kept`` is ``(1 or n, coalition, group)``. The error is the mean over rows and groups.
    """
    found, errors = [], []
    copies = min(len(worth), 2)  # A batch of one takes another kernel, with other last bits.
    for row in range(len(worth)):
        if row < len(kept):  # Shared draws have one design for all rows.
            last = kept[row : row + 1, :, -1:].double()
            design = kept[row : row + 1, :, :-1].double() - last  # The constraint removes the last group.
            inverse = torch.linalg.pinv(design.mT @ design, hermitian=True)
            moves, leverage = _influence(design[0], inverse[0])
        at = slice(row, row + 1)
        total = (full - empty)[at, None]
        aim = worth[at] - empty[at, None] - last[..., 0] * total
        values = (inverse @ (design.mT @ aim[..., None]).expand(copies, -1, -1))[:1, :, 0]
        residual = (aim - (design @ values[..., None])[..., 0])[0]
        found.append(torch.cat([values, total - values.sum(1, keepdim=True)], 1))
        errors.append(_error(residual, moves, leverage))
    return torch.cat(found), float(torch.stack(errors).mean())


def _influence(design: torch.Tensor, inverse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return how far a unit of residual of a pair moves each group squared, ``(pair, group)``, and leverages."""
    half = design[: len(design) // 2]  # A coalition's row and its complement's are each other's negative.
    moves = half @ inverse
    leverage = 2 * (moves * half).sum(1)
    return torch.cat([moves, -moves.sum(1, keepdim=True)], 1).square(), leverage


def _error(residual: torch.Tensor, moves: torch.Tensor, leverage: torch.Tensor) -> torch.Tensor:
    """Return each group's standard error: the sandwich with a pair as one unit, HC2 (MacKinnon and White 1985)."""
    first, second = residual.chunk(2)
    return ((first - second).square() / (1 - leverage).clamp(min=1e-6) @ moves).sqrt()
