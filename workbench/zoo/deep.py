"""VGG16 and ResNet18, from 32 pixels a side on, any width, every activation a module of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .networks import through

VGG16_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions
RESNET18_STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels, stride of the first block
SMALL = 64  # pixels: below, a residual network starts without halving the image


class VGG16(nn.Module):
    """Thirteen 3x3 convolutions with batch norm in five stages, and two linear layers (Simonyan and Zisserman 2015).

    The last activations are averaged over places, so that images of any size from 32 pixels a side on are taken, and
    the two linear layers of 4,096 units are one of 512.

    Parameters
    ----------
    input_shape
        ``(channel, row, column)``.
    n_classes
        How many logits.
    width
        Channels of the first stage; the others keep their ratio to it.
    """

    def __init__(self, input_shape: Sequence[int], n_classes: int, width: int = 64) -> None:
        super().__init__()
        inputs, number = input_shape[0], 0
        for stage, (channels, convolutions) in enumerate(VGG16_STAGES, start=1):
            for _ in range(convolutions):
                number, outputs = number + 1, channels * width // 64
                self.add_module(f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1, bias=False))
                self.add_module(f"norm{number}", nn.BatchNorm2d(outputs))
                self.add_module(f"relu{number}", nn.ReLU())
                inputs = outputs
            self.add_module(f"pool{stage}", nn.MaxPool2d(2))
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc1 = nn.Linear(inputs, inputs)
        self.relu14 = nn.ReLU()
        self.fc2 = nn.Linear(inputs, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)`` of images ``(n, channel, row, column)``."""
        return through(self, x)


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where sizes differ (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return activations ``(n, channel, row, column)``."""
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(inner + self.shortcut(x))


class ResNet18(nn.Module):
    """Eight residual blocks in four stages (He et al. 2016); small images keep their size at first.

    Parameters
    ----------
    input_shape
        ``(channel, row, column)``.
    n_classes
        How many logits.
    width
        Channels of the first stage; the others keep their ratio to it.
    """

    def __init__(self, input_shape: Sequence[int], n_classes: int, width: int = 64) -> None:
        super().__init__()
        small = min(input_shape[1:]) < SMALL
        self.conv1 = nn.Conv2d(
            input_shape[0], width, 3 if small else 7, 1 if small else 2, 1 if small else 3, bias=False
        )
        self.norm1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        if not small:
            self.pool1 = nn.MaxPool2d(3, 2, padding=1)
        inputs = width
        for stage, (channels, stride) in enumerate(RESNET18_STAGES, start=1):
            outputs = channels * width // 64
            blocks = [Block(inputs, outputs, stride), Block(outputs, outputs, 1)]
            self.add_module(f"stage{stage}", nn.Sequential(*blocks))
            inputs = outputs
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.fc = nn.Linear(inputs, n_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, class)`` of images ``(n, channel, row, column)``."""
        return through(self, x)
