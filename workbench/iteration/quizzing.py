"""``quiz``: does a map help people to foresee a model's answers, and to know when to rely on them?"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import files
from ..data.records import Data
from ..errors import BadFile, BadInput
from ..explanation.registry import look_up
from .panel import Panel, script
from .questions import PARTS, Paper, figure, paper, turn
from .quizzes import SATISFIED, SCHEMA, QuizResult, quiz_result

ASKED = {"simulate": "What will the model answer?", "rely": "Would you accept this answer?"}
HELP = {
    "none": "Nothing is shaded in this block.",
    "map": "Darker places are said to have mattered more to the model.",
    "random map": "Darker places are said to have mattered more to the model.",  # whoever knew could not be asked
}
AGREE = [("1", "1: not at all"), ("2", "2"), ("3", "3"), ("4", "4"), ("5", "5: fully")]


class Quiz(Panel):
    """The panel of :func:`quiz`: one page after the other, each written to ``.sheet`` before the next is shown.

    Attributes
    ----------
    sheet
        The person's file.
    """

    _esm = script("quiz.js")

    def __init__(self, of: Paper, person: str, sheet: Path, names: list[str]) -> None:
        self.paper, self.person, self.sheet, self.names = of, person, sheet, names
        self.pages = _pages(of, person)
        self.kept = _kept(of, person, sheet, len(self.pages))
        super().__init__(self._page(), {"answer": self._answer})
        self.add_class("wb-quiz-panel")

    @property
    def finished(self) -> bool:
        """Whether every page was answered."""
        return len(self.kept["answers"]) == len(self.pages)

    def result(self) -> QuizResult:
        """Return what all finished sheets of this folder say together."""
        return quiz_result(self.sheet.parent)

    def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Write the answer to the page that was on the screen, and show the next one."""
        at = len(self.kept["answers"])
        if message["id"] != at or self.finished:
            return {"said": "That page is answered already: this is the next one."}
        questions = self.item["questions"]
        given = {name: message["answers"].get(name) for name in (q["name"] for q in questions)}
        if missing := [
            q["legend"]
            for q in questions
            if given[q["name"]] not in [str(value) for value, _ in q["options"]]
        ]:
            raise BadInput(f"Not answered: {missing[0]}", "one of the choices", "Choose one")
        answer = {**self._facts(at), **given, "seconds": round(float(message["milliseconds"]) / 1000, 2)}
        kept = {
            **self.kept,
            "answers": [*self.kept["answers"], answer],
            "finished": at + 1 == len(self.pages),
        }
        files.write_json(self.sheet, kept)
        self.kept = kept
        self.item = self._page()
        return {"said": ""}

    def _facts(self, at: int) -> dict[str, Any]:
        """Return what the sheet says of a page: the row, and what the model said, beside what it was."""
        page = self.pages[at]
        if "row" not in page:
            return page
        row = page["row"]
        return {
            **page,
            "row_id": int(self.paper.row_ids[row]),
            "why": self.paper.why[row],
            "said": self._name(self.paper.said[row]),
            "truth": self._name(self.paper.truth[row]),
        }

    def _name(self, target: Any) -> str:
        return self.names[int(target)]

    def _page(self) -> dict[str, Any]:
        """Return the page that is next."""
        at, n = len(self.kept["answers"]), len(self.pages)
        if at == n:
            return {"id": n, "title": "Done. Thank you.", "questions": [], "button": "", "progress": [n, n], "lines": [
                f"Everything is kept in {self.sheet}.",
                "In one of three blocks the shading was the model's own; in one it was the same, at other places; in one there was none."]}  # fmt: skip
        page = self.pages[at]
        return {
            "id": at,
            "progress": [at, n],
            "questions": [],
            "button": "Next",
            **getattr(self, f"_{page['kind']}")(page),
        }

    def _welcome(self, page: dict[str, Any]) -> dict[str, Any]:
        return {"title": "Can you foresee a model?", "button": "Begin", "lines": [
            f"First you see {len(self.paper.sets['learn'][0])} inputs with the model's answers, to learn how it answers. Many of them are hard.",
            "Then come two parts of three blocks. Nothing tells you whether you were right. Each answer is kept at once; you may stop and go on later."]}  # fmt: skip

    def _learn(self, page: dict[str, Any]) -> dict[str, Any]:
        said, truth = self._name(self.paper.said[page["row"]]), self._name(self.paper.truth[page["row"]])
        return {"title": f"To learn from: the model answers {said}", "lines": [f"Rightly it is {truth}."],
                "figure": figure(self.paper, page["row"], "none")}  # fmt: skip

    def _block(self, page: dict[str, Any]) -> dict[str, Any]:
        return {"title": f"Part {1 + PARTS.index(page['part'])} of {len(PARTS)}, block {1 + page['block']} of 3: {ASKED[page['part']]}",
                "lines": [HELP[page["condition"]]]}  # fmt: skip

    def _simulate(self, page: dict[str, Any]) -> dict[str, Any]:
        return {"title": ASKED["simulate"], "lines": [], "figure": figure(self.paper, page["row"], page["condition"]), "button": "Answer",
                "questions": [{"name": "answer", "legend": "The model will answer", "options": [[name, name] for name in self.names]}]}  # fmt: skip

    def _rely(self, page: dict[str, Any]) -> dict[str, Any]:
        said = self._name(self.paper.said[page["row"]])
        return {"title": f"The model answers {said}", "lines": [], "figure": figure(self.paper, page["row"], page["condition"]), "button": "Answer",
                "questions": [{"name": "answer", "legend": ASKED["rely"], "options": [["accept", "I accept it"], ["reject", "I do not"]]}]}  # fmt: skip

    def _rate(self, page: dict[str, Any]) -> dict[str, Any]:
        return {"title": "How was the shading of the last block?", "lines": [], "button": "Answer",
                "questions": [{"name": name, "legend": text, "options": AGREE} for name, text in SATISFIED.items()]}  # fmt: skip


