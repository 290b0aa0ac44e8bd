"""The same numbers as shap and captum hold them, so that their own plots can be fed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInput
from .listing import cells, name_of
from .result import Explanation

if TYPE_CHECKING:
    import torch


def to_shap(e: Explanation, partial: bool = False) -> Any:
    """Return a ``shap.Explanation``: with base values where the values sum to the output."""
    import shap

    _refuse_global(e)
    if not partial:
        _refuse_what_does_not_sum(e)
    base = None if partial else np.asarray(e.base_values, dtype=float)
    return shap.Explanation(base_values=base, **_held(e))


def _held(e: Explanation) -> dict[str, Any]:
    """Return values, data and names: pixels channels last, of texts the words alone, of tables the raw cells too."""
    if e.tokens is not None:
        return _of_texts(e)
    if e.values.ndim == 4:
        return {"values": np.moveaxis(e.values, 1, -1), "data": np.moveaxis(np.asarray(e.inputs), 1, -1)}
    size = int(np.prod(e.values.shape[1:]))
    raw = cells(e, size)
    return {
        "values": e.values.reshape(len(e), size),
        "data": _numbers(raw),
        "display_data": raw,
        "feature_names": [name_of(e, i) for i in range(size)],
    }


def _of_texts(e: Explanation) -> dict[str, Any]:
    """Return texts without padding and special tokens, each of its own length, as shap's text explainers do."""
    there = [np.array([bool(word) for word in row]) for row in e.tokens or ()]
    if e.padding is not None:
        there = [here & ~hidden for here, hidden in zip(there, e.padding, strict=True)]
    words = [[word for word, here in zip(row, kept, strict=True) if here]
             for row, kept in zip(e.tokens or (), there, strict=True)]  # fmt: skip
    values = np.empty(len(e), dtype=object)
    values[:] = [row[kept].astype(float) for row, kept in zip(e.values, there, strict=True)]
    data = tuple(np.array(row, dtype=object) for row in words)
    return {"values": values, "data": data, "feature_names": words}


def _numbers(table: np.ndarray) -> np.ndarray:
    """Return a table's cells as numbers, which colour a beeswarm: categories are numbered in their order."""
    return np.stack([_column(table[:, i]) for i in range(table.shape[1])], axis=1)


def _column(column: np.ndarray) -> np.ndarray:
    import pandas as pd

    given = pd.Series(column)
    numbers = pd.to_numeric(given, errors="coerce")
    words = (numbers.isna() & given.notna()).any()
    return pd.factorize(given.astype(str), sort=True)[0].astype(float) if words else numbers.to_numpy(float)


def to_captum(e: Explanation) -> torch.Tensor:
    """Return the values as a tensor of their own."""
    import torch

    _refuse_global(e)
    return torch.tensor(e.values)


def _refuse_global(e: Explanation) -> None:
    if e.scope == "global":
        raise BadInput(f"{e.method} explains the model, not rows", "a local explanation", "Use e.values")


def _refuse_what_does_not_sum(e: Explanation) -> None:
    """Refuse what a waterfall would draw as a sum although it is none."""
    if e.delta is None:
        raise BadInput(f"The values of {e.method} do not promise to sum to the output",
                       "a complete method: shap's waterfall starts at a base value and ends at the output",
                       "Choose one whose delta is not None, or take the values alone: to_shap(partial=True)")  # fmt: skip
    if not np.isfinite(e.values).all():
        raise BadInput(
            "Some values are not finite", "finite values, as a waterfall adds them up", "Look at e.flags"
        )
    if "gap" in e.flags:
        raise BadInput(f"The values miss the output by up to {np.nanmax(np.abs(e.delta)):.3g}",
                       "values that sum to it within 5 %, as a waterfall draws them",
                       "Raise the method's steps or samples, or take the values alone: to_shap(partial=True)")  # fmt: skip
