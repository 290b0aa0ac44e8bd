"""Bars of tables: names beside their cells, one order, one scale, nothing left out in silence."""

import numpy as np
import pytest
import smalldata
from matplotlib import pyplot as plt

from workbench.plotting import attributions, canvas, galleries, tables


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def widths(ax):
    return [bar.get_width() for bar in ax.patches]


def test_cells_stand_beside_the_names_of_their_columns():
    e = smalldata.explained(
        [[1, 2]], feature_names=("duration", smalldata.LONG), labels=(("24", "a cell of many letters"),)
    )
    first, second = tables.cells(e, 0)
    assert first == "duration = 24"
    assert len(second) <= tables.NAME + tables.CELL + 3 and second.startswith("a column with")


def test_without_cells_the_inputs_are_shown_or_the_name_alone():
    e = smalldata.explained([[1, 2]], labels=None, inputs=np.array([[0.5, 7]]))
    assert tables.cells(e, 0) == ["column 0 = 0.5", "column 1 = 7"]
    e = smalldata.explained([[1, 2]], labels=None, inputs=np.zeros((1, 5)))
    assert tables.cells(e, 0) == ["column 0", "column 1"]


def test_the_largest_values_stand_on_top_and_the_others_are_summed_up():
    fig = tables.bars(smalldata.explained([[1, -4, 2, 3]]), k=2)
    assert labels(fig.axes[0]) == ["column 1 = 10", "column 3 = 30", "the other 2"]
    assert widths(fig.axes[0]) == [-4, 3, 3]
    assert [bar.get_y() for bar in fig.axes[0].patches] == sorted(
        [bar.get_y() for bar in fig.axes[0].patches], reverse=True
    )


def test_one_column_that_is_left_keeps_its_name():
    _, names = tables.top(np.array([3.0, 2, 1]), ["a", "b", "c"], 2)
    assert names == ["a", "b", "c"]


def test_all_rows_share_one_scale():
    fig = tables.bars(smalldata.explained([[1, 2], [10, -20], [3, 3]]))
    assert len({ax.get_xlim() for ax in fig.axes if ax.get_visible()}) == 1
    assert sum(ax.get_visible() for ax in fig.axes) == 3


def test_a_sign_is_seen_without_colour():
    fig = tables.bars(smalldata.explained([[1, -4]]))
    numbers = [text.get_text() for text in fig.axes[0].texts]
    assert numbers == ["\u22124", "1"]


def test_methods_stand_side_by_side_with_the_same_columns_in_one_order():
    one, two = smalldata.explained([[1, -4, 0]]), smalldata.explained([[100, 50, 300]], flags={"gap": "."})
    fig = attributions.side_by_side({"lime": one, "kernel_shap": two})
    left, right = fig.axes
    assert labels(left) == ["column 1 = 10", "column 2 = 20", "column 0 = 0"]
    assert widths(left) == [-4, 0, 1] and widths(right) == [50, 300, 100]
    assert left.get_xlim()[1] < right.get_xlim()[1]
    assert right.get_title("left") == "kernel shap [!]"


def test_models_are_drawn_on_the_same_columns():
    before, after = smalldata.explained([[1, -4, 2]]), smalldata.explained([[2, -3, 2.5]])
    fig = galleries.pairs({"occlusion": [before, after]}, ["original", "int8"], "found")
    ax = fig.axes[0]
    assert widths(ax) == [-4, 2, 1]
    marks = next(line for line in ax.lines if line.get_marker() == "o")
    assert marks.get_xdata().tolist() == [-3, 2.5, 2] and labels(ax)[0] == "column 1 = 10"
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["original", "int8"]


def test_importances_are_in_order_with_their_whiskers_and_say_how_many_there_are():
    values, errors = np.arange(40.0), np.full(40, 0.5)
    fig = tables.importances(values, [f"c{i}" for i in range(40)], errors, k=10)
    ax = fig.axes[0]
    assert labels(ax) == [f"c{i}" for i in range(39, 29, -1)] and widths(ax) == list(range(39, 29, -1))
    assert fig.get_suptitle() == "c39 counts most: 39 (10 of 40)"
    (whiskers,) = ax.collections
    assert np.ptp(whiskers.get_segments()[0][:, 0]) == 1


def test_importances_may_be_held_against_a_value():
    fig = tables.importances(np.array([0.7, 0.4]), ["a", "b"], start=0.5, line=(0.6, "majority"))
    assert widths(fig.axes[0]) == pytest.approx([0.2, -0.1])
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == ["majority"]


def test_of_many_classes_the_first_are_drawn_and_it_is_said():
    fig = tables.by_class(np.ones((100, 5)), list("abcde"), [f"class {i}" for i in range(100)], "found")
    assert sum(ax.get_visible() for ax in fig.axes) == 6 and fig.get_suptitle() == "found (6 of 100 classes)"


@pytest.mark.parametrize(
    "name", [smalldata.SCRIPT, "$5 to $10", smalldata.LONG, "two\nlines", "\u4fe1\u7528"]
)
@pytest.mark.filterwarnings("ignore:No installed font")
def test_any_name_can_be_drawn(name):
    e = smalldata.explained([[1, 2]], feature_names=(name, "b"), class_names=(name, name))
    for fig in (tables.bars(e), attributions.side_by_side({"a": e}), tables.importances(np.ones(2), [name, "b"]),
                tables.by_class(np.ones((3, 2)), [name, "b"], [name] * 3, name), tables.listing([(name, name)], name)):  # fmt: skip
        canvas.png(fig)


def test_values_that_are_not_finite_can_be_drawn():
    canvas.png(tables.bars(smalldata.explained([[np.nan, 1, np.inf]])))


def test_no_picture_stays_open():
    before = plt.get_fignums()
    tables.bars(smalldata.explained([[1, 2]]))
    assert plt.get_fignums() == before


def test_chinese_texts_stay_within_the_picture(monkeypatch):
    monkeypatch.setattr(canvas, "_glyphs", lambda: frozenset(range(32, 127)))
    with pytest.warns(UserWarning, match="No installed font"):
        fig = tables.listing([("says good\nis bad", "\u5f88\u5dee" * 60)], "found")
    assert max(map(len, fig.axes[0].texts[1].get_text().split("\n"))) <= 78
    assert fig.get_supxlabel() == canvas.NO_GLYPH
    assert max(map(len, canvas.wrapped("\u5f88\u5dee" * 60, 78).split("\n"))) == 39
