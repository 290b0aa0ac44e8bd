"""Pictures of a comparison: where the compressed model stands, what it looks like, for whom it changed."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from . import tables, tokens
from .attributions import attribution, picture
from .canvas import CYCLE, INK, PALE, canvas, scale, shortened, wrapped

BLUE, ORANGE, GREEN = CYCLE[0], CYCLE[1], CYCLE[2]
MARKS = {"compressed": ("o", BLUE), "trained on": ("D", GREEN), "another run": ("s", ORANGE)}
MEASURES = {"cka": "what it holds", "conductance": "what flows through it"}
MOST = 30  # groups that are drawn
COLUMNS = 8  # columns of a table that are drawn of a row


def standing(comparison: Any, similarity: str = "cosine") -> Figure:
    """Draw one axis a method: randomized, the band of other runs, trained on, compressed, the method's own noise."""
    table = comparison.table().query("similarity == @similarity")
    n = len(table)
    with canvas(n, 1, (7.2, 0.95 * n + 1.0), squeeze=False) as (fig, axes):
        for ax, (_, row) in zip(axes[:, 0], table.iterrows(), strict=True):
            _axis(ax, row, comparison.of(row["method"], similarity)["references"])
        axes[-1, 0].set_xlabel(
            "similarity of maps to the original's (cosine; 1 = the same; each method on a scale of its own)"
        )
        fig.suptitle(_standing_title(comparison), x=0.01, ha="left", fontsize=10, fontweight="bold")
        fig.legend(
            handles=_legend(),
            loc="outside lower center",
            ncols=5,
            fontsize=7,
            handletextpad=0.3,
            columnspacing=1.0,
        )
    return fig


def told(method: str) -> str:
    """Return a method's name as it is read; behind a colon stands what its maps are held against."""
    return method.replace("runner_up", "runner-up").replace(":", " against the ").replace("_", " ")


def _axis(ax: Any, row: Any, references: np.ndarray) -> None:
    means = references.mean(1) if len(references) else np.empty(0)
    if len(means):
        ax.axvspan(means.min(), means.max(), color=ORANGE, alpha=0.35, linewidth=0)
        ax.plot(means, np.zeros(len(means)), "|", color=ORANGE, markersize=14)
    ax.axhline(0, color=PALE, linewidth=0.8, zorder=0)
    ax.plot(row["self"], 0, "|", color=INK, markersize=18, markeredgewidth=2)
    ax.plot(row["sham"], 0, "D", color=GREEN, markersize=6)
    hollow = {"markerfacecolor": "white"} if row["trained_on"] else {}
    spread = [[row["compressed"] - row["low"]], [row["high"] - row["compressed"]]]
    ax.errorbar(
        row["compressed"],
        0,
        xerr=np.nan_to_num(spread),
        fmt="o",
        color=BLUE,
        markersize=8,
        capsize=4,
        **hollow,
    )
    _zoom(ax, row, [*means, row["self"], row["sham"], row["low"]])
    ax.set(yticks=[], ylim=(-1, 1))
    ax.spines["left"].set_visible(False)
    weight = " (primary)" if row["role"] == "primary" else ""
    index = "" if np.isnan(row["index"]) else f"   index {row['index']:.2f}"
    trained = "   hollow: trained on" if row["trained_on"] else ""
    ax.set_title(f"{told(row['method'])}{weight}{index}{trained}", fontsize=9, pad=2)


def _zoom(ax: Any, row: Any, shown: list[float]) -> None:
    """Show the stretch where the controls differ; a randomized model further left is told at the edge."""
    low, high = np.nanmin([*shown, row["compressed"]]), np.nanmax([*shown, row["compressed"]])
    room = max(0.15 * (high - low), 0.002)
    if row["randomized"] >= low - 3 * room:
        low = min(low, row["randomized"])
        ax.plot(row["randomized"], 0, "X", color=PALE, markersize=7)
    else:
        ax.plot(0.012, 0.5, "X", color=PALE, markersize=7, transform=ax.transAxes)
        ax.annotate(
            f"\u2190 {row['randomized']:.2f}", (0.022, 0.62), xycoords="axes fraction", fontsize=8, color=INK
        )
    ax.set_xlim(low - (2.2 if row["randomized"] < low else 1) * room, high + room)


