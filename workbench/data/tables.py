"""A user's table, from a CSV file: ``wb.from_csv``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import UnknownName, unknown
from . import dealing, labels
from .columns import MOST, OTHER, RARE, encoder, filled
from .inference import Found, Judge, left_out
from .layout import MISSING_WORDS
from .records import Data, Split
from .remarks import Remarks, counted, several
from .sheets import Sheet, opened

TYPES = ("number", "category")


def from_csv(
    path: str | Path,
    label: str | int,
    *,
    drop: Sequence[str | int] = (),
    types: Mapping[str, str] | None = None,
    missing: Collection[str] = (),
    sep: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    clusters: str | int | None = None,
    name: str | None = None,
    seed: int = 0,
    licence: str = "not stated",
    source: str | None = None,
) -> Data:
    """Make ``Data`` of a CSV file: types are inferred and said, what no model should read is left out with advice.

    Separator, encoding and header are found. Rows are split 70, 10 and 20 % by class, then numbers are
    standardized and categories get an indicator each, all by the training rows alone. Rows that are equal in
    every feature stay in one split. Dates, ids, free texts, empty and constant columns are left out, each
    reason with one warning; all remarks stand in ``data.notes``.

    Parameters
    ----------
    path
        Of the file: a row a line, separated by a comma, a semicolon, a tab or a bar.
    label
        Name of the column that holds the class, or its position, counted from 0.
    drop
        Columns that are no features.
    types
        "number" or "category" for columns that are to be read so, whatever they look like:
        ``{"zip": "category"}``.
    missing
        Further words that stand for a missing value, beside empty cells, NA, nan, null, ? and -.
    sep
        The separator, if it is not found rightly.
    encoding
        Such as "utf-8", "cp1252" or "gb18030"; found by default.
    header
        Whether the first line holds the names; found by default. Without one, columns are called
        ``column 0``, ``column 1`` and so on.
    decimal, thousands
        Signs within numbers: ``decimal=",", thousands="."`` for 1.234,5. A decimal comma is found where the
        separator is no comma.
    clusters
        Column whose equal values tell rows that belong together (one patient); it is then no feature.
    name
        What the data set is called on pages; by default the file's name.
    seed
        Of the split.
    licence, source
        Said on every page; the source is by default the file's name.

    Raises
    ------
    BadFile
        The file cannot be read as a table; the message names the line.
    BadInput
        A column cannot be used; the message names the column and the line.
    UnknownName
        No such column.
    """
    remarks = Remarks(Path(path).name)
    declared = _declared(types, remarks)
    sheet = opened(
        path, remarks, sep=sep, encoding=encoding, header=header, asked=(label, clusters, *drop, *declared)
    )
    chosen = _Roles.of(sheet, label, clusters, drop, declared)
    signs = {
        sign: value for sign, value in (("decimal", decimal), ("thousands", thousands)) if value is not None
    }
    frame = sheet.frame(
        chosen.written(), [n for n, what in declared.items() if what == "number"], missing, **signs
    )
    found = labels.classes(frame[chosen.label], sheet.lines, chosen.label, remarks)
    lines = sheet.lines[found.kept]
    frame = frame.iloc[found.kept].reset_index(drop=True)
    features = _features(frame, chosen, Judge(lines, sheet.layout.sep, sheet.codes, remarks), declared)
    together = _clusters(frame, chosen.clusters, features, found.y, lines, remarks)
    about = {"name": name or Path(path).stem, "licence": licence, "source": source or Path(path).name}
    return _data(features, found, together, seed, remarks, about)


class _Roles:
    """Which columns are what."""

    def __init__(
        self, label: str, clusters: str | None, features: list[str], declared: dict[str, str]
    ) -> None:
        self.label, self.clusters, self.features, self.declared = label, clusters, features, declared

    @classmethod
    def of(cls, sheet: Sheet, label: str | int, clusters: str | int | None, drop: Sequence[str | int],
           declared: dict[str, str]) -> _Roles:  # fmt: skip
        own = sheet.named(label, "label")
        cluster = None if clusters is None else sheet.named(clusters, "clusters")
        dropped = {sheet.named(name, "drop") for name in ([drop] if isinstance(drop, (str, int)) else drop)}
        for column in declared:
            sheet.named(column, "types")
        if own in dropped or own == cluster:
            what = "clusters" if own == cluster else "drop"
            sheet.remarks.unusable(
                f"{own!r} is the label and also given as {what}", "another column", "Choose one of both"
            )
        features = [n for n in sheet.names if n not in {own, cluster, *dropped}]
        return cls(own, cluster, features, declared)

    def written(self) -> dict[str, Collection[str]]:
        """Return the columns that are kept as they are written, each with its words for a gap."""
        categories = {name: MISSING_WORDS for name, what in self.declared.items() if what == "category"}
        cluster = {} if self.clusters is None else {self.clusters: ("",)}
        return {**categories, **cluster, self.label: labels.GAPS}


def _declared(types: Mapping[str, str] | None, remarks: Remarks) -> dict[str, str]:
    for column, what in (types or {}).items():
        if what not in TYPES:
            raise UnknownName(f"types says {what!r} for column {column!r}", f"one of {', '.join(TYPES)}",
                              unknown("type", what, TYPES).todo)  # fmt: skip
    return dict(types or {})


def _features(frame: pd.DataFrame, chosen: _Roles, judge: Judge, declared: dict[str, str]) -> pd.DataFrame:
    """Return the columns that models read, and say which are left out and what the others are."""
    found = {name: judge.found(name, frame[name], declared.get(name)) for name in chosen.features}
    left_out(found, judge.remarks)
    kept = {name: column.values for name, column in found.items() if column.values is not None}
    if not kept:
        judge.remarks.unusable(f"Of {counted(len(found), 'column')} beside the label none can be a feature", "at least one",
                               "See the warnings above; types={...} keeps a column")  # fmt: skip
    _told(found, judge)
    return pd.DataFrame(kept)


def _told(found: dict[str, Found], judge: Judge) -> None:
    remarks = judge.remarks
    numbers = [name for name, column in found.items() if column.what == "number"]
    categories = [name for name, column in found.items() if column.what == "category"]
    parts = [f"{counted(len(names), f'{what} column')} ({several(names)})"
             for what, names in (("number", numbers), ("category", categories)) if names]  # fmt: skip
    remarks.note(f"Read {' and '.join(parts)}.")
    if codes := [name for name in categories if name in judge.codes]:
        remarks.note(f"{several(codes)}: digits with zeros in front were read as codes, not as numbers.")
    gaps = {
        name: int(column.values.isna().sum()) for name, column in found.items() if column.values is not None
    }
    if gaps := {name: n for name, n in gaps.items() if n}:
        worst = max(gaps, key=lambda name: gaps[name])
        remarks.note(f"{counted(len(gaps), 'column')} with missing values, most in {worst!r} ({counted(gaps[worst], 'row')}): a missing "
                     "number became the training mean, with an indicator where training rows lack some; a missing word a category.")  # fmt: skip


def _clusters(frame: pd.DataFrame, column: str | None, features: pd.DataFrame, y: np.ndarray, lines: np.ndarray,
              remarks: Remarks) -> np.ndarray:  # fmt: skip
    if column is not None:
        gone = frame[column].isna().to_numpy()
        if gone.any():
            remarks.unusable(f"The cluster column {column!r} is empty in {counted(int(gone.sum()), 'row')}, first in line {lines[np.argmax(gone)]}",
                             "a value in every row", "Fill it, or delete these rows")  # fmt: skip
        return dealing.numbered(frame[column].astype(str), len(frame))
    keys = pd.util.hash_pandas_object(features, index=False).to_numpy()
    clusters, possible = dealing.copies(keys, y)
    copies = len(keys) - len(np.unique(keys))
    if not possible:
        remarks.warn(f"There are only {len(np.unique(keys)):,} different rows among {len(keys):,}, so equal rows stand in "
                     "training and in test.")  # fmt: skip
    elif copies:
        at = lines[int(np.argmax(pd.Series(keys).duplicated()))]
        remarks.note(
            f"Equal rows stay in one split: {copies:,} are copies of an earlier one, first in line {at}."
        )
    return clusters


def _data(features: pd.DataFrame, found: labels.Labels, clusters: np.ndarray, seed: int, remarks: Remarks,
          about: dict[str, Any]) -> Data:  # fmt: skip
    positions = dealing.dealt(found.y, clusters, seed, found.names, remarks)
    features = _seen_in_training(features, positions["train"], remarks)
    codec = encoder(features, positions["train"])
    if pooled := [c.name for c in codec.columns if OTHER in c.categories]:
        remarks.note(f"Rare categories (under {RARE:.0%} of the training rows, or beyond the {MOST} most frequent) of {several(pooled)} "
                     f"were put together as {OTHER!r}.")  # fmt: skip
    x = codec.encoded(filled(features, codec, remarks))
    parts: dict[str, Any] = {
        part: Split(x[at], found.y[at], found.kept[at], clusters[at]) for part, at in positions.items()
    }
    return Data(kind="table", **parts, feature_names=codec.names, class_names=found.names, codec=codec,
                notes=tuple(remarks.notes), **about)  # fmt: skip


def _seen_in_training(features: pd.DataFrame, train: np.ndarray, remarks: Remarks) -> pd.DataFrame:
    """Leave columns out whose few values all fell into validation and test."""
    unseen = [name for name in features if features[name].iloc[train].isna().all()]
    if len(unseen) == len(features.columns):
        remarks.unusable(
            f"Every column, such as {unseen[0]!r}, is empty in all training rows",
            "columns with values",
            "Fill them",
        )
    if unseen:
        remarks.warn(f"{several(unseen)}: without a value in the training rows, and left out.")
    return features.drop(columns=unseen)
