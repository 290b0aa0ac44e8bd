"""Hidden layers between two layers and a ReLU are found by running the network."""

import pytest
import torch
from reviews import made_up
from torch import nn

import workbench as wb
from workbench.zoo.pairs import relu_pairs

FOUND = {
    "mlp": [("fc1", "fc2"), ("fc2", "fc3")],
    "lenet5": [("conv1", "conv2"), ("fc1", "fc2")],
    "cnn": [("conv1", "conv2"), ("conv2", "conv3"), ("fc1", "fc2")],
    "lstm_attention": [("fc1", "fc2")],
    "transformer": [("encoder.0.fc1", "encoder.0.fc2"), ("encoder.1.fc1", "encoder.1.fc2")],
}


@pytest.mark.parametrize("name", FOUND)
def test_the_pairs_of_a_built_net_are_known(name, digits):
    data = made_up(40) if name in ("lstm_attention", "transformer") else digits
    assert relu_pairs(wb.build(name, data), torch.tensor(data.test.x[:2])) == FOUND[name]


def test_what_stands_between_decides():
    def pairs(*between):
        return relu_pairs(nn.Sequential(nn.Linear(4, 4), *between, nn.Linear(4, 2)), torch.zeros(1, 4))

    assert pairs(nn.ReLU()) == [("0", "2")]
    assert pairs(nn.Dropout(), nn.ReLU(), nn.Dropout()) == [("0", "4")]
    assert (
        pairs()
        == pairs(nn.Tanh())
        == pairs(nn.ReLU(), nn.LayerNorm(4))
        == pairs(nn.ReLU(), nn.Flatten())
        == []
    )


def test_a_layer_that_runs_twice_is_no_pair():
    twice = nn.Linear(3, 3)
    net = nn.Sequential(twice, nn.ReLU(), twice, nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    assert relu_pairs(net, torch.zeros(1, 3)) == [("4", "6")]


def test_looking_leaves_the_net_as_it_was(unchanged):
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).train()
    with unchanged(net):
        relu_pairs(net, torch.zeros(1, 4))
