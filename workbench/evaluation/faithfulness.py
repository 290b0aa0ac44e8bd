"""Faithfulness: does the output follow when the features that an explanation ranks first come or go?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ..explanation.score import Score
from ..explanation.space import Space
from .features import free_features, hiding, ranked
from .registry import metric

STEPS = 28
SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)  # of the features, as in ERASER
ORDER = "the baseline that stands for absent features, and ties in the order of values"


@metric("deletion", direction="lower is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Petsiuk, Das and Saenko 2018", sensitivity=f"{ORDER}; 28 steps whatever the size of the input",
        misleads="Inputs with holes are unreal; an untrained model's map can do well on digits: read it against its floor.")  # fmt: skip
def deletion(score: Score, inputs: Space, values: np.ndarray) -> np.ndarray:
    """Return the mean output while features go, the highest values first (Petsiuk et al. 2018)."""
    return _area(_curve(score, inputs, values, torch.lt, _evenly(inputs, STEPS)))


@metric("insertion", direction="higher is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Petsiuk, Das and Saenko 2018", sensitivity=f"{ORDER}; 28 steps whatever the size of the input",
        misleads="Rewards maps that draw outlines; the empty baseline may itself belong to a class.")  # fmt: skip
def insertion(score: Score, inputs: Space, values: np.ndarray) -> np.ndarray:
    """Return the mean output while features come, the highest values first (Petsiuk et al. 2018)."""
    return _area(_curve(score, inputs, values, torch.ge, _evenly(inputs, STEPS)))


@metric("pixel_flipping", direction="lower is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Bach, Binder, Montavon, Klauschen, Müller and Samek 2015", sensitivity=f"{ORDER}; features_in_step",
        misleads="As deletion: most of its curve is about inputs that nothing like was ever seen; costs an evaluation a feature.")  # fmt: skip
def pixel_flipping(
    score: Score, inputs: Space, values: np.ndarray, *, features_in_step: int = 1
) -> np.ndarray:
    """Return the mean output while features go one by one, the highest values first (Bach et al. 2015).

    With ``features_in_step`` so many go at a time. The area under the curve by the trapezoid rule, as a share of its width.
    """
    free = free_features(inputs)
    steps = -(-int(free.max()) // features_in_step)
    counts = torch.arange(steps + 1, device=free.device) * features_in_step
    counts = counts.minimum(free[:, None])
    return _area(_curve(score, inputs, values, torch.lt, counts), counts.diff())


@metric("comprehensiveness", direction="higher is better", category="faithfulness", range="-1 to 1", floors=True,
        paper="DeYoung, Jain, Rajani, Lehman, Xiong, Socher and Wallace 2020", sensitivity=f"{ORDER}; the five shares",
        misleads="A large drop may come from an unreal input, not from lost evidence; negative where hiding helps the class.")  # fmt: skip
def comprehensiveness(score: Score, inputs: Space, values: np.ndarray) -> np.ndarray:
    """Return how far the output falls without the top features, mean of 1, 5, 10, 20 and 50 % (DeYoung et al. 2020)."""
    return _lost(score, inputs, values, torch.lt)


@metric("sufficiency", direction="lower is better", category="faithfulness", range="-1 to 1", floors=True,
        paper="DeYoung, Jain, Rajani, Lehman, Xiong, Socher and Wallace 2020", sensitivity=f"{ORDER}; the five shares",
        misleads="Few features on an empty input are unreal; an empty input that belongs to the class makes all maps look good.")  # fmt: skip
def sufficiency(score: Score, inputs: Space, values: np.ndarray) -> np.ndarray:
    """Return how far the output falls with the top features alone, mean of 1, 5, 10, 20 and 50 % (DeYoung et al. 2020)."""
    return _lost(score, inputs, values, torch.ge)


@metric("monotonicity", direction="higher is better", category="faithfulness", range="0 to 1", floors=True,
        paper="Arya et al. 2019; Luss et al. 2019", sensitivity=f"{ORDER}; the number of steps",
        misleads="One wrong step among hundreds makes it 0 (strict=False gives the share of right ones); it asks for growth "
                 "from the least to the most important, so negative values must come first.")  # fmt: skip
def monotonicity(
    score: Score, inputs: Space, values: np.ndarray, *, steps: int = STEPS, strict: bool = True
) -> np.ndarray:
    """Return 1 where the output never falls while features come, the lowest values first (Arya et al. 2019), else 0.

    With ``strict=False`` the share of steps at which it does not fall.
    """
    rank, counts = ranked(inputs, -np.asarray(values)), _evenly(inputs, steps)
    grows = score.responses(inputs, counts.shape[1], hiding(inputs, rank, counts, torch.ge)).diff() >= 0
    found = grows.all(1) if strict else grows.double().mean(1)
    return found.numpy(force=True).astype(float)


def _curve(
    score: Score, inputs: Space, values: np.ndarray, hidden: Callable, counts: torch.Tensor
) -> torch.Tensor:
    """Return the output at every step; ``hidden(rank, count)`` tells which features are hidden when ``count`` have had their turn."""
    rank = ranked(inputs, values)
    return score.responses(inputs, counts.shape[1], hiding(inputs, rank, counts, hidden)).double()


def _area(curve: torch.Tensor, widths: torch.Tensor | None = None) -> np.ndarray:
    """Return the area under the curve by the trapezoid rule, as a share of its width; steps are equally wide unless said."""
    widths = torch.ones_like(curve[:, 1:]) if widths is None else widths.double()
    between = (curve[:, 1:] + curve[:, :-1]) / 2
    return ((between * widths).sum(1) / widths.sum(1)).numpy(force=True)


def _lost(score: Score, inputs: Space, values: np.ndarray, hidden: Callable) -> np.ndarray:
    counts = (torch.tensor(SHARES, device=inputs.x.device) * free_features(inputs)[:, None]).ceil()
    left = score.responses(inputs, len(SHARES), hiding(inputs, ranked(inputs, values), counts, hidden))
    return (score.evaluate(inputs.x)[:, None] - left).double().mean(1).numpy(force=True)


def _evenly(inputs: Space, steps: int) -> torch.Tensor:
    """Return how many features have had their turn at each step, ``(n, step)``."""
    each = torch.arange(steps + 1, device=inputs.x.device)
    return (each * free_features(inputs)[:, None] / steps).round()
