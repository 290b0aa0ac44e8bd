"""``Comparison``: what is computed from the record, and that a file holds all of it."""

import handmade
import numpy as np
import pytest
from handmade import changed, comparison

from workbench import files
from workbench.errors import BadFile, UnknownName
from workbench.evaluation.comparison import Comparison
from workbench.evaluation.verdict import CANNOT_TELL, MOVED, MOVED_FOR_A_GROUP, NO_SIGN

GROUP_0 = np.arange(0, handmade.TESTS, 3)


# known answers


def test_the_index_is_where_the_compressed_model_stands():
    c = comparison()
    assert c.index("occlusion").value == pytest.approx((0.97 - 0.95) / (1 - 0.95))
    assert c.index("occlusion", "mass_moved").value == pytest.approx(0.4)
    assert comparison(levels={"compressed": 0.94}).index("occlusion").value == pytest.approx(-0.2)


@pytest.mark.parametrize("similarity", ["cosine", "mass_moved"])
def test_an_index_without_room_is_refused_whatever_the_unit(similarity):
    index = comparison(levels={"references": 0.99}).index("occlusion", similarity)
    assert np.isnan(index.value) and index.reason.startswith("no room")


def test_the_table_has_a_row_a_method_and_similarity():
    table = comparison(methods=("occlusion", "saliency"), trained_on=["saliency"]).table()
    assert list(table.columns) == ["method", "similarity", "self", "sham", "compressed", "low", "high", "references",
                                   "randomized", "index", "trained_on", "role", "n"]  # fmt: skip
    first = table.iloc[0]
    assert (first["method"], first["similarity"], first["role"], first["n"]) == (
        "occlusion",
        "cosine",
        "primary",
        150,
    )
    assert first[["self", "sham", "compressed", "references", "randomized"]].tolist() == pytest.approx(
        [1, 0.98, 0.97, 0.95, 0.1]
    )
    assert first["low"] < 0.97 < first["high"]
    assert (table["role"] == "primary").sum() == 1 and table["trained_on"].tolist() == [False] * 3 + [
        True
    ] * 3


def test_what_is_absent_is_not_a_number():
    table = comparison(references=0, sham=False).table()
    assert table[["sham", "references", "index"]].isna().all().all() and table["compressed"].notna().all()


@pytest.mark.parametrize(
    ("levels", "sham", "margin"),
    [({}, True, 0.95), ({"sham": 1.0, "references": 0.9}, True, 0.95), ({"references": 0.9}, False, 0.9)],
)
def test_the_margin_is_that_of_the_rule(levels, sham, margin):
    assert comparison(levels=levels, sham=sham).primary.margin == pytest.approx(margin)


def test_a_margin_that_was_given_is_the_margin_for_groups_too():
    c = comparison(margin=0.99)
    assert c.primary.margin == 0.99 and c.primary.zone == "below"
    similar = [group for group in c._groups() if group.name.startswith("similarity")]
    assert [group.margin for group in similar] == [0.99] * 3


def test_answers_kept_have_the_references_less_a_point_as_margin():
    for measured in comparison().behaviour:
        assert (measured.value, measured.margin) == (1, pytest.approx(0.89))


def test_accuracy_and_advantage_are_counted():
    c = changed(comparison(), "kept", "compressed", slice(None), True, "clean")
    assert c.accuracy.value == 0 and c.advantage == pytest.approx(100 * (29 / 30 - 1 / 2))


def test_the_worst_and_the_median_are_those_by_the_primary_similarity():
    c = comparison()
    shuffled = np.random.default_rng(0).permutation(handmade.N)
    c.of("occlusion")["compressed"][0] = shuffled / 1000
    assert shuffled[c.worst(3)].tolist() == [0, 1, 2]
    assert shuffled[c.median(3)].tolist() == [73, 74, 75]
    assert len(c.worst(1000)) == len(c.median(1000)) == handmade.N


def test_secondary_methods_are_compressed_minus_sham_with_holms_correction():
    c = comparison(methods=("occlusion", "saliency", "grad_cam"))
    c.of("grad_cam")["compressed"][:] = c.of("grad_cam")["sham"]
    found = c.secondary().set_index("method")
    assert found.index.tolist() == ["saliency", "grad_cam"]
    assert found["compressed - sham"].tolist() == pytest.approx([-0.01, 0])
    assert found.loc["saliency", "p after Holm"] == pytest.approx(0.001, abs=1e-6)
    assert found.loc["grad_cam", "p after Holm"] == 1
    assert comparison(methods=("occlusion", "saliency"), sham=False).secondary().empty


def test_groups_are_counted_one_by_one():
    c = changed(comparison(), "kept", "compressed", GROUP_0[:25], False, "clean")
    table = c.by_group().set_index("group")
    assert table["n"].tolist() == [100] * 3 and table["n explained"].tolist() == [50] * 3
    assert table["answers kept"].tolist() == [0.75, 1, 1]
    assert table["accuracy before"].tolist() == [0.9, 1, 1] and table["difference"].tolist() == [0, 0, 0]
    assert table["similarity"].tolist() == pytest.approx([0.97] * 3, abs=1e-3)


def test_a_group_that_was_not_explained_has_no_similarity():
    labels = ["seen"] * handmade.N + ["unseen"] * (handmade.TESTS - handmade.N)
    table = comparison(labels=labels, groups="group").by_group().set_index("group")
    assert np.isnan(table.loc["unseen", "similarity"]) and table.loc["unseen", "n"] == 150


