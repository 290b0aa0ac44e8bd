"""What is measured of one method on some rows."""

import numpy as np
import pytest
from nets import linear

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.court import Court
from workbench.evaluation.floors import floors

W = np.array([[0.0, 0, 0, 0], [2.0, -1.5, 1.0, 0.0]], dtype=np.float32)


@pytest.fixture(scope="module")
def court():
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    return Court(linear(W), wb.from_arrays(x, (x @ W[1] > 0).astype(int)), 12, seed=0)


@pytest.fixture(scope="module")
def tried(court):
    return court.tried("input_x_gradient", {})


def test_scores_and_floors_are_those_of_evaluate(court, tried):
    e = wb.explain(court.model, court.rows, "input_x_gradient", output=court.output, data=court.data)
    scores = wb.evaluate(e, court.model, ("deletion", "insertion"), data=court.data, seed=0)
    reached = {**court.nonsense, "the same method on a randomized model": tried.untrained}
    for name in ("deletion", "insertion"):
        np.testing.assert_allclose(tried.scores[name], scores[name], atol=1e-6)
        best = (min if name == "deletion" else max)(reached, key=lambda m: reached[m][name].mean())
        np.testing.assert_allclose(scores.columns[name].floor, reached[best][name], atol=1e-6)
        assert best in scores.flags[f"{name} floor"]


def test_the_floors_are_those_of_any_method(court, tried):
    from workbench.evaluation.judging import asked

    e = wb.explain(court.model, court.rows, "occlusion", output=court.output)
    assert {*court.nonsense} < {*floors(e, court.model, asked(e, court.model)[1], court.data, 0)}


def test_a_noisy_copy_counts_only_with_its_answer(court, tried):
    noisy, stays = court._near
    changed = (noisy != court.rows.x).any(1)
    assert changed.mean() > 0.5 and not stays[~changed].any()
    same = changed & ((noisy @ W[1] > 0) == (court.rows.x @ W[1] > 0))
    np.testing.assert_array_equal(stays, same)
    a, b = court.rows.x[stays] * W[1], noisy[stays] * W[1]
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert tried.stability == pytest.approx(cosine.mean(), abs=1e-5)


def test_a_tenth_of_an_images_range_is_a_small_noise(lenet, digits):
    court = Court(lenet, digits, 6, seed=0)
    court.tried("saliency", {})
    away = court._near[0] - court.rows.x
    assert 0.02 < away.std() < 0.1 and court._near[0].min() >= 0


def test_cost_is_for_one_input_and_every_evaluation_counts(court):
    before = court.evaluations
    trial = court.tried("feature_ablation", {})
    assert trial.evaluations == pytest.approx(
        1 + 4 + 1 + 1 / 12
    )  # aimed and evaluated, a forward a column, one baseline
    assert court.evaluations - before >= 3 * 12 * trial.evaluations


def test_values_that_are_not_finite_are_not_judged(court, monkeypatch):
    from workbench.explanation import registry

    monkeypatch.setattr(registry, "_METHODS", dict(registry.table()))
    wb.method("gaps", needs={"batch"}, signed=True, estimand="nothing", paper="none")(
        lambda score, inputs: inputs.x / 0
    )
    with pytest.raises(BadInput, match="NaN or infinite"):
        court.tried("gaps", {})
