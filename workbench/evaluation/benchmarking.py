"""``benchmark``: the league table of methods by metrics over models, finished cell by cell, resumed where it stopped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from .. import files
from ..data.records import Data, Split
from ..errors import BadInput, WorkbenchError
from ..explanation.door import explain
from ..explanation.registry import attributing
from ..explanation.registry import look_up as method_called
from ..explanation.result import Explanation
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from .judging import DEFAULT, evaluate
from .league import Cell, League
from .registry import look_up
from .scores import Column

Options = dict[str, dict[str, Any]]


def benchmark(
    methods: str | Iterable[str] | Mapping[str, Mapping],
    metrics: str | Iterable[str] | Mapping[str, Mapping] = DEFAULT,
    models: Any = None,
    data: Data | None = None,
    *,
    n: int = 100,
    output: str = "probability",
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = True,
    verbose: bool = True,
) -> League:
    """Judge methods by metrics over models, on the first test rows, with floors beside every faithfulness score.

    Parameters
    ----------
    methods, metrics
        Names, or dictionaries of names and options.
    models
        A model, a list, or a dictionary of names and models.
    data
        Test rows are explained; training rows make floors.
    n
        How many test rows.
    output
        What is watched while features are hidden, as in :func:`workbench.evaluate`.
    seed
        Of the methods' and the metrics' draws.
    out
        A folder. Every cell is written there whole as soon as it is known; without it nothing is kept on disk.
    resume
        Take finished cells from ``out``, if they are of the same model, rows, method, metric, options and seed.
    verbose
        Show progress.

    Returns
    -------
    League
        ``.table()``, ``.ranking()``, ``.plot()``; what could not be judged is in ``.refused`` with the reason.

    Raises
    ------
    UnknownName
        No such method or metric.
    BadInput
        A misspelt option, no models, no data, or a method that gives no attributions of rows.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("breast_cancer")
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=3, verbose=False)
    >>> wb.benchmark(("saliency", "integrated_gradients"), ("deletion", "sparseness"), net, data, n=20, verbose=False)
    League(1 model, 2 methods, 2 metrics; 20 rows; 0 refused)
    """
    asked, judges = _named(methods), _named(metrics)
    _check(asked, judges, data, n)
    assert isinstance(data, Data)
    lent, rows = named_models(models), data.test[:n]
    desk = _Desk(rows, data, judges, output, seed, None if out is None else files.folder(out), resume)
    with tqdm(
        total=len(lent) * len(asked), unit="explanation", desc="benchmark", disable=not verbose, leave=False
    ) as bar:
        for name, model in lent.items():
            for method, options in asked.items():
                bar.set_postfix_str(f"{method}, {name}")
                desk.judge(name, model, method, options)
                bar.update()
    facts = {"data": data.name, "output": output, "seed": seed, "methods": asked, "metrics": judges}
    return League(
        tuple(desk.cells), tuple(desk.refused), rows.clusters, data.wording.noun, files.plain(facts)
    )


class _Desk:
    """Where cells are collected: from disk, or made and written at once."""

    def __init__(
        self,
        rows: Split,
        data: Data,
        metrics: Options,
        output: str,
        seed: int,
        folder: Path | None,
        resume: bool,
    ) -> None:
        self.rows, self.data, self.metrics, self.output, self.seed = rows, data, metrics, output, seed
        self.folder, self.resume = folder, resume
        self.cells: list[Cell] = []
        self.refused: list[tuple[str, str, str, str]] = []

    def judge(self, name: str, model: Any, method: str, options: dict[str, Any]) -> None:
        """Explain by one method and judge by all metrics that have not judged it yet."""
        paths = {metric: self._path(name, model, method, options, metric) for metric in self.metrics}
        known = {metric: self._found(path, name) for metric, path in paths.items()}
        missing = [metric for metric, cell in known.items() if cell is None]
        made = self._made(name, model, method, options, missing) if missing else {}
        for metric in self.metrics:
            cell = known[metric] or made.get(metric)
            if cell is None:
                continue
            if self.folder is not None and metric in made:
                files.write_json(paths[metric], cell.plain())  # type: ignore[arg-type]
            self.cells.append(cell)

    def _made(
        self, name: str, model: Any, method: str, options: dict[str, Any], metrics: list[str]
    ) -> dict[str, Cell]:
        try:
            e = explain(model, self.rows, method, data=self.data, seed=self.seed, **options)
        except WorkbenchError as problem:
            self.refused.append((name, method, "", str(problem)))
            return {}
        found = {}
        for metric, scores in self._scored(name, model, method, e, metrics).items():
            column, entry = scores.columns[metric], look_up(metric)
            floor = _floor(column)
            best = (
                scores.flags.get(f"{metric} floor", "")
                .removeprefix(f"The best floor of {metric} is ")
                .removesuffix(".")
            )
            found[metric] = Cell(name, method, metric, entry.category, entry.direction, column.values, floor, best, e.seconds, e.n_forward,
                                 tuple(e.flags))  # fmt: skip
        return found

    def _scored(
        self, name: str, model: Any, method: str, e: Explanation, metrics: list[str]
    ) -> dict[str, Any]:
        """Judge by all metrics at once, which share their floors; one by one where some metric cannot."""
        try:
            scores = evaluate(
                e,
                model,
                {m: self.metrics[m] for m in metrics},
                data=self.data,
                output=self.output,
                seed=self.seed,
            )
            return dict.fromkeys(metrics, scores)
        except WorkbenchError as problem:
            if len(metrics) == 1:
                self.refused.append((name, method, metrics[0], str(problem)))
                return {}
        each = [self._scored(name, model, method, e, [metric]) for metric in metrics]
        return {metric: scores for found in each for metric, scores in found.items()}

    def _path(self, name: str, model: Any, method: str, options: dict[str, Any], metric: str) -> Path:
        facts = [
            fingerprint(model),
            self.data.fingerprint,
            len(self.rows),
            method,
            options,
            metric,
            self.metrics[metric],
            self.output,
            self.seed,
        ]
        key = files.sha256(json.dumps(files.plain(facts), sort_keys=True).encode())[:16]
        return (self.folder or Path()) / f"{method}-{metric}-{key}.json"

    def _found(self, path: Path, name: str) -> Cell | None:
        """Return a finished cell under the model's name in this call; None where there is none, or a damaged one."""
        if self.folder is None or not self.resume or not path.exists():
            return None
        try:
            return Cell.from_plain({**files.read_json(path), "model": name})
        except (WorkbenchError, KeyError, TypeError, ValueError):
            return None  # Made again, and written over.


