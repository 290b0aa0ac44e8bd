"""The rule: its truth table, its order, and what it can never say."""

import dataclasses
import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.evaluation.margins import Group, Measured
from workbench.evaluation.shares import share_interval
from workbench.evaluation.verdict import (
    CANNOT_TELL,
    EXIT_CODES,
    MOVED,
    MOVED_FOR_A_GROUP,
    NO_SIGN,
    decide,
    rule,
)

WORDS = (NO_SIGN, MOVED, MOVED_FOR_A_GROUP, CANNOT_TELL)
ZONES = {"below": (0.80, 0.85), "open": (0.85, 0.95), "clear": (0.95, 1.0)}  # of a margin at .9
NAN = math.nan


def measured(zone, name="similarity of occlusion maps"):
    low, high = ZONES[zone]
    return Measured(name, (low + high) / 2, low, high, margin=0.9)


def judged(similarity="clear", kept=("clear", "clear"), **others):
    facts = {"n": 400, "references": 5, "advantage": 80.0} | others
    answers = [measured(zone, f"answers kept in condition {i}") for i, zone in enumerate(kept)]
    return decide(similarity=measured(similarity), kept=answers, **facts)


MOVED_GROUP = Group("answers kept of class 9", 40, 0.5, 0.9, p=0.001)


# the truth table


@pytest.mark.parametrize(
    ("similarity", "behaviour", "word", "word_with_group"),
    [
        ("below", "below", MOVED, MOVED),
        ("below", "open", MOVED, MOVED),
        ("below", "clear", CANNOT_TELL, CANNOT_TELL),  # they disagree: maps moved, every answer kept
        ("open", "below", MOVED, MOVED),
        ("open", "open", CANNOT_TELL, MOVED_FOR_A_GROUP),
        ("open", "clear", CANNOT_TELL, MOVED_FOR_A_GROUP),
        ("clear", "below", MOVED, MOVED),  # like maps never excuse changed answers
        ("clear", "open", CANNOT_TELL, MOVED_FOR_A_GROUP),
        ("clear", "clear", NO_SIGN, MOVED_FOR_A_GROUP),
    ],
)
def test_the_truth_table(similarity, behaviour, word, word_with_group):
    assert rule(similarity, behaviour, group_moved=False) == word
    assert rule(similarity, behaviour, group_moved=True) == word_with_group
    assert judged(similarity, [behaviour]).word == word
    assert judged(similarity, [behaviour], groups=[MOVED_GROUP]).word == word_with_group


@pytest.mark.parametrize(
    ("kept", "word"),
    [
        (("clear", "clear", "clear"), NO_SIGN),
        (("clear", "open", "clear"), CANNOT_TELL),
        (("clear", "open", "below"), MOVED),
    ],
)
def test_answers_must_clear_every_condition_and_one_below_is_enough(kept, word):
    assert judged(kept=kept).word == word


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"n": 99}, "99 inputs were compared and at least 100 are needed"),
        ({"references": 0}, "There are no other training runs to compare with: give a list of references"),
        (
            {"advantage": 9.9},
            "The original beats a randomized model by 9.9 points and at least 10 are needed",
        ),
        (
            {"advantage": NAN},
            "The original beats a randomized model by nan points and at least 10 are needed",
        ),
        ({"kept": ()}, "Nothing was measured of its behaviour: give the answers kept"),
    ],
)
@pytest.mark.parametrize("similarity", ZONES)
def test_what_forbids_to_judge_comes_first_and_is_said(facts, reason, similarity):
    verdict = judged(similarity, groups=[MOVED_GROUP], **facts)
    assert (verdict.word, verdict.reasons[0]) == (CANNOT_TELL, reason)


@pytest.mark.parametrize("facts", [{"n": 100}, {"references": 1}, {"advantage": 10.0}])
def test_just_enough_is_enough(facts):
    assert judged(**facts).word == NO_SIGN


# groups


