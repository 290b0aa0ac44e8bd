"""Completeness: the gap as a share of what was to be explained, and nothing where nothing was promised."""

from types import SimpleNamespace

import handmade
import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.evaluation.axiomatic import relative_gap


def found(delta, output, base):
    arrays = {
        k: np.asarray(v, dtype=float)
        for k, v in {"delta": delta, "output": output, "base_values": base}.items()
    }
    return relative_gap(SimpleNamespace(**arrays)).tolist()


def test_it_is_the_gap_as_a_share_of_the_difference():
    assert found([0.5, -1.0, 0.0], [3.0, 1.0, 2.0], [1.0, 3.0, 0.0]) == [0.25, 0.5, 0.0]


def test_a_gap_where_there_was_nothing_to_explain_is_huge():
    assert found([0.1], [1.0], [1.0])[0] > 1e6


def test_a_linear_model_leaves_no_gap_and_a_wrong_map_all_of_it():
    net = nn.Linear(4, 2)
    x = torch.rand(3, 4).numpy()
    e = wb.explain(net, x, "integrated_gradients", n_steps=4, target=0)
    assert wb.evaluate(e, net, ("completeness",))["completeness"] == pytest.approx([0, 0, 0], abs=1e-5)
    wrong = handmade.replace(e, delta=e.base_values - e.output)
    assert wb.evaluate(wrong, net, ("completeness",))["completeness"].tolist() == [1, 1, 1]


def test_a_method_without_the_promise_has_no_score():
    net = nn.Linear(4, 2)
    e = wb.explain(net, torch.rand(3, 4).numpy(), "saliency")
    scores = wb.evaluate(e, net, ("completeness",))
    assert np.isnan(scores["completeness"]).all()
    assert scores.table()["mean"].isna().all()


# what does not react


def test_values_where_the_model_does_not_react_are_counted_and_so_is_silence_where_it_does():
    net = nn.Linear(4, 2)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, -2, 0, 0], [0, 0, 0, 0]]))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    own = wb.explain(net, x, "input_x_gradient", target=0)
    counts = [
        wb.evaluate(handmade.replace(own, values=np.float32(values)), net, "non_sensitivity", output="logit")["non_sensitivity"].tolist()
        for values in (own.values, own.values + np.array([0, 0, 0, 1]), own.values * [0, 0, 1, 1])
    ]  # fmt: skip
    assert counts == [[0, 0, 0], [1, 1, 1], [2, 2, 2]]


def test_a_feature_at_its_baseline_reacts_to_what_other_rows_hold():
    net = nn.Linear(2, 2)
    x = np.array([[0.0, 1], [3, 2]], np.float32)  # Hiding the first row's first column changes nothing.
    e = wb.explain(net, x, "saliency", target=0)
    found = wb.evaluate(e, net, {"non_sensitivity": {"n_samples": 9}}, output="logit")["non_sensitivity"]
    assert found.tolist() == [0, 0]
    assert wb.evaluate(e, net, {"non_sensitivity": {"n_samples": 1}}, output="logit")[
        "non_sensitivity"
    ].tolist() == [1, 0]
