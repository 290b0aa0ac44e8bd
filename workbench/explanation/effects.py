"""How a model's answer changes along a column of a table: partial dependence and accumulated local effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from .answers import aimed, every_class, standard_error
from .grids import Axis, axes, by_likeness, correlated, edges, rug, spaced
from .registry import ABSENCE, method
from .score import Score
from .space import Space

CROSSING = 0.1  # a larger share of what single rows do along a column is said to depend on other columns
CORRELATED = 0.7  # a larger rank correlation of two columns is said
FAINT = 0.01  # of the strongest column's movement: what moves less is not judged


@method("partial_dependence", ignores=ABSENCE, needs={"batch", "inputs", "columns"}, signed=True, scope="global",
        cost="the number of points of all columns, for each row",
        estimand="the mean output over these rows if all of them had a column's value",
        paper="Friedman 2001; Goldstein, Kapelner, Bleich and Pitkin 2015 (single rows)",
        misleads="With correlated columns it asks about rows that cannot be, where ale does not; a flat mean may hide rows that "
                 "go up and rows that go down (settings['interaction']).")  # fmt: skip
def partial_dependence(score: Score, inputs: Space, *, n_points: int = 20) -> tuple[torch.Tensor, dict]:
    """Return the mean output of all rows at each value of each column, ``(class, point)`` (Friedman 2001).

    Points of all columns stand behind each other, named ``age = 35``; ``settings["grid"]`` has each column's
    values in the data's own unit, ``settings["error"]`` standard errors over rows. ``settings["low"]`` and
    ``settings["high"]`` are the 10 % and 90 % quantiles of single rows' curves (Goldstein et al. 2015), each
    shifted to the mean's level.

    ``settings["interaction"]``, ``(class, column)``, is the share of what single rows do along a column that
    the mean does not show: the squared distance of centred rows' curves from the mean curve over their squared
    size. It is 0 for a column that no other interacts with; above .1 it is flagged, as is a rank correlation
    of two columns of .7 and more.
    """
    found, classes = _looked_at(score, inputs), aimed(score, inputs)
    grid = {axis.name: spaced(axis, n_points) for axis in found}
    each = [
        _mean_curve(_single_curves(score, inputs, axis, grid[axis.name], classes), inputs) for axis in found
    ]
    return _answered(score, inputs, found, grid, each)


def _looked_at(score: Score, inputs: Space) -> list[Axis]:
    found = axes(inputs)
    if empty := [axis.name for axis in found if not len(axis.present)]:
        raise BadInput(
            f"Column {empty[0]!r} has no value in these rows", "a value in some row", "Pass more rows"
        )
    return found


@torch.no_grad()
def _single_curves(
    score: Score, inputs: Space, axis: Axis, values: Sequence[Any], classes: int
) -> np.ndarray:
    """Return the output of every row at every value of a column, ``(n, value, class)``."""
    put, g = torch.as_tensor(axis.encoded(values), device=inputs.x.device), len(values)
    out = torch.empty(inputs.n * g, classes, dtype=torch.float64)
    for pairs in torch.arange(inputs.n * g, device=inputs.x.device).split(score.batch_size):
        x = inputs.x[pairs // g].clone()
        x[:, axis.entries] = put[pairs % g]
        out[pairs.cpu()] = every_class(score, x).double().cpu()
    return out.view(inputs.n, g, classes).numpy()


def _mean_curve(curves: np.ndarray, inputs: Space) -> dict[str, np.ndarray]:
    """Return the mean of rows' curves, its error, the band of rows, and how much of their shape it lacks."""
    mean = curves.mean(0)
    centred = curves - curves.mean(1, keepdims=True)
    low, high = np.quantile(centred, [0.1, 0.9], axis=0) + mean.mean(0)
    off = centred - centred.mean(0)
    return {"values": mean, "error": standard_error((curves - mean) / len(curves), inputs.clusters), "low": low, "high": high,
            "moved": np.square(centred).sum((0, 1)), "missed": np.square(off).sum((0, 1))}  # fmt: skip


