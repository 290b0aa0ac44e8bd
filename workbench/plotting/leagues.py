"""The league table as a picture: methods by metrics, ranks written and shaded."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import INK, canvas, shortened


def ranks(league: Any) -> Figure:
    """Draw each method's mean rank by metric over models: 1 is best; crossed out where it is not above its floor."""
    table = league.table()
    table["worth"] = np.where(table["direction"].str.startswith("lower"), -1, 1) * table["mean"]
    table["rank"] = table.groupby(["model", "metric"])["worth"].rank(ascending=False, method="average")
    table["failed"] = table["above floor"].isin(["no", "cannot tell"])
    metrics = list(dict.fromkeys(table.sort_values("category", kind="stable")["metric"]))
    grid = table.pivot_table(index="method", columns="metric", values="rank", aggfunc="mean")[metrics]
    failed = table.pivot_table(index="method", columns="metric", values="failed", aggfunc="max")[metrics]
    with canvas(size=(min(11.0, 2.4 + 0.75 * len(metrics)), 1.6 + 0.34 * len(grid))) as (fig, ax):
        ax.imshow(grid, cmap="Blues_r", vmin=0, vmax=len(grid) + 1, aspect="auto", alpha=0.75)
        for (i, method), (j, metric) in ((a, b) for a in enumerate(grid.index) for b in enumerate(metrics)):
            _written(ax, i, j, grid.loc[method, metric], bool(failed.loc[method, metric] == 1))
        ax.set_xticks(
            range(len(metrics)),
            [shortened(m.replace("_", " "), 18) for m in metrics],
            rotation=35,
            ha="right",
        )
        ax.set_yticks(range(len(grid)), [m.replace("_", " ") for m in grid.index])
        ax.set_title("Rank by metric, 1 is best; x: not above its floor", loc="left")
    return fig


def _written(ax: Any, row: int, column: int, rank: float, failed: bool) -> None:
    if not np.isfinite(rank):
        return
    said = f"{rank:.0f}" if float(rank).is_integer() else f"{rank:.1f}"
    ax.text(
        column,
        row,
        f"{said} x" if failed else said,
        ha="center",
        va="center",
        fontsize=8,
        color=INK if rank > 2 else "white",
    )
