"""Splits keep together what belongs together, and data knows what it holds."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from workbench.data.records import Data, Split


def rows(n, first=0):
    """Make a split of ``n`` small images whose numbers begin at ``first``."""
    ids = np.arange(first, first + n)
    x = np.tile(ids[:, None, None, None] / 100, (1, 1, 2, 3)).astype(np.float32)
    return Split(x, ids % 2, ids, ids // 2, evidence=x > 0.02, shortcut=x > 0.04)


@pytest.fixture
def split():
    """Ten rows with everything that a split can have."""
    return rows(10)


@pytest.fixture
def data():
    """Sixteen rows in three splits."""
    return Data(
        "small", "image", rows(10), rows(2, 10), rows(4, 12), (), ("even", "odd"), "ours", "made here"
    )


CHOICES = {
    "a slice": slice(2, 7, 2),
    "a list": [5, 0, 5],
    "an array": np.array([1, 9]),
    "a mask": np.arange(10) % 3 == 0,
    "one number": 4,
    "one from the end": -1,
    "a numpy number": np.int64(3),
    "nothing": slice(0, 0),
}


@pytest.mark.parametrize("chosen", CHOICES.values(), ids=CHOICES)
def test_a_choice_of_rows_takes_everything_along(split, chosen):
    part = split[chosen]
    wanted = np.atleast_1d(np.arange(10)[chosen])
    assert part.row_ids.tolist() == wanted.tolist()
    assert len(part) == len(wanted)
    given = {name: value for name, value in vars(split).items() if value is not None}
    assert len(given) > 5
    for name, value in given.items():
        np.testing.assert_array_equal(getattr(part, name), value[wanted])


def test_a_choice_of_a_choice_keeps_the_first_numbers(split):
    assert split[4:][1:3].row_ids.tolist() == [5, 6]


def test_what_a_split_does_not_have_stays_absent(split):
    assert replace(split, evidence=None, shortcut=None)[:2].evidence is None


def test_a_row_that_is_not_there_is_an_error(split):
    with pytest.raises(IndexError):
        split[10]


def test_records_are_frozen(split, data):
    with pytest.raises(FrozenInstanceError):
        split.x = None
    with pytest.raises(FrozenInstanceError):
        data.name = "other"


def test_data_counts_its_classes_and_rows(data):
    assert (data.n_classes, data.input_shape) == (2, (1, 2, 3))
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 10, "valid": 2, "test": 4}
    assert repr(data) == "Data('small': image 1x2x3, 2 classes, 10 train / 2 valid / 4 test rows)"


def test_a_subset_holds_the_first_rows_and_the_rest_as_it_was(data):
    part = data.subset(train=3, test=1)
    assert part.train.row_ids.tolist() == [0, 1, 2]
    assert part.test.row_ids.tolist() == [12]
    assert part.valid.row_ids.tolist() == data.valid.row_ids.tolist()
    assert (part.class_names, part.licence, part.source) == (data.class_names, "ours", "made here")


def test_equal_data_has_an_equal_fingerprint(data):
    assert data.fingerprint == data.subset().fingerprint
    assert len(data.fingerprint) == 64


CHANGES = {
    "a pixel of a test image": lambda d: replace(d, test=replace(d.test, x=d.test.x + np.eye(2, 3) * 1e-6)),
    "a class": lambda d: replace(d, train=replace(d.train, y=1 - d.train.y)),
    "a row number": lambda d: replace(d, valid=replace(d.valid, row_ids=d.valid.row_ids + 1)),
    "a row": lambda d: d.subset(train=9),
    "the names of classes": lambda d: replace(d, class_names=("odd", "even")),
    "the kind": lambda d: replace(d, kind="table"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_gives_another_fingerprint(data, change):
    assert change(data).fingerprint != data.fingerprint


def test_names_are_escaped_on_the_page(data):
    page = replace(data, name="<script>", class_names=("<b>", "&"), licence="<i>", source="<a>")._repr_html_()
    assert not any(tag in page for tag in ("<script", "<b>", "<i>", "<a>"))
    assert "&lt;script&gt;" in page
    assert data.fingerprint[:16] in data._repr_html_()
