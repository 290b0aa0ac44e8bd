"""Texts whose words carry numbers: running text on coloured ground, with a bar above or below each word.

Red and a bar above speak for the class, blue and a bar below against it: the bars say the same without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle

from .. import html
from .canvas import (
    FAMILIES,
    INK,
    NO_GLYPH,
    PALE,
    SETTINGS,
    SIGNED,
    UNSIGNED,
    canvas,
    excuse,
    legible,
    scale,
    wrapped,
)

WIDTH = 520.0  # points, as everything below
SIZE, PITCH, BAR, GAP, EDGE = 9.5, 31.0, 5.5, 3.0, 14.0
NUMBERED, SMALL = 3, 6.0  # words of a text whose values are printed, and in which size
STRENGTH = f"{UNSIGNED}_r"  # On white paper what counts most must be darkest.
DPI = SETTINGS["savefig.dpi"]  # Letters are placed on whole pixels: widths are those of the saved picture.
FAINT = 0.02  # of the largest value: words below it have no ground
LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
DARK = 0.45  # luminance of the ground under which letters are white


@dataclass(frozen=True)
class Passage:
    """One text with a number at each word.

    Attributes
    ----------
    words, values
        What is drawn, of one length; ``values`` decide the ground and the bars.
    heading, label
        Above the text, and left of it.
    limit
        The value at full colour; by default the largest.
    signed
        Whether values may be below zero.
    weights
        Which words matter when only some lines are drawn; by default the absolute values.
    """

    words: Sequence[str]
    values: np.ndarray
    heading: str = ""
    label: str = ""
    limit: float | None = None
    signed: bool = True
    weights: np.ndarray | None = None

    @property
    def end(self) -> float:
        """The value at full colour."""
        return self.limit or scale(np.asarray(self.values))


def said(explanation: Any, row: int) -> tuple[list[str], np.ndarray]:
    """Return the words of an explained row and their values, without padding and special tokens."""
    padding = explanation.padding
    return there(explanation.labels[row], explanation.values[row], None if padding is None else padding[row])


def there(
    words: Sequence[str], values: np.ndarray, padding: np.ndarray | None
) -> tuple[list[str], np.ndarray]:
    """Return the words of one text that were explained, and their values."""
    array = np.array(words, dtype=object)
    kept = np.array([bool(word) for word in words])
    if padding is not None:
        kept &= ~np.asarray(padding)
    return list(array[kept]), np.asarray(values)[kept]


def running(passages: Sequence[Passage], title: str = "", *, unit: str = "", lines: int = 6) -> Figure:
    """Draw texts below each other, words in colour; of a long text the lines that carry most.

    Parameters
    ----------
    passages
        What is drawn, in order.
    title
        The finding.
    unit
        What the values are, for the scale at the bottom.
    lines
        Lines of a text at most; between them ``...`` stands for what is left out.
    """
    margin = max((_width(legible(p.label)) + 12 for p in passages if p.label), default=0.0)
    laid_out = [_chosen(_lines(p, WIDTH - 2 * EDGE - margin), p, lines) for p in passages]
    title = wrapped(legible(title), 88)
    top = 14.0 + 14 * (title.count("\n") + 1) * bool(title)
    height = top + sum(_height(p, found) for p, found in zip(passages, laid_out, strict=True)) + 40
    with canvas(size=(WIDTH / 72, height / 72)) as (fig, ax):
        fig.set_layout_engine("none")
        ax.set(position=(0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        ax.set_axis_off()
        fig.text(EDGE / WIDTH, 1 - 8 / height, title, va="top", fontsize=10, fontweight="bold")
        y = top
        for passage, found in zip(passages, laid_out, strict=True):
            _passage(ax, passage, found, y, EDGE + margin)
            y += _height(passage, found)
        _legend(ax, passages, height - 24, unit)
        if any(legible(str(s)) != str(s) for p in passages for s in (p.heading, p.label, *p.words)):
            excuse()
            ax.text(EDGE, height - 7, NO_GLYPH, va="center", fontsize=7)
    return fig


def markup(passage: Passage) -> html.Markup:
    """Return one text as HTML: the browser has the letters that a picture may lack; a sign stands at strong words.

    Parameters
    ----------
    passage
        The text.
    """
    strong = 0.25 * passage.end
    parts = [
        _span(word, float(value), passage, abs(value) >= strong)
        for word, value in zip(passage.words, passage.values, strict=True)
    ]
    spaced = [
        part
        for word, after in zip(parts, [*passage.words[1:], ""], strict=True)
        for part in (word, "" if _eastern(after) else " ")
    ]
    return html.tag("p", html.strong(passage.label, ": ") if passage.label else None, *spaced, class_="tokens",
                    style="line-height:2")  # fmt: skip


def _span(word: str, value: float, passage: Passage, strong: bool) -> html.Markup:
    ground, ink = _colours(value, passage)
    sign = ("+" if value > 0 else "\N{MINUS SIGN}") if strong else None
    drawn = f"background:{ground or 'none'};color:{ink};padding:.1em .15em;border-radius:2px"
    return html.tag("span", html.tag("sup", sign) if sign else None, word, style=drawn, title=f"{value:.3g}")


def _eastern(word: str) -> bool:
    return bool(word) and "\u3000" <= word[0] <= "\uffef"


def _colours(value: float, passage: Passage) -> tuple[str | None, str]:
    """Return the ground of a word and the colour of its letters."""
    if not np.isfinite(value) or abs(value) < FAINT * passage.end or not passage.signed:
        return None, INK
    ground = mpl.colormaps[SIGNED](0.5 + 0.5 * np.clip(value / passage.end, -1, 1))
    light = float(np.dot(ground[:3], [0.2126, 0.7152, 0.0722]))
    return mpl.colors.to_hex(ground), "white" if light < DARK else INK


@lru_cache(maxsize=20_000)
def _width(word: str, size: float = SIZE) -> float:
    font = FontProperties(family=FAMILIES, size=size)
    return _renderer().get_text_width_height_descent(word, font, ismath=False)[0] * 72 / DPI


@lru_cache(maxsize=1)
def _renderer() -> Any:
    return RendererAgg(1, 1, DPI)


Line = list[tuple[int, float, str]]  # which word, where it begins, what is written


def _lines(passage: Passage, room: float) -> list[Line]:
    """Break words into lines, words that are wider than a line into pieces."""
    lines: list[Line] = [[]]
    x = 0.0
    for i, word in enumerate(passage.words):
        for piece in _pieces(legible(str(word)), room):
            width = _width(piece) + 2
            if x and x + width > room:
                lines.append([])
                x = 0.0
            lines[-1].append((i, x, piece))
            x += width + (0.5 if _eastern(piece) else GAP)
    return lines


def _pieces(word: str, room: float) -> list[str]:
    if _width(word) <= room - 4:
        return [word]
    parts = word.split() if " " in word else [word[k : k + 20] for k in range(0, len(word), 20)]
    return [piece for part in parts for piece in _pieces(part, room)]


def _chosen(lines: list[Line], passage: Passage, most: int) -> list[tuple[Line, bool]]:
    """Return the lines that carry most, in order, and whether something before each was left out."""
    weights = np.abs(passage.values) if passage.weights is None else passage.weights
    carried = [float(np.nansum([weights[i] for i in {i for i, _, _ in line}])) for line in lines]
    kept = sorted(np.argsort(-np.array(carried), kind="stable")[:most])
    before = [-1, *kept[:-1]]
    return [(lines[at], at - last > 1) for at, last in zip(kept, before, strict=True)]


def _height(passage: Passage, found: list[Any]) -> float:
    return _heading_height(passage) + PITCH * len(found) + 8


def _heading(passage: Passage) -> str:
    return wrapped(legible(passage.heading), 90)


def _heading_height(passage: Passage) -> float:
    return 2 + 12.5 * (_heading(passage).count("\n") + 1) if passage.heading else 0.0


def _passage(ax: Any, passage: Passage, found: list[tuple[Line, bool]], y: float, left: float) -> None:
    ax.text(EDGE, y, _heading(passage), va="top", fontsize=8.5, fontweight="bold", linespacing=1.2)
    y += _heading_height(passage)
    ax.text(EDGE, y + PITCH / 2, legible(passage.label), va="center", fontsize=SIZE - 1)
    unsaid = _strongest(passage)
    for k, (line, skipped) in enumerate(found):
        middle = y + PITCH * (k + 0.5)
        if skipped:
            ax.text(left - 2, middle, LEFT_OUT, va="center", ha="right", fontsize=SIZE, color=PALE)
        for i, x, piece in line:
            _word(ax, piece, float(passage.values[i]), passage, left + x, middle)
        _numbers(ax, line, passage, left, middle, unsaid)


def _strongest(passage: Passage) -> set[int]:
    """Return the words whose values are printed."""
    values = np.nan_to_num(np.asarray(passage.values, dtype=float))
    return {int(i) for i in np.argsort(-np.abs(values), kind="stable")[:NUMBERED] if values[i]}


def _numbers(ax: Any, line: Line, passage: Passage, left: float, middle: float, unsaid: set[int]) -> None:
    """Print values beyond their bars, those that do not run into each other; a word in pieces has one at its first."""
    ends = {True: -np.inf, False: -np.inf}
    for i, x, piece in line:
        if i not in unsaid:
            continue
        unsaid.discard(i)
        value = float(passage.values[i])
        said, above = f"{value:.2g}".replace("-", "\N{MINUS SIGN}"), value > 0
        wide = _width(said, SMALL)
        at = left + max(x + (_width(piece) + 2) / 2, wide / 2)
        if at - wide / 2 > ends[above]:
            away = 8 + BAR * min(1.0, abs(value) / passage.end)
            ax.text(at, middle - away if above else middle + away, said, fontsize=SMALL,
                    ha="center", va="bottom" if above else "top")  # fmt: skip
            ends[above] = at + wide / 2 + 1


def _word(ax: Any, word: str, value: float, passage: Passage, x: float, y: float) -> None:
    ground, ink = _colours(value, passage)
    width = _width(word) + 2
    if ground:
        ax.add_patch(Rectangle((x, y - 7), width, 14, facecolor=ground, linewidth=0))
    ax.text(x + 1, y, word, va="center_baseline", fontsize=SIZE, color=ink)
    if np.isfinite(value) and abs(value) > 0.04 * passage.end:
        tall = BAR * min(1.0, abs(value) / passage.end)
        foot = y - 7 - tall if value > 0 else y + 7
        colour = INK if passage.signed else mpl.colormaps[STRENGTH](min(1.0, value / passage.end))
        ax.add_patch(Rectangle((x, foot), width, tall, facecolor=colour, linewidth=0))


def _legend(ax: Any, passages: Sequence[Passage], y: float, unit: str) -> None:
    """Draw the scale: one number at its ends where all texts share it, words where each has its own."""
    signed = any(p.signed for p in passages)
    shared = len({p.end for p in passages}) == 1
    end = f"{passages[0].end:.2g} {unit}".strip() if shared else "its own largest"
    strip = np.linspace(0, 1, 60)
    x0 = EDGE + _width(f"\N{MINUS SIGN}{end}", 8) + 4 if signed else EDGE + 10
    for k, at in enumerate(strip):
        ax.add_patch(
            Rectangle(
                (x0 + 1.5 * k, y),
                1.6,
                7,
                facecolor=mpl.colormaps[SIGNED if signed else STRENGTH](at),
                linewidth=0,
            )
        )
    ax.text(x0 - 3, y + 3.5, f"\N{MINUS SIGN}{end}" if signed else "0", ha="right", va="center", fontsize=8)
    ax.text(x0 + 94, y + 3.5, f"+{end}" if signed else end, va="center", fontsize=8)
    words = (
        "red, bar above: speaks for; blue, bar below: against"
        if signed
        else "the taller the bar, the more it counts"
    )
    ax.text(WIDTH - EDGE, y + 3.5, words, ha="right", va="center", fontsize=8)
