"""Two explanations of the same rows on one scale: a model before and after, say, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import BadInput
from . import tables, tokens
from .attributions import attribution, named, picture, unit
from .canvas import CYCLE, MARKERS, canvas, scale, shortened, wrapped

LABELS = ("before", "after")


def check(one: Any, other: Any) -> None:
    """Refuse a pair that has no common scale, or explains other rows."""
    if "global" in (one.scope, other.scope):
        raise BadInput("An explanation of a whole model was to be drawn beside another", "explanations of rows",
                       "Draw them one by one, with one limit=")  # fmt: skip
    for name in ("method", "signed", "kind"):
        if getattr(one, name) != getattr(other, name):
            raise BadInput(f"{name} is {getattr(one, name)!r} here and {getattr(other, name)!r} there",
                           f"the same {name}: other values have another unit", "Explain both alike")  # fmt: skip
    if one.settings["output"] != other.settings["output"]:
        raise BadInput(f"One explains the {one.settings['output']}, the other the {other.settings['output']}",
                       "the same output", "Explain both alike")  # fmt: skip
    if one.values.shape != other.values.shape or not np.array_equal(one.inputs, other.inputs):
        raise BadInput(f"The two explain other rows, or have values of other shapes ({one.values.shape} and {other.values.shape})",
                       "the same rows", "Explain the same inputs with both models")  # fmt: skip


def draw(one: Any, other: Any, *, labels: Sequence[str] = LABELS, limit: float | None = None) -> Figure:
    """Draw two explanations of the same rows on one scale.

    Parameters
    ----------
    one, other
        Made by one method, of one output.
    labels
        What the two are called.
    limit
        The value at full colour; by default the largest absolute value of both.
    """
    if len(labels) != 2:
        raise BadInput(f"labels has {len(labels)} names", "two", "Name both, in their order")
    title = _title(one, other, labels)
    if one.kind == "text" and one.labels is not None:
        return _texts(one, other, labels, limit, title)
    if one.map is not None:
        return _images(one, other, labels, limit, title)
    return _tables(one, other, labels, limit, title)


def _title(one: Any, other: Any, labels: Sequence[str]) -> str:
    names = [shortened(label, 24) for label in labels]
    doubts = [
        f"{name}{tables.doubt(e)}" for name, e in zip(names, (one, other), strict=True) if tables.doubt(e)
    ]
    doubted = f" ({', '.join(doubts)})" if doubts else ""
    return f"{one.method.replace('_', ' ')}, {names[0]} and {names[1]} on one scale: {likeness(one, other)}{doubted}"


def likeness(one: Any, other: Any) -> str:
    """Return the finding: the mean cosine of the rows of both; rows without any value are left out."""
    a, b = (np.nan_to_num(e.values.reshape(len(e), -1)).astype(float) for e in (one, other))
    sizes = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    if not sizes.any():
        return "nothing to compare"
    return f"mean cosine {np.mean((a * b).sum(1)[sizes > 0] / sizes[sizes > 0]):.2f}"


def _asked(one: Any, other: Any, row: int) -> str:
    """Return the question of a row; both, where the two models were asked about other classes."""
    first, second = named(one, row), named(other, row)
    return first if one.target[row] == other.target[row] else f"{first} / {second}"


def _images(one: Any, other: Any, labels: Sequence[str], limit: float | None, title: str) -> Figure:
    n, end = len(one), limit or max(scale(one.map), scale(other.map))
    across = n == 1  # A single input's three pictures stand side by side.
    title = wrapped(title, 80 if across else 16 * n + 16)
    size = (6.2, 2.5) if across else (1.25 * n + 1.2, 4.25 + 0.16 * title.count("\n"))
    with canvas(*(1, 3) if across else (3, n), size, squeeze=False) as (fig, axes):
        axes = axes.T if across else axes
        for column in range(n):
            picture(axes[0, column], one.inputs[column])
            axes[0, column].set_title(
                wrapped(_asked(one, other, column), 17), fontsize=8, fontweight="normal"
            )
            for line, e in enumerate((one, other)):
                drawn = attribution(axes[1 + line, column], e.map[column], end, e.signed)
        for ax, name in zip(axes[:, 0], ("the input", *labels), strict=True):
            (ax.set_xlabel if across else ax.set_ylabel)(shortened(name, 18), fontsize=8)
        bar = fig.colorbar(
            drawn, ax=axes, shrink=0.8 if across else 0.5, anchor=(0, 0.02), pad=0.02, aspect=12
        )
        bar.set_label(unit(one), fontsize=8)
        fig.suptitle(title, x=0.01, ha="left", fontsize=9)
    return fig


def _texts(one: Any, other: Any, labels: Sequence[str], limit: float | None, title: str) -> Figure:
    passages = []
    both = [[tokens.said(e, row) for e in (one, other)] for row in range(len(one))]
    end = limit or max(scale(values) for pair in both for _, values in pair)
    for row, pair in enumerate(both):
        weights = np.sum([np.abs(values) for _, values in pair], axis=0)
        for label, (words, values) in zip(labels, pair, strict=True):
            above = _asked(one, other, row) if label == labels[0] else ""
            passages.append(
                tokens.Passage(words, values, above, shortened(label, 18), end, one.signed, weights)
            )
    return tokens.running(passages, title, unit=one.settings["output"].replace("_", " "), lines=4)


def _tables(
    one: Any, other: Any, labels: Sequence[str], limit: float | None, title: str, k: int = 10
) -> Figure:
    n, across = len(one), min(len(one), 2)
    a, b = (e.values.reshape(n, -1) for e in (one, other))
    end, down = limit or max(scale(a), scale(b)), -(-n // across)
    tall = 0.24 * min(k, a.shape[1]) + 0.75
    title = wrapped(title, 46 * across)
    size = (tables.WIDE * across + 0.4, tall * down + 0.5 + 0.15 * title.count("\n"))
    with canvas(down, across, size, squeeze=False) as (fig, axes):
        for row, ax in enumerate(axes.ravel()):
            ax.set_visible(row < n)
            if row < n:
                order = np.argsort(
                    -np.maximum(*(np.abs(np.nan_to_num(e[row])) for e in (a, b))), kind="stable"
                )[:k]
                names = tables.cells(one, row)
                tables.versus(ax, dict(zip(labels, (a[row][order], b[row][order]), strict=True)), [names[i] for i in order],
                              end, {labels[1]: (MARKERS[3], CYCLE[0])})  # fmt: skip
                ax.set_title(wrapped(_asked(one, other, row), 22), fontsize=9)
                ax.set_xlabel(one.settings["output"].replace("_", " "), fontsize=8)
        tables.legend(fig, axes[0, 0], labels)
        fig.suptitle(title, x=0.01, ha="left", fontsize=9)
    return fig
