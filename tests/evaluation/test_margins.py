"""Where an interval lies with respect to a margin, and where the margin lies."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.evaluation.margins import Group, Measured, examine, kept_margin, short, similarity_margin

fractions = st.floats(0, 1)
NAN = math.nan


@pytest.mark.parametrize(
    ("low", "high", "margin", "zone"),
    [
        (0.95, 0.97, 0.94, "clear"),
        (0.95, 0.97, 0.95, "clear"),
        (0.95, 0.97, 0.96, "open"),
        (0.95, 0.97, 0.97, "open"),
        (0.95, 0.97, 0.98, "below"),
        (1 - 1e-7, 1, 1, "clear"),  # float32 maps of an equal model
        (NAN, NAN, 0.95, "open"),
        (0.95, 0.97, NAN, "open"),
    ],
)
def test_an_interval_lies_in_one_of_three_zones(low, high, margin, zone):
    assert Measured("s", 0.96, low, high, margin).zone == zone


@given(fractions, fractions, fractions, fractions)
def test_a_higher_interval_never_lies_in_a_lower_zone(low, width, margin, more):
    order = ["below", "open", "clear"]
    first = Measured("s", low, low, low + width, margin).zone
    assert order.index(Measured("s", low, low + more, low + width + more, margin).zone) >= order.index(first)


def test_the_similarity_has_to_reach_the_larger_of_sham_less_five_hundredths_and_references():
    assert similarity_margin(0.97, 0.95) == 0.95
    assert similarity_margin(1.0, 0.90) == pytest.approx(0.95)


def test_without_a_sham_the_references_stand_alone_and_without_references_there_is_no_margin():
    assert similarity_margin(NAN, 0.9) == 0.9
    assert math.isnan(similarity_margin(0.97, NAN)) and math.isnan(kept_margin(NAN))


def test_answers_kept_have_to_reach_the_references_less_a_point():
    assert kept_margin(0.975) == pytest.approx(0.965)


def test_a_group_is_examined_against_its_margin():
    answers = np.array([1] * 20 + [0] * 20)
    moved, fine = examine("class 9", answers, 0.95), examine("class 1", np.ones(40), 0.95)
    assert (moved.n, moved.value) == (40, 0.5) and moved.p < 0.001
    assert fine.value > fine.margin


def test_a_group_of_one_writer_shows_nothing():
    assert examine("class 9", np.zeros(40), 0.95, clusters=np.zeros(40)).p == 1


def test_measurements_read_as_sentences():
    assert str(Measured("similarity", 0.96, 0.95, 0.97, 0.98)) == (
        "similarity (.960, 95 % .950 to .970) is below the margin .980"
    )
    assert "neither clears nor is below the margin" in str(Measured("s", 0.96, 0.95, 0.97, 0.96))
    assert "no margin" in str(Measured("s", 0.96, 0.95, 0.97, NAN))
    assert str(Group("class 9", 41, 0.5, 0.95, 0.001)) == "class 9 (.500, n = 41) is below the margin .950"


@pytest.mark.parametrize(
    ("number", "text"), [(-0.42, "-.42"), (0.999, "1.00"), (10.5, "10.50"), (NAN, "unknown")]
)
def test_numbers_are_written_as_statistics_are(number, text):
    assert short(number, decimals=2) == text


def test_bounds_the_wrong_way_round_are_refused():
    with pytest.raises(BadInput, match=r"answers kept has the interval 0\.9 to 0\.8"):
        Measured("answers kept", 0.85, 0.9, 0.8, 0.95)
