"""Our engine for papermill: a kernel of this very Python, saves that are never torn, statuses that are true.

Papermill's own engine saves by opening the file anew, looks up an installed kernel, and calls every cell
``completed`` after its kernel was killed. This module is imported only by a run, since papermill is heavy.
"""

from __future__ import annotations

import asyncio
import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from .. import files

_PACKAGE = Path(__file__).resolve().parents[1]
KERNEL = "python3"


def prepare(source: Path, parameters: Mapping[str, Any]) -> nbformat.NotebookNode:
    """Return the notebook with a cell that sets the parameters, after the one with the defaults."""
    notebook = load_notebook_node(str(source))
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    if parameters:
        notebook = parameterize_notebook(notebook, dict(parameters), kernel_name=KERNEL, language="python")
    return notebook


def execute(
    notebook: nbformat.NotebookNode, path: Path, environment: Mapping[str, str], progress: str | None
) -> None:
    """Run every cell in a new kernel; the notebook lies at ``path``, whole and true, at every moment.

    Parameters
    ----------
    notebook
        What to run; outputs and statuses are written into it.
    path
        Where it is saved, before and after each cell.
    environment
        Variables for the kernel, beside those of this process.
    progress
        The title of a progress bar, or None for silence.

    Raises
    ------
    CellExecutionError
        If a cell raised.
    DeadKernelError
        If the kernel died.
    """
    manager = _Keeper(notebook, str(path), progress_bar={"desc": progress} if progress else False)
    kernel = AsyncKernelManager(kernel_name=KERNEL, kernel_spec_manager=_ThisPython(environment))
    manager.notebook_start()
    try:
        _Client(manager, km=kernel, kernel_name=KERNEL).execute(cleanup_kc=True)
    finally:
        manager.notebook_complete()


class _ThisPython(KernelSpecManager):
    """Finds one kernel: the running interpreter, with the running workbench."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__()
        self._environment = {**_import_path(), "PYDEVD_DISABLE_FILE_VALIDATION": "1", **environment}

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--log-level=40"]
        return KernelSpec(argv=launch, display_name="Python 3", language="python", env=self._environment)


def _import_path() -> dict[str, str]:
    """Lets the kernel import the same workbench also where it is not installed."""
    root = str(_PACKAGE.parent)
    if root in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        return {}
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


class _Keeper(NotebookExecutionManager):
    """Keeps the notebook on disk."""

    def save(self, **_: Any) -> None:
        files.write_text(self.output_path, nbformat.writes(self.nb))
        self.last_save_time = self.now()

    def notebook_complete(self, **_: Any) -> None:
        """Close the book; a cell that was not reached stays pending."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.cleanup_pbar()
        self.save()


class _Client(PapermillNotebookClient):
    """Runs the cells one after the other and lets every problem out, once it is noted."""

    def papermill_execute_cells(self) -> None:
        for index, cell in enumerate(self.nb.cells):
            self.nb_man.cell_start(cell, index)
            try:
                self.execute_cell(cell, index)
            except BaseException as problem:
                self.nb_man.cell_exception(cell, index)
                self.nb_man.cell_complete(cell, index)
                if self._was_interrupted(problem):
                    cell.metadata.papermill["status"] = "interrupted"
                    raise KeyboardInterrupt from None
                raise
            self.nb_man.cell_complete(cell, index)

    def _was_interrupted(self, problem: BaseException) -> bool:
        """Whether a person stopped us: nbclient answers Ctrl-C by ending the kernel, which then looks dead."""
        signalled = isinstance(getattr(self, "_async_cleanup_kernel_future", None), asyncio.Future)
        return isinstance(problem, KeyboardInterrupt) or (signalled and isinstance(problem, DeadKernelError))
