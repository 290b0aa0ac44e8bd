"""Nets small enough to know everything about, and images with some structure."""

import pytest
import torch
from torch import nn

from workbench.int8.conversion import convert


class SmallNet(nn.Module):
    """One convolution with batch norm and ReLU, both poolings, two linear layers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.average = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.drop = nn.Dropout()
        self.hidden = nn.Linear(54, 12)
        self.act = nn.ReLU()
        self.out = nn.Linear(12, 4)

    def forward(self, x):
        x = self.average(self.pool(self.relu(self.norm(self.conv(x)))))
        return self.out(self.act(self.hidden(self.drop(self.flatten(x)))))


def blobs(n, side=12, seed=0):
    """Draw images of a bright blob each, in [0, 1], with the quadrant it lies in."""
    draws = torch.Generator().manual_seed(seed)
    centres = torch.rand(n, 2, generator=draws) * (side - 4) + 2
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    distance = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2
    quadrants = (centres[:, 0] > side / 2).long() * 2 + (centres[:, 1] > side / 2).long()
    return torch.exp(-distance / 4)[:, None].float(), quadrants


@pytest.fixture(scope="session")
def images():
    """200 images of 12 rows and 12 columns."""
    return blobs(200)[0]


@pytest.fixture
def small_net():
    """An untrained net of every kind of layer, in evaluation mode."""
    torch.manual_seed(0)
    return SmallNet().eval()


@pytest.fixture(scope="session")
def learned():
    """The small net, trained to tell the quadrant of the blob."""
    torch.manual_seed(0)
    net, (x, y) = SmallNet(), blobs(1000, seed=1)
    steps = torch.optim.Adam(net.parameters(), 0.01)
    for i in range(200):
        rows = slice(i * 50 % 1000, i * 50 % 1000 + 50)
        steps.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        steps.step()
    return net.eval()


@pytest.fixture(scope="session")
def int8(learned, images):
    """The trained small net in int8."""
    return convert(learned, images)


@pytest.fixture(scope="session")
def int8_lenet(lenet, digits):
    """LeNet-5 on digits, in int8."""
    return convert(lenet.model, torch.tensor(digits.train.x[:500]))
