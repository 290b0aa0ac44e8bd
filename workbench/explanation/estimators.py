"""Scores of what is no network: fitted estimators, pipelines, and callables on arrays, frames and strings."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from ..errors import BadInput

SMALLEST = 1e-6  # probabilities of estimators are clipped here before their logarithm is taken


def scores_of(model: Any, x: Any) -> np.ndarray:
    """Return scores of an estimator: decision function where there is one a class, else log-probabilities."""
    if not hasattr(model, "predict"):
        return np.asarray(model(*x) if isinstance(x, tuple) else model(x))
    flat = x.reshape(len(x), -1) if isinstance(x, np.ndarray) else x
    return _placed(model, _columns(model, flat))


def _columns(model: Any, flat: Any) -> np.ndarray:
    if hasattr(model, "decision_function"):
        z = model.decision_function(flat)
        return np.stack([-z / 2, z / 2], 1) if z.ndim == 1 else z
    if hasattr(model, "predict_proba"):
        return np.log(np.clip(model.predict_proba(flat), SMALLEST, 1))
    return np.asarray(model.predict(flat))


def _placed(model: Any, z: np.ndarray) -> np.ndarray:
    """Return scores with column k for class k: an estimator may have seen other classes, or names."""
    classes = getattr(model, "classes_", None)
    if classes is None or z.ndim != 2 or np.array_equal(classes, np.arange(z.shape[1])):
        return z
    if np.asarray(classes).dtype.kind not in "iu" or len(classes) != z.shape[1] or min(classes) < 0:
        raise BadInput(f"The estimator's classes are {list(classes)[:6]}", "class numbers from 0, as in data.train.y",
                       "Fit it on class numbers, or wrap it in a function that returns scores in their order")  # fmt: skip
    placed = np.repeat(z.min(1, keepdims=True) + np.log(SMALLEST), int(max(classes)) + 1, axis=1)
    placed[:, classes] = z
    return placed


def reads_raw(model: Any, codec: Any) -> bool:
    """Whether a model reads raw rows: any but a module where inputs are texts, a pipeline fitted on a data frame.

    scikit-learn keeps the columns' names in ``feature_names_in_`` of whatever was fitted on a frame.
    """
    if codec is None or isinstance(model, nn.Module):
        return False
    return codec.kind == "text" or hasattr(model, "feature_names_in_")


def last_step(model: Any) -> Any:
    """Return the estimator at the end of a pipeline, or the model itself."""
    return model.steps[-1][1] if hasattr(model, "steps") else model
