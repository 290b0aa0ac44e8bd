"""What a quiz asks: hard and easy rows in sets that are alike, with the model's map, a misplaced one, or none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np

from .. import files
from ..data.records import Data
from ..errors import BadInput
from ..evaluation.behaviour import answers
from ..explanation.door import explain
from ..explanation.result import Explanation
from ..plotting import pixels
from .marking import units

CONDITIONS = ("none", "map", "random map")
PARTS = ("simulate", "rely")
ORDERS = tuple((order, turn) for order in permutations(CONDITIONS) for turn in range(len(CONDITIONS)))
SETS = 1 + len(PARTS) * len(CONDITIONS)  # one to learn from, and one a block


@dataclass(frozen=True)
class Paper:
    """A quiz as it is for everybody.

    Attributes
    ----------
    e
        The explanations of all its rows, in no order that tells anything.
    truth, why
        ``(n,)``: the label; "error", "flip" or "shortcut" for what makes a row hard, "" for an easy one.
    sets
        Places in ``e``: ``learn`` one list, each part three.
    elsewhere
        The sizes of the map at other places, a row each.
    method
        Of the maps.
    """

    e: Explanation
    truth: np.ndarray
    why: tuple[str, ...]
    sets: Mapping[str, list[list[int]]]
    elsewhere: tuple[np.ndarray, ...]

    @property
    def said(self) -> np.ndarray:
        """The class that the model answers, ``(n,)``."""
        return np.asarray(self.e.target)

    @property
    def row_ids(self) -> np.ndarray:
        """Of its rows in the data, ``(n,)``."""
        return np.asarray(self.e.row_ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of model, rows, maps and sets: sheets of equal ones can be merged."""
        return files.sha256(f"{self.e.fingerprint} {self.sets}".encode())


def paper(
    model: Any, data: Data, method: str, items: int, split: str, seed: int, options: dict[str, Any]
) -> Paper:
    """Choose rows, explain them, and deal them.

    Half of each set is hard, as a quiz of rows that everybody and the model answer rightly would say nothing. Errors go
    first to the part in which people rely on answers, which needs wrong ones.
    """
    rows, rng = data.splits[split], np.random.default_rng(seed)
    given = answers(model, rows)
    why = hard_rows(model, data, split, given)
    half = _half(items, len(why))
    order = {
        kind: rng.permutation([row for row, w in why.items() if w == kind]).tolist()
        for kind in ("error", "flip", "shortcut")
    }
    easy = rng.permutation(sorted(set(np.flatnonzero(given == rows.y).tolist()) - set(why))).tolist()
    if len(easy) < SETS * half:
        raise BadInput(f"{len(easy)} rows are answered rightly and are not hard", f"at least {SETS * half}", "Ask for fewer items")  # fmt: skip
    wrong_first, wrong_last = (
        [*order["error"], *order["flip"], *order["shortcut"]],
        [*order["flip"], *order["shortcut"], *order["error"]],
    )
    blocks = len(CONDITIONS)
    rely = wrong_first[: blocks * half]
    rest = [row for row in wrong_last if row not in set(rely)]
    chosen = {
        "rely": rely,
        "simulate": rest[: blocks * half],
        "learn": rest[blocks * half : (blocks + 1) * half],
    }
    sets = {}
    for part, hard in chosen.items():
        count = len(hard) // half
        plain, easy = easy[: len(hard)], easy[len(hard) :]
        sets[part] = [rng.permutation([*hard[at::count], *plain[at::count]]).tolist() for at in range(count)]
    used = [row for part in sets.values() for one in part for row in one]
    e = explain(model, rows[np.array(used)], method, data=data, **options)
    place = {row: at for at, row in enumerate(used)}
    return Paper(e, rows.y[used], tuple(why.get(row, "") for row in used),
                 {part: [[place[row] for row in one] for one in each] for part, each in sets.items()},
                 tuple(misplaced(sizes(e, at), rng) for at in range(len(e))))  # fmt: skip


def hard_rows(model: Any, data: Data, split: str, given: np.ndarray) -> dict[int, str]:
    """Return the rows that say something, and why: wrong, answered otherwise by the original, or by the shortcut."""
    rows = data.splits[split]
    found: dict[int, str] = {}
    if rows.without_shortcut is not None:
        found |= dict.fromkeys(
            np.flatnonzero(answers(model, rows.without_shortcut, rows.codec) != given).tolist(), "shortcut"
        )
    if (original := getattr(model, "original", None)) is not None:
        found |= dict.fromkeys(np.flatnonzero(answers(original, rows) != given).tolist(), "flip")
    return found | dict.fromkeys(np.flatnonzero(given != rows.y).tolist(), "error")


def _half(items: int, hard: int) -> int:
    if not isinstance(items, int) or isinstance(items, bool) or items < 2 or items % 2:
        raise BadInput(f"items is {items!r}", "an even number, of rows a block", "Leave it out for 6")
    if hard < SETS * items // 2:
        most = 2 * (hard // SETS)
        raise BadInput(f"{hard} rows are errors, flips or shortcuts", f"at least {SETS * items // 2}, for half of {SETS} sets of {items}",
                       f"Ask for items={most}" if most else "Take a split with more rows, or a weaker model")  # fmt: skip
    return items // 2


def sizes(e: Explanation, at: int) -> np.ndarray:
    """Return how much each place matters, without a sign, which would tell for or against."""
    return np.abs(
        np.asarray(e[at : at + 1].map)[0] if e.kind == "image" else np.asarray(e.values[at]).reshape(-1)
    )


def misplaced(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a map with the same values elsewhere: an image's turned over and moved by about half, others' shuffled."""
    if values.ndim == 1:
        return values[_deranged(len(values), rng)]
    moves = [int(rng.integers(side // 3, 2 * side // 3 + 1)) for side in values.shape]
    return np.roll(values[::-1, ::-1], moves, (0, 1))


def _deranged(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return an order in which nothing stays where it was, if there are two things."""
    order = rng.permutation(n)
    found = np.empty(n, int)
    found[order] = np.roll(order, 1)
    return found


def figure(of: Paper, at: int, condition: str) -> dict[str, Any]:
    """Return what is shown of a row: the input, and beside or on it how much each place matters, in one colour."""
    e, row = of.e, np.asarray(of.e.inputs[at])  # type: ignore[index]
    values = {"none": None, "map": sizes(e, at), "random map": of.elsewhere[at]}[condition]
    if e.kind == "image":
        return {"png": pixels.picture(row), "width": row.shape[-1], "height": row.shape[-2],
                "map": None if values is None else pixels.importance(values)}  # fmt: skip
    shown = units(e, at, row)["units"]
    limit = 0.0 if values is None else float(values.max())
    shades = (
        ["#ffffff"] * len(shown) if values is None else [pixels.shade(v, limit, pixels.PLAIN) for v in values]
    )
    return {
        "units": [{"text": unit["text"], "shade": shade} for unit, shade in zip(shown, shades, strict=True)]
    }


def turn(person: str) -> tuple[tuple[str, ...], int]:
    """Return a person's order of the conditions, and by how much the sets are turned, from the name alone."""
    return ORDERS[int(files.sha256(person.encode()), 16) % len(ORDERS)]