def quiz(model: Any, data: Data, *, person: str, method: str = "integrated_gradients", items: int = 6, folder: str | Path = "quiz",
         split: str = "test", seed: int = 0, **options: Any) -> Quiz:  # fmt: skip
    """Return a panel that asks a person what the model will answer, and when they would rely on it.

    Forward simulation (Hase and Bansal 2020) and appropriate reliance, with the model's map, with the same map at other
    places, and with none: each person sees all three, in an order and with rows that turn from person to person. Half of
    the rows are errors, flips of the compressed model, or answers by a shortcut. A map is shown in one colour without
    signs, so that it neither names nor colours the answer. After each block with a map the person says how it was
    (after Hoffman et al. 2018).

    **It misleads** as evidence about other rows or other people than those asked, below ten people it is a classroom
    exercise, and says so. The sheets hold the model's answers: look at them afterwards.

    Parameters
    ----------
    model
        Any model of classes that ``method`` explains; a ``Compressed`` has flips as well.
    data
        Its data.
    person
        A name or a pseudonym; it decides the order. The sheet of one who stopped is gone on with.
    method, **options
        Of the maps, for the model's own answer.
    items
        Rows a block, an even number; there are six blocks, and one set to learn from.
    folder
        Where each person's sheet is kept, ``quiz_<person>.json``.
    split, seed
        Where rows are drawn from. The same quiz for everybody has the same seed.

    Returns
    -------
    Quiz
        A widget; show it as the last line of a cell. ``.result()`` draws all sheets of the folder together.

    Raises
    ------
    BadInput
        Too few hard rows, no name, or a method without a map of single rows.
    BadFile
        The person's sheet is damaged, or belongs to another quiz.
    """
    if not isinstance(data, Data) or split not in data.splits:
        raise BadInput(f"There are no rows in {split!r}", "Data, and 'test', 'valid' or 'train'", "Choose another split")  # fmt: skip
    if not isinstance(person, str) or not person.strip():
        raise BadInput(f"person is {person!r}", "a name or a pseudonym", "Say who answers: person='p07'")
    if look_up(method).scope == "global":
        raise BadInput(f"{method} explains whole models", "a method that explains single rows", "Choose one of wb.methods()")  # fmt: skip
    of = paper(model, data, method, items, split, seed, options)
    sheet = files.folder(folder) / f"quiz_{re.sub(r'[^A-Za-z0-9_-]+', '_', person.strip())}.json"
    return Quiz(of, person.strip(), sheet, [str(name) for name in data.class_names])


def _pages(of: Paper, person: str) -> list[dict[str, Any]]:
    """Return what a person is shown, page by page."""
    order, start = turn(person)
    pages: list[dict[str, Any]] = [
        {"kind": "welcome"},
        *({"kind": "learn", "row": row} for row in of.sets["learn"][0]),
    ]
    for part in PARTS:
        for block, condition in enumerate(order):
            common = {"part": part, "block": block, "condition": condition}
            rows = of.sets[part][(block + start) % len(order)]
            pages += [{"kind": "block", **common}, *({"kind": part, **common, "row": row} for row in rows)]
            if condition != "none":
                pages.append({"kind": "rate", **common})
    return pages


def _kept(of: Paper, person: str, sheet: Path, n: int) -> dict[str, Any]:
    """Return the sheet so far, or a new one."""
    if not sheet.exists():
        return {"schema": SCHEMA, "quiz": of.fingerprint, "method": of.e.method, "person": person, "order": list(turn(person)[0]),
                "started": datetime.now(UTC).isoformat(timespec="seconds"), "answers": [], "finished": False}  # fmt: skip
    kept = files.read_json(sheet)
    if not isinstance(kept, dict) or kept.get("schema") != SCHEMA or kept.get("person") != person or kept.get("quiz") != of.fingerprint \
            or not isinstance(kept.get("answers"), list) or len(kept["answers"]) > n:  # fmt: skip
        raise BadFile(f"{sheet} is not {person}'s sheet of this quiz", "a sheet of the same model, data, method and seed",
                      "Give another folder or person; the file was left as it is")  # fmt: skip
    return kept
