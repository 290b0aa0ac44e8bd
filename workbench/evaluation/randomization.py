"""Randomization: does an explanation change when the model, or the class that is asked about, does?

A map that stays is made of the input alone. A map that changes need not be true: noise passes these tests best.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import torch
from scipy import stats

from ..errors import BadInput, unknown
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import generator, generators
from .controls import layers_from_the_top, partly_randomized
from .registry import metric
from .similarities import cosine

HOWS = ("cascading", "independent")
BINS = 100  # of the histogram whose entropy is a map's complexity, as in the paper
NOISE = "A map of noise changes most: no proof of truth; "


@metric("randomization", direction="lower is better", category="randomization", range="-1 to 1",
        paper="Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018; Hedström, Weber, Lapuschkin and Höhne 2024",
        sensitivity="the similarity that is taken, the order of the layers, the draws; one randomized net a layer, by seed",
        misleads=f"{NOISE}early layers of a random net still pass the input's edges on, so maps of the input score about .5.")  # fmt: skip
def randomization(
    score: Score, inputs: Space, values: np.ndarray, *, model: Any, remade: Callable[[Any], np.ndarray],
    again: Callable[..., np.ndarray], how: str = "cascading", n_noisy: int | None = None, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Return the rank correlation of |values| with those of randomized models, its mean over layers (Adebayo et al. 2018).

    ``how="cascading"`` draws the layers anew from the output down, each with all above it, ``"independent"`` one
    at a time. 1: nothing the model learned matters to the map. NaN for a map that is the same everywhere.
    ``n_noisy`` compares means over so many noisy copies of each input, the same for all models: the smooth form
    (Hedström, Weber, Lapuschkin and Höhne 2024), without the noise that makes gradients of random nets look unlike.
    """
    if how not in HOWS:
        raise unknown("way to randomize", how, HOWS)
    if n_noisy is not None and (not isinstance(n_noisy, Integral) or n_noisy < 1):
        raise BadInput(f"n_noisy is {n_noisy!r}", "a whole number above 0, or None", "10 are a good number")
    names = _layers(score, inputs, model)
    stages = [names[: k + 1] if how == "cascading" else [name] for k, name in enumerate(names)]
    nets = (partly_randomized(model, stage, seed) for stage in stages)
    if n_noisy is None:
        return np.stack([_alike(values, remade(net)) for net in nets]).mean(0)
    own = _smoothed(again, inputs, n_noisy, seed)
    return np.stack(
        [_alike(own, _smoothed(partial(remade, net), inputs, n_noisy, seed)) for net in nets]
    ).mean(0)


@metric("efficient_randomization", direction="higher is better", category="randomization", range="-1 to infinity",
        paper="Hedström, Weber, Lapuschkin and Höhne 2024", sensitivity="the histogram's bins; one randomized net, by seed",
        misleads=f"{NOISE}it asks whether the map becomes more complex, not whether it changes. NaN for a map of one value.")  # fmt: skip
def efficient_randomization(
    score: Score,
    inputs: Space,
    values: np.ndarray,
    *,
    model: Any,
    remade: Callable[[Any], np.ndarray],
    seed: int = 0,
) -> np.ndarray:
    """Return by which share the entropy of the map's histogram rises when all layers are randomized (Hedström et al. 2024)."""
    other = remade(partly_randomized(model, _layers(score, inputs, model), seed))
    before, after = _entropy(values), _entropy(other)
    return np.divide(after - before, before, out=np.full(len(before), np.nan), where=before > 0)


@metric("random_logit", direction="lower is better", category="randomization", range="-1 to 1",
        paper="Sixt, Granz and Landgraf 2020", sensitivity="which other class is drawn (by seed and row)",
        misleads=f"{NOISE}two classes of two have opposite centred maps, so of binary models it says nothing.")  # fmt: skip
def random_logit(
    score: Score, inputs: Space, values: np.ndarray, *, again: Callable[..., np.ndarray], seed: int = 0
) -> np.ndarray:
    """Return the cosine of the map with that for another class, drawn at random (Sixt et al. 2020)."""
    with torch.no_grad():
        classes = score.scores(inputs.x[:1], _first(inputs)).shape[1]
    if classes < 2:
        raise BadInput(
            "The model has one output", "a class that could be asked about instead", "Leave out random_logit"
        )
    steps = [
        int(torch.randint(1, classes, (1,), generator=own)) for own in generators(seed, inputs.rows.tolist())
    ]
    others = (score.target.numpy(force=True) + steps) % classes
    asked = again(inputs.x.numpy(force=True), others)
    return cosine(values.reshape(len(values), -1), asked.reshape(len(asked), -1))


def _layers(score: Score, inputs: Space, model: Any) -> list[str]:
    return layers_from_the_top(model, lambda: score.scores(inputs.x[:1], _first(inputs)))


def _first(inputs: Space) -> torch.Tensor:
    return torch.zeros(1, dtype=torch.long, device=inputs.x.device)


def _smoothed(explained: Callable[[np.ndarray], np.ndarray], inputs: Space, n: int, seed: int) -> np.ndarray:
    """Return the mean map over noisy copies of each input, the same copies for every model."""
    copies = (inputs.noisy(generator(seed, sample)).numpy(force=True) for sample in range(n))
    return np.mean([explained(x) for x in copies], axis=0)


def _alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of absolute values of each row."""
    a, b = (np.abs(maps).reshape(len(maps), -1) for maps in (first, second))
    varies = (np.ptp(a, axis=1) > 0) & (np.ptp(b, axis=1) > 0)
    return np.array([
        stats.spearmanr(x, y).statistic if known else np.nan for x, y, known in zip(a, b, varies, strict=True)
    ])  # fmt: skip


def _entropy(maps: np.ndarray) -> np.ndarray:
    """Return the entropy of the histogram of each row's values, in nats."""
    counts = np.stack([np.histogram(row, bins=BINS)[0] for row in maps.reshape(len(maps), -1)])
    return stats.entropy(counts, axis=1)
