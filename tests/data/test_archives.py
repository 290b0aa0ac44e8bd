"""Files in MedMNIST's layout are read as they are; what does not fit is named."""

import pickle

import numpy as np
import pytest

import workbench as wb
from workbench.errors import BadFile, BadInput


def arrays(channels=(), classes=3, sizes=(60, 12, 18)):
    """Arrays as MedMNIST has them: bytes, and a class number in a column of its own."""
    rng = np.random.default_rng(0)
    made = {}
    for part, n in zip(("train", "val", "test"), sizes, strict=True):
        made[f"{part}_images"] = rng.integers(0, 256, (n, 8, 9, *channels), dtype=np.uint8)
        made[f"{part}_labels"] = (np.arange(n) % classes)[:, None].astype(np.uint8)
    return made


@pytest.fixture
def stored(tmp_path):
    """Store arrays as ``organs.npz``."""

    def store(changes=None, **options):
        path = tmp_path / "organs.npz"
        content = {**arrays(**options), **(changes or {})}
        np.savez(path, **{name: array for name, array in content.items() if array is not None})
        return path

    return store


@pytest.mark.parametrize("channels", [(), (3,), (1,)], ids=["grey", "colour", "one channel"])
def test_splits_and_pixels_are_those_of_the_file(stored, channels):
    data, made = wb.from_npz(stored(channels=channels)), arrays(channels)
    assert (data.name, data.kind, data.source, data.notes) == ("organs", "image", "organs.npz", ())
    assert data.input_shape == (channels[0] if channels else 1, 8, 9)
    for part, start, split in zip(("train", "val", "test"), (0, 60, 72), data.splits.values(), strict=True):
        rows = split.row_ids - start
        assert sorted(rows) == list(range(len(made[f"{part}_labels"])))
        images = made[f"{part}_images"].reshape(-1, 8, 9, data.input_shape[0])[rows]
        np.testing.assert_array_equal(split.x * 255, np.moveaxis(images, -1, 1))
        np.testing.assert_array_equal(split.y, made[f"{part}_labels"][rows, 0])
    assert (data.train.x.dtype, data.train.x.max()) == (np.float32, 1)


def test_the_first_rows_of_a_sorted_file_have_all_classes(stored):
    ordered = {name: np.sort(labels, 0) for name, labels in arrays().items() if name.endswith("labels")}
    data, again, other = (wb.from_npz(stored(ordered), seed=seed) for seed in (0, 0, 1))
    assert all(len({*split.y[:9]}) == 3 for split in data.splits.values())
    assert (data.test.row_ids == again.test.row_ids).all() and (data.test.row_ids != other.test.row_ids).any()


@pytest.mark.parametrize("names", [["lung", "liver", "spleen"], {"0": "lung", "1": "liver", "2": "spleen"}, {2: "spleen", 0: "lung", 1: "liver"}],
                         ids=["in order", "as MedMNIST says", "by number"])  # fmt: skip
def test_classes_get_their_names(stored, names):
    assert wb.from_npz(stored(), class_names=names).class_names == ("lung", "liver", "spleen")
    assert wb.from_npz(stored()).class_names == ("0", "1", "2")


def test_a_missing_split_is_taken_from_training(stored):
    data = wb.from_npz(stored({"val_images": None, "val_labels": None}))
    assert [len(split) for split in data.splits.values()] == [54, 6, 18]
    assert any("no valid split" in note for note in data.notes)


def test_an_image_in_two_splits_is_warned_of(stored):
    made = arrays()
    made["test_images"][4] = made["train_images"][7]
    with pytest.warns(
        UserWarning,
        match=r"organs.npz: Equal images stand in two splits \(1 of them\), first row 7 of train and row 4 of test",
    ):
        data = wb.from_npz(stored(made))
    (first,), (second,) = (
        data.train[data.train.row_ids == 7].clusters,
        data.test[data.test.row_ids == 76].clusters,
    )
    assert first == second
    assert len({*np.concatenate([split.clusters for split in data.splits.values()])}) == 89


