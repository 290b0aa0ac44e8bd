"""Pictures of attributions: images beside their maps, tables as bars, texts in colour, weights as filters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from . import tables, tokens
from .canvas import INK, SIGNED, UNSIGNED, canvas, scale, shortened, wrapped

STRONG = 0.25  # of the limit: places that are marked without colour
SMALL, FINER = 64, 4  # maps with shorter sides are cut so much finer before they are hatched
MINUS = "\N{MINUS SIGN}"


def draw(explanation: Any, limit: float | None = None, *, heads: bool = False, row: int = 0) -> Figure:
    """Draw an explanation: images beside maps, a table's bars, a text in colour, a layer's filters, importances.

    ``limit`` is the value at full colour; by default the largest absolute value. Pass one limit to several
    pictures that are to be compared. With ``heads`` the attention of each head of each layer is drawn instead,
    of one ``row``.
    """
    if heads:
        from .heads import draw as of_heads

        return of_heads(explanation, row)
    if own := _own(explanation.method):
        return own(explanation)
    if explanation.scope == "global":
        return _global(explanation, limit)
    if explanation.map is not None:
        return images(explanation, limit)
    return texts(explanation, limit) if _is_text(explanation) else tables.bars(explanation, limit=limit)


def _own(method: str) -> Callable[[Any], Figure] | None:
    """Return what draws a method whose values are no attributions to features, or one view a class."""
    from . import effects, neighbours, views

    drawn: dict[str, Callable[[Any], Figure]] = {
        "partial_dependence": effects.curves, "ale": effects.curves, "prototypes": neighbours.beside, "tcav": views.concepts,
        "parameter_sensitivity": views.sensitivity, "gim": views.by_class, "mean_shap": views.by_class,
    }  # fmt: skip
    return drawn.get(method)


def _global(e: Any, limit: float | None) -> Figure:
    """Draw what explains the model as a whole: a layer's filters, maps by class, or importances by name."""
    if "layer" in e.settings:
        return filters(e.values, e.settings["layer"], limit)
    values, name = np.asarray(e.values), e.method.replace("_", " ")
    if values.ndim == 4:
        return _maps(e, values.mean(1))
    values = np.atleast_2d(values)
    names = list(e.settings.get("feature_names") or e.feature_names)
    names = names if len(names) == values.shape[1] else [f"feature {i}" for i in range(values.shape[1])]
    if len(values) > 2:
        return tables.by_class(values, names, e.class_names, f"{name}: {e.estimand}", label=name)
    error = np.ravel(e.settings["error"]) if "error" in e.settings else None
    label = f"{name}; whiskers: one standard error" if error is not None else name
    if len(values) == 2 and len(e.class_names) == 2:
        label = f"{name}; right: for {shortened(e.class_names[1])}"
    return tables.importances(values[-1], names, error, label=label)


def _maps(e: Any, values: np.ndarray) -> Figure:
    from .galleries import gallery

    names = (
        [shortened(name, 14) for name in e.class_names]
        if len(e.class_names) == len(values)
        else [""] * len(values)
    )
    title = wrapped(f"{e.method.replace('_', ' ')}: {e.estimand}", 100)
    return gallery(
        list(values[:20]),
        names[:20],
        title,
        kind="signed" if e.signed else "unsigned",
        label=e.method.replace("_", " "),
    )


def texts(explanation: Any, limit: float | None = None) -> Figure:
    """Draw each text with its words in colour; one scale for all."""
    said = [tokens.said(explanation, row) for row in range(len(explanation))]
    end = limit or max(scale(values) for _, values in said)
    passages = [tokens.Passage(*one, heading=named(explanation, row), limit=end, signed=explanation.signed)
                for row, one in enumerate(said)]  # fmt: skip
    return tokens.running(passages, tables.titled(explanation), unit=_unit(explanation))


def _unit(explanation: Any) -> str:
    """Return what the values are in: what the method says, else the output that is explained."""
    return explanation.settings.get("unit", explanation.settings["output"]).replace("_", " ")


def _is_text(explanation: Any) -> bool:
    return getattr(explanation, "kind", "image") == "text" and explanation.labels is not None


def images(explanation: Any, limit: float | None = None) -> Figure:
    """Draw each input in grey above its map; one colour scale for all maps."""
    maps, n = explanation.map, len(explanation)
    with canvas(2, n, (1.25 * n + 0.9, 3.1), squeeze=False) as (fig, axes):
        for column in range(n):
            picture(axes[0, column], explanation.inputs[column])
            drawn = attribution(axes[1, column], maps[column], limit or scale(maps), explanation.signed)
            axes[0, column].set_title(named(explanation, column), fontsize=8, fontweight="normal")
        bar = fig.colorbar(drawn, ax=axes, shrink=0.42, anchor=(0, 0.02), pad=0.02, aspect=10)
        bar.set_label(unit(explanation), fontsize=8)
        fig.suptitle(
            wrapped(tables.titled(explanation), 16 * n + 12),
            x=0.01,
            ha="left",
            fontsize=9,
        )
    return fig


