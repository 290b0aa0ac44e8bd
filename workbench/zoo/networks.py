"""Small networks with every activation a named module, so that each can be hooked, pruned and converted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import nn

CELLS, LARGEST_POOL = 8, 4  # a side in front of the linear layers; a pooling of the CNN, until sides are huge


class LeNet5(nn.Module):
    """Two 5x5 convolutions with max-pooling and two linear layers (LeCun et al. 1998; Caffe's sizes).

    Parameters
    ----------
    input_shape
        ``(channel, row, column)``; rows and columns at least 16.
    n_classes
        How many logits.
    channels, hidden
        Channels of the two convolutions; units of the hidden linear layer.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        channels: Sequence[int] = (20, 50),
        hidden: int = 500,
    ) -> None:
        super().__init__()
        depth, rows, columns = input_shape
        first, second = channels
        self.conv1 = nn.Conv2d(depth, first, 5)
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(second * _after(rows) * _after(columns), hidden)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)`` of images ``(n, channel, row, column)``."""
        x = self.pool1(self.relu1(self.conv1(x)))
        x = self.pool2(self.relu2(self.conv2(x)))
        return self.fc2(self.relu3(self.fc1(self.flatten(x))))


class CNN(nn.Module):
    """Stages of 3x3 convolution, ReLU and max-pooling, then two linear layers, for images of any size.

    There is no batch norm, so that each layer alone can be pruned, made int8 or rescaled. The poolings are
    as large as it takes to leave at most eight by eight cells, which are flattened.

    Parameters
    ----------
    input_shape
        ``(channel, row, column)``.
    n_classes
        How many logits.
    channels
        Of each stage.
    hidden
        Units of the hidden linear layer.
    dropout
        Before the last layer, while it trains.
    """

    def __init__(self, input_shape: Sequence[int], n_classes: int, channels: Sequence[int] = (16, 32, 64),
                 hidden: int = 64, dropout: float = 0.0) -> None:  # fmt: skip
        super().__init__()
        depth, rows, columns = input_shape
        pools = list(zip(_pools(rows, len(channels)), _pools(columns, len(channels)), strict=True))
        for i, (inputs, outputs) in enumerate(pairwise([depth, *channels]), start=1):
            self.add_module(f"conv{i}", nn.Conv2d(inputs, outputs, 3, padding=1))
            self.add_module(f"relu{i}", nn.ReLU())
            self.add_module(f"pool{i}", nn.MaxPool2d(pools[i - 1]))
            rows, columns = rows // pools[i - 1][0], columns // pools[i - 1][1]
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(channels[-1] * rows * columns, hidden)
        self.add_module(f"relu{len(channels) + 1}", nn.ReLU())
        if dropout:
            self.drop = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)`` of images ``(n, channel, row, column)``."""
        return through(self, x)


class MLP(nn.Module):
    """Linear layers with ReLU between them.

    Parameters
    ----------
    input_shape
        Shape of one row; images are flattened.
    n_classes
        How many logits.
    hidden
        Units of each hidden layer.
    dropout
        Behind each hidden layer, while it trains.
    """

    def __init__(self, input_shape: Sequence[int], n_classes: int, hidden: Sequence[int] = (64, 64),
                 dropout: float = 0.0) -> None:  # fmt: skip
        super().__init__()
        sizes = [prod(input_shape), *hidden]
        self.flatten = nn.Flatten()
        for i, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            self.add_module(f"fc{i}", nn.Linear(inputs, outputs))
            self.add_module(f"relu{i}", nn.ReLU())
            if dropout:
                self.add_module(f"drop{i}", nn.Dropout(dropout))
        self.add_module(f"fc{len(sizes)}", nn.Linear(sizes[-1], n_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)``."""
        return through(self, x)


def through(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return what a chain of layers makes of a batch."""
    for layer in net.children():
        x = layer(x)
    return x


def _pools(side: int, stages: int) -> list[int]:
    """Return the pooling of each stage: two, more where a side would stay above eight, one where none is left."""
    pools = [2] * stages
    for stage in range(stages):
        while side // prod(pools) > CELLS and pools[stage] < LARGEST_POOL:
            pools[stage] += 1
    for stage in reversed(range(stages)):
        while side // prod(pools) < 1 and pools[stage] > 1:
            pools[stage] -= 1
    return pools


def _after(side: int) -> int:
    """Return a side's length behind the two convolutions and poolings of LeNet-5."""
    return ((side - 4) // 2 - 4) // 2
