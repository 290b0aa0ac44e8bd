"""Explanations and a comparison made by hand: every number is known, and no net was trained for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import workbench as wb
from workbench.evaluation.comparison import Comparison

N, TESTS, SIDE = 150, 300, 6  # rows explained and all test rows, unless another number is asked for
LEVELS = {"self": 1.0, "sham": 0.98, "compressed": 0.97, "references": 0.95, "randomized": 0.1}
RUNS = {"self": 1, "sham": 1, "compressed": 1, "references": 3, "randomized": 1}
CONDITIONS = ("clean", "masked", "noisy", "shifted")
MAPS = ("original", "compressed", "trained on", "another run")


def explanation(model: Any, x: np.ndarray, values: np.ndarray, **settings: Any) -> wb.Explanation:
    """Return an explanation of class 0 with the given values, as if a method had found them."""
    e = wb.explain(model, x.astype(np.float32), "occlusion", window=x.shape[-1], target=0, **settings)
    return replace(e, values=np.asarray(values, dtype=np.float32))


def comparison(*, n: int = N, references: int = 3, sham: bool = True, methods: tuple[str, ...] = ("occlusion",),
               levels: dict[str, float] | None = None, **facts: Any) -> Comparison:  # fmt: skip
    """Return a pair that did not move: 150 explained rows, twice as many test rows, classes 0, 1 and 2 in turn.

    Similarities lie within .001 of ``levels``; answers are kept for all rows by the compressed model, for
    all but every tenth by other runs. ``facts`` replace those of the record.
    """
    runs = RUNS | {"references": references, "sham": int(sham)}
    tests = 2 * n
    y = np.arange(tests) % 3
    return Comparison(
        similarities={(m, s): _alike(runs, LEVELS | (levels or {}), s, n) for m in methods for s in SIMILARITIES},
        kept={c: {name: _hits(runs[name], tests, MISSED[name]) for name in MISSED} for c in CONDITIONS},
        right={"original": _hits(1, tests, 30), **{name: _hits(runs[name], tests, WRONG[name]) for name in WRONG}},
        maps={name: _maps(i, n) for i, name in enumerate(MAPS) if name != "trained on" or sham},
        answers={name: y[:n] for name in MAPS if name != "trained on" or sham},
        rows={"x": np.abs(_maps(9, n))[:, None], "y": y[:n], "target": y[:n], "row_ids": np.arange(n) + 1000,
              "clusters": np.arange(tests)},
        merit={name: _merit(name) for name in ("original", "compressed", *(["sham"] if sham else []))},
        facts=_facts(n, references, sham, methods, [str(c) for c in y]) | facts,
    )  # fmt: skip


# what a similarity makes of a level
SIMILARITIES = {"cosine": lambda x: x, "topk_iou": lambda x: x / 2, "mass_moved": lambda x: 100 * (1 - x)}
# one answer in so many is another, or wrong; 0 is never
MISSED = {"sham": 0, "compressed": 0, "references": 10, "randomized": 2}
WRONG = {"sham": 30, "compressed": 30, "references": 20, "randomized": 2}


def changed(c: Comparison, part: str, column: str, rows: Any, value: Any, inner: Any) -> Comparison:
    """Return a copy with some numbers replaced: ``changed(c, "kept", "compressed", rows, False, "clean")``."""
    table = {
        key: {name: runs.copy() for name, runs in columns.items()}
        for key, columns in getattr(c, part).items()
    }
    table[inner][column][:, rows] = value
    return replace(c, **{part: table})


def _alike(runs: dict[str, int], levels: dict[str, float], similarity: str, n: int) -> dict[str, np.ndarray]:
    waves = {name: np.linspace(-0.001, 0.001, n) * (name != "self") for name in runs}
    return {
        name: SIMILARITIES[similarity](levels[name] + np.tile(waves[name], (count, 1)))
        for name, count in runs.items()
    }


def _hits(runs: int, n: int, every: int) -> np.ndarray:
    row = np.ones(n, dtype=bool)
    if every:
        row[::every] = False
    return np.tile(row, (runs, 1))


def _maps(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, SIDE, SIDE)).astype(np.float32)


def _merit(name: str) -> dict[str, Any]:
    better = 0.02 if name == "original" else 0.0
    scores = {
        "deletion": 0.20 - better,
        "insertion": 0.80 + better,
        "completeness": np.nan,
        "sparseness": 0.6,
    }
    floors = {
        "deletion": np.full(100, 0.25),
        "insertion": np.full(100, 0.75),
        "completeness": np.nan,
        "sparseness": np.nan,
    }
    return {metric: (np.full(100, value), floors[metric]) for metric, value in scores.items()}


def _facts(
    n: int, references: int, sham: bool, methods: tuple[str, ...], labels: list[str]
) -> dict[str, Any]:
    return {
        "n": n, "n_test": 2 * n, "n_train": 6 * n, "references": references, "sham": sham, "output": "centred_logit",
        "primary": "occlusion", "methods": {m: {"window": [4, 4]} for m in methods}, "margin": None, "seed": 0,
        "data": "made up", "class_names": ["zero", "one", "two"], "noun": "inputs", "kind": "image", "groups": "class",
        "labels": labels, "conditions": list(CONDITIONS), "notes": [], "skipped": [], "real_artifact": True, "int8": False,
        "twin": {}, "gaps": {}, "report": None, "steps": [], "trained_on": [], "recipe": None, "spec": None, "seconds": 1.0,
        "fingerprints": {"data": "d", "original": "o", "compressed": "c"},
    }  # fmt: skip
