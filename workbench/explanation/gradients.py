"""Gradient methods, in batches that stay in cache, by the gradient of the sum of a batch's outputs.

Captum differentiates a list of one scalar a row; as rows do not depend on each other, the gradient of
their sum is the same numbers in one call, four times as fast on small nets. Integrated gradients are
streamed: a batch holds steps of as many rows as it may, and only sums are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from ..errors import BadInput
from ..state import generator, generators
from .registry import ABSENCE, method
from .score import Score
from .space import Space


@method("saliency", graph=True, ignores=ABSENCE, needs={"gradient"}, signed=False, cost="1 and its gradient",
        estimand="how fast the output changes with each feature, here, in either direction",
        paper="Simonyan, Vedaldi and Zisserman 2014",
        misleads="Where the output is flat the gradient is zero although the feature matters (saturation); it is noisy.")  # fmt: skip
def saliency(score: Score, inputs: Space, *, abs: bool = True) -> torch.Tensor:
    """Return the gradient at the input, its absolute value by default (Simonyan et al. 2014)."""
    return _by_gradient(score, inputs, abs)


@method("input_x_gradient", graph=True, ignores=ABSENCE, needs={"gradient"}, signed=True, cost="1 and its gradient",
        estimand="the first-order effect of setting each feature to zero",
        paper="Shrikumar, Greenside, Shcherbina and Kundaje 2016",
        misleads="Exact only for linear models; a feature whose value is zero gets zero, whatever it means.")  # fmt: skip
def input_x_gradient(score: Score, inputs: Space) -> torch.Tensor:
    """Return the input times its gradient (Shrikumar et al. 2016)."""
    return inputs.x * _by_gradient(score, inputs, abs=False)


def _by_gradient(score: Score, inputs: Space, abs: bool) -> torch.Tensor:
    values = torch.cat([score.gradient(inputs.x[rows], rows) for rows in score.chunks(inputs.n)])
    return values.abs() if abs else values


@method("integrated_gradients", graph=True, ignores={"feature_mask"}, needs={"gradient"}, signed=True, complete=True, cost="n_steps and their gradients",
        estimand="each feature's share of the output's difference to the baseline, along the straight path",
        paper="Sundararajan, Taly and Yan 2017",
        misleads="The path leaves the data; another baseline gives another answer; features equal to the baseline get zero.")  # fmt: skip
def integrated_gradients(score: Score, inputs: Space, *, n_steps: int = 50,
                         multiply_by_inputs: bool = True) -> torch.Tensor:  # fmt: skip
    """Return integrated gradients (Sundararajan et al. 2017); with a background, the mean over its rows.

    Gauss-Legendre quadrature, with captum's own steps and weights. Memory is bounded by the batch.
    """
    if inputs.background is None:
        return _along_the_path(score, inputs, inputs.baselines, n_steps, multiply_by_inputs)
    each = (
        _along_the_path(score, inputs, row.expand(inputs.x.shape), n_steps, multiply_by_inputs)
        for row in inputs.background
    )
    return sum(each, torch.zeros_like(inputs.x)) / len(inputs.background)


def _along_the_path(
    score: Score, inputs: Space, baselines: torch.Tensor, n_steps: int, multiply: bool
) -> torch.Tensor:
    places, weights = _quadrature(n_steps, inputs.x)
    total, away = torch.zeros_like(inputs.x), inputs.x - baselines
    shape = (-1, *[1] * (inputs.x.ndim - 1))
    for pairs in score.chunks(inputs.n * n_steps):
        rows, steps = pairs // n_steps, pairs % n_steps
        found = score.gradient(baselines[rows] + places[steps].view(shape) * away[rows], rows)
        total = total.index_add(0, rows, found * weights[steps].view(shape))
    return total * away if multiply else total


def _quadrature(n_steps: int, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return captum's places on the path, from 0 to 1, and their weights."""
    from captum.attr._utils.approximation_methods import approximation_parameters

    sizes, places = approximation_parameters("gausslegendre")
    return like.new_tensor(places(n_steps)), like.new_tensor(sizes(n_steps))


@method("gradient_shap", graph=True, needs={"gradient"}, ignores={"baselines", "feature_mask"}, signed=True, spends="n_samples",
        cost="n_samples and their gradients",
        estimand="integrated gradients, averaged over paths from the background's rows: expected gradients",
        paper="Erion, Janizek, Sturmfels, Lundberg and Lee 2021; Lundberg and Lee 2017",
        misleads="Sums hold on average only: the sampling error is in settings['error']. No Shapley values unless the "
                 "model is additive or features are independent; paths leave the data.")  # fmt: skip
