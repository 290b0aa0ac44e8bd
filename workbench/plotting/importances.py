"""Local explanations added up: what counts for each class, over many inputs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from . import tables
from .canvas import shortened
from .galleries import gallery
from .matrices import matrix

SEEN, WORDS = 3, 10  # a word counts when it stood in so many texts; so many are drawn for each class
NAMED = 4  # classes that are named under a picture


def by_class(e: Any) -> Figure:
    """Draw the mean absolute attribution by explained class: maps of images, columns of tables, words of texts."""
    classes = np.unique(e.target)
    names = [e.class_names[c] if e.class_names else str(c) for c in classes]
    if e.kind == "image":
        typical = [np.abs(e.map[e.target == c]).mean(0) for c in classes]
        title = f"Where the evidence for each class lies, over {len(e)} inputs"
        return gallery(
            typical, [shortened(name, 14) for name in names], title, kind="unsigned", label=f"|{_output(e)}|"
        )
    if e.kind == "text":
        return _words(e, classes, names)
    means = np.stack([np.abs(e.values[e.target == c]).mean(0) for c in classes])
    order = np.argsort(-means.mean(0), kind="stable")[:WORDS]
    title = f"{e.feature_names[order[0]]} counts most, over {len(e)} rows"
    return matrix(means[:, order].T, [e.feature_names[i] for i in order], title,
                  xlabel="explained class: " + ", ".join(f"{i} = {shortened(name, 20)}" for i, name in enumerate(names[:NAMED]))
                  + (", ..." if len(names) > NAMED else ""),
                  label=f"mean |{_output(e)}|")  # fmt: skip


def _words(e: Any, classes: np.ndarray, names: list[str]) -> Figure:
    """Draw the words of the largest mean attribution for each class."""
    means = [_mean_by_word(e, c) for c in classes]
    words = sorted({word for one in means for word in one})
    if not words:
        return tables.listing([("", f"No word stood in {SEEN} texts of a class.")], "No words to draw")
    values = np.array([[max(0.0, one.get(word, 0.0)) for word in words] for one in means])
    title = f"The words that speak most for each class, over {len(e)} texts"
    return tables.by_class(
        values, words, [f"for {name}" for name in names], title, k=WORDS, label=f"mean {_output(e)}"
    )


def _mean_by_word(e: Any, c: int) -> dict[str, float]:
    found = defaultdict(list)
    for row in np.flatnonzero(e.target == c):
        for word, value, hidden in zip(e.labels[row], e.values[row], e.padding[row], strict=True):
            if not hidden:
                found[word].append(value)
    return {word: float(np.mean(values)) for word, values in found.items() if len(values) >= SEEN}


def _output(e: Any) -> str:
    return e.settings["output"].replace("_", " ")
