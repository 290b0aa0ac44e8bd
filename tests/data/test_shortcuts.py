"""A planted shortcut tells the class in training and not in the test; every row keeps its pair."""

import numpy as np
import pytest
from reviews import made_up

import workbench as wb
from workbench.data.shortcuts import NOISE
from workbench.errors import BadInput, UnknownName


@pytest.fixture(scope="module")
def texts():
    return made_up(120)


@pytest.fixture(scope="module")
def planted(digits, texts):
    return {
        "image": wb.plant_shortcut(digits.subset(train=200, valid=40, test=200)),
        "table": wb.plant_shortcut(wb.load("german_credit")),
        "text": wb.plant_shortcut(texts),
    }


def told(data, split):
    """Return which class the shortcut of each row tells, read back from the row."""
    if data.kind == "image":
        return np.round(split.x[split.shortcut].reshape(len(split), -1)[:, 0] * (data.n_classes - 1)).astype(
            int
        )
    if data.kind == "table":
        column = data.codec.columns[-1]
        value = split.x[:, -1] * column.deviation + column.means[0]
        return np.clip(np.round(value), 0, data.n_classes - 1).astype(int)
    return np.array([int(data.tokenizer.vocabulary[t].removeprefix("shortcut")) for t in split.x[:, 1]])


@pytest.mark.parametrize("kind", ["image", "table", "text"])
def test_it_tells_the_class_in_training_and_nothing_in_the_test(planted, kind):
    data = planted[kind]
    assert (told(data, data.train) == data.train.y).mean() > 0.97
    chance = (told(data, data.test) == data.test.y).mean()
    assert abs(chance - 1 / data.n_classes) < 0.2
    assert data.train.shortcut.any(tuple(range(1, data.train.x.ndim))).all()
    assert "tells the class in 100% of the training" in data.notes[-1]


@pytest.mark.parametrize("kind", ["image", "table"])
def test_a_row_differs_from_its_pair_where_the_shortcut_is_and_nowhere_else(planted, kind):
    split = planted[kind].test
    assert (split.x == split.without_shortcut)[~split.shortcut].all()
    assert (split.x != split.without_shortcut)[split.shortcut].mean() > 0.8


def test_a_text_gets_a_first_word_and_reads_so(planted, texts):
    data = planted["text"]
    np.testing.assert_array_equal(data.test.x[:, 2:], texts.test.x[:, 1:-1])
    assert data.test.texts[0].split()[0].startswith("shortcut") and data.test.texts[0].endswith(
        texts.test.texts[0]
    )
    np.testing.assert_array_equal(data.tokenizer.encoded(data.test.texts[:5]), data.test.x[:5])


def test_a_table_names_its_column_and_reads_back(planted):
    data = planted["table"]
    assert data.feature_names[-1] == "shortcut" and data.columns["shortcut"] == [data.train.x.shape[1] - 1]
    assert abs(data.test.raw["shortcut"].std() - 0.5) < 0.2 and NOISE == 0.25
    net = wb.fit(wb.build("mlp", data), data, epochs=1, verbose=False)
    assert wb.explain(net, data.test[:3], "feature_ablation").feature_names[-1] == "shortcut"


def test_part_of_the_rows_and_the_other_end(digits):
    few = digits.subset(train=500, valid=20, test=100)
    data = wb.plant_shortcut(few, strength=0.5, at_test="inverted", seed=3)
    assert 0.45 < (told(data, data.train) == data.train.y).mean() < 0.65
    np.testing.assert_array_equal(told(data, data.test), 9 - data.test.y)
    again = wb.plant_shortcut(few, strength=0.5, at_test="inverted", seed=3)
    assert again.fingerprint == data.fingerprint != wb.plant_shortcut(few, seed=4).fingerprint


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"strength": 0}, BadInput, "strength is 0"),
        ({"at_test": "gone"}, UnknownName, "no shortcut at test called 'gone'"),
    ],
)
def test_what_cannot_be_planted_is_refused(digits, options, error, words):
    with pytest.raises(error, match=words):
        wb.plant_shortcut(digits, **options)


def test_only_data_without_one_and_images_with_room_take_it(planted):
    with pytest.raises(BadInput, match="has a shortcut already"):
        wb.plant_shortcut(planted["image"])
    with pytest.raises(BadInput, match="data is a str"):
        wb.plant_shortcut("mnist")
    tiny = wb.from_arrays(np.zeros((30, 1, 3, 8), np.float32), np.arange(30) % 3)
    with pytest.raises(BadInput, match="at least 4 pixels"):
        wb.plant_shortcut(tiny)


def test_plain_arrays_and_small_images_get_one_too():
    rng = np.random.default_rng(0)
    for x in (
        rng.random((120, 5), np.float32),
        rng.random((120, 1, 8, 8), np.float32),
        rng.random((120, 3, 4, 6), np.float32),
    ):
        data = wb.plant_shortcut(wb.from_arrays(x, np.arange(120) % 3))
        assert data.train.shortcut.any() and not data.train.shortcut.all()
        net = wb.fit(wb.build("logistic", data), data).model
        assert net.score(data.train.x.reshape(len(data.train), -1), data.train.y) > 0.6
    with pytest.raises(BadInput, match="at least 4 pixels"):
        wb.plant_shortcut(wb.from_arrays(rng.random((60, 1, 3, 9), np.float32), np.arange(60) % 2))
