"""A model that views its activations gets images that lie as it takes them to; the others as they come."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.zoo.strides import takes, tensor_for

LAST = torch.rand(3, 1, 8, 8).clone(memory_format=torch.channels_last)


class Viewing(nn.Module):
    """Takes its activations for contiguous, as many nets in tutorials do."""

    def __init__(self, side=8):
        super().__init__()
        self.conv, self.norm, self.fc = (
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.Linear(4 * (side - 2) ** 2, 10),
        )

    def forward(self, x):
        h = self.norm(self.conv(x)).relu()
        return self.fc(h.view(h.shape[0], -1))


def test_such_a_model_does_not_take_channels_last_and_is_given_contiguous_rows(unchanged):
    net = Viewing().train()
    with unchanged(net):
        assert not takes(net, LAST)
        assert takes(net, LAST.clone(memory_format=torch.contiguous_format))
        found = tensor_for(net, LAST.numpy())
    assert found.stride() == (64, 64, 8, 1) and torch.equal(found, LAST)
    net(found)


def test_other_models_and_other_failures_are_left_alone():
    assert takes(nn.Conv2d(1, 4, 3), LAST)
    assert takes(nn.Linear(5, 2), LAST)  # It fails for another reason, which whoever asks next will tell.
    assert tensor_for(len, np.ones((2, 3), np.float32)).shape == (2, 3)


@pytest.mark.parametrize("by", ["magnitude", "taylor"])
def test_such_a_model_is_pruned_and_its_figure_of_channels_last_is_unknown(digits, by):
    few = digits.subset(train=60, valid=10, test=20)
    small = wb.prune(Viewing(28), 0.5, by=by, data=few, epochs=1)
    assert np.isnan(small.report["after"]["ms_batch_channels_last"])
    assert small.report["after"]["ms_batch"] > 0
    assert len(wb.structure(Viewing(28), few)) > 0
