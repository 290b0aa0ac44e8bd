"""The examples that a model holds for most like an input."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..data.records import Split
from ..errors import BadInput, unknown
from .registry import ABSENCE, method
from .score import Score
from .space import Space

METRICS = ("cosine", "euclidean")


@method("prototypes", ignores=ABSENCE, needs={"layers"}, signed=True, attributes=False,
        cost="1, and 1 for each example",
        estimand="which examples the model holds for most like an input, and how near they are in its last layer",
        paper="Caruana, Kangarloo, Dionisio, Sinha and Johnson 1999; Papernot and McDaniel 2018",
        misleads="Near in the model's space, which may rest on a shortcut both share; not that the answer was learned from them; "
                 "the nearest may be far. Its values are no attributions.")  # fmt: skip
def prototypes(score: Score, inputs: Space, *, examples: Any = None, example_classes: Any = None, example_ids: Any = None,
               k: int = 5, metric: str = "cosine", layer: str | None = None) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return how near the ``k`` nearest examples are, nearest first, ``(n, k)`` (Caruana et al. 1999; Papernot and McDaniel 2018).

    ``examples`` is a Split such as ``data.train``, or rows with ``example_classes`` (and ``example_ids``). The
    space is what the last layer with weights is given, or what ``layer`` gives. ``metric="cosine"``: 1 for the
    same direction, 0 for none in common; "euclidean": the distance with a minus, so that more is nearer.

    A row each in ``settings``: "neighbours" (their ids), "places" among the examples, "neighbour_classes", and
    "agreement", the share of them whose class is the explained one (by default what the model predicts): low
    where it has little support in what it learned. An input that is among the examples finds itself.
    """
    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    x, y, ids = _examples(examples, example_classes, example_ids, inputs)
    if k > len(x):
        raise BadInput(
            f"k is {k} for {len(x)} examples", "as many at most", "Lower it, or pass more examples"
        )
    read, where = _reader(score, inputs, layer)
    values, places = _nearest(read(inputs.x), read(x), k, metric)
    classes = y[places]
    agreement = (classes == score.target.numpy(force=True)[:, None]).mean(1)
    return values, {
        "examples": x.numpy(force=True), "example_classes": y, "example_ids": ids, "space": where,
        "neighbours": ids[places].tolist(), "places": places.tolist(), "neighbour_classes": classes.tolist(),
        "agreement": agreement.tolist(), "feature_names": tuple(f"nearest {i + 1}" for i in range(k)),
    } | ({} if layer is None else {"layer": layer})  # fmt: skip


def _examples(
    examples: Any, classes: Any, ids: Any, inputs: Space
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return the rows among which neighbours are sought, their classes and their ids."""
    if isinstance(examples, Split):
        examples, classes, ids = examples.x, examples.y, examples.row_ids
    if examples is None or classes is None:
        raise BadInput(f"examples is {'None' if examples is None else 'rows without classes'}",
                       "rows with their classes, among which neighbours are sought", "Pass examples=data.train")  # fmt: skip
    x = torch.tensor(np.asarray(examples)).to(inputs.x)
    y = np.asarray(classes)
    ids = np.arange(len(x)) if ids is None else np.asarray(ids)
    if x.shape[1:] != inputs.x.shape[1:] or not len(x) == len(y) == len(ids):
        raise BadInput(f"examples has shape {tuple(x.shape)}, with {len(y)} classes and {len(ids)} ids",
                       f"rows of shape {tuple(inputs.x.shape[1:])} with a class and an id each",
                       "Pass a Split such as data.train")  # fmt: skip
    return x, y, ids


def _reader(score: Score, inputs: Space, layer: str | None) -> tuple[Any, str]:
    """Return what turns rows into points of the model's space, and what that space is."""
    named = {name: score.layer(name)[1] for name in score.weights() if name}
    if layer is None and not named:
        raise BadInput("The model has no layer with weights", "a layer", "Name one with layer=")
    last = _last_called(score, inputs.x[:1], named) if layer is None else ""
    module = named[last] if layer is None else score.layer(layer)[1]

    @torch.no_grad()
    def read(x: torch.Tensor) -> torch.Tensor:
        seen: list[torch.Tensor] = []
        with score.watching(module) as given:
            hook = module.register_forward_pre_hook(lambda _m, i: seen.append(i[0]))
            try:
                for part in x.split(score.batch_size):
                    score.scores(part)
            finally:
                hook.remove()
        parts = seen if layer is None else given
        return torch.cat([_plain(part) for part in parts]).flatten(1).double()

    return read, f"what {last} is given" if layer is None else f"what {layer} gives"


def _plain(values: torch.Tensor) -> torch.Tensor:
    return values.dequantize() if values.is_quantized else values


def _last_called(score: Score, x: torch.Tensor, named: dict[str, Any]) -> str:
    """Return the layer with weights that a forward calls last."""
    called: list[str] = []
    hooks = [
        m.register_forward_pre_hook(lambda _m, _i, name=name: called.append(name))
        for name, m in named.items()
    ]
    try:
        with torch.no_grad():
            score.scores(x)
    finally:
        for hook in hooks:
            hook.remove()
    if not called:
        raise BadInput(
            "No layer with weights was called",
            "a layer that the model runs as a module",
            "Name one with layer=",
        )
    return called[-1]


def _nearest(
    points: torch.Tensor, examples: torch.Tensor, k: int, metric: str
) -> tuple[torch.Tensor, np.ndarray]:
    """Return how near the nearest examples of each point are, and which they are."""
    if metric == "cosine":
        near = F.normalize(points, dim=1) @ F.normalize(examples, dim=1).T
    else:
        near = -torch.cdist(points, examples, compute_mode="donot_use_mm_for_euclid_dist")
    values, places = near.sort(dim=1, descending=True, stable=True)
    return values[:, :k], places[:, :k].numpy(force=True)