def side_by_side(explanations: Mapping[str, Any], row: int = 0) -> Figure:
    """Draw one input by several methods; each on a scale of its own, as their units differ."""
    first = next(iter(explanations.values()))
    if _is_text(first):
        said = [tokens.said(e, row) for e in explanations.values()]
        weights = np.mean([np.abs(values) / scale(values) for _, values in said], axis=0)
        passages = [tokens.Passage(*one, label=_flagged(name, e), signed=e.signed, weights=weights)
                    for one, (name, e) in zip(said, explanations.items(), strict=True)]  # fmt: skip
        return tokens.running(passages, named(first, row), lines=4)
    if first.map is None:
        return tables.side_by_side(explanations, row)
    n = len(explanations)
    columns = min(n + 1, 5)
    rows = -(-(n + 1) // columns)
    with canvas(rows, columns, (1.55 * columns, 1.85 * rows), squeeze=False) as (fig, axes):
        flat = axes.ravel()
        picture(flat[0], first.inputs[row])
        flat[0].set_title("the input", fontsize=8, fontweight="normal")
        for ax, (name, e) in zip(flat[1:], explanations.items(), strict=False):
            attribution(ax, e.map[row], scale(e.map[row]), e.signed)
            ax.set_title(_flagged(name, e), fontsize=8, fontweight="normal")
        for ax in flat[n + 1 :]:
            ax.set_visible(False)
    return fig


def unit(explanation: Any) -> str:
    """Return what the colours of maps measure, and how a sign is seen without them."""
    scalar = _unit(explanation)
    return f"{scalar}\nhatched, {MINUS}: against" if explanation.signed else scalar


def _flagged(name: str, explanation: Any) -> str:
    return name.replace("_", " ") + tables.doubt(explanation)


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
                attribution(ax, shown[i], limit, signed=True, signs=False)
        fig.suptitle(
            f"Weights of {layer}: {len(shown)} of {len(values)} filters, red positive, hatched negative",
            fontsize=9,
            x=0.01,
            ha="left",
        )
    return fig


def picture(ax: Any, image: np.ndarray) -> None:
    """Draw an input ``(channel, row, column)``: three channels in their colours, else in grey, dark on light."""
    if len(image) == 3:
        ax.imshow(np.clip(image, 0, 1).transpose(1, 2, 0))
    else:
        ax.imshow(image.mean(0), cmap="gray_r", vmin=0, vmax=1)
    _bare(ax)


def attribution(ax: Any, values: np.ndarray, limit: float, signed: bool, signs: bool = True) -> Any:
    """Draw a map ``(row, column)``: symmetric about zero if signed, from zero up if not.

    Signs are seen without colour: places that speak against by more than a quarter of the limit are hatched,
    and a plus or a minus stands where the map is strongest in either direction (``signs=False``: only hatched,
    for maps too small for letters).
    """
    drawn = ax.imshow(values, cmap=SIGNED if signed else UNSIGNED, vmin=-limit if signed else 0, vmax=limit)
    if signed:
        finite = np.nan_to_num(np.asarray(values, dtype=float))
        _hatch(ax, finite, -STRONG * limit)
        if signs:
            _sign(ax, finite, STRONG * limit)
    _bare(ax)
    return drawn


def _hatch(ax: Any, values: np.ndarray, below: float) -> None:
    """Hatch what lies below; of small maps each place is cut finer, or half of it would be left out."""
    if not (values <= below).any():
        return
    k = FINER if min(values.shape) < SMALL else 1
    down, across = ((np.arange(k * side) + 0.5) / k - 0.5 for side in values.shape)
    fine = values.repeat(k, 0).repeat(k, 1)
    hatched = ax.contourf(across, down, fine, levels=[-np.inf, below], colors="none", hatches=["//////"])
    hatched.set(edgecolor="white", linewidth=0)
    ax.set(xlim=(-0.5, values.shape[1] - 0.5), ylim=(values.shape[0] - 0.5, -0.5))


def _sign(ax: Any, values: np.ndarray, least: float) -> None:
    for sign, end in (("+", values.max()), (MINUS, values.min())):
        if abs(end) >= least and (end > 0) == (sign == "+"):
            row, column = _middle(values == end)
            ax.plot(column, row, "o", color="white", markeredgecolor=INK, markeredgewidth=0.6, markersize=6.5)
            ax.annotate(sign, (column, row), ha="center", va="center_baseline", fontsize=7, fontweight="bold")


def _middle(chosen: np.ndarray) -> tuple[int, int]:
    """Return the place among the chosen ones that is nearest to their mean: of a patch its middle."""
    places = np.argwhere(chosen)
    row, column = places[np.square(places - places.mean(0)).sum(1).argmin()]
    return int(row), int(column)


def _bare(ax: Any) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set(visible=True, color=INK, linewidth=0.4)


def named(explanation: Any, row: int) -> str:
    """Return the question that an explanation of a row answers."""
    target = int(explanation.target[row])
    name = explanation.class_names[target] if explanation.class_names else str(target)
    return f"why {shortened(name)}?"