def _floor(column: Column) -> np.ndarray | None:
    """Return the floor of each row, None where the metric has none."""
    floor = np.broadcast_to(np.asarray(column.floor, dtype=float), column.values.shape)
    return floor if np.isfinite(floor).any() else None


def _named(given: Any) -> Options:
    asked = [given] if isinstance(given, str) else given
    return (
        {name: dict(options or {}) for name, options in asked.items()}
        if isinstance(asked, Mapping)
        else {name: {} for name in asked}
    )


def _check(methods: Options, metrics: Options, data: Any, n: Any) -> None:
    """Refuse before anything is computed."""
    if not isinstance(data, Data):
        raise BadInput(
            f"data is a {type(data).__name__}",
            "Data, with test rows to explain",
            "Use wb.load or wb.from_arrays",
        )
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise BadInput(f"n is {n!r}", "a number of rows, at least one", "100 are a good number")
    if not methods or not metrics:
        raise BadInput(
            "There are no methods or no metrics", "at least one of each", "See wb.methods() and wb.metrics()"
        )
    for name in methods:
        if method_called(name).scope == "global" or not attributing(name):
            raise BadInput(
                f"{name} gives no attributions of rows",
                "methods with a map a row",
                "Choose among wb.methods()",
            )
    for name, options in metrics.items():
        look_up(name).checked(options)


def named_models(given: Any) -> dict[str, Any]:
    """Return models by name: those of a dictionary, or after their classes."""
    if given is None or (isinstance(given, (list, tuple, Mapping)) and not given):
        raise BadInput(
            "There are no models", "a model, a list, or a dictionary of names and models", "Pass models="
        )
    named = (
        given
        if isinstance(given, Mapping)
        else dict(_numbered(given if isinstance(given, (list, tuple)) else [given]))
    )
    return {str(name): unwrap(model) for name, model in named.items()}


def _numbered(models: Any) -> Iterable[tuple[str, Any]]:
    """Name models after their classes, numbered where several are of one."""
    kinds = [type(unwrap(model)).__name__ for model in models]
    return (
        (f"{kind} {kinds[:i].count(kind) + 1}" if kinds.count(kind) > 1 else kind, model)
        for i, (kind, model) in enumerate(zip(kinds, models, strict=True))
    )
