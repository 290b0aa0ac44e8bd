"""Views of the model's own weights: as they are, what the loss owes to them, and what leads from input to output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ..errors import BadInput, NotExplainable, unknown
from ..training import first_order, loss_gradients, removable
from .aggregates import Ask, aggregated
from .chains import chain
from .registry import ABSENCE, look_up, method, refusal
from .score import Score
from .space import Space

HALVES, RULES = ("aggregated", "structural"), ("garson", "olden")
PARTS = 10  # of the rows: one is left out at a time


@method("weights", ignores=ABSENCE, needs={"layers"}, signed=True, scope="global", cost="none",
        estimand="the weights of one layer, as they are",
        paper="Zeiler and Fergus 2014 (filters of a first convolution)",
        misleads="A large weight on an input that never varies does nothing; only a first layer can be read directly.")  # fmt: skip
def weights(score: Score, inputs: Space | None, *, layer: str | None = None) -> tuple[torch.Tensor, dict]:
    """Return a layer's weights, the first that has any by default: ``(unit, ...)``."""
    named = score.weights()
    if not named:
        raise BadInput("The model has no weights", "a layer with weights", "Explain it with a local method")
    name = next(iter(named)) if layer is None else layer
    if name not in named:
        raise unknown("layer with weights", name, named)
    return named[name], {"layer": name}


@method("parameter_sensitivity", ignores=ABSENCE, needs={"layers", "trainable", "rows"}, signed=False, scope="global",
        cost="2 and their gradients, for each row",
        estimand="by how much the loss on these rows would change without each weight, to first order, a layer's added up",
        paper="Molchanov, Tyree, Karras, Aila and Kautz 2017",
        misleads="To first order, one weight at a time: whole layers are worth more or less than their sum; at a minimum of the "
                 "loss gradients vanish, and what is left is noise of few rows; larger layers have larger sums "
                 "(settings['mean'] is a weight's).")  # fmt: skip
def parameter_sensitivity(
    score: Score, inputs: Space, *, layer: str | None = None
) -> tuple[torch.Tensor, dict]:
    """Return |weight x gradient of the loss| added up in each layer, ``(1, layer)``, in nats (Molchanov et al. 2017).

    The loss is the mean cross entropy of the rows with their classes. With ``layer=`` the numbers of that
    layer's own weights, ``(unit, ...)``: what ``wb.prune(..., by="taylor")`` sorts by. Biases and norms are
    left out. ``settings["error"]`` are standard errors of the values' shape, from leaving out a tenth of the
    rows (or of their clusters) at a time; ``settings["mean"]`` is a layer's mean over its ``settings["weights"]``.
    """
    own, x, y = _weighed(score, layer), inputs.x, _classes(score, inputs)
    whole = loss_gradients(score.scores, own, x, y, score.batch_size)
    values = _by_layer(own, whole, layer)
    without = torch.stack([_by_layer(own, rest, layer) for rest in _leaving_out(score, inputs, own, whole)])
    k = len(without)
    error = ((without - without.mean(0)).square().sum(0) * (k - 1) / k).sqrt().numpy(force=True)
    if layer is not None:
        return values, {"layer": layer, "error": error}
    counts = [w.numel() for w in own.values()]
    mean = [float(v) / n for v, n in zip(values[0], counts, strict=True)]
    return values, {"error": error, "mean": mean, "weights": counts, "feature_names": tuple(own)}


def _weighed(score: Score, layer: str | None) -> dict[str, torch.Tensor]:
    """Return the weights that are looked at, by layer."""
    named = removable(score.model)
    if not named:
        raise BadInput("The model has no weights", "a layer with weights", "Explain it with a local method")
    if layer is not None and layer not in named:
        raise unknown("layer with weights", layer, named)
    return named if layer is None else {layer: named[layer]}


def _classes(score: Score, inputs: Space) -> torch.Tensor:
    y, n_classes = inputs.labels.long(), score.scores(inputs.x[:1]).shape[1]  # type: ignore[union-attr]
    if n_classes < 2 or y.max() >= n_classes:
        raise BadInput(f"The model has {n_classes} outputs, and classes run to {int(y.max())}", "an output a class",
                       "Pass the data that the model was trained for")  # fmt: skip
    return y


def _by_layer(own: dict[str, torch.Tensor], gradients: dict[str, torch.Tensor], layer: str | None) -> torch.Tensor:  # fmt: skip
    """Return the sensitivity of each layer ``(1, layer)``, or of each weight of the one that was asked for."""
    each = first_order(own, gradients)
    return torch.stack([one.double().sum() for one in each.values()])[None] if layer is None else each[layer]


