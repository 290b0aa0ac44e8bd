"""The walk: four notebooks, one after another, and the page that comes out.

A notebook hands its models on through ``run_dir``. Run alone, it gets stand-ins that are trained in a few
seconds, says so, and asserts no findings.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from .. import files
from ..compression.compressed import Compressed
from ..compression.controls import sham
from ..compression.pruning import prune
from ..compression.quantization import quantize
from ..data.records import Data
from ..data.shipped import load
from ..errors import BadInput
from ..evaluation.comparison import Comparison
from ..training import fit
from ..zoo.catalogue import build
from ..zoo.storage import load_model, save
from . import journal, records
from .execution import run
from .journal import Run

NOTEBOOKS = ("01_train", "02_compress", "03_explain", "04_evaluate")
PLANS: dict[bool, dict[str, dict[str, Any]]] = {
    False: {
        "01_train": {"epochs": 15, "rows": 0},
        "02_compress": {"epochs": 12, "rows": 0},
        "03_explain": {"n_samples": 2000},
        "04_evaluate": {"n": 400, "references": 5, "rows": 0},
    },
    True: {
        "01_train": {"epochs": 6, "rows": 0},
        "02_compress": {"epochs": 3, "rows": 0},
        "03_explain": {"n_samples": 500},
        "04_evaluate": {"n": 150, "references": 1, "rows": 0},
    },
}
STAND_IN_ROWS = 1000


@dataclass(frozen=True)
class Handover:
    """The models of a walk: stored ones where ``run_dir`` has them, else stand-ins.

    Attributes
    ----------
    folder
        Where the walk keeps its models, or None.
    data
        What stand-ins are trained on.
    """

    folder: Path | None
    data: Data

    @cached_property
    def original(self) -> Any:
        """The trained model."""
        if (path := self._path("original.safetensors")).exists():
            return load_model(path)
        small = self._standing_in("original").subset(train=STAND_IN_ROWS)
        return fit(build("lenet5", small), small, epochs=4, verbose=False).model

    @cached_property
    def compressed(self) -> Compressed:
        """The compressed model with its report and steps."""
        path = self._path("compressed.safetensors")
        if path.exists():
            kept = files.read_json(path.with_suffix(".json"))
            return Compressed(load_model(path), kept["report"], self.original, tuple(kept["steps"]))
        small = self._standing_in("compressed").subset(train=STAND_IN_ROWS)
        return quantize(
            prune(self.original, channels=0.5, how="channels", data=small, epochs=1, verbose=False),
            data=small,
        )

    @cached_property
    def sham(self) -> Any:
        """The model that was trained on with nothing removed."""
        if (path := self._path("sham.safetensors")).exists():
            return load_model(path)
        small = self._standing_in("sham").subset(train=STAND_IN_ROWS)
        return sham(self.compressed, small, verbose=False)

    def keep(self, **things: Any) -> None:
        """Store models or a comparison under their names; without a folder nothing is kept, and it is said."""
        for name, thing in things.items():
            if self.folder is None:
                print(f"{name}: not kept, as there is no run_dir")
                continue
            path = self._path(f"{name}.safetensors")
            if isinstance(thing, Compressed):
                files.write_json(path.with_suffix(".json"), {"report": thing.report, "steps": thing.steps})
            thing.save(path) if isinstance(thing, Comparison) else save(thing, path)

    def _path(self, name: str) -> Path:
        return (self.folder or Path("no such folder")) / "models" / name

    def _standing_in(self, name: str) -> Data:
        records.stand_in(name)
        print(
            f"{name}: a stand-in, trained in seconds on {STAND_IN_ROWS:,} rows; findings are shown, not asserted"
        )
        return self.data


def handover(run_dir: str | Path = "", data: Data | None = None) -> Handover:
    """Return the models that the notebooks of a walk hand on, or stand-ins for them.

    Parameters
    ----------
    run_dir
        The walk's folder; empty when a notebook runs alone.
    data
        By default ``wb.load("mnist")``.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.handover("").folder is None
    True
    """
    return Handover(Path(run_dir) if str(run_dir) else None, data if data is not None else load("mnist"))


def report(data: str = "mnist", model: str = "lenet5", *, fast: bool = False, out: str | Path | None = None,
           verbose: bool = True, **parameters: Any) -> Run:  # fmt: skip
    """Train, compress, explain and compare, and write one self-contained page with the verdict.

    Runs the notebooks of the walk in one folder. What was finished before is not done again: after an
    interrupt or a killed kernel the same call finishes the work.

    Parameters
    ----------
    data, model
        Names of :func:`workbench.datasets` (images) and of :func:`workbench.models`.
    fast
        Fewer epochs, one reference, 150 rows: under three minutes, and the page says that the evidence is weak.
    out
        Folder of the run; by default ``runs/<data>-<model>``, with ``-fast`` behind it.
    verbose
        Show progress.
    **parameters
        Given to every notebook that has a parameter of that name, such as ``references=3`` or ``seed=1``.

    Returns
    -------
    Run
        ``.html`` is the page, ``.numbers`` all that was recorded.

    Raises
    ------
    RunFailed
        A cell raised or a kernel died; what was done is kept.
    UnknownName
        No such data set or model.
    BadInput
        A parameter that no notebook has, or a model that is no network.
    """
    from . import page
    from . import parameters as declared
    from .execution import notebook_path, read_notebook

    if not isinstance(build(model, load(data)), nn.Module):
        raise BadInput(
            f"{model} is a glass box",
            "a network: the walk prunes and quantizes it",
            "Choose lenet5, lenet300 or mlp",
        )
    chosen = {"data_name": data, "model_name": model, **parameters}
    plans = {}
    for name in NOTEBOOKS:
        known = declared.declared(read_notebook(notebook_path(name)))
        plans[name] = PLANS[fast][name] | {k: v for k, v in chosen.items() if k in known}
    if strays := set(parameters) - {k for plan in plans.values() for k in plan}:
        raise BadInput(f"No notebook of the walk has a parameter {sorted(strays)[0]!r}",
                       f"one of {sorted({k for plan in plans.values() for k in plan})}", "Correct the name")  # fmt: skip
    folder = files.folder(
        out if out is not None else Path("runs") / f"{data}-{model}{'-fast' if fast else ''}"
    )
    start = journal.opened("report", folder, {"data": data, "model": model, "fast": fast, **parameters}, "")
    done = [run(name, folder, verbose=verbose, **plans[name]) for name in NOTEBOOKS]
    numbers = {f"{one.notebook}: {k}": v for one in done for k, v in one.numbers.items()}
    findings = [finding for one in done for finding in one.findings]
    files.write_text(folder / "report.html", page.report_page(folder, done, _command(start)))
    finished = journal.keep(journal.closed(start, "completed", numbers=numbers, findings=findings))
    if verbose:
        print(f"The report: {finished.html}", file=sys.stderr)
    return finished


def _command(run: Run) -> str:
    given = {k: v for k, v in run.parameters.items() if k != "fast"}
    words = [f"--{k} {v}" for k, v in given.items() if k in ("data", "model")]
    return " ".join(["workbench report", *words, *(["--fast"] if run.parameters["fast"] else [])])
