"""``Columns``: how the columns of a table became numbers, and back; a categorical column is one feature.

Numbers are standardized with the mean and deviation of the training rows, categories become one indicator
each, centred: zero is the training mean of everything, which is what stands for "absent".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadInput
from .remarks import Remarks, counted

if TYPE_CHECKING:
    import pandas as pd

OTHER, MISSING = "(other)", "(missing)"
RARE, MOST = (
    0.01,
    30,
)  # of users' own categories: the share of training rows, and how many, that keep an indicator


@dataclass(frozen=True)
class Column:
    """One original column.

    Attributes
    ----------
    name
        As in the file.
    categories
        In the order of their indicators; empty for a column of numbers.
    means
        Of the training rows: of the number, or of each indicator; a number's "is missing" indicator behind it.
    deviation
        A number's standard deviation over the training rows, 1 where it does not vary.
    has_missing
        Whether a number was missing in some training row: it then has an indicator for that.
    native
        What the categories were before they became words: "str", "bool" or "int".
    """

    name: str
    categories: tuple[str, ...] = ()
    means: tuple[float, ...] = (0.0,)
    deviation: float = 1.0
    has_missing: bool = False
    native: str = "str"

    @property
    def what(self) -> str:
        """Type of the column in words."""
        return f"category, {len(self.categories)} values" if self.categories else "number"

    def encoded(self, values: pd.Series) -> np.ndarray:
        """Return the column's numbers ``(n, width)``."""
        if self.categories:
            return self._indicators(as_words(values)) - np.array(self.means)
        numbers = as_numbers(values, self.name)
        gone = np.isnan(numbers)
        if gone.any() and not self.has_missing:
            row = int(np.argmax(gone))
            raise BadInput(f"Column {self.name!r} has a missing value in row {row}", "a number: none was missing in training",
                           "Fill or drop the row")  # fmt: skip
        scaled = (np.where(gone, self.means[0], numbers) - self.means[0]) / self.deviation
        return np.column_stack([scaled, gone - self.means[1]]) if self.has_missing else scaled[:, None]

    def _indicators(self, words: pd.Series) -> np.ndarray:
        """Return which category each word is; a word that is none is ``(other)`` where there is that one."""
        import pandas as pd

        places = pd.Index(self.categories, dtype=object).get_indexer(words)
        if OTHER in self.categories:
            places = np.where(places < 0, self.categories.index(OTHER), places)
        return places[:, None] == np.arange(len(self.categories))

    def decoded(self, x: np.ndarray) -> np.ndarray:
        """Return values as people read them, from ``(n, width)``: the likeliest category, or the number."""
        if self.categories:
            shares = x + np.array(self.means)
            words = np.array([*map(self._native, self.categories), OTHER], dtype=object)
            return words[np.where(shares.sum(1) < 0.5, len(self.categories), shares.argmax(1))]
        # float32 holds seven digits: what lies behind them is no number of the data's, and would make 26 a 26.0000019
        digits = 5 - math.floor(math.log10(self.deviation))
        numbers = np.round(x[:, 0].astype(float) * self.deviation + self.means[0], digits)
        return np.where(x[:, 1] + self.means[1] > 0.5, np.nan, numbers) if self.has_missing else numbers

    def _native(self, word: str) -> Any:
        """Return a category as it was in the data: what a model that reads raw rows was fitted on."""
        if word in (OTHER, MISSING) or self.native == "str":
            return word
        return word == "True" if self.native == "bool" else int(word)

    @property
    def width(self) -> int:
        """How many encoded columns it takes."""
        return len(self.categories) or 1 + self.has_missing