def _leaving_out(score: Score, inputs: Space, own: dict[str, torch.Tensor],
                 whole: dict[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:  # fmt: skip
    """Yield the gradient of the mean loss of all rows but a tenth of them, whole clusters."""
    together = (
        np.arange(inputs.n) if inputs.clusters is None else np.unique(inputs.clusters, return_inverse=True)[1]
    )
    if together.max() < 1:
        raise BadInput("There is 1 row, or one cluster of rows", "at least two: an error is what other rows would move",
                       "Pass more")  # fmt: skip
    y = inputs.labels.long()  # type: ignore[union-attr]
    for part in range(min(PARTS, int(together.max()) + 1)):
        out = torch.as_tensor(np.flatnonzero(together % PARTS == part), device=inputs.x.device)
        share = len(out) / inputs.n
        gone = loss_gradients(score.scores, own, inputs.x[out], y[out], score.batch_size)
        yield {name: (total - share * gone[name]) / (1 - share) for name, total in whole.items()}


@method("gim", needs={"batch", "places"}, signed=True, scope="global",
        cost="none (structural); that of the local method, for each row and class (aggregated)",
        estimand="the mean size, over these rows, of what a local method gives each feature for each class",
        paper="Garson 1991; Olden and Jackson 2002",
        misleads="Weights alone know neither the activations nor the spread of the inputs, and Garson's shares have no sign; "
                 "a mean over rows hides that a feature speaks for a class here and against it there.")  # fmt: skip
def gim(score: Score, inputs: Space | None, *, half: str = "aggregated", by: str = "olden",
        of: str = "feature_ablation", options: dict | None = None, ask: Ask) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return a global view of the model for each class, ``(class, *features)``, by one of its two halves.

    ``half="aggregated"``: the mean size of what the local method ``of`` (with ``options``) gives all rows
    towards each class, in units of the output; ``settings["signed"]`` is the mean with signs, "error" and
    "signed_error" are standard errors over rows. ``half="structural"``: of the weights alone, for chains of linear
    layers. ``by="olden"`` adds up the signed products of weights along all ways from a feature to a class
    (Olden and Jackson 2002); ``by="garson"`` the shares in the sizes of the weights into each unit, which sum to 1 over
    the features (Garson 1991). Both are in units of the encoded input: standardize it first.
    """
    for name, value, known in (("half", half, HALVES), ("rule (by)", by, RULES)):
        if value not in known:
            raise unknown(name, value, known)
    if half == "structural":
        return _structural(score, inputs, by)
    if inputs is None:
        raise BadInput("gim was given no rows", "rows to add up the explanations of",
                       "Pass data.test as inputs, or half='structural'")  # fmt: skip
    facts = aggregated(score, inputs, of, options, ask)
    return facts.pop("values"), facts | {"abs": True}


def _structural(score: Score, inputs: Space | None, by: str) -> tuple[torch.Tensor, dict[str, Any]]:
    layers, why = chain(score.artifact)
    if why:
        kind = None if inputs is None else "image" if inputs.spatial else "table"
        refused = refusal(
            look_up("gim"), [f"half='structural' reads its weights, and {why}"], score.artifact, kind
        )
        raise NotExplainable(refused.wrong, "a chain of linear layers with activations between them",
                             f"half='aggregated' can, with any local method. {refused.todo}")  # fmt: skip
    values = garson(layers) if by == "garson" else olden(layers)
    placed = inputs is not None and values.shape[1] == inputs.x[0].numel()
    shape = inputs.x.shape[1:] if inputs is not None and placed else values.shape[1:]
    said = {"garson": "each feature's share in the sizes of the weights that lead to a class",
            "olden": "the signed products of the weights on all ways from a feature to a class"}  # fmt: skip
    return values.view(len(values), *shape), {"estimand": said[by], "abs": by == "garson"}


def olden(layers: list[torch.Tensor]) -> torch.Tensor:
    """Return the product of the layers' matrices, ``(class, entry)`` (Olden and Jackson 2002)."""
    whole = layers[0].double()
    for layer in layers[1:]:
        whole = layer.double() @ whole
    return whole


def garson(layers: list[torch.Tensor]) -> torch.Tensor:
    """Return shares in the sizes of weights, a unit's shares passed on by its share in the next, ``(class, entry)`` (Garson 1991)."""
    return olden([layer.abs() / layer.abs().sum(1, keepdim=True).clamp(min=1e-30) for layer in layers])
