"""What is in the data: how often each class comes, split by split, and what it looks like."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .attributions import picture, scale
from .canvas import CYCLE, PALE, canvas
from .galleries import gallery

HATCHES = ("", "///", "...")


def classes(data: Any) -> Figure:
    """Draw each class's mean image over its share of every split; equal bars are a balanced set."""
    n = data.n_classes
    with canvas(2, n, (0.8 * n + 0.8, 3.0), squeeze=False, height_ratios=[1, 1.7]) as (fig, axes):
        for c, ax in enumerate(axes[0]):
            picture(ax, data.train.x[data.train.y == c].mean(0))
            ax.set_title(data.class_names[c], loc="center", fontsize=9)
        grid = axes[1, 0].get_gridspec()
        for ax in axes[1]:
            ax.remove()
        _shares(fig.add_subplot(grid[1, :]), data)
        fig.suptitle(_title(data), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def shares(data: Any) -> dict[str, np.ndarray]:
    """Return the share of each class in every split, in per cent, ``(class,)``."""
    counts = {name: np.bincount(split.y, minlength=data.n_classes) for name, split in data.splits.items()}
    return {name: 100 * one / one.sum() for name, one in counts.items()}


def _shares(ax: Any, data: Any) -> None:
    at, width = np.arange(data.n_classes), 0.27
    for i, (name, values) in enumerate(shares(data).items()):
        label = f"{name} ({len(data.splits[name]):,} rows)"
        ax.bar(at + (i - 1) * width, values, 0.9 * width, color=CYCLE[i], hatch=HATCHES[i], edgecolor="white",
               linewidth=0, label=label)  # fmt: skip
    ax.axhline(100 / data.n_classes, color=PALE, linewidth=0.8, linestyle="--", zorder=0)
    ax.set(
        xticks=at,
        xticklabels=data.class_names,
        ylabel="share of the split [%]",
        xlim=(-0.6, data.n_classes - 0.4),
    )
    ax.set_ylim(0, 1.35 * max(values.max() for values in shares(data).values()))
    ax.legend(ncols=3, loc="upper left", fontsize=8)


def _title(data: Any) -> str:
    every = np.concatenate(list(shares(data).values()))
    low, high = f"{every.min():.1f}", f"{every.max():.1f}"
    return (
        f"Every class has {low} % of its split"
        if low == high
        else f"A class has {low} to {high} % of its split"
    )


def alone(split: Any) -> np.ndarray:
    """Return, for every feature, how often the best rule is right that only asks whether it is above one half.

    ``(...)`` of an input's shape, a share of rows. A planted mark or a leaking column stands out as a peak.
    """
    on = split.x.reshape(len(split), -1) > 0.5
    classes = np.eye(split.y.max() + 1)[split.y]
    lit, dark = on.T @ classes, (~on).T @ classes
    return ((lit.max(1) + dark.max(1)) / len(split)).reshape(split.x.shape[1:])


def pixels(data: Any) -> Figure:
    """Draw the mean image, the spread, and what each pixel alone tells of the class."""
    told = alone(data.train).max(0)
    maps = [data.train.x.mean((0, 1)), data.train.x.std((0, 1)), told]
    names = ["mean image", "standard deviation", "accuracy of one pixel"]
    title = f"The best single pixel is right in {told.max():.0%} of the rows"
    return gallery(maps, names, title, kind="unsigned", limits=[scale(one) for one in maps])


def mistakes(split: Any, probability: np.ndarray, class_names: Any, n: int = 10) -> Figure:
    """Draw the wrong answers of which the model was surest; ``probability`` is ``(rows, class)``."""
    says, sure = probability.argmax(1), probability.max(1)
    wrong = np.flatnonzero(says != split.y)
    shown = wrong[np.argsort(-sure[wrong])][:n] if len(wrong) else np.argsort(sure)[:n]
    names = [f"says {class_names[says[i]]} ({sure[i]:.0%})\nis {class_names[split.y[i]]}" for i in shown]
    title = (
        f"The surest of {len(wrong)} mistakes in {len(split):,} answers"
        if len(wrong)
        else "No mistakes; the least sure"
    )
    return gallery(split.x[shown].mean(1), names, title, kind="input")
