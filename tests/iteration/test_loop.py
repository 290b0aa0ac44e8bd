"""What people said and what it changed: the record, its sentence, and the report's section."""

import json

import pytest

import workbench as wb
from workbench import files
from workbench.errors import BadInput
from workbench.iteration.loop import NOBODY, VERSIONS, Loop, people_of
from workbench.iteration.refinement import judged

FLIPS = dict(zip(VERSIONS, (0.01, 0.5, 0.02, 0.08, 0.03), strict=True))


def row(version, flips):
    return {"version": version, "accuracy": 0.9, "training": 1.0, "without shortcut": 0.8, "flips": flips, "mostly flipped": flips,
            "low": flips / 2, "high": 1.5 * flips, "hidden": 0.1, "attribution": 0.2, "area": 0.1}  # fmt: skip


def loop(**changes):
    rows = [row(version, flips) for version, flips in FLIPS.items()]
    return Loop(
        **{
            "rehearsal": rows,
            "planted": "a frame",
            "marked": 100,
            "of": 1000,
            "people": {},
            "repaired": [],
            **changes,
        }
    )


def test_the_sentence_says_what_was_counted():
    said = loop().sentence
    for part in (
        "50.0% of the fooled net's",
        "clean net's, 1.0%",
        "100 of 1,000",
        "marked, 2.0%",
        "compressed 8.0%",
        "kept 3.0%",
    ):
        assert part in said
    assert repr(loop()) == said and said in loop().alt


def test_a_version_that_is_missing_is_refused():
    with pytest.raises(BadInput, match="lacks 'compressed with keep'"):
        loop(rehearsal=[row(version, flips) for version, flips in FLIPS.items()][:-1])


def test_it_goes_through_json_and_back():
    whole = loop(
        people={"decisions": 3, "reviewers": ["Ada"], "ratings": {}},
        repaired=[row("before", 0.4), row("refined", 0.1)],
    )
    again = Loop.from_plain(json.loads(json.dumps(files.plain(whole.plain()))))
    assert again.table().equals(whole.table()) and again.people == whole.people


def test_the_report_says_that_nobody_said_anything_and_makes_nothing_up():
    page = loop().section()
    assert (
        NOBODY in page
        and "Nobody was asked" in page
        and "simulated" in page
        and "before and after" not in page
    )


def test_the_report_says_what_people_said_and_escapes_it():
    people = {"decisions": 1200, "reviewers": ["<script>"], "ratings": {"understandable": 3.5}}
    page = loop(
        people=people, repaired=[row("before", 0.4), row("refined", 0.1)], asked="QuizResult(study)"
    ).section()
    assert (
        "1,200 decisions of 1 people (&lt;script&gt;); understandable 3.5 of 5" in page
        and "<script>" not in page
    )
    assert "before and after" in page and "QuizResult(study)" in page and NOBODY not in page


def test_what_a_store_says_in_all(tmp_path):
    fb = wb.Feedback(tmp_path / "feedback.db")
    assert people_of(None) == people_of(fb) == {}
    fb.add(1, kind="judgement", reviewer="Bo", understandable=4)
    fb.add(2, kind="judgement", reviewer="Ada", understandable=2, prediction="right")
    assert people_of(fb) == {"decisions": 2, "reviewers": ["Ada", "Bo"], "ratings": {"understandable": 3.0}}


def test_versions_are_judged_alike_int8_ones_too(narrow, decoys, tmp_path):
    fb = wb.Feedback(tmp_path / "feedback.db")
    fb.add_masks(decoys.train, reviewer="simulated", n=20)
    rows, where = judged({"net": narrow, "int8": wb.quantize(narrow, data=decoys)}, decoys, fb)
    assert "known shortcut" in where and [r["version"] for r in rows] == ["net", "int8"]
    assert abs(rows[0]["flips"] - rows[1]["flips"]) < 0.05 and rows[0]["flips"] > 0.1
    assert rows[0]["attribution"] > 0 and rows[1]["attribution"] != rows[1]["attribution"]
