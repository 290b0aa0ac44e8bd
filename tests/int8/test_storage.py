"""An int8 model goes through bytes and comes back with the same bits, or is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load
from torch import nn

from workbench import files
from workbench.errors import BadFile, BadInput
from workbench.int8.conversion import convert, is_int8
from workbench.int8.storage import layer_shapes, restore, store


@pytest.fixture
def stored(int8):
    """Arrays and header, as after a file."""
    tensors, header = store(int8)
    return load(files.pack_tensors(tensors, header)), json.loads(json.dumps(files.plain(header)))


def test_lenet_comes_back_bit_equal_from_a_file(int8_lenet, lenet, digits, tmp_path):
    path = files.write_tensors(tmp_path / "net.safetensors", *store(int8_lenet))
    skeleton = type(lenet.model)((1, 28, 28), 10)
    back = restore(*files.read_tensors(path), skeleton)
    x = torch.tensor(digits.test.x)
    assert is_int8(back) and not back.training
    assert torch.equal(back(x), int8_lenet(x))
    assert back.int8 == int8_lenet.int8


@pytest.mark.parametrize("engine", ["x86", "fbgemm", "onednn", "qnnpack"])
def test_every_engine_comes_back_whatever_the_global_one_is(small_net, images, engine):
    # qnnpack has one scale for a whole weight, the others one a channel.
    made = convert(small_net, images, engine=engine)
    back = restore(*store(made), small_net)
    assert torch.equal(back(images), made(images))
    assert back.int8["engine"] == engine


def test_a_net_without_biases_comes_back():
    net = nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(27, 2, bias=False))
    x = torch.rand(20, 1, 5, 5)
    made = convert(net, x)
    assert not any(name.endswith("bias") for name in store(made)[0])
    assert torch.equal(restore(*store(made), net)(x), made(x))


def test_weights_are_stored_in_a_byte_each(stored):
    tensors, _ = stored
    assert tensors["hidden.weight"].dtype == np.int8
    assert tensors["hidden.weight.scales"].dtype == np.float64
    assert tensors["hidden.weight.zero_points"].dtype == np.int64
    assert tensors["hidden.bias"].dtype == np.float32


def test_the_shapes_of_the_layers_can_be_read(stored):
    assert layer_shapes(stored[0]) == {"conv": (6, 1, 3, 3), "hidden": (12, 54), "out": (4, 12)}


def test_storing_and_restoring_leave_everything_as_it_was(unchanged, int8, small_net, stored, images):
    before = int8(images)
    with unchanged(small_net):
        restored = restore(*stored, small_net)
    restored.out.set_weight_bias(restored.out.weight(), torch.ones(4))
    assert torch.equal(int8(images), before)


def test_the_skeleton_gives_its_spec(stored, small_net):
    small_net.spec = {"builder": "made_up"}
    assert restore(*stored, small_net).spec == small_net.spec


def without(content, name):
    return {k: v for k, v in content.items() if k != name}


def changed(content, name, value):
    return {**content, name: value}


DAMAGES = {
    "no format": lambda t, h: (t, without(h, "format")),
    "another format": lambda t, h: (t, changed(h, "format", "int4")),
    "no header": lambda t, h: (t, None),
    "a list for a header": lambda t, h: (t, [h]),
    "no engine": lambda t, h: (t, without(h, "engine")),
    "an engine that is not here": lambda t, h: (t, changed(h, "engine", "tensorrt")),
    "an engine that is no name": lambda t, h: (t, changed(h, "engine", ["x86"])),
    "no rows": lambda t, h: (t, without(h, "rows")),
    "no graph": lambda t, h: (t, without(h, "graph")),
    "a shorter graph": lambda t, h: (t, changed(h, "graph", h["graph"][:-1])),
    "another graph": lambda t, h: (
        t,
        changed(h, "graph", [s.replace("(1, 1)", "(2, 2)") for s in h["graph"]]),
    ),
    "other names": lambda t, h: (t, changed(h, "relu", {})),
    "no checksum": lambda t, h: (t, without(h, "sha256")),
    "a missing array": lambda t, h: (without(t, "out.bias"), h),
    "an array too many": lambda t, h: (changed(t, "extra", np.zeros(1)), h),
    "another shape": lambda t, h: (changed(t, "out.weight", t["out.weight"].T.copy()), h),
    "another type": lambda t, h: (changed(t, "out.weight", t["out.weight"].astype(np.int16)), h),
    "another weight": lambda t, h: (changed(t, "out.weight", t["out.weight"] ^ 1), h),
    "a scale of zero": lambda t, h: (changed(t, "out.scale", 0 * t["out.scale"]), h),
    "a bias of NaN": lambda t, h: (changed(t, "out.bias", t["out.bias"] * np.nan), h),
    "a zero point out of range": lambda t, h: (changed(t, "out.zero_point", t["out.zero_point"] + 999), h),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_or_foreign_is_refused(stored, small_net, damage):
    with pytest.raises(BadFile) as caught:
        restore(*DAMAGES[damage](*stored), small_net)
    assert all((caught.value.wrong, caught.value.expected, caught.value.todo))


def _with(net, name, layer):
    setattr(net, name, layer)
    return net


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("out", nn.Linear(12, 5)),
        ("conv", nn.Conv2d(1, 6, 3, padding=1, stride=2)),
        ("out", nn.Linear(12, 4, bias=False)),
        ("pool", nn.MaxPool2d(2, ceil_mode=True)),
        ("act", nn.Sigmoid()),
        ("act", nn.Identity()),
    ],
)
def test_a_skeleton_of_another_net_is_refused(stored, small_net, name, layer):
    with pytest.raises(BadFile):
        restore(*stored, _with(small_net, name, layer).eval())


def test_a_skeleton_that_is_no_net_is_refused(stored):
    with pytest.raises(BadFile, match="skeleton"):
        restore(*stored, nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize("model", [nn.Linear(2, 2), "net"])
def test_what_convert_did_not_make_is_not_stored(model):
    with pytest.raises(BadInput, match="stored"):
        store(model)
