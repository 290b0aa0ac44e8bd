"""Execute notebooks again, in place, each from a clean kernel: ``make notebooks``.

A notebook is written whole, and only when it ran to its end and the guard has nothing against it; one that
fails stays as it was.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from notebook_guard import LARGEST, complaints

from workbench import files

TIMEOUT = 600  # seconds a cell


def executed(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in a folder and return it with new outputs and nothing that changes from run to run."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return notebook


def execute(path: Path) -> list[str]:
    """Execute one notebook file; what is wrong with the result comes back, and then the file stays as it was."""
    try:
        notebook = executed(nbformat.read(path, as_version=4), path.parent)
    except CellExecutionError as problem:
        return [str(problem)]
    text = nbformat.writes(notebook) + "\n"
    found = complaints(notebook)
    if len(text.encode()) > LARGEST:
        found.append(f"it would have {len(text.encode()):,} bytes, more than {LARGEST:,}")
    if not found:
        files.write_text(path, text)
    return found


def main(paths: list[str]) -> int:
    """Execute each notebook and say how it went; return how many failed."""
    failed = 0
    for path in map(Path, paths):
        started = time.monotonic()
        found = execute(path)
        failed += bool(found)
        outcome = "failed, left as it was" if found else "executed"
        print(f"{path}: {outcome} ({time.monotonic() - started:.0f} s)", *found, sep="\n  ", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
