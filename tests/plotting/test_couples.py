"""Two explanations of the same rows stand on one scale, or are refused."""

from dataclasses import replace

import numpy as np
import pytest
import smalldata
from matplotlib import pyplot as plt

import workbench as wb
from workbench.errors import BadInput
from workbench.plotting import canvas, couples

TEXTS = ["a good film", "no ."]


@pytest.fixture(scope="module")
def before(digits):
    """A signed explanation of three digits."""
    net = wb.build("lenet5", digits, channels=(3, 4), hidden=8)
    return wb.explain(net, digits.test[:3], "input_x_gradient", data=digits, target=[1, 2, 3])


@pytest.fixture
def after(before):
    """The same, three times as strong and turned around."""
    return replace(before, values=-3 * before.values)


def maps(fig):
    return [ax.images[0] for ax in fig.axes if ax.images]


def test_images_stand_above_both_maps_on_one_scale(before, after):
    fig = before.plot(beside=after, labels=("original", "int8"))
    shown, end = maps(fig), 3 * np.abs(before.map).max()
    for row in range(3):
        np.testing.assert_array_equal(shown[row].get_array(), before.inputs[row, 0])
        np.testing.assert_array_equal(shown[3 + row].get_array(), before.map[row])
        np.testing.assert_array_equal(shown[6 + row].get_array(), after.map[row])
    assert all(one.get_clim() == pytest.approx((-end, end)) for one in shown[3:])
    assert [ax.get_ylabel() for ax in fig.axes[::3][:3]] == ["the input", "original", "int8"]


def test_the_title_states_how_alike_they_are(before, after):
    assert "before and after on one scale: mean cosine -1.00" in before.plot(
        beside=after
    ).get_suptitle().replace("\n", " ")
    assert couples.likeness(before, before) == "mean cosine 1.00"
    assert couples.likeness(before, replace(before, values=before.values * 0)) == "nothing to compare"


def test_another_question_and_doubts_are_said(before):
    other = replace(before, target=np.array([1, 7, 3]), flags={"NaN": "."})
    fig = before.plot(beside=other)
    titles = [ax.get_title("left").replace("\n", " ") for ax in fig.axes[:3]]
    assert titles == ["why 1?", "why 2? / why 7?", "why 3?"]
    assert fig.get_suptitle().endswith("(after [x])")


def test_one_limit_and_the_first_rows_serve_both(before, after):
    shown = maps(before.plot(2, beside=after, limit=7.0))
    assert len(shown) == 6 and {one.get_clim() for one in shown[2:]} == {(-7, 7)}


def test_tables_have_bars_and_marks_on_one_axis():
    one, other = smalldata.explained([[1, -4, 2], [0, 1, 0]]), smalldata.explained([[2, -3, 8], [0, 2, 0]])
    fig = couples.draw(one, other)
    axes = [ax for ax in fig.axes if ax.get_visible()]
    assert [bar.get_width() for bar in axes[0].patches] == [2, -4, 1]  # by the larger of both
    (marks,) = [line for line in axes[0].lines if line.get_marker() == "D"]
    assert marks.get_xdata().tolist() == [8, -3, 2]
    assert len({ax.get_xlim() for ax in axes}) == 1 and axes[0].get_xlim()[1] > 8
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["before", "after"]


def test_texts_have_a_line_each_and_one_scale():
    one = smalldata.worded(TEXTS, [[0, 4, -2], [-1, 0.5]])
    other = smalldata.worded(TEXTS, [[0, 8, -2], [-1, 0.5]])
    drawn = [text.get_text() for text in couples.draw(one, other).axes[0].texts]
    assert drawn.count("before") == drawn.count("after") == 2
    assert any("+8 logit" in text for text in drawn)


REFUSED = {
    "another method": (lambda e: {"method": "saliency"}, "method is 'input_x_gradient' here and 'saliency' there"),
    "another output": (lambda e: {"settings": {**e.settings, "output": "log_prob"}}, "the logit, the other the log_prob"),
    "other rows": (lambda e: {"inputs": e.inputs + 1}, "the same rows"),
    "other shapes": (lambda e: {"values": e.values[:2]}, "values of other shapes"),
    "unsigned": (lambda e: {"signed": False}, "signed is True here and False there"),
    "a whole model": (lambda e: {"inputs": None}, "explanations of rows"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "words"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_common_scale_is_refused(before, change, words):
    with pytest.raises(BadInput, match=words):
        before.plot(beside=replace(before, **change(before)))


def test_two_names_are_asked_for(before, after):
    with pytest.raises(BadInput, match="labels has 1 names"):
        before.plot(beside=after, labels=["original"])


@pytest.mark.parametrize("name", [smalldata.SCRIPT, smalldata.LONG, "\u4fe1\u7528"])
@pytest.mark.filterwarnings("ignore:No installed font")
def test_any_name_can_be_drawn(before, after, name):
    canvas.png(before.plot(beside=after, labels=(name, name)))
    e = smalldata.explained([[1, 2]], feature_names=(name, "b"), class_names=(name, name))
    canvas.png(couples.draw(e, e, labels=(name, "b")))
    text = smalldata.worded(TEXTS, [[0, 4, -2], [-1, 0.5]])
    canvas.png(couples.draw(text, text, labels=(name, "b")))


def test_no_picture_stays_open(before, after):
    open_before = plt.get_fignums()
    before.plot(beside=after)
    assert plt.get_fignums() == open_before
