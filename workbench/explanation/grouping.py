"""Features added up: words into sentences, columns into named groups. Sums stay true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import BadInput
from .registry import attributing
from .result import Explanation


def grouped(e: Explanation, by: Any) -> Explanation:
    """Return an explanation whose values are sums over groups of features."""
    if e.scope == "global" or not np.isfinite(e.values).all():
        raise BadInput(f"{e.method} has no finite values a row", "a local explanation", "Explain rows")
    if not attributing(e.method):
        raise BadInput(
            f"{e.method} has no values of features", "attributions", "Group those of another method"
        )
    if isinstance(by, Mapping):
        return _by_columns(e, by)
    if by not in ("word", "sentence") or not hasattr(e.codec, "sentences"):
        raise BadInput(
            f"by is {by!r} for a {e.kind}",
            "a mapping of columns, or 'word' or 'sentence' for texts",
            "Choose one",
        )
    if by == "word":
        return e  # A token of this tokenizer is a word; a Chinese character is one as well.
    return _by_sentence(e)


def _by_sentence(e: Explanation) -> Explanation:
    codec: Any = e.codec
    numbers, rows = codec.sentences(e.inputs), e.labels or ()
    most = int(numbers.max(initial=0)) + 1
    values = np.stack([(e.values * (numbers == k)).sum(1) for k in range(most)], axis=1)
    labels = tuple(
        tuple(" ".join(np.array(row, dtype=object)[numbers[i] == k]) for k in range(most))
        for i, row in enumerate(rows)
    )
    padding = np.arange(most) > numbers.max(1, keepdims=True)
    return _made(e, values, labels, padding, (), "sentence")


def _by_columns(e: Explanation, by: Mapping[str, Any]) -> Explanation:
    named = [name for names in by.values() for name in names]
    if strange := [name for name in named if name not in e.feature_names]:
        raise BadInput(
            f"There is no column {strange[0]!r}", f"columns among {list(e.feature_names)}", "Correct the name"
        )
    if len({*named}) != len(named):
        raise BadInput(
            "A column is named in two groups", "each column at most once", "Decide where it belongs"
        )
    if taken := [name for name in by if name in e.feature_names and name not in by[name]]:
        raise BadInput(f"A group is called {taken[0]!r}, which is a column outside of it", "a name of its own for each group",
                       "Call it otherwise")  # fmt: skip
    groups = {**by, **{name: [name] for name in e.feature_names if name not in named}}
    at = {name: i for i, name in enumerate(e.feature_names)}
    parts = [[at[name] for name in names] for names in groups.values()]
    values = np.stack([e.values[:, part].sum(1) for part in parts], axis=1)
    labels = e.labels and tuple(tuple(", ".join(row[i] for i in part) for part in parts) for row in e.labels)
    return _made(e, values, labels, None, tuple(groups), {name: list(names) for name, names in by.items()})


def _made(
    e: Explanation, values: np.ndarray, labels: Any, padding: Any, names: tuple[str, ...], by: Any
) -> Explanation:
    return replace(e, values=values.astype(np.float32), labels=labels, padding=padding, feature_names=names,
                   settings={**e.settings, "grouped": by})  # fmt: skip
