"""What stands in the data is counted rightly, for images, tables and texts."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import smalldata

import workbench as wb
from workbench.data import inspection


@pytest.fixture(scope="module", params=["image", "table", "text"])
def data(request, digits):
    """Data of each kind, without copies."""
    small = {
        "image": lambda: digits.subset(train=200, valid=50, test=100),
        "table": smalldata.table,
        "text": smalldata.texts,
    }
    return small[request.param]()


def test_classes_are_counted_in_every_split():
    found = inspection.balance(smalldata.table(300))
    assert found["train"].tolist() == [140, 70] and found["test"].tolist() == [40, 20]
    np.testing.assert_allclose(found["train share"], [2 / 3, 1 / 3])


def test_honest_data_have_no_copies_and_no_quarrels(data):
    assert set(inspection.duplicates(data).values()) == {0}
    assert len(inspection.conflicts(data)) == 0


def test_copies_across_splits_are_counted(data):
    found = inspection.duplicates(smalldata.copied(data, 7))
    assert found == {
        "in two splits": 7,
        "with two labels": 0,
        "within a split": 0,
        "test rows seen in training": 7,
    }


def test_copies_with_another_label_are_counted_and_listed(data):
    changed = smalldata.copied(data, 5, relabelled=True)
    assert inspection.duplicates(changed)["with two labels"] == 5
    found = inspection.conflicts(changed)
    assert len(found) == 5 and set(found["rows"]) == {2} and set(found["splits"]) == {"train (1), test (1)"}
    assert len(inspection.conflicts(changed, most=3)) == 3


def test_copies_within_a_split_are_counted_once(data):
    twice = replace(data, train=data.train[[0, 0, 0, *range(len(data.train))]])
    assert inspection.duplicates(twice)["within a split"] == 1
    assert inspection.duplicates(twice)["in two splits"] == 0


def test_texts_are_equal_when_only_letters_and_spaces_differ():
    data = smalldata.of_texts(
        [*["one two three"] * 7, "ONE  two\n three", "One two three ", "four"], np.arange(10) % 2
    )
    found = inspection.duplicates(data)
    assert (
        found["in two splits"] == 1
        and found["with two labels"] == 1
        and found["test rows seen in training"] == 1
    )


def test_minus_zero_is_zero():
    x = np.arange(24, dtype=np.float32).reshape(12, 2)
    data = wb.from_arrays(
        x, np.arange(12) % 2, splits={"train": range(6), "valid": range(6, 8), "test": range(8, 12)}
    )
    changed = replace(data, train=replace(data.train, x=np.full_like(data.train.x, -0.0)),
                      test=replace(data.test, x=np.zeros_like(data.test.x)))  # fmt: skip
    assert inspection.duplicates(changed)["in two splits"] == 1


def test_a_text_of_which_one_word_was_changed_is_nearly_a_copy():
    words = [f"w{i}" for i in range(12)]
    texts = [
        *(" ".join(f"{w}{k}" for w in words) for k in range(8)),
        "w10 other",
        " ".join([*(f"{w}3" for w in words[:11]), "w40"]),
    ]
    data = smalldata.of_texts(texts, np.array([0, 1] * 5))
    data = replace(data, train=replace(data.train, row_ids=data.train.row_ids + 100))
    (found,) = inspection.near(data).to_dict("records")
    assert (found["split"], found["row"], found["training"], bool(found["same class"])) == (
        "test",
        9,
        103,
        True,
    )
    assert found["alike"] == pytest.approx(9 / 11)  # ten windows of three words each, nine in common
    assert len(inspection.near(data, alike=0.9)) == 0


def peak(compute):
    """Return what a call gives, and how many bytes it held at most."""
    tracemalloc.start()
    try:
        return compute(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def boilerplate(n=1500):
    """Texts of which every fifth ends in the same words, in some the last word is another one."""
    texts = [f"a{i} " + " ".join(f"w{k}of{i % 5}" for k in range(8)) + f" z{i % 31}" for i in range(n)]
    return smalldata.of_texts(texts, np.arange(n) % 2)


def test_memory_for_near_copies_goes_with_a_block_of_texts_and_not_with_all(monkeypatch):
    data, found, used = boilerplate(), [], []
    for block in (10**6, 20):
        monkeypatch.setattr(inspection, "BLOCK", block)
        table, most = peak(lambda: inspection.near(data))
        found.append(table)
        used.append(most)
    pd.testing.assert_frame_equal(*found)
    assert len(found[0]) == 450 and used[1] < used[0] / 4


def test_inputs_are_not_copied_to_find_those_that_are_equal():
    x = np.random.default_rng(0).random((300, 1, 64, 64), dtype=np.float32)
    data = wb.from_arrays(x, np.arange(300) % 2)
    found, used = peak(lambda: inspection.duplicates(data))
    assert set(found.values()) == {0} and used < x.nbytes / 4


def test_a_text_that_is_no_unicode_is_compared_too():
    data = smalldata.of_texts(["\ud800 a"] * 7 + ["b", "\ud800 A", "c"], np.arange(10) % 2)
    assert inspection.duplicates(data)["test rows seen in training"] == 1


def test_different_texts_are_not_nearly_copies():
    assert len(inspection.near(smalldata.texts())) == 0


def test_missing_values_are_found_in_numbers_and_categories():
    n = 300
    data = smalldata.table(n, word=np.where(np.arange(n) % 10 == 0, None, "x"))
    found = inspection.missing(data).set_index("column")
    assert found.loc["gap"].tolist() == pytest.approx([0.2, 0.2, 0.2])
    assert found.loc["word"].tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert found.loc["age"].tolist() == [0, 0, 0]


def test_images_and_texts_have_no_columns_with_gaps(digits):
    assert len(inspection.missing(digits)) == 0 and len(inspection.missing(smalldata.texts())) == 0


def test_what_never_varies_in_training_is_named(digits):
    assert inspection.constant(smalldata.table()) == ("fixed",)
    assert inspection.constant(smalldata.texts()) == ()
    still = (np.ptp(digits.train.x, axis=0) == 0).sum()
    assert len(inspection.constant(digits)) == still and "pixel 0, 0, 0" in inspection.constant(digits)


def test_columns_are_described_with_their_range():
    found = inspection.columns(smalldata.table()).set_index("column")
    assert found.loc[smalldata.SCRIPT, "type"] == "category, 3 values"
    assert found.loc[smalldata.SCRIPT, "values"] == "$5, <b>, cook"
    assert found.loc["fixed", "values"] == "1 to 1, median 1"
    assert found.loc["gap", "missing"] == pytest.approx(0.2)


def test_large_numbers_are_written_out():
    found = inspection.columns(smalldata.table(300, price=np.arange(300) * 1000.0)).set_index("column")
    assert found.loc["price", "values"] == "0 to 209,000, median 104,500"


def test_clusters_that_are_torn_apart_are_counted():
    data = smalldata.table()
    assert inspection.clusters(data) == {
        "rows": 300,
        "clusters": 300,
        "rows that share one": 0,
        "largest": 1,
        "in two splits": 0,
    }
    torn = replace(data, test=replace(data.test, clusters=data.test.clusters % 3))
    found = inspection.clusters(torn)
    assert found["in two splits"] == 3 and found["largest"] == 21 and found["rows that share one"] == 63


def test_lengths_and_unknown_words_are_told_by_split():
    texts = ["a b c d"] * 7 + ["a b", "a x y z", "a b c d e f"]
    found = inspection.lengths(smalldata.of_texts(texts, np.arange(10) % 2)).set_index("split")
    assert found.loc["train", ["median", "longest", "cut off", "unknown"]].tolist() == [4, 4, 0, 0]
    assert found.loc["test", "unknown"] == pytest.approx(3 / 8) and found.loc["test", "cut off"] == 0.5


def test_a_text_without_words_is_empty():
    texts = ["a b"] * 9 + [" "]
    assert inspection.lengths(smalldata.of_texts(texts, np.arange(10) % 2))["empty"].tolist() == [0, 0, 0.5]
