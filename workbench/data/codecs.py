"""What every codec offers, and how one is kept in a file.

A codec knows how raw rows (a data frame, texts) became the array ``x`` that models and methods work on, and
back; which entries of ``x`` are one feature; and what stands for an absent one. Images have none: their
pixels are what people see.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .columns import Columns
from .parts import Parts
from .tokenizer import Tokenizer


class Codec(Protocol):
    """How raw rows became numbers, and back."""

    kind: Any

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, where they are the same in every row."""

    def encoded(self, rows: Any) -> np.ndarray:
        """Return raw rows as ``x``."""

    def decoded(self, x: np.ndarray) -> Any:
        """Return ``x`` as raw rows."""

    def words(self, x: np.ndarray) -> tuple[tuple[str, ...], ...]:
        """Return what stands at every feature, as it is shown."""

    def groups(self, x: np.ndarray) -> np.ndarray:
        """Return the feature that each entry belongs to, ``(1 or n, ...)``; -1 for what is never hidden."""

    def absent(self, x: np.ndarray) -> np.ndarray:
        """Return what stands for absent, ``(1 or n, ...)``."""

    def plain(self) -> dict[str, Any]:
        """Return the codec as JSON can hold it."""


def from_plain(plain: dict[str, Any] | None) -> Any:
    """Return the codec that its ``plain`` wrote, or None."""
    return (
        None
        if plain is None
        else {c.kind: c for c in (Columns, Tokenizer, Parts)}[plain["kind"]].from_plain(plain)
    )
