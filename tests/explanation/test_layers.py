"""Methods that look at a layer agree with captum and with the layer itself."""

import captum.attr
import numpy as np
import pytest
import torch
from nets import Convolutional
from torch import nn
from torch.nn import functional as F

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName


@pytest.fixture
def net():
    """A convolutional net for images of two channels."""
    torch.manual_seed(0)
    return Convolutional().eval()


@pytest.fixture
def x():
    """Four images of two channels."""
    return np.random.default_rng(0).random((4, 2, 12, 10), dtype=np.float32)


class Side(nn.Module):
    """A net with a layer that the forward passes by, one that it uses twice, and one that gives a pair."""

    def __init__(self):
        super().__init__()
        self.unused, self.twice = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 1, 3, padding=1)
        self.pair, self.last = nn.LSTM(6, 3, batch_first=True), nn.Linear(18, 3)

    def forward(self, x):
        return self.last(self.pair(self.twice(self.twice(x))[:, 0])[0].flatten(1))


SIDE = np.random.default_rng(1).random((2, 1, 6, 6), dtype=np.float32)


# grad_cam


def test_grad_cam_by_hand():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(8, 1)).eval()
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        net[0].bias.zero_()
        net[2].weight.copy_(torch.tensor([[1.0, 1, 1, 1, 2, 2, 2, 2]]))
    x = np.array([[[[1.0, -2], [3, 0]]]], dtype=np.float32)
    # Channels are x and -x, their mean gradients 1 and 2: 1 * x + 2 * -x = -x.
    signed = wb.explain(net, x, "grad_cam", output="raw", relu=False)
    np.testing.assert_allclose(signed.values, -x)
    assert signed.signed
    rectified = wb.explain(net, x, "grad_cam", output="raw")
    np.testing.assert_allclose(rectified.values, [[[[0, 2], [0, 0]]]])
    assert not rectified.signed


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("layer", ["conv1", "conv2", "pool1"])
def test_grad_cam_is_that_of_captum(lenet, images, layer, relu):
    method = captum.attr.LayerGradCam(lenet.model, getattr(lenet.model, layer))
    theirs = method.attribute(torch.tensor(images), [7, 2, 1, 0, 4], relu_attributions=relu)
    small = wb.explain(
        lenet, images, "grad_cam", layer=layer, target=[7, 2, 1, 0, 4], relu=relu, upsample=False
    )
    np.testing.assert_allclose(small.values, theirs.detach(), rtol=1e-5, atol=1e-6)
    large = wb.explain(lenet, images, "grad_cam", layer=layer, target=[7, 2, 1, 0, 4], relu=relu)
    np.testing.assert_allclose(
        large.values,
        captum.attr.LayerAttribution.interpolate(theirs, (28, 28), "bilinear").detach(),
        atol=1e-5,
    )


def test_grad_cam_takes_the_last_convolution_and_says_so(lenet, images):
    e = wb.explain(lenet, images, "grad_cam")
    assert e.settings["layer"] == "conv2"
    assert e.values.shape == (5, 1, 28, 28)
    np.testing.assert_array_equal(e.values, wb.explain(lenet, images, "grad_cam", layer="conv2").values)


# activation


def test_an_activation_is_what_the_layer_gives(net, x):
    with torch.no_grad():
        given = net.conv(torch.tensor(x))
    mean = wb.explain(net, x, "activation", layer="conv", upsample=False)
    np.testing.assert_allclose(mean.values, given.mean(1, keepdim=True), rtol=1e-5)
    one = wb.explain(net, x, "activation", layer="conv", channel=2, upsample=False)
    np.testing.assert_allclose(one.values, given[:, [2]], rtol=1e-5)
    large = F.interpolate(given[:, [2]], (12, 10), mode="bilinear", align_corners=False)
    np.testing.assert_allclose(
        wb.explain(net, x, "activation", layer="conv", channel=2).values, large, rtol=1e-5
    )


