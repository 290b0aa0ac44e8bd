"""``Maps``: every model of a comparison explained by one method, by a function of the reader's own, or ready made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Split
from ..errors import BadInput
from ..explanation.door import explain
from ..explanation.registry import look_up
from ..explanation.result import Explanation
from ..state import untouched
from .axiomatic import relative_gap
from .controls import Cast
from .similarities import similarity

RIVAL = ":runner_up"  # what is behind the name of a method whose maps are those of the class less those of the second
DRAWN = {
    "original": "original",
    "compressed": "compressed",
    "trained on": "sham",
    "another run": "references",
}
GIVEN = ("before", "after", "self", "sham", "references", "randomized")

Explained = Callable[[Any, int], Explanation]  # a model and a seed


@dataclass(frozen=True, eq=False)
class Maps:
    """The original's maps, and those of every other model by column: all of the class that the original answers."""

    first: Explanation
    runs: dict[str, list[Explanation]]

    @property
    def compressed(self) -> Explanation:
        """The maps of the compressed model."""
        return self.runs["compressed"][0]

    @property
    def settings(self) -> dict[str, Any]:
        """How the original was explained."""
        return {k: v for k, v in self.first.settings.items() if k not in ("measured", "seed", "output")}

    @property
    def gap(self) -> float:
        """The compressed model's median completeness gap, a share of the output's difference; NaN where none is promised."""
        promised = self.first.delta is not None and self.compressed.delta is not None
        return float(np.nanmedian(relative_gap(self.compressed))) if promised else float("nan")

    def columns(self, name: str) -> dict[str, np.ndarray]:
        """Return the similarity of every run's maps to the original's, ``(runs, n)`` by column."""
        n = len(self.first)
        return {
            column: np.array([similarity(self.first, e, metrics=(name,))[name] for e in runs]).reshape(-1, n)
            for column, runs in self.runs.items()
        }

    def shown(self) -> dict[str, np.ndarray]:
        """Return the maps that are drawn side by side."""
        drawn = {
            name: [self.first] if name == "original" else self.runs[column] for name, column in DRAWN.items()
        }
        return {name: _map(runs[0]) for name, runs in drawn.items() if runs}

    def against(self, rival: Maps) -> Maps:
        """Return the maps of the class less those of another one: what speaks for the first against the second.

        Methods that hide parts are linear in the output, so that this is their explanation of the difference. Where
        the other's maps are those of the first rows only, so are these.
        """
        runs = {
            column: [_less(one, other) for one, other in zip(mine, rival.runs[column], strict=True)]
            for column, mine in self.runs.items()
        }
        return Maps(_less(self.first, rival.first), runs)


def _less(one: Explanation, other: Explanation) -> Explanation:
    one = one[: len(other)]
    settings = {**one.settings, "against": "the original's second class"}
    return replace(one, values=one.values - other.values, delta=None, settings=settings)


def _map(e: Explanation) -> np.ndarray:
    return e.values if e.map is None else e.map


def by_method(cast: Cast, rows: Split, target: np.ndarray, method: str, options: dict[str, Any], output: str, seed: int,
              tick: Callable[[str], Any]) -> Maps:  # fmt: skip
    """Explain every model by a method of ours; independent draws for all but the first."""

    def explained(model: Any, draw: int) -> Explanation:
        tick(method)
        return explain(model, rows, method, target=target, output=output, seed=draw, **options)

    return _of_all(cast, explained, seed, random=look_up(method).takes("seed") or "noise" in options)


def by_function(cast: Cast, rows: Split, target: np.ndarray, name: str, function: Callable, seed: int,
                tick: Callable[[str], Any]) -> Maps:  # fmt: skip
    """Explain every model by the reader's own ``function(model, x, target) -> values`` of the inputs' shape.

    A network is given tensors and comes back untouched; anything else is given the raw rows and the classes as numpy.

    Raises
    ------
    BadInput
        What comes back is no finite numbers, one set a row.
    """

    def explained(model: Any, draw: int) -> Explanation:
        tick(name)
        with untouched(model, seed=draw) as lent:
            values = function(lent, *_arguments(model, rows, target))
        kind = rows.codec.kind if rows.codec is not None else "image" if rows.x.ndim == 4 else "table"
        return Explanation(_checked(values, name, len(rows)), rows.x, target, None, None, None, name, {}, "as its function says",
                           True, kind, row_ids=rows.row_ids)  # fmt: skip

    return _of_all(cast, explained, seed, random=True)


