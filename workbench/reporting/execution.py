"""Running a notebook from start to end with other parameters, so that it can fail, be killed and be resumed.

A finished notebook with the same sources, parameters and package is not run twice: running again finishes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

from .. import files
from ..errors import BadFile, BadInput, RunFailed, WorkbenchError, unknown
from . import journal, parameters, records
from .journal import Run
from .parameters import HANDOVER

_PACKAGE = Path(__file__).resolve().parents[1]
_HOMES = (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks")  # in the wheel, in the repository


def run(notebook: str | Path, out: str | Path | None = None, *, verbose: bool = True, **given: Any) -> Run:
    """Run a notebook from its first cell to its last, and keep it with all that came out.

    Parameters
    ----------
    notebook
        The path of a notebook, or the short name of one of the walk, such as ``"01_train"``.
    out
        A folder; by default ``runs/<notebook>-<time>``. It gets the executed notebook, the same as a page
        without code, and ``run.json``. A notebook that declares a parameter ``run_dir`` is told this folder.
    verbose
        Whether to show progress.
    **given
        Parameters, by name; the rest keep their defaults. With the defaults, findings are asserted.

    Returns
    -------
    Run
        The record. If the same notebook was finished here before with the same parameters and the same
        package, it is the record of that time, and nothing is run.

    Raises
    ------
    UnknownName
        If no notebook, or no parameter, has this name.
    BadInput
        If a parameter is of the wrong type, or the notebook lies in ``out`` itself, or runs there right now.
    BadFile
        If the notebook cannot be read or the folder not be written.
    RunFailed
        If a cell raised or the kernel died; what was done is kept.
    """
    from . import engine

    source = notebook_path(notebook)
    content = read_notebook(source)
    accepted = parameters.check(content, given)
    default = not parameters.deviates(content, {n: v for n, v in accepted.items() if n != HANDOVER})
    folder = Path(out).expanduser() if out is not None else _new_folder(source.stem)
    fingerprint = _fingerprint(content, accepted, folder, source.stem)
    known = journal.find(folder, source.stem)
    _refuse_collision(source, folder, known)
    if known and known.status == "completed" and known.fingerprint == fingerprint and _readable(known.path):
        return _reused(known, verbose)
    start = journal.opened(source.stem, files.folder(folder), accepted, fingerprint)
    told = {HANDOVER: _near(folder)} if HANDOVER in parameters.declared(content) else {}
    return _perform(engine.prepare(source, {**told, **accepted}), start, default, verbose)


def notebook_path(name: str | Path) -> Path:
    """Find a notebook: a path, or the short name of one of the walk.

    Raises
    ------
    BadFile
        If a path leads nowhere.
    UnknownName
        If no notebook has this short name.
    """
    path = Path(name).expanduser()
    if path.suffix == ".ipynb" or path.parent != Path("."):
        if path.is_file():
            return path
        raise BadFile(f"There is no notebook at {path}", "a file that ends in .ipynb", "Check the path")
    for home in _HOMES:
        if (home / f"{name}.ipynb").is_file():
            return home / f"{name}.ipynb"
    raise unknown("notebook", str(name), {found.stem for home in _HOMES for found in home.glob("*.ipynb")})


def _perform(notebook: nbformat.NotebookNode, start: Run, default: bool, verbose: bool) -> Run:
    from . import engine

    environment = {records.ASSERTED: "1" if default else "0"}
    journal.keep(start)
    try:
        engine.execute(notebook, start.path, environment, start.notebook if verbose else None)
    except KeyboardInterrupt:
        journal.keep(journal.closed(start, "interrupted", "stopped by hand", **_results(notebook)))
        raise
    except Exception as problem:
        failure = _failure(start, notebook, problem)
        journal.keep(journal.closed(start, "failed", failure.args[0], **_results(notebook)))
        raise failure from None
    done = journal.closed(start, "completed", **_results(notebook))
    _publish(done)
    return journal.keep(done)


def _results(notebook: Mapping[str, Any]) -> dict[str, Any]:
    numbers, findings = records.collect(notebook)
    return {"cells": journal.cells(notebook), "numbers": numbers, "findings": findings}


def _publish(run: Run) -> None:
    from .publishing import notebook_page

    files.write_text(run.path.with_suffix(".html"), notebook_page(run.path))


def _reused(run: Run, verbose: bool) -> Run:
    if run.html is None:
        _publish(run)
    if verbose:
        print(f"{run.notebook}: finished before with these parameters, kept in {run.folder}", file=sys.stderr)
    return run


def _failure(start: Run, notebook: Mapping[str, Any], problem: Exception) -> WorkbenchError:
    """The error that tells which cell stopped, with what, and where the rest lies."""
    if isinstance(problem, WorkbenchError):
        return problem
    stopped = next((c for c in journal.cells(notebook) if c["status"] == "failed"), None)
    place = (
        f"code cell {stopped['cell']}, {_first_line(notebook, stopped['cell'])!r}" if stopped else "its start"
    )
    return RunFailed(
        f"{start.notebook} stopped at {place}: {_reason(problem)}",
        "every cell to end",
        f"What was done is kept in {start.path}; mend what stopped it and run again into the same folder",
    )


def _reason(problem: Exception) -> str:
    if hasattr(problem, "ename"):
        return f"{problem.ename}: {problem.evalue}".strip(": \n")  # type: ignore[attr-defined]
    if type(problem).__name__ == "DeadKernelError":
        return "its kernel died (killed, or out of memory)"
    return f"{type(problem).__name__}: {problem}"


def _first_line(notebook: Mapping[str, Any], number: int) -> str:
    coded = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code" and c["source"].strip()]
    lines = [line.strip() for line in coded[number - 1].splitlines() if line.strip()]
    told = next((line for line in lines if not line.startswith("#")), lines[0])
    return told if len(told) <= 80 else f"{told[:77]}..."


def _fingerprint(content: Mapping[str, Any], accepted: Mapping[str, Any], folder: Path, name: str) -> str:
    """The same for the same work: sources, parameters, package, and what earlier notebooks hand over."""
    earlier = [r.fingerprint for r in journal.kept(folder) if r.notebook < name and r.status == "completed"]
    code = [files.sha256(path.read_bytes()) for path in sorted(_PACKAGE.rglob("*.py"))]
    work = {
        "cells": [[cell["cell_type"], cell["source"]] for cell in content["cells"]],
        "parameters": {key: value for key, value in accepted.items() if key != HANDOVER},
        "package": [journal.versions()["workbench"], *code],
        "earlier": earlier if HANDOVER in parameters.declared(content) else [],
    }
    return files.sha256(json.dumps(files.plain(work), sort_keys=True).encode())


def read_notebook(source: Path) -> nbformat.NotebookNode:
    """Read a notebook, or say that it is none."""
    try:
        return nbformat.read(source, as_version=4)
    except Exception as problem:
        raise BadFile(
            f"{source} cannot be read ({type(problem).__name__})", "a Jupyter notebook", "Check the path"
        ) from problem


def _readable(path: Path) -> bool:
    try:
        return bool(read_notebook(path).cells)
    except BadFile:
        return False


def _refuse_collision(source: Path, folder: Path, known: Run | None) -> None:
    if source.resolve().parent == folder.resolve():
        raise BadInput(
            f"{folder} holds {source.name} itself", "another folder for the executed one", "Choose one"
        )
    if known and known.status == "running":
        raise BadInput(
            f"{source.stem} is running in {folder} right now (process {known.process.get('pid')})",
            "a folder that nobody else writes to", "Wait for it, or choose another folder",
        )  # fmt: skip


def _near(folder: Path) -> str:
    """The folder as seen from here, where the kernel starts; no path of this machine where none is needed."""
    inside = folder.resolve().is_relative_to(Path.cwd())
    return str(folder.resolve().relative_to(Path.cwd()) if inside else folder)


def _new_folder(name: str) -> Path:
    moment = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    wanted = [Path("runs") / f"{name}-{moment}{suffix}" for suffix in ("", *(f"-{n}" for n in range(2, 100)))]
    return next(path for path in wanted if not path.exists())
