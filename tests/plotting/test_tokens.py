"""Texts in colour: every explained word is drawn, padding never, and a sign is seen without colour."""

import warnings

import numpy as np
import pytest
import smalldata
from matplotlib.patches import Rectangle

from workbench.plotting import attributions, canvas, galleries, tokens

TEXT, VALUES = "a good film indeed", [0.0, 4.0, -2.0, 1.0]


@pytest.fixture
def explained():
    """An explanation of two texts."""
    return smalldata.worded([TEXT, "no ."], [VALUES, [-1.0, 0.5]], class_names=("neg", "pos"))


def drawn(fig):
    return [text.get_text() for text in fig.axes[0].texts]


def bars(fig):
    """The bars above (positive) and below (negative) words, as heights; grounds and the scale left out."""
    tall = [p for p in fig.axes[0].patches if isinstance(p, Rectangle) and p.get_height() not in (14, 7)]
    return sorted(p.get_height() for p in tall)


def test_words_are_drawn_and_padding_and_special_tokens_are_not(explained):
    fig = attributions.draw(explained)
    assert drawn(fig)[:11] == [
        "why neg?",
        "",
        "a",
        "good",
        "film",
        "indeed",
        "4",
        "\u22122",
        "1",
        "why neg?",
        "",
    ]
    assert "[CLS]" not in drawn(fig)


def test_what_is_not_explained_does_not_set_the_scale(explained):
    words, values = tokens.said(explained, 0)
    assert words == TEXT.split() and values.tolist() == VALUES
    fig = attributions.draw(explained)
    assert any("+4 logit" in text for text in drawn(fig))


def test_the_strongest_word_has_the_deepest_colour_and_the_tallest_bar(explained):
    fig = attributions.draw(explained)
    assert bars(fig) == pytest.approx(sorted(tokens.BAR * np.array([1, 0.5, 0.25, 0.25, 0.125])))


def test_positive_bars_stand_above_and_negative_ones_below():
    fig = tokens.running([tokens.Passage(["up", "down"], np.array([1.0, -1.0]))])
    word = {text.get_text(): text.get_position()[1] for text in fig.axes[0].texts}
    up, down = (p for p in fig.axes[0].patches if p.get_height() == tokens.BAR)
    assert (
        up.get_y() + up.get_height() < word["up"] and down.get_y() > word["down"]
    )  # the axis runs downwards


def test_letters_on_dark_ground_are_white():
    fig = tokens.running([tokens.Passage(["strong", "weak"], np.array([1.0, 0.1]))])
    colours = {text.get_text(): text.get_color() for text in fig.axes[0].texts}
    assert colours["strong"] == "white" and colours["weak"] == canvas.INK


def test_a_long_text_shows_the_lines_that_carry_most():
    words = [f"word{i}" for i in range(200)]
    values = np.zeros(200)
    values[150] = 1
    fig = tokens.running([tokens.Passage(words, values)], lines=2)
    assert "word150" in drawn(fig) and "word120" not in drawn(fig) and tokens.LEFT_OUT in drawn(fig)


def test_words_stay_within_the_picture():
    fig = tokens.running(
        [tokens.Passage(["x" * 300, *["word"] * 50, "a sentence of words " * 20], np.ones(52))], lines=50
    )
    ends = [p.get_x() + p.get_width() for p in fig.axes[0].patches]
    assert max(ends) <= tokens.WIDTH
    fig.draw_without_rendering()
    assert max(text.get_window_extent().x1 for text in fig.axes[0].texts) <= fig.bbox.x1


def test_methods_have_a_line_each_and_a_scale_of_their_own(explained):
    other = smalldata.worded([TEXT, "no ."], [[100 * v for v in VALUES], [1, 1]], flags={"gap": "."})
    fig = attributions.side_by_side({"lime": explained, "kernel_shap": other})
    assert [text for text in drawn(fig) if text in ("lime", "kernel shap [!]")] == ["lime", "kernel shap [!]"]
    assert "+its own largest" in drawn(fig) and drawn(fig).count("good") == 2