def _arguments(model: Any, rows: Split, target: np.ndarray) -> tuple[Any, Any]:
    if not isinstance(model, nn.Module):
        return rows.raw, target
    where = next(iter(model.parameters()), torch.empty(0)).device
    return torch.tensor(rows.x, device=where), torch.tensor(target, device=where)


def _checked(values: Any, name: str, n: int) -> np.ndarray:
    array = values.numpy(force=True) if isinstance(values, torch.Tensor) else np.asarray(values)
    if array.ndim < 2 or len(array) != n or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise BadInput(f"The function {name!r} gave {array.dtype} of shape {array.shape}, or NaN", f"finite numbers ({n}, ...), a map a row",
                       "Let it return an attribution for each feature of each row")  # fmt: skip
    return array.astype(np.float32)


def _of_all(cast: Cast, explained: Explained, seed: int, random: bool) -> Maps:
    first = explained(cast.before, seed)
    return Maps(first, {
        "self": [explained(cast.before, seed + 1) if random else first],
        "sham": [] if cast.sham is None else [explained(cast.sham, seed + 1)],
        "compressed": [explained(cast.after, seed + 1)],
        "references": [explained(model, seed + 1) for model in cast.references],
        "randomized": [explained(cast.randomized, seed + 1)],
    })  # fmt: skip


def ready(given: Any, name: str, rows: Split, target: np.ndarray) -> Maps:
    """Take explanations that were made elsewhere: a pair, or a mapping of columns.

    Parameters
    ----------
    given
        ``(before, after)``, or a mapping with these and, where there are some, "self" (the original's again, other
        draws), "sham", "references" (a list) and "randomized"; a column that is not given stays empty.
    name
        Of the row, for what is refused.
    rows, target
        What has to be explained: the same rows, the class that the original answers.

    Raises
    ------
    BadInput
        Something else than explanations, unknown columns, other rows, other classes.
    """
    columns = (
        dict(given) if isinstance(given, Mapping) else dict(zip(("before", "after"), given, strict=False))
    )
    if strange := [column for column in columns if column not in GIVEN]:
        raise BadInput(
            f"The maps of {name!r} have a column {strange[0]!r}",
            f"columns among: {', '.join(GIVEN)}",
            "Leave it out",
        )
    if missing := [column for column in ("before", "after") if column not in columns]:
        raise BadInput(
            f"The maps of {name!r} lack {missing[0]!r}", "explanations of both models", "Pass (before, after)"
        )
    lists = {column: list(e) if column == "references" else [e] for column, e in columns.items()}
    for column, explanations in lists.items():
        for e in explanations:
            _fitting(e, f"{name!r}, {column}", rows, target)
    first, compressed = lists.pop("before")[0], lists.pop("after")
    return Maps(
        first,
        {column: [] for column in GIVEN if column not in ("before", "after")}
        | {"compressed": compressed}
        | lists,
    )


def _fitting(e: Any, which: str, rows: Split, target: np.ndarray) -> None:
    if not isinstance(e, Explanation):
        raise BadInput(
            f"The maps of {which} are a {type(e).__name__}",
            "an Explanation",
            "Make it with wb.explain, or give a function",
        )
    if len(e) != len(rows) or (e.inputs is not None and not np.array_equal(e.inputs, rows.x)):
        raise BadInput(f"The maps of {which} are of {len(e)} rows, or of others than are compared", f"the first {len(rows)} test rows, in their order",
                       "Explain data.test[:n], and pass the same n")  # fmt: skip
    if e.target is not None and not np.array_equal(e.target, target):
        raise BadInput(f"The maps of {which} explain other classes in {int((e.target != target).sum())} rows",
                       "the class that the original answers", "Pass target=wb.explain(before, ...).target to explain")  # fmt: skip


def is_ready(asked: Any) -> bool:
    """Whether maps were given, not options of a method."""
    if isinstance(asked, Mapping):
        return bool({"before", "after"} & set(asked))
    return isinstance(asked, Sequence) and not isinstance(asked, str)
