"""The sham: what the fine-tuning of a compression does to a model from which nothing is removed."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from .. import files
from ..data.records import Data
from ..zoo.holder import unwrap
from .compressed import Compressed
from .distillation import fine_tuned


def sham(compressed: Compressed, data: Data, *, verbose: bool = True) -> nn.Module:
    """Train the original as the compression trained, with nothing removed.

    The same loss, schedule, seed and data. Without it no drift can be blamed on compression: twelve more
    epochs on labels alone move the maps half-way to another training run. For a compression without
    training the sham is the original itself.

    Parameters
    ----------
    compressed
        From :func:`prune` or :func:`quantize`; its ``steps`` say what was trained.
    data
        The rows that the compression was fine-tuned on.
    verbose
        Show progress.

    Returns
    -------
    nn.Module
        A new model in evaluation mode.
    """
    original = compressed.original
    net = copy.deepcopy(original).eval()
    for step in compressed.steps:
        for round in range(len(step["epochs"])):
            held = compressed.keep if step.get("keep") else None
            net = fine_tuned(net, original, data, step, round, verbose=verbose, keep=held)
    net.recipe = {"sham_of": files.plain(compressed.steps)}
    return net


def is_sham_of(model: Any, compressed: Any) -> bool:
    """Whether a model was trained by :func:`sham` for this very compression."""
    known = (getattr(unwrap(model), "recipe", None) or {}).get("sham_of")
    return isinstance(compressed, Compressed) and known == files.plain(compressed.steps)
