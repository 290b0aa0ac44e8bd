"""Hidden layers that one layer writes and one layer reads, with a ReLU between: found by running the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ..state import untouched

PASSING = (nn.Dropout, nn.Dropout2d, nn.Identity)  # change no number outside of training
POOLS = (nn.MaxPool2d, nn.AvgPool2d)  # keep channels apart


def relu_pairs(net: nn.Module, example: torch.Tensor) -> list[tuple[str, str]]:
    """Return the names of the layers before and behind each ReLU that stands alone between two of one kind.

    Linear layers with nothing but a dropout beside the ReLU, or convolutions, which may have a pooling too.
    Found by the order in which modules run; who else reads the hidden layer is not seen.

    Parameters
    ----------
    net
        A network whose activations are modules.
    example
        Inputs ``(n, ...)``; one row is enough.

    Examples
    --------
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(), nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> relu_pairs(net, torch.zeros(1, 2))
    [('0', '3')]
    """
    order = [(name, layer) for name, layer in _run_order(net, example) if not isinstance(layer, PASSING)]
    names = [name for name, _ in order]
    found = []
    for (first, writer), (_, relu), *rest in (order[i:] for i in range(len(order) - 2)):
        if isinstance(writer, nn.Conv2d) and isinstance(rest[0][1], POOLS) and len(rest) > 1:
            rest = rest[1:]
        last, reader = rest[0]
        once = names.count(first) == names.count(last) == 1
        if once and isinstance(relu, nn.ReLU) and _fit(writer, reader):
            found.append((first, last))
    return found


def _fit(writer: nn.Module, reader: Any) -> bool:
    if isinstance(writer, nn.Linear) and isinstance(reader, nn.Linear):
        return writer.out_features == reader.in_features
    return (isinstance(writer, nn.Conv2d) and isinstance(reader, nn.Conv2d)
            and reader.groups == 1 and writer.out_channels == reader.in_channels)  # fmt: skip


def _run_order(net: nn.Module, example: torch.Tensor) -> list[tuple[str, nn.Module]]:
    """Return the modules without children in the order in which they run, as often as they do."""
    order: list[tuple[str, nn.Module]] = []
    with untouched(net), torch.no_grad():
        for name, layer in net.named_modules():
            if not any(layer.children()):
                layer.register_forward_hook(
                    lambda layer, _given, _out, name=name: order.append((name, layer))
                )
        net(example[:1])
    return order
