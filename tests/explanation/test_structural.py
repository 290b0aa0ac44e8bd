"""Views of the model itself are the model's own numbers."""

import numpy as np
import pytest
import torch
import torch.nn.utils.prune
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName
from workbench.explanation.structural import garson, olden
from workbench.int8.conversion import convert


def test_weights_are_the_layers_weights(lenet):
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        e = wb.explain(lenet, None, "weights", layer=layer)
        np.testing.assert_array_equal(e.values, getattr(lenet.model, layer).weight.detach())
        assert e.settings["layer"] == layer


def test_the_first_layer_with_weights_is_the_default(lenet, mlp):
    assert wb.explain(lenet, None, "weights").settings["layer"] == "conv1"
    assert wb.explain(mlp, None, "weights").settings["layer"] == "fc1"


def test_what_is_returned_is_a_copy(unchanged, lenet):
    with unchanged(lenet.model):
        wb.explain(lenet, None, "weights").values[:] = 0


def test_the_weights_of_an_int8_model_are_what_they_stand_for():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 3)).eval()
    int8 = convert(net, torch.rand(20, 4))
    values = wb.explain(int8, None, "weights").values
    np.testing.assert_array_equal(values, dict(int8.named_modules())["0"].weight().dequantize())
    np.testing.assert_allclose(values, net[0].weight.detach(), atol=0.01)


def test_a_view_of_the_model_has_no_rows(lenet):
    e = wb.explain(lenet, None, "weights")
    assert (e.scope, e.map, e.inputs, e.target, e.output, e.delta) == ("global", None, None, None, None, None)
    with pytest.raises(BadInput, match="explains the model, not rows"):
        e[0]


def test_what_has_no_weights_is_refused(clouds):
    with pytest.raises(BadInput, match="The model has no weights"):
        wb.explain(nn.ReLU(), None, "weights")
    with pytest.raises(NotExplainable, match="DecisionTreeClassifier has no layers"):
        wb.explain(wb.fit(wb.build("tree", clouds), clouds), None, "weights")


def test_a_layer_without_weights_is_answered_with_those_that_have_some(lenet):
    with pytest.raises(UnknownName, match=r"'relu1'.*conv1, conv2, fc1, fc2"):
        wb.explain(lenet, None, "weights", layer="relu1")


# the numbers that pruning sorts by


def test_sensitivity_is_what_pruning_by_taylor_sorts_by(mlp, clouds):
    pruned = wb.prune(mlp, 0.4, by="taylor", scope="layer", data=clouds, verbose=False)
    for layer in ("fc1", "fc2"):
        e = wb.explain(mlp, clouds.train, "parameter_sensitivity", layer=layer)
        gone = (getattr(pruned.model, layer).weight == 0).numpy(force=True)
        assert gone.mean() == pytest.approx(0.4, abs=0.02)
        assert e.values[gone].max() <= e.values[~gone].min()
    whole = wb.explain(mlp, clouds.train, "parameter_sensitivity")
    assert whole.feature_names == ("fc1", "fc2")
    assert whole.values[0, 1] == pytest.approx(e.values.sum(), rel=1e-5)


def test_the_worth_of_a_weight_is_the_same_number_bit_for_bit(mlp, clouds):
    from workbench.compression.criteria import worth

    for layer, values in worth(mlp.model, ("fc1", "fc2"), "taylor", clouds).items():
        e = wb.explain(mlp, clouds.train, "parameter_sensitivity", layer=layer, batch_size=256)
        np.testing.assert_array_equal(e.values, values.numpy())


def test_sensitivity_by_hand():
    net = nn.Sequential(nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    x, y = np.array([[1, 0], [1, 0]], dtype=np.float32), np.array([0, 0])
    e = wb.explain(net, wb.data.records.Split(x, y, y, np.arange(2)), "parameter_sensitivity", layer="0")
    # Of the logit 1 against 0 the loss falls by 1 - p a unit of the first weight.
    np.testing.assert_allclose(e.values, [[1 - 1 / (1 + np.exp(-1)), 0], [0, 0]], rtol=1e-6)
    np.testing.assert_allclose(e.settings["error"], 0, atol=1e-7)


def test_the_error_of_a_layer_is_what_other_rows_would_move(mlp, clouds):
    rng = np.random.default_rng(0)
    draws = [
        wb.explain(mlp, clouds.train[rng.integers(0, len(clouds.train), 60)], "parameter_sensitivity")
        for _ in range(40)
    ]
    spread = np.std([e.values for e in draws], axis=0)
    np.testing.assert_allclose(np.mean([e.settings["error"] for e in draws], axis=0), spread, rtol=0.5)


def test_recurrent_and_embedding_weights_have_names_of_their_own(reader, reviews, unchanged):
    with unchanged(reader.model):
        e = wb.explain(reader, reviews.test, "parameter_sensitivity", data=reviews)
    assert {"embedding", "lstm.weight_hh_l0"} <= set(e.feature_names)
    assert (e.values > 0).all()


def test_what_has_no_float_weights_or_classes_is_refused(lenet, digits, clouds, mlp):
    small = convert(nn.Sequential(nn.Linear(4, 3)).eval(), torch.rand(20, 4))
    with pytest.raises(NotExplainable, match=r"its int8 weights have no gradient"):
        wb.explain(small, clouds.test, "parameter_sensitivity")
    with pytest.raises(UnknownName, match="'fc9'"):
        wb.explain(lenet, digits.test, "parameter_sensitivity", layer="fc9")
    with pytest.raises(BadInput, match="There is 1 row"):
        wb.explain(mlp, clouds.test[:1], "parameter_sensitivity")
    with pytest.raises(BadInput, match=r"The model has 3 outputs, and classes run to 9"):
        wb.explain(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), digits.test, "parameter_sensitivity")


