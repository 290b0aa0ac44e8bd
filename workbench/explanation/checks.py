"""The checks that run on every result: what is found stands in ``flags``, name -> sentence, and decides one word.

A result is ``broken`` where its numbers are not what they say they are, ``caution`` where they are and may
mislead, else ``sound``; a note changes nothing. The worst flag decides.

========================  ========  ====================================================================
flag                      word      what was found
========================  ========  ====================================================================
``NaN``                   broken    values that are not finite
``sum missed``            broken    a ``gap`` in more than half of the rows: the promised sum does not hold
``drowned``               broken    a sampling error of at least the typical size of a value
``gap``                   caution   rows that miss their promised sum by more than 5 % of |output - base|
``noisy``                 caution   a sampling error above half the typical size of a value; where each value has
                                    an error of its own, no value that is twice its error
``poor fit``              caution   a surrogate whose weighted R² is below .5
``constant map``          caution   rows whose values are all equal: nothing can be ranked
``saturated``             caution   a probability or its logarithm, where the softmax is above .9999
``probabilities``         caution   outputs that look like probabilities were taken as logits
``layer used twice``      caution   a hooked layer ran more than once a forward; its last output was taken
``few samples``           caution   a regression with fewer than 10 samples a group
``cut off``               caution   texts longer than what the model reads
``spaces``                caution   texts that the model scores otherwise than the tokens that were explained
``unknown words``         caution   more than a tenth of the words are not in the vocabulary
``unknown category``      caution   a column holds a value that it had not in training
``raw baseline``          caution   rows without data: an absent column is 0 in its own unit
``read otherwise``        caution   reading the attention weights changes the output by more than rounding
``coarse``                caution   a hierarchy was not followed down to every group; what is left is shared
``compute``               caution   computed in another layout or precision, which changed values by so much
``interaction``           caution   along a column single rows move otherwise than their mean (a share above .1)
``correlated columns``    caution   curves along one of two columns whose ranks correlate by .7 and more
``no concept``            caution   shares of a concept that are those of random directions
``incomplete``            caution   rows of a whole split that are not explained yet
``train mode``            note      the model was in train mode; it was explained in evaluation mode
``twin``                  note      an int8 model was explained through its differentiable surrogate
``batch``                 note      a dynamic int8 model, whose activations are scaled by the batch
``log-probabilities``     note      an estimator without logits: log-probabilities, at least log 1e-6
``shared draws``          note      rows share random draws: their sampling errors are not independent
``baseline``              note      at the embedding a hidden word is a vector of padding that is still read
``another model``         note      a replay on a model with another fingerprint
``scores``                note      a model that returns more than scores: which of it was taken
``one output``            note      one output was taken as the logit of class 1 against class 0
``repaired``              note      layers got rules of their own on a copy that was proved equal
``over budget``           note      the fewest samples that the method takes cost more than the budget
``out of memory``         note      memory did not suffice: batches were halved, which changes no values
========================  ========  ====================================================================

A flag that stands in no table counts as ``caution``. A hook that does not fire is an error, not a flag.

Where the thresholds come from. 5 % is what a sum may miss before the order of values is in doubt; one row
whose output hardly differs from its base misses that easily, half of them do not. A value that is less than
twice its standard error cannot be told from zero at the usual 95 %, hence half; the typical size is the mean
absolute value of what the method values as one (a group, or a feature), and at an error of that size there is
nothing left but noise: values whose truth is zero have a mean size of .8 standard errors. Below an R² of .5
a surrogate leaves more of the output's variation unexplained than it explains (Ribeiro et al. 2016 give no
threshold; this one is ours).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import nn

from ..data.tokenizer import SPECIAL, UNK
from .registry import Method
from .score import Score

RULE = {
    **dict.fromkeys(("NaN", "sum missed", "drowned"), "broken"),
    **dict.fromkeys(("gap", "noisy", "poor fit", "constant map", "saturated", "probabilities"), "caution"),
    **dict.fromkeys(("layer used twice", "few samples", "cut off", "spaces"), "caution"),
    **dict.fromkeys(("unknown words", "unknown category", "raw baseline"), "caution"),
    **dict.fromkeys(("train mode", "twin", "batch", "log-probabilities"), "note"),
    **dict.fromkeys(("shared draws", "baseline", "another model"), "note"),
    **dict.fromkeys(
        (
            "read otherwise",
            "coarse",
            "compute",
            "interaction",
            "correlated columns",
            "no concept",
            "incomplete",
        ),
        "caution",
    ),
    **dict.fromkeys(("scores", "one output", "repaired", "over budget", "out of memory"), "note"),
}
WORDS = ("sound", "caution", "broken")
# ASCII, and different in shape: they survive any font and any printer.
MARKS = {"sound": "[ok]", "caution": "[!]", "broken": "[x]"}
NOISY, DROWNED = 0.5, 1.0  # sampling error over the typical size of a value
FIT = 0.5  # weighted R²
GAP, UNKNOWN = 0.05, 0.1
SMALL = 1e-4  # a smaller difference of outputs is held for rounding


def soundness(flags: Iterable[str]) -> str:
    """Return the word of the worst flag: "sound", "caution" or "broken".

    Examples
    --------
    >>> soundness([]), soundness(["twin"]), soundness(["twin", "gap"]), soundness(["gap", "NaN"])
    ('sound', 'sound', 'caution', 'broken')
    """
    found = {RULE.get(name, "caution") for name in flags}
    return next((word for word in reversed(WORDS) if word in found), "sound")


def deciding(flags: Iterable[str]) -> list[str]:
    """Return the flags that are more than notes, what breaks first."""
    counting = [name for name in flags if RULE.get(name) != "note"]
    return sorted(counting, key=lambda name: RULE.get(name) != "broken")


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
    if n > 1 and drawn and common.get("shared_draws", entry.shares_draws):
        flags["shared draws"] = "Rows share their random draws: their sampling errors are not independent."
    return flags


def of_values(values: np.ndarray, delta: np.ndarray | None, difference: np.ndarray | None) -> dict[str, str]:
    """Return what is noticed about the values of a result."""
    flags, n = {}, len(values)
    flat = values.reshape(n, -1)
    low, high = flat.min(1), flat.max(1)  # NaN where a row holds one
    if bad := int((~(np.isfinite(low) & np.isfinite(high))).sum()):
        flags["NaN"] = f"{bad} of {n} rows hold values that are not finite."
        low, high = (end(np.nan_to_num(flat), axis=1) for end in (np.min, np.max))
    if still := int((low == high).sum()):
        flags["constant map"] = f"In {still} of {n} rows all values are equal."
    if delta is not None and difference is not None:
        flags |= _of_sums(delta, difference)
    return flags


def _of_sums(delta: np.ndarray, difference: np.ndarray) -> dict[str, str]:
    relative = np.abs(delta) / np.maximum(np.abs(difference), SMALL)
    wide, n = int((relative > GAP).sum()), len(delta)
    if not wide:
        return {}
    said = (
        f"In {wide} of {n} rows the values miss the output's difference by more than {GAP:.0%} "
        f"(the largest gap is {np.nanmax(np.abs(delta)):.3g})."
    )
    if 2 * wide <= n:
        return {"gap": said}
    return {"gap": said, "sum missed": f"{wide} of {n} is more than half: the promised sum does not hold."}


def of_facts(values: np.ndarray, facts: dict[str, Any], entry: Method, space: Any) -> dict[str, str]:
    """Return what is noticed about what a method measured of itself: its fit and its sampling error."""
    error = facts.get("error")
    if error is None:
        return _of_fit(facts.get("fit"))
    if np.ndim(error):
        return _of_fit(facts.get("fit")) | _of_errors(values, np.asarray(error))
    return _of_fit(facts.get("fit")) | _of_error(values, float(error), _units(values, entry, space))


def _of_fit(fit: Any) -> dict[str, str]:
    if fit is None or not (poor := np.atleast_1d(fit) < FIT).any():
        return {}
    where = f" in {poor.sum()} of {len(poor)} rows" if len(poor) > 1 else ""
    return {
        "poor fit": f"The surrogate's weighted R² is {np.mean(fit):.2f}, below {FIT}{where}: it leaves more of the "
        "output unexplained than it explains."
    }


def _of_error(values: np.ndarray, error: float, units: float) -> dict[str, str]:
    """Hold the mean standard error against the mean absolute value of a unit."""
    typical = float(np.nansum(np.abs(values))) / max(units, 1)
    if error <= NOISY * typical:
        return {}
    name = "drowned" if error >= DROWNED * typical else "noisy"
    return {
        name: f"The mean sampling error is {error:.2g} where a typical value is {typical:.2g}: take more samples."
    }


def _of_errors(values: np.ndarray, errors: np.ndarray) -> dict[str, str]:
    """Hold each value against its own standard error: many may be zero, but not all."""
    if (NOISY * np.abs(values) >= np.broadcast_to(errors, values.shape)).any():
        return {}
    return {
        "noisy": "No value is twice its own standard error: none can be told from zero. Take more rows or samples."
    }


def _units(values: np.ndarray, entry: Method, space: Any) -> float:
    """Return how many numbers were estimated: groups where the method knows them, else features that count."""
    if entry.scope == "local" and "feature_mask" not in entry.ignores:
        return float((space.groups.flatten(1).amax(1) + 1).expand(len(values)).sum())
    hidden = 0 if entry.scope == "global" or space.fixed is None else int(space.fixed.sum())
    return float(values.size - hidden)
