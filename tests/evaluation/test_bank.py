"""The bank of pairs: what was measured is what is said of it, and it is large enough to say something."""

import json
from pathlib import Path

import pytest

from workbench.evaluation import bank
from workbench.evaluation.bank import CANNOT, DIFFERENT, SAME, Pair
from workbench.evaluation.verdict import CANNOT_TELL, MOVED, MOVED_FOR_A_GROUP, NO_SIGN

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "verdict.json"


def pair(truth, word, kind="a kind"):
    return Pair("a net", kind, truth, word, 400, 0.9, 0.8, 0.95, "a reason")


@pytest.mark.parametrize(
    ("truth", "word", "right"),
    [(SAME, NO_SIGN, True), (SAME, CANNOT_TELL, False), (DIFFERENT, MOVED, True), (DIFFERENT, MOVED_FOR_A_GROUP, True),
     (DIFFERENT, NO_SIGN, False), (CANNOT, CANNOT_TELL, True), (CANNOT, MOVED, False)],
)  # fmt: skip
def test_a_word_is_right_where_the_construction_warrants_it(truth, word, right):
    assert pair(truth, word).right is right


def test_words_are_counted_by_truth():
    pairs = [
        pair(SAME, NO_SIGN),
        pair(SAME, CANNOT_TELL),
        pair(DIFFERENT, NO_SIGN),
        pair(CANNOT, CANNOT_TELL),
    ]
    table = bank.confusion(pairs)
    assert table.to_numpy().sum() == 4 and table.loc[SAME, NO_SIGN] == 1 == table.loc[DIFFERENT, NO_SIGN]
    said = bank.said(pairs)
    assert said[0].startswith("4 pairs. False 'no sign': 1 of 2 (95 %") and "1 of 3" in said[-1]
    rows = bank.by_kind(pairs)
    assert rows[0]["named as such"] == 1 and rows[0]["otherwise"] == "a net: cannot tell"


def test_the_bank_is_as_large_as_was_promised_and_errs_as_is_said():
    pairs = bank.bank()
    assert len(pairs) >= 50 and {p.truth for p in pairs} == {SAME, DIFFERENT, CANNOT}
    assert len({(p.name, p.kind) for p in pairs}) == len(pairs)
    notes = json.loads(RESULTS.read_text("utf-8"))["notes"]
    assert notes[: len(bank.said(pairs))] == bank.said(pairs)


def test_nothing_that_differs_was_called_no_sign():
    assert not [p for p in bank.bank() if p.truth != SAME and p.word == NO_SIGN]
