"""The one door for pictures: a style that leaves no trace, and no picture without words."""

import io
import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from workbench.errors import BadInput
from workbench.plotting import canvas


@pytest.fixture
def settings():
    """Put matplotlib's settings back, and close what a test left open."""
    with mpl.rc_context():
        yield mpl.rcParams
    plt.close("all")


@pytest.fixture
def published(monkeypatch):
    """Collect what is displayed."""
    publisher = CapturingDisplayPublisher()
    shell = InteractiveShell.instance()
    monkeypatch.setattr(shell, "display_pub", publisher)
    return publisher.outputs


def figure():
    """Draw a small figure."""
    with canvas.canvas() as (fig, ax):
        ax.plot([0, 1], [0, 1])
    return fig


def test_a_canvas_has_the_style_and_leaves_none(settings):
    before = dict(settings)
    with canvas.canvas(2, 3, (4, 2), squeeze=False) as (fig, axes):
        assert mpl.rcParams["axes.spines.top"] is False
        assert axes.shape == (2, 3)
        assert not axes[0, 0].spines["right"].get_visible()
        assert fig.get_size_inches().tolist() == [4, 2]
    assert dict(settings) == before
    assert plt.get_fignums() == []


def test_a_canvas_leaves_no_figure_open_after_an_error(settings):
    before = dict(settings)
    with pytest.raises(ZeroDivisionError), canvas.canvas():
        raise ZeroDivisionError
    assert plt.get_fignums() == []
    assert dict(settings) == before


def test_a_canvas_leaves_the_users_figure_the_current_one(settings):
    own = plt.figure()
    figure()
    assert plt.get_fignums() == [own.number]
    assert plt.gcf() is own


def test_style_is_for_good(settings):
    canvas.style()
    assert settings["axes.prop_cycle"].by_key()["color"] == list(canvas.CYCLE)


def test_a_png_is_a_picture_of_the_figures_size(settings):
    picture = Image.open(io.BytesIO(canvas.png(figure())))
    assert picture.format == "PNG"
    assert picture.size == (660, 330)


def test_the_same_figure_is_the_same_file(settings):
    assert canvas.png(figure()) == canvas.png(figure())


def test_colours_differ_also_for_colour_blind_readers_and_each_has_a_marker():
    assert len(set(canvas.CYCLE)) == len(set(canvas.MARKERS)) == len(canvas.CYCLE) == 7
    grey = sorted(np.dot(mpl.colors.to_rgb(colour), [0.3, 0.59, 0.11]) for colour in canvas.CYCLE)
    assert grey[-1] - grey[0] > 0.2


@pytest.mark.parametrize("name", ["$5 to $10", r"$\frac{", "$$", "a_b^c", "<script>"])
def test_names_are_drawn_as_they_are(settings, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with canvas.canvas() as (fig, ax):
            ax.barh([name], [1])
            ax.set(title=name, xlabel=name)
        canvas.png(fig)
    assert ax.get_title("left") == name


def test_a_picture_is_shown_with_its_words(settings, published):
    fig = figure()
    canvas.show(fig, "The line rises by 1.")
    (output,) = published
    assert output["data"]["image/png"] == canvas.png(fig)
    assert output["data"]["text/plain"] == "The line rises by 1."
    assert output["metadata"]["image/png"]["alt"] == "The line rises by 1."


def test_what_was_shown_is_closed_and_nothing_else(settings, published):
    own, shown = plt.figure(), plt.figure()
    canvas.show(shown, "Nothing: 0 lines.")
    assert plt.get_fignums() == [own.number]


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_a_picture_without_words_is_refused(settings, published, alt):
    with pytest.raises(BadInput, match=r"alt is empty.*states the finding with a number"):
        canvas.show(figure(), alt)
    assert published == []


def test_letters_that_no_font_has_are_spelt_everywhere_and_it_is_said(settings, monkeypatch):
    monkeypatch.setattr(canvas, "_glyphs", lambda: frozenset(range(32, 127)))
    with (
        pytest.warns(UserWarning, match=r"No installed font has some letters.*Install one"),
        canvas.canvas() as (fig, ax),
    ):
        ax.set(title="\u4fe1\u7528", yticks=[0, 1], yticklabels=["ok", "\u5361"])
        ax.bar(["\u4e2d", "b"], [1, 2])
    assert ax.get_title("left") == "U+4FE1 U+7528"
    assert [t.get_text() for t in ax.get_yticklabels()] == ["ok", "U+5361"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["U+4E2D", "b"]
    assert fig.get_supxlabel() == canvas.NO_GLYPH


@pytest.mark.parametrize(
    ("text", "spelt"),
    [("plain", "plain"), ("na\u00efve \u2013 \u0142", "na\u00efve \u2013 \u0142"), ("a\nb", "a\nb"), ("\ud800", "U+D800"), ("e\u200b\U000e0001", "e\u200b")],
)  # fmt: skip
def test_only_what_cannot_be_drawn_is_spelt(text, spelt):
    assert canvas.legible(text) == spelt


def test_a_long_name_keeps_its_beginning_and_its_end():
    assert canvas.shortened("abc" * 20, 12) == "abcabca\u2026cabc"[:12]
    assert len(canvas.shortened("abc" * 20, 12)) == 12 and canvas.shortened(" two\nlines ") == "two lines"
