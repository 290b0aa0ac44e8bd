"""``Feedback``: what people marked and rated, one row a decision, kept in SQLite."""

from __future__ import annotations

import base64
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files, html
from ..data.records import Split
from ..errors import BadFile, BadInput, unknown
from .agreement import of_masks, of_ratings
from .store import COLUMNS, Store

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("must", "must_not", "judgement")
PREDICTIONS = ("right", "wrong", "unsure")
SCALE = range(1, 6)  # of ratings: 1 is "not at all", 5 is "fully"


@dataclass(frozen=True)
class Marks:
    """What stands marked in the rows of a split.

    Attributes
    ----------
    must, must_not
        ``(n, ...)`` of the inputs' shape: what the model has to look at, and what it must not.
    rows
        Positions in the split of the rows that have a mark.
    reviewers
        Names of those who marked.
    """

    must: np.ndarray
    must_not: np.ndarray
    rows: np.ndarray
    reviewers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.rows)


class Feedback:
    """Decisions of people about inputs, in a database that several kernels may use at once.

    Parameters
    ----------
    path
        Of the SQLite file; it is made when it is not there, and never overwritten.

    Raises
    ------
    BadFile
        Damaged, of another program, or of a newer version: it is left as it is.
    """

    def __init__(self, path: str | Path = "feedback.db") -> None:
        self.store = Store(path)

    @property
    def path(self) -> Path:
        """Where the decisions are."""
        return self.store.path

    def add(self, row_id: int, mask: Any = None, kind: str = "must_not", *, reviewer: str, prediction: str | None = None,
            answer: Any = None, understandable: int | None = None, matches: int | None = None, comment: str = "",
            explanation: Any = None, data: str | None = None) -> str:  # fmt: skip
        """Write one decision at once; return its ``uid``, by which :meth:`retract` takes it back.

        Parameters
        ----------
        row_id
            Of the input, as in ``split.row_ids``.
        mask
            Boolean, of the input's shape ``(...)`` or, for images, ``(row, column)``: what is marked.
        kind
            "must" or "must_not" for a mask; "judgement" for a decision without one.
        reviewer
            Who decided.
        prediction
            Whether the model's answer is "right", "wrong" or "unsure".
        answer
            The person's own answer, such as a class name.
        understandable, matches
            Ratings from 1 (not at all) to 5 (fully): "understandable", "matches my reasons".
        comment
            Free text.
        explanation
            What the person saw: its method, target and fingerprints are kept.
        data
            Name of the data, where one store serves several.

        Raises
        ------
        BadInput
            A mask that is empty or not boolean, a rating off the scale, nothing decided, a reviewer without a name.
        UnknownName
            Another kind or verdict.
        """
        decision = {"row_id": row_id, "mask": mask, "kind": kind, "prediction": prediction, "answer": answer, "understandable": understandable,
                    "matches": matches, "comment": comment, "explanation": explanation, "data": data}  # fmt: skip
        return self.add_all([decision], reviewer=reviewer)[0]

    def add_all(self, decisions: Iterable[Mapping[str, Any]], *, reviewer: str) -> list[str]:
        """Write several decisions of one person, all or none of them; return their ``uid``.

        Parameters
        ----------
        decisions
            The arguments of :meth:`add` by name, but the reviewer.
        reviewer
            Who decided.
        """
        rows = [_row(**decision, reviewer=reviewer) for decision in decisions]
        self.store.append(rows)
        return [row["uid"] for row in rows]

    def retract(self, *uids: str, reviewer: str) -> None:
        """Take decisions back, all or none of them; they stay in the file, and are not counted.

        Parameters
        ----------
        *uids
            Of the decisions.
        reviewer
            Who takes them back.

        Raises
        ------
        BadInput
            There is no such decision, or it was taken back before.
        """
        standing = {row["uid"]: row["row_id"] for row in self.store.rows()}
        if strange := [uid for uid in uids if uid not in standing]:
            raise BadInput(f"There is no standing decision {strange[0]!r}", "the uid that add returned", "Look at feedback.table()")  # fmt: skip
        self.store.append([{**_blank(), "reviewer": reviewer, "row_id": standing[uid], "kind": "retraction", "retracts": uid}
                           for uid in uids])  # fmt: skip

    def add_masks(self, split: Split, *, kind: str = "must_not", reviewer: str, n: int | None = None, seed: int = 0,
                  wrong: float = 0.0, data: str | None = None) -> int:  # fmt: skip
        """Write the masks that are known of a split, as a simulated reviewer would mark them.

        Parameters
        ----------
        split
            With ``shortcut`` (for "must_not") or ``evidence`` (for "must").
        kind, reviewer, data
            As in :meth:`add`; a simulated reviewer should be called one.
        n
            How many rows, drawn at random; None for all.
        seed
            Of the draw.
        wrong
            The share of masks that are put somewhere else in the row.

        Returns
        -------
        int
            How many were written.

        Raises
        ------
        BadInput
            The split has no such masks.
        """
        known = {"must_not": split.shortcut, "must": split.evidence}.get(kind)
        if known is None:
            raise BadInput(f"The split has no {'evidence' if kind == 'must' else 'shortcut'} for {kind!r}", "known masks",
                           "Mark rows by wb.annotate or feedback.add")  # fmt: skip
        rng = np.random.default_rng(seed)
        marked = np.flatnonzero(known.reshape(len(known), -1).any(1))
        chosen = marked if n is None else rng.permutation(marked)[:n]
        masks = [_elsewhere(known[i], rng) if rng.random() < wrong else known[i] for i in chosen]
        decisions = [{"row_id": int(split.row_ids[i]), "mask": mask, "kind": kind, "data": data} for i, mask in zip(chosen, masks, strict=True)]  # fmt: skip
        return len(self.add_all(decisions, reviewer=reviewer))

    def table(self) -> pd.DataFrame:
        """Return the standing decisions, a row each, in the order in which they were made."""
        import pandas as pd

        frame = pd.DataFrame(self.store.rows(), columns=["id", *COLUMNS]).drop(columns="retracts")
        return frame.assign(mask=[_size(m, s) for m, s in zip(frame["mask"], frame["shape"], strict=True)])

    def masks(self, split: Split, *, data: str | None = None) -> Marks:
        """Return what stands marked in the rows of a split, by most of those who marked a row.

        All that a person marked in a row, in however many decisions, is one vote.

        Parameters
        ----------
        split
            Whose rows are looked up by ``row_ids``.
        data
            Only decisions about the data of this name.

        Raises
        ------
        BadInput
            A mask of another shape than the rows: the store is about other data.
        """
        places = {int(row_id): at for at, row_id in enumerate(split.row_ids)}
        votes: dict[tuple[str, int], dict[str, np.ndarray]] = defaultdict(dict)
        for row in self._marking(data):
            at, who = places.get(row["row_id"]), row["reviewer"]
            if at is not None:
                own = votes[row["kind"], at]
                own[who] = own.get(who, False) | _fitted(_mask(row), split.x.shape[1:], row)
        found = {kind: np.zeros(split.x.shape, bool) for kind in ("must", "must_not")}
        for (kind, at), each in votes.items():
            found[kind][at] = np.mean(list(each.values()), axis=0) > 0.5
        rows = np.flatnonzero((found["must"] | found["must_not"]).reshape(len(split), -1).any(1))
        who = {name for each in votes.values() for name in each}
        return Marks(found["must"], found["must_not"], rows, tuple(sorted(who)))

    def _marking(self, data: str | None = None) -> Iterable[dict[str, Any]]:
        return (row for row in self.store.rows() if row["mask"] is not None and data in (None, row["data"]))

    def agreement(self) -> pd.DataFrame:
        """Return how far people agree: a row a kind of decision, with what chance alone would give.

        Ratings and verdicts by Krippendorff's alpha (1 is full agreement, 0 what chance gives; Krippendorff 2011);
        masks by the mean IoU of two people who marked one row, beside that of masks as large at random places.

        Returns
        -------
        DataFrame
            ``value chance rows reviewers``; NaN where nobody decided about a row that somebody else decided about.
        """
        import pandas as pd

        rows = self.store.rows()
        found = {name: of_ratings(rows, name) for name in ("prediction", "understandable", "matches")}
        found |= {kind: of_masks([{**r, "mask": _mask(r)} for r in rows if r["kind"] == kind and r["mask"] is not None])
                  for kind in ("must", "must_not")}  # fmt: skip
        return pd.DataFrame.from_dict(found, orient="index")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all standing decisions."""
        return files.sha256("|".join(sorted(row["uid"] for row in self.store.rows())).encode())

    def to_jsonl(self, path: str | Path) -> Path:
        """Write every decision, those taken back too, as JSON lines that :meth:`add_jsonl` reads."""
        lines = [json.dumps(_as_json(row)) for row in self.store.rows(everything=True)]
        return files.write_text(path, "".join(f"{line}\n" for line in lines))

    def add_jsonl(self, path: str | Path) -> int:
        """Add the decisions of a file of :meth:`to_jsonl`; those that are here already are left alone.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        BadFile
            A line that is no decision: nothing of the file is added.
        """
        try:
            lines = Path(path).expanduser().read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            raise BadFile(
                f"{path} cannot be read ({problem})", "JSON lines of feedback.to_jsonl", "Check the path"
            ) from problem
        rows = [_from_json(line, number, path) for number, line in enumerate(lines, start=1) if line.strip()]
        return self.store.append(rows)

    def term(self, data: Any, **options: Any) -> Any:
        """Return the training term that holds what is marked in the training rows: for ``keep=`` of a compression.

        Parameters
        ----------
        data
            Whose training rows are looked up.
        **options
            Of :func:`workbench.iteration.terms.term_of`.
        """
        from .terms import term_of

        return term_of(self, data, **options)

    def __len__(self) -> int:
        return len(self.store.rows())

    def __repr__(self) -> str:
        rows = self.store.rows()
        kinds = ", ".join(f"{sum(r['kind'] == kind for r in rows)} {kind}" for kind in KINDS)
        return f"Feedback({self.path.name!r}: {len(rows)} decisions by {len({r['reviewer'] for r in rows})} people; {kinds})"

    def _repr_html_(self) -> str:
        shown = self.table()[
            ["at", "reviewer", "row_id", "kind", "mask", "prediction", "understandable", "matches", "comment"]
        ].tail(10)
        return html.join(
            html.record("Feedback", {"what": repr(self)}), html.table(shown, "The last ten decisions")
        )


def _blank() -> dict[str, Any]:
    return {
        **dict.fromkeys(COLUMNS),
        "uid": uuid.uuid4().hex,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def _row(row_id: Any, mask: Any = None, kind: str = "must_not", *, reviewer: str, prediction: Any = None, answer: Any = None, understandable: Any = None,
         matches: Any = None, comment: str = "", explanation: Any = None, data: str | None = None) -> dict[str, Any]:  # fmt: skip
    """Return a decision as a row, or refuse it."""
    if kind not in KINDS:
        raise unknown("kind of decision", str(kind), KINDS)
    if prediction is not None and prediction not in PREDICTIONS:
        raise unknown("verdict on a prediction", str(prediction), PREDICTIONS)
    if not isinstance(reviewer, str) or not reviewer.strip():
        raise BadInput(f"reviewer is {reviewer!r}", "a name", "Say who decides: reviewer='me'")
    if not isinstance(row_id, (int, np.integer)):
        raise BadInput(
            f"row_id is {row_id!r}", "a whole number of split.row_ids", "Pass int(split.row_ids[i])"
        )
    for name, rating in (("understandable", understandable), ("matches", matches)):
        if rating is not None and (not isinstance(rating, (int, np.integer)) or rating not in SCALE):
            raise BadInput(
                f"{name} is {rating!r}",
                "a rating from 1 (not at all) to 5 (fully)",
                "Correct it, or leave it out",
            )
    packed = _packed_mask(mask, kind)
    decided = (mask, prediction, answer, understandable, matches, comment or None)
    if all(part is None for part in decided):
        raise BadInput(
            "Nothing was decided", "a mask, a verdict, a rating, an answer or a comment", "Pass one of them"
        )
    seen = {} if explanation is None else {"method": explanation.method, "model": explanation.model_fingerprint,
                                           "explanation": explanation.fingerprint, "target": _target(explanation, int(row_id))}  # fmt: skip
    return {**_blank(), **packed, **seen, "reviewer": reviewer.strip(), "data": data, "row_id": int(row_id), "kind": kind,
            "prediction": prediction, "answer": None if answer is None else str(answer), "comment": comment or None,
            "understandable": None if understandable is None else int(understandable), "matches": None if matches is None else int(matches)}  # fmt: skip


def _target(explanation: Any, row_id: int) -> int | None:
    at = np.flatnonzero(np.asarray(explanation.row_ids) == row_id)
    return int(explanation.target[at[0]]) if len(at) and explanation.target is not None else None


def _packed_mask(mask: Any, kind: str) -> dict[str, Any]:
    if mask is None:
        if kind != "judgement":
            raise BadInput(f"A {kind!r} without a mask", "a boolean mask, or kind='judgement'", "Pass mask=")
        return {}
    array = np.asarray(mask)
    if array.dtype != bool or not array.any():
        what = f"of type {array.dtype}" if array.dtype != bool else "with nothing in it"
        raise BadInput(
            f"A mask {what}",
            "a boolean array with at least one feature marked",
            "Compare it with 0, or mark something",
        )
    if kind == "judgement":
        raise BadInput("A judgement with a mask", "kind='must' or 'must_not'", "Say what the mask means")
    return {"mask": np.packbits(array).tobytes(), "shape": json.dumps(list(array.shape))}


def _mask(row: Mapping[str, Any]) -> np.ndarray:
    shape = json.loads(row["shape"])
    return (
        np.unpackbits(np.frombuffer(row["mask"], np.uint8), count=int(np.prod(shape)))
        .reshape(shape)
        .astype(bool)
    )


def _size(mask: Any, shape: Any) -> int | None:
    return None if not isinstance(mask, bytes) else int(_mask({"mask": mask, "shape": shape}).sum())


def _fitted(mask: np.ndarray, shape: tuple[int, ...], row: Mapping[str, Any]) -> np.ndarray:
    """Return a mask of a row's shape: one of places holds for every channel."""
    if mask.shape == shape:
        return mask
    if mask.shape == shape[1:] or (
        len(mask.shape) == len(shape) and mask.shape[0] == 1 and mask.shape[1:] == shape[1:]
    ):
        return np.broadcast_to(mask, shape)
    raise BadInput(f"The mask of row {row['row_id']} has shape {mask.shape}, the rows have {shape}", "masks of this very data",
                   "Keep a store for each data, or pass data=")  # fmt: skip


