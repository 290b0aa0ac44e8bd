"""A card says in words what is wrong with data, shows it, and lets nothing from the data become HTML."""

import re
from dataclasses import replace

import numpy as np
import pytest
import smalldata

import workbench as wb
from workbench.errors import BadInput, UnknownName


@pytest.fixture(scope="module", params=["image", "table", "text"])
def data(request, digits):
    """Data of each kind, without copies."""
    small = {
        "image": lambda: digits.subset(train=300, valid=50, test=350),
        "table": smalldata.table,
        "text": lambda: smalldata.texts(share=0.4),
    }
    return small[request.param]()


def test_honest_data_have_findings_and_no_doubts(data):
    found = wb.card(data)
    assert found.doubts == ()
    assert found.findings[:2] == ("No input stands in two splits.", "No input has two labels.")
    assert any(
        re.match(r"The best single (pixel|column|word).* is right in \d+% of held-out rows", said)
        for said in found.findings
    )


def test_many_copies_are_a_doubt_and_a_few_a_finding(data):
    many, few = wb.card(smalldata.copied(data, 10)), wb.card(smalldata.copied(data, 1))
    n = len(data.test)
    assert f"10 inputs stand in two splits; seen in training: 10 of {n} test rows." in many.doubts
    said = f"1 input stands in two splits; seen in training: 1 of {n} test rows."
    assert said in (few.findings if n > 100 else few.doubts)


def test_labels_that_quarrel_are_told(data):
    found = wb.card(smalldata.copied(data, 12, relabelled=True))
    assert any(said.startswith("12 inputs have more than one label") for said in found.doubts)
    assert len(found.table("conflicts")) == 12


def test_a_leak_is_a_doubt():
    found = wb.card(smalldata.table(leak=np.where(np.arange(300) % 3 == 0, "yes", "no")))
    assert found.doubts == ("1 column alone may give the class away: leak (balanced accuracy 100%). "
                            "Would it be known when the model is asked?",)  # fmt: skip
    assert (
        "The best single column, leak, is right in 100% of held-out rows (the commonest class alone: 67%); "
        "its balanced accuracy is 100% (chance: 50%)." in found.findings
    )


def test_gaps_constants_and_notes_of_a_table_are_told():
    found = wb.card(smalldata.table())
    assert "1 of 5 columns have missing values, gap most (20.0 % of the training rows)." in found.findings
    assert "1 column never varies in training: fixed." in found.findings
    assert found.facts["notes"] == "The column id was left out." and found.facts["licence"] == "CC0"
    table = found.table("columns").set_index("column")
    assert table.loc["fixed", "alone right"] == pytest.approx(2 / 3) and table.loc[
        "gap", "missing"
    ] == pytest.approx(0.2)


def test_texts_have_their_lengths_and_their_near_copies():
    data = smalldata.texts()
    found = wb.card(data)
    assert "No held-out text is nearly a training text." in found.findings
    assert any("words in the median" in said for said in found.findings)
    near = wb.card(smalldata.copied(data, 5))
    assert "5 texts of 60 held out are nearly, or exactly, a training text." in near.doubts


def test_clusters_that_are_torn_apart_are_a_doubt():
    data = smalldata.table()
    torn = replace(data, test=replace(data.test, clusters=data.test.clusters % 3))
    assert any(said.startswith("3 clusters stand in two splits") for said in wb.card(torn).doubts)


def test_classes_with_few_rows_or_none_are_told():
    data = smalldata.texts(400, classes=4)
    found = wb.card(data)
    assert any(said.startswith("4 classes have fewer than 30 test rows") for said in found.findings)
    without = replace(data, test=data.test[data.test.y > 0])
    assert "1 class has no row in training or in test." in wb.card(without).doubts


def test_the_page_holds_the_findings_and_runs_no_script(data, tmp_path):
    found = wb.card(data)
    page = found.to_html(tmp_path / "card.html").read_text("utf-8")
    assert "<script" not in page and 'src="http' not in page
    assert "No input stands in two splits." in page and page.count("<img ") == 2
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img [^>]*>", page))


@pytest.mark.filterwarnings("ignore:No installed font")
def test_names_from_the_data_are_escaped(tmp_path):
    evil = replace(
        smalldata.table(),
        name=smalldata.SCRIPT,
        class_names=("\u4fe1\u7528 $x$", "<img src=x>"),
        source="<b>",
        notes=("<i>",),
    )
    found = wb.card(evil)
    for written in (found.to_html(tmp_path / "card.html").read_text("utf-8"), found._repr_html_()):
        assert "<script" not in written and "<img src=x" not in written and "&lt;script&gt;" in written
        assert "<b>" not in written.replace("<body>", "") and "<i>" not in written


def test_a_part_without_rows_has_no_section(tmp_path):
    page = wb.card(smalldata.table()).to_html(tmp_path / "card.html").read_text("utf-8")
    assert "another label" not in page and "The columns" in page


def test_of_a_long_table_the_first_rows_are_shown_and_all_are_kept(digits):
    found = wb.card(digits.subset(train=100))
    assert len(found.table("alone")) == 784
    assert "The first 25 of 784 rows" in found.parts[1].markup()


def test_a_notebook_shows_findings_and_pictures_but_not_everything(data):
    shown = wb.card(data)._repr_html_()
    assert "No input has two labels." in shown and shown.count("<img ") == 2
    assert "Copies" not in shown


def test_the_card_as_text_marks_doubts():
    found = wb.card(smalldata.copied(smalldata.table(), 10))
    assert repr(found).startswith("Data: credit\n! 10 inputs") and "\n- No input has two labels." in repr(
        found
    )


def test_a_table_that_is_not_there_is_refused():
    with pytest.raises(UnknownName, match=r"table.*'copys'.*copies"):
        wb.card(smalldata.table()).table("copys")


def test_a_model_without_data_is_refused():
    with pytest.raises(BadInput, match=r"card got a LogisticRegression without data.*wb.card\(model, data\)"):
        wb.card(wb.build("logistic", smalldata.table()))


def test_the_data_are_as_they_were(data):
    before = data.fingerprint
    arrays = [array.copy() for split in data.splits.values() for array in (split.x, split.y)]
    wb.card(data)
    same = [array for split in data.splits.values() for array in (split.x, split.y)]
    assert data.fingerprint == before and all(np.array_equal(a, b) for a, b in zip(arrays, same, strict=True))