def gradient_shap(score: Score, inputs: Space, *, n_samples: int = 200, seed: int = 0,
                  shared_draws: bool = False) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return expected gradients: gradients at random places between each row and random background rows (Erion et al. 2021).

    Needs ``background=``. Draws belong to (seed, row), or to the seed alone with ``shared_draws``.
    ``settings["error"]`` is the mean standard error of a feature's value, in units of the output.
    """
    background = needed_background(inputs, "gradient_shap")
    total, squares = torch.zeros_like(inputs.x), torch.zeros_like(inputs.x)
    shape = (-1, *[1] * (inputs.x.ndim - 1))
    each = [generator(seed)] if shared_draws else generators(seed, inputs.rows.tolist())
    drawn = [_draws(len(background), n_samples, own) for own in each]
    which, places = (torch.stack(part).to(inputs.x.device) for part in zip(*drawn, strict=True))
    for pairs in score.chunks(inputs.n * n_samples):
        rows, samples = pairs // n_samples, pairs % n_samples
        start = background[which[rows % len(which), samples]]
        away = inputs.x[rows] - start
        found = away * score.gradient(start + places[rows % len(places), samples].view(shape) * away, rows)
        total, squares = total.index_add(0, rows, found), squares.index_add(0, rows, found.detach() ** 2)
    mean = total / n_samples
    return mean, {"error": standard_error(mean.detach(), squares / n_samples, n_samples)}


def _draws(rows: int, n: int, draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(rows, (n,), generator=draws), torch.rand(n, generator=draws)


def needed_background(inputs: Space, name: str) -> torch.Tensor:
    """Return the background, or say that the method is defined by one."""
    if inputs.background is None:
        raise BadInput(f"{name} was given no background", "background=, rows that stand for absent features",
                       "Pass such as data.train[:100]")  # fmt: skip
    return inputs.background


def standard_error(mean: torch.Tensor, squares: torch.Tensor, n: int) -> float:
    """Return the mean over features of the standard error of a mean of ``n`` draws, from the mean of squares."""
    if n < 2:
        return float("nan")
    return float(((squares - mean**2).clamp(min=0) / (n - 1)).sqrt().mean())


@method("smooth_grad", graph=True, ignores=ABSENCE, needs={"gradient"}, signed=True, cost="n_samples and their gradients", spends="n_samples",
        estimand="the mean gradient in a Gaussian neighbourhood of the input",
        paper="Smilkov, Thorat, Kim, Viégas and Wattenberg 2017",
        misleads="It averages over inputs that the model may never meet; the width of the noise decides what is seen.")  # fmt: skip
def smooth_grad(score: Score, inputs: Space, *, n_samples: int = 50, stdev: float = 0.1,
                abs: bool | None = None, seed: int = 0) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the mean gradient over noisy copies (Smilkov et al. 2017).

    ``stdev`` is a fraction of each input's own range. Draws depend on (seed, row) alone. With ``abs`` the
    mean of absolute gradients is taken: by default only for words, whose signed gradients cannot be summed
    over the embedding (behind a layer norm that sum is zero whatever the word). ``settings["error"]`` is the
    mean standard error of a feature's value.
    """
    abs = inputs.vectors if abs is None else abs
    values, error = smoothed(lambda s, i: _by_gradient(s, i, abs), score, inputs, n_samples, stdev, seed)
    return values, {"abs": abs, "error": error}


def smoothed(method: Callable[[Score, Space], Any], score: Score, inputs: Space,
             n_samples: int, stdev: float, seed: int) -> tuple[torch.Tensor, float]:  # fmt: skip
    """Return a method's mean over noisy copies of each row, a batch of copies at a time, and its mean standard error."""
    means, firsts, seconds = [], [], []
    for rows in torch.arange(inputs.n, device=inputs.x.device).split(max(1, score.batch_size // n_samples)):
        many = rows.repeat_interleave(n_samples)
        copies = inputs.of(many, _noisy(inputs, rows, n_samples, stdev, seed))
        answer = method(score.of(many), copies)
        values = answer[0] if isinstance(answer, tuple) else answer
        means.append(values.unflatten(0, (len(rows), n_samples)).mean(1))
        each = copies.folded(values.detach()).unflatten(0, (len(rows), n_samples))
        firsts.append(each.mean(1))
        seconds.append(each.square().mean(1))
    return torch.cat(means), standard_error(torch.cat(firsts), torch.cat(seconds), n_samples)


def _noisy(inputs: Space, rows: torch.Tensor, n_samples: int, stdev: float, seed: int) -> torch.Tensor:
    """Return so many noisy copies of each row, one row's after the other's."""
    x = inputs.x[rows]
    draws = torch.empty(len(rows), n_samples, *x.shape[1:])
    for own, draw in zip(generators(seed, inputs.rows[rows].tolist()), draws, strict=True):
        draw.normal_(generator=own)
    width = stdev * (x.flatten(1).amax(1) - x.flatten(1).amin(1))
    noise = draws.to(x.device).mul_(width.view(-1, *[1] * x.ndim))
    return noise.add_(x[:, None]).flatten(0, 1)
