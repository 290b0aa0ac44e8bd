"""The walk: five notebooks, one after another, and the page that comes out.

A notebook hands its models on through ``run_dir``. Run alone, it gets stand-ins that are trained in a few
seconds, says so, and asserts no findings.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from .. import files
from ..compression.compressed import Compressed
from ..compression.controls import sham
from ..compression.planning import plan as compression_plan
from ..compression.pruning import prune
from ..compression.quantization import quantize
from ..data import storage
from ..data.records import Data
from ..data.shipped import load
from ..errors import BadInput
from ..evaluation.comparison import Comparison
from ..iteration.feedback import Feedback
from ..training import fit
from ..zoo.catalogue import build
from ..zoo.storage import load_model, save
from . import journal, plans, records
from .journal import Run
from .plans import Plan

NOTEBOOKS = ("01_train", "02_compress", "03_explain", "04_evaluate", "05_iterate")
STAND_IN_ROWS = 1000


@dataclass(frozen=True)
class Handover:
    """The data and models of a walk: stored ones where ``run_dir`` has them, else stand-ins.

    Attributes
    ----------
    folder
        Where the walk keeps its models, or None.
    data
        What it is about; stand-ins are trained on it.
    """

    folder: Path | None
    data: Data

    @property
    def plan(self) -> Plan:
        """What is done by default with this kind of data."""
        return plans.plan(self.data)

    @cached_property
    def original(self) -> Any:
        """The trained model."""
        if (path := self._path("original.safetensors")).exists():
            return load_model(path)
        small = self._standing_in("original").subset(train=STAND_IN_ROWS)
        net = build(plans.model_for(self.data), small)
        options = self.plan.training | {"augment": False}
        return fit(net, small, epochs=self.plan.stand_in, verbose=False, **options).model

    @cached_property
    def compressed(self) -> Compressed:
        """The compressed model with its report and steps."""
        path = self._path("compressed.safetensors")
        if path.exists():
            kept = files.read_json(path.with_suffix(".json"))
            return Compressed(load_model(path), kept["report"], self.original, tuple(kept["steps"]))
        small = self._standing_in("compressed").subset(train=STAND_IN_ROWS)
        steps = compression_plan(self.original)
        thinner = prune(self.original, **steps["prune"], data=small, epochs=1, verbose=False)
        return quantize(thinner, **steps["quantize"], data=small)

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
            if hasattr(thing, "plain"):
                files.write_json(path.with_suffix(".json"), thing.plain())
                continue
            thing.save(path) if isinstance(thing, Comparison) else save(thing, path)

    def _path(self, name: str) -> Path:
        return self.folder / "models" / name if self.folder else Path("/nonexistent") / name

    def _standing_in(self, name: str) -> Data:
        records.stand_in(name)
        print(
            f"{name}: a stand-in, trained in seconds on {STAND_IN_ROWS:,} rows; findings are shown, not asserted"
        )
        return self.data


def handover(run_dir: str | Path = "", data: Data | str = "mnist") -> Handover:
    """Return the data and models that the notebooks of a walk hand on, or stand-ins for the models.

    Parameters
    ----------
    run_dir
        The walk's folder; empty when a notebook runs alone.
    data
        Data, or its name: that of a set which the walk keeps in its folder, or of :func:`workbench.datasets`.

    Examples
    --------
    >>> import workbench as wb
    >>> wb.handover("").folder is None
    True
    """
    folder = Path(run_dir) if str(run_dir) else None
    return Handover(folder, data if isinstance(data, Data) else _named(data, folder))


def _named(name: str, folder: Path | None) -> Data:
    kept = _data_path(folder, name) if folder else None
    return storage.take(kept) if kept and kept.exists() else load(name)


def _data_path(folder: Path, name: str) -> Path:
    return folder / "data" / f"{name}.safetensors"


def report(data: Data | str = "mnist", model: str | None = None, *, fast: bool = False, out: str | Path | None = None,
           command: str | None = None, verbose: bool = True, **parameters: Any) -> Run:  # fmt: skip
    """Train, compress, explain and compare, and write one self-contained page with the verdict.

    Runs the notebooks of the walk in one folder. What was finished before is not done again: after an
    interrupt or a killed kernel the same call finishes the work.

    Parameters
    ----------
    data
        A name of :func:`workbench.datasets`, or any ``Data``, such as ``wb.from_csv(path, label)``: it is
        kept in the folder of the run, so that all notebooks read the same rows.
    model
        A name of :func:`workbench.models`; by default one that fits the kind of data.
    fast
        Fewer epochs, one reference, 150 rows: under three minutes, and the page says that the evidence is weak.
    out
        Folder of the run; by default ``runs/<data>-<model>``, with ``-fast`` behind it.
    command
        What the page says for doing it again; by default told from the other arguments.
    verbose
        Show progress.
    **parameters
        Given to every notebook that has a parameter of that name, such as ``references=3``, ``seed=1``, or
        ``feedback="feedback.db"``, what people marked and rated.

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
    from .execution import run

    shipped = isinstance(data, str)
    given = data if isinstance(data, Data) else load(data)
    model = model or plans.model_for(given)
    _refuse_glass_box(model, given)
    name = data if isinstance(data, str) else f"{_plain_name(given.name)}-{given.fingerprint[:8]}"
    command = command or _command(name, model, fast, shipped, parameters)
    if parameters.get("feedback"):
        parameters["feedback"] = _feedback(Path(parameters["feedback"]), given)
    steps = _steps(given, {"data_name": name, "model_name": model, **parameters}, fast, set(parameters))
    folder = files.folder(
        out if out is not None else Path("runs") / f"{name}-{model}{'-fast' if fast else ''}"
    )
    if not shipped and not _data_path(folder, name).exists():
        storage.keep(given, _data_path(folder, name))
    told = {
        "data": name,
        "model": model,
        "fast": fast,
        "command": command,
        **parameters,
    }
    start = journal.opened("report", folder, told, "")
    done = [run(notebook, folder, verbose=verbose, **steps[notebook]) for notebook in NOTEBOOKS]
    numbers = {f"{one.notebook}: {k}": v for one in done for k, v in one.numbers.items()}
    findings = [finding for one in done for finding in one.findings]
    files.write_text(folder / "report.html", page.report_page(folder, done, str(told["command"]), given))
    finished = journal.keep(journal.closed(start, "completed", numbers=numbers, findings=findings))
    if verbose:
        print(f"The report: {finished.html}", file=sys.stderr)
    return finished


