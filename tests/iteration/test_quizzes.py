"""The quiz: rows dealt alike, maps that give nothing away, sheets that survive, and differences over people."""

import base64
import io
import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from reviews import made_up

import workbench as wb
from workbench.errors import BadFile, BadInput
from workbench.iteration.questions import CONDITIONS, ORDERS, misplaced, sizes, turn
from workbench.iteration.quizzing import Quiz, _pages


@pytest.fixture(scope="module")
def asked(narrow, decoys, tmp_path_factory):
    return wb.quiz(narrow, decoys, person="nobody", items=2, folder=tmp_path_factory.mktemp("quiz"))


def opened(asked, person, folder):
    made = Quiz(asked.paper, person, folder / f"quiz_{person}.json", asked.names)
    made.replies = []
    made.send = made.replies.append
    return made


def answer(panel, policy):
    """Answer the page on the screen as a policy does: ``(page, facts) -> value``."""
    at = panel.item["id"]
    given = {q["name"]: policy(panel.pages[at], panel._facts(at)) for q in panel.item["questions"]}
    panel._heard(panel, {"do": "answer", "id": at, "answers": given, "milliseconds": 1500}, [])
    return panel.replies[-1]


def through(panel, policy):
    while not panel.finished:
        assert not answer(panel, policy).get("error")
    return panel


def knowing(page, facts):
    """Somebody who is helped by the model's own map alone: right with it, and wrong without."""
    if page["kind"] == "rate":
        return "5" if page["condition"] == "map" else "2"
    helped = page["condition"] == "map"
    if page["kind"] == "rely":
        return "accept" if not helped or facts["said"] == facts["truth"] else "reject"
    return facts["said"] if helped else next(str(c) for c in range(10) if str(c) != facts["said"])


def test_half_of_every_set_is_hard_and_wrong_answers_are_there_to_rely_on(asked, narrow, decoys):
    paper = asked.paper
    assert {part: [len(one) for one in each] for part, each in paper.sets.items()} == {
        "rely": [2, 2, 2],
        "simulate": [2, 2, 2],
        "learn": [2],
    }
    for each in paper.sets.values():
        assert all(sum(bool(paper.why[row]) for row in one) == 1 for one in each)
    used = [row for each in paper.sets.values() for one in each for row in one]
    assert sorted(used) == list(range(14)) and len(set(paper.row_ids)) == 14
    assert all([paper.why[row] for row in one].count("error") == 1 for one in paper.sets["rely"])
    for row, why in enumerate(paper.why):
        assert (why == "error") == (paper.said[row] != paper.truth[row])
        place = int(np.flatnonzero(decoys.test.row_ids == paper.row_ids[row])[0])
        bare = wb.explain(narrow, decoys.test.without_shortcut[[place]], "saliency", data=decoys).target[0]
        assert why == "error" or (why == "shortcut") == (bare != paper.said[row])


def test_flips_of_a_compressed_model_are_hard(decoys, narrow, tmp_path):
    small = wb.prune(narrow, 0.9, data=decoys, verbose=False)
    kinds = Counter(wb.quiz(small, decoys, person="a", items=6, folder=tmp_path).paper.why)
    assert kinds["flip"] and kinds["error"] and kinds[""] == sum(kinds.values()) / 2


def test_everybody_sees_all_three_and_the_orders_turn(asked):
    assert len(ORDERS) == 18
    found = Counter(turn(f"p{i}") for i in range(400))
    assert len(found) == 18 and max(found.values()) < 60
    seen = {}
    for i in range(60):
        pages = _pages(asked.paper, f"p{i}")
        order = [
            page["condition"] for page in pages if page["kind"] == "block" and page["part"] == "simulate"
        ]
        assert sorted(order) == sorted(CONDITIONS)
        for page in pages:
            if page["kind"] == "simulate":
                seen.setdefault(page["row"], set()).add(page["condition"])
    assert all(conditions == set(CONDITIONS) for conditions in seen.values())


