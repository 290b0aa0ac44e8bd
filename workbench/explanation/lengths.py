"""Texts differ in length, images in superpixels: methods that count groups take rows of as many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from .score import Score
from .space import Space

LOW = "_low"  # ends the name of what is the least over rows
FEW = 10  # fewer samples a group than this are flagged


def by_length(method: Callable[[Score, Space], tuple[torch.Tensor, dict]], score: Score,
              inputs: Space) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Run a method once for all rows, or where rows have groups of their own once a number of groups.

    Draws depend on the number of groups, so that no row's may depend on another's. How many samples a text had
    follows from its length and from what was asked, and is no fact of the call.
    """
    if not inputs.tokens and len(inputs.groups) == 1:
        return method(score, inputs)
    values = torch.zeros(inputs.x.shape, device=inputs.x.device)
    found = []
    for rows in inputs.equal_sizes():
        values[rows], facts = method(score.of(rows), inputs.of(rows, inputs.x[rows]))
        found.append((len(rows), facts))
    return values, _merged(found)


def _merged(found: Sequence[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
    """Return the facts on which all agree, the mean over rows of those that were measured, the least of lows."""
    names = [*dict.fromkeys(name for _, facts in found for name in facts if name != "n_samples")]
    out = {}
    for name in names:
        each = [(n, facts[name]) for n, facts in found if name in facts]
        if all(isinstance(value, float) for _, value in each):
            out[name] = min(v for _, v in each) if name.endswith(LOW) else _mean(each)
        elif len(each) == len(found) and all(value == each[0][1] for _, value in each):
            out[name] = each[0][1]
    return out


def _mean(each: Sequence[tuple[int, float]]) -> float:
    return sum(n * value for n, value in each) / sum(n for n, _ in each)


def keys(inputs: Space, seed: int, shared_draws: bool) -> list[tuple[int, ...]]:
    """Return what random draws depend on: the seed, or the seed and each row's place in the call."""
    return [(seed,)] if shared_draws else [(seed, place) for place in inputs.rows.tolist()]


def look_at(score: Score, n_samples: int, groups: int) -> None:
    """Flag a regression on few samples for its number of unknowns."""
    if n_samples < FEW * groups:
        score.flags["few samples"] = (
            f"There are {n_samples} samples for up to {groups} unknowns: values are noisy below {FEW} a group."
        )
