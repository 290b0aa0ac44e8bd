"""A verdict in words: one sentence of numbers, one of doubt, as they stand on the first page."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .margins import BELOW, CLEAR, OPEN, Measured, closed, short
from .verdict import LIMIT, NO_SIGN, Verdict

_HOW = {
    CLEAR: "as in the original",
    BELOW: "otherwise than in the original",
    OPEN: "in a way that may or may not be the original's",
}


def sentence(
    verdict: Verdict,
    *,
    n: int,
    similarity: Measured,
    kept: float,
    sham: float = math.nan,
    references: float = math.nan,
    smaller: float = math.nan,
    faster: float = math.nan,
    noun: str = "inputs",
    asked: str = "hiding each part of the input changes its answer",
) -> str:
    """Put a verdict in words for the first page: what decided, the answers kept, the similarity, what was gained.

    Parameters
    ----------
    verdict
        From :func:`decide`; unless it is "no sign", its deciding reason comes first.
    n, noun
        How many of what: 400, "digits".
    similarity
        The primary end point, as given to :func:`decide`.
    kept
        The fraction of the original's answers that was kept on clean inputs.
    sham, references
        Mean similarity of the model that was merely trained on, and of other runs; left out where NaN.
    smaller, faster
        Ratios of bytes and of milliseconds, before over after; left out where NaN.
    asked
        What the primary method does, as the subject and verb of a sentence.

    Examples
    --------
    >>> alike = Measured("similarity", 0.96, 0.95, 0.97, margin=0.94)
    >>> verdict = Verdict(NO_SIGN, "", "", "strong", ("All clear",))
    >>> text = sentence(verdict, n=400, similarity=alike, kept=0.992, references=0.95, smaller=17.2)
    >>> print(text.replace("; ", ";\\n"))
    On 400 unseen inputs the compressed model gives 99.2 % of the original's answers;
    hiding each part of the input changes its answer as in the original (similarity .960, 95 % .950-.970;
    other training runs: .950). It is 17x smaller.
    """
    claim = (
        f"On {n:,} unseen {noun} the compressed model gives {_percent(kept)} of the original's answers; "
        f"{asked} {_HOW[similarity.zone]} ({_placed(similarity, sham, references)})."
    )
    before = [] if verdict.word == NO_SIGN else [closed(verdict.reasons[0])]
    return " ".join([*before, claim, *_gains(smaller, faster)])


def doubt(changed: int, *, noun: str = "inputs", worst: str = "", more: Sequence[str] = ()) -> str:
    """Name what speaks against leaning on a verdict: changed answers, the worst group, and what maps cannot say.

    Parameters
    ----------
    changed
        How many answers changed on clean inputs.
    worst
        The group that changed most, as it reads in a sentence: "class 9".
    more
        Further doubts of the caller, as they read in a list.

    Examples
    --------
    >>> print(doubt(8, noun="digits", worst="class 9").replace("; ", ";\\n"))
    The 8 digits whose answer changed, and class 9;
    maps are evidence about behaviour near these inputs, not proof of reasoning.
    """
    many = f"the {changed:,} {noun}" if changed > 1 else f"the one among the {noun}"
    answers = f"{many} whose answer changed" if changed else ""
    named = ", and ".join(part for part in (answers, worst) if part)
    return closed("; ".join(part for part in (named, *more, LIMIT) if part))


def _placed(similarity: Measured, sham: float, references: float) -> str:
    """Return the similarity with its interval, beside the controls that there are."""
    interval = (
        f", 95 % {short(similarity.low)}-{short(similarity.high)}" if similarity.low > -math.inf else ""
    )
    controls = (("the same net merely trained on", sham), ("other training runs", references))
    known = [f"{name}: {short(value)}" for name, value in controls if not math.isnan(value)]
    return "; ".join([f"similarity {short(similarity.value)}{interval}", *known])


def _gains(smaller: float, faster: float) -> list[str]:
    ratios = (("smaller", "larger", smaller), ("faster", "slower", faster))
    said = [_times(up, down, ratio) for up, down, ratio in ratios if ratio > 0]
    return [f"It is {' and '.join(said)}."] if said else []


def _times(more: str, less: str, ratio: float) -> str:
    word, factor = (more, ratio) if ratio >= 1 else (less, 1 / ratio)
    return f"{factor:.0f}x {word}" if factor >= 10 else f"{factor:.1f}x {word}"


def _percent(fraction: float) -> str:
    return "all" if fraction == 1 else f"{100 * fraction:.1f} %"
