"""Tables whose columns carry numbers: signed bars, with the cell's value beside the column's name.

Red bars to the right speak for the class, blue ones to the left against it: direction and hatching say the
same as colour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import (
    AGAINST,
    CYCLE,
    FOR,
    INK,
    MARKERS,
    NO_GLYPH,
    PALE,
    canvas,
    excuse,
    legible,
    scale,
    shortened,
    wrapped,
)

NAME, CELL = 30, 14  # letters of a column's name and of a cell that are shown
WIDE = 3.6  # inches of a panel


def cells(explanation: Any, row: int) -> list[str]:
    """Return what stands at each feature of a row: ``duration = 24``; the name alone where that is not known."""
    names = [str(name) for name in explanation.feature_names] or _numbered(explanation.values.shape[1:])
    labels = explanation.labels[row] if explanation.labels is not None else ()
    if len(labels) != len(names):
        inputs = np.asarray(explanation.inputs[row]).ravel()
        labels = [f"{value:.4g}" for value in inputs] if len(inputs) == len(names) else [""] * len(names)
    return [cell(name, label) for name, label in zip(names, labels, strict=True)]


def cell(name: str, label: str) -> str:
    """Return a column's name with what stands in it, both shortened."""
    return (
        f"{shortened(name, NAME)} = {shortened(label, CELL)}" if str(label) else shortened(name, NAME + CELL)
    )


