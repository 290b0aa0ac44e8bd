"""An explanation as tables: what stands at each value, the largest ones, all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .result import Explanation

if TYPE_CHECKING:
    import pandas as pd


def name_of(e: Explanation, i: int, row: int = 0) -> str:
    """Return what the ``i``-th value of a row belongs to: a column, a word, or a place of an image."""
    shape = e.values.shape[1:]
    if len(e.feature_names) == np.prod(shape):
        return e.feature_names[i]
    if e.labels is not None and len(e.labels[row]) == np.prod(shape):
        return e.labels[row][i] or f"place {i}"
    place = np.unravel_index(i, shape)
    return f"row {place[-2]}, column {place[-1]}" if len(place) == 3 else f"feature {i}"


def cells(e: Explanation, size: int) -> np.ndarray:
    """Return what stands at each feature as in the data, ``(n, size)``: raw numbers and words, tokens, pixels."""
    names = () if e.codec is None else tuple(e.codec.names)
    if e.codec is not None and e.inputs is not None and len(names) == size and e.feature_names == names:
        return e.codec.decoded(e.inputs).to_numpy()
    if e.labels is not None and all(len(row) == size for row in e.labels):
        return np.array(e.labels, dtype=object)
    if e.inputs is not None and e.inputs.shape == e.values.shape:
        return e.inputs.reshape(len(e), size)
    return np.full((len(e), size), np.nan)


def largest(e: Explanation, k: int, row: int) -> pd.DataFrame:
    """Return the ``k`` features of a row with the largest absolute values, largest first."""
    import pandas as pd

    flat = e.values[row].ravel()
    order = np.argsort(-np.abs(flat), kind="stable")[:k]
    return pd.DataFrame({"feature": [name_of(e, i, row) for i in order], "value": flat[order]})


def tidy(e: Explanation) -> pd.DataFrame:
    """Return a line a row and feature: row, feature, target, input, value."""
    import pandas as pd

    n, size = len(e), int(np.prod(e.values.shape[1:]))
    ids = e.row_ids if e.row_ids is not None else np.arange(n)
    return pd.DataFrame({
        "row": np.repeat(ids, size),
        "feature": [name_of(e, i, row) for row in range(n) for i in range(size)],
        "target": np.repeat(e.target if e.target is not None else np.full(n, -1), size),
        "input": cells(e, size).ravel(),
        "value": e.values.ravel(),
    })  # fmt: skip
