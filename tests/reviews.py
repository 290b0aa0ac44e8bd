"""Made-up reviews: a text is good or bad by the words in it, and short enough to train on in a second."""

from __future__ import annotations

import numpy as np

from workbench.data.records import Data, Split
from workbench.data.tokenizer import Tokenizer

GOOD, BAD, OTHER = (
    tuple(f"{word}{i}" for i in range(n)) for word, n in (("good", 8), ("bad", 8), ("word", 60))
)


def made_up(n: int = 300, seed: int = 0, longest: int = 10) -> Data:
    """Return texts of up to ``longest`` words, two of which say the class."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    texts = np.array([_text(rng, GOOD if label else BAD, longest) for label in y], dtype=object)
    codec = Tokenizer.learned(list(texts), min_count=1)
    x = codec.encoded(texts)
    ends = {"train": (0, 0.6), "valid": (0.6, 0.7), "test": (0.7, 1)}
    rows = {part: np.arange(int(a * n), int(b * n)) for part, (a, b) in ends.items()}
    parts = {part: Split(x[at], y[at], at, at.copy(), texts=texts[at]) for part, at in rows.items()}
    return Data("made up", "text", **parts, feature_names=(), class_names=("bad", "good"), codec=codec)


def _text(rng: np.random.Generator, telling: tuple[str, ...], longest: int) -> str:
    words = list(rng.choice(OTHER, rng.integers(4, longest + 1)))
    for place in rng.choice(len(words), 2, replace=False):
        words[place] = str(rng.choice(telling))
    return " ".join(words)
