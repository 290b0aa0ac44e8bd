"""Generated pictures: their truth is exact, the mark tells the class in training alone, and each row has its pairs."""

import numpy as np
import pytest

import workbench as wb
from workbench.errors import UnknownName

SETS = {"lesions": ("tag", (1, 64, 64), 2), "signs": ("sticker", (3, 48, 48), 6)}


@pytest.fixture(scope="module", params=SETS)
def scenes(request):
    option, shape, classes = SETS[request.param]
    return request.param, option, shape, classes, wb.load(request.param)


def told(split):
    """The mark's picture in each row, as bytes: what it tells."""
    return [x[mask].tobytes() for x, mask in zip(split.x, split.shortcut, strict=True)]


def test_shapes_ranges_and_balance(scenes):
    _, _, shape, classes, data = scenes
    assert data.input_shape == shape and data.n_classes == classes and data.kind == "image"
    for split in data.splits.values():
        assert split.x.dtype == np.float32 and split.x.min() >= 0 and split.x.max() <= 1
        assert np.ptp(np.bincount(split.y)) <= 1
        assert (
            split.evidence.shape == split.shortcut.shape == split.x.shape
            and split.evidence.any((1, 2, 3)).all()
        )


def test_the_pairs_differ_from_the_row_in_the_mask_alone(scenes):
    test = scenes[-1].test
    assert np.array_equal(test.x[~test.shortcut], test.without_shortcut[~test.shortcut])
    assert not np.array_equal(test.x[test.shortcut], test.without_shortcut[test.shortcut])
    assert np.array_equal(test.x[~test.evidence], test.without_evidence[~test.evidence])
    inside = test.evidence & ~test.shortcut
    assert (test.x[inside] != test.without_evidence[inside]).mean() > 0.7


def test_the_mark_tells_the_class_in_training_and_not_in_the_test(scenes):
    *_, classes, data = scenes
    for split, telling in ((data.train, True), (data.valid, True), (data.test, False)):
        found = {}
        for mark, y in zip(told(split), split.y, strict=True):
            found.setdefault(mark, set()).add(int(y))
        assert len(found) == classes and all((len(ys) == 1) == telling for ys in found.values())


def test_inverted_marks_tell_another_class_and_absent_ones_nothing(scenes):
    name, option, _, classes, data = scenes
    means = {mark: int(y) for mark, y in zip(told(data.train), data.train.y, strict=True)}
    inverted = wb.load(name, **{option: "inverted"}).test
    assert [means[mark] for mark in told(inverted)] == ((inverted.y + 1) % classes).tolist()
    absent = wb.load(name, **{option: "absent"})
    assert absent.test.shortcut is None and np.array_equal(absent.test.x, data.test.without_shortcut)
    with pytest.raises(UnknownName, match="absent"):
        wb.load(name, **{option: "shiny"})


def test_it_says_that_it_was_generated_and_comes_in_equal_bits(scenes):
    name, _, _, _, data = scenes
    assert data.notes[0] == "Generated, not observed." and data.source.startswith("Generated")
    from workbench.data import shipped

    again = shipped._SETS[name]()
    assert again.fingerprint == data.fingerprint


def test_no_row_of_a_split_is_in_another(scenes):
    data = scenes[-1]
    seen = [{x.tobytes() for x in split.without_shortcut} for split in data.splits.values()]
    assert sum(map(len, seen)) == sum(map(len, data.splits.values())) == len(set.union(*seen))
    ids = np.concatenate([split.row_ids for split in data.splits.values()])
    assert len(set(ids.tolist())) == len(ids)
