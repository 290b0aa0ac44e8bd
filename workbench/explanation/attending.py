"""Attention weights as they are, rolled out over the layers, and weighed by their gradient.

What a network looks at is not what it depends on. All three read the weights of the user's own model (see
:mod:`workbench.explanation.heads`) and show them at the features that the tokens stand for (see
:mod:`workbench.explanation.layouts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch

from ..errors import BadInput, unknown
from .heads import Read, gradients, reading
from .layouts import Layout, laid_out
from .registry import ABSENCE, method
from .score import Score
from .space import Space

QUERIES = ("special", "first", "last", "mean")
FUSIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda weights: weights.mean(1),
    "max": lambda weights: weights.amax(1),
    "min": lambda weights: weights.amin(1),
}
KEPT = 1_000_000  # numbers: up to 4 MB of weights go along with the values, for a picture of the heads
ROUNDING = 1e-5  # of the output, or absolute below 1: so much may reading the weights change it unsaid


@dataclass(frozen=True)
class Shown:
    """What the three methods take alike: who looks, and where the features stand among the tokens."""

    query: Any
    grid: Any
    special: str | None
    upsample: bool


@method("attention", ignores=ABSENCE, needs={"attention"}, signed=False, cost="2",
        estimand="the weight that attention gives each token; not an effect on the output",
        paper="Bahdanau, Cho and Bengio 2015",
        misleads="Other weights often give the same output, and states mix neighbouring tokens: a weight is no reason "
                 "(Jain and Wallace 2019; for limits of that critique Wiegreffe and Pinter 2019).")  # fmt: skip
def attention(score: Score, inputs: Space, *, layer: str | None = None, head: int | None = None, query: Any = None,
              grid: Any = None, special: str | None = None, upsample: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the attention weight of each token (Bahdanau et al. 2015).

    By default of the last attention layer, the mean over its heads, as seen from the first token of a text
    (which is ``[CLS]``), from the special token of an image or a table, or where these have none, the mean
    over all that look. ``query`` may be "first", "last", "mean", or a place. Pooling attention has one head,
    and nobody who looks. A row of weights sums to one over all places; special tokens show zero and what they
    received is not handed to the others, so that what is shown may sum to less. Every pixel of an image shows
    the weight of its patch; with ``upsample=False`` there is one value a patch, ``(n, 1, row, column)``.
    """
    used: dict[str, Any] = {}

    def look(reads: list[Read], _: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        read = _layer(score, reads, layer)
        used.update(layer=layer or read.layer, heads=read.weights.shape[1])
        return [_by_head(read.weights, head)]

    values, facts = _explained(score, inputs, look, Shown(query, grid, special, upsample))
    return values, {**facts, **used, "unit": "weight"}


@method("attention_rollout", ignores=ABSENCE, needs={"attention"}, signed=False, cost="2",
        estimand="each token's share in what attention alone would carry through all layers",
        paper="Abnar and Zuidema 2020",
        misleads="It knows no class, and neither values nor feed-forward layers, which may undo what attention brings; "
                 "half goes to the residual whatever its size, and in deep nets the shares come out nearly even.")  # fmt: skip
def attention_rollout(score: Score, inputs: Space, *, head_fusion: str = "mean", discard_ratio: float = 0.0,
                      residual: float = 0.5, query: Any = None, grid: Any = None, special: str | None = None,
                      upsample: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return attention multiplied through the layers, each mixed with its residual (Abnar and Zuidema 2020).

    A layer is ``residual * identity + (1 - residual) * weights`` with rows that sum to one. ``head_fusion``
    is "mean" (as published), "max" or "min" over the heads; ``discard_ratio`` first drops that share of the
    smallest weights above zero of each token that looks. A last layer that pools has no residual. Else as in "attention".
    """
    if head_fusion not in FUSIONS:
        raise unknown("head_fusion", head_fusion, FUSIONS)
    _share("discard_ratio", discard_ratio)
    _share("residual", residual)

    def look(reads: list[Read], _: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        fused = [_normed(_sparse(FUSIONS[head_fusion](read.weights), discard_ratio)) for read in reads]
        return _rolled(reads, fused, lambda a, rolled: residual * rolled + (1 - residual) * a @ rolled)

    values, facts = _explained(score, inputs, look, Shown(query, grid, special, upsample))
    return values, {**facts, "unit": "share"}


@method("attention_gradient", ignores=ABSENCE, needs={"attention", "gradient"}, signed=False, cost="2 and a gradient",
        estimand="how much of the output hangs on the attention given to each token, carried through the layers; "
                 "what speaks against it is cut off",
        paper="Chefer, Gur and Wolf 2021 (ICCV), self-attention",
        misleads="A relevance on no scale: values compare within a row only. Negative parts are dropped in each layer, and "
                 "what goes past attention (values, feed-forward layers, a recurrent state) is not seen.")  # fmt: skip
def attention_gradient(score: Score, inputs: Space, *, query: Any = None, grid: Any = None, special: str | None = None,
                       upsample: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return attention times its gradient, rectified and carried through the layers (Chefer et al. 2021).

    With ``A`` the mean over heads of the positive part of weights times gradient, each layer adds ``A @ R`` to
    a relevance ``R`` that begins as the identity, which is taken off at the end. A last layer that pools gives
    ``A @ R``. Else as in "attention".
    """

    def look(reads: list[Read], slopes: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        parts = [
            (slope * read.weights).clamp(min=0).mean(1) for read, slope in zip(reads, slopes, strict=True)
        ]
        rolled = _rolled(reads, parts, lambda a, rolled: rolled + a @ rolled)
        return [one - _identity(one) if _square(one) else one for one in rolled]

    values, facts = _explained(score, inputs, look, Shown(query, grid, special, upsample), slopes=True)
    return values, {**facts, "unit": "relevance"}


Look = Callable[[list[Read], Sequence[torch.Tensor]], list[torch.Tensor]]  # (n, query, key) after each layer


def _explained(score: Score, inputs: Space, look: Look, shown: Shown,
               slopes: bool = False) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Read the weights a batch at a time, and show what a method makes of them at the features."""
    parts, gaps, kept = [], [], []
    for rows in score.chunks(inputs.n):
        reads, gradient, gap = _forward(score, inputs, rows, slopes)
        rolled = [one.detach().float() for one in look(reads, gradient)]
        layout = laid_out(score.model, inputs, rolled[-1].shape[-1], shown.grid, shown.special)
        query = _who(shown.query, layout, inputs)
        seen = _seen(rolled[-1], query, _looking(inputs, rows, layout), layout)
        parts.append(layout.folded(seen, inputs.x.shape[-2:], shown.upsample))
        gaps.append(gap)
        kept.append(_whole(reads, rolled, inputs.n))
    facts = {"query": query, **layout.facts(), "layers": _counted(reads), "output_gap": max(gaps)}
    return torch.cat(parts), {**facts, **{k: np.concatenate([part[k] for part in kept]) for k in kept[0]}}


def _forward(score: Score, inputs: Space, rows: torch.Tensor, slopes: bool) -> tuple[list[Read], list, float]:
    """Return what was read in one forward, its gradients, and how far the output is from that of one unread."""
    x = inputs.x[rows].detach()
    with torch.set_grad_enabled(slopes), reading(score.model) as reads:
        out = score(x.requires_grad_() if slopes else x, rows)
    reads = _of_rows(reads, len(rows))
    gradient = gradients(out.sum(), reads) if slopes else []
    plain = score.evaluate(x.detach(), rows)
    gap = float((out.detach() - plain).abs().max())
    if not gap <= ROUNDING * max(1.0, float(plain.abs().max())):
        score.flags["read otherwise"] = (
            f"While its attention weights are read the model's output differs by up to {gap:.3g}: they are not quite those of "
            "the model as it runs (padding on torch's fast path, or dropout in evaluation mode)."
        )
    return reads, gradient, gap


def _of_rows(reads: list[Read], n: int) -> list[Read]:
    """Return what was read; refuse where there is nothing."""
    if not reads:
        raise BadInput("No layer gave attention weights in the forward", "layers that are called, not their .forward, and "
                       "multiply with a softmax", "Use a method of wb.methods(model) that does without")  # fmt: skip
    return [_marked(read, n) for read in reads]


def _marked(read: Read, n: int) -> Read:
    if read.wrong or len(read.raw) == n:
        return read
    return replace(
        read, wrong=f"it has weights for {len(read.raw)} rows where {n} were given (windows, perhaps)"
    )


def _right(read: Read) -> Read:
    if read.wrong:
        raise BadInput(f"The weights of {read.layer} cannot be read as those of tokens: {read.wrong}",
                       "(n, head, query, key) with a key for each token",
                       "Choose another layer with method='attention', or a method without attention")  # fmt: skip
    return read


def _layer(score: Score, reads: list[Read], layer: str | None) -> Read:
    names = [read.layer for read in reads]
    if layer is not None and layer not in names:
        raise unknown("attention layer", layer, dict.fromkeys(names))
    uses = [read for read in reads if read.layer == (layer or names[-1])]
    if len(uses) > 1:
        score.flags["layer used twice"] = (
            "The layer runs more than once a forward: its last output was taken."
        )
    return _right(uses[-1])


def _by_head(weights: torch.Tensor, head: Any) -> torch.Tensor:
    """Return weights ``(n, query, key)`` of a head, or the mean over heads."""
    count = weights.shape[1]
    if head is not None and head not in range(count):
        raise BadInput(
            f"head is {head!r}", f"0 to {count - 1}, or None for the mean of all", "Choose another"
        )
    return weights.mean(1) if head is None else weights[:, head]


def _share(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise BadInput(f"{name} is {value!r}", "a share, from 0 to below 1", "Correct it")


def _sparse(weights: torch.Tensor, ratio: float) -> torch.Tensor:
    """Drop the given share of the smallest weights above zero of each that looks, ``(n, query, key)``."""
    ranked = weights.sort(-1).values
    zeros = (ranked <= 0).sum(-1, keepdim=True)
    first = zeros + ((weights.shape[-1] - zeros) * ratio).long()
    return weights.masked_fill(weights < ranked.gather(-1, first.clamp(max=weights.shape[-1] - 1)), 0)


def _normed(weights: torch.Tensor) -> torch.Tensor:
    return weights / weights.sum(-1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)


def _rolled(reads: list[Read], layers: list[torch.Tensor], mix: Callable) -> list[torch.Tensor]:
    """Carry ``(n, query, key)`` through the layers; the last may pool, all others are self-attention."""
    tokens, out = layers[0].shape[-1], []
    rolled = _identity(layers[0])
    for i, (read, one) in enumerate(zip(map(_right, reads), layers, strict=True)):
        pools = i == len(layers) - 1 and one.shape[1] == 1
        if one.shape[2] != tokens or not (pools or _square(one)):
            raise BadInput(f"{read.layer} looks from {one.shape[1]} tokens at {one.shape[2]}, where the first layer has {tokens}",
                           "self-attention in every layer, but for a last one that pools",
                           "Use method='attention' with layer=")  # fmt: skip
        rolled = one @ rolled if pools else mix(one, rolled)
        out.append(rolled)
    return out


def _square(weights: torch.Tensor) -> bool:
    return weights.shape[-2] == weights.shape[-1]


def _identity(weights: torch.Tensor) -> torch.Tensor:
    return torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device).expand(
        len(weights), -1, -1
    )


def _who(query: Any, layout: Layout, inputs: Space) -> Any:
    """Return whose look is shown: by default the token that answers are commonly read at."""
    if query is None:
        return "special" if layout.extra else "first" if inputs.tokens or inputs.vectors else "mean"
    if query not in QUERIES and (isinstance(query, bool) or not isinstance(query, Integral)):
        raise unknown("query", query, QUERIES)
    if query == "special" and not layout.extra:
        raise BadInput(
            "query is 'special'", "a model with a token that is no feature", "Choose 'first' or 'mean'"
        )
    if query not in QUERIES and query not in range(layout.tokens):
        raise BadInput(f"query is {query}", f"a place from 0 to {layout.tokens - 1}, or one of {', '.join(QUERIES)}",
                       "Choose another")  # fmt: skip
    return query


def _looking(inputs: Space, rows: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return which tokens stand for a feature that is explained, ``(n, token)``."""
    count = layout.tokens - layout.extra
    fixed = inputs.fixed
    if fixed is None or fixed.shape[1] != count:
        return layout.among_tokens(torch.ones(len(rows), count, dtype=torch.bool, device=inputs.x.device))
    return layout.among_tokens(~fixed[rows % len(fixed)])


def _seen(weights: torch.Tensor, query: Any, looking: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Return what one looks at, ``(n, key)``, of ``(n, query, key)``."""
    if weights.shape[1] == 1:
        return weights[:, 0]
    if not _square(weights):
        raise BadInput(f"The layer looks from {weights.shape[1]} tokens at {weights.shape[2]} others", "self-attention, or pooling",
                       "Choose another layer")  # fmt: skip
    if query == "mean":
        shares = looking.to(weights.dtype)[..., None]
        return (weights * shares).sum(1) / shares.sum(1).clamp(min=1)
    if query == "last":
        last = (looking * torch.arange(layout.tokens, device=weights.device)).amax(1)
        return weights[torch.arange(len(weights), device=weights.device), last]
    return weights[:, {"special": layout.asked, "first": 0}.get(query, query)]


def _counted(reads: list[Read]) -> dict[str, int]:
    """Return how many heads each use of a layer has."""
    counts: dict[str, int] = {}
    for read in reads:
        uses = sum(name == read.layer or name.startswith(f"{read.layer} (use ") for name in counts)
        counts[read.layer if not uses else f"{read.layer} (use {uses + 1})"] = read.weights.shape[1]
    return counts


def _whole(reads: list[Read], rolled: list[torch.Tensor], n: int) -> dict[str, np.ndarray]:
    """Return all weights ``(n, layer, head, query, key)`` and what came of them, where they are alike and not too many."""
    shapes = {read.weights.shape for read in reads}
    if (
        len(shapes) > 1
        or any(read.wrong for read in reads)
        or n * len(reads) * reads[0].weights[0].numel() > KEPT
    ):
        return {}
    whole = {"weights": torch.stack([read.weights for read in reads], 1)}
    if len(rolled) == len(reads) and _square(rolled[-1]) and len(reads) > 1:
        whole["rolled"] = torch.stack(rolled, 1)
    return {name: part.detach().float().numpy(force=True) for name, part in whole.items()}