@pytest.mark.parametrize(
    ("groups", "word"),
    [
        ([Group("a", 30, 0.5, 0.9, 0.04)], MOVED_FOR_A_GROUP),
        ([Group("a", 29, 0.5, 0.9, 0.0001)], NO_SIGN),  # too small to be judged
        ([Group("a", 30, 0.5, 0.9, 0.05)], NO_SIGN),
        ([Group("a", 30, 1.0, 0.9, 0.0001)], NO_SIGN),  # surely above
        ([Group("a", 30, 0.5, 0.9, 0.04), Group("b", 30, 0.8, 0.9, 0.5)], NO_SIGN),  # Holm: .08
        ([Group("a", 30, 0.5, 0.9, 0.04), Group("b", 29, 0.8, 0.9, 0.5)], MOVED_FOR_A_GROUP),  # not looked at
    ],
)
def test_a_group_counts_when_it_is_large_enough_and_below_after_holm(groups, word):
    assert judged(groups=groups).word == word


def test_the_group_is_the_reason_and_small_groups_are_named():
    verdict = judged(groups=[MOVED_GROUP, Group("class 3", 12, 0.5, 0.9, 0.01)])
    assert verdict.reasons[0] == "Answers kept of class 9 (.500, n = 40) is below the margin .900"
    assert "Fewer than 30 inputs, not judged: class 3" in verdict.reasons


# pairs whose truth is known


def kept_of(n, changed, name):
    value, low, high, _ = share_interval([1] * (n - changed) + [0] * changed)
    return Measured(name, value, low, high, margin=0.965)


def test_an_exact_copy_shows_no_sign():
    same = Measured("similarity", 1.0, 1.0, 1.0, margin=0.95)
    kept = [kept_of(400, 0, "clean"), kept_of(400, 0, "masked")]
    assert decide(n=400, references=5, advantage=88, similarity=same, kept=kept).word == NO_SIGN


def test_a_permuted_head_moved():
    other = Measured("similarity", 0.1, 0.07, 0.13, margin=0.95)
    kept = [kept_of(400, 396, "clean"), kept_of(400, 390, "masked")]
    assert decide(n=400, references=5, advantage=88, similarity=other, kept=kept).word == MOVED


def test_a_fooled_model_moved_although_its_maps_are_the_same():
    same = Measured("similarity", 0.99, 0.98, 0.995, margin=0.95)
    kept = [kept_of(400, 0, "clean"), kept_of(400, 80, "noisy")]
    verdict = decide(n=400, references=5, advantage=88, similarity=same, kept=kept)
    assert verdict.word == MOVED and verdict.reasons[0].startswith("Noisy")


def test_an_untrained_pair_cannot_be_told():
    same = Measured("similarity", 1.0, 1.0, 1.0, margin=0.95)
    verdict = decide(n=400, references=5, advantage=0.5, similarity=same, kept=[kept_of(400, 0, "clean")])
    assert verdict.word == CANNOT_TELL


def test_eight_inputs_cannot_tell():
    same = Measured("similarity", 1.0, 1.0, 1.0, margin=0.95)
    verdict = decide(n=8, references=5, advantage=88, similarity=same, kept=[kept_of(8, 0, "clean")])
    assert (verdict.word, verdict.evidence) == (CANNOT_TELL, "weak")


# laws

means = st.floats(0.5, 1)
widths = st.floats(0, 0.2)
measures = st.builds(lambda m, w, margin: Measured("m", m, m - w, m + w, margin), means, widths, means)
groups = st.builds(Group, st.just("g"), st.integers(0, 60), means, means, st.floats(0, 1))
situations = st.fixed_dictionaries(
    {
        "n": st.integers(0, 600),
        "references": st.integers(0, 8),
        "advantage": st.floats(-10, 100),
        "similarity": measures,
        "kept": st.lists(measures, max_size=3),
        "groups": st.lists(groups, max_size=3),
        "real_artifact": st.booleans(),
        "sham": st.booleans(),
    }
)
judgeable = st.builds(
    lambda facts, kept: facts | {"n": 400, "references": 5, "advantage": 80.0, "kept": kept},
    situations,
    st.lists(measures, min_size=1, max_size=2),
)


def raised(m, by):
    return dataclasses.replace(m, value=m.value + by, low=m.low + by, high=m.high + by)


@given(situations)
def test_every_situation_has_one_of_four_words_a_reason_and_an_exit_code(facts):
    verdict = decide(**facts)
    assert verdict.word in WORDS and verdict.exit_code in (0, 1, 3)
    assert verdict.reasons and verdict.sentence and verdict.doubt


