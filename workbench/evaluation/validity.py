"""Which metrics know the truth: how their numbers followed maps of graded truth, as it was last measured.

``benchmarks/bench_validity.py`` measures it and writes the file that is read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from .. import files
from .margins import short

FILE = Path(__file__).with_name("validity.json")
FEWEST = 2  # truths on which a metric has to be measured


@cache
def measured() -> dict[str, dict[str, Any]]:
    """Return ``{metric: {truth: {rho, low, high, rows} or why it was not measured}}``."""
    return files.read_json(FILE)["metrics"]


def passes(truths: Mapping[str, Any]) -> bool:
    """Whether a metric follows the truth: the interval of its rank correlation is above 0 wherever it was measured."""
    known = [found for found in truths.values() if isinstance(found, dict)]
    return len(known) >= FEWEST and all(found["low"] > 0 for found in known)


def said(truths: Mapping[str, Any]) -> str:
    """Return a metric's rank correlations with the truth in words, such as "known_rule .94"; or why there are none.

    Examples
    --------
    >>> said({"known_rule": {"rho": 0.94, "low": 0.9, "high": 0.97, "rows": 60}, "decoy_mnist": "it needs a mask"})
    'known_rule .940 (.900 to .970)'
    """
    known = [
        f"{name} {short(v['rho'])} ({short(v['low'])} to {short(v['high'])})"
        for name, v in truths.items()
        if isinstance(v, dict)
    ]
    if known:
        return ", ".join(known)
    reasons = dict.fromkeys(v for v in truths.values() if isinstance(v, str))
    return f"not measured: {'; '.join(reasons)}" if reasons else "not measured"
