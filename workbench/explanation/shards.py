"""``Shards``: an explanation that is too long for one sitting, as files in a folder with an index.

``index.json`` says what was asked and which rows are done; each shard is an :class:`Explanation` of some
consecutive rows, written whole. A shard counts only if the index knows its SHA-256: what was killed in the
middle, or damaged later, is made again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files, html
from ..errors import BadFile, BadInput
from .joining import joined
from .result import Explanation

if TYPE_CHECKING:
    import pandas as pd

INDEX, WHAT = "index.json", "explanation in shards"
DIFFERS = {
    "method": "its method is {} and not {}", "rows": "its rows are {} and not {}", "batch": "it has {} rows a shard and not {}",
    "model": "its model is another, by the fingerprint", "inputs": "its rows are others, by their SHA-256",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Shards:
    """An explanation of a whole split in a folder, as far as it has come.

    Iterating gives the shards that are done, in the order of their rows, one in memory at a time.

    Attributes
    ----------
    path
        The folder.
    job
        What was asked: fingerprint of the model, method, settings, number and SHA-256 of the rows, and
        ``batch``, how many of them are a shard.
    done
        What is known of each finished shard, by its number: file, SHA-256, seconds, evaluations, flags.
    made_with
        Versions that the first shard was made with.
    """

    path: Path
    job: dict[str, Any]
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    made_with: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Shards:
        """Open a folder that :func:`workbench.explain_dataset` wrote.

        Parameters
        ----------
        path
            The folder.

        Raises
        ------
        BadFile
            It has no readable index.
        """
        path = Path(path).expanduser()
        content = files.read_json(path / INDEX)
        if not isinstance(content, dict) or content.get("what") != WHAT:
            raise BadFile(f"{path / INDEX} is no index of an explanation", "a folder written by wb.explain_dataset",
                          "Check the path")  # fmt: skip
        done = {int(number): entry for number, entry in content["shards"].items()}
        return cls(path, content["job"], done, content["made_with"])

    def __len__(self) -> int:
        """How many rows are explained."""
        return sum(self.span(number).stop - self.span(number).start for number in self.done)

    @property
    def n(self) -> int:
        """How many rows there are in all."""
        return self.job["rows"]

    @property
    def complete(self) -> bool:
        """Whether every row is explained."""
        return not self.missing

    @property
    def missing(self) -> list[int]:
        """The numbers of the shards that are not done."""
        return [number for number in range(-(-self.n // self.job["batch"])) if number not in self.done]

    def span(self, number: int) -> slice:
        """Return the places of a shard's rows in the whole."""
        start = number * self.job["batch"]
        return slice(start, min(start + self.job["batch"], self.n))

    def __iter__(self) -> Iterator[Explanation]:
        for number in sorted(self.done):
            if not self.sound(number):
                raise BadFile(f"{self._file(number)} is not as it was written", "the file that the index knows",
                              "Call wb.explain_dataset again as before: it makes damaged shards anew")  # fmt: skip
            yield Explanation.load(self._file(number))

    def load(self) -> Explanation:
        """Return all rows that are explained as one explanation, as one call would have made it.

        Raises
        ------
        BadInput
            No row is explained yet.
        BadFile
            A shard is missing or damaged.
        """
        if not self.done:
            raise BadInput(f"{self.path} holds no shard yet", "at least one", "Call wb.explain_dataset again")
        whole = joined([*self])
        if not self.complete:
            whole.flags["incomplete"] = f"{len(self):,} of {self.n:,} rows are explained so far."
        return whole

    def table(self) -> pd.DataFrame:
        """Return a line a shard: places of its first and last row, whether it is done, its cost and its flags."""
        import pandas as pd

        numbers = range(len(self.missing) + len(self.done))
        return pd.DataFrame([self._line(number) for number in numbers]).set_index("shard")

    def _line(self, number: int) -> dict[str, Any]:
        span, known = self.span(number), self.done.get(number, {})
        return {"shard": number, "first": span.start, "last": span.stop - 1, "done": number in self.done,
                "seconds": known.get("seconds"), "evaluations": known.get("evaluations"),
                "flags": ", ".join(known.get("flags", ())), "file": known.get("file")}  # fmt: skip

    def added(self, number: int, e: Explanation) -> Shards:
        """Write a shard, then the index that knows it; return the folder as it is now."""
        name = f"shard-{number:06d}.safetensors"
        path = e.save(self.path / name)
        entry = {"file": name, "sha256": files.sha256(path.read_bytes()), "seconds": e.seconds,
                 "evaluations": e.n_forward, "flags": sorted(e.flags)}  # fmt: skip
        more = replace(self, done={**self.done, number: entry})
        files.write_json(self.path / INDEX, {"what": WHAT, "job": more.job, "made_with": more.made_with,
                                             "shards": dict(sorted(more.done.items()))})  # fmt: skip
        return more

    def without_damaged(self) -> tuple[Shards, list[str]]:
        """Return the folder without the shards that are missing or damaged, and the names of those."""
        damaged = [number for number in self.done if not self.sound(number)]
        kept = {number: entry for number, entry in self.done.items() if number not in damaged}
        return replace(self, done=kept), [self.done[number]["file"] for number in damaged]

    def sound(self, number: int) -> bool:
        """Whether a shard's file is there, and is bit for bit what was written."""
        path = self._file(number)
        return path.is_file() and files.sha256(path.read_bytes()) == self.done[number]["sha256"]

    def _file(self, number: int) -> Path:
        return (
            self.path / Path(self.done[number]["file"]).name
        )  # an index from elsewhere cannot point outside

    def __repr__(self) -> str:
        return f"Shards({self.job['method']}, {len(self):,} of {self.n:,} rows in {len(self.done)} shards, {str(self.path)!r})"

    def _repr_html_(self) -> str:
        facts = {
            "rows": f"{len(self):,} of {self.n:,}", "shards": f"{len(self.done)} of {self.job['batch']:,} rows",
            "folder": self.path, "model": self.job["model"][:16],
            "cost": f"{sum(e['evaluations'] for e in self.done.values()):,} evaluations, "
                    f"{sum(e['seconds'] for e in self.done.values()):.1f} s",
            "flags": ", ".join(sorted({flag for e in self.done.values() for flag in e["flags"]})) or "none",
        }  # fmt: skip
        return html.record(f"Shards: {self.job['method']}", facts)