MADE = arrays()
LABELS = MADE["test_labels"]
REFUSED = {
    "an array missing": ({"test_labels": None}, BadFile, "no array 'test_labels'; it holds 'train_images'"),
    "training missing": ({"train_images": None, "train_labels": None}, BadFile, "no array 'train_images'"),
    "fractions": ({"train_images": MADE["train_images"] / 255}, BadFile, r"train_images has type float64.*bytes"),
    "volumes": ({"train_images": np.zeros((60, 8, 8, 8), np.uint8)}, BadFile, r"train_images has shape \(60, 8, 8, 8\).*volumes cannot be read"),
    "one axis": ({"train_images": np.zeros(60, np.uint8)}, BadFile, r"train_images has shape \(60,\)"),
    "no images": ({"test_images": np.zeros((0, 8, 9), np.uint8)}, BadFile, r"test_images has shape \(0, 8, 9, 1\)"),
    "several labels a row": ({"test_labels": np.zeros((18, 14), np.uint8)}, BadFile, "test_labels has shape .*several labels a row"),
    "words as labels": ({"test_labels": LABELS.astype(str)}, BadFile, "test_labels has shape .* and type <U"),
    "half a class": ({"test_labels": LABELS + 0.5}, BadFile, "test_labels holds 0.5 in row 0"),
    "a missing label": ({"test_labels": np.where(np.arange(18) == 7, np.nan, 1.0)}, BadFile, "test_labels holds nan in row 7"),
    "a label below zero": ({"test_labels": LABELS.astype(int) - 1}, BadFile, "test_labels holds -1 in row 0"),
    "too few labels": ({"test_labels": LABELS[:-1]}, BadFile, "The test split has 18 images and 17 labels"),
    "another size": ({"test_images": np.zeros((18, 9, 9), np.uint8)}, BadFile, r"test split have shape \(9, 9, 1\) but those of train \(8, 9, 1\)"),
    "a class that is only tested": ({"test_labels": np.where(np.arange(18) == 5, 3, 0)}, BadFile, r"Class 3 is in test \(first in row 5\) but not in train"),
    "a gap in the classes": ({f"{part}_labels": MADE[f"{part}_labels"] * 2 for part in ("train", "val", "test")}, BadInput, "classes '0', '2', '4'"),
    "one class": ({f"{part}_labels": MADE[f"{part}_labels"] * 0 for part in ("train", "val", "test")}, BadInput, "the classes '0'.*at least two"),
    "pickled objects": ({"train_labels": np.array([{}] * 60)}, BadFile, "cannot be read .*without pickled objects"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(stored, changes, error, words):
    with pytest.raises(error, match=words) as caught:
        wb.from_npz(stored(changes))
    assert caught.value.wrong.startswith("organs.npz: ")


def test_names_that_do_not_fit_are_refused(stored):
    with pytest.raises(BadInput, match="2 class names for 3 classes"):
        wb.from_npz(stored(), class_names=["a", "b"])
    with pytest.raises(BadInput, match=r"3 class names for 3 classes.*a name for each class number"):
        wb.from_npz(stored(), class_names={0: "a", 1: "b", 5: "c"})


@pytest.mark.parametrize("damage", [lambda raw: raw[:200], lambda raw: b"", lambda raw: b"hello", lambda raw: pickle.dumps([1]), lambda raw: raw[:900] + b"\xff" * 40 + raw[940:]],
                         ids=["cut off", "empty", "words", "a pickle", "damaged within"])  # fmt: skip
def test_a_damaged_file_is_refused(stored, damage):
    path = stored()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadFile, match=r"organs.npz: The file cannot be read"):
        wb.from_npz(path)


def test_one_array_a_folder_and_nothing_are_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(BadFile, match=r"one.npy: This is one array.*wb.from_arrays"):
        wb.from_npz(tmp_path / "one.npy")
    with pytest.raises(BadFile, match="This is a folder"):
        wb.from_npz(tmp_path)
    with pytest.raises(BadFile, match="does not exist"):
        wb.from_npz(tmp_path / "none.npz")
