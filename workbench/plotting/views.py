"""Views of a whole model: what counts for each class, what the loss owes to each layer, which concepts speak for a class."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from . import tables
from .canvas import CYCLE, INK, PALE, SIGNED, UNSIGNED, canvas, scale, shortened, wrapped

Z, LEVEL = 1.959964, 0.05  # of a 95 % interval; of a test
PANELS, FEATURES, WIDEST = 6, 20, 12  # classes as panels; lines and columns of a heat table


def by_class(e: Any) -> Figure:
    """Draw what each feature counts for each class: maps of images, bars with whiskers for one or two classes, else a heat table."""
    from .galleries import gallery

    values = np.asarray(e.values)
    names = [_class(e, c) for c in range(len(values))]
    if values.ndim == 4:
        kind, most = ("signed" if e.signed else "unsigned"), min(len(values), 20)
        return gallery(list(values.mean(1)[:most]), [shortened(n, 14) for n in names[:most]], wrapped(_title(e), 90), kind=kind,
                       label=str(e.settings["output"]).replace("_", " ") if "n_rows" in e.settings else _unit(e))  # fmt: skip
    features = (
        list(e.feature_names)
        if len(e.feature_names) == values.shape[1]
        else [f"feature {i}" for i in range(values.shape[1])]
    )
    if len(values) < 3:
        return _bars(e, values, features, names)
    return _heat(e, values, features, names)


def _heat(e: Any, values: np.ndarray, features: list[str], names: list[str]) -> Figure:
    """Draw a class a column and a feature a line, with the numbers, which say the same without colour."""
    order, shown = np.argsort(-np.abs(values).max(0), kind="stable")[:FEATURES], min(len(values), WIDEST)
    left_out = [f"{n} of {whole} {what}" for n, whole, what in
                ((len(order), len(features), "features"), (shown, len(names), "classes")) if n < whole]  # fmt: skip
    table, end = values[:shown, order].T, scale(values)
    with canvas(size=(max(5.2, 1.9 + 0.62 * shown), 0.24 * len(order) + 1.5)) as (fig, ax):
        drawn = ax.imshow(
            table,
            cmap=SIGNED if e.signed else UNSIGNED,
            vmin=-end if e.signed else 0,
            vmax=end,
            aspect="auto",
        )
        for (line, c), value in np.ndenumerate(table):
            dark = abs(value) > 0.6 * end if e.signed else value < 0.6 * end
            ax.text(
                c,
                line,
                f"{value:.2g}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if dark else INK,
            )
        ax.set_xticks(
            range(shown),
            [shortened(name, 12) for name in names[:shown]],
            fontsize=8,
            rotation=20 * (shown > 4),
        )
        ax.set_yticks(range(len(order)), [shortened(features[i], 26) for i in order], fontsize=8)
        ax.tick_params(length=0)
        fig.colorbar(drawn, ax=ax).set_label(_unit(e), fontsize=8)
        title = _title(e) + (f" ({', '.join(left_out)})" if left_out else "")
        fig.suptitle(
            wrapped(title, int(13 * max(5.2, 1.9 + 0.62 * shown))),
            x=0.01,
            ha="left",
            fontsize=9,
            fontweight="bold",
        )
    return fig


def _bars(e: Any, values: np.ndarray, features: list[str], names: list[str]) -> Figure:
    error = np.atleast_2d(e.settings["error"])[-1] if "error" in e.settings else None
    whiskers = "; whiskers: one standard error over rows" if error is not None else ""
    of = f" of {names[-1]}" if len(values) == 2 else ""
    return tables.importances(values[-1], features, error, label=f"{_unit(e)}{of}{whiskers}")


def _class(e: Any, c: int) -> str:
    return shortened(e.class_names[c], 24) if len(e.class_names) > c else f"class {c}"


def _title(e: Any) -> str:
    return f"{e.method.replace('_', ' ')}: {e.estimand}"


def _unit(e: Any) -> str:
    """Return what the values measure: shares and products of weights, or the size of a method's values in units of the output."""
    if "n_rows" not in e.settings:
        return "product of weights" if e.signed else "share of weights"
    return f"mean |{e.settings['of'].replace('_', ' ')}|, {e.settings['output'].replace('_', ' ')}"


