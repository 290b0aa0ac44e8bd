"""Models side by side: how well they do, and whether they can be read."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from .canvas import CYCLE, INK, canvas, shortened


def beside(card: Any) -> Figure:
    """Draw each model's accuracy with its 95 % interval; square: a glass box, round: a black box; tools at the right."""
    names = list(card.columns)
    with canvas(size=(7.2, 1.4 + 0.45 * len(names))) as (fig, ax):
        for y, name in enumerate(names):
            row = card.advantages[name].rows[name]
            glass = card.columns[name]["transparency", "box"] == "glass box"
            spread = [[row["accuracy"] - row["low"]], [row["high"] - row["accuracy"]]]
            ax.errorbar(
                row["accuracy"],
                y,
                xerr=spread,
                fmt="s" if glass else "o",
                color=CYCLE[1 if glass else 0],
                markersize=8,
                capsize=4,
            )
            ax.text(
                1.01,
                y,
                card.columns[name]["tools that apply", "methods"],
                transform=ax.get_yaxis_transform(),
                va="center",
                fontsize=8,
                color=INK,
            )
        ax.set_yticks(range(len(names)), [shortened(name, 24) for name in names])
        ax.set_ylim(len(names) - 0.5, -0.5)
        ax.set_xlabel("accuracy on test rows, with its 95 % interval; at the right what can explain it")
        handles = [Line2D([], [], linestyle="", marker=mark, color=color, label=label)
                   for mark, color, label in (("s", CYCLE[1], "glass box"), ("o", CYCLE[0], "black box"))]  # fmt: skip
        fig.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=8)
    return fig
