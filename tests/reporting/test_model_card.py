"""The card of a model: how right, for whom, how sure, with the data page behind it."""

import numpy as np
import pytest
import smalldata

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.shares import share_interval
from workbench.reporting import model_card


@pytest.fixture(scope="module")
def data():
    """A table with a column that tells much."""
    return smalldata.table(told=np.random.default_rng(1).normal(size=300) + 3 * (np.arange(300) % 3 == 0))


@pytest.fixture(scope="module")
def fitted(data):
    """A logistic regression on it."""
    return wb.fit(wb.build("logistic", data), data)


def test_probabilities_are_those_of_the_library(fitted, data):
    np.testing.assert_allclose(
        model_card.probabilities(fitted, data), fitted.model.predict_proba(data.test.x), atol=1e-6
    )


def test_right_answers_are_counted_with_their_interval(fitted, data):
    hits = fitted.model.predict(data.test.x) == data.test.y
    value, low, high, _ = share_interval(hits)
    found = wb.card(fitted, data)
    assert found.findings[0].startswith(
        f"Right in {100 * value:.1f} % of 60 test rows (95 %: {100 * low:.1f} % to {100 * high:.1f} %)"
    )
    table = found.table("by class")
    assert table["right"].tolist() == [hits[data.test.y == c].mean() for c in range(2)]
    assert (table["low"] <= table["right"]).all() and (table["right"] <= table["high"]).all()


def test_what_a_class_is_taken_for_is_named(data):
    probability = np.tile([1.0, 0.0], (60, 1))
    table = model_card.by_class(probability, data)
    assert table["taken for"].tolist() == ["-", "good (20)"] and table["right"].tolist() == [1, 0]


def test_a_class_with_few_rows_is_not_called_the_worst(data):
    table = model_card.by_class(
        np.tile([1.0, 0.0], (60, 1)), data
    )  # 20 rows of the class that is always wrong
    said = model_card._findings(np.tile([1.0, 0.0], (60, 1)), table, data)
    assert any(line.startswith("Least often right: good, in 100.0 %") for line in said)


def test_the_data_page_stands_behind_it(fitted, data, tmp_path):
    found, page = wb.card(fitted, data), wb.card(data)
    assert found.findings[-len(page.findings) :] == page.findings and found.doubts == page.doubts
    assert (
        set(page.names) < set(found.names)
        and found.facts["model"] == "logistic"
        and found.facts["size"] == "9 weights"
    )
    written = found.to_html(tmp_path / "card.html").read_text("utf-8")
    assert "<script" not in written and written.count("<img ") == 4


def test_a_net_says_how_it_was_trained_and_a_compressed_one_what_was_done(lenet, digits):
    small = digits.subset(test=100)
    found = wb.card(lenet, small)
    assert (
        found.facts["model"] == "lenet5"
        and found.facts["size"] == "431,080 parameters"
        and "epochs 3" in found.facts["trained"]
    )
    pruned = wb.card(wb.prune(lenet, 0.5), small)
    assert (
        pruned.facts["compressed"].startswith("50% of the weights removed")
        and "not zero" in pruned.facts["size"]
    )


def test_texts_are_read_by_a_pipeline_and_by_a_net():
    data = smalldata.texts()
    found = wb.card(wb.fit(wb.build("logistic", data), data), data)
    assert found.title == "Model: logistic on reviews" and "Right in 9" in found.findings[0]
    net = wb.build("lstm_attention", data)
    assert wb.card(net, data).table("by class")["test rows"].sum() == len(data.test)


def test_a_model_with_too_few_outputs_is_refused(data):
    with pytest.raises(BadInput, match=r"The model has 1 outputs.*a score for each of 2 classes"):
        wb.card(lambda x: x[:, :1], data)
