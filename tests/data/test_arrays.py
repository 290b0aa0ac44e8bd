"""Your own arrays become data, or are refused with the reason."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench as wb
from workbench.errors import BadInput

RNG = np.random.default_rng(0)
TABLE = RNG.normal(3, 2, (60, 4))
IMAGES = RNG.random((60, 1, 5, 6))
THREE = np.arange(60) % 3
THIRDS = {"train": range(0, 40), "valid": range(40, 50), "test": range(50, 60)}


def together(data):
    """Join the splits of data: row numbers, classes and clusters."""
    return (
        np.concatenate([getattr(s, name) for s in data.splits.values()])
        for name in ("row_ids", "y", "clusters")
    )


# what becomes of arrays


def test_images_stay_as_they_are():
    data = wb.from_arrays(IMAGES, THREE, name="mine", licence="CC0", source="here")
    assert (data.kind, data.name, data.licence, data.source) == ("image", "mine", "CC0", "here")
    assert (data.feature_names, data.columns) == ((), None)
    assert data.class_names == ("0", "1", "2")
    for split in data.splits.values():
        np.testing.assert_array_equal(split.x, IMAGES[split.row_ids].astype(np.float32))
        np.testing.assert_array_equal(split.y, THREE[split.row_ids])
        np.testing.assert_array_equal(split.clusters, split.row_ids)


def test_a_table_is_standardized_by_its_training_rows_alone():
    x = TABLE.copy()
    x[50:] += 100
    data = wb.from_arrays(x, THREE, splits=THIRDS)
    np.testing.assert_allclose(data.train.x.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.train.x.std(0), 1, atol=1e-6)
    np.testing.assert_allclose(data.test.x, (x[50:] - x[:40].mean(0)) / x[:40].std(0), rtol=1e-4)
    assert data.test.x.min() > 10


@pytest.mark.parametrize("constant", [0.0, 0.1, 7.0, -1e6])
def test_a_constant_column_becomes_zero(constant):
    x = np.column_stack([np.full(3000, constant), np.arange(3000.0)])
    data = wb.from_arrays(x, np.arange(3000) % 2)
    np.testing.assert_allclose(data.train.x[:, 0], 0, atol=1e-5)
    assert data.train.x[:, 1].std() == pytest.approx(1)


def test_columns_are_named():
    data = wb.from_arrays(TABLE, THREE, feature_names=["age", "income", "debt", 4])
    assert data.feature_names == ("age", "income", "debt", "4")
    assert data.columns == {"age": [0], "income": [1], "debt": [2], "4": [3]}
    assert wb.from_arrays(TABLE, THREE).feature_names == ("column 0", "column 1", "column 2", "column 3")


def test_names_as_classes_are_counted_in_the_order_of_the_alphabet():
    data = wb.from_arrays(TABLE, np.array(["cat", "ant", "bee"])[THREE])
    assert data.class_names == ("ant", "bee", "cat")
    assert all(type(name) is str for name in data.class_names)
    assert set(data.train.y[data.train.row_ids % 3 == 0]) == {2}


def test_names_as_classes_are_counted_in_the_order_given():
    data = wb.from_arrays(TABLE, np.array(["cat", "ant", "bee"])[THREE], class_names=["bee", "cat", "ant"])
    assert data.class_names == ("bee", "cat", "ant")
    assert set(data.train.y[data.train.row_ids % 3 == 0]) == {1}


@pytest.mark.parametrize(
    ("y", "names"),
    [(THREE > 0, ("0", "1")), (THREE - 1, ("-1", "0", "1")), (THREE.astype(np.uint8), ("0", "1", "2"))],
    ids=["truths", "negative numbers", "bytes"],
)
def test_whole_numbers_of_all_kinds_are_classes(y, names):
    assert wb.from_arrays(TABLE, y).class_names == names


def test_classes_get_the_names_that_were_given():
    assert wb.from_arrays(TABLE, THREE, class_names=["no", "yes", "maybe"]).class_names == (
        "no",
        "yes",
        "maybe",
    )


def test_evidence_goes_along_with_its_rows():
    evidence = IMAGES > 0.5
    data = wb.from_arrays(IMAGES, THREE, evidence=evidence)
    np.testing.assert_array_equal(data.test.evidence, evidence[data.test.row_ids])


# data frames and texts


FRAME = pd.DataFrame({"age": RNG.integers(20, 60, 60) * 1.0, "job": np.array(["cook", "smith"])[RNG.integers(0, 2, 60)],
                      "married": RNG.random(60) > 0.5})  # fmt: skip


def test_a_data_frame_is_a_table_of_its_columns():
    data = wb.from_arrays(FRAME, THREE, splits=THIRDS)
    assert (data.kind, data.feature_names) == ("table", ("age", "job", "married"))
    assert data.columns == {"age": [0], "job": [1, 2], "married": [3, 4]}
    ages = FRAME["age"].to_numpy()
    np.testing.assert_allclose(data.test.x[:, 0], (ages[50:] - ages[:40].mean()) / ages[:40].std(), rtol=1e-5)
    assert data.test.raw["job"].tolist() == FRAME["job"][50:].tolist()


def test_a_frame_of_numbers_is_what_its_array_is():
    frame = pd.DataFrame(TABLE, columns=list("abcd"), index=range(100, 160))
    data, same = (
        wb.from_arrays(frame, THREE),
        wb.from_arrays(TABLE.astype(np.float32), THREE, feature_names=list("abcd")),
    )
    np.testing.assert_allclose(data.train.x, same.train.x, atol=1e-5)
    assert wb.from_arrays(frame, THREE, feature_names=list("wxyz")).feature_names == ("w", "x", "y", "z")


def test_a_frame_may_have_gaps_wherever_they_fall():
    frame = FRAME.copy()
    frame.loc[55, ["age"]] = np.nan
    frame.loc[56, ["job"]] = None
    with pytest.warns(UserWarning, match="Column 'age' has no value in 1 row.*the training mean") as caught:
        data = wb.from_arrays(frame, THREE, splits=THIRDS, name="mine")
    assert data.notes == (str(caught[0].message),) and data.notes[0].startswith("mine: ")
    assert data.columns["age"] == [0]
    assert data.test.x[5, 0] == 0  # an indicator would not vary in training


def test_strings_are_texts():
    texts = [f"text number {i} about {'cats' if i % 2 else 'dogs'}" for i in range(60)]
    for rows in (texts, tuple(texts), np.array(texts), pd.Series(texts, index=range(60, 120))):
        data = wb.from_arrays(rows, THREE)
        assert (data.kind, data.feature_names) == ("text", ())
        assert data.test.raw == [texts[row] for row in data.test.row_ids]
        np.testing.assert_array_equal(data.test.x, data.tokenizer.encoded(data.test.raw))
    assert {"cats", "dogs", "number"} <= {*data.tokenizer.vocabulary}


# how rows are dealt out


def test_seven_tenths_train_one_watches_two_test():
    x, y = np.zeros((1000, 1, 2, 2)), np.arange(1000) % 4
    data = wb.from_arrays(x, y)
    assert [len(split) for split in data.splits.values()] == [700, 100, 200]
    for split, n in zip(data.splits.values(), (175, 25, 50), strict=True):
        assert np.bincount(split.y).tolist() == [n] * 4


def test_given_splits_are_taken_as_given():
    data = wb.from_arrays(TABLE, THREE, splits={"train": [5, 3], "valid": [0], "test": np.array([9, 8, 7])})
    assert [split.row_ids.tolist() for split in data.splits.values()] == [[5, 3], [0], [9, 8, 7]]


def test_same_seed_same_splits():
    first, again, other = (wb.from_arrays(TABLE, THREE, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert set(first.test.row_ids) != set(other.test.row_ids)


@given(n=st.integers(12, 80), classes=st.integers(2, 4), seed=st.integers(0, 9))
def test_every_row_is_dealt_once_and_every_split_has_every_class(n, classes, seed):
    y = np.arange(n) % classes
    data = wb.from_arrays(np.zeros((n, 2)), y, seed=seed)
    ids, labels, _ = together(data)
    assert sorted(ids) == list(range(n))
    np.testing.assert_array_equal(labels, y[ids])
    assert all(set(split.y) == set(range(classes)) for split in data.splits.values())


@given(sizes=st.lists(st.integers(1, 9), min_size=8, max_size=20), seed=st.integers(0, 9))
def test_rows_of_a_cluster_stay_together(sizes, seed):
    clusters = np.repeat(np.arange(len(sizes)) * 7, sizes)
    data = wb.from_arrays(
        np.zeros((len(clusters), 2)), clusters % 2 + np.zeros_like(clusters), clusters=clusters, seed=seed
    )
    parts = [set(split.clusters) for split in data.splits.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(sizes)
    ids, _, found = together(data)
    assert sorted(ids) == list(range(len(clusters)))
    assert len({(a, b) for a, b in zip(clusters[ids], found, strict=True)}) == len(sizes)


def test_clusters_may_have_names():
    data = wb.from_arrays(TABLE, THREE, clusters=[f"patient {i // 3}" for i in range(60)])
    assert {len(split) % 3 for split in data.splits.values()} == {0}


# refusals

NAN, INF, ABOVE, BELOW = TABLE.copy(), IMAGES.copy(), IMAGES.copy(), IMAGES.copy()
NAN[7, 1], INF[9, 0, 0, 0], ABOVE[3, 0, 1, 1], BELOW[3, 0, 1, 1] = np.nan, np.inf, 1.5, -0.5
TORN = {"train": range(0, 41), "valid": range(41, 50), "test": range(50, 60)}
REFUSALS = {
    "lengths differ": ((TABLE[:50], THREE), {}, "x has 50 rows but y has 60"),
    "NaN": ((NAN, THREE), {}, "NaN or infinite values, first in row 7"),
    "infinite": ((INF, THREE), {}, "NaN or infinite values, first in row 9"),
    "no rows": ((TABLE[:0], THREE[:0]), {}, "x has no rows"),
    "words as inputs": ((TABLE.astype(str), THREE), {}, "type <U"),
    "no batch axis": ((IMAGES[0, 0, 0], THREE), {}, r"shape \(6,\)"),
    "three axes": ((IMAGES[:, 0], THREE), {}, r"shape \(60, 5, 6\)"),
    "one-hot classes": ((TABLE, np.eye(3)[THREE]), {}, r"y has shape \(60, 3\)"),
    "fractions as classes": ((TABLE, THREE / 2), {}, "y has type float64"),
    "missing labels": ((TABLE, np.where(THREE, "a", None)), {}, "20 missing labels"),
    "one class": ((TABLE, THREE * 0), {}, "at least two classes"),
    "a rare class": ((TABLE, np.where(np.arange(60) < 2, 1, 0)), {}, "'1': 2"),
    "a class left out": ((TABLE, THREE * 2), {}, "'1': 0"),
    "too few names": ((TABLE, THREE), {"class_names": ["a", "b"]}, "for 2 class names"),
    "too many names": ((TABLE, THREE), {"class_names": list("abcd")}, "for 4 class names"),
    "a class without a name": (
        (TABLE, np.array(list("abc"))[THREE]),
        {"class_names": ["a", "b"]},
        "class 'c'",
    ),
    "pixels above 1": ((ABOVE, THREE), {}, "to 1.5.*Divide by 255"),
    "pixels below 0": ((BELOW, THREE), {}, "from -0.5"),
    "a kind that is not theirs": ((TABLE, THREE), {"kind": "image"}, "kind is 'image' but x has 2 axes"),
    "a kind that is not ours": ((TABLE, THREE), {"kind": "sound"}, "kind is 'sound'"),
    "a frame of dates": (
        (FRAME.assign(day=pd.Timestamp(0)), THREE),
        {},
        "Column 'day' holds datetime64 values",
    ),
    "a frame of lists": ((FRAME.assign(lists=[[]] * 60), THREE), {}, "Column 'lists' holds mixed values"),
    "an infinite number in a frame": (
        (FRAME.assign(age=np.inf), THREE),
        {},
        "Column 'age' holds .*inf.* in row 0",
    ),
    "a column of a frame twice": ((FRAME.set_axis(["a", "b", "a"], axis=1), THREE), {}, "2 different ones"),
    "a frame as images": ((FRAME, THREE), {"kind": "image"}, "kind is 'image' but x is a data frame"),
    "texts as a table": ((["a"] * 60, THREE), {"kind": "table"}, "kind is 'table' but x holds strings"),
    "a text that is none": ((["a"] * 59 + [None], THREE), {}, "Text 59 is a NoneType"),
    "too many clusters": ((TABLE, THREE), {"clusters": range(61)}, "clusters has shape"),
    "clusters with two axes": ((TABLE, THREE), {"clusters": np.zeros((60, 1))}, "clusters has shape"),
    "one cluster": ((TABLE, THREE), {"clusters": np.zeros(60)}, "Class 0 has 1 clusters"),
    "two clusters": (
        (TABLE, THREE),
        {"clusters": np.arange(60) // 30},
        "Class 0 has 2 clusters",
    ),
    "splits that overlap": ((TABLE, THREE), {"splits": {**THIRDS, "valid": [0, 40]}}, "splits share rows"),
    "a row twice": ((TABLE, THREE), {"splits": {**THIRDS, "valid": [40, 40]}}, "splits share rows"),
    "a row that is not there": ((TABLE, THREE), {"splits": {**THIRDS, "test": [60]}}, "point outside x"),
    "a row below zero": ((TABLE, THREE), {"splits": {**THIRDS, "test": [-1]}}, "point outside x"),
    "a split missing": ((TABLE, THREE), {"splits": {"train": [1], "test": [2]}}, "train, valid and test"),
    "a split too many": ((TABLE, THREE), {"splits": {**THIRDS, "extra": [1]}}, "'extra': 1"),
    "an empty split": ((TABLE, THREE), {"splits": {**THIRDS, "train": []}}, "'train': 0"),
    "a cluster torn apart": (
        (TABLE, THREE),
        {"splits": TORN, "clusters": np.arange(60) // 2},
        "tear a cluster",
    ),
    "evidence of another shape": ((IMAGES, THREE), {"evidence": IMAGES[0] > 0}, "evidence has shape"),
    "too few column names": ((TABLE, THREE), {"feature_names": ["a"]}, "1 feature names"),
    "a column name twice": ((TABLE, THREE), {"feature_names": list("abca")}, "3 different ones"),
}


@pytest.mark.parametrize(("arrays", "options", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_used_is_refused(arrays, options, words):
    with pytest.raises(BadInput, match=words):
        wb.from_arrays(*arrays, **options)