def test_models_are_drawn_on_the_scale_of_the_first(explained):
    other = smalldata.worded([TEXT, "no ."], [[2 * v for v in VALUES], [1, 1]])
    fig = galleries.pairs({"lime": [explained, other]}, ["original", "int8"], "found")
    assert "original" in drawn(fig) and "int8" in drawn(fig)
    assert bars(fig) == pytest.approx(sorted(tokens.BAR * np.array([1, 0.5, 0.25, 1, 1, 0.5])))


def test_unsigned_values_have_bars_only_above_and_no_ground():
    fig = tokens.running([tokens.Passage(["a", "b"], np.array([1.0, 0.5]), signed=False)])
    assert len(bars(fig)) == 2 and not [p for p in fig.axes[0].patches if p.get_height() == 14]


@pytest.mark.parametrize("word", ["$5", "$x_", smalldata.SCRIPT, "\x00", "\ud800", "\U0001f600", "e\u0301"])
@pytest.mark.filterwarnings("ignore:No installed font")
def test_any_word_can_be_drawn(word):
    canvas.png(
        tokens.running([tokens.Passage([word, "b"], np.array([1.0, np.nan]), heading=word, label=word)], word)
    )


def test_letters_that_no_font_has_are_spelt_and_it_is_said(monkeypatch):
    monkeypatch.setattr(canvas, "_glyphs", lambda: frozenset(range(32, 127)))
    with pytest.warns(UserWarning, match="No installed font"):
        fig = tokens.running([tokens.Passage(["\u5dee", "ok"], np.array([1.0, 0.2]))])
    assert "U+5DEE" in drawn(fig) and canvas.NO_GLYPH in drawn(fig)


def test_plain_texts_are_drawn_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        canvas.png(tokens.running([tokens.Passage(["na\u00efve", "\u2026"], np.array([1.0, 0.2]))]))


def test_a_text_as_html_is_escaped_and_has_signs():
    found = tokens.markup(
        tokens.Passage(
            [smalldata.SCRIPT, "\u5f88", "\u5dee", "end"], np.array([1.0, -1.0, 0.1, 0.0]), label="int8"
        )
    )
    assert "<script>" not in found and "&lt;script&gt;" in found
    assert ">+</sup>" in found and ">\u2212</sup>\u5f88" in found and found.count("<sup>") == 2
    assert "int8: " in found and 'title="-1"' in found


def test_a_text_without_words_can_be_drawn():
    canvas.png(tokens.running([tokens.Passage([], np.array([]))]))


def test_the_strongest_words_carry_their_numbers_beyond_their_bars():
    values = np.array([0.1, 4.0, -2.0, 1.0, 0.0])
    fig = tokens.running([tokens.Passage(list("abcde"), values)])
    at = {text.get_text(): text.get_position()[1] for text in fig.axes[0].texts}
    assert {"4", "\u22122", "1"} <= set(at) and "0.1" not in at
    assert at["4"] < at["b"] < at["\u22122"]


def test_numbers_that_would_run_into_each_other_are_left_out():
    fig = tokens.running([tokens.Passage([".", ".", "."], np.array([0.123, 0.122, 0.121]))])
    assert sum(text.get_text().startswith("0.12") for text in fig.axes[0].texts) == 1


def test_words_without_a_value_have_no_number():
    fig = tokens.running([tokens.Passage(["a", "b"], np.array([0.0, np.nan]))])
    assert not {"0", "nan"} & set(drawn(fig))


def test_what_counts_most_is_darkest_on_white_paper():
    strip = canvas.mpl.colormaps[tokens.STRENGTH]([0.0, 1.0])[:, :3].mean(1)
    assert strip[1] < strip[0]


def test_a_word_in_pieces_is_numbered_once():
    fig = tokens.running([tokens.Passage(["x" * 400, "b"], np.array([3.0, -1.0]))])
    assert sum(text.get_text() == "3" for text in fig.axes[0].texts) == 1
