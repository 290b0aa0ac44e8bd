"""Pictures of attributions: images beside their maps, tables as bars, weights as filters."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import INK, PALE, SIGNED, UNSIGNED, canvas


def draw(explanation: Any, limit: float | None = None) -> Figure:
    """Draw an explanation: images, a table's bars, or the filters of a layer.

    ``limit`` is the value at full colour; by default the largest absolute value. Pass one limit to several
    pictures that are to be compared.
    """
    if explanation.scope == "global":
        return filters(explanation.values, explanation.settings["layer"], limit)
    return images(explanation, limit) if explanation.map is not None else bars(explanation)


def images(explanation: Any, limit: float | None = None) -> Figure:
    """Draw each input in grey above its map; one colour scale for all maps."""
    maps, n = explanation.map, len(explanation)
    with canvas(2, n, (1.25 * n + 0.9, 3.1), squeeze=False) as (fig, axes):
        for column in range(n):
            picture(axes[0, column], explanation.inputs[column])
            drawn = attribution(axes[1, column], maps[column], limit or scale(maps), explanation.signed)
            axes[0, column].set_title(_named(explanation, column), fontsize=8, fontweight="normal")
        bar = fig.colorbar(drawn, ax=axes[1, :], shrink=0.9, pad=0.02)
        bar.set_label(explanation.settings["output"].replace("_", " "), fontsize=8)
        fig.suptitle(
            wrapped(f"{explanation.method}: {explanation.estimand}", 16 * n + 12),
            x=0.01,
            ha="left",
            fontsize=9,
        )
    return fig


def side_by_side(explanations: dict[str, Any], row: int = 0) -> Figure:
    """Draw one input by several methods; each map on a scale of its own, as their units differ."""
    n = len(explanations)
    columns = min(n + 1, 5)
    rows = -(-(n + 1) // columns)
    with canvas(rows, columns, (1.55 * columns, 1.85 * rows), squeeze=False) as (fig, axes):
        flat = axes.ravel()
        picture(flat[0], next(iter(explanations.values())).inputs[row])
        flat[0].set_title("the input", fontsize=8, fontweight="normal")
        for ax, (name, e) in zip(flat[1:], explanations.items(), strict=False):
            attribution(ax, e.map[row], scale(e.map[row]), e.signed)
            flagged = " (!)" if set(e.flags) - {"shared draws"} else ""
            ax.set_title(name.replace("_", " ") + flagged, fontsize=8, fontweight="normal")
        for ax in flat[n + 1 :]:
            ax.set_visible(False)
    return fig


def bars(explanation: Any, k: int = 10) -> Figure:
    """Draw the largest values of each row of a table as bars."""
    n = len(explanation)
    with canvas(1, n, (3.2 * n, 0.25 * k + 0.9), squeeze=False) as (fig, axes):
        for row, ax in enumerate(axes[0]):
            top = explanation.top(k, row).iloc[::-1]
            ax.barh(top["feature"], top["value"], color=np.where(top["value"] < 0, "#2166ac", "#b2182b"))
            ax.axvline(0, color=PALE, linewidth=0.8)
            ax.set_title(_named(explanation, row), fontsize=8, fontweight="normal")
            ax.set_xlabel(explanation.settings["output"].replace("_", " "))
    return fig


def filters(values: np.ndarray, layer: str, limit: float | None = None) -> Figure:
    """Draw a layer's weights: filters as small pictures, a matrix as one."""
    limit = limit or scale(values)
    if values.ndim != 4:
        with canvas(size=(6, 3)) as (fig, ax):
            drawn = ax.imshow(
                values.reshape(len(values), -1), cmap=SIGNED, vmin=-limit, vmax=limit, aspect="auto"
            )
            ax.set(xlabel="input", ylabel="unit", title=f"Weights of {layer}")
            fig.colorbar(drawn, ax=ax, label="weight")
        return fig
    shown = values[:40].mean(1)
    columns = min(10, len(shown))
    with canvas(-(-len(shown) // columns), columns, (0.75 * columns, 0.8 * -(-len(shown) // columns)), squeeze=False) as (fig, axes):  # fmt: skip
        for i, ax in enumerate(axes.ravel()):
            ax.set_visible(i < len(shown))
            if i < len(shown):
                attribution(ax, shown[i], limit, signed=True)
        fig.suptitle(
            f"Weights of {layer}: {len(shown)} of {len(values)} filters, red positive",
            fontsize=9,
            x=0.01,
            ha="left",
        )
    return fig


def picture(ax: Any, image: np.ndarray) -> None:
    """Draw an input ``(channel, row, column)`` in grey, dark on light."""
    ax.imshow(image.mean(0), cmap="gray_r", vmin=0, vmax=1)
    _bare(ax)


def attribution(ax: Any, values: np.ndarray, limit: float, signed: bool) -> Any:
    """Draw a map ``(row, column)``: symmetric about zero if signed, from zero up if not."""
    drawn = ax.imshow(values, cmap=SIGNED if signed else UNSIGNED, vmin=-limit if signed else 0, vmax=limit)
    _bare(ax)
    return drawn


def scale(values: np.ndarray) -> float:
    """Return the largest absolute value, or 1 where all are zero."""
    return float(np.nanmax(np.abs(values))) or 1.0


def wrapped(text: str, width: int) -> str:
    """Return a title broken into lines of at most so many letters."""
    return "\n".join(textwrap.wrap(text, width))


def _bare(ax: Any) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set(visible=True, color=INK, linewidth=0.4)


def _named(explanation: Any, row: int) -> str:
    target = int(explanation.target[row])
    name = explanation.class_names[target] if explanation.class_names else str(target)
    return f"why {name}?"
