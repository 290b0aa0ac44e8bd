"""What the sheets of a quiz say together: a mean over people, and the difference that a map makes to each of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files, html
from ..errors import BadFile, BadInput
from ..evaluation.intervals import bootstrap_mean
from .questions import CONDITIONS

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
FEW = 10  # people below whom a quiz is a classroom exercise
# Three of the scale of Hoffman et al. 2018, in words that fit a shaded input.
SATISFIED = {
    "understand": "From the shading I understand how the model works",
    "detail": "The shading shows enough of what the model does",
    "foresee": "The shading helps me to tell what the model will answer",
}


@dataclass(frozen=True, eq=False)
class QuizResult:
    """What people answered in one quiz.

    Attributes
    ----------
    people
        A row a person and condition: ``person condition right``, ``right, hard``, ``accepted right``, ``accepted wrong``,
        ``reliance``, ``satisfied``, ``seconds``. Fractions; NaN where there was no such row.
    left_out
        Those who did not finish.
    method
        Of the maps.
    """

    people: pd.DataFrame
    left_out: tuple[str, ...]
    method: str

    @property
    def n(self) -> int:
        """How many people finished."""
        return self.people["person"].nunique()

    @property
    def word(self) -> str:
        """What this is: "classroom exercise" below ten people, else "study"."""
        return "classroom exercise" if self.n < FEW else "study"

    def table(self) -> pd.DataFrame:
        """Return a row a condition.

        ``right`` is the share of the model's answers that were foreseen, ``reliance`` the share of right answers that were
        accepted less that of wrong ones (1 is perfect, 0 blind), ``satisfied`` a mean of three ratings from 1 to 5. Each
        ``- none`` is a mean over people of the difference to the block without a map, with its 95 % interval over people.
        """
        import pandas as pd

        wide = self.people.pivot(index="person", columns="condition")
        found = []
        for condition in CONDITIONS:
            row = {
                "condition": condition,
                **{name: wide[name][condition].mean() for name in self.people.columns[2:]},
            }
            for name in ("right", "reliance"):
                apart = (wide[name][condition] - wide[name]["none"]).dropna()
                if condition != "none" and len(apart):
                    row[f"{name} - none"], row[f"{name} low"], row[f"{name} high"], _ = bootstrap_mean(apart)
            found.append(row)
        return pd.DataFrame(found).set_index("condition")

    def __repr__(self) -> str:
        row = self.table().loc["map"]
        return (f"QuizResult({self.word}, {self.n} people, {self.method}: foreseen with the map {row['right']:.2f}, "
                f"{row['right - none']:+.2f} ({row['right low']:+.2f} to {row['right high']:+.2f}) to none)")  # fmt: skip

    def _repr_html_(self) -> str:
        facts = {"people": str(self.n), "maps": self.method, "left out": ", ".join(self.left_out) or "nobody"}
        said = html.note(f"Fewer than {FEW} people: a classroom exercise, no evidence about the method.", tone="doubt") if self.n < FEW else None  # fmt: skip
        return html.record("Quiz", facts, said, html.table(self.table().round(3)))


def quiz_result(sheets: str | Path | Iterable[str | Path]) -> QuizResult:
    """Draw the sheets of one quiz together, however many computers they come from.

    Parameters
    ----------
    sheets
        A folder, or paths of ``quiz_<person>.json``.

    Returns
    -------
    QuizResult
        ``.table()``; those who did not finish are named in ``.left_out``.

    Raises
    ------
    BadFile
        A sheet is damaged, newer, or of another quiz; or two are of one person.
    BadInput
        There are no finished sheets.
    """
    import pandas as pd

    paths = (
        sorted(Path(sheets).glob("quiz_*.json"))
        if isinstance(sheets, (str, Path))
        else [Path(p) for p in sheets]
    )
    read = [(path, _sheet(path)) for path in paths]
    for path, sheet in read:
        if sheet["quiz"] != read[0][1]["quiz"]:
            raise BadFile(f"{path} is of another quiz than {read[0][0]}", "sheets of one model, data, method and seed", "Merge them apart")  # fmt: skip
    names = [sheet["person"] for _, sheet in read]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadFile(
            f"There are several sheets of {twice[0]}", "one sheet a person", "Leave all but one out"
        )
    whole = [sheet for _, sheet in read if sheet["finished"]]
    if not whole:
        raise BadInput(f"None of {len(read)} sheets is finished", "at least one finished sheet", "Answer the quiz to its end")  # fmt: skip
    rows = [_condition(sheet, condition) for sheet in whole for condition in CONDITIONS]
    left = tuple(sheet["person"] for _, sheet in read if not sheet["finished"])
    return QuizResult(pd.DataFrame(rows), left, whole[0]["method"])


def _sheet(path: Path) -> dict[str, Any]:
    sheet = files.read_json(path)
    facts = {"schema": int, "quiz": str, "person": str, "method": str, "answers": list, "finished": bool}
    known = isinstance(sheet, dict) and all(isinstance(sheet.get(name), kind) for name, kind in facts.items())
    if (
        not known
        or sheet["schema"] != SCHEMA
        or not all(isinstance(a, dict) and "kind" in a for a in sheet["answers"])
    ):
        raise BadFile(f"{path} is no sheet of a quiz that this version reads", f"a file of wb.quiz, schema {SCHEMA}", "Leave it out, or update")  # fmt: skip
    return sheet


def _condition(sheet: dict[str, Any], condition: str) -> dict[str, Any]:
    """Return what one person did under one condition."""
    mine = [a for a in sheet["answers"] if a.get("condition") == condition]
    foreseen = [(a["answer"] == a["said"], bool(a["why"])) for a in mine if a["kind"] == "simulate"]
    accepted = [(a["answer"] == "accept", a["said"] == a["truth"]) for a in mine if a["kind"] == "rely"]
    when = {right: _mean(yes for yes, was in accepted if was is right) for right in (True, False)}
    return {"person": sheet["person"], "condition": condition, "right": _mean(yes for yes, _ in foreseen),
            "right, hard": _mean(yes for yes, hard in foreseen if hard), "accepted right": when[True], "accepted wrong": when[False],
            "reliance": when[True] - when[False], "satisfied": _mean(float(a[name]) for a in mine if a["kind"] == "rate" for name in SATISFIED),
            "seconds": float(np.median([a["seconds"] for a in mine if a["kind"] in ("simulate", "rely")]))}  # fmt: skip


def _mean(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.mean(known)) if known else float("nan")
