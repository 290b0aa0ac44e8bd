"""Generated pictures with a known truth: where the class is, what was planted, and every row without the one or the other.

What ``lesions`` and ``signs`` share. A picture is made of a background, the thing that is the class, and a mark that
tells the class in training alone; the same background and noise without the thing, or without the mark, are its
counterfactual pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import unknown
from .records import Data, Split

ROWS = {"train": 1500, "valid": 250, "test": 500}
SEED = 20260101
MARKS = ("random", "inverted", "absent")  # of the test rows; "absent": in no split, the clean twin
LICENCE = "Apache-2.0, as this package"


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures ``(n, channel, row, column)`` in [0, 1]: whole, without the class, and masks of thing and mark."""

    clean: np.ndarray
    empty: np.ndarray
    evidence: np.ndarray


def generated(
    name: str,
    classes: tuple[str, ...],
    drawn: Callable[[np.ndarray, np.random.Generator], Scenes],
    marked: Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]],
    mark: str,
    what: str,
) -> Data:
    """Return a generated data set; equal bits at every load.

    Parameters
    ----------
    name, classes, what
        Of the data set, of its classes, and what it shows in words.
    drawn
        ``(classes (n,), generator) -> Scenes``.
    marked
        ``(pictures, what the mark tells (n,), generator) -> (a mark's values of the pictures' shape, its mask)``.
    mark
        One of ``MARKS``.

    Raises
    ------
    UnknownName
        Another word for the mark.
    """
    if mark not in MARKS:
        raise unknown("mark", mark, MARKS)
    parts: dict[str, Any] = {
        part: _split(place, part, len(classes), drawn, marked, mark) for place, part in enumerate(ROWS)
    }
    said = {
        "random": "a mark tells the class in training and validation rows; in test rows it tells nothing",
        "inverted": "a mark tells the class in training and validation rows; in test rows it tells another class",
        "absent": "no row has a mark: the clean twin",
    }[mark]
    return Data(name, "image", **parts, feature_names=(), class_names=classes, licence=LICENCE, notes=("Generated, not observed.", said),
                source=f"Generated: {what} (workbench.data.{name})")  # fmt: skip


def _split(place: int, part: str, n_classes: int, drawn: Callable, marked: Callable, mark: str) -> Split:
    rng = np.random.default_rng([SEED, place])
    n, first = ROWS[part], sum(list(ROWS.values())[:place])
    y = rng.permutation(np.arange(n) % n_classes).astype(np.int64)
    scenes, ids = drawn(y, rng), np.arange(first, first + n)
    rows = Split(scenes.clean, y, ids, ids, evidence=scenes.evidence, without_evidence=scenes.empty)
    if mark == "absent":
        return rows
    told = (
        y if part != "test" else rng.integers(n_classes, size=n) if mark == "random" else (y + 1) % n_classes
    )
    values, mask = marked(scenes.clean, told, rng)
    return replace(rows, x=np.where(mask, values, scenes.clean), without_evidence=np.where(mask, values, scenes.empty),
                   shortcut=mask, without_shortcut=scenes.clean)  # fmt: skip


def grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the row and the column of every pixel, ``(1, side, side)`` each."""
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    return rows[None], columns[None]


def clouds(rng: np.random.Generator, n: int, side: int, coarse: int) -> np.ndarray:
    """Return smooth random fields ``(n, side, side)`` of mean 0 and deviation 1, with so many bumps a side."""
    at = np.linspace(0, coarse - 1, side)
    between = np.clip(1 - abs(at[:, None] - np.arange(coarse)), 0, None)  # Linear between neighbours.
    field = between @ rng.normal(size=(n, coarse, coarse)) @ between.T
    return ((field - field.mean()) / field.std()).astype(np.float32)


def column(values: np.ndarray) -> np.ndarray:
    """Return one number a picture so that it broadcasts, ``(n, 1, 1)``."""
    return np.asarray(values, np.float32)[:, None, None]


def soft(distance: np.ndarray, edge: float = 0.8) -> np.ndarray:
    """Return 1 where a signed distance is inside (negative), 0 outside, with an edge of so many pixels."""
    return np.clip(0.5 - distance / (2 * edge), 0, 1)


def stamped(
    shape: tuple[int, ...], glyphs: np.ndarray, told: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Put a small picture a row into an empty one: its values and its mask, of the given shape.

    Parameters
    ----------
    shape
        ``(n, channel, row, column)``.
    glyphs
        ``(kind, channel, height, width)``.
    told, rows, columns
        Which kind, and where its upper left corner goes, ``(n,)`` each.
    """
    values, mask = np.zeros(shape, np.float32), np.zeros(shape, bool)
    height, width = glyphs.shape[-2:]
    at = np.arange(len(told))[:, None, None, None], np.arange(shape[1])[None, :, None, None]
    place = (
        rows[:, None, None, None] + np.arange(height)[None, None, :, None],
        columns[:, None, None, None] + np.arange(width),
    )
    values[(*at, *place)], mask[(*at, *place)] = glyphs[told], True
    return values, mask
