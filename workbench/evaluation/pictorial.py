"""How alike two maps are as pictures: structure in windows, and the work of moving one's mass into the other's.

Both heed where a feature lies, which cosine and overlap do not: a map that is moved by one pixel is nearly the same
to them.
"""

from __future__ import annotations

import numpy as np

from ..errors import BadInput

WINDOW = 11  # pixels of the side that a Gaussian of deviation 1.5 needs
ANGLES = 32  # directions of the slices, evenly between 0 and 180 degrees


def ssim(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compare the structure of signed maps in windows: 1 the same, 0 unrelated (Wang, Bovik, Sheikh and Simoncelli 2004).

    Gaussian windows of deviation 1.5; each map is drawn as a picture from 0 to 1 with zero at a half, its largest
    absolute value at an end: of maps as they are a map and its negative would look alike, two wrong signs at once. It
    misleads where maps are mostly zero: empty windows agree and bring unrelated maps near 1.

    Parameters
    ----------
    a, b
        ``(inputs, row, column)`` or ``(inputs, channel, row, column)``, whose channels are summed; at least 11 x 11.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` in [-1, 1]; 0 where a map is zero.

    Raises
    ------
    BadInput
        The maps have no rows and columns, or too few.
    """
    from skimage.metrics import structural_similarity

    x, y = _pictures(a, "ssim", WINDOW), _pictures(b, "ssim", WINDOW)
    peaks = [np.abs(maps).max((1, 2), keepdims=True) for maps in (x, y)]
    known = (peaks[0] > 0) & (peaks[1] > 0)
    x, y = (0.5 + maps / np.where(peak > 0, 2 * peak, 1) for maps, peak in zip((x, y), peaks, strict=True))
    found = [structural_similarity(one, other, data_range=1.0, gaussian_weights=True, use_sample_covariance=False)
             for one, other in zip(x, y, strict=True)]  # fmt: skip
    return np.where(known[:, 0, 0], found, 0.0)


def sliced_emd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Measure how far the mass of |a map| must be moved to become the other's, in sides of the picture (Rabin et al. 2012).

    The earth mover's distance along 32 directions, its mean; each map is divided by its sum. Blind to sign. 0 the
    same; a mass moved by a distance costs 2 / pi of it on average over directions.

    Parameters
    ----------
    a, b
        As in :func:`ssim`; any size.

    Returns
    -------
    numpy.ndarray
        ``(inputs,)`` from 0; 1, a whole side, where one map is zero, and also where both are.
    """
    x, y = (np.abs(_pictures(maps, "sliced_emd", 1)) for maps in (a, b))
    rows, columns = x.shape[1:]
    sums = [maps.reshape(len(maps), -1).sum(1) for maps in (x, y)]
    known = (sums[0] > 0) & (sums[1] > 0)
    less = sum(sign * maps.reshape(len(maps), -1) / np.where(total > 0, total, 1)[:, None]
               for sign, maps, total in zip((1, -1), (x, y), sums, strict=True))  # fmt: skip
    down, right = (axis.ravel() / max(rows, columns) for axis in np.mgrid[:rows, :columns])
    angles = np.arange(ANGLES) * np.pi / ANGLES
    work = [_moved(less, np.cos(angle) * right + np.sin(angle) * down) for angle in angles]
    return np.where(known, np.mean(work, axis=0), 1.0)


def _moved(less: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the work of levelling surpluses ``(inputs, pixel)`` at places on a line."""
    order = np.argsort(places, kind="stable")
    carried = np.abs(np.cumsum(less[:, order], axis=1)[:, :-1])
    return carried @ np.diff(places[order])


def _pictures(maps: np.ndarray, name: str, least: int) -> np.ndarray:
    if maps.ndim not in (3, 4) or min(maps.shape[-2:]) < least:
        raise BadInput(f"{name} was given maps of shape {maps.shape}", f"maps with at least {least} rows and columns",
                       "Choose cosine for tables, texts and small maps")  # fmt: skip
    return maps.sum(1) if maps.ndim == 4 else maps
