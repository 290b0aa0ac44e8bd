"""``Data`` and its three splits: frozen records that know where they came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from .. import html
from .codecs import Codec
from .kinds import KINDS, Kind


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of data.

    Attributes
    ----------
    x
        Inputs, ``(n, ...)`` float32; images ``(n, channel, row, column)`` in [0, 1]; tables ``(n, encoded
        column)``; texts ``(n, length)`` int64 token numbers.
    y
        Class index a row, ``(n,)`` int64.
    row_ids
        What identifies a row for good, ``(n,)`` int64; a slice keeps them.
    clusters
        Rows that are not independent of each other share a number, ``(n,)`` int64.
    evidence, shortcut
        Boolean masks of the inputs' shape where the class truly is, and what was planted; or None.
    without_evidence, without_shortcut
        The same rows without the one or the other, of ``x``'s shape; or None. A mask is truth only with this pair:
        how far the output moves between the two says whether the model used it.
    texts
        Texts as they were, ``(n,)``; None for anything else.
    codec
        How raw rows became ``x``, and back; None for images.
    """

    x: np.ndarray
    y: np.ndarray
    row_ids: np.ndarray
    clusters: np.ndarray
    evidence: np.ndarray | None = None
    shortcut: np.ndarray | None = None
    without_evidence: np.ndarray | None = None
    without_shortcut: np.ndarray | None = None
    texts: np.ndarray | None = None
    codec: Codec | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows) -> Split:
        """Return the chosen rows: a slice, a list of positions or a boolean mask."""
        if isinstance(rows, (int, np.integer)):
            rows = [rows]
        arrays = {k: v[rows] for k, v in vars(self).items() if v is not None and k != "codec"}
        return Split(**arrays, codec=self.codec)

    @property
    def raw(self) -> Any:
        """The rows in the form they were given in: texts as they were, tables as the codec gives them back, images as ``x``.

        A data frame of the original columns then has numbers as floats (also whole ones) with the seven digits of
        float32, and rare categories as ``(other)``.
        """
        if self.texts is not None:
            return list(self.texts)
        return self.x if self.codec is None else self.codec.decoded(self.x)


@dataclass(frozen=True, eq=False)
class Data:
    """Train, valid and test rows with their names.

    ``feature_names`` are those of the original columns of a table. ``notes`` say what a reader noticed and
    did while it made the data: columns that were left out, rows that were dropped.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist")
    >>> data
    Data('mnist': image 1x28x28, 10 classes, 3500 train / 500 valid / 1000 test rows)
    """

    name: str
    kind: str
    train: Split
    valid: Split
    test: Split
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    licence: str = "not stated"
    source: str = "not stated"
    codec: Codec | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            if split.codec is not self.codec:
                object.__setattr__(self, name, replace(split, codec=self.codec))

    @property
    def columns(self) -> dict[str, list[int]] | None:
        """Original column -> its encoded columns, for tables."""
        return getattr(self.codec, "members", None)

    @property
    def tokenizer(self) -> Any:
        """What made token numbers of texts; None for anything else."""
        return self.codec if self.kind == "text" else None

    @property
    def wording(self) -> Kind:
        """How this kind of input is spoken of."""
        return KINDS[self.kind]

    @property
    def n_classes(self) -> int:
        """How many classes there are."""
        return len(self.class_names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(self.train.x.shape[1:])

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every split's inputs, classes and row numbers."""
        digest = hashlib.sha256(f"{self.kind}|{self.class_names}".encode())
        if self.codec is not None:
            digest.update(json.dumps(self.codec.plain(), sort_keys=True).encode())
        for split in self.splits.values():
            for array in (split.x, split.y, split.row_ids):
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def subset(self, train: int | None = None, valid: int | None = None, test: int | None = None) -> Data:
        """Return the same data with only the first rows of each split (``None`` keeps all).

        The shipped splits are shuffled and stratified, so the first rows are a fair sample of them.
        """
        counts: dict[str, int | None] = {"train": train, "valid": valid, "test": test}
        shorter: dict[str, Any] = {name: split[: counts[name]] for name, split in self.splits.items()}
        return replace(self, **shorter)

    def __repr__(self) -> str:
        shape = "x".join(map(str, self.input_shape))
        rows = " / ".join(f"{len(split)} {name}" for name, split in self.splits.items())
        return f"Data({self.name!r}: {self.kind} {shape}, {self.n_classes} classes, {rows} rows)"

    def _repr_html_(self) -> str:
        facts = {
            "kind": f"{self.kind}, {' x '.join(map(str, self.input_shape))}",
            "rows": ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items()),
            "classes": ", ".join(self.class_names[:20]),
            "licence": self.licence,
            "source": self.source,
            "fingerprint": self.fingerprint[:16],
        }
        return html.record(f"Data: {self.name}", facts, *([html.listing(self.notes)] if self.notes else []))