def _legend() -> list[Any]:
    return [
        Line2D([], [], color=PALE, marker="X", linestyle="", label="randomized"),
        Patch(facecolor=ORANGE, alpha=0.35, label="other training runs"),
        Line2D([], [], color=GREEN, marker="D", linestyle="", label="trained on, not compressed"),
        Line2D([], [], color=BLUE, marker="o", label="compressed, 95 %"),
        Line2D([], [], color=INK, marker="|", markersize=12, linestyle="", label="own noise"),
    ]


def _standing_title(comparison: Any) -> str:
    primary = comparison.primary
    where = {"clear": "clears", "below": "falls below", "open": "does not settle against"}[primary.zone]
    known = "" if np.isnan(primary.margin) else f": {where} its margin of {primary.margin:.3f}"
    return f"Similarity {primary.value:.3f}{known}"


def standing_alt(comparison: Any) -> str:
    """Say in words what :func:`standing` shows."""
    rows = comparison.table().query("similarity == 'cosine'")
    said = [f"{told(row['method'])}: {_told(row)}" for _, row in rows.iterrows()]
    return "Similarity of maps to the original's by method. " + "; ".join(said) + "."


def _told(row: Any) -> str:
    """Say a line of :func:`standing` in words; what is not there is not said."""
    columns = {"trained on": "sham", "other runs": "references", "randomized": "randomized"}
    controls = [f"{name} {row[column]:.3f}" for name, column in columns.items() if np.isfinite(row[column])]
    compressed = f"compressed {row['compressed']:.3f} (95 % {row['low']:.3f} to {row['high']:.3f})"
    return ", ".join([compressed, *controls])


def by_layer(comparison: Any) -> Figure:
    """Draw each layer's likeness to the original's: what it holds above, what flows through it below."""
    table = comparison.by_layer()
    layers = list(dict.fromkeys(table["layer"]))
    with canvas(2, 1, (7.2, 4.2), sharex=True) as (fig, axes):
        for ax, (name, title) in zip(axes, MEASURES.items(), strict=True):
            _layers(ax, table[table["measure"] == name], title)
        axes[-1].set_xticks(range(len(layers)), [shortened(name, 14) for name in layers],
                            rotation=45 if len(layers) > 8 else 0, ha="right" if len(layers) > 8 else "center")  # fmt: skip
        fig.legend(handles=_legend()[:4], loc="outside lower center", ncols=4, fontsize=7)
    return fig


def _layers(ax: Any, table: Any, title: str) -> None:
    x = np.arange(len(table))
    ax.plot(x, table["randomized"], "X", color=PALE, markersize=7)
    ax.plot(x, table["references"], "_", color=ORANGE, markersize=22, markeredgewidth=5, alpha=0.6)
    ax.plot(x, table["sham"], "D", color=GREEN, markersize=6)
    low, high = table["compressed"] - table["low"], table["high"] - table["compressed"]
    ax.errorbar(
        x, table["compressed"], yerr=np.nan_to_num([low, high]), fmt="o", color=BLUE, markersize=7, capsize=3
    )
    ax.axhline(1, color=INK, linewidth=0.8, zorder=0)
    ax.set_title(title, fontsize=9, loc="left")
    ax.set_xlim(-0.6, len(table) - 0.4)


def by_layer_alt(comparison: Any) -> str:
    """Say in words what :func:`by_layer` shows."""
    rows = [row for _, row in comparison.by_layer().iterrows() if np.isfinite(row["compressed"])]
    said = [f"{row['layer']} {MEASURES[row['measure']]} {row['compressed']:.3f}" for row in rows]
    return "The compressed model's likeness to the original by layer. " + "; ".join(said) + "."


def examples(comparison: Any) -> Figure:
    """Draw three median and three worst inputs as the original, the compressed model and another run explain them.

    Images have their maps beside them, rows of a table marks at the same columns, texts one line a model: all
    on one scale.
    """
    kind = comparison.facts.get("kind", "image")
    draw = {"image": _images, "table": _rows_of_a_table, "text": _texts}[kind]
    return draw(comparison, _chosen(comparison))


def _chosen(comparison: Any) -> list[tuple[int, str]]:
    chosen = {"median": comparison.median(3), "worst": comparison.worst(3)}
    return [(int(row), place) for place, found in chosen.items() for row in found]