def test_a_misplaced_map_has_the_same_values_elsewhere(asked):
    for at, elsewhere in enumerate(asked.paper.elsewhere):
        own = sizes(asked.paper.e, at)
        np.testing.assert_array_equal(np.sort(own.ravel()), np.sort(elsewhere.ravel()))
        assert np.corrcoef(own.ravel(), elsewhere.ravel())[0, 1] < 0.5
    order = misplaced(np.arange(6.0), np.random.default_rng(0))
    assert sorted(order) == list(range(6)) and not (order == np.arange(6)).any()


def test_a_page_neither_names_nor_colours_the_answer(asked, tmp_path):
    panel = opened(asked, "Ada", tmp_path)
    while panel.item["title"] != "What will the model answer?" or panel.item["figure"]["map"] is None:
        answer(panel, knowing)
    page, item = panel.pages[panel.item["id"]], panel.item
    assert set(item["figure"]) == {"png", "width", "height", "map"} and item["lines"] == []
    assert [value for value, _ in item["questions"][0]["options"]] == panel.names
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(item["figure"]["map"])))).astype(int)
    values = (
        sizes(asked.paper.e, page["row"])
        if page["condition"] == "map"
        else asked.paper.elsewhere[page["row"]]
    )
    darkness = 765 - drawn.sum(2)
    assert np.corrcoef(darkness.ravel(), values.ravel())[0, 1] > 0.9 and darkness.argmax() == values.argmax()


def test_texts_are_shaded_without_signs(tmp_path):
    data = made_up(n=400)
    net = wb.build("transformer", data, width=8, layers=1)
    panel = wb.quiz(net, data, person="Ada", method="feature_ablation", items=2, folder=tmp_path)
    shown = [panel._simulate({"row": 0, "condition": c})["figure"]["units"] for c in CONDITIONS]
    assert {unit["shade"] for unit in shown[0]} == {"#ffffff"}
    assert len({tuple(u["text"] for u in one) for one in shown}) == 1
    reds = [[int(unit["shade"][1:3], 16) >= int(unit["shade"][5:7], 16) for unit in one] for one in shown[1:]]
    assert all(all(one) for one in reds)  # orange or white: nothing is blue


def test_every_answer_is_kept_at_once_and_one_who_stopped_goes_on(asked, tmp_path):
    panel = opened(asked, "Ada", tmp_path)
    for _ in range(9):
        answer(panel, knowing)
    again = opened(asked, "Ada", tmp_path)
    assert again.item == panel.item and len(json.loads(panel.sheet.read_text())["answers"]) == 9
    through(again, knowing)
    sheet = json.loads(again.sheet.read_text())
    assert (
        sheet["finished"]
        and len(sheet["answers"]) == len(again.pages)
        and again.item["title"] == "Done. Thank you."
    )
    first = next(a for a in sheet["answers"] if a["kind"] == "simulate")
    assert (
        set(first) >= {"row_id", "why", "said", "truth", "condition", "answer", "seconds"}
        and first["seconds"] == 1.5
    )


def test_a_second_click_on_a_page_and_no_choice_store_nothing(asked, tmp_path):
    panel = opened(asked, "Ada", tmp_path)
    for _ in range(4):
        answer(panel, knowing)
    before = panel.sheet.read_bytes()
    panel._heard(panel, {"do": "answer", "id": 3, "answers": {"answer": "7"}, "milliseconds": 1}, [])
    assert "answered already" in panel.replies[-1]["said"]
    for given in ({}, {"answer": None}, {"answer": "<script>"}):
        panel._heard(panel, {"do": "answer", "id": 4, "answers": given, "milliseconds": 1}, [])
        assert panel.replies[-1]["error"] and "Not answered" in panel.replies[-1]["said"]
    assert panel.sheet.read_bytes() == before


