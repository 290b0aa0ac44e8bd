"""Training terms that hold what people marked: right for the right reasons, by gradients, Grad-CAM or counterexamples.

From a **warm start** the classic form of the first loss (Ross, Hughes and Doshi-Velez 2017: the gradient of the sum of log
probabilities) collapses: it finds the one direction in which the classes cancel. Random projections of the logits stand for
all classes, and have no such direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..compression.preservation import last_convolution, watched
from ..data.records import Data
from ..errors import BadInput, unknown
from ..training import Batch, Term
from .feedback import Feedback

LOSSES = ("rrr", "rrr_gradcam", "counterexamples")
PROJECTIONS = ("random", "target")
STRENGTH = {"rrr": 100.0, "rrr_gradcam": 10.0, "counterexamples": 1.0}
AT_ONCE = 128  # marked rows in a step


def term_of(feedback: Feedback, data: Data, *, loss: str = "rrr", strength: float | None = None, projection: str = "random",
            name: str | None = None) -> Term:  # fmt: skip
    """Return the training term of what is marked in the training rows.

    Parameters
    ----------
    feedback, data
        The marks, and the data whose training rows they are about.
    loss
        "rrr": gradients vanish where nothing must be looked at (Ross et al. 2017). "rrr_gradcam": so does Grad-CAM of
        the last convolution (Schramowski et al. 2020). "counterexamples": the marked part comes from other training
        rows, the class stays (Teso and Kersting 2019); it needs no gradient of a gradient.
    strength
        Of the term beside the cross entropy; by default 100, 10 and 1.
    projection
        For "rrr", of the logits: "random" (a new one in every step) or "target" (the row's own class).
    name
        Only decisions about the data of this name.

    Raises
    ------
    BadInput
        Nothing is marked in the training rows, or a strength that is not above 0.
    UnknownName
        Another loss or projection.
    """
    if loss not in LOSSES:
        raise unknown("loss", loss, LOSSES)
    if projection not in PROJECTIONS:
        raise unknown("projection", projection, PROJECTIONS)
    weight = STRENGTH[loss] if strength is None else strength
    if not isinstance(weight, (int, float)) or not weight > 0:
        raise BadInput(f"strength is {weight!r}", "a number above 0", "Leave it out for the default")
    marks = feedback.masks(data.train, data=name)
    if not len(marks):
        raise BadInput(f"{feedback.path.name} marks nothing in the {len(data.train)} training rows", "marks of training rows",
                       "Mark some with wb.annotate, feedback.add or feedback.add_masks")  # fmt: skip
    rows = marks.rows
    x, y = torch.tensor(data.train.x[rows]), torch.tensor(data.train.y[rows])
    mask = torch.tensor(forbidden(marks.must[rows], marks.must_not[rows]))
    if loss == "counterexamples":
        return _named(_counterexamples(x, y, mask, torch.tensor(data.train.x), float(weight)), loss)
    penalty = _gradients(projection) if loss == "rrr" else _grad_cam

    def held(model: nn.Module, batch: Batch) -> torch.Tensor:
        chosen, device = _drawn(len(x), batch), batch.x.device
        rows, answers, marked = (part[chosen].to(device) for part in (x, y, mask))
        return weight * penalty(model, rows, answers, marked, batch)

    return _named(held, loss)


def _named(term: Term, loss: str) -> Term:
    term.__name__ = f"marks_{loss}"  # type: ignore[attr-defined]
    return term


def forbidden(must: np.ndarray, must_not: np.ndarray) -> np.ndarray:
    """Return what must not be looked at, ``(n, ...)``: what is marked so, and where something must be, all the rest."""
    named = must.reshape(len(must), -1).any(1).reshape(-1, *[1] * (must.ndim - 1))
    return must_not | (named & ~must)


def _drawn(n: int, batch: Batch) -> torch.Tensor:
    return torch.randint(n, (min(AT_ONCE, n),), generator=batch.draws)


def _gradients(projection: str) -> Any:
    def penalty(
        model: nn.Module, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, batch: Batch
    ) -> torch.Tensor:
        slope = gradient(model, x, lambda z: _projected(z, y, projection, batch.draws))
        weights = mask.to(slope.dtype)
        weights = (
            weights[..., None] if slope.ndim == weights.ndim + 1 else weights
        )  # a token has one for its embedding
        return (slope * weights).pow(2).flatten(1).sum(1).mean()

    return penalty


def _projected(z: torch.Tensor, y: torch.Tensor, projection: str, draws: torch.Generator) -> torch.Tensor:
    if projection == "target":
        return z.gather(1, y[:, None]).sum()
    return (z * torch.randn(z.shape, generator=draws).to(z.device)).sum()


def gradient(model: nn.Module, x: torch.Tensor, scalar: Any, graph: bool = True) -> torch.Tensor:
    """Return the gradient of a scalar of the logits at the input, for tokens at their embedding ``(n, length, width)``."""
    if x.is_floating_point():
        x = x.clone().requires_grad_()
        return torch.autograd.grad(scalar(model(x)), x, create_graph=graph)[0]
    name = next((n for n, m in model.named_modules() if isinstance(m, nn.Embedding)), None)
    if name is None:
        raise BadInput(
            f"A {type(model).__name__} looks no tokens up", "one nn.Embedding", "Use loss='counterexamples'"
        )
    with watched(model, [name]) as seen:
        z = model(x)
        return torch.autograd.grad(scalar(z), seen[name], create_graph=graph)[0]


def _grad_cam(
    model: nn.Module, x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, batch: Batch
) -> torch.Tensor:
    layer = last_convolution(model)
    if layer is None:
        raise BadInput(
            f"A {type(model).__name__} has no convolution", "a network of images", "Use loss='rrr'"
        )
    with watched(model, [layer]) as seen:
        z = model(x)
        answer = (z - z.mean(1, keepdim=True)).gather(1, y[:, None]).sum()
        slope = torch.autograd.grad(answer, seen[layer], create_graph=True)[0]
    cam = (slope.mean((2, 3), keepdim=True) * seen[layer]).sum(1, keepdim=True)
    there = F.interpolate(cam, x.shape[-2:], mode="bilinear", align_corners=False)
    return (there * mask.amax(1, keepdim=True)).pow(2).flatten(1).mean(1).mean()


def _counterexamples(
    x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor, donors: torch.Tensor, weight: float
) -> Term:
    def held(model: nn.Module, batch: Batch) -> torch.Tensor:
        chosen = _drawn(len(x), batch)
        changed, device = exchanged(x[chosen], mask[chosen], donors, batch.draws), batch.x.device
        return weight * F.cross_entropy(model(changed.to(device)), y[chosen].to(device))

    return held


def exchanged(
    x: torch.Tensor, mask: torch.Tensor, donors: torch.Tensor, draws: torch.Generator
) -> torch.Tensor:
    """Return rows whose marked part comes from other rows, or for half of them, of images, is one random shade."""
    other = donors[torch.randint(len(donors), (len(x),), generator=draws)]
    if x.ndim == 4:
        shade = torch.rand(len(x), 1, 1, 1, generator=draws)
        plain = torch.rand(len(x), 1, 1, 1, generator=draws) < 0.5
        other = torch.where(plain, shade.expand_as(other), other)
    return torch.where(mask, other, x)
