"""Inputs stand beside their nearest examples, and what is of another class is marked without colour."""

import numpy as np
import pytest
import smalldata
from reviews import made_up

import workbench as wb
from workbench.plotting import canvas


def ask(net, data, n=2, **options):
    return wb.explain(net, data.test[:n], "prototypes", examples=data.train, data=data, **options)


def test_pictures_stand_beside_the_input(digits):
    net = wb.build("lenet5", digits, channels=(3, 4), hidden=8)
    few = digits.subset(train=60, valid=10, test=10)
    e = ask(net, few, k=3)
    axes = e.plot().axes
    assert len(axes) == 2 * 4
    for row in range(2):
        np.testing.assert_array_equal(axes[4 * row].images[0].get_array(), e.inputs[row, 0])
        for j in range(3):
            place = e.settings["places"][row][j]
            ax = axes[4 * row + j + 1]
            np.testing.assert_array_equal(ax.images[0].get_array(), few.train.x[place, 0])
            other = few.train.y[place] != e.target[row]
            assert (ax.spines["left"].get_linewidth() > 2) == other == ("*" in ax.get_title("left"))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rows_of_a_table_have_bold_cells_where_they_differ(metric):
    data = smalldata.table()
    e = ask(wb.build("mlp", data, hidden=(6,)), data, n=1, metric=metric, k=2)
    fig = e.plot()
    canvas.png(fig)
    texts = fig.axes[0].texts
    own = e.codec.words(e.inputs)[0]
    near = e.codec.words(data.train.x[e.settings["places"][0]])[0]
    differing = sum(a != b for a, b in zip(own, near, strict=True))
    assert differing > 0
    assert sum(t.get_weight() == "bold" for t in texts) >= differing
    assert any(t.get_text().endswith(f"{abs(e.values[0, 0]):.4g}") for t in texts)
    assert ("cosine" if metric == "cosine" else "distance") in fig.get_supxlabel()


def test_texts_are_written_out():
    data = made_up()
    e = ask(wb.build("lstm_attention", data, embedding=4, hidden=4), data, k=2)
    said = " ".join(text.get_text() for text in e.plot().axes[0].texts)
    assert "[CLS]" not in said
    assert data.test.texts[0].split()[0] in said
    assert data.train.texts[e.settings["places"][0][0]].split()[0] in said


def test_rows_without_names_can_be_drawn():
    data = wb.from_arrays(np.random.default_rng(0).normal(size=(40, 20)), np.arange(40) % 2)
    net = wb.build("mlp", data, hidden=(4,))
    e = wb.explain(net, data.test.x[:2], "prototypes", examples=data.train.x, example_classes=data.train.y)
    fig = e.plot()
    canvas.png(fig)
    assert "12 of 20 columns" in fig.get_suptitle().replace("\n", " ")
