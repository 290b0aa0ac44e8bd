"""How an output changes along the columns of a table: curves in the data's own units, over where the rows are."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import CYCLE, INK, MARKERS, PALE, canvas, shortened, wrapped

PANELS, CLASSES, CROSSING = 6, 4, 0.1  # drawn at most; a larger share of rows' own shape is written down
Z = 1.959964  # of a 95 % interval


def curves(e: Any) -> Figure:
    """Draw partial dependence or accumulated local effects of the columns that move the output most.

    Of two classes the second is drawn, of more those that move most, each with a marker of its own. With one
    class a band shows the middle 80 % of single rows' curves, or of accumulated effects the 95 % interval.
    Ticks at the bottom are the deciles of the rows; below a category stands its share.
    """
    places = _places(e.settings["grid"])
    classes = _classes(e.values, places)
    moved = {name: np.ptp(e.values[classes][:, at], axis=1).max() for name, at in places.items()}
    shown = sorted(places, key=lambda name: -moved[name])[:PANELS]
    across = min(3, len(shown))
    down = -(-len(shown) // across)
    with canvas(down, across, (2.7 * across + 0.3, 2.15 * down + 0.75), squeeze=False, sharey=True) as (
        fig,
        axes,
    ):
        for ax, name in zip(axes.ravel(), shown, strict=False):
            _panel(ax, e, name, places[name], classes)
        for ax in axes.ravel()[len(shown) :]:
            ax.set_visible(False)
        for ax in axes[:, 0]:
            ax.set_ylabel(_unit(e), fontsize=8)
        left_out = f" ({len(shown)} of {len(places)} columns)" if len(shown) < len(places) else ""
        fig.suptitle(wrapped(_finding(e, shown[0], moved, classes) + left_out, 34 * across), x=0.01, ha="left", fontsize=10,
                     fontweight="bold")  # fmt: skip
        if len(classes) > 1:
            fig.legend(
                *axes[0, 0].get_legend_handles_labels(),
                loc="outside lower center",
                ncols=len(classes),
                fontsize=8,
            )
        else:
            fig.supxlabel(wrapped(_key(e), 48 * across), x=0.01, ha="left", fontsize=7)
    return fig


def _places(grid: dict[str, list[Any]]) -> dict[str, slice]:
    """Return where each column's points stand among all."""
    ends = np.cumsum([len(values) for values in grid.values()])
    return {name: slice(int(end) - len(grid[name]), int(end)) for name, end in zip(grid, ends, strict=True)}


def _classes(values: np.ndarray, places: dict[str, slice]) -> list[int]:
    """Return the classes that are drawn: of two the second, of more those that move most."""
    if len(values) < 3:
        return [len(values) - 1]
    moved = np.stack([np.ptp(values[:, at], axis=1) for at in places.values()]).max(0)
    return sorted(np.argsort(-moved, kind="stable")[:CLASSES].tolist())


def _named(e: Any, c: int) -> str:
    return shortened(e.class_names[c], 24) if len(e.class_names) == len(e.values) else f"class {c}"


def _unit(e: Any) -> str:
    output = str(e.settings["output"]).replace("_", " ")
    return f"change of the {output}" if e.method == "ale" else f"mean {output}"


def _finding(e: Any, first: str, moved: dict[str, float], classes: list[int]) -> str:
    of = f" of {_named(e, classes[0])}" if len(classes) == 1 and len(e.values) > 1 else ""
    output = str(e.settings["output"]).replace("_", " ")
    return f"{shortened(first, 40)} moves the {output}{of} most: by {moved[first]:.2g}"


def _key(e: Any) -> str:
    band = (
        "the middle 80 % of single rows, each shifted to the mean's level"
        if "low" in e.settings
        else "95 % intervals over rows"
    )
    return f"Line: all {e.settings['n_rows']} rows. Band or whiskers: {band}. Ticks: deciles of the rows."


def _panel(ax: Any, e: Any, name: str, at: slice, classes: list[int]) -> None:
    """Draw one column: a line over numbers, marks over categories."""
    values = e.settings["grid"][name]
    words = bool(values) and isinstance(values[0], str)
    x = np.arange(len(values)) if words else np.asarray(values, dtype=float)
    for k, c in enumerate(classes):
        if len(classes) == 1:
            _band(ax, x, *_ends(e, c, at), words)
        # Where marks are few each has one; a long line has some, so that it can still be told without colour.
        ax.plot(x, e.values[c, at], color=CYCLE[k], marker=MARKERS[k], markersize=4, linewidth=1.4, label=_named(e, c),
                linestyle="" if words else "-", markevery=max(1, len(x) // 6))  # fmt: skip
    (_categories if words else _numbers)(ax, e.settings["rug"][name], values)
    ax.set_title(_title(e, name, classes), fontsize=8)
    ax.tick_params(labelsize=7)


def _ends(e: Any, c: int, at: slice) -> tuple[np.ndarray, np.ndarray]:
    if "low" in e.settings:
        return e.settings["low"][c, at], e.settings["high"][c, at]
    reach = Z * e.settings["error"][c, at]
    return e.values[c, at] - reach, e.values[c, at] + reach


def _band(ax: Any, x: np.ndarray, low: np.ndarray, high: np.ndarray, words: bool) -> None:
    if words:
        ax.vlines(x, low, high, color=PALE, linewidth=3)
    else:
        ax.fill_between(x, low, high, color=PALE, alpha=0.35, linewidth=0)


def _numbers(ax: Any, deciles: list[float], values: list[float]) -> None:
    ax.plot(
        deciles,
        np.zeros(len(deciles)),
        "|",
        color=INK,
        markersize=7,
        transform=ax.get_xaxis_transform(),
        clip_on=False,
    )
    if len(values) > 1:
        ax.set_xlim(values[0], values[-1])
    ax.locator_params(axis="x", nbins=5)


def _categories(ax: Any, shares: list[float], values: list[str]) -> None:
    longest = max(map(len, values))
    turned = longest * len(values) > 24
    names = [
        f"{shortened(value, 16)}{' ' if turned else chr(10)}({share:.0%})"
        for value, share in zip(values, shares, strict=True)
    ]
    ax.set_xticks(range(len(values)), names, rotation=90 if turned else 0, fontsize=6.5)
    ax.set_xlim(-0.6, len(values) - 0.4)


def _title(e: Any, name: str, classes: list[int]) -> str:
    share = float(e.settings["interaction"][classes, list(e.settings["grid"]).index(name)].max())
    said = f"\nrows differ in shape: {share:.0%}" if share > CROSSING else ""
    return wrapped(shortened(name, 30), 30) + said