def opened(path: str | Path, job: dict[str, Any], made_with: dict[str, str], resume: bool) -> Shards:
    """Return a folder for a job: a new or empty one, or one in which the very same job was begun.

    Raises
    ------
    BadFile
        The folder cannot be written to, holds other files, another explanation, or one that shall not be
        resumed.
    """
    folder = files.folder(path)
    if not (folder / INDEX).exists():
        if other := sorted(p.name for p in folder.iterdir() if not p.name.startswith((".", "shard-"))):
            raise BadFile(
                f"{folder} holds other files, such as {other[0]}", "a new or empty folder", "Choose another"
            )
        return Shards(folder, job, {}, made_with)
    found = Shards.read(folder)
    if strange := [name for name in (*DIFFERS, "settings") if found.job.get(name) != job[name]]:
        raise BadFile(f"{folder} holds another explanation: {_differing(found.job, job, strange[0])}",
                      "the same model, method, settings and rows as when it was begun",
                      "Choose another folder, or ask as before")  # fmt: skip
    if not resume:
        raise BadFile(f"{folder} holds {len(found):,} rows of this explanation", "a new or empty folder, as resume=False",
                      "Pass resume=True, or choose another folder")  # fmt: skip
    return found


def _differing(old: dict[str, Any], new: dict[str, Any], name: str) -> str:
    """Say how two jobs differ."""
    if name in DIFFERS:
        return DIFFERS[name].format(old.get(name), new[name])
    before, now = old.get(name, {}), new[name]
    names = [key for key in {**before, **now} if before.get(key) != now.get(key)]
    return ", ".join(f"{key} is {_short(before.get(key))} and not {_short(now.get(key))}" for key in names)


def _short(value: Any) -> str:
    return text if len(text := repr(value)) < 40 else text[:36] + "..."
