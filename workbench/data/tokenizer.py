"""``Tokenizer``: texts become rows of token numbers, and back; Chinese is read character by character.

Every row begins with ``[CLS]``, which is never hidden, and is filled up with ``[PAD]``, which is what stands
for an absent token. Words that are not in the vocabulary are ``[UNK]``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import BadInput

SPECIAL = ("[PAD]", "[UNK]", "[CLS]")
PAD, UNK, CLS = range(3)
CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
TOKEN = re.compile(rf"[{CJK}]|[^\W{CJK}]+(?:['\u2019][^\W{CJK}]+)*|[^\w\s]")
ENDS = frozenset(".!?\u3002\uff01\uff1f\u2026")
SHARE = 0.98  # of the training texts are no longer than a row


@dataclass(frozen=True)
class Tokenizer:
    """The codec of texts.

    Attributes
    ----------
    vocabulary
        Token by number: ``[PAD]``, ``[UNK]``, ``[CLS]``, then words, the most frequent first.
    length
        Tokens in a row, with ``[CLS]``; what is longer is cut off.
    lower
        Whether letters are made small.
    kept
        Numbers of the tokens that are never hidden: padding and special ones.

    Examples
    --------
    >>> t = Tokenizer.learned(["A good film.", "A bad film!"], min_count=1)
    >>> t.encoded(["A good dog"]).tolist(), t.length
    ([[2, 3, 8, 1, 0]], 5)
    >>> t.decoded(t.encoded(["a BAD film!"]))
    ['a bad film !']
    """

    vocabulary: tuple[str, ...]
    length: int
    lower: bool = True
    kept: tuple[int, ...] = (PAD, CLS)
    kind = "text"

    @classmethod
    def learned(cls, texts: Sequence[str], *, min_count: int = 2, most: int = 20_000, length: int | None = None,
                lower: bool = True) -> Tokenizer:  # fmt: skip
        """Return the tokenizer of training texts.

        Parameters
        ----------
        texts
            Training texts.
        min_count
            Rarer words become ``[UNK]``.
        most
            Words that are kept at most.
        length
            Tokens in a row; by default so many that 98 % of the texts fit.
        lower
            Whether letters are made small.
        """
        split = [tokens(text, lower) for text in texts]
        counts = Counter(word for words in split for word in words)
        kept = sorted((w for w, n in counts.items() if n >= min_count), key=lambda w: (-counts[w], w))
        if length is None:
            length = 1 + max(
                1, int(np.quantile([len(words) for words in split] or [1], SHARE, method="higher"))
            )
        return cls((*SPECIAL, *kept[:most]), length, lower)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Tokenizer:
        """Return a tokenizer of these very texts, which loses nothing but the spaces: for models that read strings."""
        longest = max((len(tokens(text, False)) for text in texts), default=0)
        return cls.learned(texts, min_count=1, length=1 + max(1, longest), most=10**9, lower=False)

    @cached_property
    def places(self) -> dict[str, int]:
        """Token -> number."""
        return {word: number for number, word in enumerate(self.vocabulary)}

    def split(self, text: str) -> list[str]:
        """Return a text's tokens as this tokenizer sees them, before they are looked up."""
        return tokens(text, self.lower)

    @property
    def size(self) -> int:
        """How many tokens there are, the special ones included."""
        return len(self.vocabulary)

    @property
    def names(self) -> tuple[str, ...]:
        """Features of texts have no names of their own: each row has its tokens."""
        return ()

    def encoded(self, rows: Iterable[str]) -> np.ndarray:
        """Return texts as token numbers ``(n, length)`` int64."""
        texts = list(rows)
        if strange := [i for i, text in enumerate(texts) if not isinstance(text, str)]:
            raise BadInput(
                f"Text {strange[0]} is a {type(texts[strange[0]]).__name__}", "strings", "Convert it"
            )
        out = np.full((len(texts), self.length), PAD, dtype=np.int64)
        for row, text in zip(out, texts, strict=True):
            numbers = [CLS, *(self.places.get(word, UNK) for word in self.split(text))][: self.length]
            row[: len(numbers)] = numbers
        return out

    def decoded(self, x: np.ndarray) -> list[str]:
        """Return rows of token numbers as texts, tokens between spaces, special ones left out but ``[UNK]``."""
        words = self._array
        return [" ".join(words[row[(row != PAD) & (row != CLS)]]) for row in np.asarray(x)]

    @cached_property
    def _array(self) -> np.ndarray:
        return np.array(self.vocabulary, dtype=object)

    def words(self, x: np.ndarray) -> tuple[tuple[str, ...], ...]:
        """Return the token at each place, ``(n, length)``; an empty string for padding."""
        shown = ["", *self.vocabulary[1:]]
        more = int(np.max(x, initial=0)) + 1 - len(shown)  # numbers of a tokenizer that is not known
        shown += [f"#{number}" for number in range(len(shown), len(shown) + more)]
        return tuple(map(tuple, np.array(shown, dtype=object)[np.asarray(x)]))

    def groups(self, x: np.ndarray) -> np.ndarray:
        """Return a number for every token of a row, in order, ``(n, length)``; -1 for what is never hidden."""
        real = ~np.isin(x, self.kept)
        return np.where(real, np.cumsum(real, axis=1) - 1, -1)

    def absent(self, x: np.ndarray) -> np.ndarray:
        """Return what stands for absent: padding, with the special tokens kept, ``(n, length)``."""
        return np.where(np.isin(x, self.kept), x, PAD)

    def sentences(self, x: np.ndarray) -> np.ndarray:
        """Return the number of the sentence that each token is in, ``(n, length)``; -1 for special tokens."""
        real = ~np.isin(x, self.kept)
        ends = np.isin(x, [self.places[end] for end in ENDS if end in self.places]) & real
        # A sentence begins with the first token behind an end that is no end itself: "Really?!" is one.
        begins = real & ~ends & np.roll(ends, 1, axis=1)
        begins[:, 0] = False
        return np.where(real, np.cumsum(begins, axis=1), -1)

    def plain(self) -> dict[str, Any]:
        """Return the codec as JSON can hold it."""
        return {
            "kind": self.kind,
            "vocabulary": list(self.vocabulary),
            "length": self.length,
            "lower": self.lower,
            "kept": list(self.kept),
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Tokenizer:
        """Return the codec that :meth:`plain` wrote."""
        return cls(tuple(plain["vocabulary"]), plain["length"], plain["lower"], tuple(plain["kept"]))


def tokens(text: str, lower: bool = True) -> list[str]:
    """Return the words, numbers and signs of a text; every Chinese, Japanese or Korean character is one."""
    return TOKEN.findall(text.lower() if lower else text)
