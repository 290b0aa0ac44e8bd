"""What is explained: one number made of a model's scores, and the scores found in whatever a model returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.nn import functional as F

from ..errors import BadInput

OUTPUTS: dict[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "logit": lambda z, t, r: of_class(z, t),
    "centred_logit": lambda z, t, r: of_class(z, t) - z.mean(1),
    "log_prob": lambda z, t, r: of_class(F.log_softmax(z, 1), t),
    "probability": lambda z, t, r: of_class(F.softmax(z, 1), t),
    "label_probability": lambda z, t, r: torch.sigmoid(of_class(z, t)),
    "runner_up": lambda z, t, r: of_class(z, t) - of_class(z, r),
    "raw": lambda z, t, r: z[:, 0],
}
OF_ONE_SCORE = ("logit", "label_probability", "raw")  # what needs no other class beside it


def of_class(z: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Return each row's score for its class, ``(n,)``."""
    return z.gather(1, classes[:, None])[:, 0]


def found_scores(answer: Any, n: int) -> tuple[torch.Tensor, str]:
    """Return the scores ``(n, class)`` in what a model returned for ``n`` rows, and in words where they were.

    A tensor is taken as it is; of a mapping or an object with ``logits`` (Hugging Face) these; of a tuple
    the first tensor. The words are empty for a plain tensor.
    """
    z, where = answer, ""
    if isinstance(answer, Mapping) and "logits" in answer:
        z, where = answer["logits"], "its logits"
    elif isinstance(getattr(answer, "logits", None), torch.Tensor):
        z, where = answer.logits, "its logits"
    elif isinstance(answer, tuple) and answer and isinstance(answer[0], torch.Tensor):
        z, where = answer[0], f"the first of its {len(answer)} outputs"
    if not isinstance(z, torch.Tensor) or z.ndim not in (1, 2) or len(z) != n:
        got = tuple(z.shape) if isinstance(z, torch.Tensor) else type(z).__name__
        raise BadInput(f"The model returned {got} for a batch of {n}", "scores of shape (n, class)",
                       "Wrap the model in a function that returns them")  # fmt: skip
    return (z if z.ndim == 2 else z[:, None]).float(), where


def two_sided(z: torch.Tensor) -> torch.Tensor:
    """Return the logit of class 1 against class 0, ``(n, 1)``, as a score for each: half of it, with its sign."""
    return torch.cat([-z / 2, z / 2], 1)
