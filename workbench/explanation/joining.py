"""Explanations of the parts of a whole become one again, as if they had been made in one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from .checks import of_values
from .lengths import LOW
from .result import ARRAYS, Explanation

ROWS = ("baselines", "feature_mask")  # settings that may have an entry a row


def joined(parts: Sequence[Explanation]) -> Explanation:
    """Return one explanation of the rows of all parts, one after the other.

    Numbers that a method measured (such as its sampling error) become their mean over rows; what the checks
    count over rows is counted anew. A fact that neither is a number a row nor the same in all parts stands
    in ``settings`` as a dict, under the first row of each part.

    Parameters
    ----------
    parts
        At least one, of one method and one model, in the order of their rows.
    """
    first = parts[0]
    arrays: dict[str, Any] = {name: _stacked(name, parts) for name in ARRAYS}
    labels = None if first.labels is None else tuple(row for part in parts for row in part.labels or ())
    whole = replace(
        first, **arrays, labels=labels, settings=_settings(parts),
        estimand="; or: ".join(dict.fromkeys(part.estimand for part in parts)),
        seconds=sum(part.seconds for part in parts), n_forward=sum(part.n_forward for part in parts),
    )  # fmt: skip
    return replace(whole, flags=_flags(parts, whole))


def _stacked(name: str, parts: Sequence[Explanation]) -> np.ndarray | None:
    """Put a part's arrays one under the other; a part without any (no padding in its texts) has False there."""
    known = next((array for part in parts if (array := getattr(part, name)) is not None), None)
    if known is None:
        return None
    arrays = [getattr(part, name) for part in parts]
    empty = [np.zeros((len(part), *known.shape[1:]), known.dtype) for part in parts]
    return np.concatenate(
        [blank if array is None else array for blank, array in zip(empty, arrays, strict=True)]
    )


def _settings(parts: Sequence[Explanation]) -> dict[str, Any]:
    measured = dict.fromkeys(name for part in parts for name in part.settings["measured"])
    names = dict.fromkeys(name for part in parts for name in part.settings)
    merged = {}
    for name in names:
        known = [(part, part.settings[name]) for part in parts if name in part.settings]
        merged[name] = _merged(name, known, name in measured)
    return {**merged, "measured": list(measured)}


def _merged(name: str, known: Sequence[tuple[Explanation, Any]], measured: bool) -> Any:
    """Return what several parts say under one name, as a call of the whole would say it."""
    values = [value for _, value in known]
    if all(_has_rows(value, part, name in ROWS, measured) for part, value in known):
        return [*chain(*values)] if isinstance(values[0], list) else np.concatenate(values)
    if all(_equal(value, values[0]) for value in values):
        return values[0]
    if name.endswith(LOW):
        return min(values)
    if all(isinstance(value, float) for value in values):
        return float(np.average(values, weights=[len(part) for part, _ in known]))
    if all(isinstance(value, dict) and value.keys() == values[0].keys() for value in values):
        return {key: _merged(key, [(part, value[key]) for part, value in known], True) for key in values[0]}
    return {str(_first(part)): value for part, value in known}


def _has_rows(value: Any, part: Explanation, given: bool, measured: bool) -> bool:
    """Whether a setting has an entry for each row of its part: given as the inputs are, or measured."""
    if not isinstance(value, (list, np.ndarray)) or np.ndim(value) == 0 or len(value) != len(part):
        return False
    return measured or (given and part.inputs is not None and np.ndim(value) == part.inputs.ndim)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return (
        bool(a == b)
        if not isinstance(a, dict)
        else a.keys() == b.keys() and all(_equal(a[k], b[k]) for k in a)
    )


def _first(part: Explanation) -> Any:
    return part.row_ids[0] if part.row_ids is not None else 0


def _flags(parts: Sequence[Explanation], whole: Explanation) -> dict[str, str]:
    """Return every part's flags; those of its values are found anew in the whole."""
    flags: dict[str, dict[str, str]] = {}
    for part in parts:
        own = _of_values(part)
        for name, said in part.flags.items():
            if name not in own:
                flags.setdefault(name, {}).setdefault(said, f"From row {_first(part)} on: {said}")
    told = {
        name: next(iter(found)) if len(found) == 1 else " ".join(found.values())
        for name, found in flags.items()
    }
    return told | _of_values(whole)


def _of_values(e: Explanation) -> dict[str, str]:
    difference = None if e.output is None or e.base_values is None else e.output - e.base_values
    return of_values(e.values, e.delta, difference)
