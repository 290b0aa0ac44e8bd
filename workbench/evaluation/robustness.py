"""Robustness: does an explanation stay while its input hardly moves?

Every perturbed copy is explained for the class of its original, with the method's own draws held fixed, so that
only the input moves. Images and tables move in a box around the input, whose size is a fraction of the input's own
range; of texts some words come from other rows, as no word has neighbours. An input that is the same everywhere has
no range, so that nothing can be tried: its number is NaN, not perfect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch

from ..errors import BadInput
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import generator
from .registry import metric

SMALLEST = 1e-6  # no change is taken to be smaller: what is divided by
BALL = "radius, n_samples (a maximum only grows with it), and the draws (by seed and row)"
STABLE = "A map that never changes is perfectly stable and explains nothing; "
Again = Callable[[np.ndarray], np.ndarray]


@metric("max_sensitivity", direction="lower is better", category="robustness", range="0 to infinity",
        paper="Yeh, Hsieh, Suggala, Inouye and Ravikumar 2019", sensitivity=BALL,
        misleads=f"{STABLE}a model that itself turns sharply has explanations that do.")  # fmt: skip
def max_sensitivity(
    score: Score, inputs: Space, values: np.ndarray, *, again: Again, n_samples: int = 10, radius: float = 0.02, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return the largest change of the map in a box around the input, as a share of the map's size (Yeh et al. 2019).

    ``radius`` is half the side of the box, a fraction of each input's own range.
    """
    return _largest_number(_changes(inputs, values, again, n_samples, radius, seed))


@metric("avg_sensitivity", direction="lower is better", category="robustness", range="0 to infinity",
        paper="Yeh, Hsieh, Suggala, Inouye and Ravikumar 2019; Bhatt, Weller and Moura 2020", sensitivity=BALL,
        misleads=f"{STABLE}the mean hides the directions in which it breaks.")  # fmt: skip
