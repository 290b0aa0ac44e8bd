"""``Space``: any input becomes features that can be hidden, given baselines, and summed.

A *feature* is what a person sees: a pixel, an original column, a token. A column may be several entries of
``x`` (one a category), and a token may be a whole vector where gradients act on embeddings; methods work on
``x`` and ``folded`` adds up what belongs together.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ..data.kinds import NOISE, SWAPPED
from ..data.parts import grid
from ..data.records import Split
from ..data.tokenizer import UNK
from ..errors import BadInput

SMALL = 64  # images with shorter sides are cut into a grid, larger ones into superpixels


class Space:
    """Inputs, what stands for "absent", and how features are grouped.

    Parameters
    ----------
    x
        Inputs ``(n, ...)``.
    baselines
        What an absent feature is replaced with: None (zero, or what the codec says), a number, or an array
        that broadcasts to ``x``.
    background
        Rows ``(b, ...)``: an absent feature takes each row's value in turn, and the mean counts. Makes an
        estimand marginal.
    feature_mask
        Integers that broadcast to ``x`` or to the features: equal numbers are hidden together. By default
        the columns of a table, the tokens of a text, and a grid of about 7 x 7 patches of an image.
    codec
        Says which entries are one feature, and what is never hidden.
    labels, clusters
        Class of each row, and which rows belong together, for global methods that ask for it.
    places
        Of the rows in the whole that they are a part of; by default they are the whole.
    """

    def __init__(self, x: torch.Tensor, *, baselines: Any = None, background: Any = None, feature_mask: Any = None,
                 codec: Any = None, labels: Any = None, clusters: Any = None, places: Any = None) -> None:  # fmt: skip
        self.x, self.n, self.codec = x, len(x), codec
        self.labels = None if labels is None else torch.tensor(np.asarray(labels), device=x.device)
        self.clusters = clusters
        # Places in the call, or in the whole that the call is a part of, which random draws belong to.
        self.rows = torch.as_tensor(np.arange(self.n) if places is None else places, device=x.device)
        if baselines is not None and background is not None:
            raise BadInput("Both baselines and background were given", "one of them: they estimate different things",
                           "Leave one out")  # fmt: skip
        if background is not None and self.tokens:
            raise BadInput("A background was given for texts", "no background: an absent word is padded",
                           "Leave it out, or give baselines, the number of a token")  # fmt: skip
        self.members = self._by_codec("groups")
        absent = 0 if baselines is None and codec is None else baselines
        absent = self._by_codec("absent") if absent is None else absent
        self.background = None if background is None else self._like(background, "background", rows=None)
        self.baselines = self._keeping(self._like(absent, "baselines", rows=self.n))
        self._mask = feature_mask

    def _by_codec(self, name: str) -> Any:
        if self.codec is None:
            return None
        return torch.as_tensor(getattr(self.codec, name)(self.x.numpy(force=True)), device=self.x.device)

    def _keeping(self, baselines: torch.Tensor) -> torch.Tensor:
        """Return baselines that leave alone what is never hidden."""
        return baselines if self.fixed is None else torch.where(self.fixed, self.x, baselines)

    @property
    def tokens(self) -> bool:
        """Whether the inputs are token numbers."""
        return not self.x.is_floating_point()

    @property
    def vectors(self) -> bool:
        """Whether a feature is a vector, the signs of whose entries mean nothing by themselves."""
        return False

    @property
    def fixed(self) -> torch.Tensor | None:
        """What is never hidden (padding and special tokens), boolean; None where everything may be."""
        return self.members < 0 if self.members is not None and (self.members < 0).any() else None

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of a row of features: of an image, the number of columns, the number of tokens."""
        if self.members is None or self.tokens or len(self.members) > 1:
            return tuple(self.x.shape[1:])
        return (int(self.members.max()) + 1,)

    def folded(self, values: torch.Tensor) -> torch.Tensor:
        """Add up what belongs to one feature, ``(n, ...)`` of the inputs' shape ``-> (n, *features)``.

        Values that have the features' shape already, or another one, stay; what is never hidden becomes 0.
        """
        if values.shape == self.x.shape and self.members is not None and not self.tokens:
            values = values @ F.one_hot(self.members[0]).to(values.dtype)
        if self.fixed is not None and values.shape == self.fixed.shape:
            values = values.masked_fill(self.fixed, 0)
        return values

    def unfolded(self, hidden: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Turn masks over features, ``(m, *features)`` or ``(m, 1, ...)``, into masks over chosen rows of ``x``."""
        if self.members is None:
            return hidden
        if self.tokens:
            return hidden if self.fixed is None else hidden & ~self.fixed[rows % len(self.fixed)]
        return hidden[:, self.members[0]]

    def embedded(self, embed: Callable[[torch.Tensor], torch.Tensor]) -> Embedded:
        """Return the space of the tokens' embeddings, in which gradients exist; features stay tokens."""
        return Embedded(self, embed)

    def of(self, rows: torch.Tensor, x: torch.Tensor) -> Space:
        """Return a space of versions ``x`` of chosen rows, with the rows' own baselines and groups."""
        space = copy.copy(self)
        space.x, space.n, space.baselines, space.rows = x, len(x), self.baselines[rows], self.rows[rows]
        if len(self.groups) > 1:
            space._groups = self.groups[rows]
        if self.members is not None and len(self.members) > 1:
            space.members = self.members[rows]
        return space

    def equal_sizes(self) -> Iterator[torch.Tensor]:
        """Yield the rows with equally many groups together: texts differ in length."""
        sizes = self.groups.flatten(1).amax(1).expand(self.n)
        for size in sizes.unique():
            yield torch.nonzero(sizes == size)[:, 0]

    @property
    def absent(self) -> torch.Tensor:
        """The rows that stand for "everything absent": the background, or the baselines, once if all are equal."""
        if self.background is not None:
            return self.background
        return self.baselines[:1] if self.baselines.stride(0) == 0 or self.n == 1 else self.baselines

    @property
    def spatial(self) -> bool:
        """Whether the last two axes are rows and columns of an image."""
        return self.x.ndim == 4

    def _like(self, value: Any, name: str, rows: int | None) -> torch.Tensor:
        given = np.asarray(value.cpu() if isinstance(value, torch.Tensor) else value)
        if given.dtype.kind not in "fiub" or given.size == 0:
            raise BadInput(f"{name} has shape {given.shape} and type {given.dtype}", "numbers, or rows of them",
                           "Pass an array of the inputs' shape")  # fmt: skip
        if self.tokens and given.dtype.kind not in "iu":
            raise BadInput(
                f"{name} has type {given.dtype}",
                "the number of a token, or rows of them",
                "Look it up in the tokenizer's places",
            )
        array = copied(given, self.x.dtype).to(self.x.device)
        if rows is None:
            rows = len(array) if array.ndim == self.x.ndim else 1
        shape = (rows, *self.x.shape[1:])
        try:
            array = array.expand(shape)
        except RuntimeError as problem:
            raise BadInput(f"{name} has shape {tuple(array.shape)} but a row of the inputs has "
                           f"{tuple(self.x.shape[1:])}", "a number or an array that broadcasts to the inputs",
                           "Give it the inputs' shape") from problem  # fmt: skip
        if not torch.isfinite(array.float()).all():
            raise BadInput(f"{name} holds NaN or infinite values", "finite numbers", "Fill them")
        return array

    def replaced(self, hidden: torch.Tensor, rows: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the inputs with what is hidden replaced: once, or once a background row."""
        one = self.n == 1 and len(hidden) == len(rows)  # Broadcasting one row spares copies of it.
        x = self.x if one else self.x[rows]
        if self.background is None:
            yield torch.where(hidden, self.baselines if one else self.baselines[rows], x)
            return
        for reference in self.background:
            yield torch.where(hidden, reference, x)

    @property
    def groups(self) -> torch.Tensor:
        """Group number of every feature, ``(1 or n, ...)``, from 0 up."""
        if not hasattr(self, "_groups"):
            self._groups = self._given() if self._mask is not None else self._default()
        return self._groups

    @property
    def n_groups(self) -> int:
        """How many groups there are."""
        return int(self.groups.max()) + 1

    def _given(self) -> torch.Tensor:
        mask = np.asarray(self._mask.cpu() if isinstance(self._mask, torch.Tensor) else self._mask)
        mask = mask.reshape([1] * (self.x.ndim - mask.ndim) + list(mask.shape))
        if self.members is not None and mask.shape[1:] == self.features != self.x.shape[1:]:
            mask = mask[:, self.members[0].numpy(force=True)]
        fits = mask.dtype.kind in "iu" and mask.ndim == self.x.ndim
        fits = fits and all(m in (1, side) for m, side in zip(mask.shape, self.x.shape, strict=True))
        if not fits:
            raise BadInput(f"feature_mask has shape {mask.shape} and type {mask.dtype}",
                           f"integers that broadcast to {tuple(self.x.shape)}", "Number the groups from 0")  # fmt: skip
        if self.fixed is not None:
            mask = np.where(self.fixed.numpy(force=True), -1, mask)
        known, numbers = np.unique(mask, return_inverse=True)
        numbers = numbers - int(self.fixed is not None and known[0] == -1)
        return torch.as_tensor(numbers.reshape(mask.shape), device=self.x.device)

    def _default(self) -> torch.Tensor:
        if hasattr(self.codec, "patches"):
            return self._by_codec("patches")
        if self.members is not None:
            return self.members
        if not self.spatial:
            shape = self.x.shape[1:]
            return torch.arange(prod(shape), device=self.x.device).view(1, *shape)
        return torch.as_tensor(grid(*self.x.shape[-2:]), device=self.x.device)[None, None]

    def superpixels(self, n_segments: int) -> tuple[torch.Tensor, str]:
        """Return groups fit for LIME, and in words how they were made."""
        if self._mask is not None:
            return self.groups, "the given feature_mask"
        if not self.spatial:
            return self.groups, "words" if self.tokens else "columns"
        if min(self.x.shape[-2:]) < SMALL:
            return self.groups, f"a grid of {self.n_groups} patches (the image is too small for superpixels)"
        from skimage.segmentation import slic

        images = self.x.detach().cpu().numpy().transpose(0, 2, 3, 1)
        maps = [slic(image, n_segments=n_segments, compactness=10, start_label=0) for image in images]
        return torch.as_tensor(np.stack(maps), device=self.x.device)[
            :, None
        ], f"SLIC, about {n_segments} segments"

    def segmented(self, n_segments: int) -> tuple[Space, str]:
        """Return the same inputs with groups fit for LIME, and in words how they were made."""
        space = copy.copy(self)
        space._groups, how = self.superpixels(n_segments)
        return space, how

    def kept_to_hidden(
        self, kept: torch.Tensor, rows: torch.Tensor, groups: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Turn ``(m, group)`` "this group is kept" into masks over the inputs, True where hidden."""
        groups = self.groups if groups is None else groups
        numbers = (groups if len(groups) == 1 else groups[rows]).expand(len(rows), *groups.shape[1:])
        hidden = ~kept.gather(1, numbers.flatten(1).clamp(min=0)).view(numbers.shape)
        return hidden if self.fixed is None else hidden & (numbers >= 0)

    def spread(self, values: torch.Tensor, groups: torch.Tensor | None = None) -> torch.Tensor:
        """Share a group's value equally among its features, ``(n, group) -> (n, ...)``: sums stay true."""
        groups = (self.groups if groups is None else groups).expand(self.x.shape).flatten(1)
        mine = (groups >= 0).to(values.dtype)
        sizes = torch.zeros_like(values).scatter_add_(1, groups.clamp(min=0), mine)
        shares = (values / sizes.clamp(min=1)).gather(1, groups.clamp(min=0)) * mine
        return shares.view(self.x.shape)

    def windows(
        self, window: int | tuple | None, strides: int | tuple | None
    ) -> tuple[torch.Tensor, tuple, tuple]:
        """Return masks over the features, ``(k, 1, ...)``, with the sizes along the trailing axes that were used.

        Like captum, the last window of an axis is cut off at the border.
        """
        axes = self.x.shape[-2:] if self.spatial else self.features
        sizes = _per_axis("window", window, axes, [max(1, side // 7) if self.spatial else 1 for side in axes])
        steps = _per_axis("strides", strides, axes, [max(1, size // 2) for size in sizes])
        masks = torch.ones(1, *[1] * len(axes), dtype=torch.bool)
        for axis, (side, size, step) in enumerate(zip(axes, sizes, steps, strict=True)):
            if size > side:
                raise BadInput(f"window is {size} but the axis has {side}", f"1 to {side}", "Make it smaller")
            if step > size:
                raise BadInput(f"strides is {step} but window is {size}", f"1 to {size}",
                               "Make it smaller: what no window hides would get no value")  # fmt: skip
            starts = torch.arange(1 + -(-(side - size) // step)) * step
            at = torch.arange(side)
            one = (at >= starts[:, None]) & (at < starts[:, None] + size)
            shape = [1] * len(axes)
            shape[axis] = side
            masks = (masks[:, None] & one.view(1, len(one), *shape)).flatten(0, 1)
        lead = [1] * (len(self.features) - len(axes))
        return masks.view(len(masks), *lead, *axes).to(self.x.device), sizes, steps

    def salience(self) -> tuple[str, torch.Tensor]:
        """Return how much stands out at each feature whatever the model, and what that is: a floor for rankings.

        Tokens of a known vocabulary are numbered by how rare they are; what it does not know is rarest.
        """
        if self.tokens:
            rarity = torch.where(self.x == UNK, max(self.codec.size, int(self.x.max()) + 1), self.x)
            return "rarity of the word", self.folded(rarity.float())
        return "distance to the baseline", self.folded((self.x - self.baselines).abs())

    def noisy(self, draws: torch.Generator) -> torch.Tensor:
        """Return the inputs with noise of their own kind.

        Images get Gaussian noise and stay within their own range, outside of which int8 models see nothing;
        of the columns and words a tenth comes from other rows, at least one of each row.
        """
        if self.spatial:
            shape = (-1, *[1] * (self.x.ndim - 1))
            low, high = self.x.flatten(1).amin(1).view(shape), self.x.flatten(1).amax(1).view(shape)
            noise = torch.randn(self.x.shape, generator=draws).to(self.x.device)
            return torch.clamp(self.x + NOISE * (high - low) * noise, low, high)
        luck = torch.rand(self.n, *self.features, generator=draws)
        luck = luck if self.fixed is None else luck.masked_fill(self.fixed.cpu(), 2)
        swapped = (luck < SWAPPED) | (luck == luck.flatten(1).amin(1).view(-1, *[1] * (luck.ndim - 1)))
        others = torch.randint(self.n, (self.n, *self.features), generator=draws)
        if self.fixed is not None:
            real = self.x[~self.fixed]
            strangers = real[torch.randint(len(real), self.x.shape, generator=draws)]
        else:
            where = others if self.members is None else others[:, self.members[0]]
            strangers = self.x.gather(0, where)
        return torch.where(self.unfolded(swapped.to(self.x.device), self.rows), strangers, self.x)


class Embedded(Space):
    """The space of token embeddings ``(n, length, width)``: what gradient methods of text models work in.

    The baseline of a token is the embedding of its baseline token; special tokens are their own.
    """

    def __init__(self, words: Space, embed: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.codec, self.n, self.rows, self.labels = words.codec, words.n, words.rows, words.labels
        self.words = words
        self.x = embed(words.x)
        self.baselines, self.background = embed(words.baselines), None
        self.members = words.members
        self._groups = words.groups[..., None].expand(-1, -1, self.x.shape[2])

    @property
    def spatial(self) -> bool:
        """Embeddings are no image."""
        return False

    @property
    def tokens(self) -> bool:
        """Embeddings are vectors."""
        return False

    @property
    def vectors(self) -> bool:
        """Embeddings are vectors."""
        return True

    @property
    def features(self) -> tuple[int, ...]:
        """One feature a token."""
        return tuple(self.x.shape[1:2])

    def folded(self, values: torch.Tensor) -> torch.Tensor:
        """Add up each token's vector; what is never hidden becomes 0."""
        values = values.sum(2) if values.shape == self.x.shape else values
        if self.fixed is None or values.shape != self.fixed.shape:  # Units of a layer are no tokens.
            return values
        return values.masked_fill(self.fixed, 0)


def regions(row: Split, most: int = 9) -> np.ndarray:
    """Return a mask that cuts one input into at most so many regions: squares, runs of columns or of words.

    It is fit for ``feature_mask``: of an image ``(1, 1, row, column)``, else ``(1, feature)``.
    """
    if row.x.ndim == 4:
        side, (height, width) = int(most**0.5), row.x.shape[-2:]
        down, across = np.arange(height) * side // height, np.arange(width) * side // width
        return (down[:, None] * side + across)[None, None]
    space = Space(torch.tensor(row.x), codec=row.codec)
    numbers = space.groups.numpy() if space.tokens else np.arange(space.features[0])[None]
    count = int(numbers.max()) + 1
    return np.where(numbers < 0, -1, numbers * min(most, count) // count)


def copied(array: np.ndarray, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return numbers as a tensor of their own, laid out in one way: equal numbers give equal bits.

    As it came, the stride of an axis of length 1 could choose another kernel, and with it other last bits.
    """
    own = array.copy()  # Of a length of 1 numpy keeps even a negative stride, which torch does not take.
    return torch.tensor(own, dtype=dtype).flatten().view(array.shape)


def _per_axis(name: str, value: Any, axes: Any, default: list[int]) -> tuple[int, ...]:
    sizes = np.asarray(default if value is None else value)
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (len(axes),)) or (sizes < 1).any():
        raise BadInput(f"{name} is {value!r}", f"a positive int, or {len(axes)} of them (trailing axes)",
                       "Channels always go whole: leave them out")  # fmt: skip
    return tuple(np.broadcast_to(sizes, len(axes)).tolist())
