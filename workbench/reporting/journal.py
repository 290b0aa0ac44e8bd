"""What is known of past runs: one ``run.json`` a folder, a record for each notebook that ran there.

The record is written when a notebook starts and again when it ends, so a run that was killed is seen as such.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files, html
from ..errors import BadFile

if TYPE_CHECKING:
    import pandas as pd

NAME = "run.json"
_COLUMNS = ("folder", "notebook", "status", "start", "seconds", "cells", "findings", "problem")
_DAMAGE = (BadFile, TypeError, ValueError, KeyError, AttributeError)  # what a wrong record leads to
_PACKAGES = ("torch", "captum", "shap", "lime", "numpy")


@dataclass(frozen=True, repr=False)
class Run:
    """One executed notebook: what was asked, what came out, and on what machine.

    Attributes
    ----------
    notebook
        Its short name.
    folder
        Where it lies, with its ``run.json``.
    status
        ``completed``, ``failed``, ``interrupted``, or ``running``.
    parameters
        Those that were given; the notebook knows its own defaults.
    seconds
        From start to end, kernel included.
    cells
        One dict a code cell: ``cell`` (counted from 1), ``status`` (``completed``, ``failed``,
        ``interrupted``, ``running`` or ``not run``), ``seconds``.
    numbers
        What :func:`workbench.record` kept, by name.
    findings
        What :func:`workbench.finding` kept: ``name``, ``value``, ``expectation``, ``holds``.
    problem
        Why it stopped, or None.
    start, end
        Times in UTC, ISO 8601.
    fingerprint
        Hash of the notebook, its parameters, the package and the notebooks before it.
    versions, machine
        Where it ran.
    process
        The process that runs it, as long as it does.
    """

    notebook: str
    folder: Path
    status: str
    parameters: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cells: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    problem: str | None = None
    start: str = ""
    end: str | None = None
    fingerprint: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    process: dict[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.notebook}.ipynb"

    @property
    def html(self) -> Path | None:
        """The notebook without code, as one page; None where it was not made."""
        page = self.path.with_suffix(".html")
        return page if page.exists() else None

    def __repr__(self) -> str:
        return f"Run({self.notebook}: {self.status}, {_progress(self.cells)} cells, {self.seconds:.1f} s, in {self.folder})"

    def _repr_html_(self) -> str:
        facts = {"status": self.status, "seconds": round(self.seconds, 1), "cells": _progress(self.cells)}
        facts |= {"findings": _kept(self.findings)} if self.findings else {}
        facts |= {"problem": self.problem} if self.problem else {}
        return html.record(f"{self.notebook}, in {self.folder}", facts | self.parameters | self.numbers)


def opened(notebook: str, folder: Path, parameters: Mapping[str, Any], fingerprint: str) -> Run:
    """Return the record of a run that starts now."""
    return Run(notebook, folder, "running", dict(parameters), start=_now(), fingerprint=fingerprint, versions=versions(),
               machine={"cores": os.cpu_count(), "platform": platform.platform()}, process=_process(os.getpid()))  # fmt: skip


def closed(run: Run, status: str, problem: str | None = None, **results: Any) -> Run:
    """Return the record of the same run, ended now."""
    end = _now()
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(run.start)).total_seconds()
    return replace(run, status=status, problem=problem, end=end, seconds=seconds, process={}, **results)


def keep(run: Run) -> Run:
    """Write a record into the ``run.json`` of its folder, in the place of an older one of that notebook."""
    others = [one for one in _sound(run.folder) if one["notebook"] != run.notebook]
    entries = sorted([*others, _entry(run)], key=lambda entry: entry["notebook"])
    files.write_json(run.folder / NAME, {"format": 1, "notebooks": entries})
    return run


def find(folder: Path, notebook: str) -> Run | None:
    """Return what is known of a notebook in a folder; a damaged ``run.json`` counts as nothing known."""
    return next((run for run in kept(folder) if run.notebook == notebook), None)


def kept(folder: Path) -> list[Run]:
    """Return all that is known of the notebooks in a folder."""
    return [_run(entry, Path(folder)) for entry in _sound(Path(folder))]


def runs(folder: str | Path = "runs") -> pd.DataFrame:
    """List what ran in a folder and below it, the latest last.

    A ``run.json`` that cannot be read is a row that says so.

    Parameters
    ----------
    folder
        Where to look, by default ``runs``.

    Returns
    -------
    pandas.DataFrame
        ``folder notebook status start seconds cells findings problem``; ``cells`` are those completed, of all.
    """
    import pandas as pd

    found = sorted(Path(folder).expanduser().rglob(NAME))
    rows = [row for path in found for row in _rows(path.parent)]
    return pd.DataFrame(sorted(rows, key=lambda row: row["start"]), columns=list(_COLUMNS))


def versions() -> dict[str, str]:
    """Return the versions of Python, the workbench and the libraries whose numbers it reports."""
    own = sys.modules[__name__.split(".")[0]].__version__  # of the code that runs, installed or not
    libraries = {name: _version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), "workbench": own, **libraries}


def cells(notebook: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return number, status and seconds of each code cell that has something to run."""
    coded = [c for c in notebook["cells"] if c["cell_type"] == "code" and c["source"].strip()]
    notes = [cell["metadata"].get("papermill", {}) for cell in coded]
    return [{"cell": number, "status": _status(note), "seconds": note.get("duration")}
            for number, note in enumerate(notes, start=1)]  # fmt: skip


