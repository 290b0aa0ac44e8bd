"""The table of a network's layers."""

import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import BadInput


def test_layers_stand_in_the_order_they_run_with_shapes_and_shares(digits, unchanged):
    net = wb.build("lenet5", digits)
    with unchanged(net):
        table = wb.structure(net, digits)
    assert list(table.index)[:3] == ["conv1", "relu1", "pool1"]
    assert table.loc["conv1", "output"] == "20 x 24 x 24"
    assert table["parameters"].sum() == sum(p.numel() for p in net.parameters())
    assert table.loc["fc1", "share"] == "92.9%"


def test_what_holds_a_model_is_taken_and_a_glass_box_refused(digits):
    with pytest.raises(BadInput, match="DecisionTreeClassifier has no layers"):
        wb.structure(wb.build("tree", digits), digits)


def test_a_model_for_other_data_is_refused(digits):
    with pytest.raises(BadInput, match=r"failed on an input of shape \(1, 28, 28\)"):
        wb.structure(nn.Linear(3, 2), digits)


def test_layers_that_return_more_than_one_thing_are_listed(digits):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(28, 5, batch_first=True)
            self.last = nn.Linear(5, 10)

        def forward(self, x):
            return self.last(self.lstm(x[:, 0])[0][:, -1])

    torch.manual_seed(0)
    assert wb.structure(Two(), digits).loc["lstm", "output"] == "28 x 5"