def sensitivity(e: Any) -> Figure:
    """Draw what the loss owes to each layer as bars in the order of the model, or a layer's own weights as a picture."""
    if "layer" in e.settings:
        values = np.asarray(e.values).reshape(len(e.values), -1)
        with canvas(size=(6, 3)) as (fig, ax):
            drawn = ax.imshow(values, cmap=UNSIGNED, vmin=0, vmax=scale(values), aspect="auto")
            ax.set(
                xlabel="input",
                ylabel="unit",
                title=f"Which weights of {e.settings['layer']} the loss owes most to",
            )
            fig.colorbar(drawn, ax=ax, label="|weight x gradient| [nat]")
        return fig
    values, error, names = e.values[0], np.asarray(e.settings["error"])[0], e.feature_names
    with canvas(size=(6.6, 0.24 * len(values) + 1.1)) as (fig, ax):
        at = np.arange(len(values))[::-1]
        ax.barh(at, values, color=CYCLE[0], height=0.7)
        ax.errorbar(values, at, xerr=error, fmt="none", ecolor=INK, capsize=2, linewidth=1)
        ax.set(yticks=at, ylim=(-0.7, len(values) - 0.3), xlim=(0, None),
               yticklabels=[f"{shortened(n, 28)} ({w:,})" for n, w in zip(names, e.settings["weights"], strict=True)],
               xlabel="sum of |weight x gradient| [nat]; whiskers: one standard error; in brackets: weights")  # fmt: skip
        ax.tick_params(axis="y", length=0, labelsize=8)
        top = int(np.argmax(values))
        fig.suptitle(f"The loss owes most to {shortened(names[top], 40)}: {values[top]:.2g} nat", x=0.01, ha="left",
                     fontsize=10, fontweight="bold")  # fmt: skip
    return fig


def concepts(e: Any) -> Figure:
    """Draw for each class which share of its rows each concept speaks for, with 95 % intervals over runs and what chance gives.

    A filled mark differs from chance (corrected p below .05), a hollow one does not.
    """
    classes, shown = e.settings["classes"], min(len(e.values), PANELS)
    across = min(shown, 3)
    down = -(-shown // across)
    size = (2.5 * across + 1.4, (0.3 * len(e.feature_names) + 0.8) * down + 0.75)
    with canvas(down, across, size, squeeze=False, sharey=True, sharex=True) as (fig, axes):
        for line, ax in enumerate(axes.ravel()):
            ax.set_visible(line < shown)
            if line < shown:
                _shares(ax, e, line)
                ax.set_title(_class(e, classes[line]), fontsize=9)
        fig.supxlabel("share of the class's rows that the concept speaks for; bars: 95 % interval over runs\n"
                      "filled: p < .05 against random directions and rows, hollow: not; | : random directions",
                      x=0.01, ha="left", fontsize=7)  # fmt: skip
        left_out = f" ({shown} of {len(e.values)} classes)" if shown < len(e.values) else ""
        fig.suptitle(
            wrapped(_strongest(e) + left_out, 30 * across + 16),
            x=0.01,
            ha="left",
            fontsize=10,
            fontweight="bold",
        )
    return fig


def _shares(ax: Any, e: Any, line: int) -> None:
    at = np.arange(len(e.feature_names))[::-1]
    ax.axvline(0.5, color=PALE, linewidth=0.8, linestyle=":")
    ax.plot(e.settings["by_chance"][line], at, "|", color=INK, markersize=12)
    for k, place in enumerate(at):
        found = e.settings["p"][line, k] < LEVEL
        ax.errorbar(e.values[line, k], place, xerr=Z * e.settings["error"][line, k], fmt="o", color=CYCLE[0], capsize=2,
                    markerfacecolor=CYCLE[0] if found else "white", linewidth=1.2, markersize=6)  # fmt: skip
    ax.set(yticks=at, yticklabels=[shortened(name, 22) for name in e.feature_names], xlim=(-0.05, 1.05),
           ylim=(-0.6, len(at) - 0.4))  # fmt: skip
    ax.tick_params(axis="y", length=0, labelsize=8)


def _strongest(e: Any) -> str:
    """Return the finding: which concept stands furthest from chance, or that none does."""
    p = np.asarray(e.settings["p"])
    if not (p < LEVEL).any():
        return "No concept differs from random directions"
    far = np.where(p < LEVEL, np.abs(e.values - e.settings["by_chance"]), -1)
    line, k = np.unravel_index(far.argmax(), far.shape)
    name, of = shortened(e.feature_names[k], 24), _class(e, e.settings["classes"][line])
    return f"{name} stands furthest from chance: it speaks for {of} in {e.values[line, k]:.0%} of its rows"
