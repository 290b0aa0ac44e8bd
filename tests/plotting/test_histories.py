"""Training curves, and confidence held against what was right."""

import numpy as np

from workbench.plotting import histories


def test_a_model_that_is_as_right_as_it_says_has_no_gap():
    confidence = np.repeat([0.25, 0.75], 100)
    right = np.concatenate([np.arange(100) < 25, np.arange(100) < 75])
    assert histories.calibration_gap(confidence, right) == 0


def test_a_model_that_is_always_sure_and_half_right_has_a_gap_of_a_half():
    assert histories.calibration_gap(np.ones(10), np.arange(10) < 5) == 0.5


def test_bins_without_answers_are_left_out():
    found = histories.binned(np.array([0.05, 0.07, 0.96]), np.array([0, 1, 1]))
    assert found["n"].tolist() == [2, 1] and found["right"].tolist() == [0.5, 1]


def test_the_figures_state_what_they_found():
    history = {"loss": [2.0, 1.0], "valid_loss": [1.5, 0.8], "valid_accuracy": [0.5, 0.75]}
    left, right = histories.curves(history).axes
    assert "0.80" in left.get_title("left") and "75.0 %" in right.get_title("left")
    fig = histories.reliability(np.ones(10), np.arange(10) < 5, [(0.5, 0.2, 0.8)])
    assert "50.0 points" in fig.axes[0].get_title("left")
