"""Pictures of attention: every head of every layer for one input, and what comes of them layer by layer.

Texts and tables are matrices: who looks, down, at whom, across. Images are maps of what one token looks at.
The three largest weights of a panel are ranked in it and written above it, which says the same without colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import BadInput
from .attributions import attribution, named, picture
from .canvas import canvas, scale, shortened, wrapped

TOKENS, LAYERS, HEADS = 16, 6, 8  # that are drawn at most
RANKED = 3  # weights of a panel that are written
ROLLED = {"attention_rollout": "rolled out", "attention_gradient": "relevance"}


@dataclass(frozen=True)
class Panels:
    """What is drawn: panels ``(layer, head, down, across)``, and what came of each layer; an image or names of tokens."""

    weights: np.ndarray
    rolled: np.ndarray | None
    said: str
    down: Sequence[str] = ()
    across: Sequence[str] = ()
    image: np.ndarray | None = None


def draw(explanation: Any, row: int = 0) -> Figure:
    """Draw the attention of one input: layers below, heads beside each other, one colour scale for all heads.

    Parameters
    ----------
    explanation
        By a method that reads attention, with its weights.
    row
        Which of the explained inputs is drawn.

    Raises
    ------
    BadInput
        The weights were not kept, or do not belong to the values any more.
    """
    weights, rolled = _kept(explanation, row)
    panels = (_maps if "patches" in explanation.settings else _matrices)(explanation, row, weights, rolled)
    left = [f"the last {LAYERS} of {len(weights)} layers"] * (len(weights) > LAYERS)
    left += [f"the first {HEADS} of {weights.shape[1]} heads"] * (weights.shape[1] > HEADS)
    names = [*explanation.settings["layers"]][-LAYERS:]
    title = f"{named(explanation, row)} {'; '.join([panels.said, *left])}"
    return _figure(_cut(panels), names, title, ROLLED.get(explanation.method, ""))


def _cut(panels: Panels) -> Panels:
    rolled = None if panels.rolled is None else panels.rolled[-LAYERS:]
    return replace(panels, weights=panels.weights[-LAYERS:, :HEADS], rolled=rolled)


def _kept(explanation: Any, row: int) -> tuple[np.ndarray, np.ndarray | None]:
    settings = explanation.settings
    if "weights" not in settings or "layers" not in settings or "grouped" in settings:
        raise BadInput("The attention weights of every head were not kept with this explanation",
                       "an explanation of few inputs by attention, attention_rollout or attention_gradient, neither grouped nor "
                       "under noise, of a model whose layers are alike", "Explain fewer inputs at once, or fewer tokens")  # fmt: skip
    if row not in range(len(explanation)):
        raise BadInput(f"row is {row!r}", f"0 to {len(explanation) - 1}", "Choose another")
    rolled = settings.get("rolled")
    return np.asarray(settings["weights"][row]), None if rolled is None else np.asarray(rolled[row])


def _place(settings: dict, tokens: int) -> slice:
    """Return where the tokens of the input stand among all."""
    extra = settings["special_tokens"]
    begin = extra if settings.get("special") != "last" else 0
    return slice(begin, begin + tokens - extra)


def _maps(e: Any, row: int, weights: np.ndarray, rolled: np.ndarray | None) -> Panels:
    """Return what one token looks at, as maps of patches."""
    grid, query = e.settings["patches"], e.settings["query"]
    place = _place(e.settings, weights.shape[-1])

    def of_one(matrices: np.ndarray) -> np.ndarray:
        seen = _of_query(matrices, query, place)[..., place]
        return seen.reshape(*seen.shape[:-1], grid["rows"], grid["columns"])

    who = f"place {query}" if query not in ("special", "mean") else _LOOKS[query]
    pooled = weights.shape[-2] == 1
    said = f"What each head looks at{'' if pooled else f', as seen from {who}'}, patch by patch"
    return Panels(of_one(weights), None if rolled is None else of_one(rolled), said, image=e.inputs[row])


_LOOKS = {"special": "the model's own token", "mean": "all patches (their mean)"}


def _of_query(matrices: np.ndarray, query: Any, place: slice) -> np.ndarray:
    if matrices.shape[-2] == 1:
        return matrices[..., 0, :]
    if query == "mean":
        return matrices[..., place, :].mean(-2)
    own = 0 if place.start else place.stop
    return matrices[..., {"special": own, "first": 0, "last": place.stop - 1}.get(query, query), :]


def _matrices(e: Any, row: int, weights: np.ndarray, rolled: np.ndarray | None) -> Panels:
    """Return who looks at whom, without padding; of many tokens those that are looked at most."""
    names = _tokens(e, row, weights.shape[-1])
    there = np.array([i for i, name in enumerate(names) if name])
    looked = weights[..., there].mean((0, 1))
    looked = (looked[there] if weights.shape[-2] > 1 else looked).mean(0)
    kept = there[np.sort(np.argsort(-looked, kind="stable")[:TOKENS])]
    labels = [shortened(names[i], 14) for i in kept]
    said = "Who looks (down) at whom (across), by layer and head"
    if len(kept) < len(there):
        said += f"; the {TOKENS} of {len(there)} tokens that are looked at most"
    pooled = weights.shape[-2] == 1

    def of_kept(matrices: np.ndarray) -> np.ndarray:
        return matrices[..., kept] if pooled else matrices[..., kept[:, None], kept]

    down = ["pooled"] if pooled else labels
    return Panels(of_kept(weights), None if rolled is None else _hollow(of_kept(rolled)), said, down, labels)


def _hollow(matrices: np.ndarray) -> np.ndarray:
    """Leave out the diagonal, what each token keeps of itself, beside which the rest would not be seen."""
    return np.where(np.eye(matrices.shape[-1], dtype=bool), np.nan, matrices)


def _tokens(e: Any, row: int, tokens: int) -> list[str]:
    """Return the name of every token, an empty string for padding."""
    place = _place(e.settings, tokens)
    known = list(e.labels[row]) if e.tokens is not None else [str(name) for name in e.feature_names]
    if len(known) != place.stop - place.start:
        known = [f"feature {i}" for i in range(place.stop - place.start)]
    return ["[own]"] * place.start + known + ["[own]"] * (tokens - place.stop)


def _figure(panels: Panels, names: list[str], title: str, rolled: str) -> Figure:
    layers, heads, height, width = panels.weights.shape
    first, more = int(panels.image is not None), int(panels.rolled is not None)
    side = (1.35, 1.3) if first else (max(1.1, 0.16 * width), max(0.5, 0.16 * height) + 0.3)
    columns = first + heads + more
    size = (side[0] * columns + 2.0, side[1] * layers + 0.9 + 0.6 * (not first))
    with canvas(layers, columns, size, squeeze=False) as (fig, axes):
        for line, name in zip(axes, names, strict=True):
            line[first].set_ylabel(shortened(name, 20), fontsize=7)
        for at, head in np.ndindex(layers, heads):
            drawn = _panel(
                axes[at, first + head], panels.weights[at, head], scale(panels.weights), f"head {head}"
            )
        for at in range(layers * more):
            _panel(axes[at, -1], panels.rolled[at], scale(panels.rolled), rolled)  # type: ignore[index, arg-type]
        _input(axes[:, :first], panels.image)
        _name(axes[:, first:], panels)
        label = "weight" + "; last column: on its own scale" * more + ", off the diagonal" * (more > first)
        fig.colorbar(drawn, ax=axes, shrink=0.9, pad=0.015, aspect=30).set_label(label, fontsize=8)
        fig.suptitle(wrapped(title, int(11.5 * size[0])), x=0.01, ha="left", fontsize=9, fontweight="bold")
    return fig


def _panel(ax: Any, values: np.ndarray, limit: float, name: str) -> Any:
    """Draw numbers with the ranks of the largest in their places, and these above."""
    drawn = attribution(ax, values, limit, signed=False)
    largest = np.argsort(-values, axis=None, kind="stable")[:RANKED]
    for rank, (down, across) in enumerate(
        zip(*np.unravel_index(largest, values.shape), strict=True), start=1
    ):
        ink = "black" if values[down, across] > 0.6 * limit else "white"
        ax.text(across, down, str(rank), ha="center", va="center", fontsize=6, color=ink)
    numbers = " ".join(_number(values.flat[i]) for i in largest)
    ax.set_title(f"{name}\n{numbers}", fontsize=7, fontweight="normal", pad=2)
    return drawn


def _number(value: float) -> str:
    return (f"{value:.2f}" if value >= 0.095 else f"{value:.1g}").removeprefix("0") or "0"


def _input(axes: np.ndarray, image: np.ndarray | None) -> None:
    """Draw the image in the first line of a column of its own."""
    for i, ax in enumerate(axes.ravel()):
        ax.set_visible(i == 0)
    if image is not None:
        picture(axes[0, 0], image)
        axes[0, 0].set_title("the input", fontsize=7, fontweight="normal", pad=2)


def _name(axes: np.ndarray, panels: Panels) -> None:
    """Write the tokens at the left and at the bottom."""
    for ax in axes[:, 0]:
        ax.set_yticks(range(len(panels.down)), panels.down, fontsize=6)
    for ax in axes[-1]:
        ax.set_xticks(range(len(panels.across)), panels.across, fontsize=6, rotation=90)
    for ax in axes.ravel():
        ax.tick_params(length=0)
