"""A table of numbers as a picture: rows by name, columns by number."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from .canvas import SIGNED, UNSIGNED, canvas

TALLEST = 30  # rows with a name of their own


def matrix(values: np.ndarray, names: Sequence[str], title: str, *, xlabel: str, label: str) -> Figure:
    """Draw numbers ``(row, column)`` as colours: from zero up, or symmetric about zero where some are negative.

    Parameters
    ----------
    values
        ``(row, column)``.
    names
        One a row; of more than 30 only some are written.
    title
        The finding.
    xlabel, label
        What the columns are; what the colours mean, with its unit.
    """
    limit = float(np.abs(values).max()) or 1.0
    signed = bool((values < 0).any())
    with canvas(size=(7.2, min(5.0, 0.24 * len(values) + 1.3))) as (fig, ax):
        drawn = ax.imshow(values, cmap=SIGNED if signed else UNSIGNED, vmin=-limit if signed else 0, vmax=limit,
                          aspect="auto")  # fmt: skip
        shown = np.arange(0, len(names), -(-len(names) // TALLEST))
        ax.set(yticks=shown, yticklabels=[_short(names[int(i)]) for i in shown], xlabel=xlabel)
        ax.set_title(title)
        fig.colorbar(drawn, ax=ax, label=label)
    return fig


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}\u2026"
