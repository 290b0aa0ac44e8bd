"""Attention weights as they are: what a network looks at, which is not what it depends on."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import BadInput, unknown
from .registry import ABSENCE, method
from .score import Score
from .space import Space

QUERIES = ("first", "mean")


@method("attention", ignores=ABSENCE, needs={"attention"}, signed=False, cost="1",
        estimand="the weight that attention gives each token; not an effect on the output",
        paper="Bahdanau, Cho and Bengio 2015",
        misleads="Other weights often give the same output, and states mix neighbouring tokens: a weight is no reason "
                 "(Jain and Wallace 2019; for limits of that critique Wiegreffe and Pinter 2019).")  # fmt: skip
def attention(score: Score, inputs: Space, *, layer: str | None = None, head: int | None = None,
              query: str = "first") -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the attention weight of each token, ``(n, length)`` (Bahdanau et al. 2015).

    By default of the last attention layer, the mean over its heads, as seen from the first token (which is
    ``[CLS]``); ``query="mean"`` is the mean over the words as they look. Pooling attention has one head, and
    nobody who looks. A row of weights sums to one over all places; special tokens show zero and what they
    received is not handed to the others, so that what is shown may sum to less.
    """
    named = score.attentions()
    if layer is not None and layer not in named:
        raise unknown("attention layer", layer, named)
    if query not in QUERIES:
        raise unknown("query", query, QUERIES)
    name = layer or list(named)[-1]
    parts = []
    for rows in score.chunks(inputs.n):
        with torch.no_grad(), score.watching(named[name]) as seen:
            score.scores(inputs.x[rows])
        parts.append(_of_tokens(seen[-1].detach(), _words(inputs, rows), head, query))
    return torch.cat([values for values, _ in parts]), {"layer": name, "heads": parts[0][1]}


def _words(inputs: Space, rows: torch.Tensor) -> torch.Tensor:
    if inputs.fixed is None:
        return torch.ones(len(rows), inputs.x.shape[1], dtype=torch.bool, device=inputs.x.device)
    return ~inputs.fixed[rows % len(inputs.fixed)]


def _of_tokens(weights: torch.Tensor, real: torch.Tensor, head: Any, query: str) -> tuple[torch.Tensor, int]:
    """Return weights ``(n, length)`` of those by head and query, and how many heads there are."""
    heads = weights.shape[1] if weights.ndim == 4 else 1
    if head is not None and head not in range(heads):
        raise BadInput(
            f"head is {head!r}", f"0 to {heads - 1}, or None for the mean of all", "Choose another"
        )
    if weights.ndim == 2:
        return weights, heads
    weights = weights.mean(1) if head is None else weights[:, head]
    if query == "first":
        return weights[:, 0], heads
    looking = real.to(weights.dtype)[..., None]
    return (weights * looking).sum(1) / looking.sum(1).clamp(min=1), heads
