"""Measure callables call by call, interleaved, and record the result with the machine it was measured on.

A benchmark is a script ``bench_<name>.py`` with a function ``measure() -> Table`` that ends in
``run(measure)``. ``make bench`` runs them all; ``--force`` runs on a busy machine too and records nothing.
"""

from __future__ import annotations

import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from workbench import files
from workbench.errors import RunFailed, WorkbenchError
from workbench.evaluation.intervals import crossed_bootstrap

HERE = Path(__file__).resolve().parent
RESULTS, KEPT = HERE / "results", HERE.parent / "runs"
BUSY = 1.2  # load average of the last minute
LIBRARIES = ("torch", "captum", "shap", "lime", "numpy")


@dataclass(frozen=True)
class Timing:
    """Seconds a call: the median and the quartiles of ``n`` calls."""

    median: float
    low: float
    high: float
    n: int

    def over(self, other: Timing) -> float:
        """Return how many times as long this takes as another."""
        return self.median / other.median


@dataclass(frozen=True)
class Table:
    """What a benchmark found: rows of named columns, and in words what was asked and what follows."""

    title: str
    rows: list[dict[str, Any]]
    threads: int = 1
    notes: list[str] = field(default_factory=list)


def interleave(
    calls: Mapping[str, Callable[[], Any]], *, repeats: int = 30, warmup: int = 3
) -> dict[str, Timing]:
    """Time callables in turn, one call of each a round, so that a disturbance meets all of them alike.

    Parameters
    ----------
    calls
        Functions without arguments, by name.
    repeats
        Rounds that are counted. Every round starts with another callable.
    warmup
        Rounds before them that are not.

    Returns
    -------
    dict
        A :class:`Timing` by name, seconds a call.
    """
    names = list(calls)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(warmup + repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            taken = _once(calls[name])
            if turn >= warmup:
                seconds[name].append(taken)
    return {name: summary(values) for name, values in seconds.items()}


def _once(call: Callable[[], Any]) -> float:
    collecting = gc.isenabled()
    gc.disable()
    try:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started
    finally:
        if collecting:
            gc.enable()


def summary(seconds: list[float]) -> Timing:
    """Return the median and the quartiles of some durations."""
    if len(seconds) < 2:
        return Timing(seconds[0], seconds[0], seconds[0], len(seconds))
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(middle, low, high, len(seconds))


def kept(name: str, make: Callable[..., dict[str, Any]], *given: Any, folder: Path = KEPT) -> dict[str, Any]:
    """Return a cell of a long benchmark from its file, which is written as soon as the cell is known.

    Parameters
    ----------
    name
        ``benchmark/cell``: remove the file to measure that cell again.
    make, *given
        Measures it, and what it is called with.
    folder
        Where cells are kept.
    """
    path = folder / f"{name}.json"
    if not path.exists():
        files.write_json(path, make(*given))
        print(f"{name} is known", file=sys.stderr, flush=True)
    return files.read_json(path)


def spread(values: Iterable[float], digits: int = 3) -> str:
    """Return a mean over runs with its 95 % t-interval."""
    known = np.array([v for v in values if v is not None and np.isfinite(v)])
    if len(known) < 2:
        return f"{known.mean():.{digits}f}" if len(known) else "-"
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    low, high = known.mean() - half, known.mean() + half
    return f"{known.mean():.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def pooled(differences: np.ndarray) -> str:
    """Return a mean difference in points of shares ``(runs, inputs)``, with the interval of a bootstrap over both."""
    found = crossed_bootstrap(100 * differences)
    return f"{found.value:+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def machine(threads: int) -> dict[str, Any]:
    """Name the machine, the versions and the day."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
        "threads": threads,
        "date": date.today().isoformat(),
    }


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def require_quiet(load: float | None = None) -> None:
    """Refuse to measure on a busy machine; by default asks for the load average of the last minute."""
    load = os.getloadavg()[0] if load is None else load
    if load > BUSY:
        raise RunFailed(
            f"The load average of the last minute is {load:.2f}",
            f"at most {BUSY} when a benchmark starts, because a busy machine changes ratios as well",
            "Wait until the machine is quiet, or look at the numbers with --force, which records nothing",
        )


def run(measure: Callable[[], Table], *, timed: bool = True) -> None:
    """Measure and record as ``results/<name>``, named after the script; the last line of every benchmark.

    What measures quality and not time (``timed=False``) does not mind a busy machine, and keeps to one thread.
    """
    force = "--force" in sys.argv[1:]
    name = Path(sys.argv[0]).stem.removeprefix("bench_")
    try:
        if timed and not force:
            require_quiet()
        if not timed:
            torch.set_num_threads(1)
        table = measure()
        print(markdown(table, machine(table.threads)))
        print("nothing recorded (--force)" if force else f"recorded: {record(name, table)}")
    except WorkbenchError as problem:
        raise SystemExit(str(problem)) from None


def record(name: str, table: Table, folder: Path = RESULTS) -> Path:
    """Write a table as JSON and as Markdown, with the machine; return the path of the Markdown."""
    where = machine(table.threads)
    files.write_json(folder / f"{name}.json", asdict(table) | {"machine": where})
    return files.write_text(folder / f"{name}.md", markdown(table, where))


def markdown(table: Table, where: Mapping[str, Any]) -> str:
    """Return a table as Markdown, with its notes and the machine below it."""
    columns = list(table.rows[0])
    lines = [
        f"# {table.title}",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(_cell(row[column]) for column in columns) + " |" for row in table.rows),
        "",
        *(f"- {note}" for note in table.notes),
        "- Machine: " + ", ".join(f"{name} {value}" for name, value in where.items()),
    ]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main(arguments: list[str]) -> int:
    """Run every benchmark in a process of its own; wait in between until the last one's load is gone."""
    failed = 0
    for number, script in enumerate(sorted(HERE.glob("bench_*.py"))):
        if number and "--force" not in arguments:
            _wait_for_quiet()
        print(f"[{script.stem}]", flush=True)
        failed += subprocess.run([sys.executable, str(script), *arguments]).returncode != 0
    return failed


def _wait_for_quiet(patience: float = 180) -> None:
    end = time.monotonic() + patience
    while os.getloadavg()[0] > BUSY and time.monotonic() < end:
        time.sleep(5)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
