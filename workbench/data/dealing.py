"""Rows are dealt out to train, valid and test: class by class, and never a cluster torn apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import BadInput
from .remarks import Remarks

FRACTIONS = {"valid": 0.1, "test": 0.2}


def numbered(clusters, n: int) -> np.ndarray:
    """Return clusters as numbers from 0, one a row, ``(n,)``."""
    _, numbers = np.unique(np.asarray(clusters), return_inverse=True)
    if numbers.shape != (n,):
        raise BadInput(f"clusters has shape {numbers.shape}", f"one number a row, ({n},)", "Pass one a row")
    return numbers.astype(np.int64)


def stratified(
    y: np.ndarray,
    clusters: np.ndarray,
    seed: int,
    fractions: Mapping[str, float] = FRACTIONS,
    names: Sequence[object] | None = None,
) -> dict[str, np.ndarray]:
    """Deal whole clusters out, class by class (a cluster counts for the class of its first row).

    Parameters
    ----------
    y
        Class of each row.
    clusters
        Rows that stay together share a number.
    seed
        Of the shuffling.
    fractions
        Share of the clusters for each split but "train", which gets the rest.
    names
        Of the classes, for the error.
    """
    rng = np.random.default_rng(seed)
    _, first = np.unique(clusters, return_index=True)
    dealt: dict[str, list[np.ndarray]] = {"train": [], **{part: [] for part in fractions}}
    for label in np.unique(y):
        own = rng.permutation(clusters[first][y[first] == label])
        _enough(len(own), len(fractions), label if names is None else names[label])
        place = 0
        for part in reversed(list(fractions)):
            n = min(len(own), max(1, round(len(own) * fractions[part])))
            dealt[part].append(own[place : place + n])
            place += n
        dealt["train"].append(own[place:])
    return {
        part: rng.permutation(np.flatnonzero(np.isin(clusters, np.concatenate(chosen))))
        for part, chosen in dealt.items()
    }


def dealt(
    y: np.ndarray,
    clusters: np.ndarray,
    seed: int,
    names: Sequence[object],
    remarks: Remarks,
    fractions: Mapping[str, float] = FRACTIONS,
) -> dict[str, np.ndarray]:
    """Deal the rows of a file out, as :func:`stratified` does; an error names the file and the class."""
    try:
        return stratified(y, clusters, seed, fractions, [repr(name) for name in names])
    except BadInput as problem:
        remarks.unusable(problem.wrong, problem.expected, "Add different rows of it, or leave the class out")


def _enough(n: int, others: int, label: object) -> None:
    if 0 < n <= others:
        raise BadInput(
            f"Class {label} has {n} clusters (rows that belong together)",
            f"at least {'three' if others == 2 else 'two'}, one for each split",
            "Give splits, or leave the class out",
        )


def kept_whole(splits: Mapping[str, Sequence[int]], clusters: np.ndarray) -> dict[str, np.ndarray]:
    """Return the positions of given splits, once it is sure that they share no row and no cluster."""
    if set(splits) != {"train", "valid", "test"} or not all(map(len, splits.values())):
        sizes = {part: len(rows) for part, rows in splits.items()}
        raise BadInput(f"splits has the rows {sizes}", "rows for train, valid and test", "Name all three")
    positions = {part: np.asarray(splits[part], dtype=np.int64) for part in ("train", "valid", "test")}
    together, n = np.concatenate(list(positions.values())), len(clusters)
    if len(np.unique(together)) != len(together) or not np.isin(together, np.arange(n)).all():
        raise BadInput("splits share rows or point outside x", f"each row of 0 to {n - 1} at most once",
                       "Deal the rows out again")  # fmt: skip
    dealt = np.concatenate([np.unique(clusters[rows]) for rows in positions.values()])
    if len(np.unique(dealt)) != len(dealt):
        raise BadInput(
            "splits tear a cluster apart", "every row of a cluster in one split", "Deal whole clusters out"
        )
    return positions


def copies(keys: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return clusters of equal keys, and whether that was possible.

    Where few different keys make up all rows (a table of two yes-or-no columns), clusters of copies cannot be
    dealt out evenly: then every row stands for itself.
    """
    _, first, clusters, sizes = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if len(first) == len(keys):
        return np.arange(len(keys)), True
    different, rows = np.bincount(y[first], minlength=y.max() + 1), np.bincount(y)
    possible = sizes.max() <= 0.1 * len(keys) and (different >= np.minimum(rows, 10)).all()
    small = sizes.max() <= 3 and (different >= 3).all()
    return (clusters.astype(np.int64), True) if possible or small else (np.arange(len(keys)), False)


def equal_rows(x: np.ndarray) -> np.ndarray:
    """Return a number for each row of an array, the same for rows that are equal bit for bit, ``(n,)``."""
    digests = [hashlib.sha256(row.tobytes()).digest() for row in x]
    return np.unique(np.array(digests, dtype="S32").view(np.void), return_inverse=True)[1].reshape(-1)


def torn(keys: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return a pair of rows for each key that occurs in several groups, ``(k, 2)``: its first, and one elsewhere."""
    order = np.lexsort((np.arange(len(keys)), keys))
    _, starts, sizes = np.unique(keys[order], return_index=True, return_counts=True)
    first = np.repeat(order[starts], sizes)
    elsewhere = np.flatnonzero(groups[order] != groups[first])
    _, chosen = np.unique(first[elsewhere], return_index=True)
    return np.column_stack([first[elsewhere][chosen], order[elsewhere][chosen]])


def completed(
    given: Mapping[str, np.ndarray],
    y: np.ndarray,
    clusters: np.ndarray,
    seed: int,
    names: Sequence[object],
    remarks: Remarks,
) -> dict[str, np.ndarray]:
    """Return the splits that were given, with those that are missing taken from training rows, class by class."""
    missing = {part: share for part, share in FRACTIONS.items() if part not in given}
    positions = dict(given)
    if missing:
        train, rest = given["train"], 1 - sum(FRACTIONS[part] for part in FRACTIONS if part in given)
        shares = {part: share / rest for part, share in missing.items()}
        own = dealt(y[train], clusters[train], seed, names, remarks, shares)
        positions |= {part: train[at] for part, at in own.items()}
        taken = ", ".join(f"{share:.1%}" for share in shares.values())
        remarks.note(
            f"There is no {' and no '.join(missing)} split: {taken} of each class in train was taken for it."
        )
    return {part: positions[part] for part in ("train", "valid", "test")}
