"""How alike are two maps of one input? Every similarity says what it heeds and what it makes of nothing.

Each is a small function of two arrays ``(inputs, features)`` that gives one number an input; the decorator
:func:`measure` enters it in ``SIMILARITIES`` with the facts that one needs to read it: signed or absolute,
how a map is normalised, what 0/0 gives, which way is alike, and what chance would reach.

No similarity is a verdict. Two networks trained alike from other seeds agree to a Spearman correlation of
.94 while their ten per cent strongest pixels overlap by .42: a number means something only beside controls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..errors import BadInput, unknown
from .pictorial import sliced_emd, ssim
from .scores import Column, Scores

TOP = 0.1  # the fraction of features that topk_iou compares


@dataclass(frozen=True)
class Similarity:
    """A similarity and the facts needed to read it."""

    name: str
    compute: Callable[[np.ndarray, np.ndarray], np.ndarray]
    signed: bool  # does the sign of an attribution count
    normalisation: str
    nothing: str  # what a map of zeros gives, 0/0 included
    higher_is_alike: bool
    chance: Callable[[int], float]  # what random maps of so many features would reach; NaN: not known

    @property
    def direction(self) -> str:
        """Which way is alike, in words."""
        return "higher is more alike" if self.higher_is_alike else "lower is more alike"


SIMILARITIES: dict[str, Similarity] = {}


def _unknown_chance(n: int) -> float:
    return float("nan")


def measure(
    *,
    signed: bool,
    normalisation: str,
    nothing: str,
    higher_is_alike: bool = True,
    chance: Callable[[int], float] = _unknown_chance,
) -> Callable[[Callable[..., np.ndarray]], Callable[..., np.ndarray]]:
    """Enter a function of two arrays ``(inputs, features)`` as a similarity, under its own name."""

    def enter(compute: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        name = compute.__name__
        facts = (signed, normalisation, nothing, higher_is_alike, chance)
        SIMILARITIES[name] = Similarity(name, compute, *facts)
        return compute

    return enter


def chance(k_fraction: float, n: int) -> float:
    """Return the expected overlap (intersection over union) of two random sets of features, exactly.

    Both hold the given fraction of ``n`` features, all sets equally likely: a hypergeometric mean. It is a
    floor for maps without any order in space; where inputs are mostly empty, such as digits, maps that
    merely follow the ink reach more.

    Examples
    --------
    >>> round(chance(0.1, 784), 3), round(chance(1.0, 10), 3)
    (0.053, 1.0)
    """
    k = _top_size(k_fraction, n)
    shared = np.arange(max(0, 2 * k - n), k + 1)
    return float(np.sum(stats.hypergeom.pmf(shared, n, k, k) * shared / (2 * k - shared)))


@measure(signed=True, normalisation="each map to length 1", nothing="0")
def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare directions of signed maps: 1 the same up to scale, 0 unrelated, -1 opposite.

    It asks whether evidence for and against lies in the same places. It misleads where a few large
    attributions carry the whole length, and says nothing of maps without sign, where unrelated ones reach
    more than 0.

    Parameters
    ----------
    a, b
        ``(inputs, features)``, finite.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` in [-1, 1]; exactly 1 for equal maps, 0 where a map is zero.

    Examples
    --------
    >>> cosine(np.array([[1.0, 2.0], [1.0, 0.0]]), np.array([[2.0, 4.0], [0.0, 0.0]])).tolist()
    [1.0, 0.0]
    """
    a, b = _scaled(a), _scaled(b)
    product = np.einsum("nf,nf->n", a, b)
    # one root of the product, not a product of roots: the root of a square is exact, so equal maps give 1
    length = np.sqrt(np.einsum("nf,nf->n", a, a) * np.einsum("nf,nf->n", b, b))
    return np.clip(_divided(product, length), -1.0, 1.0)


