"""Several inputs at once: the arrays that a model takes beside each other, laid into one row and taken apart again."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import BadInput

LARGEST_INTEGER = 2**24  # beyond it a float of 32 bits skips whole numbers


@dataclass(frozen=True)
class Parts:
    """The shapes of several inputs; it reads rows that hold all of them end to end.

    Attributes
    ----------
    titles
        Name of each input.
    shapes
        Shape of each input's row, without the batch axis.
    whole
        Whether each input holds whole numbers, such as places in a table: a model gets them back as such.
    """

    titles: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    whole: tuple[bool, ...]
    kind = "several"

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray], model: Any = None) -> Parts:
        """Return the parts of some arrays ``(n, ...)``, named as the model's forward names them."""
        lengths = [array.shape[:1] for array in arrays]
        if len({*lengths}) != 1 or lengths[0] == ():
            raise BadInput(f"The inputs have shapes {[array.shape for array in arrays]}", "as many rows in each",
                           "Pass a tuple of arrays (n, ...), one for each argument of the model")  # fmt: skip
        if any(array.dtype.kind not in "fiub" for array in arrays):
            raise BadInput(
                f"The inputs have types {[str(array.dtype) for array in arrays]}", "numbers", "Encode them"
            )
        if any(
            array.dtype.kind in "iu" and array.size and np.abs(array).max() > LARGEST_INTEGER
            for array in arrays
        ):
            raise BadInput(
                "A whole number is above 16,777,216", "numbers that a float holds exactly", "Number from 0"
            )
        whole = tuple(array.dtype.kind in "iub" for array in arrays)
        return cls(_titles(model, len(arrays)), tuple(array.shape[1:] for array in arrays), whole)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each number of a row: its input, and its place there."""
        return tuple(
            name
            for title, shape in zip(self.titles, self.shapes, strict=True)
            for name in ([f"{title}{list(place)}" for place in np.ndindex(*shape)] if shape else [title])
        )

    @property
    def sizes(self) -> list[int]:
        """How many numbers each input has in a row."""
        return [prod(shape) for shape in self.shapes]

    def joined(self, arrays: Iterable[Any]) -> np.ndarray:
        """Return one array a row ``(n, numbers)`` of one array or number for each input."""
        arrays, flat = tuple(arrays), []
        if len(arrays) != len(self.shapes):
            raise BadInput(
                f"There are {len(arrays)} parts and {len(self.shapes)} inputs", "one for each input", "Add it"
            )
        for array, shape in zip(map(np.asarray, arrays), self.shapes, strict=True):
            own = len(array) if array.ndim > len(shape) else 1
            flat.append(np.broadcast_to(array, (own, *shape)).reshape(own, -1))
        rows = max(len(part) for part in flat)
        return np.concatenate([np.broadcast_to(part, (rows, part.shape[1])) for part in flat], axis=1)

    def apart(self, x: Any) -> tuple[Any, ...]:
        """Return numbers a place, an array or a tensor ``(n, numbers)``, as one array for each input."""
        ends = np.cumsum([0, *self.sizes])
        cut = zip(ends[:-1], ends[1:], self.shapes, strict=True)
        return tuple(x[:, a:b].reshape(len(x), *shape) for a, b, shape in cut)

    def decoded(self, x: Any) -> tuple[Any, ...]:
        """Return joined rows as a model takes them: one array or tensor for each input, whole numbers as such."""
        return tuple(
            _whole(part) if whole else part for part, whole in zip(self.apart(x), self.whole, strict=True)
        )

    def encoded(self, rows: Sequence[Any]) -> np.ndarray:
        """Return several arrays as joined rows of floats."""
        return self.joined(rows).astype(np.float32)

    def words(self, x: np.ndarray) -> tuple[tuple[str, ...], ...]:
        """Return the numbers of each row as they are shown."""
        return tuple(tuple(f"{value:.4g}" for value in row) for row in x)

    def groups(self, x: np.ndarray) -> np.ndarray:
        """Return each number's feature, itself: ``(1, numbers)``."""
        return np.arange(sum(self.sizes))[None]

    def patches(self, x: np.ndarray) -> np.ndarray:
        """Return the default groups, ``(1, numbers)``: patches of images, and each other number by itself."""
        found, start = [], 0
        for shape in self.shapes:
            own = np.broadcast_to(grid(*shape[-2:]), shape) if len(shape) == 3 else np.arange(prod(shape))
            found.append(own.reshape(-1) + start)
            start += int(own.max(initial=-1)) + 1
        return np.concatenate(found)[None]

    def absent(self, x: np.ndarray) -> np.ndarray:
        """Return zeros, ``(1, numbers)``."""
        return np.zeros((1, sum(self.sizes)), dtype=np.float32)

    def plain(self) -> dict[str, Any]:
        """Return the parts as JSON can hold them."""
        return {"kind": self.kind, "titles": list(self.titles), "shapes": [list(shape) for shape in self.shapes],
                "whole": list(self.whole)}  # fmt: skip

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Parts:
        """Return what :meth:`plain` wrote."""
        return cls(tuple(plain["titles"]), tuple(map(tuple, plain["shapes"])), tuple(plain["whole"]))


def grid(rows: int, columns: int) -> np.ndarray:
    """Return numbers that cut an image into about 7 x 7 patches, ``(row, column)``."""
    down, across = np.arange(rows) // -(-rows // 7), np.arange(columns) // -(-columns // 7)
    return down[:, None] * (int(across.max()) + 1) + across


def _titles(model: Any, n: int) -> tuple[str, ...]:
    try:
        named = [*inspect.signature(getattr(model, "forward", model)).parameters]
    except (TypeError, ValueError):
        named = []
    return tuple(named[:n]) if len(named) >= n else tuple(f"input {i}" for i in range(n))


def _whole(part: Any) -> Any:
    return part.astype(np.int64) if isinstance(part, np.ndarray) else part.long()
