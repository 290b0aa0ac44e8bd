"""May one say that the compressed model still responds to the same parts of its input? The rule, and nothing else.

Four words: **no sign that it moved beyond retraining**, **moved**, **moved for a group**, **cannot tell**.
The rule reads the primary similarity and the answers kept, each against a margin fixed before results. It
never reads the index, nor any row that was trained on: the caller hands in none.

Each measure lies, with its 95 % interval, in one of three zones of its margin: ``below`` (the upper bound
is below it), ``clear`` (the lower bound reaches it) or ``open``. Behaviour is answers kept in several
conditions: below if any is, clear if all are, else open. Then, in this order:

=========================================================  =================
fewer than 100 inputs, no references, an original that is
not 10 points better than a randomized model, or nothing
measured of its behaviour                                  cannot tell
similarity below, behaviour clear: they disagree           cannot tell
similarity below, or behaviour below                       moved
a group of at least 30 is below its margin, after Holm     moved for a group
similarity clear, behaviour clear                          no sign
else                                                       cannot tell
=========================================================  =================

As a truth table, where no group moved:

================  ===============  ==============  ===============
                  behaviour below  behaviour open  behaviour clear
================  ===============  ==============  ===============
similarity below  moved            moved           cannot tell
similarity open   moved            cannot tell     cannot tell
similarity clear  moved            cannot tell     no sign
================  ===============  ==============  ===============

**The disagreement is one-sided on purpose.** Maps are evidence about behaviour, so maps that moved while
every answer was kept leave open what happened. The other way round nothing is left open: answers changed
beyond retraining, and maps that look alike do not take that back. A model made to keep its maps and change
its answers (Heo et al. 2019, Anders et al. 2020) must not earn a milder word by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .. import html
from .intervals import holm
from .margins import BELOW, CLEAR, OPEN, ROUNDING, Group, Measured, capital, closed

NO_SIGN = "no sign that it moved beyond retraining"
MOVED = "moved"
MOVED_FOR_A_GROUP = "moved for a group"
CANNOT_TELL = "cannot tell"
EXIT_CODES = {NO_SIGN: 0, MOVED: 1, MOVED_FOR_A_GROUP: 1, CANNOT_TELL: 3}

DISAGREEMENTS = frozenset({(BELOW, CLEAR)})  # (similarity, behaviour)

SMALLEST_SAMPLE, SMALLEST_GROUP = 100, 30  # inputs
SMALLEST_ADVANTAGE = 10.0  # points of accuracy over a randomized model
STRONG_REFERENCES, STRONG_SAMPLE, MODERATE_REFERENCES = 5, 400, 3
GROUP_LEVEL = 0.05  # for all groups and measures together
LIMIT = "maps are evidence about behaviour near these inputs, not proof of reasoning"


@dataclass(frozen=True)
class Verdict:
    """What may be said about a pair of models, and why.

    Parameters
    ----------
    word
        One of the four.
    sentence, doubt
        What a reader needs first: the claim in numbers, and what speaks against leaning on it.
    evidence
        "strong", "moderate" or "weak": how much was measured, whatever came out.
    reasons
        Sentences without their full stop; the first is the one that decided.
    """

    word: str
    sentence: str
    doubt: str
    evidence: str
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 no sign, 1 moved (also for a group), 3 cannot tell."""
        return EXIT_CODES[self.word]

    def told(self, sentence: str, doubt: str) -> Verdict:
        """Return the same verdict in other words: those of the module ``wording``."""
        return replace(self, sentence=sentence, doubt=doubt)

    def __str__(self) -> str:
        return f"{self.word} (evidence: {self.evidence}). {self.sentence} Doubt: {self.doubt}"

    def _repr_html_(self) -> str:
        facts = {"Evidence": self.evidence, "In numbers": self.sentence, "Doubt": self.doubt}
        return html.record(f"Verdict: {self.word}", facts, html.listing(self.reasons))


def rule(similarity: str, behaviour: str, group_moved: bool) -> str:
    """Return the word for two zones and whether a group moved, where nothing forbids to judge.

    Examples
    --------
    >>> rule("clear", "clear", group_moved=False), rule("below", "clear", group_moved=True)
    ('no sign that it moved beyond retraining', 'cannot tell')
    """
    if (similarity, behaviour) in DISAGREEMENTS:
        return CANNOT_TELL
    if BELOW in (similarity, behaviour):
        return MOVED
    if group_moved:
        return MOVED_FOR_A_GROUP
    return NO_SIGN if similarity == behaviour == CLEAR else CANNOT_TELL


