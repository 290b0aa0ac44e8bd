"""The panel's messages: what was on the screen becomes rows, and whatever goes wrong is said."""

import base64
import io

import numpy as np
import pytest
from PIL import Image
from reviews import made_up

import workbench as wb
from workbench.errors import BadInput

NOTHING = {
    "must": [],
    "must_not": [],
    "prediction": None,
    "answer": None,
    "understandable": None,
    "matches": None,
    "comment": "",
}


@pytest.fixture
def e(narrow, decoys):
    return wb.explain(narrow, decoys.train[:3], "integrated_gradients", data=decoys)


@pytest.fixture
def panel(e, tmp_path):
    made = wb.annotate(e, store=tmp_path / "feedback.db", reviewer="Ada", data="decoy_mnist")
    made.replies = []
    made.send = made.replies.append
    return made


def click(panel, **message):
    panel._heard(panel, {**NOTHING, "row_id": panel.item["row_id"], "at": panel.item["at"], **message}, [])
    return panel.replies[-1]


def test_the_panel_shows_the_input_its_map_and_what_the_model_says(panel, e, decoys):
    item = panel.item
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(item["png"]))))
    np.testing.assert_array_equal(image[..., 0], np.round(255 * decoys.train.x[0, 0]))
    top = np.unravel_index(np.abs(e.map[0]).argmax(), (28, 28))
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(item["map"]))))[top]
    assert (shown[0] > shown[2]) == (e.map[0][top] > 0)
    assert item["title"] == f"Input 1 of 3 (row {e.row_ids[0]}): the model says {e.target[0]}"
    assert sum(len(r["places"]) for r in item["regions"]) == item["size"] == 784


def test_a_click_becomes_a_row_and_the_reply_shows_it(panel, e, decoys):
    places = np.flatnonzero(decoys.train.shortcut[0, 0]).tolist()
    reply = click(
        panel,
        do="store",
        must_not=places,
        must=[400, 401],
        prediction="wrong",
        answer="3",
        matches="2",
        comment=" corner ",
    )
    assert (
        reply["said"]
        == f"Stored: row {e.row_ids[0]}, must_not, 16 marked, prediction wrong, answer 3, comment corner, matches 2; row {e.row_ids[0]}, must, 2 marked"
    )
    marks = panel.feedback.masks(decoys.train[:3])
    np.testing.assert_array_equal(marks.must_not[0], decoys.train.shortcut[0])
    assert marks.must[0].sum() == 2 and reply["can_retract"] and not reply.get("error")
    assert panel.feedback.table().iloc[0]["explanation"] == e.fingerprint


def test_the_row_is_the_one_on_the_screen_whatever_the_kernel_shows_since(panel, e):
    click(panel, do="go", to=2)
    assert panel.item["row_id"] == e.row_ids[2] and panel.item["at"] == 2
    click(panel, do="store", row_id=int(e.row_ids[1]), prediction="right")
    assert panel.feedback.table().iloc[0]["row_id"] == e.row_ids[1]
    assert panel.feedback.table().iloc[0]["target"] == e.target[1]


def test_the_last_decision_is_taken_back(panel):
    click(panel, do="store", prediction="unsure")
    reply = click(panel, do="retract")
    assert reply["said"].startswith("Taken back") and not reply["can_retract"] and len(panel.feedback) == 0
    assert click(panel, do="retract")["error"]


def test_what_goes_wrong_is_said_in_the_panel_and_stores_nothing(panel, monkeypatch):
    assert "Nothing was decided" in click(panel, do="store")["said"]
    assert click(panel, do="store", matches="9")["error"]
    assert "IndexError" in click(panel, do="store", must=[10_000])["said"]
    monkeypatch.setattr(panel.feedback.store, "append", lambda rows: 1 / 0)
    assert "ZeroDivisionError" in click(panel, do="store", prediction="right")["said"]
    monkeypatch.undo()
    assert len(panel.feedback) == 0


def test_columns_of_a_table_are_marked_whole(tmp_path):
    data = wb.load("german_credit")
    net = wb.fit(wb.build("mlp", data), data, epochs=1, verbose=False)
    e = wb.explain(net, data.train[:2], "feature_ablation", data=data)
    panel = wb.annotate(e, store=tmp_path / "fb.db", reviewer="Ada")
    panel.send = lambda reply: None
    names = [unit["text"].split(" = ")[0] for unit in panel.item["units"]]
    assert tuple(names) == data.feature_names
    widest = max(range(len(names)), key=lambda i: len(panel.item["units"][i]["places"]))
    click_places = panel.item["units"][widest]["places"]
    panel._heard(
        panel,
        {**NOTHING, "do": "store", "row_id": panel.item["row_id"], "at": 0, "must_not": click_places},
        [],
    )
    mask = panel.feedback.masks(data.train[:2]).must_not[0]
    assert np.flatnonzero(mask).tolist() == data.columns[names[widest]] and mask.sum() > 1


def test_words_are_marked_and_special_ones_are_fixed(tmp_path):
    data = made_up(60)
    net = wb.build("transformer", data, width=8, layers=1)
    e = wb.explain(net, data.train[:2], "feature_ablation", data=data)
    item = wb.annotate(e, store=tmp_path / "fb.db", reviewer="Ada").item
    assert item["units"][0]["fixed"] and not item["units"][1]["fixed"] and item["unit"] == "words"
    assert all(unit["text"] for unit in item["units"]) and item["size"] == data.train.x.shape[1]


def test_only_explanations_of_inputs_and_named_people_have_a_panel(e, narrow, decoys, tmp_path):
    with pytest.raises(BadInput, match="A ndarray was given"):
        wb.annotate(np.ones(3), reviewer="Ada")
    with pytest.raises(BadInput, match="explanations of inputs"):
        wb.annotate(wb.explain(narrow, None, "weights"), reviewer="Ada")
    with pytest.raises(BadInput, match="reviewer is ''"):
        wb.annotate(e, store=tmp_path / "fb.db", reviewer="")
