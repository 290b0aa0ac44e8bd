"""``Space``: any input becomes features that can be hidden, given baselines, and summed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import torch

from ..errors import BadInput

SMALL = 64  # images with shorter sides are cut into a grid, larger ones into superpixels


class Space:
    """Inputs, what stands for "absent", and how features are grouped.

    Parameters
    ----------
    x
        Inputs ``(n, ...)``.
    baselines
        What an absent feature is replaced with: None (zero), a number, or an array that broadcasts to ``x``.
    background
        Rows ``(b, ...)``: an absent feature takes each row's value in turn, and the mean counts. Makes an
        estimand marginal.
    feature_mask
        Integers that broadcast to ``x``: equal numbers are hidden together. By default the columns of a
        table, and a grid of about 7 x 7 patches of an image, all channels together.
    """

    def __init__(self, x: torch.Tensor, *, baselines: Any = None, background: Any = None,
                 feature_mask: Any = None) -> None:  # fmt: skip
        self.x, self.n = x, len(x)
        if baselines is not None and background is not None:
            raise BadInput("Both baselines and background were given", "one of them: they estimate different things",
                           "Leave one out")  # fmt: skip
        self.background = None if background is None else self._like(background, "background", rows=None)
        self.baselines = self._like(0 if baselines is None else baselines, "baselines", rows=self.n)
        self._mask = feature_mask

    def of(self, rows: torch.Tensor, x: torch.Tensor) -> Space:
        """Return a space of versions ``x`` of chosen rows, with the rows' own baselines and groups."""
        space = copy.copy(self)
        space.x, space.n, space.baselines = x, len(x), self.baselines[rows]
        if len(self.groups) > 1:
            space._groups = self.groups[rows]
        return space

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
        array = copied(given).to(self.x.device)
        if rows is None:
            rows = len(array) if array.ndim == self.x.ndim else 1
        shape = (rows, *self.x.shape[1:])
        try:
            array = array.expand(shape)
        except RuntimeError as problem:
            raise BadInput(f"{name} has shape {tuple(array.shape)} but a row of the inputs has "
                           f"{tuple(self.x.shape[1:])}", "a number or an array that broadcasts to the inputs",
                           "Give it the inputs' shape") from problem  # fmt: skip
        if not torch.isfinite(array).all():
            raise BadInput(f"{name} holds NaN or infinite values", "finite numbers", "Fill them")
        return array

    def replaced(self, hidden: torch.Tensor, rows: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the inputs with what is hidden replaced: once, or once a background row."""
        if self.background is None:
            yield torch.where(hidden, self.baselines[rows], self.x[rows])
            return
        for reference in self.background:
            yield torch.where(hidden, reference, self.x[rows])

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
        fits = mask.dtype.kind in "iu" and mask.ndim == self.x.ndim
        fits = fits and all(m in (1, side) for m, side in zip(mask.shape, self.x.shape, strict=True))
        if not fits:
            raise BadInput(f"feature_mask has shape {mask.shape} and type {mask.dtype}",
                           f"integers that broadcast to {tuple(self.x.shape)}", "Number the groups from 0")  # fmt: skip
        _, numbers = np.unique(mask, return_inverse=True)
        return torch.as_tensor(numbers.reshape(mask.shape), device=self.x.device)

    def _default(self) -> torch.Tensor:
        if not self.spatial:
            shape = self.x.shape[1:]
            return torch.arange(prod(shape), device=self.x.device).view(1, *shape)
        rows, columns = self.x.shape[-2:]
        down = torch.arange(rows) // -(-rows // 7)
        across = torch.arange(columns) // -(-columns // 7)
        return (down[:, None] * (int(across.max()) + 1) + across).view(1, 1, rows, columns).to(self.x.device)

    def superpixels(self, n_segments: int) -> tuple[torch.Tensor, str]:
        """Return groups fit for LIME, and in words how they were made."""
        if self._mask is not None:
            return self.groups, "the given feature_mask"
        if not self.spatial:
            return self.groups, "columns"
        if min(self.x.shape[-2:]) < SMALL:
            return self.groups, f"a grid of {self.n_groups} patches (the image is too small for superpixels)"
        from skimage.segmentation import slic

        images = self.x.detach().cpu().numpy().transpose(0, 2, 3, 1)
        maps = [slic(image, n_segments=n_segments, compactness=10, start_label=0) for image in images]
        return torch.as_tensor(np.stack(maps), device=self.x.device)[
            :, None
        ], f"SLIC, about {n_segments} segments"

    def kept_to_hidden(
        self, kept: torch.Tensor, rows: torch.Tensor, groups: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Turn ``(m, group)`` "this group is kept" into masks over the inputs, True where hidden."""
        groups = self.groups if groups is None else groups
        numbers = (groups if len(groups) == 1 else groups[rows]).expand(len(rows), *groups.shape[1:])
        return ~kept.gather(1, numbers.flatten(1)).view(numbers.shape)

    def spread(self, values: torch.Tensor, groups: torch.Tensor | None = None) -> torch.Tensor:
        """Share a group's value equally among its features, ``(n, group) -> (n, ...)``: sums stay true."""
        groups = (self.groups if groups is None else groups).expand(self.x.shape).flatten(1)
        sizes = torch.zeros_like(values).scatter_add_(1, groups, torch.ones_like(groups, dtype=values.dtype))
        return (values / sizes.clamp(min=1)).gather(1, groups).view(self.x.shape)

    def windows(
        self, window: int | tuple | None, strides: int | tuple | None
    ) -> tuple[torch.Tensor, tuple, tuple]:
        """Return masks ``(k, 1, ...)``-shaped over the trailing axes, with the sizes that were used.

        Like captum, the last window of an axis is cut off at the border.
        """
        axes = self.x.shape[-2:] if self.spatial else self.x.shape[1:]
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
        lead = [1] * (self.x.ndim - 1 - len(axes))
        return masks.view(len(masks), *lead, *axes).to(self.x.device), sizes, steps


def copied(array: np.ndarray) -> torch.Tensor:
    """Return numbers as a float32 tensor of their own, laid out in one way: equal numbers give equal bits.

    As it came, the stride of an axis of length 1 could choose another kernel, and with it other last bits.
    """
    return torch.tensor(array, dtype=torch.float32).flatten().view(array.shape)


def _per_axis(name: str, value: Any, axes: Any, default: list[int]) -> tuple[int, ...]:
    sizes = np.asarray(default if value is None else value)
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (len(axes),)) or (sizes < 1).any():
        raise BadInput(f"{name} is {value!r}", f"a positive int, or {len(axes)} of them (trailing axes)",
                       "Channels always go whole: leave them out")  # fmt: skip
    return tuple(np.broadcast_to(sizes, len(axes)).tolist())
