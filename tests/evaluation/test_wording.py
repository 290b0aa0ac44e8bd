"""The sentence of the first page: every number from the caller, and no claim that the zones do not make."""

import math

import pytest

from workbench.evaluation.margins import Measured
from workbench.evaluation.verdict import CANNOT_TELL, MOVED, NO_SIGN, Verdict
from workbench.evaluation.wording import doubt, sentence

ALIKE = Measured("similarity", 0.96, 0.95, 0.97, margin=0.94)
UNLIKE = Measured("similarity", 0.5, 0.45, 0.55, margin=0.94)
UNSURE = Measured("similarity", 0.94, math.nan, math.nan, margin=0.94)


def verdict(word, *reasons):
    return Verdict(word, "", "", "strong", reasons or ("because",))


def test_the_sentence_of_the_page_is_whole():
    asked = "hiding each part of the image changes its answer"
    numbers = {"kept": 0.992, "sham": 0.97, "references": 0.95, "smaller": 17.1, "faster": 6.04}
    text = sentence(verdict(NO_SIGN), n=400, similarity=ALIKE, noun="digits", asked=asked, **numbers)
    assert text == (
        "On 400 unseen digits the compressed model gives 99.2 % of the original's answers; hiding each part of the "
        "image changes its answer as in the original (similarity .960, 95 % .950-.970; the same net merely trained on: "
        ".970; other training runs: .950). It is 17x smaller and 6.0x faster."
    )


@pytest.mark.parametrize(
    ("measured", "words"),
    [(ALIKE, "as in the original"), (UNLIKE, "otherwise than in the original"), (UNSURE, "may or may not")],
)
def test_the_claim_about_maps_is_that_of_their_zone(measured, words):
    assert words in sentence(verdict(MOVED), n=400, similarity=measured, kept=0.5)


def test_any_other_word_opens_with_what_decided():
    text = sentence(verdict(CANNOT_TELL, "8 inputs were compared"), n=8, similarity=UNSURE, kept=1.0)
    assert text.startswith("8 inputs were compared. On 8 unseen inputs the compressed model gives all of")


def test_what_is_not_known_is_left_out():
    text = sentence(verdict(NO_SIGN), n=400, similarity=UNSURE, kept=0.9)
    assert text.endswith("(similarity .940).") and "unknown" not in text


def test_a_loss_is_called_a_loss():
    text = sentence(verdict(NO_SIGN), n=400, similarity=ALIKE, kept=0.9, smaller=0.5, faster=0.8)
    assert text.endswith("It is 2.0x larger and 1.2x slower.")


def test_the_doubt_names_changed_answers_and_the_worst_group():
    limit = "maps are evidence about behaviour near these inputs, not proof of reasoning."
    assert (
        doubt(8, noun="digits", worst="class 9") == f"The 8 digits whose answer changed, and class 9; {limit}"
    )
    assert doubt(0) == limit.capitalize()
    assert doubt(0, more=["one reference only"]) == f"One reference only; {limit}"


def test_one_is_singular():
    assert doubt(1, noun="digits").startswith("The one among the digits whose answer changed;")
