"""The bank of pairs: what the verdict said of models whose truth is known by construction, as it was last measured.

``benchmarks/bench_verdict.py`` judges the pairs and writes the file that is read here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .shares import proportion_interval
from .verdict import CANNOT_TELL, MOVED, MOVED_FOR_A_GROUP, NO_SIGN

if TYPE_CHECKING:
    import pandas as pd

FILE = Path(__file__).with_name("bank.json")
SAME, DIFFERENT, CANNOT = "same", "different", "cannot tell"
RIGHT = {SAME: {NO_SIGN}, DIFFERENT: {MOVED, MOVED_FOR_A_GROUP}, CANNOT: {CANNOT_TELL}}
WORDS = (NO_SIGN, MOVED, MOVED_FOR_A_GROUP, CANNOT_TELL)


@dataclass(frozen=True)
class Pair:
    """One pair of the bank: whose net, how the other was made of it, the truth, and what the verdict said.

    ``kept`` is the smallest share of answers kept over the conditions, a fraction.
    """

    name: str
    kind: str
    truth: str
    word: str
    n: int
    similarity: float
    margin: float | None
    kept: float
    reason: str

    @property
    def right(self) -> bool:
        """Whether the word is one that the construction warrants."""
        return self.word in RIGHT[self.truth]


def bank() -> list[Pair]:
    """Return the pairs as they were last judged."""
    return [Pair(**pair) for pair in json.loads(FILE.read_text("utf-8"))["pairs"]]


def confusion(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return how often each word was said of each truth: a row a truth, a column a word."""
    import pandas as pd

    rows = [
        {"truth": truth, **{word: sum(p.word == word for p in pairs if p.truth == truth) for word in WORDS}}
        for truth in RIGHT
    ]
    return pd.DataFrame(rows).set_index("truth")


def by_kind(pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Return a row a kind of pair: how many, how many rightly named, what else was said, the range of similarities."""
    kinds = dict.fromkeys((p.truth, p.kind) for p in pairs)
    return [
        _kind(truth, kind, [p for p in pairs if (p.truth, p.kind) == (truth, kind)]) for truth, kind in kinds
    ]


def _kind(truth: str, kind: str, pairs: Sequence[Pair]) -> dict[str, Any]:
    wrong = [f"{p.name}: {p.word}" for p in pairs if not p.right]
    return {"truth": truth, "pair": kind, "pairs": len(pairs), "named as such": sum(p.right for p in pairs),
            "similarity": f"{min(p.similarity for p in pairs):.3f} to {max(p.similarity for p in pairs):.3f}",
            "answers kept, least": f"{min(p.kept for p in pairs):.3f} to {max(p.kept for p in pairs):.3f}",
            "otherwise": "; ".join(wrong) or "-"}  # fmt: skip


def said(pairs: Sequence[Pair]) -> list[str]:
    """Return what the bank says about the verdict, in sentences with exact 95 % intervals."""
    clear = [p for p in pairs if p.truth != CANNOT]
    false = [p for p in pairs if p.truth != SAME and p.word == NO_SIGN]
    return [
        f"{len(pairs)} pairs. False 'no sign': {_share(len(false), sum(p.truth != SAME for p in pairs))} of the pairs that are not the same.",
        *(f"Named as such: {_share(sum(p.right for p in pairs if p.truth == truth), sum(p.truth == truth for p in pairs))} "
          f"of those that are {truth}." for truth in (SAME, DIFFERENT)),
        f"'Cannot tell' was said of {_share(sum(p.word == CANNOT_TELL for p in clear), len(clear))} of the pairs with a clear truth.",
    ]  # fmt: skip


def _share(hits: int, n: int) -> str:
    interval = proportion_interval(hits, n)
    return f"{hits} of {n} (95 % {100 * interval.low:.0f} to {100 * interval.high:.0f} %)"
