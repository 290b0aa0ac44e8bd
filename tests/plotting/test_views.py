"""Views of a whole model show their numbers, with what is uncertain about them."""

from dataclasses import replace

import numpy as np
import pytest
import smalldata

import workbench as wb
from workbench.plotting import canvas


@pytest.fixture(scope="module")
def table():
    return smalldata.table()


@pytest.fixture(scope="module")
def many():
    """A net for four classes of eight columns."""
    rng = np.random.default_rng(0)
    data = wb.from_arrays(
        rng.normal(size=(80, 8)), np.arange(80) % 4, class_names=["$a", "b", "c", smalldata.LONG]
    )
    return wb.build("mlp", data, hidden=(6,)), data


def test_bars_have_the_whiskers_of_their_own_class(table):
    net = wb.build("mlp", table, hidden=(6,))
    e = wb.explain(net, table.test, "gim", data=table)
    ax = e.plot().axes[0]
    order = np.argsort(-e.values[1])
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], e.values[1][order], rtol=1e-5)
    ends = np.array([np.ptp(segment[:, 0]) / 2 for segment in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends, e.settings["error"][1][order], rtol=1e-4)
    assert "standard error over rows" in ax.get_xlabel().replace("\n", " ")


@pytest.mark.parametrize("half", ["aggregated", "structural"])
def test_a_heat_table_has_its_numbers_written_in(many, half):
    net, data = many
    e = wb.explain(net, data.test, "gim", half=half, data=data)
    fig = e.plot()
    canvas.png(fig)
    ax = fig.axes[0]
    written = {text.get_text() for text in ax.texts}
    assert f"{np.abs(e.values).max():.2g}" in {text.lstrip("-") for text in written}
    assert len(ax.texts) == e.values.size
    shown = ax.images[0]
    assert shown.get_cmap().name == (canvas.SIGNED if e.signed else canvas.UNSIGNED)
    assert [label.get_text() for label in ax.get_xticklabels()][:2] == ["$a", "b"]


def test_many_features_and_classes_are_left_out_and_it_is_said(many):
    net, data = many
    e = wb.explain(net, data.test, "gim", data=data)
    wide = replace(e, values=np.random.default_rng(0).random((15, 40)), class_names=(), feature_names=())
    fig = wide.plot()
    canvas.png(fig)
    assert "20 of 40 features, 12 of 15 classes" in fig.get_suptitle().replace("\n", " ")


def test_maps_of_images_have_one_a_class(digits):
    net = wb.build("lenet5", digits, channels=(3, 4), hidden=8)
    e = wb.explain(net, digits.test[:3], "gim", of="saliency", data=digits)
    pictures = [ax for ax in e.plot().axes if ax.images]
    assert len(pictures) >= 10


def test_layers_stand_in_the_order_of_the_model(many):
    net, data = many
    e = wb.explain(net, data.test, "parameter_sensitivity", data=data)
    ax = e.plot().axes[0]
    np.testing.assert_allclose([bar.get_width() for bar in ax.patches], e.values[0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["fc1 (48)", "fc2 (24)"]
    of_one = wb.explain(net, data.test, "parameter_sensitivity", layer="fc2", data=data).plot()
    np.testing.assert_allclose(of_one.axes[0].images[0].get_array(), np.asarray(
        wb.explain(net, data.test, "parameter_sensitivity", layer="fc2").values))  # fmt: skip


def test_what_chance_would_give_as_well_is_hollow(many):
    net, data = many
    concepts = {"up": data.train.x[:12] + 5, "nothing": data.train.x[12:24]}
    e = wb.explain(net, data.train, "tcav", concepts=concepts, layer="fc1", n_runs=6, data=data)
    fig = e.plot()
    canvas.png(fig)
    for line, ax in enumerate(fig.axes[:4]):
        marks = [mark for mark in ax.lines if mark.get_marker() == "o"]
        hollow = [mark.get_markerfacecolor() == "white" for mark in marks]
        assert hollow == (e.settings["p"][line] >= 0.05).tolist()
    none = replace(e, settings={**e.settings, "p": np.ones_like(e.settings["p"])})
    assert none.plot().get_suptitle() == "No concept differs from random directions"