def bars(explanation: Any, k: int = 10, limit: float | None = None) -> Figure:
    """Draw the largest values of each row as bars, all rows on one scale; what is left is summed up.

    Parameters
    ----------
    explanation
        Of rows of a table.
    k
        Columns that are drawn, those with the largest absolute values.
    limit
        The end of the axis; by default the largest absolute value of all rows.
    """
    n, size = len(explanation), int(np.prod(explanation.values.shape[1:]))
    across = min(n, 2)
    tall = 0.2 * (min(k, size) + (size > k)) + 0.75
    values = explanation.values.reshape(n, size)
    title = wrapped(titled(explanation), 54 * across)
    asked = [wrapped(_named(explanation, row), 20) for row in range(n)]
    tall += 0.15 * max(one.count("\n") for one in asked)
    down, above = -(-n // across), 0.2 + 0.15 * title.count("\n")
    with canvas(down, across, (WIDE * across + 0.4, tall * down + above), squeeze=False) as (fig, axes):
        end = limit or scale(_drawn(values, k))
        for row, ax in enumerate(axes.ravel()):
            ax.set_visible(row < n)
            if row < n:
                _signed(ax, *top(values[row], cells(explanation, row), k), end, explanation.signed)
                ax.set_title(asked[row], fontsize=9)
                ax.set_xlabel(
                    str(explanation.settings.get("unit", explanation.settings["output"])).replace("_", " "),
                    fontsize=8,
                )
        fig.suptitle(title, x=0.01, ha="left", fontsize=9)
    return fig


def doubt(explanation: Any) -> str:
    """Return the mark of a result that is not sound, as it stands behind a name: ``[!]`` or ``[x]``."""
    return "" if explanation.soundness == "sound" else f" {explanation.mark}"


def titled(explanation: Any) -> str:
    """Return method and estimand, and why the result is not sound, if it is not."""
    why = (
        ""
        if explanation.soundness == "sound"
        else f" {explanation.soundness}: {', '.join(explanation.deciding)}"
    )
    return f"{explanation.method}: {explanation.estimand}{doubt(explanation)}{why}"


def top(values: np.ndarray, names: Sequence[str], k: int) -> tuple[np.ndarray, list[str]]:
    """Return the ``k`` values of largest size with their names, and the sum of all others behind them."""
    order = np.argsort(-np.abs(np.nan_to_num(values)), kind="stable")
    first, rest = order[:k], order[k:]
    shown, said = values[first], [names[i] for i in first]
    if not len(rest):
        return shown, said
    others = f"the other {len(rest)}" if len(rest) > 1 else names[rest[0]]
    return np.append(shown, np.nansum(values[rest])), [*said, others]


def side_by_side(explanations: Mapping[str, Any], row: int = 0, k: int = 10) -> Figure:
    """Draw one row by several methods: the same columns in the same order, each method on a scale of its own.

    Parameters
    ----------
    explanations
        A name to an explanation.
    row
        Which of the explained rows is drawn.
    k
        Columns that are drawn: those that matter most on average over methods.
    """
    first = next(iter(explanations.values()))
    names, order = cells(first, row), _order([e.values[row] for e in explanations.values()], k)
    across = min(len(explanations), 4)
    down = -(-len(explanations) // across)
    size = (2.4 + 1.45 * across, (0.2 * len(order) + 0.75) * down)
    with canvas(down, across, size, squeeze=False, sharey=True) as (fig, axes):
        for ax, (name, e) in zip(axes.ravel(), explanations.items(), strict=False):
            _signed(ax, e.values[row][order], [names[i] for i in order], scale(e.values[row]), e.signed)
            ax.set_title(wrapped(name.replace("_", " ") + doubt(e), 20), fontsize=8, fontweight="normal")
            ax.set_xlabel(str(e.settings.get("unit", e.settings["output"])).replace("_", " "), fontsize=7)
        for ax in axes.ravel()[len(explanations) :]:
            ax.set_visible(False)
        fig.suptitle(_named(first, row), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def pairs(
    explained: Mapping[str, Sequence[Any]], labels: Sequence[str], title: str, row: int = 0, k: int = 8
) -> Figure:
    """Draw explanations of one row by several models: a panel a method, the first model as bars, others as marks.

    Parameters
    ----------
    explained
        A name to one explanation a label.
    labels
        The models.
    title
        The finding.
    row
        Which of the explained rows is drawn.
    k
        Columns that are drawn, in the order of the first model of the first method.
    """
    first = next(iter(explained.values()))[0]
    names = cells(first, row)
    order = _order([versions[0].values[row] for versions in explained.values()], k)
    n = len(explained)
    with canvas(1, n, (2.3 + 2.1 * n, 0.26 * len(order) + 1.35), squeeze=False, sharey=True) as (fig, axes):
        for ax, (name, versions) in zip(axes[0], explained.items(), strict=True):
            versus(
                ax,
                {label: e.values[row][order] for label, e in zip(labels, versions, strict=True)},
                [names[i] for i in order],
            )
            ax.set_title(name.replace("_", " "), fontsize=9, fontweight="normal")
        legend(fig, axes[0, 0], labels)
        fig.suptitle(wrapped(title, 26 + 22 * n), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def versus(ax: Any, series: Mapping[str, np.ndarray], names: Sequence[str], limit: float | None = None,
           marks: Mapping[str, tuple[str, str]] | None = None) -> None:  # fmt: skip
    """Draw one list of values as pale bars and others as marks on them, the first column on top.

    ``marks`` gives marker and colour by name, where they are not the next ones of the cycle.
    """
    at = np.arange(len(names))[::-1]
    for i, (label, values) in enumerate(series.items()):
        if i == 0:
            ax.barh(at, values, color=PALE, alpha=0.7, height=0.7, label=label)
        else:
            marker, colour = (marks or {}).get(label) or (MARKERS[(i - 1) % 7], CYCLE[(i - 1) % 7])
            ax.plot(values, at, marker, color=colour, markersize=5, label=label, linestyle="")
    end = 1.08 * (limit or max(scale(values) for values in series.values()))
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set(yticks=at, yticklabels=list(names), xlim=(-end, end), ylim=(-0.7, len(names) - 0.3))
    _small_ticks(ax)


def legend(fig: Figure, ax: Any, labels: Sequence[str]) -> None:
    """Name under a figure what :func:`versus` drew, in order."""
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    fig.legend([handles[name] for name in labels], [shortened(name, 24) for name in labels], loc="outside lower right",
               ncols=len(labels), fontsize=8)  # fmt: skip


def importances(values: np.ndarray, names: Sequence[str], errors: np.ndarray | None = None, title: str | None = None,
                *, k: int = 15, label: str = "importance", line: tuple[float, str] | None = None,
                start: float = 0.0) -> Figure:  # fmt: skip
    """Draw what each feature counts for the whole model, the largest on top.

    Parameters
    ----------
    values
        ``(feature,)``; signed values are drawn to both sides.
    names
        One a feature.
    errors
        Standard errors or half-widths, ``(feature,)``: drawn as whiskers of that length.
    title
        The finding; by default the first feature and its number.
    k
        How many are drawn, those of largest size.
    label
        What the axis measures, with its unit.
    line
        A value to compare with, and what it is.
    start
        Where the bars begin.
    """
    values = np.asarray(values, dtype=float)
    order = np.argsort(-np.abs(np.nan_to_num(values - start)), kind="stable")[:k]
    title = title or f"{shortened(names[order[0]], 40)} counts most: {values[order[0]]:.3g}"
    with canvas(size=(6.6, 0.22 * len(order) + 1.0)) as (fig, ax):
        at = np.arange(len(order))[::-1]
        colours = [
            AGAINST if value < start else FOR if values.min() < start else CYCLE[0] for value in values[order]
        ]
        ax.barh(at, values[order] - start, left=start, color=colours, height=0.7)
        if errors is not None:
            ax.errorbar(
                values[order],
                at,
                xerr=np.asarray(errors)[order],
                fmt="none",
                ecolor=INK,
                capsize=2,
                linewidth=1,
            )
        ax.axvline(start, color=PALE, linewidth=0.8)
        if line is not None:
            ax.axvline(line[0], color=INK, linewidth=1, linestyle="--", label=line[1])
            ax.legend(loc="lower right", fontsize=8)
        ax.set(yticks=at, yticklabels=[shortened(names[i], NAME + CELL) for i in order], xlabel=wrapped(label, 56),
               ylim=(-0.7, len(order) - 0.3))  # fmt: skip
        ax.tick_params(axis="y", length=0)
        rest = f" ({k} of {len(values):,})" if len(values) > k else ""
        fig.suptitle(wrapped(title + rest, 84), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def by_class(values: np.ndarray, names: Sequence[str], class_names: Sequence[str], title: str, *, k: int = 8,
             label: str = "weight", most: int = 6) -> Figure:  # fmt: skip
    """Draw what each feature counts for each class, a panel a class with the features of largest size.

    Parameters
    ----------
    values
        ``(class, feature)``.
    names, class_names
        One a feature, one a class.
    title
        The finding.
    k
        Features a class.
    label
        What the axes measure.
    most
        Classes that are drawn at most, the first ones.
    """
    shown = min(len(values), most)
    across = min(shown, 2)
    down = -(-shown // across)
    left_out = f" ({shown} of {len(values)} classes)" if shown < len(values) else ""
    with canvas(
        down, across, (WIDE * across + 0.4, (0.2 * min(k, len(names)) + 0.75) * down + 0.3), squeeze=False
    ) as (fig, axes):
        for c, ax in enumerate(axes.ravel()):
            ax.set_visible(c < shown)
            if c < shown:
                order = np.argsort(-np.abs(values[c]), kind="stable")[:k]
                _signed(
                    ax,
                    values[c][order],
                    [shortened(names[i], NAME) for i in order],
                    scale(values[:shown]),
                    bool(values.min() < 0),
                )
                ax.set_title(
                    wrapped(shortened(class_names[c], 40), 30) if len(class_names) > c else f"class {c}",
                    fontsize=9,
                )
                ax.set_xlabel(label, fontsize=8)
        fig.suptitle(
            wrapped(title + left_out, 42 * across), x=0.01, ha="left", fontsize=10, fontweight="bold"
        )
    return fig


def listing(rows: Sequence[tuple[str, str]], title: str, width: int = 78) -> Figure:
    """Draw lines of text beside their names, such as the surest mistakes and what stands in those rows.

    Parameters
    ----------
    rows
        What it is, which may have several lines, and its text.
    title
        The finding.
    width
        Letters a line of the text.
    """
    texts = [wrapped(legible(text), width) for _, text in rows]
    spelt = any(legible(text) != text for _, text in rows)
    tall = [max(name.count("\n"), text.count("\n")) + 1 for (name, _), text in zip(rows, texts, strict=True)]
    height = 0.16 * sum(tall) + 0.13 * len(rows) + 0.5
    with canvas(size=(7.4, height)) as (fig, ax):
        ax.set(xlim=(0, 1), ylim=(sum(tall) + 0.8 * len(rows), -0.4))
        ax.set_axis_off()
        y = 0.0
        for (name, _), text, lines in zip(rows, texts, tall, strict=True):
            ax.text(0, y, name, va="top", fontsize=8, fontweight="bold")
            ax.text(0.25, y, text, va="top", fontsize=8)
            y += lines + 0.8
            ax.axhline(y - 0.4, color=PALE, linewidth=0.5)
        fig.suptitle(wrapped(title, 84), x=0.01, ha="left", fontsize=10, fontweight="bold")
        if spelt:
            excuse()
            fig.supxlabel(NO_GLYPH, x=0.01, ha="left", fontsize=7)
    return fig


def _signed(ax: Any, values: np.ndarray, names: Sequence[str], limit: float, signed: bool) -> None:
    """Draw values as bars, the first on top, with their numbers; what speaks against is hatched as well."""
    at = np.arange(len(names))[::-1]
    colours = [AGAINST if value < 0 else FOR if signed else CYCLE[0] for value in values]
    bars = ax.barh(at, np.where(np.isfinite(values), values, 0), color=colours, height=0.7)
    for bar, place, value in zip(bars, at, values, strict=True):
        if value < 0:
            bar.set(hatch="/////", edgecolor="white", linewidth=0)
        near = (3, "left") if not value < 0 else (-3, "right")
        end = value if np.isfinite(value) else 0.0
        ax.annotate(f"{value:.2g}".replace("-", "\N{MINUS SIGN}"), (end, place), xytext=(near[0], 0),
                    textcoords="offset points", va="center", ha=near[1], fontsize=7)  # fmt: skip
    ax.axvline(0, color=PALE, linewidth=0.8)
    ax.set(yticks=at, yticklabels=list(names), ylim=(-0.7, len(names) - 0.3))
    ax.set_xlim(-1.5 * limit if signed else 0, 1.5 * limit)
    _small_ticks(ax)


def _small_ticks(ax: Any) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.tick_params(axis="y", length=0, labelsize=8)
    ax.tick_params(axis="x", labelsize=7)


def _drawn(values: np.ndarray, k: int) -> np.ndarray:
    """Return all that is drawn of rows of values, the sums of the others among them."""
    return np.concatenate([top(row, range(len(row)), k)[0] for row in values])  # type: ignore[arg-type]


def _order(values: Sequence[np.ndarray], k: int) -> np.ndarray:
    """Return the features that matter most on average, each list by its own scale."""
    sizes = np.mean([np.abs(np.nan_to_num(one)) / scale(one) for one in values], axis=0)
    return np.argsort(-sizes, kind="stable")[:k]


def _numbered(shape: Sequence[int]) -> list[str]:
    return [f"feature {i}" for i in range(int(np.prod(shape)))]


def _named(explanation: Any, row: int, most: int = 40) -> str:
    target = int(explanation.target[row])
    name = explanation.class_names[target] if explanation.class_names else str(target)
    return f"why {shortened(name, most)}?"
