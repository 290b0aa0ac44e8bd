"""Whether a class is sensitive to a concept that people show by examples, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..data.records import Split
from ..errors import BadInput
from ..state import generator
from .registry import ABSENCE, method
from .score import Score
from .space import Space

FITTED, FEWEST = 2 / 3, 6  # share of the rows that a direction is fitted to; examples of a concept at least
LEVEL = 0.05


@method("tcav", ignores=ABSENCE, needs={"gradient", "layers", "rows"}, signed=False, scope="global",
        cost="1 and its gradient for each row; 1 for each example and random row",
        estimand="the share of a class's rows whose output rises in the direction of a concept in a layer",
        paper="Kim, Wattenberg, Gilmer, Cai, Wexler, Viegas and Sayres 2018",
        misleads="A share of signs, not a size: a concept that hardly matters may have 1; a direction that the layer does not "
                 "hold is noise (settings['accuracy'], 'p'); the examples may have more in common than the concept; p falls "
                 "with n_runs, as all runs share the examples.")  # fmt: skip
def tcav(score: Score, inputs: Space, *, concepts: Any = None, concept_rows: dict[str, int] | None = None, random: Any = None,
         classes: Sequence[int] | None = None, n_runs: int = 20, layer: str | None = None,
         seed: int = 0) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return for each class and concept the share of rows that the concept's direction speaks for, ``(class, concept)`` (Kim et al. 2018).

    ``concepts`` is a dict of a name and at least six example rows each (or these behind each other, with
    ``concept_rows`` saying how many of each). The direction is the normal of a logistic regression that tells, in a
    layer (the last convolution by default), two thirds of the examples from as many rows drawn out of ``random``
    (by default the rows given); the other third measures it (``settings["accuracy"]``). This is done ``n_runs``
    times with other draws.

    Two things must be so before a share says something: it differs from those of directions between two random
    sets (a two-sided Welch t-test over runs), and the direction tells the concept's held-out examples from random
    rows better than chance (one-sided, with as many trials as examples): the runs share the examples, and any fixed
    set of rows has some direction that the first test alone would find. ``settings["p"]`` is the larger of the
    two, corrected for all classes and concepts (Holm 1979); what is not below .05 is flagged.
    ``settings["by_chance"]`` is the mean share of random directions, ``settings["error"]`` the standard error over
    runs. Lines are the classes in ``settings["classes"]``: those that the rows have, or the given ones.
    """
    if n_runs < 2:
        raise BadInput(f"n_runs is {n_runs}", "at least 2: a test needs spread", "Raise it, to 20 say")
    sets, (where, module) = _sets(concepts, concept_rows, inputs), score.layer(layer)
    pool = inputs.x if random is None else _rows(random, inputs, "random")
    classes = _classes(classes, inputs)
    held = [_activations(score, rows, module) for rows in sets.values()]
    chance, slopes = _activations(score, pool, module), [_slopes(score, inputs, c, module) for c in classes]
    shares, floors, accuracy = _measured(held, chance, slopes, n_runs, seed)
    told = np.array([_told(right, len(own), n_runs) for right, own in zip(accuracy, held, strict=True)])
    p = holm(np.maximum(_welch(shares, floors), told[:, None]))
    _flag(score, p, tuple(sets), classes)
    return torch.as_tensor(shares.mean(1).T), {
        "concepts": torch.cat(list(sets.values())).numpy(force=True), "concept_rows": {n: len(s) for n, s in sets.items()},
        "random": None if random is None else pool.numpy(force=True), "classes": classes, "layer": where,
        "error": _seen(shares.std(1, ddof=1) / n_runs**0.5), "p": _seen(p), "by_chance": _seen(floors.mean(1)),
        "accuracy": accuracy, "n_class": [len(slope) for slope in slopes], "feature_names": tuple(sets),
    }  # fmt: skip


def _measured(held: Sequence[np.ndarray], chance: np.ndarray, slopes: Sequence[np.ndarray], n_runs: int,
              seed: int) -> tuple[np.ndarray, np.ndarray, list[float]]:  # fmt: skip
    """Return the shares of each concept, run and class, those of random directions, and how well each concept is told."""
    found = [_against_random(own, chance, slopes, n_runs, seed) for own in held]
    sizes = [_size(own, chance) for own in held]
    by_size = {size: _of_random(chance, size, slopes, n_runs, seed) for size in sorted(set(sizes))}
    return np.stack([shares for shares, _ in found]), np.stack([by_size[size] for size in sizes]), [right for _, right in found]  # fmt: skip


