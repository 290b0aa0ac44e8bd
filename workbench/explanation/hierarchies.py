"""Owen values: Shapley values in which neighbours come in together, down a hierarchy of groups (shap)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import BadInput, TooFew, unknown
from ..state import seeded
from .coalitions import ends, worth
from .lengths import by_length
from .registry import method
from .score import Score
from .space import Space

ENDS = 2  # evaluations that shap counts among its max_evals: of everything and of nothing
AT_A_TIME = 100  # coalitions that shap asks for at a time
HOW = {
    "correlation": "columns by their correlation in the background, complete linkage",
    "place": "halves by place, along the longer side",
}


@method("partition_shap", needs={"batch"}, signed=True, complete=True, spends="n_samples",
        cost="at most n_samples; about groups squared over 3",
        estimand="each group's Owen value for the output: a Shapley value in which groups come in with their neighbours "
                 "in a hierarchy, absent groups being replaced by the baseline or background",
        paper="Owen 1977; Lundberg's PartitionExplainer in shap",
        misleads="The hierarchy decides who shares credit (settings['hierarchy']); hidden groups are unreal inputs.")  # fmt: skip
def partition_shap(score: Score, inputs: Space, *, n_samples: int = 2500,
                   clustering: str | None = None) -> tuple[torch.Tensor, dict]:  # fmt: skip
    """Return Owen values down a hierarchy of groups, by shap's ``PartitionExplainer`` (Owen 1977).

    ``clustering`` is "place" (patches, words and columns are halved along the longer side, as shap halves
    images) or "correlation" (columns that vary together in the background join first); by default the second
    for a table with a background. ``n_samples`` is shap's ``max_evals``, counted for each row; where it does not
    reach down to every group, what is left is shared equally and flagged. Nothing is drawn: the error is 0,
    and not stated where a group was not reached.
    """
    if clustering not in (None, *HOW):
        raise unknown("clustering", clustering, HOW)
    if n_samples < ENDS + 2:
        raise TooFew(f"n_samples is {n_samples}", ENDS + 2, "Raise it: a hierarchy begins with two halves")
    correlated = inputs.background is not None and not inputs.spatial
    how = clustering or ("correlation" if correlated else "place")
    if how == "correlation" and not correlated:
        raise BadInput("clustering='correlation' without rows of a table to correlate", "a table with background=",
                       "Give one, or choose 'place'")  # fmt: skip
    values, facts = by_length(lambda s, i: _of_rows(s, i, n_samples, how), score, inputs)
    exact = {} if "coarse" in score.flags else {"error": 0.0}
    return values, {**exact, **facts}


def _of_rows(score: Score, inputs: Space, n_samples: int, how: str) -> tuple[torch.Tensor, dict]:
    d, facts = inputs.n_groups, {"hierarchy": HOW[how]}
    if d == 0:
        return torch.zeros(inputs.x.shape, device=inputs.x.device), facts
    if d == 1:
        full, empty = ends(score, inputs)
        return inputs.spread((full - empty)[:, None].float()), facts
    found = []
    for row in torch.arange(inputs.n, device=inputs.x.device).split(1):
        part = inputs.of(row, inputs.x[row])
        tree = by_correlation(part) if how == "correlation" else by_place(part)
        if (needed := evaluations(tree) + ENDS) > n_samples:
            score.flags["coarse"] = (
                f"Up to {needed:,} evaluations reach every group, {n_samples:,} were allowed: the rest is shared equally."
            )
        found.append(_owen(score.of(row), part, tree, n_samples))
    return inputs.spread(torch.as_tensor(np.stack(found), dtype=torch.float32, device=inputs.x.device)), facts


class Groups:
    """A masker of shap's that masks nothing: the model it serves is asked about coalitions."""

    immutable_outputs = True
    default_batch_size = AT_A_TIME

    def __init__(self, tree: np.ndarray) -> None:
        self.shape, self.clustering = (1, len(tree) + 1), tree

    def __call__(self, mask: np.ndarray, _: Any) -> tuple[np.ndarray]:
        """Return the coalition itself."""
        return (mask[None],)


def _owen(score: Score, inputs: Space, tree: np.ndarray, n_samples: int) -> np.ndarray:
    from shap.explainers import PartitionExplainer

    def model(kept: np.ndarray) -> np.ndarray:
        coalitions = torch.as_tensor(kept, device=inputs.x.device)
        return worth(score, inputs, coalitions[None])[0].double().numpy(force=True)

    explainer = PartitionExplainer(model, Groups(tree))
    with seeded(0):  # shap breaks ties at random.
        return explainer(np.zeros((1, len(tree) + 1)), max_evals=n_samples, silent=True).values[0]


def evaluations(tree: np.ndarray) -> int:
    """Return how many evaluations a hierarchy needs: two a node, in each context that its parents leave open."""
    d = len(tree) + 1
    contexts = np.zeros(2 * d - 1, dtype=int)
    contexts[-1] = 1
    for node in range(2 * d - 2, d - 1, -1):  # Parents stand behind their children.
        contexts[tree[node - d, :2].astype(int)] = 2 * contexts[node]
    return int(2 * contexts[d:].sum())


def by_place(inputs: Space) -> np.ndarray:
    """Return a hierarchy of one row's groups by halving: a linkage matrix ``(group - 1, 4)`` as scipy has it."""
    places, tree = _centres(inputs), []

    def join(members: np.ndarray) -> int:
        if len(members) == 1:
            return int(members[0])
        left, right = (join(part) for part in _halves(members, places))
        tree.append([left, right, len(members), len(members)])
        return len(places) + len(tree) - 1

    join(np.arange(len(places)))
    return np.array(tree, dtype=float)


def _halves(members: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    own = places[members]
    axis = int(np.ptp(own, axis=0).argmax())
    before = own[:, axis] < (own[:, axis].min() + own[:, axis].max()) / 2
    if not before.any():  # All in one place.
        before = np.arange(len(members)) < len(members) // 2
    return members[before], members[~before]


def _centres(inputs: Space) -> np.ndarray:
    """Return where the groups of one row are, ``(group, axis)``: the means of their entries' places."""
    sides = inputs.x.shape[-2:] if inputs.spatial else inputs.x.shape[1:]
    groups = inputs.groups[0].expand(inputs.x.shape[1:]).reshape(-1, *sides)[0].numpy(force=True)
    return np.array([np.argwhere(groups == group).mean(0) for group in range(inputs.n_groups)])


def by_correlation(inputs: Space) -> np.ndarray:
    """Return a hierarchy of groups of columns: the larger an absolute correlation in the background, the nearer."""
    from scipy.cluster.hierarchy import complete
    from scipy.spatial.distance import squareform

    rows = inputs.absent.flatten(1).double()
    centred = rows - rows.mean(0)
    size = centred.square().sum(0).sqrt()
    like = ((centred.T @ centred) / (size[:, None] * size).clamp(min=1e-12)).abs().numpy(force=True)
    groups, d = inputs.groups[0].flatten().numpy(force=True), inputs.n_groups
    nearest = np.zeros((d, d))
    np.maximum.at(nearest, (groups[:, None], groups[None]), like)
    distance = np.clip(1 - nearest, 0, 2)
    np.fill_diagonal(distance, 0)
    return complete(squareform(distance, checks=False))
