"""Pictures of attributions show the values, on one honest scale."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import workbench as wb
from workbench.plotting import attributions, canvas


@pytest.fixture(scope="module")
def net(digits):
    """An untrained net of a few channels."""
    return wb.build("lenet5", digits, channels=(3, 4), hidden=8)


@pytest.fixture(scope="module")
def signed(net, digits):
    """A signed explanation of three digits."""
    return wb.explain(net, digits.test[:3], "input_x_gradient", data=digits, target=[1, 2, 3])


@pytest.fixture(scope="module")
def unsigned(net, digits):
    """An unsigned explanation of three digits."""
    return wb.explain(net, digits.test[:3], "saliency", data=digits)


@pytest.fixture(scope="module")
def table():
    """An explanation of two rows of a table with names that ask for trouble."""
    names = ["$5 to $10", "<b>", "c", "d"]
    data = wb.from_arrays(np.eye(12, 4), np.arange(12) % 2, feature_names=names, class_names=["$no$", "$yes"])
    x = np.array([[1, -4, 2, 3], [0, 1, 0, -2]], dtype=np.float32)
    return wb.explain(lambda x: np.stack([x.sum(1), -x.sum(1)], 1), x, "occlusion", target=[0, 1], data=data)


def maps(fig):
    """Return the pictures of the lower row."""
    axes = [ax for ax in fig.axes if ax.images]
    return [ax.images[0] for ax in axes[len(axes) // 2 :]]


def test_inputs_stand_above_their_maps(signed):
    fig = signed.plot()
    pictures = [ax.images[0].get_array() for ax in fig.axes if ax.images]
    for row in range(3):
        np.testing.assert_array_equal(pictures[row], signed.inputs[row, 0])
        np.testing.assert_array_equal(pictures[3 + row], signed.map[row])
    assert [ax.get_title() or ax.get_title("left") for ax in fig.axes[:3]] == ["why 1?", "why 2?", "why 3?"]


def test_a_signed_map_is_symmetric_about_zero_and_all_maps_share_one_scale(signed):
    limit = np.abs(signed.map).max()
    for picture in maps(signed.plot()):
        assert picture.get_cmap().name == canvas.SIGNED
        assert picture.get_clim() == pytest.approx((-limit, limit))


def test_an_unsigned_map_begins_at_zero(unsigned):
    for picture in maps(unsigned.plot()):
        assert picture.get_cmap().name == canvas.UNSIGNED
        assert picture.get_clim() == pytest.approx((0, unsigned.map.max()))


def test_one_limit_can_serve_several_pictures(signed):
    assert {picture.get_clim() for picture in maps(signed.plot(limit=2.5))} == {(-2.5, 2.5)}


def test_the_first_rows_are_drawn(signed):
    assert len(maps(signed.plot(2))) == 2
    assert len(maps(signed.plot(n=1))) == 1


def test_a_map_of_zeros_or_of_nan_can_be_drawn(signed):
    for values in (signed.values * 0, np.where(signed.values > 0, np.nan, signed.values)):
        canvas.png(replace(signed, values=values).plot())
    assert attributions.scale(np.zeros(3)) == 1
    assert attributions.scale(np.array([np.nan, -3, 2])) == 3


def test_the_title_says_what_was_estimated_and_the_bar_on_which_scale(signed):
    fig = signed.plot()
    assert "input_x_gradient" in fig.get_suptitle().replace("\n", " ")
    assert "first-order effect" in fig.get_suptitle().replace("\n", " ")
    assert "logit\nhatched, \u2212: against" in {ax.get_ylabel() for ax in fig.axes}


def cues(ax):
    """Return what a map says without colour: signs with their places, and whether something is hatched."""
    signs = {text.get_text(): text.xy for text in ax.texts}
    return signs, any(getattr(part, "hatches", None) for part in ax.collections)


def marked(values, limit=1.0, signed=True):
    with canvas.canvas() as (_, ax):
        attributions.attribution(ax, np.asarray(values, dtype=float), limit, signed)
    return ax


def test_signs_are_seen_without_colour():
    values = np.zeros((9, 9))
    values[1, 2], values[5:8, 5:8] = 0.9, -0.8
    signs, hatched = cues(marked(values))
    assert signs == {"+": (2, 1), "\u2212": (6, 6)} and hatched  # the middle of the patch


def test_what_is_weak_or_unsigned_has_no_marks():
    assert cues(marked(np.full((3, 3), 0.2))) == ({}, False)
    assert cues(marked(-np.full((3, 3), 0.2))) == ({}, False)
    assert cues(marked(np.full((3, 3), 0.9), signed=False)) == ({}, False)
    assert cues(marked(np.full((3, 3), np.nan))) == ({}, False)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_map_of_one_line_can_be_marked(shape):
    signs, hatched = cues(marked(-np.ones(shape)))
    assert set(signs) == {"\u2212"} and hatched


def test_a_single_place_is_hatched_as_a_whole():
    values = np.zeros((5, 5))
    values[0, 4] = -1
    (found,) = marked(values).collections
    corners = found.get_paths()[0].get_extents()
    assert (corners.x0, corners.x1, corners.y0, corners.y1) == pytest.approx((3.5, 4.4, -0.4, 0.5), abs=0.2)


def test_marks_do_not_move_the_map(signed):
    for ax in (ax for ax in signed.plot().axes if ax.images):
        assert (*ax.get_xlim(), *ax.get_ylim()) == (-0.5, 27.5, 27.5, -0.5)


def test_a_result_that_is_not_sound_says_so_in_its_title(signed, table):
    for e in (signed, table):
        assert "[" not in e.plot().get_suptitle()
        title = replace(e, flags={"gap": ".", "twin": "."}).plot().get_suptitle()
        assert title.replace("\n", " ").endswith("[!] caution: gap")


def test_columns_become_bars_the_largest_on_top(table):
    fig = table.plot()
    ax = fig.axes[0]
    assert [bar.get_width() for bar in ax.patches] == [-4, 3, 2, 1]
    names = [label.get_text().partition(" = ")[0] for label in ax.get_yticklabels()]
    assert names == ["<b>", "d", "c", "$5 to $10"]
    heights = [bar.get_y() for bar in ax.patches]
    assert heights == sorted(heights, reverse=True)
    assert ax.get_xlabel() == "logit"
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [True, False, False, False]
    negative = [bar.get_facecolor()[0] < 0.5 for bar in ax.patches]
    assert negative == [True, False, False, False]
    assert (ax.get_title() or ax.get_title("left")) == "why $no$?"
    canvas.png(fig)


def test_filters_are_drawn_up_to_forty(lenet):
    fig = wb.explain(lenet, None, "weights", layer="conv2").plot()
    shown = [ax for ax in fig.axes if ax.get_visible()]
    assert len(shown) == 40
    assert "40 of 50 filters" in fig.get_suptitle()
    values = lenet.model.conv2.weight.detach().numpy()
    np.testing.assert_allclose(shown[7].images[0].get_array(), values[7].mean(0))


def test_a_matrix_is_one_picture(lenet):
    fig = wb.explain(lenet, None, "weights", layer="fc2").plot()
    picture = fig.axes[0].images[0]
    assert picture.get_array().shape == (10, 500)
    low, high = picture.get_clim()
    assert low == -high


def test_methods_stand_side_by_side_each_on_its_own_scale(net, digits, signed, unsigned):
    twice = replace(signed, values=signed.values * 10, flags={"gap": "."})
    fig = attributions.side_by_side(
        {"input_x_gradient": signed, "saliency": unsigned, "ten_times": twice}, row=1
    )
    visible = [ax for ax in fig.axes if ax.get_visible()]
    titles = [ax.get_title() or ax.get_title("left") for ax in visible]
    assert titles == ["the input", "input x gradient", "saliency", "ten times [!]"]
    np.testing.assert_array_equal(visible[0].images[0].get_array(), signed.inputs[1, 0])
    limits = [ax.images[0].get_clim()[1] for ax in visible[1:]]
    assert limits == pytest.approx(
        [np.abs(signed.map[1]).max(), unsigned.map[1].max(), 10 * np.abs(signed.map[1]).max()]
    )


def test_three_channels_are_shown_in_their_colours_and_one_in_grey():
    with canvas.canvas(1, 2) as (fig, axes):
        attributions.picture(axes[0], np.stack([np.full((2, 2), v) for v in (1.0, 0.5, 0.0)]))
        attributions.picture(axes[1], np.full((1, 2, 2), 0.25))
    colour, grey = (ax.images[0] for ax in fig.axes)
    assert colour.get_array()[0, 0].tolist() == [1, 0.5, 0]
    assert grey.get_array().shape == (2, 2) and grey.get_cmap().name == "gray_r"


def overall(values, **settings):
    """Return what pictures ask of an explanation of a whole model."""
    facts = {"scope": "global", "method": "permutation_importance", "estimand": "loss", "signed": True, "class_names": ("no", "yes"),
             "feature_names": ("age", "job", "$")}  # fmt: skip
    return SimpleNamespace(values=np.asarray(values, dtype=float), settings=settings, **facts)


def test_importances_of_a_whole_model_have_names_and_whiskers():
    ax = attributions.draw(overall([[1, 3, 2]], error=np.array([[0.1, 0.2, 0.3]]))).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["job", "$", "age"]
    assert np.ptp(ax.collections[0].get_segments()[0][:, 0]) == pytest.approx(0.4)
    assert ax.get_xlabel() == "permutation importance; whiskers: one standard error"


def test_coefficients_of_two_classes_are_drawn_once_and_of_three_in_panels():
    ax = attributions.draw(overall([[1, -3, 2], [-1, 3, -2]])).axes[0]
    assert [bar.get_width() for bar in ax.patches] == [3, -2, -1] and "right: for yes" in ax.get_xlabel()
    assert len(attributions.draw(overall(np.ones((3, 3)))).axes) == 4


def test_maps_of_a_whole_model_are_pictures():
    fig = attributions.draw(overall(np.arange(16.0).reshape(1, 1, 4, 4)))
    np.testing.assert_array_equal(fig.axes[0].images[0].get_array(), np.arange(16.0).reshape(4, 4))


def test_drawing_leaves_no_figure_open(signed, table):
    before = plt.get_fignums()
    signed.plot()
    table.plot()
    attributions.side_by_side({"one": signed})
    assert plt.get_fignums() == before
