"""How each kind of network is made smaller unless somebody says otherwise."""

from __future__ import annotations

from typing import Any

from ..zoo.holder import unwrap
from .pruning import reads_tokens


def plan(model: Any) -> dict[str, dict[str, Any]]:
    """Return the arguments of ``prune`` and ``quantize`` for a network, by the names of the two.

    Half the channels and static int8 make a network of images or columns smaller and faster. A network of
    tokens has one width that everything shares, so single weights go, and its ranges are found batch by
    batch: smaller, and seldom faster.

    Parameters
    ----------
    model
        A float network, or what holds one.

    Examples
    --------
    >>> from torch import nn
    >>> plan(nn.Linear(2, 2))
    {'prune': {'how': 'channels', 'channels': 0.5}, 'quantize': {'how': 'static'}}
    >>> plan(nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)))
    {'prune': {'how': 'weights', 'amount': 0.8}, 'quantize': {'how': 'dynamic'}}
    """
    if reads_tokens(unwrap(model)):
        return {"prune": {"how": "weights", "amount": 0.8}, "quantize": {"how": "dynamic"}}
    return {"prune": {"how": "channels", "channels": 0.5}, "quantize": {"how": "static"}}