@given(situations)
def test_no_sign_is_never_said_without_inputs_references_and_lower_bounds(facts):
    if decide(**facts).word == NO_SIGN:
        assert facts["n"] >= 100 and facts["references"] >= 1 and facts["advantage"] >= 10 and facts["kept"]
        assert all(m.low >= m.margin - 1e-5 for m in [facts["similarity"], *facts["kept"]])


@given(judgeable, st.floats(0, 0.5))
def test_maps_that_are_more_alike_never_take_back_no_sign(facts, by):
    before, after = (decide(**facts | {"similarity": raised(facts["similarity"], up)}).word for up in (0, by))
    assert before != NO_SIGN or after == NO_SIGN
    if before == CANNOT_TELL:
        assert after != MOVED


@given(judgeable, st.floats(0, 0.5))
def test_more_answers_kept_never_take_back_no_sign(facts, by):
    before, after = (
        decide(**facts | {"kept": [raised(m, up) for m in facts["kept"]]}).word for up in (0, by)
    )
    assert before != NO_SIGN or after == NO_SIGN
    if before == CANNOT_TELL:
        assert after != MOVED


@given(judgeable, st.floats(0, 0.5))
def test_maps_alone_never_excuse_changed_answers(facts, by):
    changed = [*facts["kept"], measured("below", "answers kept on noisy inputs")]
    similarity = raised(facts["similarity"], by)
    assert decide(**facts | {"kept": changed, "similarity": similarity}).word == MOVED


@given(situations, st.integers(0, 3), st.integers(0, 300))
def test_more_references_and_inputs_never_make_the_evidence_weaker(facts, runs, inputs):
    order = ["weak", "moderate", "strong"]
    more = facts | {"references": facts["references"] + runs, "n": facts["n"] + inputs}
    assert order.index(decide(**more).evidence) >= order.index(decide(**facts).evidence)


@given(situations)
def test_who_made_the_numbers_changes_no_word(facts):
    words = {
        decide(**facts | {"sham": s, "real_artifact": a}).word for s in (True, False) for a in (True, False)
    }
    assert len(words) == 1


def test_the_rule_never_reads_the_index():
    assert not [name for f in (decide, rule) for name in inspect.signature(f).parameters if "index" in name]


# the record


@pytest.mark.parametrize(
    ("references", "n", "real", "evidence"),
    [
        (5, 400, True, "strong"),
        (5, 399, True, "moderate"),
        (4, 400, True, "moderate"),
        (3, 400, True, "moderate"),
        (2, 400, True, "weak"),
        (5, 400, False, "weak"),
        (5, 99, True, "weak"),
    ],
)
def test_evidence_is_how_much_was_measured(references, n, real, evidence):
    assert judged(references=references, n=n, real_artifact=real).evidence == evidence


def test_the_exit_code_is_zero_for_no_sign_one_for_moved_and_three_for_cannot_tell():
    assert [EXIT_CODES[word] for word in WORDS] == [0, 1, 1, 3]


def test_what_decided_comes_first():
    assert judged("open", ["clear", "below"]).reasons[0].startswith("Answers kept in condition 1")
    assert judged("clear", ["clear", "open"]).reasons[0].startswith("Answers kept in condition 1")
    assert "the two disagree" in judged("below").reasons[0]


def test_a_missing_sham_and_a_stand_in_are_said():
    reasons = judged(sham=False, real_artifact=False).reasons
    assert "There was no sham: the margin of the similarity is the references' mean alone" in reasons
    assert "What was measured is a stand-in for the thing that ships" in reasons


def test_a_verdict_is_frozen_and_can_be_told_in_other_words():
    verdict = judged()
    told = verdict.told("It <stayed>.", "Few digits.")
    assert (told.word, told.sentence, told.doubt) == (verdict.word, "It <stayed>.", "Few digits.")
    assert "It &lt;stayed&gt;." in told._repr_html_() and "Doubt: Few digits." in str(told)
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.word = NO_SIGN


def test_a_group_without_a_probability_is_refused():
    with pytest.raises(BadInput, match="Leave out what was not tested"):
        judged(groups=[Group("a", 40, 0.5, 0.9, NAN)])
