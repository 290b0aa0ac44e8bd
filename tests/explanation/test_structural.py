"""Views of the model itself are the model's own numbers."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName
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
