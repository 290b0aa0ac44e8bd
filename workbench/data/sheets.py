"""``Sheet``: a delimited file with its columns named and every row's line known, before its values are read.

Python's ``csv`` has counted the fields of every line by then (:mod:`workbench.data.layout`); the values are read
by pandas, which is fast at numbers. Both read quotation marks alike.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UnknownName, unknown
from .decoding import text_of
from .layout import MISSING_WORDS, Layout, has_header, laid_out
from .remarks import Remarks, several

CODE = re.compile(r"0\d+")
CELLS = 400_000  # that are looked at for codes
POSITION = re.compile(r"column \d+")


@dataclass(frozen=True)
class Sheet:
    """A delimited file, laid out.

    Attributes
    ----------
    text
        All of it.
    layout
        Where its records stand.
    header
        Whether the first record holds the names.
    names
        Of the columns.
    lines
        Line of the file on which each row begins, counted from 1, ``(n,)``.
    remarks
        What was noticed so far.
    """

    text: str
    layout: Layout
    header: bool
    names: tuple[str, ...]
    lines: np.ndarray
    remarks: Remarks

    def named(self, column: str | int, role: str) -> str:
        """Return the name of a column that was given by name or by position (from 0; -1 is the last)."""
        if isinstance(column, (int, np.integer)) and not isinstance(column, bool):
            n = len(self.names)
            if not -n <= column < n:
                self.remarks.unusable(f"{role} is {column} but there are {n} columns", f"a position of 0 to {n - 1}",
                                      "Give a position that is there, or a name")  # fmt: skip
            return self.names[column]
        if column not in self.names:
            raise self._lacking(str(column), role)
        return str(column)

    def _lacking(self, column: str, role: str) -> UnknownName:
        found = unknown("column", column, self.names)
        todo = found.todo if found.todo.startswith("Did") else f"Choose the {role} from the list"
        position = f"{role}=<position, counted from 0>"
        if self.header and not has_header(self.layout.head, ()):
            todo = f"The file seems to have no header (line {self.layout.lines[0]} looks like data): pass header=False and {position}"
        if not self.header:
            todo = f"The file was read without a header: pass {position}, or header=True if line {self.layout.lines[0]} holds names"
        wrong = f"{self.remarks.file} has no column {column!r} for {role}"
        return UnknownName(wrong, f"one of {several(self.names, 30)}", todo)

    def frame(
        self,
        written: Mapping[str, Collection[str]],
        numbers: Collection[str] = (),
        gaps: Collection[str] = (),
        **signs: Any,
    ) -> pd.DataFrame:
        """Return the values, a row a record; missing ones are NaN.

        Parameters
        ----------
        written
            Columns whose values are kept as they are written, each with the words that are gaps in it.
        numbers
            Columns that are numbers even where some have a zero in front.
        gaps
            Further words that stand for a missing value in the other columns.
        **signs
            ``decimal`` and ``thousands``, as pandas takes them.
        """
        kept = {**{name: MISSING_WORDS for name in self.codes if name not in numbers}, **written}
        missing = {
            name: [*kept.get(name, MISSING_WORDS), *(() if name in written else gaps)] for name in self.names
        }
        return pd.read_csv(self._rows(), sep=self.layout.sep, quoting=self.layout.quoting, header=None,  # type: ignore[call-overload]
                           names=list(self.names), index_col=False, dtype=dict.fromkeys(kept, str),
                           na_values=missing, keep_default_na=False, skipinitialspace=True, low_memory=False,
                           **signs)  # fmt: skip

    def _rows(self) -> io.StringIO:
        stream = io.StringIO(self.text, newline="")
        for _ in range(self.layout.last if self.header else 0):
            stream.readline()
        return stream

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Columns in which whole numbers begin with zeros: codes, which would be lost in a number."""
        rows = self.layout.head[self.header :][: max(50, CELLS // len(self.names))]
        zeros = [
            {row[i].strip() for row in rows if row[i].lstrip()[:1] == "0"} for i in range(len(self.names))
        ]
        return tuple(n for n, words in zip(self.names, zeros, strict=True) if any(map(CODE.fullmatch, words)))


def opened(
    path: str | Path,
    remarks: Remarks,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    asked: Collection[object] = (),
) -> Sheet:
    """Lay a delimited file out.

    Parameters
    ----------
    path, encoding, sep
        Of the file; the latter two are found when they are left out.
    remarks
        Where guesses are noted.
    header
        Whether the first line holds names; found when it is left out.
    asked
        Names that the caller needs: a first line that holds one of them is a header.
    """
    if header not in (None, True, False):
        remarks.unusable(
            f"header is {header!r}",
            "True, False or None",
            "Say whether the first line holds names, or leave it out",
        )
    return sheet_of(
        text_of(path, encoding, remarks),
        sep,
        header,
        {name for name in asked if isinstance(name, str)},
        remarks,
    )


def sheet_of(
    text: str, sep: str | None, header: bool | None, asked: Collection[str], remarks: Remarks
) -> Sheet:
    """Lay a text out; the parameters are those of :func:`opened`."""
    layout = laid_out(text, sep, remarks)
    named = not all(
        POSITION.fullmatch(name) for name in asked
    )  # then a first line of data is an error, later on
    told = header if header is not None else named or has_header(layout.head, asked)
    if not told and header is None:
        remarks.warn(f"Line {layout.lines[0]} looks like data, so the columns were called 'column 0', 'column 1' and so on. "
                     "If it holds names, pass header=True.")  # fmt: skip
    names = _names(layout, remarks) if told else [f"column {i}" for i in range(layout.width)]
    if told and len(layout.lines) == 1:
        remarks.broken(
            f"There is only a header, in line {layout.lines[0]}",
            "rows below it",
            "Write the file again, with its rows",
        )
    return Sheet(text, layout, bool(told), tuple(names), layout.lines[bool(told) :], remarks)


def _names(layout: Layout, remarks: Remarks) -> list[str]:
    written = [cell.strip() for cell in layout.head[0]]
    names = [name or f"column {i}" for i, name in enumerate(written)]
    if "" in written:
        remarks.note(
            f"Columns without a name were called {several([n for n, w in zip(names, written, strict=True) if not w])}."
        )
    for place, name in enumerate(names):
        if name in names[:place]:
            remarks.broken(f"Columns {names.index(name) + 1} and {place + 1} (counted from 1) are both called {name!r} in line {layout.lines[0]}",
                           "a name of its own for each column", "Rename or delete one of them")  # fmt: skip
    return names


def written_as(rows: list[dict[str, Any]]) -> str:
    """Return records as the text of a comma-separated file."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *([row.get(name) for name in names] for row in rows)])
    return stream.getvalue()
