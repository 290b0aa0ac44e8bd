"""Picture files of any size and mode become arrays of one shape; what cannot be read is counted, not guessed."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jfif",
        ".bmp",
        ".gif",
        ".tif",
        ".tiff",
        ".webp",
        ".pgm",
        ".ppm",
        ".pnm",
        ".pbm",
        ".ico",
        ".tga",
    ]
)
LARGEST, SMALLEST = 48, 16  # pixels of the longer and the shorter side, unless the user wants others
TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange rows and columns
ORIENTATION = 0x0112
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError, KeyError, OverflowError, MemoryError,
           struct.error, zlib.error, Image.DecompressionBombError)  # fmt: skip


@dataclass
class Counts:
    """What was met in pictures: how many of each mode, how many with transparency, of 16 bits, in motion."""

    modes: Counter = field(default_factory=Counter)
    special: Counter = field(default_factory=Counter)


def measured(paths: Sequence[Path]) -> tuple[list[tuple[int, int] | None], list[str]]:
    """Return the (rows, columns) of each picture from its header, None where there is none, and what was wrong."""
    sizes: list[tuple[int, int] | None] = []
    problems = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                columns, rows = picture.size
                turned = picture.getexif().get(ORIENTATION) in TURNED
            sizes.append((columns, rows) if turned else (rows, columns))
        except DAMAGED as problem:
            sizes.append(None)
            problems.append(_shortly(problem))
    return sizes, problems


def usual(sizes: Sequence[tuple[int, int] | None], largest: int = LARGEST) -> tuple[int, int]:
    """Return the median (rows, columns), made smaller where a side is above the largest, and at least 16 each."""
    rows, columns = np.median([size for size in sizes if size is not None], axis=0)
    scale = min(1.0, largest / max(rows, columns))
    return max(SMALLEST, round(rows * scale)), max(SMALLEST, round(columns * scale))


def loaded(
    paths: Sequence[Path], size: tuple[int, int], verbose: bool
) -> tuple[np.ndarray, list[int], list[str], Counts]:
    """Read pictures as ``(n, row, column, 3)`` bytes.

    Parameters
    ----------
    paths
        Of the pictures.
    size
        Rows and columns of the result.
    verbose
        Whether to show progress where it takes more than two seconds.

    Returns
    -------
    tuple
        The pixels; the positions of the pictures that could be read; what was wrong with the others; counts.
    """
    pixels = np.empty((len(paths), *size, 3), dtype=np.uint8)
    whole: list[int] = []
    problems: list[str] = []
    counts = Counts()
    for place, path in enumerate(tqdm(paths, desc="pictures", delay=2, leave=False, disable=not verbose)):
        try:
            pixels[len(whole)] = _one(path, size, counts)
            whole.append(place)
        except DAMAGED as problem:
            problems.append(_shortly(problem))
    return pixels[: len(whole)], whole, problems, counts


def _one(path: Path, size: tuple[int, int], counts: Counts) -> np.ndarray:
    with Image.open(path) as picture:
        picture.draft(
            picture.mode, (2 * size[1], 2 * size[0])
        )  # a large JPEG is read at a fraction of its size
        mode, moving = picture.mode, getattr(picture, "n_frames", 1) > 1
        colours = _eight_bits(picture)  # decodes all of the first frame: a file that was cut off raises here
        upright = ImageOps.exif_transpose(colours)
        opaque, transparent = _opaque(upright)
        resized = opaque.convert("RGB").resize((size[1], size[0]), Image.Resampling.BILINEAR)
    counts.modes[mode] += 1
    counts.special.update({"transparent": transparent, "moving": moving, "deep": mode.startswith(("I", "F"))})
    return np.asarray(resized)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return pictures of 16 or more bits with 8; their values are taken to run to 65,535 (fractions to 1)."""
    picture.load()
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture).astype(np.float64)
    top = values.max(initial=0)
    if not np.isfinite(values).all() or values.min(initial=0) < 0 or top > 65_535:
        raise ValueError(f"its values run from {values.min():.3g} to {top:.3g}")
    if picture.mode == "F":
        full = 1.0 if top <= 1 else 255.0 if top <= 255 else 65_535.0
    else:
        full = 255.0 if picture.mode == "I" and top <= 255 else 65_535.0
    small = Image.fromarray(np.round(values * (255 / full)).astype(np.uint8))
    small.info["exif"] = picture.info.get("exif", b"")
    return small


def _opaque(picture: Image.Image) -> tuple[Image.Image, bool]:
    """Return a picture on white ground, and whether anything of it was transparent."""
    if not picture.has_transparency_data:
        return picture, False
    layered = picture.convert("RGBA")
    ground = Image.new("RGBA", layered.size, "white")
    return Image.alpha_composite(ground, layered), bool(np.asarray(layered)[..., 3].min() < 255)


def _shortly(problem: BaseException) -> str:
    return (str(problem).split("'")[0].strip() or type(problem).__name__)[:60]
