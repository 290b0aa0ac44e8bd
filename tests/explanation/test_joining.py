"""Parts of a whole become one: rows one after the other, means over rows, counts anew."""

from dataclasses import replace

import numpy as np
import pytest

import workbench as wb
from workbench.explanation.joining import joined

X = np.arange(15, dtype=np.float32).reshape(5, 3)


def scores(x):
    return np.stack([x[:, 0] * x[:, 1], x[:, 2]], 1)


@pytest.fixture
def whole():
    return wb.explain(scores, X, "exact_shapley", target=0)


def test_slices_that_are_joined_are_the_whole(whole):
    again = joined([whole[:2], whole[2:4], whole[4:]])
    for name in ("values", "inputs", "target", "output", "base_values", "delta", "row_ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))
    assert again.fingerprint == whole.fingerprint
    assert again.flags == whole.flags and again.settings == whole.settings


def test_measured_numbers_become_their_mean_over_rows(whole):
    parts = [replace(part, settings={**part.settings, "error": error}) for part, error in
             ((whole[:4], 1.0), (whole[4:], 6.0))]  # fmt: skip
    assert joined(parts).settings["error"] == 2.0


def test_measured_numbers_a_row_stay_with_their_rows(whole):
    def measuring(part, values):
        return replace(part, settings={**part.settings, "fits": values, "measured": ["fits"]})

    parts = [measuring(whole[:3], [1, 2, 3]), measuring(whole[3:], [4, 5])]
    assert joined(parts).settings["fits"] == [1, 2, 3, 4, 5]
    parts = [measuring(whole[:3], np.ones(3)), measuring(whole[3:], np.zeros(2))]
    assert joined(parts).settings["fits"].tolist() == [1, 1, 1, 0, 0]


def test_what_differs_and_is_no_number_a_row_stands_under_its_first_row(whole):
    parts = [replace(part, settings={**part.settings, "segments": said}) for part, said in
             ((whole[:3], "a grid"), (whole[3:], "words"))]  # fmt: skip
    assert joined(parts).settings["segments"] == {"0": "a grid", "3": "words"}


def test_counts_over_rows_are_made_anew_and_other_flags_stay(whole):
    flat = replace(whole, values=np.zeros_like(whole.values))
    parts = [replace(part, flags={"constant map": f"In {len(part)} of {len(part)} rows all values are equal.", **more})
             for part, more in ((flat[:3], {"twin": "same"}), (flat[3:], {"twin": "same", "spaces": "by .2"}))]  # fmt: skip
    flags = joined(parts).flags
    assert flags["constant map"] == "In 5 of 5 rows all values are equal."
    assert flags["twin"] == "same" and flags["spaces"] == "by .2"


def test_a_flag_that_says_several_things_says_where(whole):
    parts = [replace(whole[:3], flags={"spaces": "by .1"}), replace(whole[3:], flags={"spaces": "by .2"})]
    assert joined(parts).flags["spaces"] == "From row 0 on: by .1 From row 3 on: by .2"


def test_a_part_without_padding_has_none_there(whole):
    padded = replace(whole[:3], padding=np.ones((3, 3), dtype=bool))
    assert joined([padded, whole[3:]]).padding.tolist() == [[True] * 3] * 3 + [[False] * 3] * 2
