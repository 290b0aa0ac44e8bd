"""The CNN: named activations, the same gradient-ready int8 form as LeNet-5, channels that can go."""

from math import prod

import pytest
import torch

import workbench as wb
from workbench.int8.certificate import certify
from workbench.int8.conversion import convert
from workbench.int8.surrogate import twin
from workbench.zoo.networks import CNN, LARGEST_POOL, _pools


def test_every_activation_of_the_cnn_is_a_module_of_its_own():
    stages = [f"{kind}{i}" for i in (1, 2, 3) for kind in ("conv", "relu", "pool")]
    assert [name for name, _ in CNN((1, 8, 8), 2).named_children()] == [
        *stages,
        "flatten",
        "fc1",
        "relu4",
        "fc2",
    ]


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 30), (3, 40, 64)])
def test_the_int8_cnn_has_a_twin_with_the_same_bits(shape):
    torch.manual_seed(0)
    net, x = CNN(shape, 3).eval(), torch.rand(30, *shape)
    int8 = convert(net, x[:20])
    assert certify(twin(int8), int8, x)["equal"] == 1


def test_the_channels_of_the_cnn_can_be_halved_and_saved(digits, tmp_path):
    narrow = wb.prune(wb.build("cnn", digits), channels=0.5, how="channels")
    net = narrow.model
    assert [net.get_submodule(f"conv{i}").out_channels for i in (1, 2, 3)] == [8, 16, 32]
    x = torch.tensor(digits.test.x[:5])
    assert torch.equal(wb.load_model(wb.save(narrow, tmp_path / "net"))(x), net(x))


@pytest.mark.parametrize("side", [1, 5, 8, 15, 28, 64, 96, 224, 500, 512])
@pytest.mark.parametrize("stages", [1, 3, 5])
def test_pooling_leaves_between_one_and_eight_cells(side, stages):
    pools = _pools(side, stages)
    assert side // prod(pools) >= 1
    assert side // prod(pools) <= 8 or set(pools) == {LARGEST_POOL}
