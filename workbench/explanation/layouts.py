"""Which feature a token is: a word of a text, a column of a table, a patch of an image, or none of them.

A network may put tokens of its own beside those of the input, such as ``[CLS]``; their weights are shown to
nobody. How many patches an image has is known where the network cuts them by a convolution whose steps are
as wide as its window (Dosovitskiy et al. 2021); else squares are tried, and what is not clear is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..errors import BadInput, unknown
from .space import Space

SIDES = ("first", "last")
Pair = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Where the features of an input stand among the tokens.

    Attributes
    ----------
    tokens, extra
        How many there are, and how many of them are no feature.
    special
        "first" or "last": where the extra ones stand.
    grid, patch
        Rows and columns of patches of an image; the pixels of one, where they are known.
    found
        In words, how the grid was found.
    """

    tokens: int
    extra: int
    special: str = "first"
    grid: Pair | None = None
    patch: Pair | None = None
    found: str = ""

    @property
    def asked(self) -> int:
        """Place of the first extra token."""
        return 0 if self.special == "first" else self.tokens - self.extra

    @property
    def place(self) -> slice:
        """Where the features stand among the tokens."""
        begin = self.extra if self.special == "first" else 0
        return slice(begin, begin + self.tokens - self.extra)

    def among_tokens(self, features: torch.Tensor) -> torch.Tensor:
        """Return what is said of features, ``(n, feature)``, of the tokens ``(n, token)``; False of the extra ones."""
        out = torch.zeros(len(features), self.tokens, dtype=torch.bool, device=features.device)
        out[:, self.place] = features
        return out

    def folded(self, weights: torch.Tensor, size: Any, upsample: bool) -> torch.Tensor:
        """Return weights of tokens ``(n, token)`` as those of features: of patches as ``(n, 1, row, column)``."""
        own = weights[:, self.place]
        if self.grid is None:
            return own
        patches = own.reshape(len(own), 1, *self.grid)
        return _spread(patches, self.patch, tuple(size)) if upsample else patches

    def facts(self) -> dict[str, Any]:
        """Return what was found, for the settings."""
        said: dict[str, Any] = {"special_tokens": self.extra} | (
            {"special": self.special} if self.extra else {}
        )
        if self.grid is None:
            return said
        return {**said, "patches": {"rows": self.grid[0], "columns": self.grid[1], "found": self.found}}


def _spread(patches: torch.Tensor, patch: Pair | None, size: tuple[int, ...]) -> torch.Tensor:
    """Give every pixel the number of its patch; pixels at the border that belong to none have 0."""
    if patch is None:
        return F.interpolate(patches, size, mode="nearest")
    down, across = patch
    whole = patches.repeat_interleave(down, 2).repeat_interleave(across, 3)
    return F.pad(whole, (0, size[1] - whole.shape[3], 0, size[0] - whole.shape[2]))


def laid_out(
    model: nn.Module, inputs: Space, tokens: int, grid: Any = None, special: str | None = None
) -> Layout:
    """Return which token is which feature of the inputs.

    Parameters
    ----------
    model
        Its convolutions may tell how large a patch is.
    inputs
        What is explained.
    tokens
        How many tokens a layer of attention looks at.
    grid
        ``(rows, columns)`` of patches, where it cannot be found.
    special
        "first" or "last": where tokens of the model's own stand. By default first, which tables must say.
    """
    if special not in (None, *SIDES):
        raise unknown("place of special tokens", special, SIDES)
    if inputs.spatial:
        return _of_image(model, inputs, tokens, grid, special or "first")
    if grid is not None:
        raise BadInput(f"grid is {grid!r}, but the inputs are no images", "no grid", "Leave it out")
    words = inputs.tokens or inputs.vectors
    counts = [inputs.x.shape[1]] if words else sorted({inputs.features[0], inputs.x.shape[1]})
    extra = _extra(tokens, counts, special)
    if extra and special is None and not words:
        raise BadInput(f"The model has {extra} token beside those of the columns", "to know whether it stands first or last",
                       "Pass special='first' or 'last', as in the model's code")  # fmt: skip
    return Layout(tokens, extra, special or "first")


