"""Methods that look at what a layer computes."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F

from ..errors import BadInput
from .registry import ABSENCE, method
from .score import Score
from .space import Space


@method("grad_cam", graph=True, ignores=ABSENCE, needs={"gradient", "convolution", "image"}, signed=False, cost="1 and its gradient",
        estimand="where the channels of a layer that speak for the output are active, coarsely",
        paper="Selvaraju, Cogswell, Das, Vedantam, Parikh and Batra 2017",
        misleads="Coarse: one value a cell of the layer, upsampled; rectified, it hides what speaks against.")  # fmt: skip
def grad_cam(score: Score, inputs: Space, *, layer: str | None = None, relu: bool = True,
             upsample: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return Grad-CAM of a layer, the last convolution by default, ``(n, 1, row, column)`` (Selvaraju et al. 2017)."""
    from captum.attr import LayerGradCam

    name, module = score.layer(layer)
    captum, graph = LayerGradCam(score, module), {"create_graph": score.keeps_graph}
    parts = []
    for rows in score.chunks(inputs.n):
        x = inputs.x[rows].detach().requires_grad_()
        with score.watching(module):
            parts.append(
                captum.attribute(
                    x, additional_forward_args=(rows,), relu_attributions=relu, grad_kwargs=graph
                )
            )
    values = torch.cat(parts)
    if values.ndim != 4:
        raise BadInput(f"The layer {name} has no rows and columns", "a convolution, or what follows one",
                       "Choose another layer, or leave layer out")  # fmt: skip
    return upsampled(values, inputs, upsample), {"layer": name}


@method("activation", ignores=ABSENCE, needs={"layers", "image"}, signed=True, cost="1",
        estimand="how active a layer is at each place, whatever the output",
        paper="Zeiler and Fergus 2014; Bau, Zhou, Khosla, Oliva and Torralba 2017",
        misleads="Says what the layer responds to, not whether the output depends on it; it knows no class.")  # fmt: skip
def activation(score: Score, inputs: Space, *, layer: str | None = None, channel: int | None = None,
               upsample: bool = True) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return a layer's activation, the mean over channels or one channel (Zeiler and Fergus 2014).

    ``(n, 1, row, column)``, or ``(n, unit)`` for a layer without rows and columns.
    """
    name, module = score.layer(layer)
    parts = []
    for rows in score.chunks(inputs.n):
        with torch.no_grad(), score.watching(module) as seen:
            score.scores(inputs.x[rows], rows)
        parts.append(seen[-1].detach())
    values = torch.cat(parts)
    if channel is not None:
        values = _channel(values, channel, name)
    if values.ndim != 4:
        return values.flatten(1), {"layer": name}
    values = values.mean(1, keepdim=True) if channel is None else values
    return upsampled(values, inputs, upsample), {"layer": name}


def _channel(values: torch.Tensor, channel: Any, name: str) -> torch.Tensor:
    n = values.shape[1]
    if channel not in range(n):
        raise BadInput(f"channel is {channel!r}", f"0 to {n - 1}, as {name} has {n}", "Choose another")
    return values[:, [channel]]


def upsampled(values: torch.Tensor, inputs: Space, wanted: bool) -> torch.Tensor:
    """Return maps ``(n, 1, row, column)`` of a layer at the size of the inputs, where that is wanted."""
    size = inputs.x.shape[-2:]
    return F.interpolate(values, size, mode="bilinear", align_corners=False) if wanted else values
