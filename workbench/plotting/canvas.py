"""The one door for pictures: a style, the colours, and ``show`` with its alternative text."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from cycler import cycler
from matplotlib.figure import Figure

from ..errors import BadInput

SIGNED, UNSIGNED = "RdBu_r", "viridis"
# Okabe and Ito 2008: safe for colour-blind readers; a second cue (marker or hatch) goes with each
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, PALE = "#1f2933", "#9aa5b1"
SETTINGS: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.facecolor": "white",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=CYCLE, marker=MARKERS),
    "lines.markersize": 4,
    "text.color": INK,
    "text.parse_math": False,  # A class or a column may be called "$5 to $10".
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "image.interpolation": "nearest",
}


def style() -> None:
    """Give all later figures the workbench's look; meant for the top of a notebook."""
    mpl.rcParams.update(SETTINGS)


@contextmanager
def canvas(
    rows: int = 1, columns: int = 1, size: tuple[float, float] = (6.0, 3.0), **options
) -> Iterator[tuple]:
    """Lend a new figure and its axes in the workbench's style; nothing global is changed."""
    with mpl.rc_context(SETTINGS):
        fig, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", **options)
        try:
            yield fig, axes
        finally:
            plt.close(fig)


def png(fig: Figure) -> bytes:
    """Return a figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        fig.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def show(fig: Figure, alt: str) -> None:
    """Show a figure in the notebook with an alternative text that states its finding with a number.

    Parameters
    ----------
    fig
        A matplotlib figure; it is closed.
    alt
        What a reader who cannot see it should know.

    Raises
    ------
    BadInput
        The text is empty: who cannot see the picture would learn nothing.
    """
    from IPython.display import display

    if not alt.strip():
        raise BadInput("alt is empty", "a sentence that states the finding with a number", "Write one")
    content = {"image/png": png(fig), "text/plain": alt}
    display(content, metadata={"image/png": {"alt": alt}}, raw=True)
    plt.close(fig)
