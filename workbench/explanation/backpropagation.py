"""Methods that give layers a backward pass of their own: DeepLift, LRP, guided backpropagation.

They work on a repaired copy of the network (see :mod:`.repair`), in which :mod:`.ruling` puts the rules of
:mod:`.multipliers` in the place of layers. Captum and shap are the referees, where they are right: captum's
hooks lose the sum at every max-pooling with a baseline that is not constant, and its relevance at every sum.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from ..errors import BadInput
from .gradients import needed_background
from .layers import upsampled
from .multipliers import NoRule, Rule, alike, deconvolved, guided, proportioned, rescaled
from .registry import ABSENCE, look_up, method, refusal
from .repair import held, repaired
from .ruling import under
from .score import Score
from .space import Space

LINEAR = ("logit", "centred_logit", "runner_up", "raw")  # outputs that add up scores
HOLDS = {"gradient", "rules", "numbers"}


class Walk:
    """A repaired copy of a network under rules, walked back from the explained output.

    Parameters
    ----------
    name
        Of the method, for what is refused.
    score, inputs
        As the method got them.
    rule
        Of activations.
    **options
        Of :func:`~workbench.explanation.ruling.under`.
    """

    def __init__(self, name: str, score: Score, inputs: Space, rule: Rule, **options: float) -> None:
        self.name, self.artifact, self.own = name, score.artifact, score
        inputs_of_net = 1 if score.parts is None else len(score.parts.shapes)
        try:
            self.score, self.units = repaired(
                score, inputs, look_up(name), (rule, *sorted(options.items())),
                lambda graph: under(graph, inputs_of_net, rule, **options),
            )  # fmt: skip
        except NoRule as problem:
            raise self.refused(str(problem)) from problem
        self.reference = torch.empty(0)

    def refused(self, why: str) -> Exception:
        """Return the error that says why the method cannot, and which can."""
        return refusal(look_up(self.name), [why], self.artifact, None, lacks="rules")

    @torch.no_grad()
    def note(self, x0: torch.Tensor, rows: torch.Tensor) -> None:
        """Run the reference, and keep what every unit makes of it."""
        for unit in self.units:
            unit.noting = True
        self.reference = self.score.scores(x0, rows)
        for unit in self.units:
            unit.noting = False

    def multipliers(self, x: torch.Tensor, rows: torch.Tensor, head: Any) -> torch.Tensor:
        """Return what the rules put in the place of the gradient, at rows as they were given.

        ``head`` says how much a unit of each score counts: ``(scores, rows) -> (m, class)``.
        """
        x = x.detach().requires_grad_()
        try:
            with torch.enable_grad():
                z = self.score.scores(x, rows)
                held(look_up(self.name), self.own, z, rows)
                return torch.autograd.grad((z * head(z.detach(), rows)).sum(), x)[0]
        except NoRule as problem:
            raise self.refused(str(problem)) from problem


def _slopes(score: Score) -> Any:
    """Return how much a unit of each score counts: the output's own gradient."""

    def head(z: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            z = z.requires_grad_()
            return torch.autograd.grad(score.explained(z, score.target[rows], score.rival[rows]).sum(), z)[0]

    return head


def _slopes_to_reference(walk: Walk) -> Any:
    """Return how much a unit of each score counts under the rescale rule, also for (log-)probabilities."""
    own = _slopes(walk.score)

    def head(z: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        if walk.score.output in LINEAR:
            return own(z, rows)
        return _of_softmax(z, alike(walk.reference, z), walk.score.target[rows], walk.score.output)

    return head


def _of_softmax(z: torch.Tensor, z0: torch.Tensor, target: torch.Tensor, output: str) -> torch.Tensor:
    """Return the rescale rule of ``z_t - log(sum(exp(z)))``, step by step, and of its exponential."""
    z, z0 = z.double(), z0.double()
    top = torch.maximum(z.amax(1, keepdim=True), z0.amax(1, keepdim=True))
    e, e0 = (z - top).exp(), (z0 - top).exp()
    of_exp = _ratio(e - e0, z - z0, e)
    of_log = _ratio(e.sum(1).log() - e0.sum(1).log(), e.sum(1) - e0.sum(1), 1 / e.sum(1))
    weights = F.one_hot(target, z.shape[1]) - of_log[:, None] * of_exp
    if output == "probability":
        p, p0 = (F.log_softmax(s, 1).gather(1, target[:, None]) for s in (z, z0))
        weights = weights * _ratio(p.exp() - p0.exp(), p - p0, p.exp())
    return weights.float()


def _ratio(rise: torch.Tensor, step: torch.Tensor, slope: torch.Tensor) -> torch.Tensor:
    return torch.where(step.abs() < 1e-9, slope, rise / step)


@method("deeplift", needs=HOLDS, ignores={"background", "feature_mask"}, signed=True, complete=True, cost="2 and their gradients",
        estimand="each feature's share of the output's difference to one baseline, by the rescale rule layer by layer",
        paper="Shrikumar, Greenside and Kundaje 2017",
        misleads="A rule for layers, not for functions: two networks that compute the same may get other values; at a "
                 "max-pooling one place takes all.")  # fmt: skip
def deeplift(score: Score, inputs: Space) -> torch.Tensor:
    """Return DeepLift contributions by the rescale rule against one baseline (Shrikumar et al. 2017)."""
    walk = Walk("deeplift", score, inputs, rescaled)
    head, parts = _slopes_to_reference(walk), []
    for rows in score.chunks(inputs.n):
        x, baselines = inputs.x[rows], inputs.baselines[rows]
        walk.note(baselines, rows)
        parts.append(walk.multipliers(x, rows, head) * (x - baselines))
    return torch.cat(parts)


@method("deep_shap", needs=HOLDS, ignores={"baselines", "feature_mask"}, signed=True, complete=True,
        cost="2 for each background row, and their gradients",
        estimand="DeepLift's shares, averaged over the background's rows: an approximation of marginal Shapley values",
        paper="Lundberg and Lee 2017",
        misleads="Shapley values only where the rescale rule gives them: not across interactions; correlated features share "
                 "credit.")  # fmt: skip
def deep_shap(score: Score, inputs: Space) -> torch.Tensor:
    """Return the mean of DeepLift contributions over the background's rows (Lundberg and Lee 2017)."""
    background = needed_background(inputs, "deep_shap")
    walk, total = Walk("deep_shap", score, inputs, rescaled), torch.zeros_like(inputs.x)
    head = _slopes_to_reference(walk)
    for reference in background.split(score.batch_size):
        k = len(reference)
        walk.note(reference, torch.arange(k, device=reference.device) % inputs.n)
        for rows in torch.arange(inputs.n, device=reference.device).split(max(1, score.batch_size // k)):
            x = inputs.x[rows, None].expand(-1, *reference.shape)
            slopes = walk.multipliers(x.flatten(0, 1), rows.repeat_interleave(k), head).view(x.shape)
            total[rows] += (slopes * (x - reference)).sum(1)
    return total / len(background)


def _linear(score: Score, name: str) -> None:
    if score.output not in LINEAR:
        raise BadInput(f"{name} was asked for the {score.output}, which has no rule", f"one of {', '.join(LINEAR)}",
                       "Explain a logit, or choose integrated_gradients")  # fmt: skip


@method("lrp", needs=HOLDS, ignores=ABSENCE, signed=True, cost="2 and their gradients",
        estimand="the relevance that the epsilon rule hands from the output back to each feature, layer by layer",
        paper="Bach, Binder, Montavon, Klauschen, Müller and Samek 2015",
        misleads="Biases and epsilon keep a part of the relevance (settings['conserved'] is the share that arrives); "
                 "with ReLUs and an epsilon of 0 it is input times gradient (Ancona et al. 2018).")  # fmt: skip
def lrp(
    score: Score, inputs: Space, *, epsilon: float = 0.0, gamma: float = 0.0
) -> tuple[torch.Tensor, dict]:
    """Return layer-wise relevance by the epsilon rule (Bach et al. 2015).

    ``epsilon`` damps units with small sums, ``gamma`` favours what speaks for the output (Montavon et al. 2019);
    both hold for every layer with weights.
    ``settings["conserved"]`` is the sum of relevance over the output, the median of the rows.
    """
    _linear(score, "lrp")
    for name, value in (("epsilon", epsilon), ("gamma", gamma)):
        if not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise BadInput(f"{name} is {value!r}", "a number, 0 or above", "Correct it, or leave it out")
    walk = Walk("lrp", score, inputs, proportioned, epsilon=epsilon, gamma=gamma)
    values = _back(walk, score, inputs) * inputs.x
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
    return _by_relus(guided, score, inputs, "guided_backprop")


@method("deconvolution", needs=HOLDS, ignores=ABSENCE, signed=True, cost="1 and its gradient",
        estimand="what is handed back from the output when only positive parts pass each ReLU, whatever it did forward",
        paper="Zeiler and Fergus 2014",
        misleads="Nearly independent of class and weights where there is max-pooling (Nie, Zhang and Patel 2018).")  # fmt: skip
def deconvolution(score: Score, inputs: Space) -> torch.Tensor:
    """Return the deconvolution map (Zeiler and Fergus 2014)."""
    return _by_relus(deconvolved, score, inputs, "deconvolution")


@method("guided_grad_cam", needs=HOLDS | {"convolution", "image"}, ignores=ABSENCE, signed=True, cost="2 and their gradients",
        estimand="guided backpropagation where Grad-CAM of a layer is active",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
        misleads="Its details come from guided backpropagation, which hardly depends on the weights (Adebayo et al. 2018).")  # fmt: skip
def guided_grad_cam(score: Score, inputs: Space, *, layer: str | None = None) -> tuple[torch.Tensor, dict]:
    """Return guided backpropagation times upsampled Grad-CAM of a layer, the last convolution by default (Selvaraju et al. 2017)."""
    from .layers import grad_cam

    map_, facts = grad_cam(score, inputs, layer=layer)
    return guided_backprop(score, inputs) * map_, facts


def _by_relus(rule: Rule, score: Score, inputs: Space, name: str) -> torch.Tensor:
    walk = Walk(name, score, inputs, rule)
    if not walk.units:
        raise walk.refused("it has no ReLU")
    return _back(walk, score, inputs)


def _back(walk: Walk, score: Score, inputs: Space) -> torch.Tensor:
    """Return what comes back at the inputs, for rules without a reference."""
    head = _slopes(score)
    return torch.cat([walk.multipliers(inputs.x[rows], rows, head) for rows in score.chunks(inputs.n)])


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
