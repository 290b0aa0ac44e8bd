"""Methods that give layers a backward pass of their own: DeepLift, LRP, guided backpropagation. Captum computes them.

They work on a repaired copy of the network (see :mod:`.repair`), which ends in the scalar that is explained.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from ..errors import BadInput
from .gradients import needed_background
from .layers import upsampled
from .registry import ABSENCE, look_up, method, refusal
from .repair import repaired
from .score import Score
from .space import Space

LINEAR = ("logit", "centred_logit", "runner_up", "raw")  # outputs that add up scores
HOLDS = {"gradient", "rules", "numbers"}


class Explained(nn.Module):
    """A network that ends in the explained scalar, as captum's hooks need one: ``(x, rows) -> (n,)``."""

    def __init__(self, score: Score) -> None:
        super().__init__()
        self.model = score.model
        self._score = score

    def forward(self, x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the scalar of a batch."""
        return self._score(x, rows)


@method("deeplift", needs=HOLDS, ignores={"background", "feature_mask"}, signed=True, complete=True, cost="2 and their gradients",
        estimand="each feature's share of the output's difference to one baseline, by the rescale rule layer by layer",
        paper="Shrikumar, Greenside and Kundaje 2017",
        misleads="A rule for layers, not for functions: two networks that compute the same may get other values; what has "
                 "no rule (GELU, products) is taken by its gradient, which the gap shows.")  # fmt: skip
def deeplift(score: Score, inputs: Space) -> torch.Tensor:
    """Return DeepLift contributions by the rescale rule against one baseline (Shrikumar et al. 2017)."""
    lift = _lift(score, inputs, "deeplift")
    return torch.cat([lift(inputs.x[rows], inputs.baselines[rows], rows) for rows in score.chunks(inputs.n)])


@method("deep_shap", needs=HOLDS, ignores={"baselines", "feature_mask"}, signed=True, complete=True,
        cost="2 for each background row, and their gradients",
        estimand="DeepLift's shares, averaged over the background's rows: an approximation of marginal Shapley values",
        paper="Lundberg and Lee 2017",
        misleads="Shapley values only where the rescale rule gives them: not across interactions; correlated features share "
                 "credit.")  # fmt: skip
def deep_shap(score: Score, inputs: Space) -> torch.Tensor:
    """Return the mean of DeepLift contributions over the background's rows (Lundberg and Lee 2017)."""
    background = needed_background(inputs, "deep_shap")
    lift, k = _lift(score, inputs, "deep_shap"), len(background)
    total = torch.zeros_like(inputs.x)
    for pairs in score.chunks(inputs.n * k):
        rows = pairs // k
        total.index_add_(0, rows, lift(inputs.x[rows], background[pairs % k], rows))
    return total / k


def _lift(score: Score, inputs: Space, name: str) -> Callable[..., torch.Tensor]:
    """Return DeepLift as a function of inputs, their baselines and their rows."""
    from captum.attr import DeepLift

    _linear(score, name)
    captum = DeepLift(Explained(repaired(score, inputs, look_up(name), pools=True)))
    captum.gradient_func = lambda forward, x: torch.autograd.grad(forward().sum(), x)

    def lift(x: torch.Tensor, baselines: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # Captum says that it sets hooks.
            return captum.attribute(
                x.clone().requires_grad_(), baselines.clone(), additional_forward_args=(rows,)
            ).detach()

    return lift


def _linear(score: Score, name: str) -> None:
    if score.output not in LINEAR:
        raise BadInput(f"{name} was asked for the {score.output}, which has no rule", f"one of {', '.join(LINEAR)}",
                       "Explain a logit, or choose integrated_gradients")  # fmt: skip


@method("lrp", needs=HOLDS, ignores=ABSENCE, signed=True, cost="2 and their gradients",
        estimand="the relevance that the epsilon rule hands from the output back to each feature, layer by layer",
        paper="Bach, Binder, Montavon, Klauschen, Müller and Samek 2015",
        misleads="Biases keep a part of the relevance (settings['conserved'] is the share that arrives), so that a number added to "
                 "all logits changes it even on centred logits; with the epsilon rule "
                 "and ReLUs it is close to input times gradient (Ancona et al. 2018).")  # fmt: skip
def lrp(score: Score, inputs: Space) -> tuple[torch.Tensor, dict]:
    """Return layer-wise relevance by captum's epsilon rule (Bach et al. 2015).

    ``settings["conserved"]`` is the sum of relevance over the output, the median of the rows.
    """
    from captum.attr import LRP

    _linear(score, "lrp")
    whole = repaired(score, inputs, look_up("lrp"))
    captum = LRP(Explained(whole))
    captum.gradient_func = lambda forward, x, *args: torch.autograd.grad(
        forward(*x, *_tuple(args[-1])).sum(), x
    )
    try:
        values = _in_batches(captum, score, inputs)
    except TypeError as problem:
        if "no rule" not in str(problem):
            raise
        strange = str(problem).partition("'")[2].partition("'")[0]
        raise refusal(
            look_up("lrp"),
            [f"captum has no rule for its layer {strange}"],
            score.artifact,
            None,
            lacks="rules",
        ) from problem
    outputs = score.evaluate(inputs.x)
    kept = values.flatten(1).sum(1) / torch.where(outputs.abs() < 1e-9, torch.ones_like(outputs), outputs)
    return values, {"conserved": float(kept.median())}


@method("guided_backprop", needs=HOLDS, ignores=ABSENCE, signed=True, cost="1 and its gradient",
        estimand="the gradient where negative parts are cut at every ReLU on the way back",
        paper="Springenberg, Dosovitskiy, Brox and Riedmiller 2015",
        misleads="It restores edges of the input whatever the weights: it hardly changes when a network is randomized "
                 "(Adebayo et al. 2018; Nie, Zhang and Patel 2018).")  # fmt: skip
def guided_backprop(score: Score, inputs: Space) -> torch.Tensor:
    """Return guided backpropagation (Springenberg et al. 2015)."""
    from captum.attr import GuidedBackprop

    return _by_relus(GuidedBackprop, score, inputs, "guided_backprop")


@method("deconvolution", needs=HOLDS, ignores=ABSENCE, signed=True, cost="1 and its gradient",
        estimand="what is handed back from the output when only positive parts pass each ReLU, whatever it did forward",
        paper="Zeiler and Fergus 2014",
        misleads="Nearly independent of class and weights where there is max-pooling (Nie, Zhang and Patel 2018).")  # fmt: skip
def deconvolution(score: Score, inputs: Space) -> torch.Tensor:
    """Return the deconvolution map (Zeiler and Fergus 2014)."""
    from captum.attr import Deconvolution

    return _by_relus(Deconvolution, score, inputs, "deconvolution")


@method("guided_grad_cam", needs=HOLDS | {"convolution", "image"}, ignores=ABSENCE, signed=True, cost="2 and their gradients",
        estimand="guided backpropagation where Grad-CAM of a layer is active",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
        misleads="Its details come from guided backpropagation, which hardly depends on the weights (Adebayo et al. 2018).")  # fmt: skip
def guided_grad_cam(score: Score, inputs: Space, *, layer: str | None = None) -> tuple[torch.Tensor, dict]:
    """Return guided backpropagation times upsampled Grad-CAM of a layer, the last convolution by default (Selvaraju et al. 2017)."""
    from .layers import grad_cam

    map_, facts = grad_cam(score, inputs, layer=layer)
    return guided_backprop(score, inputs) * map_, facts


def _by_relus(cls: Any, score: Score, inputs: Space, name: str) -> torch.Tensor:
    whole = repaired(score, inputs, look_up(name))
    if not any(isinstance(m, nn.ReLU) for m in whole.model.modules()):
        raise refusal(look_up(name), ["it has no ReLU"], score.artifact, None, lacks="rules")
    captum = cls(Explained(whole))
    captum.gradient_func = lambda forward, x, _, args: torch.autograd.grad(
        forward(*x, *_tuple(args)).sum(), x
    )
    return _in_batches(captum, score, inputs)


def _tuple(args: Any) -> tuple:
    return args if isinstance(args, tuple) else (args,)


def _in_batches(captum: Any, score: Score, inputs: Space) -> torch.Tensor:
    parts = []
    for rows in score.chunks(inputs.n):
        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")  # Captum says that it sets hooks.
            x = inputs.x[rows].clone().requires_grad_()
            parts.append(captum.attribute(x, additional_forward_args=(rows,)).detach())
    return torch.cat(parts)


@method("conductance", needs={"gradient", "layers"}, ignores={"background", "feature_mask"}, signed=True, cost="n_steps and their gradients",
        estimand="the share of the output's difference to the baseline that flows through each unit of a layer",
        paper="Dhamdhere, Sundararajan and Yan 2019",
        misleads="The path leaves the data; a layer that is bypassed (a residual) carries only its own part; upsampled it is coarse.")  # fmt: skip
def conductance(score: Score, inputs: Space, *, layer: str | None = None, n_steps: int = 50,
                upsample: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return the conductance of a layer, the last convolution by default (Dhamdhere et al. 2019).

    ``(n, 1, row, column)``, the sum over channels, whose density is upsampled so that sums stay about true; or
    ``(n, unit)`` for a layer without rows and columns. ``settings["gap"]`` is the largest difference, over
    rows, of what flows through the layer to the output's difference, in units of the output: it is large
    where other ways lead around the layer.
    """
    from captum.attr import LayerConductance

    name, module = score.layer(layer)
    captum, parts = LayerConductance(score, module), []
    rows_a_batch = max(1, score.batch_size // (n_steps + 1))
    for rows in torch.arange(inputs.n, device=inputs.x.device).split(rows_a_batch):
        x = inputs.x[rows].clone().requires_grad_()
        with score.watching(module):
            parts.append(
                captum.attribute(
                    x, baselines=inputs.baselines[rows], additional_forward_args=(rows,), n_steps=n_steps
                ).detach()
            )
    values = torch.cat(parts)
    difference = score.evaluate(inputs.x) - score.evaluate(inputs.baselines)
    facts = {"layer": name, "gap": float((values.flatten(1).sum(1) - difference).abs().max())}
    if values.ndim != 4 or not inputs.spatial:
        return values.flatten(1), facts
    values = values.sum(1, keepdim=True)
    area = values.shape[2] * values.shape[3] / (inputs.x.shape[-2] * inputs.x.shape[-1]) if upsample else 1.0
    return upsampled(values, inputs, upsample) * area, facts
