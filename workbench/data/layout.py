"""How a delimited file is laid out: its separator, its quotes, the line of every record, and whether it has a header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from .remarks import Remarks, counted

SEPARATORS = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma"}
MISSING_WORDS = ("", "NA", "N/A", "n/a", "na", "NaN", "nan", "NAN", "NULL", "null", "Null", "?", "-", "#N/A")
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
PROBE = 1_000  # records that are looked at more closely
LONG = 60  # letters in a cell that is hardly a name
END = "\x03end of the text\x03"
AGREEING = 0.9  # of the records have as many fields as most, where a separator is the right one


@dataclass(frozen=True)
class Layout:
    """Where the records of a file stand.

    Attributes
    ----------
    sep
        The separator.
    quoting
        ``csv.QUOTE_MINIMAL``, or ``csv.QUOTE_NONE`` where quotation marks are mere letters.
    lines
        Line on which each record begins, from 1; lines without anything are no records.
    widths
        Fields of each record.
    last
        Line on which the first record ends.
    head
        The first records.
    """

    sep: str
    quoting: int
    lines: np.ndarray
    widths: np.ndarray
    last: int
    head: list[list[str]]

    @property
    def width(self) -> int:
        """Fields of most records."""
        return int(np.bincount(self.widths).argmax())

    @property
    def regular(self) -> bool:
        """Whether every record has as many fields."""
        return bool((self.widths == self.width).all())


def laid_out(text: str, sep: str | None, remarks: Remarks) -> Layout:
    """Return the layout of a text, or raise ``BadFile`` with the line that does not fit."""
    found = _separator(text)
    chosen = _checked(sep, remarks) or found or ","
    layout = _scanned(text, chosen, csv.QUOTE_MINIMAL)
    if isinstance(layout, int) or not layout.regular:
        layout = _as_letters(text, chosen, remarks) or layout
    if isinstance(layout, int):
        remarks.broken(f"A field that begins in line {layout} never ends, or has more than 131,072 letters: perhaps a quotation mark is not closed",
                       "shorter fields, whose quotation marks are closed", "Close it, or write the file again")  # fmt: skip
    if layout.width == 1:
        _one_column(layout, chosen, found, remarks)
    if not layout.regular:
        _ragged(layout, remarks)
    return layout


def _as_letters(text: str, sep: str, remarks: Remarks) -> Layout | None:
    """Return the layout of a text whose quotation marks are mere letters, if all lines fit then."""
    layout = _scanned(text, sep, csv.QUOTE_NONE)
    if isinstance(layout, int) or not layout.regular or layout.width == 1 or '"' not in text:
        return None
    remarks.warn(f"Quotation marks were read as letters, because in line {_unpaired(text)} one has no pair. "
                 "If it is a mistake, correct the line.")  # fmt: skip
    return layout


def _checked(sep: str | None, remarks: Remarks) -> str | None:
    if sep is not None and (len(sep) != 1 or sep.isalnum() or sep in " \"'\r\n."):
        remarks.unusable(
            f"sep is {sep!r}", "one sign, such as ',', ';', '\\t' or '|'", "Leave sep out to have it found"
        )
    return sep


def _separator(text: str) -> str | None:
    """Return the separator on which the first records agree; where two do, the one that is seldom in texts."""
    head = text[:200_000]
    scores = {}
    for sep in SEPARATORS:
        records = [r for r in _records(head, sep, csv.QUOTE_MINIMAL, PROBE) if r != [""]]
        width, agreeing = Counter(map(len, records[:-1] or records)).most_common(1)[0] if records else (1, 0)
        scores[sep] = agreeing / max(1, len(records[:-1] or records)) if width > 1 else 0.0
    best = max(scores.values())
    if best >= AGREEING:
        return next(sep for sep, score in scores.items() if score >= AGREEING)
    return next((sep for sep, score in scores.items() if score == best), None) if best > 0.5 else None


def _records(text: str, sep: str, quoting: int, most: int) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=sep, quoting=quoting, skipinitialspace=True)  # type: ignore[arg-type]
    found: list[list[str]] = []
    try:
        for record in reader:
            found += [record] if record else []
            if len(found) == most:
                break
    except csv.Error:
        pass  # The long field comes up again when the whole file is scanned.
    return found


def _scanned(text: str, sep: str, quoting: int) -> Layout | int:
    """Look at every record once; where a field never ends, return the line on which its record begins."""
    source = _Source(text)
    reader = csv.reader(source, delimiter=sep, quoting=quoting, skipinitialspace=True)  # type: ignore[arg-type]
    lines, widths, begins, last, record = [], [], 1, 0, [""]
    head: list[list[str]] = []
    try:
        for record in reader:
            if len(record) > 1 or (record and source.line.strip(" \t\r\n") and record != [END]):
                lines.append(begins)
                widths.append(len(record))
                last = last or reader.line_num
                if len(head) < PROBE:
                    head.append(record)
            begins = reader.line_num + 1 if source.line is not END else begins
    except csv.Error:
        return begins
    if record != [END]:
        return begins
    return Layout(sep, quoting, np.array(lines), np.array(widths), last, head)


class _Source:
    """The lines of a text and one more, ``END``: a field that never ends swallows it."""

    def __init__(self, text: str) -> None:
        self.line = ""
        self._lines = io.StringIO(text if text.endswith(("\n", "\r")) else text + "\n", newline="")

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> str:
        if self.line is END:
            raise StopIteration
        self.line = next(self._lines, END)
        return self.line


def _unpaired(text: str) -> int:
    """Return the first line with an odd number of quotation marks."""
    lines = io.StringIO(text, newline="")
    return next((number for number, line in enumerate(lines, 1) if line.count('"') % 2), 1)


def _one_column(layout: Layout, chosen: str, found: str | None, remarks: Remarks) -> None:
    if found is not None and found != chosen:
        remarks.broken(f"With sep={chosen!r} everything is in one column, as in line {layout.lines[0]}",
                       f"several columns; sep={found!r} ({SEPARATORS[found]}) seems right", f"Pass sep={found!r}, or leave sep out")  # fmt: skip
    remarks.broken(f"Everything is in one column, called {_cut(layout.head[0][0])!r} in line {layout.lines[0]}",
                   "at least two columns, separated by a comma, a semicolon, a tab or a bar",
                   "Pass sep= if another sign separates them")  # fmt: skip


def _ragged(layout: Layout, remarks: Remarks) -> None:
    odd = np.flatnonzero(layout.widths != layout.width)
    first = odd[0]
    spans = first + 1 < len(layout.lines) and layout.lines[first + 1] - layout.lines[first] > 1
    advice = (
        "Correct it: a field with the separator in it needs quotation marks; lines above the names must go"
    )
    if spans or (first + 1 == len(layout.lines) and layout.widths[first] < layout.width):
        advice += "; perhaps a quotation mark is not closed, or the file was cut off here"
    more = f" ({counted(len(odd), 'such line')} in all)" if len(odd) > 1 else ""
    remarks.broken(f"Line {layout.lines[first]} has {counted(int(layout.widths[first]), 'field')} where most lines have {layout.width}{more}",
                   f"as many fields in every line, separated by a {SEPARATORS.get(layout.sep, layout.sep)}", advice)  # fmt: skip


def has_header(head: Sequence[Sequence[str]], asked: Collection[str]) -> bool:
    """Tell whether the first record holds names.

    It does where it holds a name that was asked for, numbers that count the columns, or words that do not
    occur again below; it does not where it holds numbers, gaps or long texts.
    """
    top, below = [cell.strip() for cell in head[0]], head[1:]
    counting = [str(i) for i in range(len(top) + 1)]
    if {*top} & {*asked} or top == counting[:-1] or top == counting[1:] or top[1:] == counting[:-2]:
        return True
    if any(_is_number(cell) or cell in MISSING_WORDS or len(cell) > LONG for cell in top[1:]):
        return False
    if _is_number(top[0]) or len(top[0]) > LONG:
        return False
    again = any(name and name in {record[i].strip() for record in below} for i, name in enumerate(top))
    return not again


def _is_number(cell: str) -> bool:
    return NUMBER.fullmatch(cell) is not None


def _cut(cell: str) -> str:
    return cell if len(cell) <= LONG else cell[: LONG - 3] + "..."
