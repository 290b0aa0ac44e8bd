"""Shapley values: exact for few groups, by a regression on paired coalitions, or along random orders."""

from __future__ import annotations

import math

import torch

from ..errors import BadInput, TooFew
from .coalitions import ESTIMAND, ends, every, orders, paired, worth
from .lengths import by_length, keys, look_at
from .registry import method
from .regressions import shares
from .score import Score
from .space import Space

EXACT = 12  # at most so many groups are enumerated
IN_BLOCK = 2**22  # contributions of groups to orders that are held at a time


@method("exact_shapley", graph=True, needs={"batch"}, signed=True, complete=True, cost="2 to the number of groups",
        estimand=ESTIMAND, paper="Shapley 1953",
        misleads="An average over coalitions that may be no real inputs; correlated features share credit.")  # fmt: skip
def exact_shapley(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    """Return Shapley values by enumerating every coalition of at most 12 groups (Shapley 1953)."""
    values, facts = by_length(_exact, score, inputs)
    return values, {"error": facts["error"]}


def _exact(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    d = inputs.n_groups
    facts = {"n_samples": 2**d, "error": 0.0, "coalitions": "all"}
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), facts
    if d > EXACT:
        raise BadInput(f"There are {d} groups", f"at most {EXACT}, as every coalition is evaluated",
                       "Give a coarser feature_mask, or use kernel_shap")  # fmt: skip
    kept = every(d).to(inputs.x.device)
    known = worth(score, inputs, kept[None]).double()
    values = torch.stack([_shapley_value(i, kept, known) for i in range(d)], 1)
    return inputs.spread(values.float()), facts


def _shapley_value(i: int, kept: torch.Tensor, worth: torch.Tensor) -> torch.Tensor:
    """Return what group ``i`` adds to the others, weighted by how many orders meet them, ``(n,)``."""
    d, others = kept.shape[1], torch.nonzero(~kept[:, i])[:, 0]
    size = torch.arange(d, dtype=torch.float64, device=kept.device)
    share = (torch.lgamma(size + 1) + torch.lgamma(d - size) - math.lgamma(d + 1)).exp()
    # Differences first: what a group does not change adds exactly nothing.
    return ((worth[:, others + 2**i] - worth[:, others]) * share[kept[others].sum(1)]).sum(1)


@method("kernel_shap", graph=True, needs={"batch"}, signed=True, complete=True, cost="n_samples", spends="n_samples",
        estimand=ESTIMAND + ", estimated by weighted regression", paper="Lundberg and Lee 2017; Covert and Lee 2021",
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
        raise TooFew(f"n_samples is {n_samples} for {d} groups", 4 * d, "Raise it, or coarsen the groups")
    look_at(score, n_samples, d)
    drawn = [paired(d, n_samples // 2, *key) for key in keys(inputs, seed, shared_draws)]
    kept = torch.stack(drawn).to(inputs.x.device)
    values, error = shares(kept, worth(score, inputs, kept).double(), *ends(score, inputs))
    return inputs.spread(values.float()), {"n_samples": kept.shape[1], "error": error.mean().item()}


@method("shapley_sampling", graph=True, needs={"batch"}, signed=True, complete=True, cost="n_samples x groups", spends="n_samples",
        estimand=ESTIMAND + ", estimated along random orders", paper="Castro et al. 2009; Strumbelj and Kononenko 2010",
        misleads="The sampling error is in settings['error']; correlated features share credit; hidden groups are unreal inputs.")  # fmt: skip
def shapley_sampling(score: Score, inputs: Space, *, n_samples: int = 25, seed: int = 0,
                     shared_draws: bool = False) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return what each group adds when it comes in, averaged over random orders (Castro et al. 2009).

    ``n_samples`` counts orders, as captum's ``ShapleyValueSampling`` does: each costs a model evaluation a
    group. Every row has orders of its own unless ``shared_draws=True``. ``settings["error"]`` is the mean
    standard error of a group's value, from the spread over orders, in units of the output.
    """
    _several(n_samples)
    return by_length(lambda s, i: _in_order(s, i, n_samples, 1, seed, shared_draws), score, inputs)


@method("permutation_shap", graph=True, needs={"batch"}, signed=True, complete=True, cost="2 x n_samples x groups", spends="n_samples",
        estimand=ESTIMAND + ", estimated along random orders, each forwards and backwards",
        paper="Mitchell et al. 2022; shap's PermutationExplainer",
        misleads="The sampling error is in settings['error']; correlated features share credit; hidden groups are unreal inputs.")  # fmt: skip
def permutation_shap(score: Score, inputs: Space, *, n_samples: int = 10, seed: int = 0,
                     shared_draws: bool = False) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return what each group adds along random orders, each also taken backwards (Mitchell et al. 2022).

    As shap's ``PermutationExplainer`` does, but for all rows at once: ``n_samples`` counts its permutations.
    A pair of orders is exact for effects of single groups and of pairs of groups, so that
    ``settings["error"]``, from the spread over pairs, only sees what three and more groups do together.
    """
    _several(n_samples)
    return by_length(lambda s, i: _in_order(s, i, n_samples, 2, seed, shared_draws), score, inputs)


def _several(n_samples: int) -> None:
    if n_samples < 2:
        raise TooFew(f"n_samples is {n_samples}", 2, "Raise it: the error is the spread over orders")


def _in_order(score: Score, inputs: Space, n: int, ways: int, seed: int,
              shared_draws: bool) -> tuple[torch.Tensor, dict]:  # fmt: skip
    d = inputs.n_groups
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), {"error": 0.0}
    found = []
    for rows in torch.arange(inputs.n, device=inputs.x.device).split(max(1, IN_BLOCK // (n * ways * d))):
        part = inputs.of(rows, inputs.x[rows])
        places = torch.stack([orders(d, n, *key) for key in keys(part, seed, shared_draws)]).to(rows.device)
        if ways == 2:
            places = torch.cat([places, d - 1 - places], 1)
        added = _added(score.of(rows), part, places)
        units = added.view(len(rows), ways, n, d).mean(1)
        found.append((units.mean(1), units.std(1) / n**0.5))
    values, errors = (torch.cat(parts) for parts in zip(*found, strict=True))
    return inputs.spread(values.float()), {"error": errors.mean().item()}


def _added(score: Score, inputs: Space, places: torch.Tensor) -> torch.Tensor:
    """Return what each group adds in each order, ``(n, order, group)``, from its places ``(1 or n, order, group)``."""
    lists, n, d = places.shape
    steps = d - 1  # between nothing and everything

    def hide(rows: torch.Tensor, versions: torch.Tensor) -> torch.Tensor:
        own = places[rows % lists, versions // steps]
        return inputs.kept_to_hidden(own <= (versions % steps)[:, None], rows)

    full, empty = (end[:, None, None].expand(-1, n, 1) for end in ends(score, inputs))
    between = (
        score.responses(inputs, n * steps, hide).double().view(inputs.n, n, steps)
        if steps
        else empty[..., :0]
    )
    gains = torch.cat([empty, between, full], 2).diff(dim=2)
    return gains.gather(2, places.expand(inputs.n, n, d))