def _limit(comparison: Any, rows: list[tuple[int, str]]) -> float:
    """Return the value at full colour: one for all models and inputs that are drawn."""
    return scale(np.stack([maps[[row for row, _ in rows]] for maps in comparison.maps.values()]))


def _headed(comparison: Any, row: int, place: str) -> str:
    names = comparison.facts["class_names"]
    alike = comparison.of(comparison.facts["primary"])["compressed"][0][row]
    return f"{place}, similarity {alike:.3f}; true: {shortened(names[comparison.rows['y'][row]])}"


def _unit(comparison: Any) -> str:
    return f"what the {comparison.facts['output'].replace('_', ' ')} loses when hidden"


def _images(comparison: Any, rows: list[tuple[int, str]]) -> Figure:
    columns = ["the input", *comparison.maps]
    limit = _limit(comparison, rows)
    with canvas(len(rows), len(columns), (1.35 * len(columns) + 0.8, 1.5 * len(rows)), squeeze=False) as (
        fig,
        axes,
    ):
        for line, (row, place) in enumerate(rows):
            _line(axes[line], comparison, row, limit)
            alike = comparison.of(comparison.facts["primary"])["compressed"][0][row]
            axes[line, 0].set_ylabel(f"{place}\nsimilarity {alike:.3f}", fontsize=8)
        for ax, name in zip(axes[0], columns, strict=True):
            ax.set_title(name, fontsize=9)
        bar = fig.colorbar(axes[0, 1].images[0], ax=axes, shrink=0.4, pad=0.01)
        bar.set_label(_unit(comparison), fontsize=8)
    return fig


