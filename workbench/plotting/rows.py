"""What is in the data: how often each class comes, what one feature alone tells, and the surest mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from pandas.api.types import is_numeric_dtype

from ..data import inspection, telling
from . import tables
from .attributions import picture, scale
from .canvas import CYCLE, PALE, canvas, shortened
from .galleries import gallery

HATCHES = ("", "///", "...")
FACES = 20  # classes that still have a mean image
LABELS = 50  # classes that are named on an axis
SNIPPET = 300  # letters of a text that are shown
SEEN = 3  # unusual columns that are named


def classes(data: Any) -> Figure:
    """Draw each class's share of every split; equal bars are a balanced set. Images have each class's mean above."""
    n = data.n_classes
    if data.kind != "image" or n > FACES:
        with canvas(size=(min(10.0, max(4.6, 0.5 * n + 2)), 2.9)) as (fig, ax):
            _shares(ax, data)
            fig.suptitle(_title(data), x=0.01, ha="left", fontsize=10, fontweight="bold")
        return fig
    with canvas(2, n, (max(4.6, 0.8 * n + 0.8), 3.0), squeeze=False, height_ratios=[1, 1.7]) as (fig, axes):
        for c, ax in enumerate(axes[0]):
            own = data.train.x[data.train.y == c]
            picture(ax, own.mean(0) if len(own) else 0 * data.train.x[0])
            ax.set_title(
                shortened(data.class_names[c], max(8, 48 // n)), loc="center", fontsize=9 if n <= 10 else 7
            )
        grid = axes[1, 0].get_gridspec()
        for ax in axes[1]:
            ax.remove()
        _shares(fig.add_subplot(grid[1, :]), data)
        fig.suptitle(_title(data), x=0.01, ha="left", fontsize=10, fontweight="bold")
    return fig


def shares(data: Any) -> dict[str, np.ndarray]:
    """Return the share of each class in every split, in per cent, ``(class,)``."""
    table = inspection.balance(data)
    return {name: 100 * table[f"{name} share"].to_numpy() for name in data.splits}


def _shares(ax: Any, data: Any) -> None:
    n, width = data.n_classes, 0.27
    at = np.arange(n)
    for i, (name, values) in enumerate(shares(data).items()):
        label = f"{name} ({len(data.splits[name]):,} rows)"
        ax.bar(at + (i - 1) * width, values, 0.9 * width, color=CYCLE[i], hatch=HATCHES[i] if n <= FACES else "",
               edgecolor="white", linewidth=0, label=label)  # fmt: skip
    ax.axhline(100 / n, color=PALE, linewidth=0.8, linestyle="--", zorder=0)
    step = -(-n // LABELS)
    named = [shortened(name, 20) for name in data.class_names[::step]]
    ax.set(xticks=at[::step], ylabel="share of the split [%]", xlim=(-0.6, n - 0.4))
    crowded = max(map(len, named)) * len(named) > 60
    ax.set_xticklabels(named, rotation=90 if n > 12 and crowded else 30 if crowded else 0,
                       ha="right" if crowded and n <= 12 else "center", fontsize=9 if n <= FACES else 6)  # fmt: skip
    ax.set_ylim(0, 1.35 * max(values.max() for values in shares(data).values()))
    ax.legend(ncols=3, loc="upper left", fontsize=8 if n > 3 else 7, columnspacing=1.0, handlelength=1.4)


def _title(data: Any) -> str:
    every = np.concatenate(list(shares(data).values()))
    low, high = f"{every.min():.1f}", f"{every.max():.1f}"
    return (
        f"Every class has {low} % of its split"
        if low == high
        else f"A class has {low} to {high} % of its split"
    )


def features(data: Any, told: Any = None) -> Figure:
    """Draw what one feature alone tells of the class: maps of pixels, bars of columns, the most telling words.

    ``told`` is ``telling.alone(data)`` where that is known already.
    """
    draw = {"image": _pixels, "table": _columns, "text": _words}[data.kind]
    return draw(data, telling.alone(data) if told is None else told)


def features_alt(data: Any, told: Any = None) -> str:
    """Say in words what :func:`features` shows."""
    best, most = (telling.alone(data) if told is None else told).iloc[0], telling.majority(data)
    return (
        f"The best single {data.wording.part if data.kind != 'image' else 'pixel'}, {best['feature']}, is right in "
        f"{best['accuracy']:.0%} of the held-out rows; the commonest class alone in {most:.0%}."
    )


def _pixels(data: Any, found: Any) -> Figure:
    told = telling.picture(data)
    maps = [data.train.x.mean(0), data.train.x.std((0, 1)), told]
    names = ["mean image", "standard deviation", "right by one pixel"]
    title = f"The best single pixel is right in {found['accuracy'].iloc[0]:.0%} of the held-out rows"
    return gallery(
        maps, names, title, kind=["input", "unsigned", "unsigned"], limits=[scale(one) for one in maps]
    )


def _columns(data: Any, found: Any) -> Figure:
    best = found.iloc[0]
    title = (f"{shortened(best['feature'], 30)}, the best in training, is right in {best['accuracy']:.0%} of held-out rows "
             f"(commonest class {telling.majority(data):.0%})")  # fmt: skip
    return tables.importances(100 * found["balanced accuracy"].to_numpy(), list(found["feature"]), title=title, start=100 / data.n_classes,
                              label="balanced accuracy of one column [%]; bars begin at chance")  # fmt: skip


def _words(data: Any, _: Any) -> Figure:
    n = data.n_classes
    found = telling.words(data, 10 if n == 2 else 6)
    vocabulary = list(dict.fromkeys(found["word"]))
    values = np.zeros((n, len(vocabulary)))
    for row in found.to_dict("records"):
        values[data.class_names.index(row["class"]), vocabulary.index(row["word"])] = row["errors"]
    if not len(found):
        return tables.listing([("", "No word stands clearly more often in one class.")], "No telling words")
    first = found.iloc[found["errors"].argmax()]
    title = f"\N{LEFT DOUBLE QUOTATION MARK}{first['word']}\N{RIGHT DOUBLE QUOTATION MARK} tells most: for {shortened(first['class'])}, in {first['rows']:,} of {len(data.train):,} training texts"
    label = "log-odds of standing in a text [standard errors]"
    if n == 2:
        return tables.importances(values[1] - values[0], vocabulary, title=title, k=20,
                                  label=f"{label}; right: {shortened(data.class_names[1])}")  # fmt: skip
    return tables.by_class(values, vocabulary, data.class_names, title, k=6, label=label)


def mistakes(split: Any, probability: np.ndarray, class_names: Any, n: int = 10) -> Figure:
    """Draw the wrong answers of which the model was surest; ``probability`` is ``(rows, class)``.

    Images as they are; rows of a table with their most unusual cells; texts by their beginning.
    """
    says, sure = probability.argmax(1), probability.max(1)
    wrong = np.flatnonzero(says != split.y)
    shown = wrong[np.argsort(-sure[wrong])][:n] if len(wrong) else np.argsort(sure)[:n]
    names = [_answer(class_names, says[i], sure[i], split.y[i]) for i in shown]
    title = (
        f"The surest of {len(wrong)} mistakes in {len(split):,} answers"
        if len(wrong)
        else "No mistakes; the least sure"
    )
    if split.x.ndim == 4:
        return gallery(list(split.x[shown]), names, title, kind="input")
    told = _unusual(split, shown) if _is_table(split) else _snippets(split[shown])
    return tables.listing(list(zip(names, told, strict=True)), title)


def _answer(class_names: Any, says: int, sure: float, true: int) -> str:
    return f"says {shortened(class_names[says], 18)} ({sure:.0%})\nis {shortened(class_names[true], 18)}"


def _is_table(split: Any) -> bool:
    return split.texts is None and getattr(split.codec, "kind", "table") == "table"


def _snippets(split: Any) -> list[str]:
    """Return the beginning of each text."""
    whole = [" ".join(str(text).split()) for text in split.raw]
    return [text if len(text) <= SNIPPET else text[:SNIPPET] + "\N{HORIZONTAL ELLIPSIS}" for text in whole]


def _unusual(split: Any, rows: np.ndarray) -> list[str]:
    """Return the cells of each row that are rarest in the split: how many rows are as far out, or hold the same."""
    rare = _rarity(split)
    words = (
        split.codec.words(split.x[rows]) if split.codec is not None else split.x[rows].round(2).astype(str)
    )
    names = split.codec.names if split.codec is not None else [f"column {i}" for i in range(split.x.shape[1])]
    told = []
    for row, cells in zip(rows, words, strict=True):
        order = np.argsort(rare[row], kind="stable")[:SEEN]
        told.append(
            "; ".join(f"{tables.cell(names[i], cells[i])} ({_per_cent(rare[row, i])})" for i in order)
        )
    return [f"rarest here: {text}" for text in told]


def _per_cent(share: float) -> str:
    return f"{share:.0%} of rows" if share >= 0.01 else "under 1 % of rows"


def _rarity(split: Any) -> np.ndarray:
    """Return how large a share of rows is as far out as each cell, or holds the same category, ``(row, column)``."""
    if split.codec is None:
        return np.stack([_outlying(column) for column in split.x.T], axis=1)
    frame = split.codec.decoded(split.x)
    return np.stack([_rarity_of(frame[name]) for name in frame.columns], axis=1)


def _rarity_of(values: Any) -> np.ndarray:
    """Return how rare each value of a column is; missing ones are a category of their own."""
    if not is_numeric_dtype(values) or not values.notna().any():
        return values.map(values.value_counts(normalize=True, dropna=False)).to_numpy(dtype=float)
    return np.where(
        values.isna(), values.isna().mean(), _outlying(values.fillna(values.median()).to_numpy(dtype=float))
    )


def _outlying(values: np.ndarray) -> np.ndarray:
    """Return the share of values at least as far from the median."""
    far = np.abs(values - np.median(values))
    return 1 - np.searchsorted(np.sort(far), far, side="left") / len(far)
