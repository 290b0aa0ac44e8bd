"""The one door for pictures: a style, the colours, and ``show`` with its alternative text."""

from __future__ import annotations

import io
import re
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager
from matplotlib.category import StrCategoryLocator
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator
from PIL import Image

from ..errors import BadInput

SIGNED, UNSIGNED = "RdBu_r", "viridis"
# Okabe and Ito 2008: safe for colour-blind readers; a second cue (marker or hatch) goes with each
CYCLE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, PALE = "#1f2933", "#9aa5b1"
FOR, AGAINST = "#b2182b", "#2166ac"  # the two ends of RdBu_r
# Fonts with Chinese, Japanese or Korean letters, whichever is installed; the style's own has none.
EASTERN = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC", "WenQuanYi Micro Hei"),
    *("WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB", "Heiti SC"),
    *("Arial Unicode MS", "Droid Sans Fallback", "Yu Gothic", "Malgun Gothic", "Apple SD Gothic Neo"),
)
INSTALLED = {font.name for font in font_manager.fontManager.ttflist}
FAMILIES = ["DejaVu Sans", *(name for name in EASTERN if name in INSTALLED)]
NO_GLYPH = "U+...: a letter that no installed font has"
SETTINGS: Any = {
    "figure.dpi": 110,
    "savefig.dpi": 110,
    "figure.facecolor": "white",
    "font.family": FAMILIES,
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
            _spell(fig)
        finally:
            plt.close(fig)


def png(fig: Figure) -> bytes:
    """Return a figure as the bytes of a PNG: the same pixels without transparency, a tenth smaller."""
    drawn_buffer, buffer = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(SETTINGS):
        fig.savefig(drawn_buffer, format="png", metadata={"Software": None})
    Image.open(drawn_buffer).convert("RGB").save(buffer, "png", optimize=True)
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


def scale(values: np.ndarray) -> float:
    """Return the largest absolute value, or 1 where all are zero or there is none."""
    return float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values))) or 1.0


def wrapped(text: str, width: int) -> str:
    """Return a text broken into lines of at most so many letters; Chinese ones take the room of two."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return "\n".join(textwrap.wrap(text, max(8, width * len(text) // (len(text) + wide or 1))))


def shortened(text: str, most: int = 30) -> str:
    """Return a name of at most so many letters: its beginning and its end, on one line.

    Examples
    --------
    >>> shortened("a name that is far too long for an axis", 20)
    'a name that i\u2026n axis'
    """
    text = " ".join(str(text).split())
    tail = most // 3
    return text if len(text) <= most else f"{text[: most - tail - 1]}\N{HORIZONTAL ELLIPSIS}{text[-tail:]}"


def legible(text: str) -> str:
    """Return text with the letters that no installed font has written as ``U+4E2D``; invisible ones are left out."""
    if text.isascii() and text.isprintable():
        return text
    return re.sub(r"[^\n]+", lambda line: "".join(_spelt(line[0])), text)


def _spelt(line: str) -> Iterator[str]:
    known, before = _glyphs(), ""
    for letter in line:
        if ord(letter) in known:
            before = letter
            yield letter
        elif unicodedata.category(letter) not in ("Mn", "Cf"):
            yield f"{' ' if before and not before.isspace() else ''}U+{ord(letter):04X}"
            before = "+"


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    """Return the code points that the style's fonts can draw."""
    paths = [font_manager.findfont(font_manager.FontProperties(family=name)) for name in FAMILIES]
    return frozenset().union(*(font_manager.get_font(path).get_charmap() for path in paths))


def _spell(fig: Figure) -> None:
    """Make every letter of a finished figure visible, and say it under the figure where one is spelt."""
    texts = fig.findobj(Text)
    spelt = [legible(text.get_text()) for text in texts]
    changed = [text.get_text() for text in texts] != spelt
    for text, readable in zip(texts, spelt, strict=True):
        text.set_text(readable)
    for axis in (axis for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)):
        changed |= _spell_ticks(axis)
    if changed:
        excuse()
        fig.supxlabel(NO_GLYPH, x=0.01, ha="left", fontsize=7)


def _spell_ticks(axis: Any) -> bool:
    """Make the names on an axis visible; whether one had to be spelt."""
    if not isinstance(axis.get_major_locator(), (FixedLocator, StrCategoryLocator)):
        return False
    places = [float(place) for place in axis.get_majorticklocs()]
    labels = axis.get_major_formatter().format_ticks(places)
    spelt = [legible(label) for label in labels]
    if spelt != labels:
        axis.set(major_locator=FixedLocator(places), major_formatter=FixedFormatter(spelt))
    return spelt != labels


def excuse() -> None:
    """Warn that letters are spelt by their code points."""
    warnings.warn("No installed font has some letters of this picture: they are written as U+... "
                  "Install one, such as Noto Sans CJK.", stacklevel=2)  # fmt: skip
