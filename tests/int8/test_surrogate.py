"""The twin gives the int8 model's very bits, everywhere a method looks, and a gradient that means something."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.ao.quantization import QConfigMapping, default_qconfig
from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx
from torch.nn import functional as F

from workbench.errors import BadInput, NotExplainable
from workbench.int8.certificate import certify
from workbench.int8.conversion import convert
from workbench.int8.layers import HeldConv2d, HeldReLU
from workbench.int8.surrogate import twin
from workbench.state import quantized_engine, seeded
from workbench.zoo.catalogue import from_spec


def assert_bit_equal(int8, x):
    with torch.no_grad():
        assert torch.equal(twin(int8)(x), int8(x))


def gradient(model, x, targets):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(model(x).gather(1, targets[:, None]).sum(), x)[0]


@pytest.fixture(scope="module")
def pictures(digits):
    return torch.tensor(digits.test.x)


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param(lambda x, noise: x, id="inputs"),
        pytest.param(lambda x, noise: torch.cat([x[:100] * k / 20 for k in range(21)]), id="path"),
        pytest.param(lambda x, noise: x + 0.3 * noise, id="noise"),
        pytest.param(lambda x, noise: 9 * noise, id="far outside"),
        pytest.param(lambda x, noise: 0 * x, id="baseline"),
    ],
)
def test_lenet_on_a_thousand_digits_is_bit_equal_where_methods_look(int8_lenet, pictures, moved):
    noise = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(0))
    found = certify(twin(int8_lenet), int8_lenet, moved(pictures, noise))
    assert (found["equal"], found["gap"]) == (1.0, 0.0)
    # The gradient follows float32 sums, so those have to agree with the kernels by themselves.
    assert found["nudged"] < 1e-4


@pytest.mark.parametrize("engine", ["x86", "fbgemm", "onednn", "qnnpack"])
def test_every_kind_of_layer_is_bit_equal_on_every_engine(learned, images, engine):
    int8 = convert(learned, images, engine=engine)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    assert_bit_equal(int8, torch.cat([images, images + 0.2 * noise]))


def test_batches_rows_and_layouts_do_not_matter(int8, images):
    surrogate, whole = twin(int8), int8(images)
    assert torch.equal(torch.cat([surrogate(part) for part in images.split(7)]), whole)
    assert torch.equal(surrogate(images.contiguous(memory_format=torch.channels_last)), whole)


class Branches(nn.Module):
    """Two convolutions of one input whose results meet."""

    def __init__(self, meet, relu=True, norm=False):
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.meet = meet
        self.norm = nn.BatchNorm2d(4 if meet is torch.add else 8) if norm else nn.Identity()
        self.relu = nn.ReLU() if relu else nn.Identity()
        self.out = nn.Linear(4 if meet is torch.add else 8, 3)

    def forward(self, x):
        left, right = self.left(x), self.right(x).relu()
        met = self.meet(left, right) if self.meet is torch.add else self.meet([left, right], 1)
        return self.out(torch.flatten(nn.functional.adaptive_avg_pool2d(self.relu(self.norm(met)), 1), 1))


@pytest.mark.parametrize("engine", ["x86", "fbgemm", "onednn"])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("meet", [torch.add, torch.cat])
def test_branches_that_meet_are_bit_equal_on_inputs_path_and_noise(meet, relu, norm, engine):
    with seeded(0):
        net = Branches(meet, relu, norm).eval()
        x = torch.rand(40, 2, 12, 12) * 2 - 1
        if norm:
            net.norm.running_mean.uniform_(-0.3, 0.3)
            net.norm.running_var.uniform_(0.2, 2)
        points = torch.cat([x, *(k / 10 * x for k in range(11)), x + 0.3 * torch.randn_like(x), 5 * x])
    int8 = convert(net, x, engine=engine)
    found = certify(twin(int8), int8, points)
    assert (found["equal"], found["gap"]) == (1.0, 0.0)
    ours, theirs = (gradient(model, x, torch.zeros(40, dtype=torch.long)) for model in (twin(int8), net))
    assert (
        torch.cosine_similarity(ours.flatten(), theirs.flatten(), 0) > 0.9
    )  # .918 to .998: joined parts share a grid


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_deep_networks_are_bit_equal(name):
    with seeded(0):
        net = from_spec(
            {"builder": name, "sizes": {"width": 8}, "input_shape": [3, 32, 32], "n_classes": 5}
        ).train()
        x = torch.rand(32, 3, 32, 32)
        net(x)  # batch norms see some numbers
        net.eval()
    int8 = convert(net, x)
    assert_bit_equal(
        int8,
        torch.cat([x, x / 2, x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))]),
    )
    assert gradient(twin(int8), x[:4], torch.zeros(4, dtype=torch.long)).abs().sum() > 0


SIDE = 20


@st.composite
def nets(draw):
    """Draw a small net: one or two convolutions, pools of all kinds, one or two linear layers."""
    layers, channels = [], draw(st.integers(1, 3))
    first = channels
    for _ in range(draw(st.integers(1, 2))):
        groups = draw(st.sampled_from([1, channels]))
        made = groups * draw(st.integers(1, 5))
        kernel = draw(st.integers(1, 3))
        layers.append(
            nn.Conv2d(
                channels,
                made,
                kernel,
                stride=draw(st.integers(1, 2)),
                padding=draw(st.integers(0, kernel - 1)),
                dilation=draw(st.integers(1, 2)),
                groups=groups,
                bias=draw(st.booleans()),
            )
        )
        channels = made
        if draw(st.booleans()):
            layers.append(nn.BatchNorm2d(channels))
        layers.append(draw(st.sampled_from([nn.ReLU(), nn.ReLU(inplace=True), nn.Identity()])))
    pools = [
        nn.MaxPool2d(2, padding=1, ceil_mode=True),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((2, 3)),
        nn.Sequential(nn.Dropout(), nn.ReLU()),
    ]
    body = nn.Sequential(*layers, draw(st.sampled_from(pools)), nn.Flatten())
    width = body.eval()(torch.zeros(1, first, SIDE, SIDE)).shape[1]
    head = [nn.Linear(width, 7, bias=draw(st.booleans())), nn.ReLU(), nn.Linear(7, 3)]
    return first, nn.Sequential(body, *(head if draw(st.booleans()) else [nn.Linear(width, 3)]))


@settings(max_examples=40)
@given(made=nets(), engine=st.sampled_from(["x86", "fbgemm", "onednn"]), seed=st.integers(0, 99))
def test_any_small_net_is_bit_equal(made, engine, seed):
    channels, net = made
    draws = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draws) / 3)
    x = torch.rand(24, channels, SIDE, SIDE, generator=draws) * 3 - 1
    int8 = convert(net.eval(), x[:12], engine=engine)
    found = certify(twin(int8), int8, x)
    assert (found["equal"], found["gap"]) == (1.0, 0.0)
    assert found["nudged"] < 2e-3


def test_one_scale_for_a_whole_weight_is_bit_equal_too(learned, images):
    # Made by hand with torch alone: such a model does not say which ReLU was swallowed.
    with quantized_engine("fbgemm"):
        prepared = prepare_fx(learned, QConfigMapping().set_global(default_qconfig), (images[:1],))
        prepared(images)
        by_hand = convert_fx(prepared)
    assert_bit_equal(by_hand, images)
    assert isinstance(twin(by_hand).conv_relu, HeldReLU)


def test_layers_keep_their_names_and_their_meaning(learned, int8, images):
    seen = {"float": {}, "twin": {}}
    surrogate = twin(int8)
    names = ("conv", "relu", "pool", "average", "flatten", "hidden", "act", "out")
    for which, model in (("float", _unfused(learned)), ("twin", surrogate)):
        modules = dict(model.named_modules())
        for name in names:
            modules[name].register_forward_hook(
                lambda m, i, o, at=seen[which], name=name: at.update({name: o})
            )
        model(images)
    for name in names:
        alike = F.cosine_similarity(seen["float"][name].flatten(), seen["twin"][name].flatten(), dim=0)
        assert alike > 0.99, name
    assert (seen["twin"]["conv"] < 0).any()


def _unfused(net):
    """Return the net with its batch norm in the convolution, as conversion does."""
    fused = nn.utils.fusion.fuse_conv_bn_eval(net.conv, net.norm)
    layers = {
        "conv": fused,
        "relu": nn.ReLU(),
        "pool": net.pool,
        "average": net.average,
        "flatten": net.flatten,
    }
    rest = {"hidden": net.hidden, "act": nn.ReLU(), "out": net.out}
    model = nn.Sequential()
    for name, layer in (layers | rest).items():
        model.add_module(name, layer)
    return model


def test_a_hooked_activation_is_what_the_int8_model_holds(int8, images):
    surrogate, seen = twin(int8), {}
    int8_conv = int8.conv.register_forward_hook(lambda m, i, o: seen.update(int8=o.dequantize()))
    surrogate.relu.register_forward_hook(lambda m, i, o: seen.update(twin=o))
    int8(images), surrogate(images)
    int8_conv.remove()
    assert torch.equal(seen["twin"], seen["int8"])


def test_a_convolution_is_one_to_whoever_looks_for_one(int8):
    found = [m for m in twin(int8).modules() if isinstance(m, nn.Conv2d)]
    assert len(found) == 1 and isinstance(found[0], HeldConv2d)
    assert not any(p.requires_grad for p in twin(int8).parameters())


def test_the_gradient_points_where_that_of_the_float_model_does(lenet, int8_lenet, pictures):
    x = pictures[:100]
    targets = int8_lenet(x).argmax(1)
    ours, theirs = gradient(twin(int8_lenet), x, targets), gradient(lenet.model, x, targets)
    assert (ours.flatten(1).norm(dim=1) > 0).all()
    assert F.cosine_similarity(ours.flatten(1), theirs.flatten(1)).mean() > 0.95


def test_the_gradients_along_a_path_sum_to_the_true_difference_of_the_int8_model(int8_lenet, pictures):
    x, steps = pictures[:100], 50
    targets = int8_lenet(x).argmax(1)
    surrogate = twin(int8_lenet)
    mean = sum(gradient(surrogate, x * (k + 0.5) / steps, targets) for k in range(steps)) / steps
    with torch.no_grad():
        rise = (int8_lenet(x) - int8_lenet(0 * x)).gather(1, targets[:, None])[:, 0]
    gaps = ((mean * x).flatten(1).sum(1) - rise).abs() / rise.abs()
    assert gaps.median() < 0.03
    assert gaps.quantile(0.95) < 0.08


def test_a_linear_net_has_its_int8_weights_for_a_gradient():
    net = nn.Sequential(nn.Linear(3, 2))
    x = torch.rand(50, 3)
    int8 = convert(net, x)
    inside = x[(x > 0.1).all(1) & (x < 0.9).all(1)]
    z = inside.clone().requires_grad_()
    (found,) = torch.autograd.grad(twin(int8)(z)[:, 1].sum(), z)
    free = (int8(inside)[:, 1] < int8(x)[:, 1].max()) & (int8(inside)[:, 1] > int8(x)[:, 1].min())
    assert torch.allclose(found[free], getattr(int8, "0").weight().dequantize()[1].expand(int(free.sum()), 3))


def test_below_what_calibration_saw_the_gradient_is_zero(int8_lenet, pictures):
    x = pictures[:5] - 0.5
    found = gradient(twin(int8_lenet), x, torch.arange(5))
    assert found[x < 0].abs().max() == 0
    assert found.any()


def test_making_and_using_a_twin_changes_nothing(unchanged, int8, images):
    int8.pool.register_forward_hook(lambda *_: None)
    hooks, before = dict(int8.pool._forward_hooks), int8(images)
    with unchanged(nn.Linear(1, 1)):
        surrogate = twin(int8)
        surrogate(images.clone().requires_grad_()).sum().backward()
    assert not surrogate.pool._forward_hooks
    assert int8.pool._forward_hooks == hooks
    assert torch.equal(int8(images), before)
    int8.pool._forward_hooks.clear()


def test_shape_arithmetic_functions_and_float_parts_are_followed():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(36, 3)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv(x), inplace=True), 2)
            x = F.dropout(F.avg_pool2d(x, 2), training=False)
            return torch.log_softmax(self.out(x.reshape(x.size(0), -1)), 1)

    x = torch.rand(30, 1, 12, 12)
    assert_bit_equal(convert(Functional(), x), x)


@pytest.mark.parametrize(
    ("net", "named"),
    [
        (nn.Sequential(nn.Linear(3, 3), nn.Hardswish()), "Hardswish"),
        (nn.Sequential(nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 3)), "sigmoid|Sigmoid"),
        (nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 2, 2)), "Conv1d"),
        (nn.Sequential(*[nn.Linear(3, 3)] * 2), "twice"),
    ],
)
def test_what_has_no_surrogate_is_named(net, named):
    int8 = convert(net, torch.rand(20, 3))
    with pytest.raises(NotExplainable, match=named) as caught:
        twin(int8)
    assert "occlusion" in caught.value.todo


def test_padding_by_reflection_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"))
    with pytest.raises(NotExplainable, match="reflect"):
        twin(convert(net, torch.rand(9, 1, 5, 5)))


def test_a_float_model_needs_no_twin(learned):
    with pytest.raises(BadInput, match="gradients of its own"):
        twin(learned)


def test_an_int8_layer_outside_a_graph_is_refused(int8):
    with pytest.raises(NotExplainable, match="graph"):
        twin(nn.Sequential(int8.out))
