"""Arrays as the models take them become data without a change; a name is looked up."""

import numpy as np
import pytest

from workbench.data.bare import NOTE, as_data
from workbench.errors import BadInput, UnknownName

X, Y = np.random.default_rng(0).normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2])


def test_numbers_stay_as_they_are_and_every_row_is_tested():
    data = as_data((X, Y))
    assert np.array_equal(data.test.x, X.astype(np.float32)) and data.codec is None and data.kind == "table"
    assert data.n_classes == 3 and len(data.test) == 6 and data.notes == (NOTE,)


def test_images_are_told_from_columns():
    assert as_data((np.zeros((4, 1, 8, 8)), Y[:4])).kind == "image"


def test_data_and_names_are_taken_too(digits):
    assert as_data(digits) is digits and as_data("breast_cancer").name == "breast_cancer"
    with pytest.raises(UnknownName):
        as_data("no such set")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((X, Y[:4]), "beside 6 rows"),
        ((X, Y - 1), "whole numbers from 0"),
        ((X, Y + 0.5), "whole numbers from 0"),
        ((np.where(X > 1, np.nan, X) * np.nan, Y), "NaN"),
        ((np.array(["good", "bad"]), Y[:2]), "wb.from_arrays"),
        (X, "a pair of arrays"),
        (7, "data is a int"),
    ],
)
def test_what_cannot_be_judged_is_refused(given, said):
    with pytest.raises(BadInput, match=said):
        as_data(given)
