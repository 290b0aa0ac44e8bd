"""Rows of small pictures: inputs, signed weights, unsigned maps, all on one colour scale."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from . import tables, tokens
from .attributions import attribution, named, picture, scale
from .canvas import canvas

KINDS = ("signed", "unsigned", "input")
WIDEST = 10  # pictures a line


def gallery(maps: Any, names: Sequence[str], title: str, *, kind: str | Sequence[str] = "signed", label: str = "",
            limits: Sequence[float] | None = None) -> Figure:  # fmt: skip
    """Draw maps ``(n, row, column)`` beside each other with their names, under a title that says what is seen.

    Parameters
    ----------
    maps
        ``(n, row, column)``; a list of units ``(n, unit)`` is laid out as squares; inputs may have channels.
    names
        One a map.
    title
        The finding.
    kind
        "signed" (red positive, blue negative), "unsigned" (from zero up) or "input" (grey, or the colours
        of three channels); one a map or for all.
    label
        What the colours mean, with its unit; without it no colour bar is drawn.
    limits
        The value at full colour, one a map, where units differ; by default one for all.
    """
    maps = [square(one) for one in maps]
    shared = scale(np.concatenate([one.ravel() for one in maps]))
    ends = list(limits) if limits is not None else [shared] * len(maps)
    kinds = [kind] * len(maps) if isinstance(kind, str) else list(kind)
    columns = min(WIDEST, len(maps))
    rows = -(-len(maps) // columns)
    side = min(1.7, 8.2 / columns)
    lines = max(name.count("\n") for name in names) + 1
    size = (max(4.2, side * columns) + 0.6 * bool(label), (0.93 * side + 0.15 * lines) * rows + 0.3)
    with canvas(rows, columns, size, squeeze=False) as (fig, axes):
        for ax, one, name, end, drawn_as in zip(axes.ravel(), maps, names, ends, kinds, strict=False):
            drawn = _drawn(ax, one, end, drawn_as)
            ax.set_title(name, fontsize=8, fontweight="normal", loc="center", pad=3)
        for ax in axes.ravel()[len(maps) :]:
            ax.set_visible(False)
        if label:
            fig.colorbar(drawn, ax=axes, shrink=0.9, pad=0.015, aspect=14).set_label(label, fontsize=8)
        fig.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def _drawn(ax: Any, values: np.ndarray, limit: float, kind: str) -> Any:
    if kind == "input":
        return picture(ax, values if values.ndim == 3 else values[None])
    return attribution(ax, values, limit, signed=kind == "signed")


def square(values: np.ndarray) -> np.ndarray:
    """Lay units ``(unit,)`` out as a square, the rest of the last line empty; pictures stay as they are."""
    values = np.asarray(values, dtype=float)
    if values.ndim in (2, 3):
        return values
    side = int(np.ceil(np.sqrt(values.size)))
    laid_out = np.full(side * side, np.nan)
    laid_out[: values.size] = values.ravel()
    return laid_out.reshape(side, side)


def pairs(explained: dict[str, Sequence[Any]], labels: Sequence[str], title: str, row: int = 0) -> Figure:
    """Draw explanations of one input in columns by name and lines by label, a colour scale a column.

    Parameters
    ----------
    explained
        Name of the column to one explanation a line; the scale is that of the first.
    labels
        One a line: the models, say.
    title
        The finding.
    row
        Which of the explained inputs is drawn.
    """
    first = next(iter(explained.values()))[0]
    if first.map is None:
        kind = getattr(first, "kind", "table")
        return (
            _texts(explained, labels, title, row)
            if kind == "text"
            else tables.pairs(explained, labels, title, row)
        )
    n, lines = len(explained) + 1, len(labels)
    title = textwrap.fill(title, 19 * n)
    image = first.inputs[row]
    with canvas(
        lines, n, (1.55 * n + 0.25, 1.5 * lines + 0.35 + 0.16 * title.count("\n")), squeeze=False
    ) as (fig, axes):
        for line, label in enumerate(labels):
            picture(axes[line, 0], image)
            axes[line, 0].set_ylabel(label, fontsize=8)
            for ax, (name, versions) in zip(axes[line, 1:], explained.items(), strict=True):
                first, here = versions[0], versions[line]
                attribution(ax, here.map[row], scale(first.map[row]), first.signed)
                if line == 0:
                    ax.set_title(name.replace("_", " "), fontsize=8, fontweight="normal", loc="center")
        axes[0, 0].set_title("the input", fontsize=8, fontweight="normal", loc="center")
        fig.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def _texts(explained: dict[str, Sequence[Any]], labels: Sequence[str], title: str, row: int) -> Figure:
    """Draw one text in colour, a line a model, method by method; the scale is that of the method's first model."""
    passages = []
    for name, versions in explained.items():
        said = [tokens.said(e, row) for e in versions]
        weights = np.sum([np.abs(values) for _, values in said], axis=0)
        for label, (words, values), e in zip(labels, said, versions, strict=True):
            above = f"{name.replace('_', ' ')}: {named(e, row)}" if e is versions[0] else ""
            passages.append(tokens.Passage(words, values, above, label, scale(said[0][1]), e.signed, weights))
    return tokens.running(passages, title, lines=3)