@dataclass(frozen=True)
class Columns:
    """All columns of a table, in order: the codec of a table.

    Examples
    --------
    >>> import pandas as pd
    >>> codec = Columns.learned(pd.DataFrame({"age": [20.0, 40.0], "job": ["cook", "smith"]}))
    >>> codec.encoded(pd.DataFrame({"age": [40.0], "job": ["cook"]})).tolist()
    [[1.0, 0.5, -0.5]]
    >>> codec.members
    {'age': [0], 'job': [1, 2]}
    """

    columns: tuple[Column, ...]
    kind = "table"

    @classmethod
    def learned(cls, frame: pd.DataFrame, *, rare: float = 0.0, most: int | None = None) -> Columns:
        """Return the codec of training rows: text and true/false columns as categories, the rest as numbers.

        Parameters
        ----------
        frame
            Training rows.
        rare
            Categories with a smaller share of the rows are put together as ``(other)``, where there are several.
        most
            How many categories are kept, the most frequent ones; the others are put together as well.
        """
        return cls(tuple(_learned(str(name), frame[name], rare, most) for name in frame.columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the original columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def members(self) -> dict[str, list[int]]:
        """Original column -> the encoded columns that stand for it."""
        ends = np.cumsum([column.width for column in self.columns])
        return {c.name: list(range(end - c.width, end)) for c, end in zip(self.columns, ends, strict=True)}

    @property
    def numbers(self) -> list[int]:
        """The encoded columns that hold a number as it was, standardized."""
        return [self.members[column.name][0] for column in self.columns if not column.categories]

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """A name for every encoded column, such as ``job = cook``."""
        names: list[str] = []
        for c in self.columns:
            names += [f"{c.name} = {value}" for value in c.categories] or [c.name]
            names += [f"{c.name} = {MISSING}"] if c.has_missing else []
        return tuple(names)

    @property
    def size(self) -> int:
        """How many encoded columns there are."""
        return sum(column.width for column in self.columns)

    def encoded(self, rows: pd.DataFrame) -> np.ndarray:
        """Return raw rows as numbers ``(n, encoded column)`` float32; columns are found by name."""
        given = {str(c) for c in rows.columns}
        if lacking := [name for name in self.names if name not in given]:
            raise BadInput(f"The rows have no column {lacking[0]!r}", f"columns {list(self.names)}", "Add it")
        named = rows.rename(columns=str)
        parts = [column.encoded(named[column.name]) for column in self.columns]
        return np.concatenate(parts, axis=1).astype(np.float32)

    def decoded(self, x: np.ndarray) -> pd.DataFrame:
        """Return numbers as raw rows: what a model that reads the original columns is given."""
        import pandas as pd

        return pd.DataFrame({c.name: c.decoded(x[:, self.members[c.name]]) for c in self.columns})

    def words(self, x: np.ndarray) -> tuple[tuple[str, ...], ...]:
        """Return what stands in each cell, as it is shown, ``(n, column)``."""
        frame = self.decoded(x)
        cells = [[_shown(value) for value in frame[name]] for name in self.names]
        return tuple(zip(*cells, strict=True))

    def groups(self, x: np.ndarray) -> np.ndarray:
        """Return the number of the original column that each encoded one belongs to, ``(1, encoded)``."""
        return np.repeat(np.arange(len(self.columns)), [c.width for c in self.columns])[None]

    def absent(self, x: np.ndarray) -> np.ndarray:
        """Return what stands for absent: the training mean, which is zero."""
        return np.zeros((1, self.size), dtype=np.float32)

    def plain(self) -> dict[str, Any]:
        """Return the codec as JSON can hold it."""
        return {"kind": self.kind, "columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Columns:
        """Return the codec that :meth:`plain` wrote."""
        tuples = ("categories", "means")
        columns = ({**c, **{k: tuple(c[k]) for k in tuples}} for c in plain["columns"])
        return cls(tuple(Column(**c) for c in columns))


def numeric(names: Sequence[str], x: np.ndarray, train: np.ndarray) -> Columns:
    """Return the codec of a table of numbers only."""
    seen = x[train].astype(np.float64)
    varies = np.ptp(seen, axis=0) > 0  # Rounding gives a constant column a deviation as well.
    means, deviations = seen.mean(0), np.where(varies, seen.std(0), 1)
    return Columns(tuple(Column(str(name), means=(float(m),), deviation=float(d))
                         for name, m, d in zip(names, means, deviations, strict=True)))  # fmt: skip


def encoder(frame: pd.DataFrame, train: np.ndarray) -> Columns:
    """Return the codec of a user's table, learned from its training rows; rare categories are put together."""
    return Columns.learned(frame.iloc[train], rare=RARE, most=MOST)


def filled(frame: pd.DataFrame, codec: Columns, remarks: Remarks) -> pd.DataFrame:
    """Return a reader's table in which the training mean stands for numbers that no training row lacks.

    An indicator for such a gap would never vary in training, and its untrained weights would move the answers.

    Parameters
    ----------
    frame
        All rows, with the columns of the codec.
    codec
        Learned from the training rows among them.
    remarks
        Where each filled column is named, as a warning and for ``data.notes``.
    """
    values: dict[str, np.ndarray] = {}
    for column in codec.columns:
        gone = frame[column.name].isna().to_numpy()
        if gone.any() and not column.categories and not column.has_missing:
            values[column.name] = np.where(gone, column.means[0], as_numbers(frame[column.name], column.name))
            remarks.warn(f"Column {column.name!r} has no value in {counted(int(gone.sum()), 'row')}, but has one in every "
                         "training row: the training mean was put there.")  # fmt: skip
    return frame.assign(**values)


def as_words(values: pd.Series) -> pd.Series:
    """Return a column as words; whole numbers without a point, missing values as ``(missing)``."""
    import pandas as pd

    codes, different = pd.factorize(values)  # a column has few words, and many rows
    words = np.array([*map(_shown, different), MISSING], dtype=object)
    return pd.Series(words[codes], index=values.index, dtype=object)


def as_numbers(values: pd.Series, name: str) -> np.ndarray:
    """Return a column as floats with NaN where missing; a word among them is refused with its row."""
    import pandas as pd

    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    strange = np.isnan(numbers) & values.notna().to_numpy() | np.isinf(numbers)
    if strange.any():
        row = int(np.argmax(strange))
        raise BadInput(
            f"Column {name!r} holds {values.iloc[row]!r} in row {row}", "a number", "Correct or drop it"
        )
    return numbers


def _learned(name: str, values: pd.Series, rare: float, most: int | None) -> Column:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(values) or is_bool_dtype(values):
        shares = _pooled(as_words(values).value_counts(normalize=True).to_dict(), rare, most)
        return Column(name, tuple(shares), tuple(shares.values()), native=_native_of(values))
    numbers = as_numbers(values, name)
    gone = np.isnan(numbers)
    if gone.all():
        raise BadInput(f"Column {name!r} is empty in the training rows", "values", "Leave the column out")
    seen = numbers[~gone]
    deviation = float(seen.std()) if np.ptp(seen) > 0 else 1.0
    means = (float(seen.mean()), *([float(gone.mean())] if gone.any() else []))
    return Column(name, (), means, deviation, bool(gone.any()))


def _native_of(values: pd.Series) -> str:
    """Return what a column of categories holds: true and false, whole numbers, or words."""
    import pandas as pd

    kinds = {type(value) for value in values.dropna().unique()}
    if kinds and all(issubclass(kind, (bool, np.bool_)) for kind in kinds):
        return "bool"
    categorical = isinstance(values.dtype, pd.CategoricalDtype)
    return "int" if categorical and all(issubclass(kind, (int, np.integer)) for kind in kinds) else "str"


def _pooled(shares: dict[str, float], rare: float, most: int | None) -> dict[str, float]:
    """Return the share of each category in the alphabet's order, rare ones put together as ``(other)``."""
    frequent = sorted(shares, key=lambda word: (word != MISSING, -shares[word], word))[:most]
    kept = {word for word in frequent if shares[word] >= rare or word == MISSING}
    if len(shares) - len(kept) < 2:
        kept = {*shares}
    pooled = {word: float(shares[word]) for word in sorted(kept)}
    rest = sum(share for word, share in shares.items() if word not in kept)
    return {**pooled, OTHER: pooled.get(OTHER, 0.0) + float(rest)} if rest else pooled


def _shown(value: Any) -> str:
    """Return a value as it is read: whole numbers without a point, others with up to four digits."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.number)):
        return str(value)
    if value != value:
        return MISSING
    return f"{int(value):d}" if float(value).is_integer() else f"{value:.4g}"
