"""Every decision is one row, written at once, never lost; two processes may write, and one may be killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest

import workbench as wb
from workbench.errors import BadFile, BadInput, WorkbenchError
from workbench.iteration.store import SCHEMA


@pytest.fixture
def fb(tmp_path):
    return wb.Feedback(tmp_path / "feedback.db")


@pytest.fixture
def split(digits):
    return wb.load("decoy_mnist").train[:20]


def corner(split, at=0):
    return split.shortcut[at]


def test_a_decision_is_a_row_with_all_that_was_said(fb, split, narrow):
    e = wb.explain(narrow, split[:3], "saliency")
    uid = fb.add(int(split.row_ids[1]), corner(split, 1), reviewer="Ada", prediction="wrong", answer="7", understandable=4,
                 matches=2, comment="it looks at the corner", explanation=e, data="decoy_mnist")  # fmt: skip
    row = fb.table().iloc[0]
    assert row.to_dict() | {"id": 1} == {
        "id": 1, "uid": uid, "at": row["at"], "reviewer": "Ada", "data": "decoy_mnist", "row_id": int(split.row_ids[1]),
        "kind": "must_not", "mask": 16, "shape": "[1, 28, 28]", "prediction": "wrong", "answer": "7", "understandable": 4,
        "matches": 2, "comment": "it looks at the corner", "method": "saliency", "target": int(e.target[1]),
        "model": e.model_fingerprint, "explanation": e.fingerprint,
    }  # fmt: skip
    assert len(fb) == 1 and "1 must_not" in repr(fb) and "<table" in fb._repr_html_()


def test_masks_come_back_where_they_were_made(fb, split):
    for at in (2, 5):
        fb.add(split.row_ids[at], corner(split, at), reviewer="Ada")
    fb.add(split.row_ids[5], np.eye(28) > 0, "must", reviewer="Ada")
    marks = fb.masks(split)
    assert marks.rows.tolist() == [2, 5] and marks.reviewers == ("Ada",) and len(marks) == 2
    np.testing.assert_array_equal(marks.must_not[2], corner(split, 2))
    np.testing.assert_array_equal(marks.must[5, 0], np.eye(28) > 0)
    assert not marks.must[2].any() and not marks.must_not[0].any()


def test_what_most_of_those_who_marked_a_row_marked_counts(fb, split):
    for who, mask in (("a", corner(split)), ("b", corner(split)), ("c", ~corner(split))):
        fb.add(split.row_ids[0], mask, reviewer=who)
    np.testing.assert_array_equal(fb.masks(split).must_not[0], corner(split))
    fb.add(split.row_ids[1], corner(split, 1), reviewer="a")
    fb.add(split.row_ids[1], ~corner(split, 1), reviewer="b")
    assert not fb.masks(split).must_not[1].any()  # a tie is no majority


def test_all_that_one_person_marked_in_a_row_is_one_vote(fb, split):
    mine, yours = corner(split), corner(split, 1)
    for mask in (mine, mine, yours):
        fb.add(split.row_ids[0], mask, reviewer="a")
    np.testing.assert_array_equal(fb.masks(split).must_not[0], mine | yours)
    fb.add(split.row_ids[0], mine, reviewer="b")
    np.testing.assert_array_equal(fb.masks(split).must_not[0], mine)
    assert fb.agreement().loc["must_not", "value"] == pytest.approx(mine.sum() / (mine | yours).sum())


def test_several_decisions_are_written_and_taken_back_together_or_not_at_all(fb, split):
    good = {"row_id": 1, "kind": "judgement", "prediction": "right"}
    with pytest.raises(WorkbenchError):
        fb.add_all([good, {**good, "prediction": "perhaps"}], reviewer="Ada")
    assert len(fb) == 0
    uids = fb.add_all([good, {**good, "row_id": 2}], reviewer="Ada")
    with pytest.raises(BadInput, match="no standing decision 'else'"):
        fb.retract(*uids, "else", reviewer="Ada")
    assert len(fb) == 2
    fb.retract(*uids, reviewer="Ada")
    assert len(fb) == 0


def test_a_decision_taken_back_stays_in_the_file_and_counts_no_more(fb, split, tmp_path):
    uid = fb.add(split.row_ids[0], corner(split), reviewer="Ada")
    before = fb.fingerprint
    fb.retract(uid, reviewer="Ada")
    assert len(fb) == 0 and not fb.masks(split).must_not.any() and fb.fingerprint != before
    assert len(fb.store.rows(everything=True)) == 2
    with pytest.raises(BadInput, match="no standing decision"):
        fb.retract(uid, reviewer="Ada")


def test_a_simulated_reviewer_marks_what_is_known(fb, split):
    assert fb.add_masks(split, reviewer="simulated", n=7, seed=1) == 7
    marks = fb.masks(split)
    assert len(marks) == 7
    np.testing.assert_array_equal(marks.must_not[marks.rows], split.shortcut[marks.rows])
    with pytest.raises(BadInput, match="has no evidence for 'must'"):
        fb.add_masks(split, kind="must", reviewer="simulated")


def test_wrong_marks_are_as_large_and_elsewhere(tmp_path, split):
    right, wrong = (wb.Feedback(tmp_path / name) for name in ("right", "wrong"))
    right.add_masks(split, reviewer="simulated")
    wrong.add_masks(split, reviewer="simulated", wrong=1.0)
    a, b = right.masks(split).must_not, wrong.masks(split).must_not
    assert (a.sum((1, 2, 3)) == b.sum((1, 2, 3))).all() and not (a == b).all((1, 2, 3)).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kind": "maybe", "mask": np.ones(3, bool)}, "no kind of decision called 'maybe'"),
        ({"mask": np.ones(3)}, "A mask of type float64"),
        ({"mask": np.zeros(3, bool)}, "A mask with nothing in it"),
        ({}, "A 'must_not' without a mask"),
        ({"kind": "judgement"}, "Nothing was decided"),
        ({"kind": "judgement", "mask": np.ones(3, bool)}, "A judgement with a mask"),
        ({"kind": "judgement", "prediction": "good"}, "no verdict on a prediction called 'good'"),
        ({"kind": "judgement", "matches": 6}, "matches is 6"),
        ({"kind": "judgement", "understandable": 2.5}, "understandable is 2.5"),
        ({"kind": "judgement", "comment": "x", "reviewer": " "}, "reviewer is ' '"),
        ({"kind": "judgement", "comment": "x", "row_id": "3"}, "row_id is '3'"),
    ],
)
def test_what_is_no_decision_is_refused_and_not_written(fb, arguments, words):
    with pytest.raises(WorkbenchError, match=words):
        fb.add(**{"row_id": 3, "reviewer": "Ada", **arguments})
    assert len(fb) == 0


def test_masks_of_other_data_are_refused(fb, split):
    fb.add(split.row_ids[0], np.ones((3, 3), bool), reviewer="Ada", data="other")
    with pytest.raises(BadInput, match=r"has shape \(3, 3\)"):
        fb.masks(split)
    assert len(fb.masks(split, data="decoy_mnist")) == 0


def test_json_lines_go_out_and_come_in_once(fb, split, tmp_path):
    fb.add_masks(split, reviewer="simulated", n=3)
    fb.add(1, kind="judgement", reviewer="Ü <script>", comment="line\nbreak")
    fb.retract(fb.add(2, kind="judgement", reviewer="Ada", prediction="right"), reviewer="Ada")
    path = fb.to_jsonl(tmp_path / "out.jsonl")
    other = wb.Feedback(tmp_path / "other.db")
    assert other.add_jsonl(path) == 6 and other.add_jsonl(path) == 0
    assert other.fingerprint == fb.fingerprint and len(other) == 4
    np.testing.assert_array_equal(other.masks(split).must_not, fb.masks(split).must_not)
    assert "<script>" not in other._repr_html_()


@pytest.mark.parametrize(
    "line",
    [
        "nonsense",
        "[]",
        '{"uid": "a"}',
        '{"uid": "a", "at": "b", "reviewer": "c", "kind": "must", "row_id": 1}',
    ],
)
def test_a_line_that_is_no_decision_adds_nothing(fb, tmp_path, line):
    good = {"uid": "x", "at": "2026", "reviewer": "Ada", "kind": "judgement", "row_id": 1, "comment": "yes"}
    path = tmp_path / "in.jsonl"
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(BadFile, match="no decision in line 2"):
        fb.add_jsonl(path)
    assert len(fb) == 0


def test_people_agree_as_far_as_the_formulas_say(fb, split):
    for who, value in (("a", 4), ("b", 4), ("c", 2)):
        fb.add(1, kind="judgement", reviewer=who, matches=value)
    for who, value in (("a", 1), ("b", 1)):
        fb.add(2, kind="judgement", reviewer=who, matches=value)
    fb.add(3, kind="judgement", reviewer="a", matches=5)
    half = corner(split).copy()
    half[:, : half.shape[1] // 2] = False
    both = corner(split) | np.roll(corner(split), 5, -1)
    fb.add(split.row_ids[0], corner(split), reviewer="a")
    fb.add(split.row_ids[0], both, reviewer="b")
    table = fb.agreement()
    # Values 4 4 2 and 1 1: observed (2 * 2 * 4 / 2) / 5, expected over all twenty ordered pairs.
    values = np.array([4, 4, 2, 1, 1])
    expected = ((values[:, None] - values[None]) ** 2).sum() / 20
    assert table.loc["matches", "value"] == pytest.approx(1 - (2 * 2 * 4 / 2 / 5) / expected)
    assert table.loc["matches", "rows"] == 2 and table.loc["matches", "reviewers"] == 3
    assert table.loc["must_not", "value"] == pytest.approx(corner(split).sum() / both.sum())
    assert 0 < table.loc["must_not", "chance"] < 0.05
    assert np.isnan(table.loc["understandable", "value"])


# the file


def test_another_programs_database_and_a_newer_one_are_left_alone(tmp_path):
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = other.read_bytes()
    with pytest.raises(BadFile, match="database of another program"):
        wb.Feedback(other)
    assert other.read_bytes() == before
    newer = wb.Feedback(tmp_path / "newer.db").path
    with sqlite3.connect(newer) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    connection.close()
    with pytest.raises(BadFile, match="newer workbench"):
        wb.Feedback(newer)


def test_a_damaged_file_is_refused_and_left_as_it_is(fb, split):
    fb.add_masks(split, reviewer="simulated")
    with sqlite3.connect(fb.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(fb.path.read_bytes())
    content[5000:9000] = os.urandom(4000)
    fb.path.write_bytes(content)
    with pytest.raises(BadFile, match="is damaged"):
        wb.Feedback(fb.path)
    fb.path.write_text("no database at all, but long enough to look like one" * 20)
    with pytest.raises(BadFile, match="is damaged"):
        wb.Feedback(fb.path)
    assert fb.path.read_text().startswith("no database")


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="cannot be made"):
        wb.Feedback(tmp_path / "file" / "feedback.db")


WRITER = """
import sys, numpy as np, workbench as wb
fb = wb.Feedback(sys.argv[1])
for i in range(int(sys.argv[3])):
    fb.add(i, np.arange(9) == i % 9, reviewer=sys.argv[2], comment=f"{sys.argv[2]} {i}")
    print(i, flush=True)
"""


def writer(path, name, n):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(n)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_write_five_hundred_decisions_each_and_none_is_lost(fb):
    running = [writer(fb.path, name, 500) for name in ("one", "two")]
    assert [process.wait(120) for process in running] == [0, 0]
    table = fb.table()
    assert len(table) == 1000 and table.uid.is_unique
    for name in ("one", "two"):
        own = table[table.reviewer == name]
        assert own.row_id.tolist() == list(range(500)) and own.comment.tolist() == [
            f"{name} {i}" for i in range(500)
        ]
        assert (own["mask"] == 1).all()


def test_a_writer_killed_in_the_middle_loses_nothing_that_was_acknowledged(fb):
    process = writer(fb.path, "doomed", 100_000)
    for _ in range(30):
        process.stdout.readline()
    time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    acknowledged = 30 + len([line for line in process.stdout.read().splitlines() if line.isdigit()])
    process.wait()
    again = wb.Feedback(fb.path)
    assert again.table().row_id.tolist() == list(range(len(again))) and len(again) >= acknowledged
    again.add(7, kind="judgement", reviewer="Ada", prediction="right")
