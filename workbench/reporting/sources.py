"""Where a report's data come from: a shipped set, or a file or folder of the user's own."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.archives import from_npz
from ..data.corpora import from_text
from ..data.folders import from_folder
from ..data.pictures import LARGEST
from ..data.records import Data
from ..data.tables import from_csv
from ..errors import BadInput

LARGEST_FAST = 32  # pixels of the longer side of a user's pictures in a fast report


@dataclass(frozen=True)
class Source:
    """Data, and the words of the command line that named them."""

    data: Data | str
    words: tuple[str, ...]

    def command(self, model: str | None, fast: bool, given: dict[str, Any]) -> str:
        """Return the command that makes the same report again."""
        words = [*self.words, *(["--model", model] if model else []), *(["--fast"] if fast else [])]
        words += [word for name, value in given.items() for word in (f"--{name}", str(value))]
        return shlex.join(["workbench", "report", *words])


def opened(*, data: str | None, csv: Path | None, folder: Path | None, texts: Path | None, label: str | None,
           text: str | None, fast: bool = False) -> Source:  # fmt: skip
    """Return the one source that was named, read and told about on stderr; smaller pictures for a fast report.

    Raises
    ------
    BadInput
        More than one source, or a table without the name of its label.
    """
    named = {"data": data, "csv": csv, "folder": folder, "texts": texts}
    chosen = {name: value for name, value in named.items() if value is not None} or {"data": "mnist"}
    if len(chosen) > 1:
        raise BadInput(
            f"{' and '.join(f'--{name}' for name in chosen)} were given", "one source of data", "Choose one"
        )
    name, value = next(iter(chosen.items()))
    if name == "data":
        return Source(str(value), ("--data", str(value)))
    if name != "folder" and label is None:
        raise BadInput(
            f"--{name} was given without --label",
            "the name of the column that holds the class",
            "Add --label",
        )
    made = _read(name, Path(str(value)), label, text, fast)
    print(f"{made!r}", *made.notes, sep="\n  ", file=sys.stderr)
    asked = {"label": label if name != "folder" else None, "text": text}
    return Source(made, (f"--{name}", str(value), *(w for k, v in asked.items() if v for w in (f"--{k}", v))))


def _read(name: str, path: Path, label: str | None, text: str | None, fast: bool) -> Data:
    if name == "folder":
        return (
            from_npz(path)
            if path.suffix == ".npz"
            else from_folder(path, largest=LARGEST_FAST if fast else LARGEST)
        )
    if name == "csv":
        return from_csv(path, str(label))
    return from_text(path, text, str(label))
