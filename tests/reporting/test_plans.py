"""What a walk does by default with each kind of data."""

import pytest

import workbench as wb
from workbench.reporting import plans


@pytest.mark.parametrize(
    ("name", "model"), [("mnist", "lenet5"), ("german_credit", "mlp"), ("movie_reviews", "lstm_attention")]
)
def test_each_kind_has_a_model_that_fits_it(name, model):
    data = wb.load(name)
    assert plans.model_for(data) == model
    assert wb.build(model, data).spec["builder"] == model


def test_digits_are_trained_as_they_were():
    full, fast = (plans.parameters(wb.load("mnist"), fast) for fast in (False, True))
    assert full["01_train"] == {"epochs": 15, "rows": 0} and fast["01_train"] == {"epochs": 6, "rows": 0}
    assert full["04_evaluate"] == {"n": 400, "references": 5, "rows": 0}
    assert full["05_iterate"] == {"epochs": 10, "tuning": 3, "rows": 1000}
    assert fast["05_iterate"] == {"epochs": 15, "tuning": 5, "rows": 600}


def test_few_rows_get_more_passes_and_many_rows_are_cut():
    plan = plans.PLANS["text"]
    assert plan.passes(7400, False) == (5, 4) and plan.passes(200, False)[0] == 88
    assert plan.passes(200, True)[0] == 50 and plan.passes(200, True)[1] == 16


def test_of_very_many_rows_the_first_are_taken(monkeypatch):
    monkeypatch.setattr(plans, "MOST_ROWS", 1000)
    assert plans.parameters(wb.load("mnist"), False)["01_train"]["rows"] == 1000
