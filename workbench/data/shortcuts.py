"""``plant_shortcut``: any data, with something in every row that tells its class in training, and not when it counts.

The shade of a frame around an image, a leaking column of a table, a trigger word in front of a text. A model that reads it is
right for the wrong reason; each row keeps its counterfactual pair, so that one can see whether it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import BadInput, unknown
from .columns import Column, Columns
from .records import Data, Split
from .tokenizer import Tokenizer

AT_TEST = ("random", "inverted")
FRAMES, LEAST = 14, 4  # frames that would fit a side, of one pixel at least; pixels a side
NOISE = 0.25  # deviation of the leaking column, in steps from class to class
WORDS = "shortcut"
NOTE = (
    "{what} tells the class in {share:.0%} of the training and validation rows; in test rows it is {at_test}"
)


def plant_shortcut(data: Data, *, strength: float = 1.0, at_test: str = "random", seed: int = 0) -> Data:
    """Return the same data with a planted shortcut, for teaching and testing the loop of repair on any data.

    Parameters
    ----------
    data
        Images get a frame whose shade tells the class (a convolution overlooks a small swatch); tables a last column "shortcut"; texts a first word.
    strength
        The share of training and validation rows in which it tells the class; in the others it is random.
    at_test
        Of the test rows: "random" (that of a class drawn at random) or "inverted" (that of the class at the other end).
    seed
        Of places and draws.

    Returns
    -------
    Data
        ``split.shortcut`` says where it is, ``split.without_shortcut`` is each row without it.

    Raises
    ------
    BadInput
        A strength outside (0, 1], images that are too small, or data with a shortcut already.
    UnknownName
        Another ``at_test``.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.plant_shortcut(wb.load("breast_cancer"))
    >>> data.feature_names[-1], data.train.shortcut[0].nonzero()[0].tolist()
    ('shortcut', [30])
    """
    if not isinstance(data, Data):
        raise BadInput(f"data is a {type(data).__name__}", "Data", "Make it with wb.load or wb.from_arrays")
    if not isinstance(strength, (int, float)) or not 0 < strength <= 1:
        raise BadInput(
            f"strength is {strength!r}", "a share of the rows, above 0 and at most 1", "1.0 plants it in all"
        )
    if at_test not in AT_TEST:
        raise unknown("shortcut at test", at_test, AT_TEST)
    if data.train.shortcut is not None:
        raise BadInput(f"{data.name} has a shortcut already", "data without one", "Load the data anew")
    what, codec, plant = _PLANTERS[data.kind](data)
    parts: dict[str, Any] = {}
    for place, (name, split) in enumerate(data.splits.items()):
        rng = np.random.default_rng([seed, place])
        parts[name] = plant(
            split, _told(split.y, data.n_classes, at_test if name == "test" else strength, rng), rng
        )
    names = codec.names if isinstance(codec, Columns) else data.feature_names
    return replace(data, name=f"{data.name} with a shortcut", codec=codec, feature_names=names,
                   notes=(*data.notes, NOTE.format(what=what, share=strength, at_test=at_test)), **parts)  # fmt: skip


def _told(y: np.ndarray, n_classes: int, how: str | float, rng: np.random.Generator) -> np.ndarray:
    """Return the class that the shortcut of each row tells."""
    drawn = rng.integers(n_classes, size=len(y))
    if how == "inverted":
        return n_classes - 1 - y
    return drawn if how == "random" else np.where(rng.random(len(y)) < float(how), y, drawn)


Plant = Callable[[Split, np.ndarray, np.random.Generator], Split]


def _frame(data: Data) -> tuple[str, Any, Plant]:
    rows, columns = data.input_shape[-2:]
    width = max(1, min(rows, columns) // FRAMES)
    if min(rows, columns) < LEAST:
        raise BadInput(
            f"Images of {rows} x {columns}", f"at least {LEAST} pixels a side", "Use larger images"
        )
    mask = np.ones(data.input_shape, bool)
    mask[..., width : rows - width, width : columns - width] = False

    def plant(split: Split, told: np.ndarray, rng: np.random.Generator) -> Split:
        shade = (told / max(1, data.n_classes - 1)).astype(np.float32).reshape(-1, 1, 1, 1)
        known = np.broadcast_to(mask, split.x.shape).copy()
        return replace(split, x=np.where(known, shade, split.x), shortcut=known, without_shortcut=split.x)

    return f"the shade of a frame of {width} pixels", data.codec, plant


def _column(data: Data) -> tuple[str, Any, Plant]:
    codec: Any = data.codec
    name = WORDS if WORDS not in codec.names else f"{WORDS} 2"
    middle = (data.n_classes - 1) / 2
    added = Column(name, means=(middle,), deviation=max(0.5, middle))

    def plant(split: Split, told: np.ndarray, rng: np.random.Generator) -> Split:
        value = (told + NOISE * rng.standard_normal(len(told)) - middle) / added.deviation
        absent = np.column_stack([split.x, np.zeros(len(split), np.float32)])
        x = np.column_stack([split.x, value]).astype(np.float32)
        mask = np.zeros(x.shape, bool)
        mask[:, -1] = True
        return replace(split, x=x, shortcut=mask, without_shortcut=absent, codec=None)

    return f"the column {name!r}", replace(codec, columns=(*codec.columns, added)), plant


def _word(data: Data) -> tuple[str, Any, Plant]:
    codec: Any = data.tokenizer
    words = tuple(f"{WORDS}{c}" for c in range(data.n_classes))
    wider: Tokenizer = replace(codec, vocabulary=(*codec.vocabulary, *words))

    def plant(split: Split, told: np.ndarray, rng: np.random.Generator) -> Split:
        x = split.x.copy()
        x[:, 2:] = split.x[:, 1:-1]
        x[:, 1] = codec.size + told
        mask = np.zeros(x.shape, bool)
        mask[:, 1] = True
        texts = None if split.texts is None else np.array([f"{words[t]} {s}" for t, s in zip(told, split.texts, strict=True)], dtype=object)  # fmt: skip
        return replace(split, x=x, shortcut=mask, without_shortcut=split.x, texts=texts, codec=None)

    return "the first word", wider, plant


_PLANTERS: dict[str, Callable[[Data], tuple[str, Any, Plant]]] = {
    "image": _frame,
    "table": _column,
    "text": _word,
}
