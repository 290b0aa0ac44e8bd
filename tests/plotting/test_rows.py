"""The data page: a planted mark stands out, a balanced set looks balanced, the surest mistake comes first."""

from dataclasses import replace

import numpy as np

from workbench.plotting import rows


def test_shares_of_a_split_sum_to_a_hundred(digits):
    for values in rows.shares(digits).values():
        assert values.sum() == 100 and np.ptp(values) < 0.5


def test_a_planted_pixel_is_right_in_every_row_and_no_honest_one_is(digits):
    x = digits.train.x.copy()
    x[:, 0, 0, 0] = digits.train.y == 3
    before, after = rows.alone(digits.train), rows.alone(replace(digits.train, x=x))
    largest = np.bincount(digits.train.y).max() / len(digits.train)
    assert before.max() < 0.3 and np.isclose(before[0, 0, 0], largest)
    assert np.isclose(after[0, 0, 0], 2 * largest, atol=0.001)


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
    assert rows.pixels(digits).get_suptitle().startswith("The best single pixel is right in")
