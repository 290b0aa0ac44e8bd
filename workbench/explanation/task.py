"""``Task``: one question about many rows, from which the question about some of them can be cut."""

from __future__ import annotations

import hashlib
import inspect
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .. import files
from ..data.parts import Parts
from ..data.records import Data, Split
from ..errors import BadInput
from ..zoo.identity import fingerprint
from . import entrance
from .door import explain
from .entrance import Given
from .registry import Method, require
from .result import Explanation
from .score import batch_rows

BY_ROW = ("target", "baselines", "feature_mask")
ASIDE = ("data", "budget")  # what explain takes and is not part of the question
_ONE_AT_A_TIME = threading.Lock()  # a model is lent to one call at a time, also where workers are threads


@dataclass(frozen=True)
class Task:
    """What is explained, and how: everything but the model."""

    method: str
    given: Given
    asked: dict[str, Any]
    data: Data | None

    def of(self, rows: slice) -> tuple[Any, ...]:
        """Return the arguments of :func:`explain_part` for some rows."""
        names = (
            None if self.data is None else self.data.subset(train=1, valid=1, test=1)
        )  # names alone travel
        return self.given.part(rows), self.method, self._asked_of(rows), names

    def _asked_of(self, rows: slice) -> dict[str, Any]:
        own = {name: self.given.rows_of(name, self.asked[name], rows) for name in BY_ROW}
        return {**self.asked, **own, "forward_kwargs": self._beside(rows, _count(self.given))}

    def _beside(self, rows: slice, n: int) -> dict[str, Any] | None:
        """Return what goes along to the forward; what is as long as the shard and not the split would be mistaken."""
        beside = self.asked["forward_kwargs"]
        for name, value in (beside or {}).items():
            length = getattr(value, "shape", (0,))[:1]
            if length == (len(range(n)[rows]),) and length != (n,):
                raise BadInput(f"{name} in forward_kwargs has {length[0]} entries, as many as a shard has rows",
                               "one for each row of the split, or another number", "Choose another batch")  # fmt: skip
        return beside and {name: self.given.rows_of(name, value, rows) for name, value in beside.items()}

    def job(self, model: Any, batch: int) -> dict[str, Any]:
        """Return what decides the numbers, as JSON can hold it; arrays by their SHA-256."""
        given = self.given
        settings = {name: _told(value) for name, value in self.asked.items() if value is not None}
        inputs = [_told(given.x), _told(given.row_ids), files.sha256(repr(given.texts).encode())]
        return files.plain({"model": fingerprint(model), "method": self.method, "settings": settings,
                            "rows": _count(given), "inputs": inputs, "batch": batch})  # fmt: skip

    @property
    def cached(self) -> int:
        """How many rows fill a batch that stays in cache."""
        return batch_rows(self.given.part(slice(1)).rows())


def prepared(entry: Method, model: Any, split: Any, data: Data | None, options: dict[str, Any]) -> Task:
    """Return checked rows, and every argument of ``explain`` with its default: what a shard is asked with."""
    if isinstance(split, Data):
        raise BadInput("split is a whole Data", "rows of it", "Pass data.test")
    common = {
        p.name: p.default for p in inspect.signature(explain).parameters.values() if p.kind is p.KEYWORD_ONLY
    }
    own = entry.checked({name: value for name, value in options.items() if name not in common})
    asked = {name: options.get(name, default) for name, default in common.items() if name not in ASIDE}
    given = entrance.given(split, model, data, asked["background"])
    x: Any = given.x
    if not _count(given):
        raise BadInput("split holds no rows", "at least one", "Pass rows such as data.test")
    given.part(slice(1)).rows()
    if any(not np.isfinite(x[at : at + 1024]).all() for at in range(0, len(x), 1024)):
        given.rows()  # Says which row.
    require(entry, model, given.kind)
    asked |= {name: _array(asked[name], given) for name in BY_ROW}
    _check_lengths(asked, given)
    return Task(entry.name, given, {**asked, "background": given.background, **own}, data)


def _check_lengths(asked: dict[str, Any], given: Given) -> None:
    """Refuse rows of something that are not as many as the split's: they could be as many as a shard's."""
    for name in BY_ROW:
        shape, axes = np.shape(asked[name]), given.axes(name)
        if len(shape) == axes and shape[0] not in (1, _count(given)):
            raise BadInput(f"{name} has {shape[0]} rows for {_count(given)} rows of the split", "one, or one for each",
                           "Match them")  # fmt: skip


def _array(value: Any, given: Given) -> Any:
    """Return the rows of a split, and one array of a tuple that has a part for each of several inputs."""
    value = value.x if isinstance(value, Split) else value
    return given.codec.joined(value) if isinstance(value, tuple) and isinstance(given.codec, Parts) else value


def _count(given: Given) -> int:
    return 0 if given.x is None else len(given.x)


def _told(value: Any) -> Any:
    """Return a setting as it stands in an index."""
    value = getattr(value, "x", value)  # of a Split
    if isinstance(value, dict):
        return {str(name): _told(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(part) for part in value]
    if isinstance(value, torch.Tensor):
        value = value.numpy(force=True)
    if isinstance(value, np.ndarray) and value.ndim:
        digest = hashlib.sha256(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)  # hashed where it lies, not copied
        return digest.hexdigest()
    return value


def explain_part(
    model: Any, part: Given, method: str, asked: dict[str, Any], data: Data | None
) -> Explanation:
    """Explain some rows of a whole; this runs wherever the scheduler's workers are."""
    with _ONE_AT_A_TIME:
        return explain(model, part, method, data=data, **asked)