def test_the_activation_of_a_flat_layer_is_a_number_a_unit(lenet, images):
    with torch.no_grad():
        net = lenet.model
        given = net.fc1(
            net.flatten(
                net.pool2(net.relu2(net.conv2(net.pool1(net.relu1(net.conv1(torch.tensor(images)))))))
            )
        )
    e = wb.explain(lenet, images, "activation", layer="fc1")
    np.testing.assert_allclose(e.values, given, rtol=1e-4, atol=1e-5)
    assert e.map is None
    assert wb.explain(lenet, images, "activation", layer="fc1", channel=3).values.shape == (5, 1)


def test_an_activation_knows_no_class(lenet, images):
    a, b = (wb.explain(lenet, images, "activation", target=target).values for target in (0, 1))
    np.testing.assert_array_equal(a, b)


# layers that misbehave


@pytest.mark.parametrize("method", ["grad_cam", "activation"])
def test_a_layer_that_is_not_used_is_an_error(unchanged, method):
    net = Side().eval()
    with unchanged(net), pytest.raises(BadInput, match="not used in the forward pass"):
        wb.explain(net, SIDE, method, layer="unused")


@pytest.mark.parametrize("method", ["grad_cam", "activation"])
def test_a_layer_that_is_used_twice_is_flagged_and_its_last_output_taken(method):
    torch.manual_seed(0)
    net = Side().eval()
    e = wb.explain(net, SIDE, method, layer="twice", upsample=False)
    assert "layer used twice" in e.flags
    if method == "activation":
        with torch.no_grad():
            x = torch.tensor(SIDE).clone(memory_format=torch.channels_last)
            np.testing.assert_allclose(e.values, net.twice(net.twice(x)), rtol=1e-5)


def test_a_layer_that_is_used_once_is_not_flagged(lenet, images):
    assert "layer used twice" not in wb.explain(lenet, images, "grad_cam").flags


@pytest.mark.parametrize("method", ["grad_cam", "activation"])
def test_a_layer_that_gives_no_tensor_is_refused(unchanged, method):
    net = Side().eval()
    with unchanged(net), pytest.raises(BadInput, match="returns a tuple"):
        wb.explain(net, SIDE, method, layer="pair")


def test_grad_cam_of_a_flat_layer_is_refused(lenet, images):
    with pytest.raises(BadInput, match="fc1 has no rows and columns"):
        wb.explain(lenet, images, "grad_cam", layer="fc1")


@pytest.mark.parametrize("channel", [50, -1, "first"])
def test_a_channel_that_is_not_there_is_refused(lenet, images, channel):
    with pytest.raises(BadInput, match=f"channel is {channel!r}.*0 to 49, as conv2 has 50"):
        wb.explain(lenet, images, "activation", channel=channel)


@pytest.mark.parametrize("method", ["grad_cam", "activation", "weights"])
def test_an_unknown_layer_is_answered_with_the_known(lenet, images, method):
    with pytest.raises(UnknownName, match=r"'conv3'.*conv1, conv2, fc1.*Did you mean 'conv"):
        wb.explain(lenet, None if method == "weights" else images, method, layer="conv3")


def test_grad_cam_of_a_net_without_convolution_is_refused(mlp, clouds):
    with pytest.raises(NotExplainable, match="the model has no convolution"):
        wb.explain(mlp, clouds.test[:2], "grad_cam")


def test_a_net_without_convolution_needs_a_layer_for_its_activation(digits):
    net = wb.build("mlp", digits)
    with pytest.raises(BadInput, match=r"no convolution.*fc1.*layer="):
        wb.explain(net, digits.test[:2], "activation")
    assert wb.explain(net, digits.test[:2], "activation", layer="relu1").values.shape == (2, 64)


@pytest.mark.parametrize("method", ["saliency", "occlusion", "lime", "kernel_shap"])
def test_a_method_without_layers_takes_none(lenet, images, method):
    with pytest.raises(BadInput, match=f"{method} was given layer='conv1'"):
        wb.explain(lenet, images, method, layer="conv1")