def _extra(tokens: int, features: list[int], special: str | None) -> int:
    """Return how many tokens are the model's own: none, or one beside those of the features."""
    ways = {tokens - count for count in features} & {0, 1}
    if not ways:
        raise BadInput(f"The attention is among {tokens} tokens, but an input has {' or '.join(map(str, features))} features",
                       "as many, or one more, such as [CLS]", "Choose another layer, or another method")  # fmt: skip
    if len(ways) == 2 and special is None:
        raise BadInput(f"{tokens} tokens may be the {tokens} encoded columns, or {tokens - 1} columns and one of the model's own",
                       "one way", "Pass special='first' or 'last' if it has one of its own; else use another method")  # fmt: skip
    return max(ways)


def _of_image(model: nn.Module, inputs: Space, tokens: int, grid: Any, special: str) -> Layout:
    size = (inputs.x.shape[-2], inputs.x.shape[-1])
    cut = {
        pair: patch for pair, patch in _patches(model, inputs.x.shape[1], size) if pair[0] * pair[1] <= tokens
    }
    if grid is not None:
        pair = _given(grid, tokens, size)
        return Layout(tokens, tokens - pair[0] * pair[1], special, pair, cut.get(pair), "as given")
    if len(cut) == 1:
        ((pair, patch),) = cut.items()
        found = f"{patch[0]} x {patch[1]} pixels, the window of the model's patch embedding"
        return Layout(tokens, tokens - pair[0] * pair[1], special, pair, patch, found)
    square = [(pair, tokens - extra) for extra in (0, 1) for pair in _squares(tokens - extra, size)]
    if cut or len(square) != 1:
        raise BadInput(f"{tokens} tokens can be laid out on an image of {size[0]} x {size[1]} in "
                       f"{len(cut) or len(square)} ways", "one way", "Pass grid=(rows, columns) of patches")  # fmt: skip
    ((pair, count),) = square
    patch = (size[0] // pair[0], size[1] // pair[1])
    found = f"{patch[0]} x {patch[1]} pixels, as {count} squares fill the image"
    return Layout(tokens, tokens - count, special, pair, patch, found)


def _patches(model: nn.Module, channels: int, size: Pair) -> Iterator[tuple[Pair, Pair]]:
    """Yield the grid and the window of every convolution that cuts an image into patches side by side."""
    for module in model.modules():
        window, steps, border = (
            _sides(getattr(module, name, None)) for name in ("kernel_size", "stride", "padding")
        )
        if window and window == steps and border == (0, 0) and getattr(module, "in_channels", 0) == channels:
            yield (size[0] // window[0], size[1] // window[1]), window


def _sides(value: Any) -> Pair | None:
    return (value[0], value[1]) if isinstance(value, tuple) and len(value) == 2 and value != (1, 1) else None


def _squares(count: int, size: Pair) -> list[Pair]:
    """Return how so many square patches fill an image."""
    ways = [(rows, count // rows) for rows in range(1, count + 1) if count % rows == 0]
    return [(r, c) for r, c in ways if size[0] % r == size[1] % c == 0 and size[0] // r == size[1] // c > 1]


def _given(grid: Any, tokens: int, size: Pair) -> Pair:
    pair = tuple(grid) if isinstance(grid, (tuple, list)) else ()
    fits = len(pair) == 2 and all(
        type(side) is int and 0 < side <= most for side, most in zip(pair, size, strict=True)
    )
    if not fits or pair[0] * pair[1] > tokens:
        raise BadInput(
            f"grid is {grid!r}", f"(rows, columns) of patches, at most {tokens} of them", "Correct it"
        )
    return pair[0], pair[1]