def _feedback(path: Path, data: Data) -> str:
    """Return where people's decisions are, from any folder; what cannot be about these data is refused before any work."""
    if not path.exists():
        raise BadInput(
            f"There is no database {path}", "one that wb.annotate or wb.Feedback wrote", "Correct the path"
        )
    Feedback(path).masks(data.train)
    return str(path.resolve())


def _refuse_glass_box(model: str, data: Data) -> None:
    if not isinstance(build(model, data), nn.Module):
        raise BadInput(f"{model} is a glass box", "a network: the walk prunes and quantizes it",
                       f"Choose {plans.model_for(data)}, or leave model out")  # fmt: skip


def _steps(data: Data, chosen: dict[str, Any], fast: bool, asked: set[str]) -> dict[str, dict[str, Any]]:
    """Return every notebook's parameters; refuse one that none of them has."""
    from . import parameters as declared
    from .execution import notebook_path, read_notebook

    steps = {}
    for name, planned in plans.parameters(data, fast).items():
        known = declared.declared(read_notebook(notebook_path(name)))
        steps[name] = planned | {k: v for k, v in chosen.items() if k in known}
    if strays := asked - {k for step in steps.values() for k in step}:
        raise BadInput(f"No notebook of the walk has a parameter {sorted(strays)[0]!r}",
                       f"one of {sorted({k for step in steps.values() for k in step})}", "Correct the name")  # fmt: skip
    return steps


def _plain_name(name: str) -> str:
    """Return a name that is safe as part of a file's name."""
    return re.sub(r"[^\w-]+", "-", name).strip("-") or "data"


def _command(data: str, model: str, fast: bool, shipped: bool, parameters: dict[str, Any]) -> str:
    """Return what makes the same report again: a command where the command line has the words, else a call."""
    if not shipped or set(parameters) - {"references", "seed", "feedback"}:
        given = {"fast": True} if fast else {}
        words = [
            repr(data) if shipped else "data",
            repr(model),
            *(f"{k}={v!r}" for k, v in {**given, **parameters}.items()),
        ]
        return f"wb.report({', '.join(words)})"
    more = [f"--{name} {shlex.quote(str(value))}" for name, value in parameters.items()]
    return " ".join(
        ["workbench report", f"--data {data}", f"--model {model}", *(["--fast"] if fast else []), *more]
    )
