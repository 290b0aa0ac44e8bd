"""What a model answers: on clean inputs, on inputs partly hidden, drowned in noise or shifted, and on their counterfactuals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.special import softmax

from ..data.kinds import HIDDEN
from ..data.records import Split
from ..errors import BadInput
from ..explanation.score import class_scores
from ..explanation.space import Space
from ..state import generator
from .shares import share_interval
from .shifts import shifted

if TYPE_CHECKING:
    import pandas as pd

CONDITIONS = ("clean", "masked", "noisy", "shifted")
COUNTERFACTUALS = {
    "without_evidence": "evidence removed",
    "without_shortcut": "shortcut removed",
}  # of a split


def conditions(x: np.ndarray, seed: int = 0, codec: Any = None) -> dict[str, np.ndarray]:
    """Return the inputs clean, with 30 % of their parts hidden, noisy, and shifted; draws depend on (seed, condition) alone."""
    space, draws = Space(torch.tensor(x), codec=codec), generator(seed, 1)
    kept = torch.rand(space.n, space.n_groups, generator=draws) >= HIDDEN
    masked = next(space.replaced(space.kept_to_hidden(kept, space.rows), space.rows))
    noisy, moved = space.noisy(generator(seed, 2)), shifted(space, generator(seed, 3))
    return {"clean": x, "masked": masked.numpy(), "noisy": noisy.numpy(), "shifted": moved.numpy()}


def counterfactuals(split: Split) -> dict[str, np.ndarray]:
    """Return the rows with what is known about them removed: the evidence of the class, or what was planted."""
    known = {name: getattr(split, field) for field, name in COUNTERFACTUALS.items()}
    return {name: x for name, x in known.items() if x is not None}


def reliance(model: Any, split: Split) -> pd.DataFrame:
    """Say what a model used: how its answers move when the evidence, or the shortcut, is taken away and nothing else is.

    A mask says where the class is; only this pair says whether the model looked there.

    Parameters
    ----------
    model
        Any model.
    split
        Rows with ``without_evidence`` or ``without_shortcut``.

    Returns
    -------
    DataFrame
        A row a pair that is known: ``n``, ``answers changed`` with its exact 95 % interval, fractions, and ``probability
        moved``, the mean absolute change of the probability of the answer.

    Raises
    ------
    BadInput
        The split knows no pair.
    """
    import pandas as pd

    if not (pairs := counterfactuals(split)):
        raise BadInput("The rows have no counterfactual pair", "a split with without_evidence or without_shortcut",
                       'Such sets are wb.load("lesions"), "signs" and "decoy_mnist"')  # fmt: skip
    own = softmax(class_scores(model, split), axis=1)
    given, rows = own.argmax(1), np.arange(len(split))
    found = []
    for name, x in pairs.items():
        other = softmax(class_scores(model, x, split.codec), axis=1)
        changed = share_interval(other.argmax(1) != given, split.clusters)
        moved = abs(own[rows, given] - other[rows, given]).mean()
        found.append({"pair": name, "n": len(split), "answers changed": changed.value, "low": changed.low, "high": changed.high,
                      "probability moved": float(moved)})  # fmt: skip
    return pd.DataFrame(found).set_index("pair")


def answers(model: Any, rows: Any, codec: Any = None) -> np.ndarray:
    """Return the class that a model answers for each row of a split, or of an array with its codec, ``(n,)``."""
    return class_scores(model, rows, codec).argmax(1)
