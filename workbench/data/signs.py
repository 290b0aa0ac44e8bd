"""``signs``: road signs on clutter, and a sticker beside the sign whose colour tells the class in training.

Drawn, not photographed: six classes that differ in shape, colour and pictogram, at random places, sizes, turns and
lights, in fog. The sticker stands for whatever else was there when the pictures were taken.
"""

from __future__ import annotations

import numpy as np

from .records import Data
from .scenes import Scenes, clouds, column, generated, grid, soft, stamped

SIDE, STICKER = 48, 9
CLASSES = ("stop", "give way", "no entry", "speed limit", "parking", "crossing")
RED, WHITE, BLUE = (0.78, 0.1, 0.12), (0.95, 0.95, 0.95), (0.1, 0.25, 0.7)
STICKERS = (
    (0.95, 0.85, 0.1),
    (0.2, 0.75, 0.3),
    (0.9, 0.45, 0.1),
    (0.6, 0.2, 0.7),
    (0.1, 0.75, 0.8),
    (0.95, 0.5, 0.7),
)


def signs(sticker: str = "random") -> Data:
    """Return the pictures; ``sticker`` of the test rows is "random" or "inverted", or "absent" from all splits."""
    return generated(
        "signs", CLASSES, _roads, _stickers, sticker, "road signs of 48 x 48 on clutter, with a sticker"
    )


def _roads(y: np.ndarray, rng: np.random.Generator) -> Scenes:
    n = len(y)
    sky = np.stack(
        [0.45 + 0.14 * clouds(rng, n, SIDE, 6) + 0.1 * clouds(rng, n, SIDE, 20) for _ in range(3)], 1
    )
    colour, shape = _sign(y, rng, n)
    light = column(rng.uniform(0.6, 1.05, n))[:, None]
    noise = 0.05 * rng.normal(size=sky.shape).astype(np.float32)
    seen = shape[:, None] * column(rng.uniform(0.6, 1.0, n))[:, None]  # The rest is fog and dirt.
    scene = seen * colour * light + (1 - seen) * sky
    clean, empty = (np.clip(picture + noise, 0, 1).astype(np.float32) for picture in (scene, sky))
    return Scenes(clean, empty, np.broadcast_to((shape > 0)[:, None], clean.shape).copy())


def _sign(y: np.ndarray, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the colours of each picture's sign, ``(n, 3, row, column)``, and its shape, ``(n, row, column)``."""
    rows, columns = grid(SIDE)
    size, turn = column(rng.uniform(10, 15, n)), column(rng.normal(0, 0.12, n))
    down, right = rows - column(rng.uniform(18, 30, n)), columns - column(rng.uniform(18, 30, n))
    v, u = (
        (np.cos(turn) * down - np.sin(turn) * right) / size,
        (np.cos(turn) * right + np.sin(turn) * down) / size,
    )
    inside, colour = np.zeros((n, SIDE, SIDE), np.float32), np.zeros((n, 3, SIDE, SIDE), np.float32)
    for kind, draw in enumerate((_stop, _give_way, _no_entry, _limit, _parking, _crossing)):
        own = y == kind
        distance, painted = draw(u[own], v[own])
        inside[own] = soft(distance * size[own])
        colour[own] = sum(
            np.where(where, 1, 0)[:, None] * np.array(paint, np.float32)[:, None, None]
            for where, paint in painted
        )
    return colour, inside


Painted = tuple[
    np.ndarray, list[tuple[np.ndarray, tuple[float, float, float]]]
]  # signed distance in sizes, and areas by colour


def _stop(u: np.ndarray, v: np.ndarray) -> Painted:
    distance = np.maximum(np.maximum(abs(u), abs(v)), (abs(u) + abs(v)) / 2**0.5) - 0.95
    bar = (abs(v) < 0.2) & (abs(u) < 0.65)
    return distance, [(bar, WHITE), (~bar, RED)]


def _give_way(u: np.ndarray, v: np.ndarray) -> Painted:
    distance = np.maximum(-v - 0.6, 0.5 * v + 0.87 * abs(u) - 0.6)
    inner = distance < -0.25
    return distance, [(inner, WHITE), (~inner, RED)]


def _no_entry(u: np.ndarray, v: np.ndarray) -> Painted:
    bar = (abs(v) < 0.18) & (abs(u) < 0.65)
    return np.hypot(u, v) - 1, [(bar, WHITE), (~bar, RED)]


def _limit(u: np.ndarray, v: np.ndarray) -> Painted:
    ring = np.hypot(u, v) > 0.7
    figure = ~ring & (((abs(u + 0.25) < 0.08) | (abs(u - 0.25) < 0.08)) & (abs(v) < 0.35))
    return np.hypot(u, v) - 1, [(ring, RED), (figure, (0.1, 0.1, 0.1)), (~ring & ~figure, WHITE)]


def _parking(u: np.ndarray, v: np.ndarray) -> Painted:
    stem, bow = (
        (abs(u + 0.25) < 0.12) & (abs(v) < 0.6),
        (abs(np.hypot(u, v + 0.22) - 0.3) < 0.12) & (u > -0.3),
    )
    letter = stem | bow
    return np.maximum(abs(u), abs(v)) - 0.9, [(letter, WHITE), (~letter, BLUE)]


def _crossing(u: np.ndarray, v: np.ndarray) -> Painted:
    field = (v < 0.55) & (0.87 * abs(u) - 0.5 * v < 0.42)
    return np.maximum(abs(u), abs(v)) - 0.9, [(field, WHITE), (~field, BLUE)]


def _stickers(x: np.ndarray, told: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a sticker in one of the corners of each picture, with its mask."""
    squares = np.broadcast_to(
        np.array(STICKERS, np.float32)[:, :, None, None], (len(STICKERS), 3, STICKER, STICKER)
    )
    corners = np.array([1, SIDE - STICKER - 1])
    down, right = corners[rng.integers(2, size=(2, len(told)))]
    return stamped(x.shape, squares, told, down, right)
