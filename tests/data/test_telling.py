"""A feature that knows the class stands out, and noise does not."""

from dataclasses import replace

import numpy as np
import pytest
import smalldata

import workbench as wb
from workbench.data import telling


def test_a_column_that_leaks_is_right_everywhere_and_suspect():
    honest = smalldata.table()
    leak = np.where(np.arange(300) % 3 == 0, "yes", "no")
    found = telling.alone(smalldata.table(leak=leak))
    assert (
        found.loc[0, "feature"] == "leak"
        and found.loc[0, "accuracy"] == 1
        and found.loc[0, "balanced accuracy"] == 1
    )
    assert found["suspect"].tolist() == [True] + [False] * 5
    assert not telling.alone(honest)["suspect"].any()


def test_a_missing_value_can_be_the_leak():
    gone = np.where(np.arange(300) % 3 == 0, np.nan, 1.0 * np.arange(300))
    found = telling.alone(smalldata.table(gone=gone)).set_index("feature")
    assert found.loc["gone", "accuracy"] == 1 and found.loc["gone", "suspect"]


def test_a_column_that_never_varies_is_at_chance():
    found = telling.alone(smalldata.table()).set_index("feature")
    assert found.loc["fixed", "balanced accuracy"] == 0.5
    assert found.loc["fixed", "accuracy"] == pytest.approx(telling.majority(smalldata.table()))


def test_a_planted_pixel_knows_its_class_and_no_honest_one_knows_any(digits):
    def planted(split):
        x = split.x.copy()
        x[:, 0, 0, 0] = split.y / 9  # as in Decoy-MNIST: the shade tells the class
        return replace(split, x=x)

    marked = replace(digits, **{name: planted(split) for name, split in digits.splits.items()})
    before, after = telling.alone(digits), telling.alone(marked)
    assert not before["suspect"].any() and before["accuracy"].max() < 0.3
    assert (
        after.loc[0, "feature"] == "pixel 0, 0, 0"
        and after.loc[0, "accuracy"] > 0.75
        and after.loc[0, "suspect"]
    )
    assert np.unravel_index(telling.picture(marked).argmax(), (28, 28)) == (0, 0)


def test_large_images_are_averaged_in_blocks_first():
    x = np.random.default_rng(0).random((30, 3, 130, 70)).astype(np.float32)
    data = wb.from_arrays(x, np.arange(30) % 3)
    assert telling.picture(data).shape == (43, 35)
    assert len(telling.alone(data)) == 3 * 43 * 35


def test_a_word_that_tells_stands_first():
    found = telling.alone(smalldata.texts())
    assert set(found["feature"][:2]) == {"great", "poor"} and found["balanced accuracy"][:2].min() > 0.8
    assert "[PAD]" not in set(found["feature"]) and "[CLS]" not in set(found["feature"])


def test_a_word_is_as_right_as_counting_by_hand_says():
    data = smalldata.texts()
    held = [str(t) for split in (data.valid, data.test) for t in split.texts]
    answers = np.concatenate([data.valid.y, data.test.y])
    by_hand = np.mean((np.array(["great" in text for text in held])).astype(int) == answers)
    found = telling.alone(data).set_index("feature")
    assert found.loc["great", "accuracy"] == pytest.approx(by_hand)


def test_the_words_of_a_class_stand_more_often_in_it():
    found = telling.words(smalldata.texts(classes=3), 4)
    first = found.groupby("class").first()
    assert first.loc["class 0", "word"] == "poor" and first.loc["class 2", "word"] == "great"
    assert (found["errors"] > 0).all() and found.groupby("class").size().max() <= 4


@pytest.mark.parametrize(
    ("balanced", "which"),
    [([0.96, 0.96, 0.5], [0, 1]), ([0.9, 0.6, 0.55], [0]), ([0.9, 0.85, 0.5], []), ([0.7, 0.5, 0.5], []), ([0.9], [])],
)  # fmt: skip
def test_suspect_is_what_knows_nearly_all_or_far_more_than_the_others(balanced, which):
    assert np.flatnonzero(telling.suspects(np.array(balanced), 2)).tolist() == which


def test_best_in_training_comes_first_whatever_it_is_worth_later():
    data = smalldata.table()
    swapped = replace(
        data, test=replace(data.test, y=1 - data.test.y), valid=replace(data.valid, y=1 - data.valid.y)
    )
    assert telling.alone(data)["feature"].tolist() == telling.alone(swapped)["feature"].tolist()


@pytest.mark.parametrize("name", ["mnist", "german_credit"])
def test_what_tells_the_class_in_training_alone_is_called_a_shortcut(name):
    data = wb.load(name).subset(train=700)
    assert not telling.alone(data)["fails"].any()
    planted = wb.plant_shortcut(data)
    found = telling.alone(planted)
    assert found.loc[0, "fails"] and found.loc[0, telling.TRAINED] > 0.75
    assert any("Is it a shortcut?" in doubt for doubt in wb.card(planted).doubts)
    assert not any("Is it a shortcut?" in doubt for doubt in wb.card(data).doubts)
