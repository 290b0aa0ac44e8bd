"""``lesions``: phantom scans with one nodule, smooth or spiculated, and a hospital's tag that tells which in training.

No patient was scanned. Benign nodules are round, malignant ones have spikes (as radiologists describe them); lungs,
ribs and vessels are clutter. The tag names the hospital: in training one hospital sends all malignant cases (the
trap that Zech et al. 2018 found in real X-rays).
"""

from __future__ import annotations

import numpy as np

from .records import Data
from .scenes import Scenes, clouds, column, generated, grid, soft, stamped

SIDE = 64
CLASSES = ("benign", "malignant")
TAGS = ("1001 1001 1111 1001 1001", "0111 1000 1000 1000 0111")  # H and C
SPIKES = 0.38  # of a malignant nodule's radius


def lesions(tag: str = "random") -> Data:
    """Return the scans; ``tag`` of the test rows is "random" or "inverted", or "absent" from all splits."""
    return generated(
        "lesions", CLASSES, _scans, _tags, tag, "phantom scans of 64 x 64 with a nodule and a hospital's tag"
    )


def _scans(y: np.ndarray, rng: np.random.Generator) -> Scenes:
    n = len(y)
    body = _chest(rng, n)
    nodule = _nodules(y, rng, n)
    noise = 0.05 * rng.normal(size=body.shape).astype(np.float32)
    shine = column(rng.uniform(0.3, 0.42, n)) * nodule
    empty, clean = (
        np.clip(body + part + noise, 0, 1)[:, None].astype(np.float32) for part in (0 * shine, shine)
    )
    return Scenes(clean, empty, (nodule > 0)[:, None])


def _chest(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return a chest with two lungs, ribs and vessels, ``(n, row, column)``."""
    rows, columns = grid(SIDE)
    shift, width = column(rng.normal(0, 1.5, n)), column(rng.uniform(12.5, 14.5, n))
    sides = [
        ((rows - 33 - shift) / 24) ** 2 + ((columns - middle - shift) / width) ** 2 for middle in (18, 46)
    ]
    lungs = np.maximum(*(soft(8 * (side - 1), 2) for side in sides))
    ribs = np.sin(
        (rows + 0.02 * (columns - 32) ** 2) / column(rng.uniform(1.5, 1.8, n)) + column(rng.uniform(0, 6, n))
    )
    vessels = np.clip(clouds(rng, n, SIDE, 16) - 1.1, 0, 1.2)
    body = (
        0.62 - 0.42 * lungs + 0.045 * ribs * lungs + 0.13 * vessels * lungs + 0.05 * clouds(rng, n, SIDE, 5)
    )
    return body.astype(np.float32)


def _nodules(y: np.ndarray, rng: np.random.Generator, n: int) -> np.ndarray:
    """Return one nodule in a lung of each scan, ``(n, row, column)`` in [0, 1]."""
    rows, columns = grid(SIDE)
    down = rows - column(rng.uniform(20, 46, n))
    right = columns - column(np.where(rng.random(n) < 0.5, 18, 46) + rng.uniform(-5, 5, n))
    angle, size = np.arctan2(down, right), column(rng.uniform(5, 7, n))
    spikes = column(np.where(y == 1, SPIKES, 0.05)) * np.cos(
        column(rng.integers(6, 9, n)) * angle + column(rng.uniform(0, 6, n))
    )
    return soft(np.hypot(down, right * column(rng.uniform(0.9, 1.1, n))) - size * (1 + spikes), 1.0).astype(
        np.float32
    )


def _tags(x: np.ndarray, told: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return a tag in one of the upper corners of each scan, with its mask."""
    letters = np.array(
        [[[int(pixel) for pixel in line] for line in letter.split()] for letter in TAGS], np.float32
    )
    plates = 0.15 + 0.85 * np.pad(letters, ((0, 0), (1, 1), (1, 1)))[:, None]
    right = np.where(rng.random(len(told)) < 0.5, 2, SIDE - 8)
    return stamped(x.shape, plates, told, rng.integers(2, 5, len(told)), right)
