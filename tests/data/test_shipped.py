"""The shipped digits are the committed ones, dealt out fairly, and nobody can write into them."""

import numpy as np
import pytest

import workbench as wb
from workbench import files
from workbench.data import shipped
from workbench.errors import BadFile, UnknownName

SIZES = {"train": 3500, "valid": 500, "test": 1000}


def test_there_are_five_thousand_digits_in_three_splits(digits):
    assert {name: len(split) for name, split in digits.splits.items()} == SIZES
    assert (digits.name, digits.kind, digits.input_shape) == ("mnist", "image", (1, 28, 28))
    assert digits.class_names == tuple("0123456789")
    assert digits.licence not in ("", "not stated")
    assert digits.source not in ("", "not stated")


@pytest.mark.parametrize("part", SIZES)
def test_pixels_are_floats_from_0_to_1_and_classes_whole(digits, part):
    split = digits.splits[part]
    assert (split.x.dtype, split.y.dtype) == (np.float32, np.int64)
    assert (split.x.min(), split.x.max()) == (0, 1)
    assert split.evidence is None
    assert split.shortcut is None


def test_every_digit_is_in_exactly_one_split(digits):
    ids = np.concatenate([split.row_ids for split in digits.splits.values()])
    assert sorted(ids) == list(range(5000))


def test_no_image_is_in_two_splits(digits):
    seen = [{image.tobytes() for image in split.x} for split in digits.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen))


@pytest.mark.parametrize("part", SIZES)
def test_each_class_is_a_tenth_of_each_split(digits, part):
    assert np.bincount(digits.splits[part].y).tolist() == [SIZES[part] // 10] * 10


def test_the_first_rows_are_a_fair_sample(digits):
    assert np.bincount(digits.train.y[:500], minlength=10).min() > 25


def test_a_zero_has_a_hole_and_a_one_does_not(digits):
    middle = [digits.train.x[digits.train.y == digit][:, 0, 12:16, 12:16].mean() for digit in (0, 1)]
    assert middle[0] < 0.1 < 0.5 < middle[1]


def test_the_arrays_cannot_be_written_into(digits):
    for split in digits.splits.values():
        for name in ("x", "y", "row_ids", "clusters"):
            with pytest.raises(ValueError, match="read-only"):
                getattr(split, name)[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        digits.test[:5].x[0] = 0


def test_data_is_loaded_once():
    assert wb.load("mnist") is wb.load("mnist")


def test_a_file_that_was_changed_is_refused(monkeypatch):
    monkeypatch.setattr(files, "sha256", lambda content: "0" * 64)
    with pytest.raises(BadFile, match="SHA-256 0000000000000000") as refused:
        shipped.mnist()
    assert "as committed" in refused.value.expected
    assert "Install the package again" in str(refused.value)


def test_an_unknown_name_is_answered_with_the_known():
    with pytest.raises(UnknownName, match=r"'minst'.*one of .*mnist.*Did you mean 'mnist'"):
        wb.load("minst")


def test_the_table_lists_what_can_be_loaded():
    table = wb.datasets()
    assert "mnist" in table.index
    assert table.loc["mnist", ["kind", "rows", "classes"]].tolist() == ["image 1x28x28", 5000, 10]
    for name, row in table.iterrows():
        data = wb.load(name)
        assert row["rows"] == sum(map(len, data.splits.values()))
        assert row["licence"] == data.licence
        assert row["source"] == data.source
