"""The conditions under which answers are counted, and what an answer is."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.data.tokenizer import Tokenizer
from workbench.errors import BadInput
from workbench.evaluation.behaviour import CONDITIONS, answers, conditions, counterfactuals, reliance


@pytest.fixture(scope="module")
def x(digits):
    return digits.test.x[:100]


def patches(images):
    """Images as 7 x 7 patches of 4 x 4 pixels."""
    return images.reshape(len(images), 7, 4, 7, 4).transpose(0, 1, 3, 2, 4).reshape(len(images), 49, 16)


def test_clean_is_the_input_itself(x):
    assert np.array_equal(conditions(x)["clean"], x) and list(conditions(x)) == list(CONDITIONS)


def test_masked_inputs_have_three_patches_in_ten_hidden_and_the_others_whole():
    ones = np.ones((200, 1, 28, 28), np.float32)
    found = patches(conditions(ones)["masked"])
    hidden = (found == 0).all(2)
    assert ((found == 1).all(2) | hidden).all()
    assert hidden.mean() == pytest.approx(0.3, abs=0.02)
    assert len({tuple(row) for row in hidden.tolist()}) == 200


def test_masked_columns_of_a_table_are_hidden_one_by_one():
    found = conditions(np.ones((500, 4), np.float32))["masked"]
    assert set(np.unique(found)) == {0, 1} and (found == 0).mean(0) == pytest.approx([0.3] * 4, abs=0.07)


def test_a_noisy_table_has_a_tenth_of_its_columns_from_other_rows():
    x = np.arange(20_000, dtype=np.float32).reshape(500, 40)
    noisy = conditions(x)["noisy"]
    assert (noisy != x).mean() == pytest.approx(0.1, abs=0.02)
    assert all(set(noisy[:, column]) <= set(x[:, column]) for column in range(40))


def test_no_row_of_a_narrow_table_is_left_without_noise():
    x = np.arange(1000, dtype=np.float32).reshape(500, 2)
    assert (conditions(x)["noisy"] != x).any(1).mean() > 0.99


def test_a_noisy_text_has_a_tenth_of_its_words_exchanged_and_keeps_its_length():
    codec = Tokenizer(("[PAD]", "[UNK]", "[CLS]", *map(str, range(50))), 43)
    x = np.random.default_rng(0).integers(3, 50, (400, 43))
    x[:, 0], x[:, 41:] = 2, 0
    found = conditions(x, codec=codec)
    assert (found["noisy"] != x)[:, 1:41].mean() == pytest.approx(0.1, abs=0.02)
    assert ((found["masked"] == 0) != (x == 0))[:, 1:41].mean() == pytest.approx(0.3, abs=0.03)
    for name in ("noisy", "masked"):
        assert (found[name][:, 0] == 2).all() and (found[name][:, 41:] == 0).all()


def test_a_noisy_image_is_still_an_image(x):
    noisy = conditions(x)["noisy"]
    assert noisy.min() == 0 and noisy.max() == x.max()
    inside = (x > 0.3) & (x < 0.7)
    assert (noisy - x)[inside].std() == pytest.approx(0.28, abs=0.03)


def test_a_shifted_image_is_moved_by_two_pixels_and_keeps_its_edge(x):
    shifted = conditions(x)["shifted"]
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    ways = [
        padded[:, :, 2 + down : 30 + down, 2 + right : 30 + right]
        for down, right in ((2, 0), (-2, 0), (0, 2), (0, -2))
    ]
    hits = np.array([(way == shifted).reshape(len(x), -1).all(1) for way in ways])
    assert hits.any(0).all() and (hits.sum(1) > 10).all()


def test_a_shifted_table_has_its_numbers_moved_by_a_tenth_of_their_deviation_and_its_words_kept():
    frame = pd.DataFrame({"age": np.arange(60.0), "job": ["cook", "smith", "clerk"] * 20})
    data = wb.from_arrays(frame, [0, 1] * 30)
    moved = conditions(data.train.x, codec=data.codec)["shifted"] - data.train.x
    assert np.abs(moved[:, 0]) == pytest.approx(np.full(len(moved), 0.1 * data.train.x[:, 0].std()), rel=1e-4)
    assert {-1, 1} == set(np.sign(moved[:, 0])) and not moved[:, 1:].any()


def test_a_shifted_text_has_two_neighbours_in_each_others_place():
    codec = Tokenizer(("[PAD]", "[UNK]", "[CLS]", *map(str, range(50))), 10)
    x = np.array([[2, 3, 4, 5, 6, 7, 8, 0, 0, 0]] * 50 + [[2, 3, 0, 0, 0, 0, 0, 0, 0, 0]])
    shifted = conditions(x, codec=codec)["shifted"]
    assert np.array_equal(np.sort(shifted, 1), np.sort(x, 1)) and np.array_equal(shifted[-1], x[-1])
    changed = shifted[:-1] != x[:-1]
    assert (changed.sum(1) == 2).all() and (np.diff(np.nonzero(changed)[1].reshape(-1, 2), axis=1) == 1).all()


def test_counterfactuals_are_those_that_the_split_knows(digits):
    assert counterfactuals(digits.test) == {}
    decoys = wb.load("decoy_mnist").test
    found = counterfactuals(decoys)
    assert list(found) == ["shortcut removed"] and found["shortcut removed"] is decoys.without_shortcut


def test_what_a_model_used_is_told_by_its_pairs():
    test = wb.load("lesions").test[:60]

    def reads_the_plate(x):
        there = (x[:, 0, :12] == 1).sum((1, 2)) >= 5  # A letter is white.
        return np.stack([np.where(there, 3.0, -3.0), np.zeros(len(x))], 1)

    found = reliance(reads_the_plate, test)
    assert (
        found.loc["shortcut removed", "answers changed"] == 1
        and found.loc["evidence removed", "answers changed"] == 0
    )
    assert found.loc["shortcut removed", "probability moved"] == pytest.approx(0.905, abs=0.01)
    assert found.loc["shortcut removed", "low"] > 0.9 and found.loc["evidence removed", "high"] < 0.1


def test_rows_without_a_pair_tell_nothing_of_what_was_used(lenet, digits):
    with pytest.raises(BadInput, match="no counterfactual pair"):
        reliance(lenet, digits.test)


def test_the_same_seed_gives_the_same_draws_and_another_others(x):
    a, b, c = conditions(x, 1), conditions(x, 1), conditions(x, 2)
    for name in ("masked", "noisy", "shifted"):
        assert np.array_equal(a[name], b[name]) and not np.array_equal(a[name], c[name])


def test_the_inputs_are_not_touched(x):
    before = x.copy()
    conditions(x)
    assert np.array_equal(before, x)


def test_an_answer_is_the_class_of_the_highest_score(lenet, digits):
    with torch.no_grad():
        expected = lenet.model(torch.tensor(digits.test.x)).argmax(1).numpy()
    assert np.array_equal(answers(lenet, digits.test.x), expected)


def test_modules_estimators_and_callables_answer_alike(digits):
    few = digits.subset(train=300, test=50)
    for name in ("tree", "logistic"):
        glass = wb.fit(wb.build(name, few), few).model
        assert np.array_equal(answers(glass, few.test.x), glass.predict(few.test.x.reshape(50, -1)))
    assert answers(lambda x: np.eye(10)[np.arange(len(x)) % 10], few.test.x).tolist() == [*range(10)] * 5


def test_answering_changes_no_model(unchanged):
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    with unchanged(net):
        answers(net, np.ones((5, 3), np.float32))
