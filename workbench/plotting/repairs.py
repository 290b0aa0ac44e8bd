"""How often the versions of a model change their answers when only a marked part does, and how many are right."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from .canvas import CYCLE, INK, canvas, shortened


def flips(table: Any) -> Figure:
    """Draw a line a version: the share of rows mostly changed with its 95 % interval, and the share that is right.

    Parameters
    ----------
    table
        Index the version; ``mostly flipped low high accuracy``, fractions.
    """
    names, places = [shortened(name, 24) for name in table.index], range(len(table))[::-1]
    with canvas(1, 2, (6.4, 0.34 * len(table) + 1.0), sharey=True) as (fig, (left, right)):
        for at, (name, row) in zip(places, table.iterrows(), strict=True):
            own = CYCLE[5] if name == "with the shortcut" else CYCLE[0]
            left.plot(100 * row[["low", "high"]], [at, at], color=own, lw=2, marker="", solid_capstyle="butt")
            left.plot(
                100 * row["mostly flipped"], at, color=own, marker="s" if own == CYCLE[5] else "o", ls=""
            )
            right.plot(100 * row["accuracy"], at, color=own, marker="s" if own == CYCLE[5] else "o", ls="")
            for ax, value in ((left, row["high"]), (right, row["accuracy"])):
                number = row["mostly flipped"] if ax is left else value
                ax.annotate(
                    f"{100 * number:.1f}",
                    (100 * value, at),
                    (5, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                    color=INK,
                )
        left.set_yticks(list(places), names)
        left.set(
            xlim=(0, max(10, 118 * table["high"].max())),
            ylim=(-0.6, len(table) - 0.4),
            xlabel="answers that follow it [%]",
        )
        right.set(
            xlim=(max(0, 100 * table["accuracy"].min() - 5), 106),
            xlabel="right, the shortcut moved [%]",
        )
        left.set_title("Does it still look there?")
        right.set_title("Is it right?")
    return fig
