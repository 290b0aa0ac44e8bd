"""Ten LeNet-5 of each fate: copied, int8, half the channels, 97 % pruned naively or matched, trained on decoys.

What the page says of each, with margins that were fixed before (``workbench/evaluation/margins.py``); nothing was tuned
on these pairs. There are no timings here, so that a busy machine does not matter.
"""

from __future__ import annotations

import copy
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Table, run
from torch import nn

import workbench as wb
from workbench.data.records import Data
from workbench.evaluation.controls import reference

PAIRS, REFERENCES, N = 10, 5, 400
ASKED = {"occlusion": {"window": 4, "strides": 4}}
RECIPE = {"epochs": 12, "augment": True}
TUNED = {"epochs": 12, "verbose": False}


def fates(net: nn.Module, data: Data, seed: int) -> dict[str, Callable[[], Any]]:
    """Return what is made of one net, by name."""
    return {
        "copy": lambda: copy.deepcopy(net),
        "static int8": lambda: wb.quantize(net, data=data),
        "half the channels": lambda: wb.prune(
            net, channels=0.5, how="channels", data=data, seed=seed, **TUNED
        ),
        "97 % pruned, not tuned": lambda: wb.prune(net, 0.97),
        "97 % pruned, labels alone": lambda: wb.prune(
            net, 0.97, data=data, preserve=None, seed=seed, **TUNED
        ),
        "97 % pruned, matched": lambda: wb.prune(
            net, 0.97, data=data, preserve="behaviour", seed=seed, **TUNED
        ),
        "trained on decoys": lambda: trained(wb.load("decoy_mnist"), seed),
    }


def trained(data: Data, seed: int) -> nn.Module:
    """Train one LeNet-5."""
    return wb.fit(wb.build("lenet5", data, seed=seed), data, seed=seed, verbose=False, **RECIPE).model


def judged(net: nn.Module, other: Any, runs: list[nn.Module], data: Data) -> dict[str, Any]:
    """Compare one pair on clean digits, and keep what was said."""
    c = wb.compare(net, other, data, methods=ASKED, references=runs, n=N, verbose=False)
    return {"word": c.verdict.word, "similarity": c.primary.value, "margin": c.primary.margin, "index": c.index("occlusion").value,
            "kept": min(float(columns["compressed"].mean()) for columns in c.kept.values()), "reason": c.verdict.reasons[0],
            "accuracy": 100 * c.accuracy.value}  # fmt: skip


def measure() -> Table:
    """Judge every fate of ten nets; a row a fate."""
    data = wb.load("mnist")
    found: dict[str, list[dict[str, Any]]] = {}
    for seed in range(PAIRS):
        net = trained(data, seed)
        runs = [reference(net.spec, net.recipe, data, i, verbose=False) for i in range(REFERENCES)]  # type: ignore[arg-type]
        for name, make in fates(net, data, seed).items():
            found.setdefault(name, []).append(judged(net, make(), runs, data))
            print(seed, name, found[name][-1], file=sys.stderr, flush=True)
    return Table("What the page says of ten LeNet-5 of each fate", [row(name, pairs) for name, pairs in found.items()],
                 notes=["Digits without a swatch; 400 explained, answers counted on 1,000; five references; one column's range is over the ten nets.",
                        "Windows of 4 x 4 pixels were hidden that do not overlap: a third of the default's work.",
                        "Margins were fixed before (evaluation/margins.py) and not changed for these pairs.",
                        "Trained on decoys: judged on digits without a swatch, like all others."])  # fmt: skip


def row(name: str, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the words that were said, and ranges of the numbers behind them."""
    words = Counter(pair["word"] for pair in pairs)
    return {"pair": name, "said": "; ".join(f"{n} x {word}" for word, n in words.most_common()),
            **{key: _range([pair[key] for pair in pairs]) for key in ("similarity", "margin", "index", "kept", "accuracy")}}  # fmt: skip


def _range(values: list[float]) -> str:
    known = np.array([v for v in values if np.isfinite(v)])
    return f"{known.mean():.3f} ({known.min():.3f} to {known.max():.3f})" if len(known) else "-"


if __name__ == "__main__":
    run(measure, timed=False)
