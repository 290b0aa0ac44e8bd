"""Curves are drawn where the data are, in its units, and can be told without colour."""

import numpy as np
import pytest
import smalldata

import workbench as wb
from workbench.plotting import canvas


def two_classes(x):
    z = x[:, 0] * (1 + x[:, 1])
    return np.stack([-z, z], 1)


@pytest.fixture(scope="module")
def table():
    return smalldata.table()


@pytest.mark.parametrize("method", ["partial_dependence", "ale"])
def test_the_curve_that_is_drawn_is_that_of_the_second_class(table, method):
    e = wb.explain(two_classes, table.test, method, data=table)
    fig = e.plot()
    canvas.png(fig)
    ax = fig.axes[0]
    line = next(line for line in ax.lines if len(line.get_xdata()) == len(e.settings["grid"]["age"]))
    np.testing.assert_array_equal(line.get_xdata(), e.settings["grid"]["age"])
    np.testing.assert_array_equal(line.get_ydata(), e.values[1, : len(e.settings["grid"]["age"])])
    assert "moves the logit of <b>bad</b> most" in fig.get_suptitle()
    rug = next(line for line in ax.lines if line.get_marker() == "|")
    np.testing.assert_array_equal(rug.get_xdata(), e.settings["rug"]["age"])


def test_what_rows_do_otherwise_is_written_beside_the_name(table):
    e = wb.explain(two_classes, table.test, "partial_dependence", data=table)
    titles = [ax.get_title("left") for ax in e.plot().axes]
    assert any("rows differ in shape: " in title for title in titles)
    plain = wb.explain(
        lambda x: np.stack([x[:, 0], -x[:, 0]], 1), table.test, "partial_dependence", data=table
    )
    assert not any("rows differ" in ax.get_title("left") for ax in plain.plot().axes)


def test_categories_stand_with_their_shares(table):
    e = wb.explain(lambda x: x[:, 1:3], table.test, "ale", data=table)
    labels = [label.get_text() for ax in e.plot().axes for label in ax.get_xticklabels()]
    assert sum("$5" in label and "%" in label for label in labels) == 1


def test_each_class_has_a_mark_of_its_own():
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    e = wb.explain(lambda x: np.stack([x[:, 0] * k for k in range(7)], 1), x, "partial_dependence")
    fig = e.plot()
    lines = [line for line in fig.axes[0].lines if line.get_marker() != "|"]
    assert len({line.get_marker() for line in lines}) == len(lines) == 4
    assert [line.get_label() for line in lines] == ["class 3", "class 4", "class 5", "class 6"]


def test_a_column_that_does_not_vary_can_be_drawn(table):
    e = wb.explain(two_classes, table.test, "partial_dependence", data=table)
    assert e.settings["grid"]["fixed"] == [1.0]
    canvas.png(wb.explain(lambda x: x[:, :1], np.ones((5, 2), dtype=np.float32), "ale", output="raw").plot())
