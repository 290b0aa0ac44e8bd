"""A frontier as a picture: bytes against accuracy and against similarity, points by their number."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import CYCLE, INK, PALE, canvas


def trade(table: Any) -> Figure:
    """Draw every point by its bytes; filled and numbered are those that nothing dominates, named at the right.

    Parameters
    ----------
    table
        Of a ``Frontier``: ``point bytes accuracy similarity margin`` and ``not dominated``.
    """
    kept = table[table["not dominated"]].sort_values("bytes", kind="stable")
    numbers = {point: i + 1 for i, point in enumerate(kept["point"])}
    with canvas(1, 3, (9.6, 3.6), width_ratios=(1, 1, 0.75)) as (fig, axes):
        for ax, measure in zip(axes[:2], ("accuracy", "similarity"), strict=True):
            for _, row in table.iterrows():
                _point(ax, row["bytes"] / 1024, row[measure], numbers.get(row["point"]))
            ax.set(xlabel="file [KiB]", ylabel=measure)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            ax.margins(0.12, 0.12)
        axes[1].plot(
            table["bytes"] / 1024, table["margin"], "_", color=CYCLE[1], markersize=12, label="its margin"
        )
        axes[1].legend(fontsize=7, loc="best")
        axes[2].axis("off")
        key = "\n".join(f"{number}  {point}" for point, number in numbers.items())
        axes[2].text(0, 1, key, va="top", fontsize=8, color=INK, transform=axes[2].transAxes, linespacing=1.6)
        fig.suptitle(
            "Filled: no other point is as good everywhere and better somewhere",
            x=0.01,
            ha="left",
            fontsize=10,
        )
    return fig


def _point(ax: Any, x: float, y: float, number: int | None) -> None:
    if number is None:
        ax.plot(x, y, "o", color=PALE, markerfacecolor="white", markersize=6)
        return
    ax.plot(x, y, "o", color=CYCLE[0], markersize=6)
    ax.annotate(
        str(number), (x, y), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=8, color=INK
    )
