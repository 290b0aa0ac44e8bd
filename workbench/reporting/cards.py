"""The data page and the model card: findings in words first, then the tables and pictures they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files, html
from ..data import inspection, telling
from ..data.records import Data
from ..errors import BadInput, unknown
from ..plotting import canvas, rows
from .noticed import per_cent, sentences

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 25  # rows of a table that stand on the page; all of them are in ``card.table(name)``
NOTEBOOK = 3  # parts that a notebook shows; the others stand on the page


@dataclass(frozen=True, eq=False)
class Part:
    """A table or a picture of a card, under its heading.

    Attributes
    ----------
    name
        What ``card.table`` calls it.
    heading, said
        Above it, and a sentence about it.
    table
        All rows, or None.
    figure, alt
        A matplotlib figure with what it shows in words, or None.
    """

    name: str
    heading: str
    said: str = ""
    table: pd.DataFrame | None = None
    figure: Any = None
    alt: str = ""

    @property
    def holds(self) -> bool:
        """Whether there is anything to show."""
        return self.figure is not None or (self.table is not None and len(self.table) > 0)

    def markup(self, level: int = 2) -> html.Markup:
        """Return the part as a section."""
        parts = [html.paragraph(self.said)] if self.said else []
        if self.figure is not None:
            parts.append(html.figure(canvas.png(self.figure), self.alt))
        if self.table is not None and len(self.table):
            parts.append(html.table(_readable(self.table.head(SHOWN)), self._caption()))
        return html.section(self.heading, *parts, level=level)

    def _caption(self) -> str:
        n = len(self.table) if self.table is not None else 0
        return f"The first {SHOWN} of {n:,} rows" if n > SHOWN else ""


@dataclass(frozen=True, eq=False)
class Card:
    """What a data set, or a model on one, is and what was noticed about it.

    Attributes
    ----------
    title
        Of the page.
    facts
        What it is and where it comes from.
    doubts
        What should be looked at before any number is believed; may be empty.
    findings
        All else that was found, one sentence each.
    parts
        Tables and pictures.
    """

    title: str
    facts: dict[str, str]
    doubts: tuple[str, ...]
    findings: tuple[str, ...]
    parts: tuple[Part, ...]

    def table(self, name: str) -> pd.DataFrame:
        """Return a table by its name, with all its rows.

        Parameters
        ----------
        name
            One of ``card.names``.
        """
        found = {part.name: part.table for part in self.parts if part.table is not None}
        if name not in found:
            raise unknown("table", name, found)
        return found[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(part.name for part in self.parts if part.table is not None)

    def to_html(self, path: str | Path) -> Path:
        """Write the card as one self-contained page without scripts.

        Parameters
        ----------
        path
            Where to.
        """
        facts = html.table([{"": name, "what": value} for name, value in self.facts.items()])
        sections = (part.markup() for part in self.parts if part.holds)
        return files.write_text(path, html.page(self.title, self._said(), facts, *sections))

    def _said(self) -> html.Markup:
        """Return the findings, doubts set apart."""
        doubts = (
            html.note(html.strong("Look at this first"), html.listing(self.doubts), tone="doubt")
            if self.doubts
            else None
        )
        return html.join(doubts, html.listing(self.findings))

    def __repr__(self) -> str:
        lines = [f"! {doubt}" for doubt in self.doubts] + [f"- {finding}" for finding in self.findings]
        return "\n".join([self.title, *lines])

    def _repr_html_(self) -> str:
        drawn = [
            part for part in self.parts if part.figure is not None or part.name in ("columns", "by class")
        ]
        return html.join(
            html.record(self.title, self.facts), self._said(), *(part.markup(4) for part in drawn[:NOTEBOOK])
        )


def card(subject: Any, data: Data | None = None) -> Card:
    """Return a data page, or the card of a model on data with the data page behind it.

    The data page looks for what makes every later number mean something else: rows that stand in two splits,
    inputs with two labels, one column, pixel or word that knows the class, gaps, classes with few rows,
    columns that never vary. It misleads where copies are not exact (another scan, another crop): these need
    ``clusters`` in the data.

    Parameters
    ----------
    subject
        ``Data``; or a model (``Fitted`` and ``Compressed`` too), judged on the test rows.
    data
        What the model is for; left out for a data page.

    Returns
    -------
    Card
        Shows itself in a notebook; ``.to_html(path)`` writes a page, ``.table(name)`` gives a table,
        ``.doubts`` and ``.findings`` are sentences.

    Raises
    ------
    BadInput
        A model without data, or one that has not a score for each class of the data.

    Examples
    --------
    >>> import workbench as wb
    >>> page = wb.card(wb.load("mnist"))
    >>> page.findings[0]
    'No input stands in two splits.'
    >>> page.doubts
    ()
    """
    if isinstance(subject, Data):
        return data_card(subject)
    if data is None:
        raise BadInput(f"card got a {type(subject).__name__} without data", "Data, or a model and Data",
                       "Pass the data as well: wb.card(model, data)")  # fmt: skip
    from .model_card import model_card

    return model_card(subject, data, data_card(data))


def data_card(data: Data) -> Card:
    """Return the data page."""
    told = telling.alone(data)
    parts = [_balance(data), _alone(data, told), *_copies(data), *_by_kind(data, told)]
    said = sentences(data, {part.name: part.table for part in parts})
    doubts, findings = (
        [sentence for doubtful, sentence in said if doubtful is which] for which in (True, False)
    )
    return Card(f"Data: {data.name}", _facts(data), tuple(doubts), tuple(findings), tuple(parts))


def _size(data: Data) -> str:
    """Return how large a row is, in the units of its kind."""
    numbers = " x ".join(map(str, data.input_shape))
    if data.columns is not None:
        return f"{len(data.columns)} columns, {numbers} numbers a row"
    return f"{numbers} {'tokens' if data.tokenizer else 'pixels'} a row"


def _facts(data: Data) -> dict[str, str]:
    shown = ", ".join(data.class_names[:20]) + (
        f", and {data.n_classes - 20} more" if data.n_classes > 20 else ""
    )
    return {
        "kind": f"{data.kind}, {_size(data)}",
        "rows": ", ".join(f"{len(split):,} {name}" for name, split in data.splits.items()),
        "classes": f"{data.n_classes}: {shown}",
        "licence": data.licence,
        "source": data.source,
        "fingerprint": data.fingerprint[:16],
        **({"notes": " ".join(data.notes)} if data.notes else {}),
    }


def _balance(data: Data) -> Part:
    table = inspection.balance(data)
    low, high = table["train"].min(), table["train"].max()
    alt = f"Share of each of {data.n_classes} classes in the splits; a class has {low:,} to {high:,} training rows."
    return Part("balance", "How often does each class come?", table=table, figure=rows.classes(data), alt=alt)


def _alone(data: Data, told: pd.DataFrame) -> Part:
    said = ("A rule that sees one feature only is learned in training rows and judged on validation and test rows. What "
            "is right nearly always alone is seldom knowledge. Best in training first.")  # fmt: skip
    return Part("alone", "What does one feature alone tell?", said, told, rows.features(data, told),
                rows.features_alt(data, told))  # fmt: skip


def _copies(data: Data) -> list[Part]:
    counts = inspection.duplicates(data)
    found = [
        Part("copies", "Copies", "Inputs that are equal; texts when letters are made small and spaces put together. In a table "
             "of few values equal rows need not be copies.", _listed(counts)),
        Part("conflicts", "The same input, another label", table=inspection.conflicts(data)),
        Part("clusters", "Rows that belong together", table=_listed(inspection.clusters(data))),
    ]  # fmt: skip
    if data.kind == "text":
        found.append(Part("near", "Nearly the same text in training",
                          "Alike: the share of windows of three words that both have.", inspection.near(data)))  # fmt: skip
    return found


def _by_kind(data: Data, told: pd.DataFrame) -> list[Part]:
    if data.kind == "table":
        right = told.rename(columns={"feature": "column", "accuracy": "alone right"})[
            ["column", "alone right"]
        ]
        table = inspection.columns(data).merge(right, on="column", how="left")
        return [
            Part("columns", "The columns", table=table),
            Part("missing", "What is missing", table=inspection.missing(data)),
        ]
    if data.kind == "text":
        return [Part("lengths", "How long are the texts, and what of them is known?", table=inspection.lengths(data)),
                Part("words", "Words that stand more often in one class", table=telling.words(data))]  # fmt: skip
    return []


def _listed(counts: dict[str, int]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"what": list(counts), "how many": list(counts.values())})


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as it is read: shares as per cent, long names shortened."""
    shares = ("share", "accuracy", "right", "low", "high", "missing", "alike", "unknown", "cut off", "empty")
    out = {}
    for name in table.columns:
        values = table[name]
        if values.dtype.kind == "f" and (str(name).endswith(shares) or name in ("train", "valid", "test")):
            out[name] = [per_cent(value) for value in values]
        else:
            out[name] = [canvas.shortened(v, 90) if isinstance(v, str) else v for v in values]
    return type(table)(out)
