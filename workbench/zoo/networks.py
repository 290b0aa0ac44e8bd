"""Small networks with every activation a named module, so that each can be hooked, pruned and converted."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import nn


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
    """

    def __init__(self, input_shape: Sequence[int], n_classes: int, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        sizes = [prod(input_shape), *hidden]
        self.flatten = nn.Flatten()
        for i, (inputs, outputs) in enumerate(pairwise(sizes), start=1):
            self.add_module(f"fc{i}", nn.Linear(inputs, outputs))
            self.add_module(f"relu{i}", nn.ReLU())
        self.add_module(f"fc{len(sizes)}", nn.Linear(sizes[-1], n_classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)``."""
        for layer in self.children():
            x = layer(x)
        return x


def _after(side: int) -> int:
    """Return a side's length behind the two convolutions and poolings of LeNet-5."""
    return ((side - 4) // 2 - 4) // 2