def _status(note: Mapping[str, Any]) -> str:
    status = note.get("status") or "pending"
    return "not run" if status == "pending" else status


def _rows(folder: Path) -> list[dict[str, Any]]:
    try:
        return [_row(entry, folder) for entry in _entries(folder)]
    except _DAMAGE as problem:
        return [_damaged(folder, problem)]


def _row(entry: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    try:
        run = _run(entry, folder)
        told = [run.notebook, run.status, str(run.start), round(run.seconds, 1)]
        counted = [_progress(run.cells), _kept(run.findings)]
        return dict(zip(_COLUMNS, [str(folder), *told, *counted, run.problem or ""], strict=True))
    except _DAMAGE as problem:
        return _damaged(folder, problem)


def _damaged(folder: Path, problem: Exception) -> dict[str, Any]:
    said = (
        f"{NAME}: {problem}"
        if isinstance(problem, BadFile)
        else f"{NAME} holds a damaged record ({problem!r})"
    )
    return dict.fromkeys(_COLUMNS, "") | {
        "folder": str(folder),
        "status": "damaged",
        "seconds": None,
        "problem": said,
    }


def _progress(cells: list[dict[str, Any]]) -> str:
    return f"{sum(cell['status'] == 'completed' for cell in cells)} of {len(cells)}"


def _kept(findings: list[dict[str, Any]]) -> str:
    return f"{sum(bool(one['holds']) for one in findings)} of {len(findings)} as expected" if findings else ""


def _entries(folder: Path) -> list[dict[str, Any]]:
    content = files.read_json(folder / NAME)
    if not isinstance(content, dict) or not isinstance(content.get("notebooks"), list):
        raise BadFile(f"{folder / NAME} holds no list of notebooks", "a file written by the workbench",
                      "Run the notebooks of this folder again")  # fmt: skip
    return content["notebooks"]


def _sound(folder: Path) -> list[dict[str, Any]]:
    """The records that can be read."""
    try:
        return [entry for entry in _entries(folder) if _row(entry, folder)["status"] != "damaged"]
    except _DAMAGE:
        return []


def _entry(run: Run) -> dict[str, Any]:
    entry = asdict(run)
    del entry["folder"]  # the file lies in it, and may be moved with it
    return entry


def _run(entry: Mapping[str, Any], folder: Path) -> Run:
    """The record as it was kept; one that says "running" is asked whether its process still lives."""
    known = {f.name for f in fields(Run)} - {"folder"}
    run = Run(folder=folder, **{name: entry[name] for name in known})
    numbers = {name: float("nan") if value is None else value for name, value in run.numbers.items()}
    run = replace(run, numbers=numbers)
    return run if run.status != "running" or _lives(run.process) else _interrupted(run)


def _interrupted(run: Run) -> Run:
    """The record of a run that was killed: what it reached stands in its notebook."""
    import nbformat  # a second to load, and hardly ever needed

    try:
        reached = cells(nbformat.read(run.path, as_version=4))
    except Exception:  # whatever nbformat finds wrong: nothing is known then
        reached = []
    stopped = [{**cell, "status": "interrupted"} if cell["status"] == "running" else cell for cell in reached]
    seconds = sum(cell["seconds"] or 0 for cell in stopped)
    return replace(
        run, status="interrupted", cells=stopped, seconds=seconds, problem="its process was killed"
    )


def _process(pid: int) -> dict[str, Any]:
    """A process, so that another one that gets its number later is not taken for it."""
    import psutil

    try:
        return {"pid": pid, "since": psutil.Process(pid).create_time(), "host": platform.node()}
    except psutil.Error:
        return {}


def _lives(process: Mapping[str, Any]) -> bool:
    """On another host nobody can tell; then it is believed."""
    elsewhere = process.get("host") != platform.node()
    return bool(process) and (elsewhere or _process(process["pid"]) == dict(process))


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
