"""Rows are dealt out class by class, whole clusters at a time; copies are found, and what parts them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data import dealing
from workbench.data.remarks import Remarks
from workbench.errors import BadInput


def test_copies_share_a_cluster():
    clusters, possible = dealing.copies(
        np.array([7, 8, 7, 9, 10, 11, 12, 13]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    )
    assert possible
    assert clusters[0] == clusters[2]
    assert len({*clusters.tolist()}) == 7


def test_a_few_different_rows_stand_for_themselves():
    clusters, possible = dealing.copies(np.arange(100) % 4, np.arange(100) % 2)
    assert not possible
    assert clusters.tolist() == list(range(100))


@given(n=st.integers(2, 30), groups=st.integers(1, 3), seed=st.integers(0, 99))
def test_a_key_in_several_groups_is_found_and_no_other(n, groups, seed):
    rng = np.random.default_rng(seed)
    keys, own = rng.integers(0, 8, n), rng.integers(0, groups, n)
    torn = {int(key) for key in keys if len({*own[keys == key].tolist()}) > 1}
    pairs = dealing.torn(keys, own)
    assert sorted(keys[pairs[:, 0]].tolist()) == sorted(torn)
    for first, other in pairs:
        assert keys[first] == keys[other]
        assert own[first] != own[other]
        assert first == np.flatnonzero(keys == keys[first])[0]


def test_equal_rows_are_equal_bit_for_bit():
    x = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, np.nextafter(1.0, 2)], [-0.0, 1.0]])
    numbers = dealing.equal_rows(x)
    assert numbers[0] == numbers[1]
    assert len({*numbers.tolist()}) == 3


def test_a_missing_split_is_taken_from_training_and_said():
    remarks = Remarks("file")
    y = np.arange(100) % 2
    given = {"train": np.arange(80), "test": np.arange(80, 100)}
    parts = dealing.completed(given, y, np.arange(100), 0, ("a", "b"), remarks)
    assert [len(rows) for rows in parts.values()] == [70, 10, 20]
    assert sorted(np.concatenate([parts["train"], parts["valid"]])) == list(range(80))
    assert remarks.notes == ["file: There is no valid split: 12.5% of each class in train was taken for it."]


def test_a_class_without_enough_rows_is_named_with_its_file():
    with pytest.raises(BadInput, match="file: Class 'odd' has 2 clusters"):
        dealing.dealt(np.array([0] * 9 + [1, 1]), np.arange(11), 0, ("even", "odd"), Remarks("file"))