# the structural half of gim


def chained(*matrices, activation=nn.ReLU):
    layers = []
    for matrix in matrices:
        layer = nn.Linear(matrix.shape[1], len(matrix))
        layer.weight.data = torch.tensor(matrix, dtype=torch.float32)
        layers += [layer, activation()]
    return nn.Sequential(*layers[:-1]).eval()


FIRST, LAST = np.array([[1.0, -2.0, 1.0], [0.0, 3.0, 1.0]]), np.array([[1.0, 1.0], [-2.0, 0.0]])


def test_olden_is_the_product_of_the_matrices_with_its_signs():
    e = wb.explain(chained(FIRST, LAST), None, "gim", half="structural")
    np.testing.assert_allclose(e.values, [[1, 1, 2], [-2, 4, -2]])
    assert e.signed and "signed products" in e.estimand


def test_garson_by_hand():
    e = wb.explain(chained(FIRST, LAST), None, "gim", half="structural", by="garson")
    # Shares of the inputs in the units: 1/4 2/4 1/4 and 0 3/4 1/4; of the units in the classes: 1/2 1/2 and 1 0.
    np.testing.assert_allclose(e.values, [[1 / 8, 5 / 8, 1 / 4], [1 / 4, 1 / 2, 1 / 4]])
    assert not e.signed and "share" in e.estimand


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.GELU, nn.Dropout])
def test_shares_sum_to_one_through_any_depth(activation):
    rng = np.random.default_rng(0)
    net = chained(*(rng.normal(size=shape) for shape in ((6, 4), (5, 6), (3, 5))), activation=activation)
    e = wb.explain(net, None, "gim", half="structural", by="garson")
    np.testing.assert_allclose(e.values.sum(1), 1, rtol=1e-6)


def test_of_a_linear_model_both_halves_agree(clouds):
    weights = np.random.default_rng(0).normal(size=(3, 5))
    net = chained(weights)
    structural = wb.explain(net, clouds.test, "gim", half="structural").values
    aggregated = wb.explain(net, clouds.test, "gim", of="saliency").values
    np.testing.assert_allclose(np.abs(structural), aggregated, rtol=1e-5)


def test_a_chain_over_pixels_keeps_their_places(digits):
    net = wb.build("mlp", digits, hidden=(6,))
    assert wb.explain(net, digits.test[:2], "gim", half="structural").values.shape == (10, 1, 28, 28)


class Skipping(nn.Module):
    """Two linear layers, the first of which is passed on beside the second."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        h = self.a(x)
        return self.b(h) + h


class Asking(nn.Linear):
    """A linear layer that looks at its numbers before it answers."""

    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("net", "words"),
    [
        (Skipping(), "its forward branches"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)),
            "the layer 2 is a BatchNorm1d",
        ),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)), "the layer 0 is a Conv2d"),
        (Asking(3, 3), "its forward cannot be followed (TraceError)"),
        (nn.Sequential(nn.ReLU()), "it has no linear layer"),
        (lambda x: x, "a callable has no layers"),
    ],
)
def test_what_is_no_chain_is_refused_with_the_methods_that_can(net, words):
    with pytest.raises(NotExplainable) as refused:
        wb.explain(net, None, "gim", half="structural")
    assert refused.value.wrong.endswith(f"half='structural' reads its weights, and {words}")
    assert refused.value.expected.startswith("a chain of linear layers")
    assert "half='aggregated' can" in refused.value.todo and "permutation_importance" in refused.value.todo


def test_an_unknown_half_or_rule_is_answered_with_the_known(mlp):
    with pytest.raises(UnknownName, match="aggregated, structural"):
        wb.explain(mlp, None, "gim", half="other")
    with pytest.raises(UnknownName, match="garson, olden"):
        wb.explain(mlp, None, "gim", half="structural", by="gevrey")


def test_masked_and_parametrized_layers_are_linear_and_int8_ones_are_not(mlp, clouds):
    net = chained(FIRST, LAST)
    torch.nn.utils.prune.random_unstructured(net[0], "weight", 0.5)
    torch.nn.utils.parametrizations.weight_norm(net[2])
    masked = net[0].weight.detach().numpy()
    e = wb.explain(net, None, "gim", half="structural")
    np.testing.assert_allclose(e.values, LAST @ masked, rtol=1e-5)
    with pytest.raises(NotExplainable, match="its layers are quantized"):
        wb.explain(
            convert(nn.Sequential(nn.Linear(4, 3)).eval(), torch.rand(9, 4)), None, "gim", half="structural"
        )


# laws

matrices = st.lists(st.lists(st.floats(-2, 2), min_size=3, max_size=3), min_size=3, max_size=3)


@given(matrices, matrices)
def test_garson_and_olden_do_not_heed_the_order_of_hidden_units(first, last):
    first, last, order = torch.tensor(first), torch.tensor(last), [2, 0, 1]
    for rule in (olden, garson):
        np.testing.assert_allclose(rule([first, last]), rule([first[order], last[:, order]]), atol=1e-5)


@given(matrices, st.floats(0.1, 5))
def test_garson_does_not_heed_the_scale_of_a_unit_and_olden_is_proportional(matrix, by):
    matrix = torch.tensor(matrix)
    np.testing.assert_allclose(garson([matrix * by]), garson([matrix]), atol=1e-5)
    np.testing.assert_allclose(olden([matrix * by]), by * olden([matrix]), rtol=1e-4, atol=1e-6)
