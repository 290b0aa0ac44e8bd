"""A user's texts with their classes, from a delimited file or JSON lines: ``wb.from_text``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from . import dealing, labels
from .decoding import text_of
from .layout import NUMBER
from .records import Data, Split
from .remarks import Remarks, counted
from .sheets import Sheet, opened, sheet_of, written_as
from .tokenizer import CLS, PAD, UNK, Tokenizer

LONGEST = 200  # tokens in a row, unless the user wants more: time and memory grow with it
FEWEST_WORDS = 10  # in a vocabulary that a model can learn from
UNKNOWN = 0.3  # share of unknown words in training texts that is worth a remark


def from_text(
    path: str | Path,
    text: str | int | None = None,
    label: str | int | None = None,
    *,
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    length: int | None = None,
    min_count: int = 2,
    name: str | None = None,
    seed: int = 0,
    licence: str = "not stated",
    source: str | None = None,
) -> Data:
    """Make ``Data`` of a file of texts with their classes: CSV, TSV, TXT or JSON lines; English, Chinese and others.

    Words are numbered by the training texts; every Chinese character is a word. Texts that are equal but for
    capitals and spaces stay in one split. Rows without a text or a label are left out with a warning.

    Parameters
    ----------
    path
        Of the file: a text and its class a line. ``.jsonl`` holds an object a line.
    text
        Name or position (from 0) of the column of texts; by default the one with the longest.
    label
        Name or position of the column of classes; may be left out where there is one other column.
    sep, encoding, header
        Found by default, as in :func:`workbench.from_csv`.
    length
        Tokens in a row; what is longer is cut off. By default 98 % of the training texts fit, at most 200.
    min_count
        Words that are rarer in the training texts count as unknown.
    name
        What the data set is called on pages; by default the file's name.
    seed
        Of the split.
    licence, source
        Said on every page; the source is by default the file's name.

    Raises
    ------
    BadFile
        The file cannot be read; the message names the line.
    BadInput
        The texts or classes cannot be used.
    UnknownName
        No such column.
    """
    remarks = Remarks(Path(path).name)
    if (length is not None and length < 2) or min_count < 1:
        remarks.unusable(
            f"length is {length} and min_count is {min_count}",
            "a length of 2 or more, a count of 1 or more",
            "Correct it",
        )
    sheet = _sheet(path, remarks, sep=sep, encoding=encoding, header=header, asked=(text, label))
    frame = sheet.frame(dict.fromkeys(sheet.names, ("",)))
    place, target = _chosen(sheet, frame, text, label)
    lines = sheet.lines
    filled = _filled(frame[place], lines, place, frame[target], remarks)
    found = labels.classes(frame[target].iloc[filled], lines[filled], target, remarks)
    rows = filled[found.kept]
    texts = frame[place].to_numpy(object)[rows]
    _check_texts(texts, lines[rows], place, target, remarks)
    about = {"name": name or Path(path).stem, "licence": licence, "source": source or Path(path).name}
    return _data(texts, found, rows, lines[rows], seed, (length, min_count), remarks, about)


def _sheet(path: str | Path, remarks: Remarks, **options: Any) -> Sheet:
    if Path(path).suffix.lower() not in (".jsonl", ".ndjson"):
        return opened(path, remarks, **options)
    records, lines = [], []
    for number, line in enumerate(text_of(path, options["encoding"], remarks).split("\n"), 1):
        if line.strip():
            records.append(_record(line, number, remarks))
            lines.append(number)
    sheet = sheet_of(written_as(records), ",", True, (), remarks)
    return replace(sheet, lines=np.array(lines))


def _record(line: str, number: int, remarks: Remarks) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as problem:
        remarks.broken(
            f"Line {number} is no JSON ({problem})",
            'an object a line, such as {"text": ..., "label": ...}',
            "Correct the line",
        )
    if not isinstance(record, dict):
        remarks.broken(
            f"Line {number} holds a {type(record).__name__}",
            "an object a line",
            'Write {"text": ..., "label": ...}',
        )
    return record


def _chosen(
    sheet: Sheet, frame: pd.DataFrame, text: str | int | None, label: str | int | None
) -> tuple[str, str]:
    """Return the names of the columns of texts and of classes."""
    target = None if label is None else sheet.named(label, "label")
    if text is not None:
        place = sheet.named(text, "text")
    else:
        lengths = {n: frame[n].str.len().mean() for n in sheet.names if n != target}
        place = max(lengths, key=lambda n: -1.0 if np.isnan(lengths[n]) else lengths[n])
        sheet.remarks.note(f"Column {place!r} holds the longest words and was taken for the texts.")
    if target is None:
        others = [n for n in sheet.names if n != place]
        if len(others) != 1:
            sheet.remarks.unusable(f"label was not given, and there are the columns {others} beside the texts", "the column of the classes",
                                   f"Pass label=, such as label={others[0]!r}")  # fmt: skip
        target = others[0]
        sheet.remarks.note(f"Column {target!r} was taken for the label.")
    if place == target:
        sheet.remarks.unusable(
            f"{place!r} is given as text and as label", "two columns", "Name the other column"
        )
    return place, target


def _filled(
    texts: pd.Series, lines: np.ndarray, place: str, label: pd.Series, remarks: Remarks
) -> np.ndarray:
    """Return the positions of rows with a text; a class that has none is an error."""
    empty = (texts.fillna("").str.strip() == "").to_numpy()
    if empty.all():
        remarks.unusable(
            f"Column {place!r} is empty in every row, first in line {lines[0]}",
            "texts",
            "Name another column as text",
        )
    if empty.any():
        first = int(lines[np.argmax(empty)])
        gone = sorted({*label.dropna()} - {*label[~empty].dropna()})
        if gone:
            remarks.unusable(f"Every text of class {gone[0]!r} is empty in column {place!r}, first in line {lines[np.argmax((label == gone[0]).to_numpy())]}",
                             "texts in every class", "Fill them, or leave the class out")  # fmt: skip
        remarks.warn(f"Column {place!r} is empty in {counted(int(empty.sum()), 'row')}, first in line {first}; "
                     f"{'it was' if empty.sum() == 1 else 'they were'} left out.")  # fmt: skip
    return np.flatnonzero(~empty)


def _check_texts(texts: np.ndarray, lines: np.ndarray, place: str, target: str, remarks: Remarks) -> None:
    numbers = np.array([NUMBER.fullmatch(text.strip()) is not None for text in texts])
    if numbers.mean() > 0.9:
        remarks.unusable(f"Column {place!r} holds numbers, such as {texts[np.argmax(numbers)]!r} in line {lines[np.argmax(numbers)]}", "texts",
                         f"Name another column as text, or read a table by wb.from_csv(path, {target!r})")  # fmt: skip
    different = len({*texts.tolist()})
    if different < labels.FEWEST_ROWS:
        remarks.unusable(f"Column {place!r} holds {counted(different, 'different text')} in {counted(len(texts), 'row')}, first {texts[0][:40]!r} in line {lines[0]}",
                         "texts of their own in most rows", "Name another column as text")  # fmt: skip


def _data(texts: np.ndarray, found: labels.Labels, rows: np.ndarray, lines: np.ndarray, seed: int,
          sizes: tuple[int | None, int], remarks: Remarks, about: dict[str, Any]) -> Data:  # fmt: skip
    clusters = _copies(texts, found, lines, remarks)
    positions = dealing.dealt(found.y, clusters, seed, found.names, remarks)
    tokenizer = _learned(texts[positions["train"]], *sizes, remarks)
    x = tokenizer.encoded(texts)
    _tell(tokenizer, texts, x, positions["train"], remarks)
    parts: dict[str, Any] = {
        part: Split(x[at], found.y[at], rows[at], clusters[at], texts=texts[at])
        for part, at in positions.items()
    }
    return Data(kind="text", **parts, feature_names=(), class_names=found.names, codec=tokenizer,
                notes=tuple(remarks.notes), **about)  # fmt: skip


def _copies(texts: np.ndarray, found: labels.Labels, lines: np.ndarray, remarks: Remarks) -> np.ndarray:
    keys = pd.factorize(np.array([" ".join(text.lower().split()) for text in texts], dtype=object))[0]
    clusters, possible = dealing.copies(keys, found.y)
    again = pd.Series(keys).duplicated().to_numpy()
    if not possible:
        remarks.warn(f"There are only {counted(len(texts) - int(again.sum()), 'different text')} among {len(texts):,}, so equal texts stand "
                     "in training and in test.")  # fmt: skip
    elif again.any():
        remarks.note(
            f"Equal texts stay in one split: {again.sum():,} are copies of an earlier one, first in line {lines[np.argmax(again)]}."
        )
    return clusters


def _learned(texts: np.ndarray, length: int | None, min_count: int, remarks: Remarks) -> Tokenizer:
    tokenizer = Tokenizer.learned(list(texts), min_count=min_count, length=length)
    if tokenizer.size - 3 < FEWEST_WORDS:
        remarks.unusable(f"The vocabulary has {counted(tokenizer.size - 3, 'word')} that occur {min_count} times or more in {counted(len(texts), 'training text')}",
                         f"{FEWEST_WORDS} or more", "Lower min_count, collect more texts, or name another column as text")  # fmt: skip
    return tokenizer if length else replace(tokenizer, length=min(tokenizer.length, LONGEST))


def _tell(
    tokenizer: Tokenizer, texts: np.ndarray, x: np.ndarray, train: np.ndarray, remarks: Remarks
) -> None:
    full = np.flatnonzero(x[:, -1] != PAD)
    cut = sum(len(tokenizer.split(texts[row])) > tokenizer.length - 1 for row in full)
    remarks.note(
        f"A row has {tokenizer.length} tokens (a text's first {tokenizer.length - 1}); the vocabulary has {tokenizer.size - 3:,} words."
    )
    if cut:
        shown = f"{cut / len(texts):.1%}" if cut / len(texts) >= 0.001 else "under 0.1%"
        remarks.note(
            f"{shown.replace('%', ' %')} of the texts are longer and were cut off; length= changes that."
        )
    known = x[train][(x[train] != PAD) & (x[train] != CLS)]
    if np.mean(known == UNK) > UNKNOWN:
        remarks.warn(
            f"{np.mean(known == UNK):.0%} of the words in training texts are too rare and count as unknown. Lower min_count."
        )
