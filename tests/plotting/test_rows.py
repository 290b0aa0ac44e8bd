"""The data page: a leak stands out, a balanced set looks balanced, the surest mistake comes first."""

from dataclasses import replace

import numpy as np
import pytest
import smalldata

import workbench as wb
from workbench.plotting import canvas, rows


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


def test_shares_of_a_split_sum_to_a_hundred(digits):
    for values in rows.shares(digits).values():
        assert values.sum() == 100 and np.ptp(values) < 0.5


def test_the_surest_mistake_comes_first(digits):
    split = digits.test[:4]
    probability = np.full((4, 10), 0.01)
    probability[np.arange(4), split.y] = 0.9
    probability[1, (split.y[1] + 1) % 10], probability[2, (split.y[2] + 1) % 10] = 0.92, 0.97
    fig = rows.mistakes(split, probability, digits.class_names)
    assert fig.get_suptitle() == "The surest of 2 mistakes in 4 answers"
    assert fig.axes[0].get_title("center").startswith(f"says {(split.y[2] + 1) % 10} (97%)")


def test_without_mistakes_the_least_sure_are_shown(digits):
    split = digits.test[:3]
    fig = rows.mistakes(split, np.eye(10)[split.y], digits.class_names)
    assert fig.get_suptitle().startswith("No mistakes")


def test_the_figures_state_what_they_found(digits):
    assert rows.classes(digits).get_suptitle() == "Every class has 10.0 % of its split"
    assert rows.classes(digits.subset(train=25)).get_suptitle().startswith("A class has ")
    assert rows.features(digits).get_suptitle().startswith("The best single pixel is right in 22%")


@pytest.mark.parametrize(
    "make",
    [smalldata.table, smalldata.texts, lambda: smalldata.texts(classes=5)],
    ids=["table", "texts", "five"],
)
def test_classes_of_tables_and_texts_are_bars(make):
    data = make()
    (ax,) = rows.classes(data).axes
    assert len(ax.patches) == 3 * data.n_classes
    assert ax.patches[0].get_height() == pytest.approx(100 * np.mean(data.train.y == 0))


def test_a_hundred_classes_fit():
    data = smalldata.texts(1000, classes=100)
    fig = rows.classes(replace(data, class_names=tuple(f"{i} {smalldata.LONG}" for i in range(100))))
    assert fig.get_size_inches()[0] <= 10 and len(fig.axes[0].get_xticklabels()) == rows.LABELS
    canvas.png(fig)


def test_twenty_one_classes_of_images_are_bars_without_faces():
    data = wb.from_arrays(np.random.default_rng(0).random((105, 1, 8, 8)), np.arange(105) % 21)
    assert len(rows.classes(data).axes) == 1


def test_colour_images_have_coloured_means():
    x = np.zeros((30, 3, 8, 8))
    x[:, 0] = 1
    fig = rows.classes(wb.from_arrays(x, np.arange(30) % 3))
    assert fig.axes[0].images[0].get_array()[0, 0].tolist() == [1, 0, 0]
    shown = rows.mistakes(wb.from_arrays(x, np.arange(30) % 3).test, np.full((6, 3), 1 / 3), "abc")
    assert shown.axes[0].images[0].get_array().shape == (8, 8, 3)


def test_a_column_that_leaks_has_the_longest_bar_from_chance():
    data = smalldata.table(leak=np.where(np.arange(300) % 3 == 0, "yes", "no"))
    fig = rows.features(data)
    assert (
        labels(fig.axes[0])[0] == "leak"
        and fig.axes[0].patches[0].get_width() == 50
        and fig.axes[0].patches[0].get_x() == 50
    )
    assert fig.get_suptitle().startswith(
        "leak, the best in training, is right in 100% of held-out rows (commonest class 67%)"
    )
    assert (
        "leak, is right in 100% of the held-out rows; the commonest class alone in 67%"
        in rows.features_alt(data)
    )


def test_the_words_that_tell_speak_for_their_class():
    fig = rows.features(smalldata.texts())
    width = dict(zip(labels(fig.axes[0]), [bar.get_width() for bar in fig.axes[0].patches], strict=True))
    assert width["great"] > 3 and width["poor"] < -3
    many = rows.features(smalldata.texts(classes=3))
    first = {ax.get_title("left"): labels(ax)[0] for ax in many.axes if ax.get_visible()}
    assert first["class 0"] == "poor" and first["class 2"] == "great"


def test_a_mistake_in_a_table_is_shown_with_its_rarest_cells():
    split = smalldata.table().test
    probability = np.eye(2)[split.y] * 0.8 + 0.1
    odd = int(np.argmax(np.abs(split.codec.decoded(split.x)[smalldata.LONG].to_numpy())))
    probability[odd] = probability[odd][::-1]
    fig = rows.mistakes(split, probability, ("good", "bad"))
    said = [text.get_text().replace("\n", " ") for text in fig.axes[0].texts]
    assert fig.get_suptitle() == "The surest of 1 mistakes in 60 answers"
    assert (
        len(said) == 2
        and said[0].startswith("says ")
        and "a column with a nam" in said[1]
        and "of rows" in said[1]
    )


def test_a_missing_number_is_as_rare_as_the_share_of_missing_ones():
    split = smalldata.table().test
    rare = rows._rarity(split)[:, 3]
    gone = split.codec.decoded(split.x)["gap"].isna()
    assert rare[gone] == pytest.approx(0.2) and rare[~gone].min() <= 2 / len(split)


def test_a_mistake_in_a_text_is_shown_as_the_text():
    split = smalldata.texts().test
    probability = np.eye(2)[1 - split.y]
    fig = rows.mistakes(split, probability, ("neg", "pos"), n=3)
    assert fig.axes[0].texts[1].get_text().replace("\n", " ") == split.texts[0]
