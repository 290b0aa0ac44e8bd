"""Small pictures as PNG bytes in base64, a pixel a feature, for panels that enlarge them in the browser."""

from __future__ import annotations

import base64
import io

import numpy as np

from .canvas import SIGNED

PLAIN = "Oranges"  # of maps without signs


def picture(image: np.ndarray) -> str:
    """Return an image ``(channel, row, column)`` in [0, 1] as PNG in base64."""
    shown = np.clip(np.asarray(image, float), 0, 1)
    shown = np.repeat(shown[:1], 3, 0) if len(shown) != 3 else shown
    return _png(np.round(255 * shown.transpose(1, 2, 0)).astype(np.uint8))


def attribution(values: np.ndarray, limit: float) -> str:
    """Return a signed map ``(row, column)`` as PNG in base64, blue to red, white at zero, ``limit`` at the ends."""
    return _png(_shaded(np.asarray(values, float), limit))


def importance(sizes: np.ndarray) -> str:
    """Return a map without signs ``(row, column)`` as PNG in base64, white at zero, one dark colour at its largest."""
    return _png(_shaded(np.asarray(sizes, float), float(np.max(sizes)), PLAIN))


def shade(value: float, limit: float, colours: str = SIGNED) -> str:
    """Return the colour of a number on the same scale, half as strong, as ``#rrggbb``: text stands on it."""
    red, green, blue = (
        int(255 - (255 - c) / 2) for c in _shaded(np.array([[value]], float), limit, colours)[0, 0]
    )
    return f"#{red:02x}{green:02x}{blue:02x}"


def _shaded(values: np.ndarray, limit: float, colours: str = SIGNED) -> np.ndarray:
    from matplotlib import colormaps

    place = np.clip(values / max(limit, 1e-12), -1, 1)
    return np.round(
        255 * colormaps[colours](0.5 + 0.5 * place if colours == SIGNED else place)[..., :3]
    ).astype(np.uint8)


def _png(pixels: np.ndarray) -> str:
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()
