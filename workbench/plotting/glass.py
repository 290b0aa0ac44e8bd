"""Glass boxes: the weights of a logistic regression, which are the whole model."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import BadInput
from ..zoo.holder import unwrap
from . import tables
from .canvas import shortened
from .galleries import gallery

CLASSES = 20  # templates that are drawn


def coefficients(model: Any, data: Any, k: int = 15) -> Figure:
    """Draw the weights of a logistic regression: templates of images, signed bars of columns, the weightiest words.

    Columns of numbers are standardized, so their weights can be compared; a category's weight is that of
    having it. With two classes positive weights speak for the second.

    Parameters
    ----------
    model
        A linear classifier with ``coef_``, or a pipeline that ends in one; ``Fitted`` too.
    data
        What it was fitted on.
    k
        Columns or words that are drawn.

    Raises
    ------
    BadInput
        The model has no coefficients, or not one an entry of a row of the data.
    """
    weights, names = named(model, data)
    if data.kind == "image":
        return _templates(weights, data)
    best = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    towards = data.class_names[1] if len(weights) == 1 else data.class_names[best[0]]
    said = f"\N{LEFT DOUBLE QUOTATION MARK}{shortened(names[best[1]], 44)}\N{RIGHT DOUBLE QUOTATION MARK}"
    way = "for" if weights[best] > 0 else "against"
    title = f"{said} weighs most: {weights[best]:+.2f}, {way} {shortened(towards)}"
    if len(weights) == 1:
        return tables.importances(
            weights[0], names, title=title, k=k, label=f"weight (positive: for {shortened(towards)})"
        )
    return tables.by_class(weights, names, data.class_names, title, k=min(k, 8))


def named(model: Any, data: Any) -> tuple[np.ndarray, list[str]]:
    """Return the weights ``(class or 1, entry)`` of a linear classifier, and what each entry is.

    Parameters
    ----------
    model
        As in :func:`coefficients`.
    data
        What it was fitted on.
    """
    model = unwrap(model)
    *before, last = [step for _, step in model.steps] if hasattr(model, "steps") else [model]
    if not hasattr(last, "coef_"):
        raise BadInput(f"A {type(last).__name__} has no coefficients", "a fitted linear classifier, such as logistic",
                       "Fit one on these data")  # fmt: skip
    weights = np.atleast_2d(np.asarray(last.coef_))
    names = _named(before, data)
    if len(names) != weights.shape[1]:
        raise BadInput(f"The model has {weights.shape[1]} weights a class but the data have {len(names)} entries",
                       "a weight an entry of a row", "Pass the data that it was fitted on")  # fmt: skip
    return weights, names


def _named(before: list[Any], data: Any) -> list[str]:
    told = next((step for step in reversed(before) if hasattr(step, "get_feature_names_out")), None)
    if told is not None and data.kind == "text":
        return [str(name) for name in told.get_feature_names_out()]
    if data.kind == "table" and data.codec is not None:
        return list(data.codec.encoded_names)
    return [f"entry {i}" for i in range(int(np.prod(data.input_shape)))]


def _templates(weights: np.ndarray, data: Any) -> Figure:
    maps = weights.reshape(-1, *data.input_shape).sum(1)
    names = [shortened(name, 14) for name in data.class_names]
    if len(maps) == 1:
        names = [f"for {names[1]}, against {names[0]}"]
    flat = np.abs(maps).reshape(len(maps), -1)
    share = (
        float(np.sort(flat, axis=1)[:, -max(1, flat.shape[1] // 10) :].sum() / flat.sum())
        if flat.any()
        else 0.0
    )
    shown = min(CLASSES, len(maps))
    few = f" ({shown} of {len(maps)} classes)" if shown < len(maps) else ""
    title = f"A tenth of the pixels has {share:.0%} of the weight; red speaks for the class{few}"
    return gallery(maps[:shown], names[:shown], title, label="weight")
