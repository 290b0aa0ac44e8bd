"""Explanations held against nonsense: scores beside their floors, and maps as layers lose what they learned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import CYCLE, INK, MARKERS, PALE, canvas


def floors(table: Any, metrics: Sequence[str] = ("deletion", "insertion")) -> Figure:
    """Draw each explanation's score with its interval, and the best floor that nonsense reaches on the same inputs.

    ``table`` has a row an explanation and metric: ``name metric mean low high floor direction``.
    """
    names = list(dict.fromkeys(table["name"]))[::-1]
    with canvas(
        1, len(metrics), (4.1 * len(metrics), 0.4 * len(names) + 1.35), sharey=True, squeeze=False
    ) as (fig, axes):
        for ax, metric in zip(axes[0], metrics, strict=True):
            _floored(ax, table[table["metric"] == metric].set_index("name").loc[names])
            ax.set_title(metric)
        axes[0, 0].set(yticks=range(len(names)), yticklabels=names, ylim=(-0.6, len(names) - 0.4))
        handles, labels = axes[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8)
    return fig


def _floored(ax: Any, rows: Any) -> None:
    at = np.arange(len(rows))
    spread = np.stack([rows["mean"] - rows["low"], rows["high"] - rows["mean"]]).clip(min=0)
    ax.plot(rows["floor"], at, "|", color=CYCLE[5], markersize=17, markeredgewidth=2.5, label="best nonsense")
    ax.errorbar(rows["mean"], at, xerr=spread, fmt="o", color=CYCLE[0], capsize=3, label="explanation, 95 %")
    arrow = "smaller is better" if rows["direction"].iloc[0].startswith("lower") else "larger is better"
    ax.set(xlabel=f"mean probability of the class ({arrow})", xlim=(0, 1))
    for place in at:
        ax.axhline(place, color=PALE, linewidth=0.5, zorder=0)


def cascade(layers: Sequence[str], similarities: dict[str, Sequence[float]]) -> Figure:
    """Draw how alike maps stay to the trained model's while layers are randomized, the last one first (Adebayo et al. 2018)."""
    steps = np.arange(len(layers) + 1)
    with canvas(size=(6.6, 3.1)) as (fig, ax):
        for i, (method, values) in enumerate(similarities.items()):
            ax.plot(steps, values, label=method.replace("_", " "), color=CYCLE[i], marker=MARKERS[i])
        ax.axhline(0, color=PALE, linewidth=0.8)
        ax.set(xticks=steps, xticklabels=["none", *[f"+ {layer}" for layer in layers]], ylim=(-0.4, 1.05),
               xlabel="randomized, from the last layer down", ylabel="cosine to the trained model's map")  # fmt: skip
        slowest = max(similarities, key=lambda method: similarities[method][-1])
        ax.set_title(f"{slowest.replace('_', ' ')} forgets least: {similarities[slowest][-1]:.2f} with nothing learned left",
                     color=INK)  # fmt: skip
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig
