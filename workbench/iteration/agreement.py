"""How far people agree, beside what chance alone would give."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np


def krippendorff(units: Sequence[Sequence[float]], ordered: bool) -> float:
    """Return Krippendorff's alpha: 1 for full agreement, 0 for what chance gives (Krippendorff 2011).

    Parameters
    ----------
    units
        The values that people gave to each thing; things with one value only say nothing.
    ordered
        Whether the distance of two values counts (squared), or only whether they differ.

    Returns
    -------
    float
        NaN where no thing has two values; 1 where all values are equal.

    Examples
    --------
    >>> krippendorff([[1, 1], [2, 2], [3, 3]], ordered=True)
    1.0
    >>> round(krippendorff([[0, 1], [1, 0]], ordered=False), 3)
    -0.5
    """
    paired = [np.asarray(unit, float) for unit in units if len(unit) > 1]
    if not paired:
        return float("nan")

    def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        gap = a[:, None] - b[None]
        return gap**2 if ordered else (gap != 0).astype(float)

    everything = np.concatenate(paired)
    n = len(everything)
    observed = sum(apart(unit, unit).sum() / (len(unit) - 1) for unit in paired) / n
    expected = apart(everything, everything).sum() / (n * (n - 1))
    return 1.0 if expected == 0 else float(1 - observed / expected)


def of_ratings(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return agreement on a rating or a verdict, the last one of each person for each input and method."""
    last: dict[tuple, dict[str, float]] = defaultdict(dict)
    words = {
        word: float(i) for i, word in enumerate(sorted({str(r[name]) for r in rows if r[name] is not None}))
    }
    for row in rows:
        if row[name] is not None:
            value = words[row[name]] if isinstance(row[name], str) else float(row[name])
            last[row["row_id"], row["data"], row["method"]][row["reviewer"]] = value
    shared = [list(values.values()) for values in last.values() if len(values) > 1]
    ordered = name != "prediction"
    return {"value": krippendorff(shared, ordered), "chance": 0.0, "rows": len(shared),
            "reviewers": len({who for values in last.values() for who in values})}  # fmt: skip


def of_masks(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean IoU of all that two people marked in one input, beside that of masks as large at random places."""
    by_row: dict[tuple, dict[str, np.ndarray]] = defaultdict(dict)
    for row in rows:
        own = by_row[row["row_id"], row["data"]]
        before = own.get(row["reviewer"])
        own[row["reviewer"]] = (
            row["mask"] if before is None or before.shape != row["mask"].shape else before | row["mask"]
        )
    pairs = [
        (a, b) for masks in by_row.values() for a, b in combinations(masks.values(), 2) if a.shape == b.shape
    ]
    found = [(a & b).sum() / (a | b).sum() for a, b in pairs]
    chance = [_by_chance(a, b) for a, b in pairs]
    nothing = float("nan")
    return {"value": float(np.mean(found)) if found else nothing, "chance": float(np.mean(chance)) if chance else nothing,
            "rows": sum(len(masks) > 1 for masks in by_row.values()), "reviewers": len({r["reviewer"] for r in rows})}  # fmt: skip


def _by_chance(a: np.ndarray, b: np.ndarray) -> float:
    both = a.sum() * b.sum() / a.size
    return float(both / (a.sum() + b.sum() - both))
