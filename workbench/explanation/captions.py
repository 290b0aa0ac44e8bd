"""An explanation in one sentence with a number, for who cannot see its picture."""

from __future__ import annotations

import numpy as np

from .listing import name_of
from .result import Explanation

OPEN, CLOSE = "\N{LEFT DOUBLE QUOTATION MARK}", "\N{RIGHT DOUBLE QUOTATION MARK}"
HALF = 0.5  # of all that was attributed, in absolute values


def told(e: Explanation) -> str:
    """Return what was found in one sentence: the largest value, where it is, and for maps on how little of them half of all lies."""
    flat = e.values.reshape(len(e.values), -1)
    if not flat.size or not np.isfinite(flat).any():
        return f"{_what(e)}, none of {flat.size} values is finite{_doubt(e)}."
    if not np.nan_to_num(flat).any():
        return f"{_what(e)}, each of {flat.size} values is zero{_doubt(e)}."
    row, place = np.unravel_index(np.nanargmax(np.where(np.isfinite(flat), np.abs(flat), np.nan)), flat.shape)
    number = _number(float(flat[row, place]), e.signed)
    found = f"the largest value is {number}, at {_place(e, int(place), int(row))}{_of_row(e, int(row))}"
    return f"{_what(e)}, {found}{_spread(e)}{_doubt(e)}."


def _what(e: Explanation) -> str:
    name = e.method.replace("_", " ")
    if e.scope == "global":
        return f"Of the model as a whole, explained by {name}"
    rows = f"{len(e)} inputs" if len(e) > 1 else "one input"
    return f"Of {rows} explained by {name} ({e.settings['output'].replace('_', ' ')})"


def _number(value: float, signed: bool) -> str:
    return f"{value:{'+' if signed else ''}.3g}".replace("-", "\N{MINUS SIGN}")


def _place(e: Explanation, place: int, row: int) -> str:
    if e.scope == "local":
        name = name_of(e, place, row)
        return f"the word {OPEN}{name}{CLOSE}" if e.tokens else name
    names = e.settings.get("feature_names") or e.feature_names
    name = names[place] if place < len(names) == e.values.shape[-1] else name_of(e, place, row)
    of_classes = len(e.values) > 1 and len(e.class_names) == len(e.values)
    return f"{name} for {e.class_names[row]}" if of_classes else name


def _of_row(e: Explanation, row: int) -> str:
    """Return which question this row asks, and which of several rows it is."""
    if e.scope == "global" or e.target is None:
        return ""
    target = int(e.target[row])
    asked = f"why {e.class_names[target] if e.class_names else target}?"
    return f" of input {row} ({asked})" if len(e) > 1 else f" ({asked})"


def _spread(e: Explanation) -> str:
    """Return on how little of the input half of the attribution lies: what the eye takes from a map."""
    if e.scope == "global" or e.map is None:
        return ""
    sizes = np.sort(np.abs(np.nan_to_num(e.map.reshape(len(e), -1))), axis=1)[:, ::-1]
    reached = np.cumsum(sizes, axis=1) >= HALF * sizes.sum(1, keepdims=True)
    share = float((reached.argmax(1) + 1).mean() / sizes.shape[1])
    return f"; half of all lies on {share:.0%} of the places"


def _doubt(e: Explanation) -> str:
    return "" if e.soundness == "sound" else f" ({e.soundness}: {', '.join(e.deciding)})"