def test_a_disk_that_cannot_be_written_loses_nothing(asked, tmp_path, monkeypatch):
    panel = opened(asked, "Ada", tmp_path)
    answer(panel, knowing)
    monkeypatch.setattr("workbench.files.write_json", lambda *_: 1 / 0)
    assert answer(panel, knowing)["error"] and panel.item["id"] == 1
    monkeypatch.undo()
    answer(panel, knowing)
    assert panel.item["id"] == 2


def test_thirty_sheets_merge_and_the_map_is_seen_to_help(asked, tmp_path):
    for i in range(30):
        through(opened(asked, f"p{i}", tmp_path), knowing)
    answer(opened(asked, "stopped", tmp_path), knowing)
    found = wb.quiz_result(tmp_path)
    table = found.table()
    assert (found.n, found.word, found.left_out) == (30, "study", ("stopped",))
    assert table["right"].tolist() == [0, 1, 0] and table.loc["map", "right - none"] == 1
    assert table.loc["map", ["right low", "right high"]].tolist() == [1, 1]
    assert table["reliance"].tolist() == [0, 1, 0] and table.loc["map", "reliance - none"] == 1
    assert table["accepted wrong"].tolist() == [1, 0, 1] and table["accepted right"].tolist() == [1, 1, 1]
    assert (
        table.loc["map", "satisfied"] == 5
        and table.loc["random map", "satisfied"] == 2
        and np.isnan(table.loc["none", "satisfied"])
    )
    assert "classroom" not in repr(found) and "classroom" not in found._repr_html_()


def test_below_ten_people_it_is_a_classroom_exercise(asked, tmp_path):
    for name in ("Ada", "Bo"):
        panel = through(opened(asked, name, tmp_path), knowing)
    assert (
        "classroom exercise, 2 people" in repr(panel.result())
        and "no evidence" in panel.result()._repr_html_()
    )


def test_intervals_are_over_people(asked, tmp_path):
    def half(page, facts):
        return knowing({**page, "condition": "none"} if page["kind"] != "rate" else page, facts)

    for i in range(20):
        through(opened(asked, f"p{i}", tmp_path), knowing if i % 2 else half)
    row = wb.quiz_result(tmp_path).table().loc["map"]
    assert row["right - none"] == 0.5
    assert row["right high"] - row["right low"] == pytest.approx(
        2 * 2.09 * 0.513 / np.sqrt(20), rel=0.2
    )  # Student's t


def test_what_is_no_sheet_of_this_quiz_is_refused(asked, narrow, decoys, tmp_path):
    first = through(opened(asked, "Ada", tmp_path), knowing)
    content = json.loads(first.sheet.read_text())
    with pytest.raises(BadFile, match="not Bo's sheet"):
        Quiz(asked.paper, "Bo", first.sheet, asked.names)
    for name, changed in {"schema": 2, "quiz": "another", "answers": "none"}.items():
        (tmp_path / "quiz_Bo.json").write_text(json.dumps({**content, "person": "Bo", name: changed}))
        with pytest.raises(BadFile):
            wb.quiz_result(tmp_path)
    (tmp_path / "quiz_Bo.json").write_text(json.dumps(content))
    with pytest.raises(BadFile, match="several sheets of Ada"):
        wb.quiz_result(tmp_path)
    (tmp_path / "quiz_Bo.json").write_text('{"half')
    with pytest.raises(BadFile):
        wb.quiz_result(tmp_path)
    with pytest.raises(BadInput, match="None of 0 sheets"):
        wb.quiz_result([])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"items": 3}, "an even number"),
        ({"items": 200}, r"Ask for items="),
        ({"person": " "}, "a pseudonym"),
        ({"split": "none"}, "There are no rows in 'none'"),
        ({"method": "permutation_importance"}, "explains whole models"),
        ({"data": 3}, "There are no rows"),
    ],
)
def test_what_cannot_be_asked_is_refused(narrow, decoys, tmp_path, arguments, words):
    with pytest.raises(BadInput, match=words):
        wb.quiz(narrow, **{"data": decoys, "person": "Ada", "folder": tmp_path / "quiz", **arguments})
    assert not (tmp_path / "quiz").exists()
