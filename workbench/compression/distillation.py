"""The loss of every fine-tuning: stay close to the original's answers, or learn the labels alone."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..data.records import Data
from ..errors import BadInput
from ..training import Batch, Term, cross_entropy, fit

PRESERVE = ("behaviour", None)
TEMPERATURE, WEIGHT = 4.0, 0.9


def distilled(teacher: nn.Module, temperature: float = TEMPERATURE, weight: float = WEIGHT) -> Term:
    """Return a term that keeps a student close to a teacher on the same batch (Hinton, Vinyals and Dean 2015).

    ``weight`` x temperature² x the divergence of the softened answers, and the rest on the labels. Nothing
    that is explained is trained on.
    """
    teacher = copy.deepcopy(teacher).eval().requires_grad_(False)

    def distillation(student: nn.Module, batch: Batch) -> torch.Tensor:
        z = student(batch.x)
        with torch.no_grad():
            taught = F.softmax(teacher(batch.x) / temperature, 1)
        soft = F.kl_div(F.log_softmax(z / temperature, 1), taught, reduction="batchmean")
        return weight * temperature**2 * soft + (1 - weight) * F.cross_entropy(z, batch.y)

    return distillation


def fine_tuned(model: nn.Module, original: nn.Module, data: Data | None, step: dict[str, Any], round: int,
               after_step: Any = None, verbose: bool = True) -> nn.Module:  # fmt: skip
    """Train one round of a step, pruned or sham: the same loss, schedule, seed and data for both."""
    epochs = step["epochs"][round]
    if data is None or not epochs:
        return model
    terms = (distilled(original) if step["preserve"] == "behaviour" else cross_entropy,)
    options = {name: step[name] for name in ("lr", "batch_size", "augment")}
    return fit(model, data, epochs=epochs, seed=step["seed"] + round, terms=terms, after_step=after_step,
               verbose=verbose, **options).whole()  # fmt: skip


def checked(preserve: Any) -> Any:
    """Return ``preserve`` if it is known."""
    if preserve not in PRESERVE:
        raise BadInput(f"preserve is {preserve!r}", f"one of {PRESERVE}", "Choose one")
    return preserve