def _seen(by_concept: np.ndarray) -> np.ndarray:
    return by_concept.T.astype(np.float32)


def _sets(concepts: Any, sizes: dict[str, int] | None, inputs: Space) -> dict[str, torch.Tensor]:
    """Return each concept's rows by its name."""
    if not isinstance(concepts, dict):
        return _stacked(concepts, sizes, inputs)
    sets = {str(name): _rows(rows, inputs, f"concept {name!r}") for name, rows in concepts.items()}
    if not sets or (few := [name for name, rows in sets.items() if len(rows) < FEWEST]):
        what = f"Concept {few[0]!r} has {len(sets[few[0]])} rows" if sets else "concepts is empty"
        raise BadInput(what, f"at least {FEWEST} example rows of a concept", "Show more")
    return sets


def _stacked(concepts: Any, sizes: dict[str, int] | None, inputs: Space) -> dict[str, torch.Tensor]:
    """Return the sets that stand behind each other in one array, as a saved explanation has them."""
    if concepts is None or sizes is None:
        raise BadInput(f"concepts is {'None' if concepts is None else 'an array without concept_rows'}",
                       "a dict of a name and example rows each", "Pass concepts={'stripes': rows}")  # fmt: skip
    whole = _rows(concepts, inputs, "concepts")
    if sum(sizes.values()) != len(whole):
        raise BadInput(
            f"concept_rows adds up to {sum(sizes.values())} for {len(whole)} rows", "one a row", "Correct it"
        )
    return dict(zip(sizes, whole.split(list(sizes.values())), strict=True))


def _rows(rows: Any, inputs: Space, what: str) -> torch.Tensor:
    """Return rows as the model takes them, of the inputs' shape and type."""
    if isinstance(rows, Split):
        rows = rows.x
    elif hasattr(inputs.codec, "encoded") and (hasattr(rows, "columns") or isinstance(rows[0], str)):
        rows = inputs.codec.encoded(rows)
    found = torch.tensor(np.asarray(rows.cpu() if isinstance(rows, torch.Tensor) else rows)).to(inputs.x)
    if found.shape[1:] != inputs.x.shape[1:]:
        raise BadInput(f"{what} has rows of shape {tuple(found.shape[1:])}", f"{tuple(inputs.x.shape[1:])}, as the inputs",
                       "Pass rows that the model takes")  # fmt: skip
    return found


def _classes(classes: Sequence[int] | None, inputs: Space) -> list[int]:
    there = inputs.labels.unique().tolist()  # type: ignore[union-attr]
    if strange := sorted(set(classes or there) - set(there)):
        raise BadInput(f"No row has class {strange[0]}", f"classes among {there}", "Pass rows of that class")
    return [int(c) for c in (classes or there)]


@torch.no_grad()
def _activations(score: Score, x: torch.Tensor, module: Any) -> np.ndarray:
    with score.watching(module) as seen:
        for part in x.split(score.batch_size):
            score.scores(part)
    return torch.cat(seen).flatten(1).double().numpy(force=True)


def _slopes(score: Score, inputs: Space, c: int, module: Any) -> np.ndarray:
    """Return the gradient of a class's output with respect to a layer, for the rows of that class, ``(row, unit)``."""
    x, held = inputs.x[inputs.labels == c], []

    def released(_module: Any, _given: Any, out: torch.Tensor) -> torch.Tensor:
        held.append(out.detach().requires_grad_())
        return held[-1]

    score.aim(x, c)
    parts, hook = [], None
    try:
        with score.watching(module), torch.enable_grad():
            hook = module.register_forward_hook(released)
            for rows in score.chunks(len(x)):
                slope = torch.autograd.grad(score(x[rows], rows).sum(), held[-1])[0]
                parts.append(slope.flatten(1).double())
    finally:
        if hook is not None:
            hook.remove()
    return torch.cat(parts).numpy(force=True)