def _rows_of_a_table(comparison: Any, rows: list[tuple[int, str]]) -> Figure:
    """Draw a panel an input: the original's values as bars, those of the other models as marks."""
    limit, down = _limit(comparison, rows), -(-len(rows) // 2)
    height = (0.24 * min(COLUMNS, len(comparison.rows["feature_names"])) + 1.0) * down + 0.6
    with canvas(down, 2, (8.4, height), squeeze=False) as (fig, axes):
        for ax in axes.ravel()[len(rows) :]:
            ax.set_visible(False)
        for ax, (row, place) in zip(axes.ravel(), rows, strict=False):
            _versus(ax, comparison, row, limit)
            ax.set_title(_headed(comparison, row, place).replace("; ", "\n"), fontsize=8, fontweight="normal")
            ax.set_xlabel(wrapped(_answered(comparison, row), 46), fontsize=7)
        tables.legend(fig, axes[0, 0], list(comparison.maps))
        fig.suptitle(_unit(comparison).capitalize(), x=0.01, ha="left", fontsize=9)
    return fig


def _versus(ax: Any, comparison: Any, row: int, limit: float) -> None:
    """Draw the columns that the original and the compressed model count most, in the original's order."""
    values = {name: maps[row] for name, maps in comparison.maps.items()}
    original = np.abs(values["original"])
    order = np.argsort(-np.maximum(original, np.abs(values["compressed"])), kind="stable")[:COLUMNS]
    order = order[np.argsort(-original[order], kind="stable")]
    names, labels = comparison.rows["feature_names"], comparison.rows["labels"][row]
    cells = [tables.cell(names[i], labels[i]) for i in order]
    tables.versus(ax, {name: one[order] for name, one in values.items()}, cells, limit, MARKS)


def _answered(comparison: Any, row: int) -> str:
    """Say what the models answer, each answer once."""
    names = comparison.facts["class_names"]
    who: dict[str, list[str]] = {}
    for model in comparison.maps:
        who.setdefault(shortened(names[comparison.answers[model][row]], 20), []).append(model)
    if len(who) == 1:
        return f"all answer {next(iter(who))}"
    return "; ".join(f"{', '.join(models)}: {answer}" for answer, models in who.items())


def _texts(comparison: Any, rows: list[tuple[int, str]]) -> Figure:
    """Draw the same text one line a model; of long texts the lines that the models count most."""
    limit, passages = _limit(comparison, rows), []
    for row, place in rows:
        said = {name: _said(comparison, maps, row) for name, maps in comparison.maps.items()}
        weights = np.sum([np.abs(values) for _, values in said.values()], axis=0)
        heading = f"{_headed(comparison, row, place)}; {_answered(comparison, row)}"
        passages += [tokens.Passage(words, values, heading if name == "original" else "", name, limit, True, weights)
                     for name, (words, values) in said.items()]  # fmt: skip
    return tokens.running(passages, _unit(comparison).capitalize(), lines=2)


def _said(comparison: Any, maps: np.ndarray, row: int) -> tuple[list[str], np.ndarray]:
    padding = comparison.rows.get("padding")
    return tokens.there(comparison.rows["labels"][row], maps[row], None if padding is None else padding[row])


def _line(axes: Any, comparison: Any, row: int, limit: float) -> None:
    names = comparison.facts["class_names"]
    picture(axes[0], comparison.rows["x"][row])
    axes[0].set_xlabel(f"true: {names[comparison.rows['y'][row]]}", fontsize=8)
    for ax, (name, maps) in zip(axes[1:], comparison.maps.items(), strict=True):
        attribution(ax, maps[row], limit, signed=True)
        ax.set_xlabel(f"answers {names[comparison.answers[name][row]]}", fontsize=8)


def examples_alt(comparison: Any) -> str:
    """Say in words what :func:`examples` shows."""
    alike = comparison.of(comparison.facts["primary"])["compressed"][0]
    median, worst = alike[comparison.median(3)].mean(), alike[comparison.worst(3)].mean()
    changed = int(
        (comparison.answers["original"] != comparison.answers["compressed"])[comparison.worst(3)].sum()
    )
    shown = {"table": "the columns' values", "text": "the words in colour"}.get(
        comparison.facts.get("kind", "image"), "input, maps"
    )
    return (
        f"Three median inputs with a mean similarity of {median:.3f} and the three worst with {worst:.3f}: {shown} "
        f"of {', '.join(comparison.maps)} on one scale; {changed} of the three worst changed their answer."
    )


def by_group(comparison: Any) -> Figure:
    """Draw accuracy's change and the similarity for each group, with 95 % intervals, n at the right.

    Of more than 30 groups those are drawn whose maps are least alike.
    """
    table = comparison.by_group()
    every = len(table)
    if every > MOST:
        table = table.loc[table["similarity"].sort_values(na_position="last").index[:MOST]].sort_index()
    table = table.iloc[::-1].reset_index(drop=True)
    places = np.arange(len(table))
    names = [shortened(group) for group in table["group"]]
    with canvas(1, 2, (7.0 + 0.06 * max(map(len, names)), 0.27 * len(table) + 1.4), sharey=True) as (
        fig,
        (left, right),
    ):
        _whiskers(left, table, places, "difference", "difference low", "difference high", 100)
        left.axvline(0, color=PALE, linewidth=0.8)
        left.set(xlabel="accuracy: compressed - original\n[points]", yticks=places, yticklabels=names)
        if every > len(table):
            fig.suptitle(
                f"The {len(table)} of {every} whose maps are least alike", x=0.01, ha="left", fontsize=9
            )
        left.set_title(f"Accuracy by {comparison.facts['groups']}, 95 %", fontsize=9)
        _whiskers(right, table, places, "similarity", "low", "high", 1)
        right.plot(table["references"], places, "|", color=ORANGE, markersize=10, markeredgewidth=2)
        right.set(xlabel="similarity of maps\norange: other runs' mean")
        right.set_title("Similarity of maps, 95 %", fontsize=9)
        for place, (_, row) in zip(places, table.iterrows(), strict=True):
            right.annotate(f"n = {row['n']} / {row['n explained']}", (1.02, place), xycoords=("axes fraction", "data"),
                           va="center", fontsize=7)  # fmt: skip
    return fig


def _whiskers(ax: Any, table: Any, places: np.ndarray, middle: str, low: str, high: str, unit: float) -> None:
    value = unit * table[middle]
    spread = np.nan_to_num(np.stack([value - unit * table[low], unit * table[high] - value])).clip(min=0)
    ax.errorbar(value, places, xerr=spread, fmt="o", color=BLUE, capsize=3)


def by_group_alt(comparison: Any) -> str:
    """Say in words what :func:`by_group` shows."""
    table, word = comparison.by_group(), comparison.facts["groups"]
    lost = table.loc[table["difference"].idxmin()]
    far = table.loc[table["similarity"].idxmin()]
    return (
        f"By {word}: accuracy changed least favourably for {lost['group']} ({100 * lost['difference']:+.1f} points, n = {lost['n']}); "
        f"maps are least alike for {far['group']} ({far['similarity']:.3f})."
    )