def avg_sensitivity(
    score: Score, inputs: Space, values: np.ndarray, *, again: Again, n_samples: int = 10, radius: float = 0.02, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return the mean change of the map in a box around the input, as a share of the map's size (Yeh et al. 2019)."""
    found = _changes(inputs, values, again, n_samples, radius, seed)
    counted = np.isfinite(found).sum(0)
    return np.divide(np.nansum(found, 0), counted, out=np.full(inputs.n, np.nan), where=counted > 0)


@metric("local_lipschitz", direction="lower is better", category="robustness", range="0 to infinity",
        paper="Alvarez-Melis and Jaakkola 2018", sensitivity=f"{BALL}; the scales of inputs and values",
        misleads=f"{STABLE}in units of value by input: only explanations of one method and scale compare.")  # fmt: skip
def local_lipschitz(
    score: Score, inputs: Space, values: np.ndarray, *, again: Again, n_samples: int = 10, radius: float = 0.02, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return the largest ratio of the map's change to the input's, both by the Euclidean norm (Alvarez-Melis and Jaakkola 2018)."""
    return _largest_number(np.stack([
        _where_it_moved(x, inputs, _size(moved - values) / np.maximum(_size(x - inputs.x.numpy(force=True)), SMALLEST))
        for x, moved in _moved(inputs, again, n_samples, radius, seed)
    ]))  # fmt: skip


@metric("relative_input_stability", direction="lower is better", category="robustness", range="0 to infinity",
        paper="Agarwal, Johnson, Pawelczyk, Krishna, Saxena, Zitnik and Lakkaraju 2022", sensitivity=f"{BALL}; values and inputs near 0",
        misleads=f"{STABLE}relative changes of values near 0 are huge: sparse maps look unstable.")  # fmt: skip
def relative_input_stability(
    score: Score, inputs: Space, values: np.ndarray, *, again: Again, n_samples: int = 10, radius: float = 0.02, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return the largest ratio of the map's relative change to the input's, over copies answered alike (Agarwal et al. 2022)."""
    x0 = inputs.x.numpy(force=True)
    return _largest([
        (x, _size(_relative(values, moved)) / np.maximum(_size(_relative(x0, x)), SMALLEST))
        for x, moved in _moved(inputs, again, n_samples, radius, seed)
    ], score, inputs)  # fmt: skip


@metric("relative_output_stability", direction="lower is better", category="robustness", range="0 to infinity",
        paper="Agarwal, Johnson, Pawelczyk, Krishna, Saxena, Zitnik and Lakkaraju 2022", sensitivity=f"{BALL}; values near 0",
        misleads=f"{STABLE}where the model's scores hardly move it is huge whatever the map.")  # fmt: skip
def relative_output_stability(
    score: Score, inputs: Space, values: np.ndarray, *, again: Again, n_samples: int = 10, radius: float = 0.02, seed: int = 0
) -> np.ndarray:  # fmt: skip
    """Return the largest ratio of the map's relative change to that of the raw scores, over copies answered alike (Agarwal et al. 2022)."""
    own = _scores(score, inputs.x.numpy(force=True))
    return _largest([
        (x, _size(_relative(values, moved)) / np.maximum(_size(_scores(score, x) - own), SMALLEST))
        for x, moved in _moved(inputs, again, n_samples, radius, seed)
    ], score, inputs)  # fmt: skip


def _largest(found: list[tuple[np.ndarray, np.ndarray]], score: Score, inputs: Space) -> np.ndarray:
    """Return the largest number of each row over the copies to which the model answers as to the row; NaN without any."""
    own = _scores(score, inputs.x.numpy(force=True)).argmax(1)
    return _largest_number(np.stack([
        np.where(_scores(score, x).argmax(1) == own, _where_it_moved(x, inputs, numbers), np.nan) for x, numbers in found
    ]))  # fmt: skip


def _where_it_moved(x: np.ndarray, inputs: Space, numbers: np.ndarray) -> np.ndarray:
    """Return NaN for copies that are their input: nothing was tried there, so nothing was found stable."""
    changed = (x != inputs.x.numpy(force=True)).reshape(len(x), -1).any(1)
    return np.where(changed, numbers, np.nan)


def _largest_number(found: np.ndarray) -> np.ndarray:
    """Return the largest of ``(sample, n)`` over samples that are numbers; NaN where none is."""
    return np.fmax.reduce(found, axis=0)


def _changes(inputs: Space, values: np.ndarray, again: Again, n: int, radius: float, seed: int) -> np.ndarray:
    """Return the size of each change as a share of the map's, ``(sample, n)``; NaN for a map of zeros."""
    sizes = _size(values)
    sizes = np.where(sizes > 0, sizes, np.nan)
    return np.stack([
        _where_it_moved(x, inputs, _size(moved - values) / sizes) for x, moved in _moved(inputs, again, n, radius, seed)
    ])  # fmt: skip


def _moved(
    inputs: Space, again: Again, n: int, radius: float, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield moved copies of all inputs and their maps."""
    if not isinstance(radius, (int, float)) or not 0 < radius < np.inf:
        raise BadInput(
            f"radius is {radius!r}", "a number above 0, a fraction of each input's range", "Leave it out"
        )
    for sample in range(n):
        x = _nearby(inputs, sample, radius, seed)
        yield x, again(x)


def _nearby(inputs: Space, sample: int, radius: float, seed: int) -> np.ndarray:
    """Return a copy of each input from the box around it, or with some of its words from other rows."""
    if inputs.tokens:
        return inputs.noisy(generator(seed, sample)).numpy(force=True)
    shape, rows = inputs.x.shape[1:], inputs.rows.tolist()
    draws = torch.stack([torch.rand(shape, generator=generator(seed, row, sample)) for row in rows]).to(
        inputs.x.device
    )
    flat = inputs.x.flatten(1)
    width = radius * (flat.amax(1) - flat.amin(1))
    moved = inputs.x + (2 * draws - 1) * width.view(-1, *[1] * (inputs.x.ndim - 1))
    return moved.numpy(force=True)


def _scores(score: Score, array: np.ndarray) -> np.ndarray:
    """Return the model's raw scores of a version of each row, ``(n, class)``."""
    x = torch.as_tensor(array, device=score.device)
    with torch.no_grad():
        rows = torch.arange(len(x), device=x.device)
        parts = zip(x.split(score.batch_size), rows.split(score.batch_size), strict=True)
        return torch.cat([score.scores(part, at) for part, at in parts]).numpy(force=True)


def _relative(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first - second) / np.where(first == 0, SMALLEST, first)


def _size(array: np.ndarray) -> np.ndarray:
    """Return the Euclidean norm of each row."""
    return np.linalg.norm(array.reshape(len(array), -1).astype(float), axis=1)
