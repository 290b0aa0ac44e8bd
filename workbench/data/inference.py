"""What a column of a table is: numbers, a category, or nothing that a model should read.

Dates, numbers of rows (ids), free texts, empty and constant columns are left out with advice; a column of
numbers with a few words in it is an error, because one of both is wrong. What the user declares is believed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .columns import MOST, RARE
from .remarks import Remarks, counted

STRANGE = 0.05  # a smaller share of words in a column of numbers is a mistake
GAP_WORDS = 5  # different words that may stand for a gap in a column of numbers
FEW = 3  # rows with a value, from which it is not a mere chance
ENOUGH = 10  # rows from which "all different" means something
SAMPLE = 500  # different values that are looked at

DATE = re.compile(
    r"\d{4}[-/.年]\s?\d{1,2}([-/.月]\s?\d{1,2}日?)?([T ]\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[-/.]\d{1,2}[-/.](\d{2}|\d{4})([T ,]+\d{1,2}:\d{2}.*)?"
    r"|\d{1,2}[-. ]+[A-Za-z]{3,9}\.?[-, ]+\d{2,4}.*|[A-Za-z]{3,9}\.? \d{1,2},? \d{4}.*"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp]\.?[Mm]\.?)?"
)
COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
GROUPED = re.compile(
    r"[+-]?\d{1,3}((,\d{3})+(\.\d+)?|(\.\d{3})+,\d+|(\.\d{3}){2,}|([ \u00a0'\u2019]\d{3})+([.,]\d+)?)"
)
LIKE_NUMBERS = re.compile(r"[+-]?\d[\d.,eE+\- \u00a0'\u2019]*")
UNIT = re.compile(r"[$€£¥]\s?[+-]?\d[\d.,]*|[+-]?\d[\d.,]*\s?([$€£¥%‰°]\w?|[A-Za-z]{1,3})")
NUMBERED = re.compile(r"(?i:(^|[\W_])(id|uuid|guid|key|index|nr|no)$)|[a-z](ID|Id)$")


@dataclass(frozen=True)
class Found:
    """What was found out about a column.

    Attributes
    ----------
    what
        "number", "category", or why it is left out: a key of :data:`REASONS`.
    values
        Cleaned, where it is kept.
    example
        A value that shows the reason, and its line.
    kept_as
        What to declare it as to keep it all the same.
    """

    what: str
    values: pd.Series | None = None
    example: str = ""
    kept_as: str = "category"


REASONS = {
    "date": ("looks like a date", "look like dates", "Turn a date into a number, such as days since another"),
    "id": ("looks like an id (nearly every row has a value of its own)", "look like ids (nearly every row has a value of its own)",
           "Ids tell nothing about new rows"),
    "text": ("looks like free text", "look like free texts", "Read texts with wb.from_text(path, text=..., label=...)"),
    "scattered": ("has many different values, none of them frequent", "have many different values, none of them frequent",
                  "Put values together into a few"),
    "unit": ("holds numbers with a sign or a unit", "hold numbers with a sign or a unit", "Remove the signs from the file"),
    "constant": ("is the same in every row", "are the same in every row", "What never differs tells nothing"),
    "empty": ("is empty", "are empty", "Fill it in the file, if there are values"),
}  # fmt: skip
BELIEVED = ("date", "id", "scattered", "unit", "text")  # may be kept by declaring a type


class Judge:
    """Tells what the columns of one file are.

    Parameters
    ----------
    lines
        Line of each row in the file.
    sep
        Separator of the file: where it is no comma, commas may stand in numbers.
    codes
        Columns whose digits are codes, not numbers.
    remarks
        Where guesses are noted.
    """

    def __init__(self, lines: np.ndarray, sep: str, codes: Collection[str], remarks: Remarks) -> None:
        self.lines, self.sep, self.codes, self.remarks = lines, sep, codes, remarks

    def found(self, name: str, values: pd.Series, declared: str | None) -> Found:
        """Return what a column is, with its values cleaned."""
        if values.isna().all():
            return Found("empty")
        if declared == "category":
            return _category(_stripped(values))
        if pd.api.types.is_bool_dtype(values):
            return _category(values.astype(object))
        if pd.api.types.is_numeric_dtype(values):
            return self._numbers(name, values, declared)
        return self._words(name, _stripped(values), declared)

    def _numbers(self, name: str, values: pd.Series, declared: str | None) -> Found:
        numbers = values.to_numpy(dtype=float, na_value=np.nan)
        if np.isinf(numbers).any():
            self.remarks.unusable(f"Column {name!r} holds an infinite number in {self._line(np.isinf(numbers))}", "finite numbers",
                                  "Correct it, or leave the cell empty")  # fmt: skip
        known = numbers[~np.isnan(numbers)]
        if len(known) == len(numbers) and (known == known[0]).all():
            return Found("constant", example=self._example(values))
        if declared is None and values.dtype.kind in "iu":
            if _dates(known):
                return Found("date", example=self._example(values), kept_as="number")
            if _counts_rows(name, known):
                return Found("id", example=self._example(values), kept_as="number")
        return Found("number", values)

    def _words(self, name: str, values: pd.Series, declared: str | None) -> Found:
        codes, different = pd.factorize(values)
        if not len(different):
            return Found("empty")
        words = [str(word) for word in different]
        counts = np.bincount(codes[codes >= 0], minlength=len(words))
        code = name in self.codes and declared is None
        numbers = np.full(len(words), np.nan) if code else self._as_numbers(name, words, codes)
        strange = np.isnan(numbers)
        share = counts[~strange].sum() / counts.sum()
        if declared == "number" or _mostly_numbers(share, strange):
            if strange.any():
                self._strange(name, words, codes, strange, counts)
            return self._numbers(
                name, pd.Series(np.append(numbers, np.nan)[codes], index=values.index), declared
            )
        reason = self._reason(values, words, counts)
        if reason is None and share > STRANGE:
            at = np.isin(codes, np.flatnonzero(strange))
            self.remarks.warn(f"Column {name!r} mixes numbers and words (first {values[at].iloc[0]!r} in {self._line(at)}) and was read as "
                              f"a category. Pass types={{{name!r}: 'number'}} and missing=(...) if the words mean a gap.")  # fmt: skip
        return reason or _category(values)

    def _reason(self, values: pd.Series, words: list[str], counts: np.ndarray) -> Found | None:
        """Return why a column of words is left out, or None."""
        n, example = int(counts.sum()), self._example(values)
        if len(words) == 1 and n == len(values):
            return Found("constant", example=example)
        sample = words[:SAMPLE]
        if _share(sample, DATE) > 0.9:
            return Found("date", example=example)
        if _share(sample, UNIT) > 0.9 and len(words) > MOST:
            return Found("unit", example=example)
        if len(words) > max(0.5 * n, ENOUGH) and np.mean([_is_text(word) for word in sample]) > 0.5:
            return Found("text", example=example)
        if n >= ENOUGH and len(words) > 0.9 * n:
            return Found("id", example=example)
        frequent = np.sort(counts)[::-1][:MOST]
        if len(words) > MOST and frequent[frequent >= max(RARE * n, FEW)].sum() < 0.2 * n:
            return Found("scattered", example=example)
        return None

    def _as_numbers(self, name: str, words: list[str], codes: np.ndarray) -> np.ndarray:
        """Return words as numbers, NaN where they are none; decimal commas are read, thousands are asked for."""
        plain = _parsed(words)
        if not np.isnan(plain).any() or _share(words[:SAMPLE], LIKE_NUMBERS) < 0.5:
            return plain
        grouped = np.array([GROUPED.fullmatch(word) is not None for word in words])
        commas = np.array([COMMA.fullmatch(word) is not None for word in words])
        if self.sep != "," and (commas & ~grouped).any() and not (grouped & ~commas).any():
            return _parsed([w.replace(",", ".") if c else w for w, c in zip(words, commas, strict=True)])
        signs = grouped | commas
        if signs.any() and np.mean(signs | ~np.isnan(plain)) > 1 - STRANGE:
            place = int(np.argmax(signs))
            self.remarks.unusable(f"Column {name!r} holds {words[place]!r} in {self._line(codes == place)}, which can be read in two ways",
                                  "numbers such as 1234.5",
                                  "Pass decimal=',' or thousands=',' (or another sign, or both); or declare "
                                  f"types={{{name!r}: 'category'}}")  # fmt: skip
        return plain

    def _strange(
        self, name: str, words: list[str], codes: np.ndarray, strange: np.ndarray, counts: np.ndarray
    ) -> None:
        at = np.isin(codes, np.flatnonzero(strange))
        word = words[codes[np.argmax(at)]]
        self.remarks.unusable(f"{counts[strange].sum():,} of {counts.sum():,} values of column {name!r} are no numbers, first {word!r} in {self._line(at)}",
                              "numbers", f"Correct them, pass missing=({word!r},) if it means a gap, or pass types={{{name!r}: 'category'}}")  # fmt: skip

    def _line(self, at: np.ndarray) -> str:
        return f"line {self.lines[np.argmax(at)]}"

    def _example(self, values: pd.Series) -> str:
        place = int(np.argmax(values.notna().to_numpy()))
        word = str(values.iloc[place])
        return f"{word if len(word) < 40 else word[:37] + '...'!r} in line {self.lines[place]}"


def left_out(found: dict[str, Found], remarks: Remarks) -> None:
    """Warn of the columns that are left out, once a reason."""
    for reason, (one, many, advice) in REASONS.items():
        names = [name for name, column in found.items() if column.what == reason]
        if not names:
            continue
        shown = [
            f"{name!r} ({found[name].example})" if found[name].example else repr(name) for name in names[:5]
        ]
        more = f" and {counted(len(names) - 5, 'more column')}" if len(names) > 5 else ""
        subject = (
            f"Column {shown[0]} {one} and was"
            if len(names) == 1
            else f"Columns {', '.join(shown)}{more} {many} and were"
        )
        keep = (
            f"; types={{{names[0]!r}: {found[names[0]].kept_as!r}}} keeps it all the same"
            if reason in BELIEVED
            else ""
        )
        remarks.warn(f"{subject} left out. {advice}{keep}.")


def _stripped(values: pd.Series) -> pd.Series:
    """Return words without spaces around them; words only are touched once each."""
    codes, different = pd.factorize(values)
    words = [word.strip() if isinstance(word, str) else word for word in different]
    table = np.array([*(word if word != "" else np.nan for word in words), np.nan], dtype=object)
    return pd.Series(table[codes], index=values.index, dtype=object)


def _category(values: pd.Series) -> Found:
    constant = values.notna().all() and values.nunique() == 1
    return Found("constant", example=repr(str(values.iloc[0]))) if constant else Found("category", values)


def _parsed(words: list[str]) -> np.ndarray:
    return pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").to_numpy(
        dtype=float, na_value=np.nan
    )


def _mostly_numbers(share: float, strange: np.ndarray) -> bool:
    """Tell whether words are numbers, but for a few mistakes or a few words that stand for a gap."""
    gaps = share > 0.5 and (~strange).sum() > MOST and strange.sum() <= GAP_WORDS
    return bool(share > 1 - STRANGE or gaps)


def _dates(numbers: np.ndarray) -> bool:
    """Tell whether whole numbers are dates written as 20240131."""
    years, rest = np.divmod(numbers, 10_000)
    months, days = np.divmod(rest, 100)
    return bool(
        ((years > 1900) & (years < 2100) & (months > 0) & (months < 13) & (days > 0) & (days < 32)).all()
    )


def _counts_rows(name: str, numbers: np.ndarray) -> bool:
    if len(numbers) < ENOUGH:
        return False
    steps = np.diff(numbers)
    if (steps > 0).all() or (steps < 0).all():
        return True
    return bool(NUMBERED.search(name)) and len(np.unique(numbers)) == len(numbers)


def _share(words: Sequence[str], pattern: re.Pattern) -> float:
    return float(np.mean([pattern.fullmatch(word) is not None for word in words]))


def _is_text(word: str) -> bool:
    return (
        len(word) > 40 or word.count(" ") >= 4 or (len(word) > 12 and not word.isascii() and " " not in word)
    )