def test_rows_that_belong_together_widen_every_interval():
    c, together = comparison(), comparison()
    together.rows["clusters"] = np.arange(handmade.TESTS) // 15
    assert together.interval("occlusion").low < c.interval("occlusion").low
    assert together.behaviour[0].low < c.behaviour[0].low
    assert (together.by_group()["difference low"] < c.by_group()["difference low"]).all()


# verdicts


@pytest.mark.parametrize(
    ("pair", "word"),
    [
        (lambda: comparison(), NO_SIGN),
        (lambda: comparison(levels={"compressed": 0.5}), CANNOT_TELL),  # maps moved and every answer was kept
        (lambda: comparison(references=0), CANNOT_TELL),
        (lambda: comparison(n=8), CANNOT_TELL),
        (lambda: changed(comparison(), "kept", "compressed", slice(0, 150), False, "noisy"), MOVED),
        (
            lambda: changed(comparison(), "kept", "compressed", GROUP_0[:40], False, "clean"),
            MOVED_FOR_A_GROUP,
        ),
        (lambda: comparison(margin=0.99), CANNOT_TELL),
        (lambda: comparison(margin=0.9, levels={"compressed": 0.94}), NO_SIGN),
    ],
)
def test_the_verdict_is_the_rules(pair, word):
    assert pair().verdict.word == word


def test_the_group_that_moved_is_named():
    c = changed(comparison(), "kept", "compressed", GROUP_0[:40], False, "clean")
    c = changed(c, "kept", "references", slice(None), True, "masked")
    verdict = changed(
        comparison(), "similarities", "compressed", GROUP_0[:50], 0.5, ("occlusion", "cosine")
    ).verdict
    assert "for class 0" in c.verdict.reasons[0] and "for class 0" in " ".join(verdict.reasons)


def test_a_group_that_is_hard_for_every_training_run_has_not_moved():
    cosine = ("occlusion", "cosine")
    c = changed(comparison(), "similarities", "compressed", GROUP_0[:50], 0.93, cosine)
    assert c.verdict.word == MOVED_FOR_A_GROUP
    for column in ("sham", "references"):
        c = changed(c, "similarities", column, GROUP_0[:50], 0.93, cosine)
    assert c.verdict.word == NO_SIGN


def test_nor_has_one_whose_answers_no_run_keeps():
    c = changed(comparison(), "kept", "compressed", GROUP_0[:40], False, "clean")
    assert c.verdict.word == MOVED_FOR_A_GROUP
    hard = changed(c, "kept", "references", GROUP_0[:40], False, "clean")
    assert hard.verdict.word == NO_SIGN


def test_the_sentence_holds_the_numbers_and_the_gains():
    report = {"before": {"bytes": 4000, "ms_batch": 6.0}, "after": {"bytes": 1000, "ms_batch": 2.0}}
    text = comparison(report=report, noun="digits").verdict.sentence
    for part in ("On 150 unseen digits", "gives all of the original's answers", "similarity .970",
                 "merely trained on: .980", "other training runs: .950", "4.0x smaller and 3.0x faster"):  # fmt: skip
        assert part in text


def test_the_doubt_names_the_changed_the_worst_group_and_the_notes():
    c = changed(
        comparison(notes=["The model has no recipe"]), "kept", "compressed", [3, 4, 200], False, "clean"
    )
    c.of("occlusion")["compressed"][0, 2::3] -= 0.01
    assert "the 2 inputs whose answer changed, and class 2" in c.verdict.doubt.lower()
    assert "the model has no recipe" in c.verdict.doubt.lower()


@pytest.mark.parametrize(
    ("references", "n", "evidence"), [(3, 150, "moderate"), (2, 150, "weak"), (5, 400, "strong")]
)
def test_evidence_grows_with_references_and_rows(references, n, evidence):
    assert comparison(references=references, n=n).verdict.evidence == evidence


# the record


def equal(one, other):
    """Whether two trees of dicts and arrays are equal."""
    if isinstance(one, dict):
        return set(one) == set(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return all(equal(a, b) for a, b in zip(one, other, strict=True))
    return np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f")


@pytest.mark.parametrize(
    "options", [{}, {"references": 0, "sham": False}, {"methods": ("occlusion", "grad_cam", "saliency")}]
)
def test_a_file_holds_everything(tmp_path, options):
    c = comparison(**options)
    again = Comparison.load(c.save(tmp_path / "c.safetensors"))
    for part in ("similarities", "kept", "right", "maps", "answers", "rows", "merit"):
        assert equal(getattr(c, part), getattr(again, part)), part
    for part in ("similarities", "kept", "maps"):
        assert list(getattr(c, part)) == list(getattr(again, part)), part
    assert again.table().equals(c.table()) and again.by_group().equals(c.by_group())
    assert again.verdict == c.verdict and again.facts == c.facts


def test_a_foreign_file_is_refused(tmp_path):
    path = files.write_tensors(tmp_path / "x.safetensors", {"a": np.ones(2)}, {"what": "explanation"})
    with pytest.raises(BadFile, match="is not a comparison"):
        Comparison.load(path)


def test_an_unknown_method_or_similarity_lists_the_known_ones():
    with pytest.raises(UnknownName, match="one of occlusion, cosine"):
        comparison().of("occlusion", "cosin")


def test_its_line_and_its_summary_say_the_verdict():
    c = comparison()
    assert repr(c).startswith(f"Comparison({NO_SIGN}; similarity of occlusion maps (.970")
    assert c.summary == str(c.verdict) and "3 references, n = 150" in repr(c)


def test_it_shows_itself_without_scripts():
    page = comparison()._repr_html_()
    assert NO_SIGN.upper() in page and "<script" not in page and "<table" in page
