"""A table and some texts made by hand, whose copies, gaps and telling features are known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd

from workbench.data.columns import Columns
from workbench.data.records import Data, Split
from workbench.data.tokenizer import Tokenizer

LONG = "a column with a name of sixty letters which is far too long x"
SCRIPT = "<script>alert(1)</script>"


def table(n: int = 300, seed: int = 0, **more: np.ndarray) -> Data:
    """Return a table of two classes: ``age`` tells a little, ``noise`` nothing, ``gap`` is missing in every fifth row."""
    rng = np.random.default_rng(seed)
    y = (np.arange(n) % 3 == 0).astype(np.int64)
    frame = pd.DataFrame({
        "age": 30.0 + 8 * y + rng.normal(0, 8, n).round(), SCRIPT: rng.choice(["$5", "<b>", "cook"], n),
        LONG: rng.normal(size=n), "gap": np.where(np.arange(n) % 5 == 0, np.nan, rng.normal(size=n)), "fixed": 1.0, **more,
    })  # fmt: skip
    codec = Columns.learned(frame[: n * 7 // 10])
    x = codec.encoded(frame)
    return Data("credit", "table", **parts(x, y), feature_names=codec.names, class_names=("good", "<b>bad</b>"), codec=codec,
                licence="CC0", notes=("The column id was left out.",))  # fmt: skip


def texts(n: int = 200, classes: int = 2, seed: int = 0, share: float = 0.8) -> Data:
    """Return texts of 6 to 12 words; "great" stands in a share of the last class's, "poor" of the first's."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    words = np.array([f"word{i}" for i in range(40)])
    found = []
    for label in y:
        text = list(rng.choice(words, rng.integers(6, 12)))
        if rng.random() < share and label in (0, classes - 1):
            text.insert(3, "great" if label else "poor")
        found.append(" ".join(text) + ".")
    return of_texts(found, y, tuple(f"class {i}" for i in range(classes)) if classes > 2 else ("neg", "pos"))


def of_texts(found: list[str], y: np.ndarray, class_names: tuple[str, ...] = ("neg", "pos")) -> Data:
    """Return texts as data: seven of ten rows train, one validates, two test."""
    codec = Tokenizer.learned(found[: len(found) * 7 // 10], min_count=1)
    x, kept = codec.encoded(found), np.array(found, dtype=object)
    return Data(
        "reviews",
        "text",
        **parts(x, np.asarray(y), texts=kept),
        feature_names=(),
        class_names=class_names,
        codec=codec,
    )


def parts(x: np.ndarray, y: np.ndarray, **more: np.ndarray) -> dict[str, Split]:
    """Return rows as three splits, in order."""
    ends = [0, len(x) * 7 // 10, len(x) * 8 // 10, len(x)]
    rows = np.arange(len(x))
    arrays = {"x": x, "y": y.astype(np.int64), "row_ids": rows, "clusters": rows, **more}
    return {name: Split(**{k: v[a:b] for k, v in arrays.items()})
            for name, a, b in zip(("train", "valid", "test"), ends[:-1], ends[1:], strict=True)}  # fmt: skip


def copied(data: Data, n: int, relabelled: bool = False) -> Data:
    """Return the data with the first ``n`` test rows among the training rows as well, or with another label."""
    more = {}
    for name, value in vars(data.train).items():
        if isinstance(value, np.ndarray):
            more[name] = np.concatenate([value, getattr(data.test, name)[:n]])
    if relabelled:
        more["y"][-n:] = (more["y"][-n:] + 1) % data.n_classes
    return replace(data, train=replace(data.train, **more))


def explained(values: np.ndarray, **facts: object) -> SimpleNamespace:
    """Return what pictures ask of an explanation of rows of a table, or with ``kind="text"`` of texts."""
    values = np.asarray(values, dtype=float)
    n, size = values.shape
    given = {
        "kind": "table", "scope": "local", "map": None, "signed": True, "flags": {}, "padding": None, "inputs": values,
        "method": "feature_ablation", "estimand": "what is lost", "settings": {"output": "logit"}, "target": np.zeros(n, int),
        "class_names": ("good", "bad"), "feature_names": tuple(f"column {i}" for i in range(size)),
        "labels": tuple(tuple(str(10 * i) for i in range(size)) for _ in range(n)),
    }  # fmt: skip
    return _Explained(values=values, **{**given, **facts})


def worded(texts: list[str], values: list[list[float]], length: int = 12, **facts: object) -> SimpleNamespace:
    """Return what pictures ask of an explanation of texts: a value a word, ``[CLS]`` and padding without one."""
    labels, rows, padding = [], [], []
    for text, own in zip(texts, values, strict=True):
        words = ["[CLS]", *text.split()]
        empty = length - len(words)
        labels.append((*words, *[""] * empty))
        rows.append([9.0, *own, *[9.0] * empty])  # what must not be drawn is large
        padding.append([True, *[False] * len(own), *[True] * empty])
    return explained(
        np.array(rows),
        kind="text",
        labels=tuple(labels),
        padding=np.array(padding),
        feature_names=(),
        **facts,
    )


class _Explained(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.values)

    @property
    def soundness(self) -> str:
        return "caution" if self.flags else "sound"

    @property
    def deciding(self) -> list[str]:
        return list(self.flags)

    @property
    def mark(self) -> str:
        return "[!]" if self.flags else "[ok]"
