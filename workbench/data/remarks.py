"""What a reader notices about a file: said once as a warning, kept in ``data.notes``, always with the file's name."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..errors import BadFile, BadInput

SHOWN = 5  # names in a sentence before "and 12 more"


class Remarks:
    """The remarks about one file or folder, in the order in which they were made.

    Parameters
    ----------
    file
        Name of the file, without its folders.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        """Keep a sentence for ``data.notes``."""
        self.notes.append(f"{self.file}: {sentence}")

    def warn(self, sentence: str) -> None:
        """Keep a sentence, and say it as a warning: something was left out, or decided by a guess."""
        self.note(sentence)
        warnings.warn(self.notes[-1], UserWarning, stacklevel=_outside())

    def broken(self, wrong: str, expected: str, todo: str) -> NoReturn:
        """Raise the error of a file that cannot be read as what it should be."""
        raise BadFile(f"{self.file}: {wrong}", expected, todo)

    def unusable(self, wrong: str, expected: str, todo: str) -> NoReturn:
        """Raise the error of content that was read well and still cannot be used."""
        raise BadInput(f"{self.file}: {wrong}", expected, todo)


def _outside() -> int:
    """Return the stack level of the caller's own line: what Python 3.12 calls ``skip_file_prefixes``."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("workbench."):
        frame, level = frame.f_back, level + 1
    return level


def existing(path: str | Path) -> Path:
    """Return the path of something that is there, or raise ``BadFile``."""
    found = Path(path).expanduser()
    if not found.exists():
        near = next((p.name for p in found.parents if p.exists()), "")
        hint = f"; its folder {near!r} is there" if near and near == found.parent.name else ""
        raise BadFile(
            f"{str(path)!r} does not exist",
            "the path of a file or a folder that is there",
            f"Check the spelling{hint}",
        )
    return found


def several(names: Sequence[object], shown: int = SHOWN) -> str:
    """Return names in quotation marks, the first few of them, and how many more there are.

    Examples
    --------
    >>> several(["a", "b", "c"], shown=2)
    "'a', 'b' and 1 more"
    """
    more = f" and {len(names) - shown:,} more" if len(names) > shown else ""
    return ", ".join(repr(str(name)) for name in names[:shown]) + more


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural where there are several.

    Examples
    --------
    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {noun if n == 1 else plural}"
