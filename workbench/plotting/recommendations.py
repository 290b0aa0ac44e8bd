"""Methods held against nonsense on one axis: the gain of each with its interval, the best first."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import CYCLE, INK, PALE, canvas, shortened

LOOKS = {
    "recommended": ("D", CYCLE[0], CYCLE[0]),
    "tied with it": ("o", CYCLE[0], CYCLE[0]),
    "above the floor": ("o", CYCLE[0], "white"),
    "not above the floor": ("X", CYCLE[5], CYCLE[5]),
    "broken": ("X", PALE, PALE),
}  # standing -> marker, colour, face: the marker alone tells them apart


def draw(table: Any, best: str | None, unit: str) -> Figure:
    """Draw a line a method, with its stability and its cost at the right.

    Parameters
    ----------
    table
        Of a ``Recommendation``, the measured methods alone.
    best
        The method that is recommended, or None.
    unit
        Of the gains.
    """
    at = np.arange(len(table))[::-1]
    with canvas(size=(7.6, 0.27 * len(table) + 1.5)) as (fig, ax):
        ax.axvline(0, color=INK, linewidth=1)
        for standing, (marker, colour, face) in LOOKS.items():
            own = (table["standing"] == standing).to_numpy()
            if own.any():
                rows = table[own]
                spread = np.stack([rows["gain"] - rows["low"], rows["high"] - rows["gain"]])
                ax.errorbar(rows["gain"], at[own], xerr=np.nan_to_num(spread).clip(min=0), fmt=marker, color=colour,
                            markerfacecolor=face, capsize=2.5, markersize=6, elinewidth=1.2, label=standing)  # fmt: skip
        _beside(ax, at, table)
        ax.set(yticks=at, yticklabels=[shortened(name, 28) for name in table.index], ylim=(-0.7, len(table) - 0.3),
               xlabel=f"gain over the best nonsense, 95 % ({unit}; mean of deletion and insertion)")  # fmt: skip
        ax.xaxis.set_major_locator(MaxNLocator(6))
        ax.set_title(_title(table, best), pad=16)
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    return fig


def _beside(ax: Any, at: np.ndarray, table: Any) -> None:
    """Write the stability and the evaluations of each method at the right."""
    for x, name, column, spelt in (
        (1.02, "stability", "stability", "{:.2f}"),
        (1.15, "evaluations", "evaluations", "{:,.0f}"),
    ):
        ax.annotate(
            name, (x, 1.0), xycoords="axes fraction", fontsize=8, xytext=(0, 3), textcoords="offset points"
        )
        for place, value in zip(at, table[column], strict=True):
            told = "–" if np.isnan(value) else spelt.format(value)
            ax.annotate(told, (x, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    for place in at:
        ax.axhline(place, color=PALE, linewidth=0.4, zorder=0)


def _title(table: Any, best: str | None) -> str:
    if best is None:
        return "No method is above the best nonsense"
    tied = int((table["standing"] == "tied with it").sum())
    return f"{best} is {table.loc[best, 'gain']:.2f} above the best nonsense" + (f", tied with {tied} others" if tied > 1 else
           ", tied with another" if tied else "")  # fmt: skip
