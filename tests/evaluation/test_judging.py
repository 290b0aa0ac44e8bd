"""The table of metrics, and what ``evaluate`` makes of an explanation."""

import handmade
import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.evaluation import registry
from workbench.evaluation.judging import DEFAULT


@pytest.fixture
def own_metrics(monkeypatch):
    """A table of metrics that forgets what a test adds."""
    monkeypatch.setattr(registry, "_METRICS", dict(registry._table()))


@pytest.fixture(scope="module")
def explained(lenet, digits):
    return wb.explain(lenet, digits.test[:6], "occlusion", window=7)


def test_the_table_says_of_each_metric_how_to_read_it():
    table = wb.metrics()
    assert {*DEFAULT} <= {*table.index}
    assert set(table.columns) == set(registry.SHOWN)
    ours = table.loc[list(DEFAULT)]
    assert ours[["misleads", "paper"]].map(len).min().min() > 10
    assert ours["floors"].all() and not table.loc[["completeness", "sparseness"], "floors"].any()


def test_scores_have_a_number_an_input_and_a_floor_where_there_is_nonsense(lenet, explained, digits):
    assert tuple(wb.evaluate(explained, lenet, data=digits)) == DEFAULT
    scores = wb.evaluate(
        explained, lenet, ("deletion", "insertion", "completeness", "sparseness"), data=digits
    )
    table = scores.table().set_index("metric")
    assert scores.n == 6 and table.loc[["deletion", "insertion"], "floor"].notna().all()
    assert table.loc[["completeness", "sparseness"], "floor"].isna().all()
    assert table.loc["deletion", ["low", "mean", "high"]].is_monotonic_increasing


def test_the_best_floor_is_the_one_that_does_best_on_average_and_is_named(lenet, explained, digits):
    scores = wb.evaluate(explained, lenet, ("deletion",), data=digits)
    reached = {}
    for name, values in judged_floors(explained, lenet, digits).items():
        nonsense = handmade.replace(explained, values=values)
        reached[name] = wb.evaluate(nonsense, lenet, ("deletion",), data=digits)["deletion"]
    best = min(reached, key=lambda name: reached[name].mean())
    assert scores.flags == {"deletion floor": f"The best floor of deletion is {best}."}
    assert scores.columns["deletion"].floor == pytest.approx(reached[best])


def judged_floors(e, model, data):
    from workbench.evaluation.floors import floors
    from workbench.explanation.space import Space

    return floors(e, model.model, Space(torch.tensor(e.inputs)), data, seed=0)


def test_floors_can_be_left_out(lenet, explained, digits):
    scores = wb.evaluate(explained, lenet, ("deletion",), data=digits, with_floors=False)
    assert np.isnan(scores.columns["deletion"].floor) and not scores.flags
    np.testing.assert_array_equal(
        scores["deletion"], wb.evaluate(explained, lenet, ("deletion",))["deletion"]
    )


def test_whatever_output_was_explained_the_probability_is_judged(lenet, digits):
    found = [
        wb.evaluate(handmade.replace(wb.explain(lenet, digits.test[:2], "occlusion", window=7, output=output),
                                     values=np.arange(2 * 784, dtype=np.float32).reshape(2, 1, 28, 28)),
                    lenet, ("deletion",))["deletion"]
        for output in ("logit", "centred_logit", "log_prob")
    ]  # fmt: skip
    assert found[0].tolist() == found[1].tolist() == found[2].tolist()
    assert (found[0] <= 1).all()


def test_a_model_with_one_output_is_judged_on_it():
    net = nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[1.0, -3.0]]))
        net.bias.fill_(5.0)
    e = wb.explain(net, np.ones((1, 2), np.float32), "saliency", output="raw")
    # 5 + 1 - 3 at first; the second column goes after a quarter of the 28 steps, the first after three
    curve = np.array([3.0] * 8 + [6.0] * 13 + [5.0] * 8)
    expected = ((curve[1:] + curve[:-1]) / 2).mean()
    assert wb.evaluate(e, net, ("deletion",))["deletion"] == pytest.approx(expected, abs=1e-5)


def test_what_a_forward_needs_beside_is_passed_on():
    class Scaled(nn.Linear):
        def forward(self, x, *, scale):
            return scale * super().forward(x)

    net = Scaled(3, 2)
    e = wb.explain(net, np.ones((2, 3), np.float32), "saliency", forward_kwargs={"scale": 2.0})
    assert np.isfinite(wb.evaluate(e, net, ("deletion",))["deletion"]).all()


def test_the_same_seed_gives_the_same_bits_and_the_model_comes_back(lenet, explained, digits, unchanged):
    with unchanged(lenet.model):
        a, b = (wb.evaluate(explained, lenet, data=digits, seed=4) for _ in "ab")
    for name in DEFAULT:
        np.testing.assert_array_equal(a[name], b[name])
        np.testing.assert_array_equal(a.columns[name].floor, b.columns[name].floor)


def test_ones_own_metric_joins_the_table(own_metrics, lenet, explained):
    @wb.metric("peak", direction="higher is sharper", category="complexity", range="0 up", paper="none")
    def peak(score, inputs, values):
        return np.abs(values).reshape(len(values), -1).max(1)

    assert "peak" in wb.metrics().index
    scores = wb.evaluate(explained, lenet, ("peak",))
    assert scores["peak"] == pytest.approx(np.abs(explained.values).max((1, 2, 3)))


def test_ones_own_metric_sees_probability_and_features_and_has_floors(own_metrics, lenet, explained):
    @wb.metric(
        "drop",
        direction="lower is better",
        category="faithfulness",
        range="0 to 1",
        paper="none",
        floors=True,
    )
    def drop(score, inputs, values):
        top = torch.as_tensor(values == values.max((1, 2, 3), keepdims=True))
        return score.responses(inputs, 1, lambda rows, _: top[rows])[:, 0].numpy()

    scores = wb.evaluate(explained, lenet, ("drop",))
    assert ((scores["drop"] >= 0) & (scores["drop"] <= 1)).all()
    assert list(scores.flags) == ["drop floor"]
    assert scores.columns["drop"].floor.mean() <= 1


def test_an_unknown_metric_lists_the_known_ones(lenet, explained):
    with pytest.raises(
        UnknownName, match=r"one of .*completeness.*deletion, .*insertion, .*Did you mean .deletion."
    ):
        wb.evaluate(explained, lenet, ("deletio",))


def test_a_global_explanation_is_refused(lenet):
    with pytest.raises(BadInput, match="explains the model, not inputs"):
        wb.evaluate(wb.explain(lenet, None, "weights"), lenet)


def test_values_that_are_not_finite_are_refused(lenet, explained):
    values = explained.values.copy()
    values[0, 0, 0, 0] = np.nan
    with pytest.raises(BadInput, match="NaN or infinite"):
        wb.evaluate(handmade.replace(explained, values=values), lenet)


def test_no_metric_at_all_is_refused(lenet, explained):
    with pytest.raises(BadInput, match="Name a metric"):
        wb.evaluate(explained, lenet, ())
