"""What compression costs and gains: bytes, milliseconds and accuracy, with what nothing at all would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import CYCLE, INK, MARKERS, PALE, canvas

MARGIN = 1.0  # point of accuracy


def trade(table: Any, controls: Sequence[str]) -> Figure:
    """Draw a line a model: file, time and accuracy, the original first, controls in another colour.

    Parameters
    ----------
    table
        A row a model, by name: ``bytes``, ``ms_batch``, and ``accuracy low high`` as fractions.
    controls
        The names of those from which nothing was removed.
    """
    at = np.arange(len(table))[::-1]
    colours = [CYCLE[2] if name in controls else CYCLE[0] for name in table.index]
    with canvas(1, 3, (8.4, 0.42 * len(table) + 1.15), sharey=True) as (fig, (size, time, correct)):
        _bars(size, at, table["bytes"] / 1000, colours, "file [kB]", "{:,.0f}")
        _bars(time, at, table["ms_batch"], colours, "batch of 64, one thread [ms]", "{:.2f}")
        _accuracies(correct, at, table[["accuracy", "low", "high"]].to_numpy(), colours)
        size.set(yticks=at, yticklabels=list(table.index))
        for ax, question in zip((size, time, correct), ("Smaller?", "Faster?", "Still right?"), strict=True):
            ax.set_title(question)
    return fig


def _bars(ax: Any, at: np.ndarray, values: Any, colours: list[str], label: str, spelt: str) -> None:
    ax.barh(at, values, color=colours, height=0.62)
    for place, value in zip(at, values, strict=True):
        ax.annotate(
            spelt.format(value),
            (value, place),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    ax.set(xlabel=label, xlim=(0, 1.25 * max(values)))


def _accuracies(ax: Any, at: np.ndarray, right: Sequence[Any], colours: list[str]) -> None:
    start = 100 * right[0][0]
    ax.axvspan(start - MARGIN, start, color=PALE, alpha=0.25, linewidth=0)
    for place, interval, colour in zip(at, right, colours, strict=True):
        value, low, high = (100 * one for one in interval)
        spread = [[value - low], [high - value]]
        ax.errorbar(
            value, place, xerr=spread, fmt="o" if colour == CYCLE[0] else "s", color=colour, capsize=3
        )
    ax.set(xlabel="accuracy [%], 95 %; grey: 1 point")


def sensitivity(amounts: Sequence[float], accuracies: dict[str, Sequence[float]], original: float) -> Figure:
    """Draw accuracy against the share that was removed from one layer alone, a line a layer."""
    with canvas(size=(6.4, 3.1)) as (fig, ax):
        ax.axhspan(100 * original - MARGIN, 100 * original, color=PALE, alpha=0.3, linewidth=0)
        for i, (layer, values) in enumerate(accuracies.items()):
            ax.plot(100 * np.array(amounts), 100 * np.array(values), label=layer, color=CYCLE[i % len(CYCLE)],
                    marker=MARKERS[i % len(MARKERS)])  # fmt: skip
        lowest = min(accuracies, key=lambda layer: min(accuracies[layer]))
        ax.set(
            xlabel="share removed from this layer alone [%]",
            ylabel="accuracy [%]",
            title=f"{lowest} loses most",
        )
        ax.legend(title="layer", loc="center left", bbox_to_anchor=(1.0, 0.5))
        ax.annotate("within 1 point", (100 * amounts[0], 100 * original), xytext=(0, 3), textcoords="offset points",
                    fontsize=8, color=INK)  # fmt: skip
    return fig


def distributions(weights: dict[str, np.ndarray], notes: Sequence[str]) -> Figure:
    """Draw histograms of several versions of the same weights, with a note under each name."""
    end = float(np.abs(next(iter(weights.values()))).max())
    edges = np.linspace(-end, end, 62)
    with canvas(1, len(weights), (2.75 * len(weights), 2.5), sharey=True, squeeze=False) as (fig, axes):
        for i, (ax, (name, values), note) in enumerate(zip(axes[0], weights.items(), notes, strict=True)):
            ax.hist(values.ravel(), edges, color=CYCLE[i])
            ax.set_title(f"{name}\n", fontsize=9)
            ax.annotate(note, (0, 1.02), xycoords="axes fraction", fontsize=8)
            ax.set(xlabel="weight", yscale="log")
            ax.xaxis.set_major_locator(MaxNLocator(3))
            ax.yaxis.set_major_formatter("{x:,.0f}")
        axes[0, 0].set_ylabel("how many")
    return fig