def decide(
    *,
    n: int,
    references: int,
    advantage: float,
    similarity: Measured,
    kept: Sequence[Measured],
    groups: Sequence[Group] = (),
    real_artifact: bool = True,
    sham: bool = True,
) -> Verdict:
    """Say which of the four words the measurements allow; the module's text holds the truth table.

    Parameters
    ----------
    n
        How many inputs were compared.
    references
        How many other training runs there were.
    advantage
        Accuracy of the original minus that of a randomized model, in points (per cent).
    similarity
        The primary end point against its margin: untrained, gradient-free, on the real artifact.
    kept
        Answers kept, fractions, one for each condition (clean, masked, noisy), each against its own margin.
    groups
        Any measure within any group (class, column, writer). Holm's correction is made here, over those of
        at least 30 inputs; smaller ones are named and not judged.
    real_artifact
        Whether the thing that ships was measured, not a stand-in for it.
    sham
        Whether there was a model trained on with nothing removed; only said, since its mean is in the margin.

    Returns
    -------
    Verdict
        With the deciding reason as its sentence; module ``wording`` makes better ones.

    Examples
    --------
    >>> alike = Measured("similarity of occlusion maps", 0.96, 0.95, 0.97, margin=0.94)
    >>> kept = [Measured("answers kept on clean inputs", 0.992, 0.977, 0.998, margin=0.96)]
    >>> verdict = decide(n=400, references=5, advantage=88.0, similarity=alike, kept=kept)
    >>> verdict.word, verdict.evidence, verdict.exit_code
    ('no sign that it moved beyond retraining', 'strong', 0)
    >>> decide(n=8, references=5, advantage=88.0, similarity=alike, kept=kept).reasons[0]
    '8 inputs were compared and at least 100 are needed'
    """
    obstacles = _obstacles(n, references, advantage, kept)
    behaviour, moved = _behaviour(kept), _moved_groups(groups)
    word = CANNOT_TELL if obstacles else rule(similarity.zone, behaviour, bool(moved))
    found = [*_conflict(similarity.zone, behaviour), *_ordered(word, similarity, kept, moved)]
    reasons = (*obstacles, *found, *_remarks(groups, sham, real_artifact))
    return Verdict(word, closed(reasons[0]), closed(LIMIT), _evidence(n, references, real_artifact), reasons)


def _obstacles(n: int, references: int, advantage: float, kept: Sequence[Measured]) -> list[str]:
    """Return what forbids any judgement; a number that is NaN forbids it too."""
    checks = (
        (n >= SMALLEST_SAMPLE, f"{n} inputs were compared and at least {SMALLEST_SAMPLE} are needed"),
        (references >= 1, "There are no other training runs to compare with: give a list of references"),
        (advantage >= SMALLEST_ADVANTAGE, f"The original beats a randomized model by {advantage:.1f} points and at "
                                          f"least {SMALLEST_ADVANTAGE:g} are needed"),
        (bool(kept), "Nothing was measured of its behaviour: give the answers kept"),
    )  # fmt: skip
    return [sentence for passed, sentence in checks if not passed]


def _behaviour(kept: Sequence[Measured]) -> str:
    zones = {measured.zone for measured in kept}
    if BELOW in zones:
        return BELOW
    return CLEAR if zones == {CLEAR} else OPEN


def _moved_groups(groups: Sequence[Group]) -> list[Group]:
    """Return the groups below their margin: large enough, and by a test that was corrected for their number."""
    tested = [group for group in groups if group.n >= SMALLEST_GROUP]
    adjusted = holm([group.p for group in tested])
    below = [g.value < g.margin - ROUNDING for g in tested]
    return [g for g, p, low in zip(tested, adjusted, below, strict=True) if p < GROUP_LEVEL and low]


def _conflict(similarity: str, behaviour: str) -> list[str]:
    if (similarity, behaviour) not in DISAGREEMENTS:
        return []
    where = {BELOW: "below its margin", CLEAR: "clear of its margin"}
    return [f"The similarity is {where[similarity]} and behaviour is {where[behaviour]}: the two disagree"]


def _ordered(word: str, similarity: Measured, kept: Sequence[Measured], moved: Sequence[Group]) -> list[str]:
    """Return what was found, the deciding findings first."""
    measured = [similarity, *kept]
    first = {MOVED: BELOW, MOVED_FOR_A_GROUP: None, NO_SIGN: CLEAR, CANNOT_TELL: OPEN}[word]
    decisive = sorted(measured, key=lambda m: m.zone != first) if first else measured
    groups, rest = [capital(str(g)) for g in moved], [capital(str(m)) for m in decisive]
    return [*groups, *rest] if word == MOVED_FOR_A_GROUP else [*rest, *groups]


def _remarks(groups: Sequence[Group], sham: bool, real_artifact: bool) -> list[str]:
    small = [group.name for group in groups if group.n < SMALLEST_GROUP]
    remarks = (
        (not sham, "There was no sham: the margin of the similarity is the references' mean alone"),
        (not real_artifact, "What was measured is a stand-in for the thing that ships"),
        (bool(small), f"Fewer than {SMALLEST_GROUP} inputs, not judged: {', '.join(small)}"),
    )
    return [sentence for holds, sentence in remarks if holds]


def _evidence(n: int, references: int, real_artifact: bool) -> str:
    """Say how much was measured; with more references or inputs it is never less."""
    if not real_artifact or references < MODERATE_REFERENCES or n < SMALLEST_SAMPLE:
        return "weak"
    return "strong" if references >= STRONG_REFERENCES and n >= STRONG_SAMPLE else "moderate"