def _elsewhere(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a mask of the same size at another place of the row."""
    axes = tuple(range(1, mask.ndim)) if mask.ndim == 3 else tuple(range(mask.ndim))
    shifts = tuple(int(rng.integers(1, max(2, mask.shape[axis]))) for axis in axes)
    return np.roll(mask, shifts, axes)


def _as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: row[name] for name in COLUMNS if row[name] is not None}
    return kept | ({"mask": base64.b64encode(kept["mask"]).decode()} if "mask" in kept else {})


def _from_json(line: str, number: int, path: Any) -> dict[str, Any]:
    """Return a decision of a line, checked as if somebody made it now."""
    try:
        kept = json.loads(line)
        row = {**dict.fromkeys(COLUMNS), **{name: kept[name] for name in kept if name in COLUMNS}}
        row["mask"] = None if row["mask"] is None else base64.b64decode(row["mask"], validate=True)
        if not all(isinstance(row[name], str) and row[name] for name in ("uid", "at", "reviewer", "kind")):
            raise ValueError("uid, at, reviewer and kind are texts")
        if row["retracts"] is None:
            mask = None if row["mask"] is None else _mask(row)
            given = {
                name: row[name]
                for name in (
                    "row_id",
                    "kind",
                    "reviewer",
                    "prediction",
                    "answer",
                    "understandable",
                    "matches",
                )
            }
            checked = _row(mask=mask, comment=row["comment"] or "", **given)  # fmt: skip
            row |= {name: checked[name] for name in ("mask", "shape", "understandable", "matches", "row_id")}
        return row
    except (ValueError, TypeError, KeyError, AttributeError, LookupError) as problem:
        raise BadFile(f"{path} holds no decision in line {number} ({problem})", "JSON lines of feedback.to_jsonl",
                      "Correct the line; nothing was added") from problem  # fmt: skip