def _answered(score: Score, inputs: Space, found: Sequence[Axis], grid: dict[str, list[Any]],
              each: Sequence[dict[str, np.ndarray]]) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return curves behind each other with what was noticed about them."""
    lines = {name: np.concatenate([one[name] for one in each]).T.astype(np.float32) for name in each[0]
             if each[0][name].ndim == 2}  # fmt: skip
    moved, missed = (np.stack([one[name] for one in each], 1) for name in ("moved", "missed"))
    share = np.where(moved > FAINT * moved.max(1, keepdims=True), missed / np.maximum(moved, 1e-300), 0)
    pairs = correlated(found, inputs.x, CORRELATED)
    _flag(score, share, pairs, found)
    names = tuple(axis.said(value) for axis in found for value in grid[axis.name])
    return torch.as_tensor(lines.pop("values")), {
        **lines, "grid": grid, "rug": rug(found, grid), "interaction": share.astype(np.float32), "correlated": pairs,
        "n_rows": inputs.n, "feature_names": names,
    }  # fmt: skip


def _flag(score: Score, share: np.ndarray, pairs: Sequence[Sequence[Any]], found: Sequence[Axis]) -> None:
    worst = share.max(0)
    if crossing := [f"{found[j].name} ({worst[j]:.0%})" for j in np.argsort(-worst) if worst[j] > CROSSING]:
        score.flags["interaction"] = (
            f"Along {_listed(crossing)} single rows move otherwise than their mean: the effect depends on other columns."
        )
    if pairs:
        said = [f"{a} and {b} ({r:.2f})" for a, b, r in pairs]
        score.flags["correlated columns"] = (
            f"Ranks of {_listed(said)} go together: a curve along one of them asks about rows that hardly are; ale less than "
            "partial_dependence."
        )


def _listed(said: Sequence[str], most: int = 3) -> str:
    rest = f" and {len(said) - most} more" if len(said) > most else ""
    return ", ".join(said[:most]) + rest


@method("ale", ignores=ABSENCE, needs={"batch", "inputs", "columns"}, signed=True, scope="global",
        cost="2 a column (of categories up to 4), for each row",
        estimand="the output's local changes along a column, in rows that are there, added up and centred",
        paper="Apley and Zhu 2020",
        misleads="Differences hold within a bin; over several they add up changes of different rows. Categories are put in an "
                 "order of likeness, on which the numbers depend; a correlated column's effect is that of the model, not of the world.")  # fmt: skip
def ale(score: Score, inputs: Space, *, n_bins: int = 20) -> tuple[torch.Tensor, dict]:
    """Return accumulated local effects along each column, mean 0 over the rows, ``(class, point)`` (Apley and Zhu 2020).

    Points are the edges of at most ``n_bins`` bins with about equally many rows, in ``settings["grid"]`` in
    the data's unit. Categories are ordered by how alike their rows are in the other columns; a step between
    two neighbours is the mean over the rows of both. Rows where a number is missing are left out of its curve.
    ``settings["error"]`` are standard errors over rows, given the bins; ``settings["interaction"]`` is the
    share of local changes that rows of a bin do not have in common, flagged above .1 as in :func:`partial_dependence`.
    """
    found, classes = _looked_at(score, inputs), aimed(score, inputs)
    each, grid = [], {}
    for axis in found:
        order = by_likeness(axis, [a for a in found if a is not axis]) if axis.categories else None
        values = edges(axis, n_bins) if order is None else [axis.categories[i] for i in order]
        rows, steps, weights = _bins(axis, values) if order is None else _neighbours(axis, order)
        changes = _changes(score, inputs, axis, values, rows, steps, classes)
        grid[axis.name] = values
        each.append(_accumulated(changes, rows, steps, weights, inputs))
    return _answered(score, inputs, found, grid, each)


def _bins(axis: Axis, values: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows show which step between edges, and each edge's share of the rows."""
    rows = np.flatnonzero(~np.isnan(axis.found))
    if len(values) == 1:
        return rows[:0], rows[:0], np.ones(1)
    steps = np.clip(np.searchsorted(values, axis.found[rows], side="left") - 1, 0, len(values) - 2)
    shares = np.bincount(steps, minlength=len(values) - 1) / len(rows)
    return rows, steps, (np.append(shares, 0) + np.append(0, shares)) / 2


def _neighbours(axis: Axis, order: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return which rows show which step between neighbouring categories, those of both, and each one's share."""
    known = np.flatnonzero(~np.isnan(axis.found))
    place = np.argsort(order)[axis.found[known].astype(int)]
    up, down = place < len(order) - 1, place > 0
    rows, steps = np.append(known[up], known[down]), np.append(place[up], place[down] - 1)
    return rows, steps, np.bincount(place, minlength=len(order)) / len(known)


@torch.no_grad()
def _changes(score: Score, inputs: Space, axis: Axis, values: Sequence[Any], rows: np.ndarray, steps: np.ndarray,
             classes: int) -> np.ndarray:  # fmt: skip
    """Return what each row's output gains over its step, ``(row, class)``."""
    put = torch.as_tensor(axis.encoded(values), device=inputs.x.device)
    at, step = (torch.as_tensor(numbers, device=inputs.x.device) for numbers in (rows, steps))
    found = [torch.empty(0, classes, dtype=torch.float64)]
    for part, here in zip(at.split(score.batch_size), step.split(score.batch_size), strict=True):
        ends = []
        for k in (here, here + 1):
            x = inputs.x[part].clone()
            x[:, axis.entries] = put[k]
            ends.append(every_class(score, x).double().cpu())
        found.append(ends[1] - ends[0])
    return torch.cat(found).numpy()


def _accumulated(changes: np.ndarray, rows: np.ndarray, steps: np.ndarray, weights: np.ndarray,
                 inputs: Space) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the mean changes added up and centred, their error, and how much of the changes they lack."""
    k = len(weights)
    counts = np.maximum(np.bincount(steps, minlength=k - 1), 1)[:, None]
    means = np.zeros((k - 1, changes.shape[1]))
    np.add.at(means, steps, changes)
    means /= counts
    off = changes - means[steps]
    single = np.zeros((inputs.n, k - 1, changes.shape[1]))
    np.add.at(single, (rows, steps), off / counts[steps])
    sums = np.tril(np.ones((k, k - 1)), -1)
    centred = sums - weights @ sums
    return {"values": centred @ means, "error": standard_error(centred @ single, inputs.clusters),
            "moved": np.square(changes).sum(0), "missed": np.square(off).sum(0)}  # fmt: skip
