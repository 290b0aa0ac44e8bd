"""Confidence against accuracy: known errors, and the change between two models."""

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.evaluation.calibration import brier, calibration_change, calibration_error, confidences

DRAWS = np.random.default_rng(0)
SURE = DRAWS.uniform(0.5, 1, 20_000)
CALIBRATED = DRAWS.uniform(size=20_000) < SURE


def test_a_calibrated_model_has_next_to_no_error_and_a_boaster_its_boast():
    assert calibration_error(SURE, CALIBRATED) < 0.02
    assert calibration_error(np.full(100, 0.95), np.arange(100) < 60) == pytest.approx(0.35)


def test_bins_hold_equally_many_rows_and_equal_confidences_stay_together():
    sure, right = [0.5, 0.6, 0.9, 1.0], [True, False, False, True]
    assert calibration_error(sure, right, bins=2) == pytest.approx((2 * 0.05 + 2 * 0.45) / 4)
    assert calibration_error([0.5, 0.5, 0.5, 1.0], [True, True, False, False], bins=2) == pytest.approx(0.375)
    assert calibration_error([0.7], [True]) == pytest.approx(0.3)


def test_a_boaster_is_worse_by_the_brier_score_and_an_equal_model_is_not():
    plain, boast = (SURE[:2000], CALIBRATED[:2000]), (np.ones(2000), CALIBRATED[:2000])
    assert calibration_change(plain, boast).low > 0 > calibration_change(boast, plain).high
    assert calibration_change(plain, plain)[:3] == (0, 0, 0)
    assert brier([1.0, 0.5], [True, False]).tolist() == [0, 0.25]


def test_confidence_is_the_softmax_of_the_answer_and_a_probability_is_one_already():
    chances = np.array([[0.2, 0.8], [0.6, 0.4]])
    assert confidences(np.log(chances)) == pytest.approx([0.8, 0.6]) == confidences(chances)


@pytest.mark.parametrize(
    ("sure", "right"), [([0.5], [True, False]), ([1.2], [True]), ([], []), ([np.nan], [True])]
)
def test_what_is_no_probability_is_refused(sure, right):
    with pytest.raises(BadInput, match="one probability and one hit a row"):
        calibration_error(sure, right)