@measure(
    signed=False,
    normalisation="none: only the order of |attribution| counts",
    nothing="0",
    chance=lambda n: chance(TOP, n),
)
def topk_iou(a: np.ndarray, b: np.ndarray, k_fraction: float = TOP) -> np.ndarray:
    """Compare where the strongest attributions lie, whatever their sign: intersection over union.

    It asks what a reader sees first. Features as strong as the weakest of the strongest belong to them (ties
    make the set larger, on both sides alike) and a zero never does, so a map may have fewer. It misleads
    where most attributions are nearly equal: rounding decides who is in.

    Parameters
    ----------
    a, b
        ``(inputs, features)``, finite.
    k_fraction
        The fraction of features that counts as strongest, in (0, 1].

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` in [0, 1]; 0 where a map is zero. :func:`chance` says what random sets reach.

    Examples
    --------
    >>> topk_iou(np.array([[5.0, -4.0, 1.0, 0.0]]), np.array([[5.0, 1.0, 4.0, 0.0]]), k_fraction=0.5).round(2)
    array([0.33])
    """
    first, second = _strongest(a, k_fraction), _strongest(b, k_fraction)
    return _divided((first & second).sum(axis=1), (first | second).sum(axis=1))


@measure(
    signed=False,
    normalisation="|attributions| of each map sum to 1",
    nothing="100, all of it moved",
    higher_is_alike=False,
)
def mass_moved(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Say how much of the attribution would have to move to turn one map into the other, in per cent.

    The total variation between normalised absolute maps. It does not ask how far: a shift by one pixel
    counts like one across the image. A change of sign in place counts for nothing.

    Parameters
    ----------
    a, b
        ``(inputs, features)``, finite.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` per cent; 0 the same distribution, 100 nothing in common, or a map of zeros.

    Examples
    --------
    >>> mass_moved(np.array([[3.0, 1.0, 0.0]]), np.array([[3.0, 0.0, -1.0]])).tolist()
    [25.0]
    """
    moved = 50.0 * np.abs(_shares(a) - _shares(b)).sum(axis=1)
    return np.where(_is_zero(a) | _is_zero(b), 100.0, np.minimum(moved, 100.0))


@measure(signed=True, normalisation="ranks, of the features that are not 0 in both maps", nothing="0")
def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare the orders of signed maps by the correlation of their ranks: 1 the same order, -1 the reverse.

    Features that are 0 in both maps are left out: tied zeros, such as an empty margin, would pass for agreement.
    It misleads where most values are small: the order of the unimportant counts as much as that of the rest
    (independently trained networks reach .94).

    Parameters
    ----------
    a, b
        ``(inputs, features)``, finite.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` in [-1, 1]; 0 where a map is zero or has no order.

    Examples
    --------
    >>> spearman(np.array([[1.0, 2.0, 9.0, 0.0]]), np.array([[1.0, 4.0, 5.0, 0.0]])).tolist()
    [1.0]
    """
    return _by_order(a, b, stats.spearmanr)


@measure(signed=True, normalisation="pairs of the features that are not 0 in both maps", nothing="0")
def kendall(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare the orders of signed maps by pairs (tau-b): the share ordered alike less the share ordered otherwise.

    For tables, which have few features. It misleads as :func:`spearman` does.

    Parameters
    ----------
    a, b
        ``(inputs, features)``, finite.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` in [-1, 1]; 0 where a map is zero or has no order.

    Examples
    --------
    >>> kendall(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 2.0]])).round(2).tolist()
    [0.33]
    """
    return _by_order(a, b, stats.kendalltau)


@measure(signed=True, normalisation="signs alone", nothing="0")
def sign_agreement(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare signs: the share of features whose signs agree less the share whose signs are opposite.

    Over the features that are not 0 in both maps. It misleads where most values are small: their signs are noise.

    Parameters
    ----------
    a, b
        ``(inputs, features)``, finite.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` in [-1, 1]; 0 where a map is zero.

    Examples
    --------
    >>> sign_agreement(np.array([[1.0, -2.0, 0.0, 3.0]]), np.array([[2.0, -1.0, 0.0, -3.0]])).round(2).tolist()
    [0.33]
    """
    counted = ((a != 0) | (b != 0)).sum(axis=1)
    return _divided((np.sign(a) * np.sign(b)).sum(axis=1), counted)


def _by_order(a: np.ndarray, b: np.ndarray, correlation: Callable) -> np.ndarray:
    """Return a rank correlation of each row; of two maps without an order, whether their signs agree."""
    found = np.zeros(len(a))
    for row, (x, y) in enumerate(zip(a, b, strict=True)):
        counted = (x != 0) | (y != 0)
        x, y = x[counted], y[counted]
        if not x.any() or not y.any():
            continue
        flat = [np.ptp(z) == 0 for z in (x, y)]
        if all(flat):
            found[row] = np.sign(x[0]) * np.sign(y[0])
        elif not any(flat):
            found[row] = correlation(x, y).statistic
    return np.clip(found, -1.0, 1.0)


# Of pictures, whose rows and columns count: their functions take maps (inputs, ..., row, column).
PICTORIAL = {
    known.name: known
    for known in (
        Similarity(
            "ssim",
            ssim,
            True,
            "each map by its largest absolute value, zero at a half",
            "0",
            True,
            _unknown_chance,
        ),
        Similarity(
            "sliced_emd", sliced_emd, False, "each |map| to mass 1", "1, a whole side", False, _unknown_chance
        ),
    )
}


def similarity(a: Any, b: Any, *, metrics: Sequence[str] = ("cosine", "topk_iou", "mass_moved")) -> Scores:
    """Compare two explanations of the same inputs, input by input.

    Parameters
    ----------
    a, b
        Attributions ``(inputs, ...)`` of equal shape: arrays, or explanations (anything with ``.values``).
    metrics
        Names from ``SIMILARITIES``, and from ``PICTORIAL`` for images; :func:`facts` lists them.

    Returns
    -------
    Scores
        One number an input and metric. ``flags`` says how many maps were zero, and whether the two differ in
        what they estimate, in the output or class that they explain, or in having signs: then even two
        faithful explanations of one model need not be alike. :func:`zero_maps` says which were zero.

    Raises
    ------
    BadInput
        When shapes differ, a value is NaN or infinite, or there is no input axis.
    UnknownName
        For a metric that is not in the list.

    Examples
    --------
    >>> scores = similarity([[1.0, 2.0], [0.0, 0.0]], [[1.0, 2.0], [0.0, 1.0]], metrics=["cosine"])
    >>> scores["cosine"].tolist(), scores.flags["zero maps"]
    ([1.0, 0.0], '1 of 2 inputs has a map of zeros and counts as not alike')
    """
    chosen = [_found(name) for name in ([metrics] if isinstance(metrics, str) else metrics)]
    maps, others = _array(a, "a"), _array(b, "b")
    if maps.shape != others.shape:
        raise BadInput(f"a has the shape {maps.shape} and b {others.shape}", "two maps of the same inputs",
                       "Explain the same inputs, with the same features")  # fmt: skip
    x, y = _flat(maps), _flat(others)
    columns = {
        s.name: Column(s.compute(maps, others), s.direction, "similarity")
        if s.name in PICTORIAL
        else _by_length(s, x, y, _lengths(a, x))
        for s in chosen
    }
    return Scores(columns, {**_doubts(a, b), **_counted(_is_zero(x) | _is_zero(y))})


def _lengths(e: Any, x: np.ndarray) -> np.ndarray:
    """Return how many features each input has: padding is none."""
    padding = getattr(e, "padding", None)
    return np.full(len(x), x.shape[1]) if padding is None else (~padding).sum(1)


def _by_length(known: Similarity, x: np.ndarray, y: np.ndarray, lengths: np.ndarray) -> Column:
    """Compare inputs of one length at a time, the strongest first: what is cut off is padding, whose values are 0."""
    scores, chances = np.empty(len(x)), np.empty(len(x))
    for n in np.unique(lengths):
        rows, size = lengths == n, max(1, int(n))
        at = np.argsort(-(np.abs(x[rows]) + np.abs(y[rows])), axis=1, kind="stable")[:, :size]
        mine, theirs = (
            (x[rows], y[rows]) if n == x.shape[1] else (np.take_along_axis(v[rows], at, 1) for v in (x, y))
        )
        scores[rows], chances[rows] = known.compute(mine, theirs), known.chance(size)
    floor = chances[0] if len({*chances.tolist()}) == 1 else chances.mean()
    return Column(scores, known.direction, "similarity", float(floor))


def zero_maps(a: Any, b: Any) -> np.ndarray:
    """Say for each input whether either map is all zeros, ``(inputs,)`` booleans."""
    return _is_zero(_flat(_array(a, "a"))) | _is_zero(_flat(_array(b, "b")))


def facts() -> pd.DataFrame:
    """Return a row a similarity: ``name signed normalisation nothing higher_is_alike`` and what it asks."""
    shown = [f.name for f in fields(Similarity) if f.name not in ("compute", "chance")]
    rows = [
        [getattr(s, name) for name in shown] + [_first_line(s)] for s in (SIMILARITIES | PICTORIAL).values()
    ]
    return pd.DataFrame(rows, columns=[*shown, "asks"])


def _first_line(known: Similarity) -> str:
    return (known.compute.__doc__ or "").strip().splitlines()[0]


def _found(name: str) -> Similarity:
    known = SIMILARITIES | PICTORIAL
    if name not in known:
        raise unknown("metric", name, known)
    return known[name]


# arrays


def _array(given: Any, name: str) -> np.ndarray:
    """Return the finite numbers ``(inputs, ...)`` of an array or an explanation."""
    values = getattr(given, "values", given)
    x = _numbers(given if callable(values) else values, name)  # a tensor's .values is something else
    if x.ndim < 2 or x.size == 0:
        raise BadInput(f"{name} has the shape {x.shape}", "attributions (inputs, ...)",
                       "Give one input an axis of its own: x[None]")  # fmt: skip
    bad = ~np.isfinite(_flat(x)).all(axis=1)
    if bad.any():
        raise BadInput(f"{name} is not finite for {bad.sum()} of {len(x)} inputs", "finite attributions",
                       "Look at the explanation's flags, or leave these inputs out and say so")  # fmt: skip
    return x


def _flat(maps: np.ndarray) -> np.ndarray:
    return maps.reshape(len(maps), -1)


def _numbers(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError, RuntimeError) as problem:
        raise BadInput(f"{name} holds no numbers ({problem})", "an array (inputs, ...) or an explanation",
                       "Give .values, or a detached tensor on the CPU") from problem  # fmt: skip


def _is_zero(maps: np.ndarray) -> np.ndarray:
    return np.logical_not(maps.any(axis=1))


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Divide; by zero gives 0."""
    return np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)


def _scaled(maps: np.ndarray) -> np.ndarray:
    """Bring the largest of each map to 1, so that squares of tiny or huge values stay numbers."""
    return _divided(maps, np.abs(maps).max(axis=1, keepdims=True))


def _shares(maps: np.ndarray) -> np.ndarray:
    size = np.abs(_scaled(maps))
    return _divided(size, size.sum(axis=1, keepdims=True))


def _strongest(maps: np.ndarray, k_fraction: float) -> np.ndarray:
    size = np.abs(maps)
    place = size.shape[1] - _top_size(k_fraction, size.shape[1])
    weakest = np.partition(size, place, axis=1)[:, [place]]
    return (size >= weakest) & (size > 0)


def _top_size(k_fraction: float, n: int) -> int:
    if not 0 < k_fraction <= 1:
        raise BadInput(f"k_fraction is {k_fraction}", "a fraction of the features in (0, 1]", "Try 0.1")
    return max(1, round(k_fraction * n))


# doubts

_MEANING = {
    "estimand": "The two explanations estimate different things",
    "output": "The two explanations explain different outputs, whose maps differ by more than scale",
    "target": "The two explanations are not of the same classes",
    "signed": "One explanation has signs and the other has none",
    "row_ids": "The two explanations are not of the same rows",
}


def _doubts(a: Any, b: Any) -> dict[str, str]:
    """Say in which things that decide what a map means the two explanations differ."""
    return {name: said for name, said in _MEANING.items() if _differ(_read(a, name), _read(b, name))}


def _read(explanation: Any, name: str) -> Any:
    if name == "output":  # the attribute of that name is the explained number, not its scale
        return (getattr(explanation, "settings", None) or {}).get(name)
    return getattr(explanation, name, None)


def _differ(one: Any, other: Any) -> bool:
    return one is not None and other is not None and not np.array_equal(one, other)


def _counted(zero: np.ndarray) -> dict[str, str]:
    if not zero.any():
        return {}
    verbs = "has a map of zeros and counts" if zero.sum() == 1 else "have a map of zeros and count"
    return {"zero maps": f"{zero.sum()} of {len(zero)} inputs {verbs} as not alike"}
