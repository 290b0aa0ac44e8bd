"""``annotate``: a panel in the notebook in which a person marks, judges and rates what explanations show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..explanation.result import Explanation
from ..plotting import pixels
from .feedback import Feedback
from .panel import Panel, script

GRID = 4  # regions along a side, in the list that does the same as the brush


class Annotator(Panel):
    """The panel of :func:`annotate`; ``.feedback`` is its store.

    A click that stores carries all that is on the screen in one message, with the number of the input: nothing can be
    overtaken, and what is stored is what was seen. The answer shows the row as it stands in the store.
    """

    _esm = script("annotate.js")

    def __init__(self, e: Explanation, feedback: Feedback, reviewer: str, data: str | None) -> None:
        self.e, self.feedback, self.reviewer, self.data = e, feedback, reviewer, data
        self.mine: list[list[str]] = []  # the decisions of each click
        super().__init__(_item(e, 0), {"store": self._store, "retract": self._retract, "go": self._go})
        self.add_class("wb-annotate-panel")

    def _state(self) -> dict[str, Any]:
        return {"stored": len(self.mine), "can_retract": bool(self.mine)}

    def _store(self, message: dict[str, Any]) -> dict[str, Any]:
        """Write what was on the screen: a row for each kind of mask, or one for a judgement without any."""
        row_id = int(message["row_id"])
        at = int(np.flatnonzero(np.asarray(self.e.row_ids) == row_id)[0])
        shape = self.e.inputs[at].shape  # type: ignore[index]
        masks = {
            kind: _mask(message[kind], shape, self.e.kind) for kind in ("must_not", "must") if message[kind]
        }
        beside = {"prediction": message["prediction"], "answer": message["answer"], "comment": message["comment"].strip(),
                  **{name: None if message[name] is None else int(message[name]) for name in ("understandable", "matches")}}  # fmt: skip
        decisions = [{"row_id": row_id, "mask": mask, "kind": kind, "explanation": self.e, "data": self.data}
                     for kind, mask in masks.items() or [("judgement", None)]]  # fmt: skip
        decisions[0] |= beside
        written = self.feedback.add_all(decisions, reviewer=self.reviewer)
        self.mine.append(written)
        rows = self.feedback.table().set_index("uid").loc[written]
        return {"said": "Stored: " + "; ".join(_in_words(row) for _, row in rows.iterrows())}

    def _retract(self, message: dict[str, Any]) -> dict[str, Any]:
        if not self.mine:
            raise BadInput("Nothing was stored here", "a decision of this panel", "Store one first")
        uids = self.mine[-1]
        self.feedback.retract(*uids, reviewer=self.reviewer)
        self.mine.pop()
        return {
            "said": f"Taken back: {len(uids)} of what was stored. It stays in the file and is not counted."
        }

    def _go(self, message: dict[str, Any]) -> dict[str, Any]:
        self.item = _item(self.e, int(np.clip(message["to"], 0, len(self.e) - 1)))
        return {}


def annotate(
    e: Explanation, *, store: str | Path | Feedback = "feedback.db", reviewer: str, data: str | None = None
) -> Annotator:
    """Return a panel in which a person marks parts of inputs, judges answers and rates explanations.

    Images are marked with a brush or by a list of regions, texts by clicking words, tables by clicking columns: "must" or
    "must not" be looked at. Beside that the answer is judged, the person's own answer, two ratings and a comment are taken.
    Each click on "Store" is written at once.

    Parameters
    ----------
    e
        Explanations of some inputs, such as ``wb.explain(net, data.train[:20], "integrated_gradients")``.
    store
        A ``Feedback``, or the path of its database.
    reviewer
        Who decides.
    data
        Name of the data, where one store serves several.

    Returns
    -------
    Annotator
        A widget; show it as the last line of a cell. ``.feedback`` is the store.

    Raises
    ------
    BadInput
        A global explanation, or a reviewer without a name.
    BadFile
        The database is damaged, of another program or newer.
    """
    if not isinstance(e, Explanation) or e.scope == "global" or e.inputs is None:
        raise BadInput(
            f"A {type(e).__name__} was given",
            "explanations of inputs",
            "Explain rows: wb.explain(model, data.train[:20], ...)",
        )
    if not isinstance(reviewer, str) or not reviewer.strip():
        raise BadInput(f"reviewer is {reviewer!r}", "a name", "Say who decides: reviewer='me'")
    return Annotator(e, store if isinstance(store, Feedback) else Feedback(store), reviewer.strip(), data)


def _item(e: Explanation, at: int) -> dict[str, Any]:
    """Return what the panel shows of one input."""
    row: Any = e.inputs[at]  # type: ignore[index]
    names = list(e.class_names) or [str(c) for c in range(int(np.max(e.target)) + 1)]  # type: ignore[arg-type]
    said = names[int(e.target[at])] if int(e.target[at]) < len(names) else str(e.target[at])  # type: ignore[index]
    common = {"row_id": int(e.row_ids[at]), "at": at, "of": len(e), "classes": names,  # type: ignore[index]
              "title": f"Input {at + 1} of {len(e)} (row {e.row_ids[at]}): the model says {said}",  # type: ignore[index]
              "caption": f"{e.method}: red speaks for {said}, blue against it"}  # fmt: skip
    return common | (_image(e, at, row) if e.kind == "image" else units(e, at, row))


def _image(e: Explanation, at: int, row: np.ndarray) -> dict[str, Any]:
    values = np.asarray(e[at : at + 1].map)[0]
    limit, (height, width) = float(np.abs(values).max()), row.shape[-2:]
    top = np.unravel_index(np.abs(values).argmax(), values.shape)
    return {"png": pixels.picture(row), "map": pixels.attribution(values, limit), "width": width, "height": height, "size": width * height,
            "unit": "pixels", "regions": _regions(height, width),
            "alt": f"attribution of each pixel, the strongest in row {top[0]}, column {top[1]}"}  # fmt: skip


def _regions(height: int, width: int) -> list[dict[str, Any]]:
    """Return a grid of named regions with their places."""
    found = []
    for rows in np.array_split(np.arange(height), min(GRID, height)):
        for columns in np.array_split(np.arange(width), min(GRID, width)):
            places = (rows[:, None] * width + columns).ravel().tolist()
            found.append(
                {"name": f"rows {rows[0]}-{rows[-1]}, columns {columns[0]}-{columns[-1]}", "places": places}
            )
    return found


def units(e: Explanation, at: int, row: np.ndarray) -> dict[str, Any]:
    """Return words or columns, each with the entries of the input that it stands for."""
    values = np.asarray(e.values[at]).reshape(-1)
    limit = float(np.abs(values).max())
    shown = e.labels[at] if e.labels is not None else [f"{v:.3g}" for v in values]
    fixed = np.zeros(len(values), bool) if e.padding is None else np.asarray(e.padding[at])
    members = getattr(e.codec, "members", None) if e.kind == "table" else None
    places = (
        list(members.values())
        if members and len(members) == len(values)
        else [[i] for i in range(len(values))]
    )
    names = list(e.feature_names) if e.kind == "table" else [""] * len(values)
    units = [{"text": f"{name} = {word}" if name else str(word) or "[padding]", "value": f"{value:+.3g}", "shade": pixels.shade(value, limit),
              "places": [int(p) for p in where], "fixed": bool(gone)}
             for name, word, value, where, gone in zip(names, shown, values, places, fixed, strict=True) if str(word)]  # fmt: skip
    return {
        "units": units,
        "size": int(np.prod(row.shape)),
        "unit": "words" if e.kind == "text" else "columns",
    }


def _mask(places: list[int], shape: tuple[int, ...], kind: str) -> np.ndarray:
    """Return marked places as a mask: for images of rows and columns, which holds for every channel."""
    wanted = shape[-2:] if kind == "image" else shape
    mask = np.zeros(int(np.prod(wanted)), bool)
    mask[places] = True
    return mask.reshape(wanted)


def _in_words(row: Any) -> str:
    """Return a stored row as it stands in the database."""
    said = {"mask": "{:.0f} marked", "prediction": "prediction {}", "answer": "answer {}", "comment": "comment {}",
            "understandable": "understandable {:.0f}", "matches": "matches {:.0f}"}  # fmt: skip
    known = row[list(said)].dropna()
    return ", ".join(
        [f"row {row['row_id']}", row["kind"], *(said[name].format(value) for name, value in known.items())]
    )
