"""A model that can be read stands for one that cannot, and says how often the two agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..errors import BadInput
from ..state import generator
from .registry import ABSENCE, method
from .rules import LEAF, Question, contains, paths, questions, spoken
from .score import Score
from .space import Space

FITTED, FEWEST = 0.7, 4  # share of the rows that the tree is fitted to; rows at least
Z = 1.959964  # of a 95 % interval


@method("surrogate_tree", ignores=ABSENCE, needs={"batch", "rows"}, signed=False, scope="global", cost="1 for each row",
        estimand="how much each feature decides in a small tree that was fitted to the model's answers",
        paper="Craven and Shavlik 1996",
        misleads="The tree is another model: it holds for the share of rows in settings['fidelity'], and may be right "
                 "about an answer for another reason; an unstable choice among correlated columns.")  # fmt: skip
def surrogate_tree(
    score: Score, inputs: Space, *, max_depth: int = 3, seed: int = 0
) -> tuple[torch.Tensor, dict]:
    """Return the importance of each feature in a tree fitted to the model's answers, ``(1, *features)``; print it for its rules.

    Craven and Shavlik 1996. The tree is fitted to 70 % of the rows; ``settings["fidelity"]`` is the share of
    the others where it answers like the model, with a 95 % interval (Wilson) in "fidelity_low" and
    "fidelity_high", beside "floor", the share that the most frequent answer alone would get. Rows of one
    cluster are held out together, and the interval heeds how alike they are.
    ``settings["rules"]`` has a line a leaf. Questions are about columns in their own units, whether a
    category is there, whether a text contains a word, or how bright a pixel is.
    """
    from sklearn.tree import DecisionTreeClassifier

    together, count = _together(inputs)
    answers, (x, asked, names) = _answers(score, inputs), _asked(inputs)
    fitted, held = _held_out(together, count, seed)
    tree = DecisionTreeClassifier(max_depth=max_depth, random_state=seed % 2**32).fit(
        x[fitted], answers[fitted]
    )
    agrees = tree.predict(x[held]) == answers[held]
    floor = (np.bincount(answers[fitted]).argmax() == answers[held]).mean()
    values = _by_feature(tree.feature_importances_, asked, inputs, names)
    facts = {
        "rules": _rules(tree, asked),
        **_fidelity(agrees, together[held]),
        "floor": float(floor),
        "held_out": len(held),
    }
    facts |= {"held_out_clusters": len(np.unique(together[held]))} if count < inputs.n else {}
    return values, facts | ({"feature_names": names} if names else {})


def _together(inputs: Space) -> tuple[np.ndarray, int]:
    """Return the number of each row's cluster, from 0, and how many there are; without clusters rows are alone."""
    found = np.arange(inputs.n) if inputs.clusters is None else np.asarray(inputs.clusters)
    kinds, numbers = np.unique(found, return_inverse=True)
    if len(kinds) < FEWEST:
        kind = "rows" if len(kinds) == inputs.n else "clusters of rows"
        raise BadInput(
            f"There are {len(kinds)} {kind}", f"at least {FEWEST}, as some are held out", "Pass more"
        )
    return numbers, len(kinds)


def _held_out(together: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw which rows a tree is fitted to and which are held out, whole clusters, of which two at least are held out."""
    order = torch.randperm(count, generator=generator(seed)).numpy()
    rows = np.argsort(np.argsort(order)[together], kind="stable")
    ends = np.bincount(together)[order].cumsum()[:-2]
    cut = ends[np.abs(ends - int(FITTED * len(rows))).argmin()]
    return rows[:cut], rows[cut:]


@torch.no_grad()
def _answers(score: Score, inputs: Space) -> np.ndarray:
    scores = torch.cat([score.scores(part) for part in inputs.x.split(score.batch_size)])
    if scores.shape[1] < 2:
        raise BadInput(
            "The model has one output", "a model that answers with a class", "Explain rows instead"
        )
    return scores.argmax(1).numpy(force=True)


def _asked(inputs: Space) -> tuple[Any, list[Question], tuple[str, ...]]:
    """Return what the tree reads, ``(n, number)``, its questions, and the names of words."""
    x = inputs.x.numpy(force=True)
    if not inputs.tokens:
        return x.reshape(len(x), -1), questions(inputs), ()
    from scipy.sparse import csr_matrix

    rows, places = np.nonzero(
        ~inputs.fixed.numpy(force=True) if inputs.fixed is not None else np.ones_like(x)
    )
    if not len(rows):
        raise BadInput("The texts hold no words", "texts with words", "Pass others")
    found, number = np.unique(x[rows, places], return_inverse=True)
    held = csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, number)), shape=(len(x), len(found)))
    names = inputs.codec.words(found[None])[0]
    return held.minimum(1), [contains(word, i) for i, word in enumerate(names)], tuple(names)


def _by_feature(
    importances: np.ndarray, asked: list[Question], inputs: Space, names: tuple[str, ...]
) -> torch.Tensor:
    shape = (len(names),) if inputs.tokens else inputs.features
    out = np.zeros(int(np.prod(shape)), dtype=np.float32)
    np.add.at(out, [question.feature for question in asked], importances)
    return torch.as_tensor(out).view(1, *shape)


def _rules(tree: Any, asked: list[Question]) -> list[dict[str, Any]]:
    """Return a rule a leaf, from left to right: what leads there, the answer, its share, how many rows."""
    inner = tree.tree_
    leaves = np.flatnonzero(inner.children_left == LEAF)
    shares = inner.value[:, 0] / inner.value[:, 0].sum(1, keepdims=True)
    ways = paths(inner, leaves)
    return [{"if": spoken(ways[int(leaf)], asked), "class": int(tree.classes_[shares[leaf].argmax()]),
             "share": float(shares[leaf].max()), "n": int(inner.n_node_samples[leaf])} for leaf in leaves]  # fmt: skip


def _fidelity(agrees: np.ndarray, together: np.ndarray) -> dict[str, float]:
    """Return the share of rows on which two models agree, with Wilson's interval (1927) for clusters of rows."""
    n, p = _worth(agrees, together), float(agrees.mean())
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * (p * (1 - p) / n + Z**2 / (4 * n**2)) ** 0.5 / (1 + Z**2 / n)
    return {
        "fidelity": p,
        "fidelity_low": max(0.0, middle - reach),
        "fidelity_high": min(1.0, middle + reach),
    }


def _worth(agrees: np.ndarray, together: np.ndarray) -> float:
    """Return how many independent rows at least two clusters of them are worth (Korn and Graubard 1998).

    Where all rows agree, or none, nothing can be estimated and the number of clusters is the cautious end.
    """
    from scipy import stats

    inverse = np.unique(together, return_inverse=True)[1]
    n, count, deviation = len(agrees), int(inverse.max()) + 1, agrees - agrees.mean()
    between = np.square(np.bincount(inverse, deviation)).sum() * count / (count - 1)
    if count == n or not deviation.any():
        return float(count)
    alone = np.square(deviation).sum() * n / (n - 1)
    few = stats.t.ppf(0.975, n - 1) / stats.t.ppf(0.975, count - 1)
    return float(np.clip(n * few**2 * alone / max(between, 1e-300), 1.0, n))
