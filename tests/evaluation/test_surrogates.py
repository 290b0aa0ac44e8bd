"""How far a small tree speaks for a model: known rules, images, texts, and what is not held out."""

import numpy as np
from reviews import made_up

import workbench as wb
from workbench.data.bare import as_data
from workbench.evaluation.surrogates import OF_THE_ORIGINAL, fidelities

X = np.random.default_rng(0).normal(size=(400, 4)).astype(np.float32)
DATA = wb.from_arrays(X, (X[:, 0] > 0).astype(int))


def by_column(column):
    return lambda x: np.stack([-np.asarray(x, float)[:, column], np.asarray(x, float)[:, column]], 1)


def test_a_model_of_one_question_is_wholly_spoken_for_and_its_rules_fail_another():
    found = fidelities({"original": by_column(0), "compressed": by_column(1)}, DATA)
    assert found["original"].mean() > 0.97 and found["compressed"].mean() > 0.97
    assert 0.3 < found[OF_THE_ORIGINAL].mean() < 0.7
    assert found["most frequent answer"].shape == (len(DATA.test),)


def test_a_copy_is_spoken_for_by_the_originals_rules():
    found = fidelities({"original": by_column(0), "compressed": by_column(0)}, DATA)
    assert np.array_equal(found["original"], found[OF_THE_ORIGINAL])


def test_texts_are_asked_for_words(trained):
    data = made_up(200)
    net = wb.fit(wb.build("lstm_attention", data), data, epochs=3, lr=1e-2, verbose=False).model
    found = fidelities({"original": net, "compressed": net}, data)
    assert found["original"].mean() >= found["most frequent answer"].mean() - 0.1


def test_without_rows_that_are_held_out_nothing_is_said():
    assert (
        fidelities({"original": by_column(0), "compressed": by_column(0)}, as_data((X, np.zeros(400, int))))
        == {}
    )
