"""What pruning of one layer alone costs: counted by hand, on rows kept for choosing, with intervals."""

import numpy as np
import pytest
import torch
from reviews import made_up
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.evaluation import sensitivities


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(train=600, valid=200, test=50)


@pytest.fixture(scope="module")
def narrow(trained, few):
    return trained("lenet5", few, sizes={"channels": [8, 16], "hidden": 40}, epochs=8, lr=3e-3, seed=0)


@pytest.fixture(scope="module")
def found(narrow, few):
    return wb.layer_sensitivity(narrow, few, amounts=(0.5, 0.98), verbose=False)


def test_each_row_is_one_layer_pruned_alone(found, narrow, few):
    table = found.table()
    assert list(table.layer.unique()) == ["conv1", "conv2", "fc1", "fc2"] and len(table) == 8
    small = wb.prune(narrow, 0.98, protect=["conv1", "conv2", "fc2"]).model
    x = torch.tensor(few.valid.x)
    with torch.no_grad():
        by_hand = (small(x).argmax(1).numpy() == few.valid.y).mean()
        own = (narrow.model(x).argmax(1).numpy() == few.valid.y).mean()
    row = table[(table.layer == "fc1") & (table.amount == 0.98)].iloc[0]
    assert row.accuracy == pytest.approx(by_hand) and row.lost == pytest.approx(100 * (own - by_hand))
    assert row.low < row.lost < row.high and found.accuracy == pytest.approx(own)


def test_what_is_affordable_is_so_for_sure(found):
    table, safe = found.table(), found.affordable(margin=5)
    for layer, amount in safe.items():
        rows = table[table.layer == layer]
        assert (rows[rows.amount > amount].high >= 5).all()
        assert amount == 0 or rows[rows.amount == amount].high.item() < 5
    assert "within 1 point for sure" in repr(found) and "<table" in found._repr_html_()


def test_channels_of_the_last_layer_are_its_answers(narrow, few):
    found = wb.layer_sensitivity(narrow, few, how="channels", by="relevance", amounts=(0.5,), verbose=False)
    assert [row["layer"] for row in found.rows] == ["conv1", "conv2", "fc1"]
    assert found.rows[2]["accuracy"] != found.accuracy


def test_units_and_heads_of_a_network_of_tokens_are_tried_one_layer_at_a_time(trained):
    texts = made_up()
    fitted = trained("transformer", texts, sizes={"width": 8, "feedforward": 16}, epochs=1, seed=0)
    found = wb.layer_sensitivity(fitted, texts, how="channels", amounts=(0.5, 0.75), verbose=False).table()
    assert list(dict.fromkeys(found["layer"])) == ["heads of encoder.0", "encoder.0.fc1", "heads of encoder.1", "encoder.1.fc1"]  # fmt: skip
    with pytest.raises(UnknownName, match=r"heads of encoder\.0"):
        wb.layer_sensitivity(fitted, texts, how="channels", layers=["encoder.0"], verbose=False)


def test_the_model_is_untouched_and_the_picture_has_a_line_a_layer(narrow, few, unchanged):
    with unchanged(narrow.model):
        found = wb.layer_sensitivity(narrow, few, amounts=(0.5, 0.9), layers=["fc1"], verbose=False)
    assert [line.get_label() for line in found.plot().axes[0].lines] == ["fc1"]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"layers": ["fc9"]}, UnknownName, "no layer with weights called 'fc9'"),
        ({"layers": []}, BadInput, "no layer or no amount"),
        ({"amounts": (1.5,)}, BadInput, "amounts holds 1.5"),
        ({"how": "rows"}, UnknownName, "no way"),
    ],
)
def test_what_cannot_be_tried_is_refused(narrow, few, options, error, words):
    with pytest.raises(error, match=words):
        wb.layer_sensitivity(narrow, few, verbose=False, **options)


def test_it_needs_a_network_and_rows_to_choose_by(few):
    with pytest.raises(BadInput, match="A tuple was given"):
        wb.layer_sensitivity((), few)
    with pytest.raises(BadInput, match="no validation rows"):
        wb.layer_sensitivity(nn.Linear(2, 2), np.ones(3))
    assert sensitivities._looks_up(nn.Sequential(nn.Embedding(3, 2)), "0")