def _size(own: np.ndarray, chance: np.ndarray) -> int:
    """Return how many rows a random set has: as many as the concept, or half of what there is."""
    size = min(len(own), len(chance) // 2)
    if size < 3:
        raise BadInput(
            f"There are {len(chance)} random rows",
            "at least 6, better some hundred",
            "Pass random= or more rows",
        )
    return size


def _against_random(own: np.ndarray, chance: np.ndarray, slopes: Sequence[np.ndarray], n_runs: int,
                    seed: int) -> tuple[np.ndarray, float]:  # fmt: skip
    """Return the shares of each run and class with a concept's direction, ``(run, class)``, and how well it is told."""
    size = _size(own, chance)
    runs = [
        _direction(own, chance[_drawn(len(chance), seed, run)[:size]], seed, run) for run in range(n_runs)
    ]
    return np.stack([_shares(slopes, way) for way, _ in runs]), float(np.mean([right for _, right in runs]))


def _of_random(
    chance: np.ndarray, size: int, slopes: Sequence[np.ndarray], n_runs: int, seed: int
) -> np.ndarray:
    """Return the same of directions between two random sets."""
    orders = [_drawn(len(chance), seed, run, 1) for run in range(n_runs)]
    ways = [_direction(chance[order[:size]], chance[order[size : 2 * size]], seed, run)[0] for run, order in enumerate(orders)]  # fmt: skip
    return np.stack([_shares(slopes, way) for way in ways])


def _drawn(n: int, *key: int) -> np.ndarray:
    return torch.randperm(n, generator=generator(*key)).numpy()


def _shares(slopes: Sequence[np.ndarray], way: np.ndarray) -> np.ndarray:
    return np.array([(slope @ way > 0).mean() for slope in slopes])


def _direction(own: np.ndarray, other: np.ndarray, seed: int, run: int) -> tuple[np.ndarray, float]:
    """Return the direction from other rows to one's own, fitted to two thirds of both, and its accuracy on the rest."""
    from sklearn.linear_model import LogisticRegression

    orders = [_drawn(len(rows), seed, run, side) for side, rows in ((2, own), (3, other))]
    cuts = [int(FITTED * len(order)) for order in orders]
    fitted, held = ([np.concatenate([own[orders[0][part(cuts[0])]], other[orders[1][part(cuts[1])]]]),
                     np.repeat([1, 0], [len(orders[0][part(cuts[0])]), len(orders[1][part(cuts[1])])])]
                    for part in (lambda cut: slice(cut), lambda cut: slice(cut, None)))  # fmt: skip
    unit = np.sqrt(np.square(fitted[0]).mean()) or 1.0  # The penalty should not depend on the layer's scale.
    model = LogisticRegression(class_weight="balanced", max_iter=1000).fit(fitted[0] / unit, fitted[1])
    right = [(model.predict(held[0][held[1] == side] / unit) == side).mean() for side in (0, 1)]
    return model.coef_[0], float(np.mean(right))


def _welch(shares: np.ndarray, floors: np.ndarray) -> np.ndarray:
    """Return the p-value of a two-sided Welch test between runs, ``(concept, class)``."""
    from scipy import stats

    still = (shares.std(1) == 0) & (
        floors.std(1) == 0
    )  # Then there is no t: equal shares, or surely unequal ones.
    moments = [one for side in (shares, floors) for one in (side.mean(1), side.std(1, ddof=1), side.shape[1])]
    with np.errstate(all="ignore"):
        p = stats.ttest_ind_from_stats(*moments, equal_var=False).pvalue
    return np.where(still, (shares.mean(1) == floors.mean(1)).astype(float), p)


def _told(accuracy: float, n: int, n_runs: int) -> float:
    """Return the p-value of a concept's held-out accuracy against one half, one-sided, with a trial an example of each side."""
    from scipy import stats

    trials = min(n, n_runs * (n - int(FITTED * n)))
    return float(stats.norm.sf((accuracy - 0.5) / (0.25 / (2 * trials)) ** 0.5))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values corrected for how many there are, step by step (Holm 1979).

    Examples
    --------
    >>> holm(np.array([0.01, 0.04, 0.03])).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    flat = p.ravel()
    order = np.argsort(flat, kind="stable")
    stepped = np.maximum.accumulate(flat[order] * np.arange(len(flat), 0, -1))
    return np.minimum(stepped, 1)[np.argsort(order, kind="stable")].reshape(p.shape)


def _flag(score: Score, p: np.ndarray, names: Sequence[str], classes: Sequence[int]) -> None:
    idle = [f"{names[k]} for class {classes[c]} (p = {p[k, c]:.2f})" for k, c in np.argwhere(p >= LEVEL)]
    if idle:
        more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
        score.flags["no concept"] = (
            f"{len(idle)} of {p.size} shares say nothing: random directions have such shares, or the layer does not hold the concept: {', '.join(idle[:3])}{more}."
        )
