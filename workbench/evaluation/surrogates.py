"""Easier or harder to explain? How far a small tree can speak for each model, and the original's tree for the compressed one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ..data.records import Data, Split
from ..explanation.space import Space
from .behaviour import answers

DEPTH = 3
OF_THE_ORIGINAL = "original's rules"  # the name of the original's tree, held against the compressed model


def fidelities(models: Mapping[str, Any], data: Data) -> dict[str, np.ndarray]:
    """Return where a tree of depth three answers test rows like the model it was fitted to (Craven and Shavlik 1996).

    The tree is fitted to the model's answers on training rows and asked about test rows: what a reader can hold in
    the head explains such a share of the model. It **misleads** where one answer is frequent: see the most frequent
    answer's own share beside it. What is asked: brightness of pixels, columns, whether a word is there.

    Parameters
    ----------
    models
        Name to model; "original" and "compressed" are among them.
    data
        Training rows to fit to, test rows to judge on. Empty is returned where they are the same rows.

    Returns
    -------
    dict
        Name to hits ``(test rows,)``; under "original's rules" those of the original's tree on the compressed
        model's answers, under "most frequent answer" what a constant gets of the original's answers.
    """
    if data.train is data.test:
        return {}
    from sklearn.tree import DecisionTreeClassifier

    train, test = _asked(data.train), _asked(data.test)
    fitted = {name: answers(model, data.train) for name, model in models.items()}
    given = {name: answers(model, data.test) for name, model in models.items()}
    trees = {
        name: DecisionTreeClassifier(max_depth=DEPTH, random_state=0).fit(train, y)
        for name, y in fitted.items()
    }
    own = {name: tree.predict(test) == given[name] for name, tree in trees.items()}
    constant = np.bincount(fitted["original"]).argmax() == given["original"]
    return own | {
        OF_THE_ORIGINAL: trees["original"].predict(test) == given["compressed"],
        "most frequent answer": constant,
    }


def _asked(rows: Split) -> Any:
    """Return what a tree is asked about, ``(n, number)``: the numbers themselves, or which words a text holds."""
    space = Space(torch.tensor(rows.x), codec=rows.codec)
    if not space.tokens:
        return rows.x.reshape(len(rows.x), -1)
    from scipy.sparse import csr_matrix

    words = np.ones(rows.x.shape, bool) if space.fixed is None else ~space.fixed.numpy()
    where, places = np.nonzero(words)
    size = max(rows.codec.size, int(rows.x.max()) + 1)  # type: ignore[union-attr]
    return csr_matrix(
        (np.ones(len(where), np.float32), (where, rows.x[where, places])), shape=(len(rows.x), size)
    ).minimum(1)
