"""The checks that run on every result: what is found stands in ``flags``, name -> sentence.

========================  ==========================================================================
flag                      what was found
========================  ==========================================================================
``train mode``            the model was in train mode; it was explained in evaluation mode and put back
``NaN``                   values that are not finite
``constant map``          rows whose values are all equal: nothing can be ranked
``gap``                   rows whose values miss their promised sum by more than 5 % of |output - base|
``twin``                  an int8 model was explained through its differentiable surrogate
``saturated``             a probability or its logarithm is explained where the softmax is above .9999
``log-probabilities``     an estimator without logits: log-probabilities, at least log 1e-6, stand for them
``probabilities``         the model's outputs look like probabilities and were taken as logits
``layer used twice``      a hooked layer ran more than once a forward; its last output was taken
``shared draws``          rows share their random draws, so their sampling errors are not independent
``few samples``           a regression has fewer than 10 samples a group
``batch``                 a dynamic int8 model, whose activations are scaled by the batch
``cut off``               texts longer than what the model reads
``unknown words``         more than a tenth of the words are not in the vocabulary
``unknown category``      a column holds a value that it had not in training
``interaction``           along a column single rows move otherwise than their mean (a share above .1)
``correlated columns``    curves along one of two columns whose ranks correlate by .7 and more
``no concept``            shares of a concept that are those of random directions, or of no concept of the layer
========================  ==========================================================================

A hook that does not fire is an error, not a flag.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ..data.tokenizer import SPECIAL, UNK
from .registry import Method
from .score import Score

GAP, UNKNOWN = 0.05, 0.1
SMALL = 1e-4  # a smaller difference of outputs is held for rounding


def of_model(model: Any) -> dict[str, str]:
    """Return what is noticed about a model before it is explained."""
    flags = {}
    if isinstance(model, nn.Module) and any(m.training for m in model.modules()):
        flags["train mode"] = "The model was in train mode: explained in evaluation mode, and put back."
    if (getattr(model, "int8", None) or {}).get("how") == "dynamic":
        flags["batch"] = (
            "Dynamic int8: activations are scaled by the batch, so that a row's output depends a little on the others."
        )
    return flags


def of_rows(x: np.ndarray | None, codec: Any) -> dict[str, str]:
    """Return what is noticed about rows: words and categories that the model does not know."""
    if x is None or codec is None:
        return {}
    return _of_words(x, codec) | _of_categories(x, codec)


def _of_words(x: np.ndarray, codec: Any) -> dict[str, str]:
    if getattr(codec, "vocabulary", ())[: UNK + 1] != SPECIAL[: UNK + 1]:
        return {}
    words, unknown = int((~np.isin(x, codec.kept)).sum()), int((x == UNK).sum())
    if unknown <= UNKNOWN * words:
        return {}
    return {
        "unknown words": f"{unknown} of {words} words are not in the vocabulary: to the model they are one word."
    }


def _of_categories(x: np.ndarray, codec: Any) -> dict[str, str]:
    shares = {c.name: (x[:, codec.members[c.name]] + np.array(c.means)).sum(1)
              for c in getattr(codec, "columns", ()) if c.categories}  # fmt: skip
    if strange := [name for name, share in shares.items() if (share < 0.5).any()]:
        return {
            "unknown category": f"Values of {', '.join(strange)} were not in training: to the model they are none of the known."
        }
    return {}


def of_call(
    score: Score, common: dict[str, Any], entry: Method, n: int, facts: dict[str, Any]
) -> dict[str, str]:
    """Return what is noticed about how a result came about."""
    flags = {}
    if score.uses_twin:
        unequal, asked = score.unequal[0], score.n_forward
        equal = f"on all {asked:,}" if not unequal else f"on {asked - unequal:,} of the {asked:,}"
        flags["twin"] = (
            "An int8 model has no gradient: its differentiable surrogate was explained, whose outputs were bit-equal "
            f"{equal} points that were asked; its gradient describes changes of norm of about .6 and more."
        )
    drawn = entry.takes("shared_draws") and facts.get("coalitions") != "all"
    if n > 1 and drawn and common.get("shared_draws", True):
        flags["shared draws"] = "Rows share their random draws: their sampling errors are not independent."
    return flags


def of_values(values: np.ndarray, delta: np.ndarray | None, difference: np.ndarray | None) -> dict[str, str]:
    """Return what is noticed about the values of a result."""
    flags, n = {}, len(values)
    flat = values.reshape(n, -1)
    if bad := int((~np.isfinite(flat)).any(1).sum()):
        flags["NaN"] = f"{bad} of {n} rows hold values that are not finite."
    if still := int((np.ptp(np.nan_to_num(flat), axis=1) == 0).sum()):
        flags["constant map"] = f"In {still} of {n} rows all values are equal."
    if delta is not None and difference is not None:
        relative = np.abs(delta) / np.maximum(np.abs(difference), SMALL)
        if wide := int((relative > GAP).sum()):
            flags["gap"] = (
                f"In {wide} of {n} rows the values miss the output's difference by more than {GAP:.0%} "
                f"(the largest gap is {np.abs(delta).max():.3g})."
            )
    return flags
