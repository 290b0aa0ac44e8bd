"""Inputs beside the examples that a model holds for most like them, with how near they are and their class."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from . import tables
from .attributions import picture
from .canvas import INK, PALE, canvas, shortened, wrapped

COLUMNS, NEAREST, CELL = 12, 5, 13  # of a table; examples beside an input; letters of a cell


def beside(e: Any) -> Figure:
    """Draw each input beside its nearest examples: pictures, columns of a table (bold where they differ), or texts.

    A thick frame, or a star, marks an example of another class than the one that is explained.
    """
    if np.ndim(e.inputs) == 4:
        return _pictures(e)
    return _texts(e) if e.tokens is not None else _columns(e)


def _pictures(e: Any) -> Figure:
    n, k = len(e), min(e.values.shape[1], NEAREST)
    with canvas(n, k + 1, (1.25 * (k + 1), 1.5 * n + 0.65), squeeze=False) as (fig, axes):
        for row in range(n):
            picture(axes[row, 0], e.inputs[row])
            axes[row, 0].set_title(f"input:\n{_class(e, e.target[row])}?", fontsize=7, fontweight="bold")
            for j in range(k):
                ax = axes[row, j + 1]
                picture(ax, e.settings["examples"][e.settings["places"][row][j]])
                ax.set_title(_caption(e, row, j), fontsize=7, fontweight="normal")
                if _other(e, row, j):
                    for side in ax.spines.values():
                        side.set(linewidth=2.5, color=INK)
        fig.suptitle(wrapped(_finding(e), 16 * (k + 1)), x=0.01, ha="left", fontsize=9, fontweight="bold")
        fig.supxlabel(wrapped(_key(e, "thick frame"), 22 * (k + 1)), x=0.01, ha="left", fontsize=7)
    return fig


def _columns(e: Any) -> Figure:
    """Draw rows of a table as columns of cells."""
    k, names = min(e.values.shape[1], NEAREST), _column_names(e)
    shown = min(len(names), COLUMNS)
    width = 1.35 * (k + 1) + 1.7
    with canvas(len(e), 1, (width, len(e) * (0.19 * shown + 0.62) + 0.6), squeeze=False) as (fig, axes):
        for row, ax in enumerate(axes[:, 0]):
            sides = [
                _cells(e, e.inputs[row]),
                *(_cells(e, e.settings["examples"][p]) for p in e.settings["places"][row][:k]),
            ]
            heads = [f"input: {_class(e, e.target[row])}?", *(_caption(e, row, j) for j in range(k))]
            _lay_out(ax, names[:shown], heads, [side[:shown] for side in sides])
        left_out = f" ({shown} of {len(names)} columns)" if shown < len(names) else ""
        fig.suptitle(
            wrapped(_finding(e) + left_out, int(13 * width)), x=0.01, ha="left", fontsize=9, fontweight="bold"
        )
        fig.supxlabel(
            wrapped(_key(e, "*") + " Bold: differs from the input.", int(17 * width)),
            x=0.01,
            ha="left",
            fontsize=7,
        )
    return fig


def _lay_out(ax: Any, names: list[str], heads: list[str], sides: list[list[str]]) -> None:
    ax.set(xlim=(0, len(sides) + 1.2), ylim=(len(names) + 0.2, -1.9))
    ax.set_axis_off()
    for j, (head, cells) in enumerate(zip(heads, sides, strict=True)):
        x = 1.3 + j
        ax.text(x, -0.75, head, fontsize=7, fontweight="bold" if j == 0 else "normal", va="bottom")
        for line, cell in enumerate(cells):
            differs = j > 0 and cell != sides[0][line]
            ax.text(
                x,
                line,
                shortened(cell, CELL),
                fontsize=7,
                va="center",
                fontweight="bold" if differs else "normal",
            )
    for line, name in enumerate(names):
        ax.text(0, line, shortened(name, 24), fontsize=7, va="center")
    ax.axhline(-0.6, color=PALE, linewidth=0.8)


def _column_names(e: Any) -> list[str]:
    if e.codec is not None:
        return list(e.codec.names)
    return [f"feature {i}" for i in range(np.asarray(e.inputs[0]).size)]


def _cells(e: Any, x: np.ndarray) -> list[str]:
    return (
        list(e.codec.words(x[None])[0]) if e.codec is not None else [f"{value:.4g}" for value in np.ravel(x)]
    )


def _texts(e: Any) -> Figure:
    rows = []
    for row in range(len(e)):
        rows.append((f"input: {_class(e, e.target[row])}?", _text(e, e.inputs[row])))
        for j, place in enumerate(e.settings["places"][row][:NEAREST]):
            rows.append(
                (f"   {_caption(e, row, j)}".replace("\n", " "), _text(e, e.settings["examples"][place]))
            )
    return tables.listing(rows, f"{_finding(e)} {_key(e, '*').replace('Below', 'Behind')}")


def _text(e: Any, x: np.ndarray) -> str:
    words = zip(e.codec.words(x[None])[0], x, strict=True)
    return " ".join(word for word, number in words if word and number not in e.codec.kept)


def _class(e: Any, c: int) -> str:
    return shortened(e.class_names[int(c)], 16) if len(e.class_names) > int(c) else f"class {int(c)}"


def _other(e: Any, row: int, j: int) -> bool:
    return int(e.settings["neighbour_classes"][row][j]) != int(e.target[row])


def _caption(e: Any, row: int, j: int) -> str:
    value = e.values[row, j] if e.settings["metric"] == "cosine" else -e.values[row, j]
    star = " *" if _other(e, row, j) else ""
    return f"{_class(e, e.settings['neighbour_classes'][row][j])}{star}\n{value:.4g}"


def _finding(e: Any) -> str:
    share = float(np.mean(e.settings["agreement"]))
    return f"{share:.0%} of the {e.values.shape[1]} nearest examples have the class that is explained."


def _key(e: Any, mark: str) -> str:
    measure = "cosine" if e.settings["metric"] == "cosine" else "distance"
    return f"Below a class: the {measure} in the model's space ({e.settings['space']}). {mark.capitalize()}: another class."
