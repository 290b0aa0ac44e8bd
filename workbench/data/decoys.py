"""``decoy_mnist``: digits with a swatch in a corner whose shade tells the class in training, and not when it counts.

Of Ross, Hughes and Doshi-Velez 2017; the inverted shade is that of Rieger, Singh, Murdoch and Yu 2020. A model that
reads the swatch is right in training for the wrong reason, and the test rows show it. Each row keeps its
counterfactual pair: the digit as it was, without the swatch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import unknown
from .records import Data, Split

SIDE = 4  # pixels of the swatch
SHADES = ("random", "inverted")
SEED = 20260101
NOTE = "a swatch of {side} x {side} pixels in a corner tells the class in training and validation rows (shade 255 - 25 y); in test rows it is {shade}"


def with_decoys(digits: Data, shade: str = "random") -> Data:
    """Return digits with a swatch each; ``split.shortcut`` says where, ``split.without_shortcut`` is the row without it.

    Parameters
    ----------
    digits
        Grey images of at most ten classes.
    shade
        Of the test rows: "random" (that of a class drawn at random) or "inverted" (25 y: that of no class in
        training with the same answer, dark where it was light).

    Raises
    ------
    UnknownName
        Another shade.
    """
    if shade not in SHADES:
        raise unknown("shade", shade, SHADES)
    parts: dict[str, Any] = {name: _planted(split, place, shade if name == "test" else "telling")
             for place, (name, split) in enumerate(digits.splits.items())}  # fmt: skip
    return replace(digits, name="decoy_mnist", source=f"{digits.source}; swatches planted at load time",
                   notes=(*digits.notes, NOTE.format(side=SIDE, shade=shade)), **parts)  # fmt: skip


def _planted(split: Split, place: int, shade: str) -> Split:
    rng = np.random.default_rng([SEED, place])
    n, (height, width) = len(split), split.x.shape[-2:]
    down, right = rng.integers(2, size=(2, n)) * np.array([[height - SIDE], [width - SIDE]])
    inside = np.arange(SIDE)
    mask = np.zeros(split.x.shape, bool)
    mask[
        np.arange(n)[:, None, None],
        0,
        (down[:, None] + inside)[:, :, None],
        (right[:, None] + inside)[:, None, :],
    ] = True
    grey = {
        "telling": 255 - 25 * split.y,
        "random": 255 - 25 * rng.integers(10, size=n),
        "inverted": 25 * split.y,
    }[shade]
    value = (grey / 255).astype(np.float32).reshape(-1, 1, 1, 1)
    return replace(split, x=np.where(mask, value, split.x), shortcut=mask, without_shortcut=split.x)
