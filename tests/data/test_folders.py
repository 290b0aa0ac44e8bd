"""Folders of pictures of every size and mode are read; damaged ones are named by their file."""

import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

import workbench as wb
from workbench.errors import BadFile, BadInput


def pixels(seed, *shape):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def filled(folder, classes=("cat", "dog"), n=12, shape=(20, 24), first=0):
    """Fill class folders with grey pictures, each of its own."""
    for c, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.fromarray(pixels(first + 1000 * c + i, *shape)).save(folder / name / f"{i:02d}.png")
    return folder


@pytest.fixture
def pets(tmp_path):
    """Twelve grey cats and dogs, 20 x 24."""
    return filled(tmp_path / "pets")


@pytest.fixture
def quiet():
    """No warning at all may be given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def joined(data):
    """Return all pixels by row number."""
    x = np.concatenate([split.x for split in data.splits.values()])
    ids = np.concatenate([split.row_ids for split in data.splits.values()])
    return x[np.argsort(ids)]


# what is read


def test_pictures_of_one_size_are_read_pixel_by_pixel(pets, quiet):
    data = wb.from_folder(pets)
    assert (data.name, data.kind, data.source, data.class_names) == ("pets", "image", "pets", ("cat", "dog"))
    assert data.input_shape == (1, 20, 24)
    assert data.notes == ()
    x = joined(data)
    np.testing.assert_array_equal(x[3, 0] * 255, pixels(3, 20, 24))
    np.testing.assert_array_equal(x[12, 0] * 255, pixels(1000, 20, 24))
    assert [len(split) for split in data.splits.values()] == [18, 2, 4]
    assert all({*split.y} == {0, 1} for split in data.splits.values())


def test_the_same_folder_gives_the_same_data(pets):
    first, again, other = (wb.from_folder(pets, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize(("shape", "size"), [((20, 24), (20, 24)), ((200, 100), (48, 24)), ((8, 300), (16, 48)), ((5, 5), (16, 16))],
                         ids=["small", "tall", "flat", "tiny"])  # fmt: skip
def test_the_usual_size_is_the_median_within_bounds(tmp_path, shape, size):
    data = wb.from_folder(filled(tmp_path / "a", shape=shape, n=5))
    assert data.input_shape == (1, *size)
    assert bool(data.notes) == (shape != size)


def test_pictures_of_several_sizes_are_brought_to_one_and_it_is_said(pets):
    filled(pets, shape=(40, 30), n=4)
    data = wb.from_folder(pets)
    assert data.input_shape == (1, 20, 24)
    assert any("20 to 40 rows and 24 to 30 columns were resized to 20 x 24" in note for note in data.notes)
    assert wb.from_folder(pets, size=(8, 10)).input_shape == (1, 8, 10)
    assert wb.from_folder(pets, size=9).input_shape == (1, 9, 9)


def test_a_plain_picture_keeps_its_shade_when_it_is_resized(pets):
    Image.new("L", (300, 200), 51).save(pets / "cat" / "00.png")
    np.testing.assert_allclose(joined(wb.from_folder(pets))[0], 0.2, atol=1e-6)


def test_colour_is_kept_and_grey_in_three_channels_is_grey(tmp_path, quiet):
    for i in range(12):
        for c in ("a", "b"):
            (tmp_path / "p" / c).mkdir(parents=True, exist_ok=True)
            grey = pixels(i + 50 * (c == "a"), 20, 20)
            Image.fromarray(np.stack([grey] * 3, axis=-1)).save(tmp_path / "p" / c / f"{i}.png")
    assert wb.from_folder(tmp_path / "p").input_shape == (1, 20, 20)
    assert wb.from_folder(tmp_path / "p", mode="RGB").input_shape == (3, 20, 20)
    colour = pixels(7, 20, 20, 3)
    Image.fromarray(colour).save(tmp_path / "p" / "a" / "0.png")
    data = wb.from_folder(tmp_path / "p")
    np.testing.assert_array_equal(joined(data)[0] * 255, np.moveaxis(colour, -1, 0))
    assert any("23 of 24 pictures are grey; all were read as RGB" in note for note in data.notes)
    grey = wb.from_folder(tmp_path / "p", mode="L")
    np.testing.assert_allclose(joined(grey)[0, 0] * 255, colour @ [0.299, 0.587, 0.114], atol=0.51)


def _saved(folder, name, picture, **options):
    picture.save(folder / "cat" / name, **options)


def test_a_turned_picture_is_put_upright(pets):
    upright = pixels(5, 20, 24)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: a viewer turns the picture by 90 degrees clockwise
    _saved(pets, "00.png", Image.fromarray(np.rot90(upright).copy()), exif=exif)
    np.testing.assert_array_equal(joined(wb.from_folder(pets))[0, 0] * 255, upright)


def test_what_is_transparent_is_white(pets):
    layered = np.zeros((20, 24, 4), np.uint8)
    layered[:10, :, 3] = 255
    _saved(pets, "00.png", Image.fromarray(layered))
    data = wb.from_folder(pets)
    x = joined(data)[0]
    assert (x[:, :10] == 0).all() and (x[:, 10:] == 1).all()
    assert any("1 picture with transparent parts put on white" in note for note in data.notes)


def test_sixteen_bits_are_brought_to_eight(pets):
    _saved(pets, "00.png", Image.fromarray(np.full((20, 24), 65535 // 5, np.uint16)))
    data = wb.from_folder(pets)
    np.testing.assert_allclose(joined(data)[0], 0.2, atol=1e-6)
    assert any("1 picture with more than 8 bits brought to 8" in note for note in data.notes)


def test_of_a_moving_picture_the_first_frame_is_taken(pets):
    frames = [Image.new("L", (24, 20), shade) for shade in (255, 0)]
    (pets / "cat" / "00.png").unlink()
    _saved(pets, "00.gif", frames[0], save_all=True, append_images=frames[1:])
    data = wb.from_folder(pets)
    assert (joined(data)[0] == 1).all()
    assert any("1 picture with several frames" in note for note in data.notes)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        ("bmp", "L"),
        ("tif", "L"),
        ("webp", "RGB"),
        ("jpg", "L"),
        ("jpg", "CMYK"),
        ("png", "P"),
        ("png", "1"),
        ("tif", "F"),
        ("tif", "I;16"),
    ],
)
def test_formats_and_modes_of_all_kinds_are_read(pets, suffix, mode):
    _saved(pets, f"00x.{suffix}", Image.new(mode, (24, 20), 1 if mode == "1" else 200))
    assert sum(map(len, wb.from_folder(pets).splits.values())) == 25


def test_given_splits_are_kept_and_a_missing_one_is_taken_from_training(tmp_path):
    filled(tmp_path / "train", n=18)
    filled(tmp_path / "test", n=5, first=5000)
    data = wb.from_folder(tmp_path)
    assert [len(split) for split in data.splits.values()] == [32, 4, 10]
    tests = {image.tobytes() for image in pixels_of(tmp_path / "test")}
    assert {(image[0] * 255).astype(np.uint8).tobytes() for image in data.test.x} == tests
    assert any("no valid split: 12.5% of each class in train was taken" in note for note in data.notes)
    filled(tmp_path / "val", n=4, first=9000)
    data = wb.from_folder(tmp_path)
    assert [len(split) for split in data.splits.values()] == [36, 8, 10]


def pixels_of(folder):
    return [np.asarray(Image.open(path)) for path in sorted(folder.rglob("*.png"))]


def test_the_first_rows_of_a_given_split_are_of_all_classes(tmp_path):
    filled(tmp_path / "train", n=18)
    filled(tmp_path / "test", n=12, first=5000)
    small = wb.from_folder(tmp_path).subset(train=12, test=12)
    assert {*small.train.y} == {*small.test.y} == {0, 1}


def test_equal_pictures_stay_in_one_split(pets, quiet):
    for i in range(6):
        shutil.copy(pets / "cat" / f"{i:02d}.png", pets / "cat" / f"copy {i}.png")
    data = wb.from_folder(pets)
    seen = [{image.tobytes() for image in split.x} for split in data.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 24


def test_other_files_and_hidden_folders_are_not_read(pets):
    (pets / "cat" / "notes.txt").write_text("soft")
    (pets / ".cache").mkdir()
    (pets / "cat" / ".DS_Store").write_bytes(b"x")
    data = wb.from_folder(pets)
    assert data.class_names == ("cat", "dog")
    assert data.notes == ("pets: Other files than pictures were not read (1, such as 'cat/notes.txt').",)


# damaged folders: refused


def _cut(path):
    path.write_bytes(path.read_bytes()[:150])


def _all_damaged(folder):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")


def _a_class_damaged(folder):
    filled(folder, n=200)
    filled(folder, ("cow",), n=3, first=7000)
    _cut(folder / "cow" / "01.png")


def _in_the_root(folder):
    for i, path in enumerate(sorted(folder.rglob("*.png"))):
        path.rename(folder / f"{i}.png")
    (folder / "cat").rmdir()
    (folder / "dog").rmdir()


def _wrapped(folder):
    folder.rename(folder.parent / "inner")
    folder.mkdir()
    (folder.parent / "inner").rename(folder / "inner")


def _split(folder, change):
    _wrapped(folder)
    (folder / "inner").rename(folder / "train")
    filled(folder / "test", n=3, first=5000)
    change(folder)


REFUSED = {
    "an empty folder": (lambda f: shutil.rmtree(f) or f.mkdir(), BadFile, "has 0 pictures but no class folders"),
    "pictures without class folders": (_in_the_root, BadFile, "has 24 pictures, such as '0.png', but no class folders.*Make one for each class"),
    "an empty class folder": (lambda f: (f / "cow").mkdir(), BadFile, "The class folder 'cow' has no pictures"),
    "a class folder of texts": (lambda f: filled(f, ("cow",), n=0) and (f / "cow" / "a.txt").write_text("x"), BadFile, r"'cow' has no pictures \(it holds '.txt'\)"),
    "one class": (lambda f: shutil.rmtree(f / "dog"), BadInput, "There is one class folder, 'cat'"),
    "a folder too much around it": (_wrapped, BadInput, "one class folder, 'inner'.*Pass the path of the folder 'inner', whose folders are 'cat', 'dog'"),
    "a class of two pictures": (lambda f: filled(f, ("cow",), n=2, first=7000), BadInput, "The class folder 'cow' has 2 readable pictures"),
    "a class that is left with two": (_a_class_damaged, BadInput, "The class folder 'cow' has 2 readable pictures"),
    "nothing but damaged pictures": (_all_damaged, BadFile, "24 pictures of 24 cannot be read, first 'cat/00.png'"),
    "too many damaged pictures": (lambda f: [_cut(f / "dog" / f"{i:02d}.png") for i in range(3)], BadFile, r"3 pictures of 24 cannot be read, first 'dog/00.png'.*at most 10%"),
    "a class that is only tested": (lambda f: _split(f, lambda f: filled(f / "test", ("cow",), n=3)), BadFile, "The class folder 'cow' is in test but not in train"),
    "tests without classes": (lambda f: _split(f, lambda f: _in_the_root(f / "test")), BadFile, "The folder 'test' has 6 pictures.*but no class folders"),
    "tests without training": (lambda f: _split(f, lambda f: (f / "train").rename(f / "val")), BadFile, "but no train"),
    "one picture many times": (lambda f: [shutil.copy(f / "dog" / "00.png", f / "dog" / f"{i:02d}.png") for i in range(1, 12)] and None, None,
                               "There are only 13 different pictures among 24"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_a_damaged_folder_is_refused_with_what_to_do(pets, damage, error, words):
    damage(pets)
    if error is None:
        with pytest.warns(UserWarning, match=f"pets: {words}"):
            wb.from_folder(pets)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(error, match=words) as caught:
            wb.from_folder(pets)
    assert caught.value.wrong.startswith("pets: ")


def test_a_file_and_a_missing_folder_are_refused(pets):
    with pytest.raises(BadFile, match=r"00.png: This is a file"):
        wb.from_folder(pets / "cat" / "00.png")
    with pytest.raises(BadFile, match=r"nowhere' does not exist.*its folder 'pets' is there"):
        wb.from_folder(pets / "nowhere")


@pytest.mark.parametrize(("options", "words"), [({"size": 2}, "size is 2"), ({"size": (8, 8, 3)}, "size is"), ({"size": 8.5}, "size is 8.5"), ({"mode": "HSV"}, "mode is 'HSV'")],
                         ids=["too small", "three numbers", "a fraction", "another mode"])  # fmt: skip
def test_sizes_and_modes_that_are_none_are_refused(pets, options, words):
    with pytest.raises(BadInput, match=words):
        wb.from_folder(pets, **options)


# damaged folders: read, with a warning


def _two_splits(folder):
    _split(folder, lambda f: shutil.copy(f / "train" / "cat" / "03.png", f / "test" / "cat" / "again.png"))


WARNED = {
    "a truncated picture": (lambda f: _cut(f / "dog" / "05.png"), r"1 picture of 24 cannot be read, first 'dog/05.png' \(.*truncated.*\); it was left out", 23),
    "an empty picture": (lambda f: (f / "dog" / "05.png").write_bytes(b""), "1 picture of 24 cannot be read, first 'dog/05.png'", 23),
    "two damaged pictures": (lambda f: (_cut(f / "dog" / "05.png"), (f / "cat" / "07.png").write_text("no")), "2 pictures of 24 cannot be read, first 'cat/07.png' .*; they were left out", 22),
    "a picture in two classes": (lambda f: shutil.copy(f / "cat" / "03.png", f / "dog" / "99.png"), r"Equal pictures stand in two classes \(1 of them\), first 'cat/03.png' and 'dog/99.png'", 25),
    "a picture in two splits": (_two_splits, "Equal pictures stand in two splits .*first 'test/cat/again.png' and 'train/cat/03.png'", 31),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "words", "left"), WARNED.values(), ids=WARNED)
def test_a_damaged_folder_is_read_with_one_warning(pets, damage, words, left):
    damage(pets)
    with pytest.warns(UserWarning, match=f"pets: {words}") as caught:
        data = wb.from_folder(pets)
    assert len(caught) == 1
    assert str(caught[0].message) in data.notes
    assert sum(map(len, data.splits.values())) == left


def test_a_net_can_be_trained_on_it(pets):
    data = wb.from_folder(pets, size=32)
    fitted = wb.fit(wb.build("cnn", data), data, epochs=1, verbose=False)
    assert len(fitted.history["loss"]) == 1
