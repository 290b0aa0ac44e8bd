"""``explain_dataset``: a whole split, shard by shard, into a folder; killed in the middle, it goes on.

Random draws belong to a row's place in the whole split, so that the numbers depend neither on how many rows
are a shard nor on where a run was interrupted. (The last bits of a float may: sums have another order in
batches of another size.)
"""

from __future__ import annotations

import hashlib
import inspect
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from .. import files
from ..data.parts import Parts
from ..data.records import Data, Split
from ..errors import BadInput
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from . import budgets, entrance
from .budgets import Budget
from .door import explain
from .entrance import Given
from .registry import Method, look_up, require
from .result import Explanation
from .score import batch_rows
from .shards import INDEX, Shards, opened

AHEAD = 64  # shards that wait at a scheduler at most: results are held until it is their turn to be written
BY_ROW = ("target", "baselines", "feature_mask")
ASIDE = ("data", "budget")  # what explain takes and is not part of the question
_ONE_AT_A_TIME = threading.Lock()  # a model is lent to one call at a time, also where workers are threads


def explain_dataset(
    model: Any,
    split: Any,
    *,
    method: str,
    out: str | Path,
    resume: bool = True,
    budget: str | int | None = None,
    scheduler: Any = None,
    batch: int | None = None,
    data: Data | None = None,
    verbose: bool = True,
    **options: Any,
) -> Shards:
    """Explain every row of a split into a folder, a shard at a time; called again, it goes on where it stopped.

    The numbers are those of one call of :func:`explain` on all rows: random draws belong to a row's place in
    the split. Memory is bounded by a shard. An interrupt (the stop button), a kill, a full disk lose the shard
    that was being made, no other. What is in the folder already is read and held against its SHA-256; a
    damaged shard is made again, with a warning.

    Parameters
    ----------
    model
        As for :func:`explain`. A callable is told from another by its name and code alone.
    split
        Rows as for :func:`explain`, such as ``data.test``.
    method
        One local method of :func:`methods`.
    out
        A folder: new, empty, or of the same call that was stopped.
    resume
        Go on with what is there; with False a folder that holds shards is refused.
    budget
        For this call in all: ``"60s"``, ``"5min"`` or a number of model evaluations. A shard is begun only if it
        should still fit, judged by the mean of those before; the first is always made. Not the ``budget`` of
        :func:`explain`, which is for one call.
    scheduler
        Who works: None, this process; anything with ``submit(function, *args)`` that returns something with
        ``result()`` and ``cancel()``, such as an executor of ``concurrent.futures`` or a client of Dask;
        ``"dask"`` starts one for the call (the extra ``distributed``). A scheduler with ``scatter`` is sent the
        model once; others are given it with each shard. One process works on one shard at a time, threads
        included. Only this process writes.
    batch
        Rows a shard; by default as many as fill a batch that stays in cache, or what the folder has.
    data
        Gives names, and turns raw rows into what the model takes.
    verbose
        Show progress.
    **options
        All other arguments of :func:`explain` (``target``, ``output``, ``baselines``, ``seed``, ...) and the
        method's options; an array with an entry for each row goes along with its row.

    Returns
    -------
    Shards
        ``.load()`` is one explanation of all rows; iterating gives one shard at a time; ``.complete``,
        ``.table()``. ``wb.Shards.read(out)`` opens it later, without the model.

    Raises
    ------
    BadFile
        The folder cannot be written to, or holds something else: another model, method, setting or row.
    BadInput
        Wrong rows, a misspelt option, a scheduler that cannot submit.
    NotExplainable
        The method cannot explain this model.

    Examples
    --------
    >>> import tempfile, workbench as wb
    >>> data = wb.load("mnist").subset(train=300, test=50)
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=2, verbose=False)
    >>> folder = tempfile.mkdtemp()
    >>> shards = wb.explain_dataset(net, data.test, method="saliency", out=folder, batch=20, verbose=False)
    >>> shards.complete, len(shards.table()), shards.load()
    (True, 3, Explanation(saliency of the logit, values 50x1x28x28))
    """
    model, entry = unwrap(model), _local(method)
    given, asked = _asked(entry, model, split, data, options)
    limit = None if budget is None else budgets.read(budget)
    with _workers(scheduler) as workers:
        job = _job(entry, model, given, asked, _size(batch, given, out))
        shards, damaged = opened(out, job, _versions(), resume).without_damaged()
        _warn_of(shards, damaged)
        task = _Task(entry.name, given, asked, data)
        ahead = 1 if scheduler is None else AHEAD
        return _completed(shards, task, _sent(model, workers), workers, ahead, _Purse(limit), verbose)


def _local(method: Any) -> Method:
    if not isinstance(method, str):
        raise BadInput(
            f"method is {method!r}", "the name of one method", "Call once for each, with a folder of its own"
        )
    entry = look_up(method)
    if entry.scope != "local":
        raise BadInput(f"{method} explains the model, not rows", "a local method", "Use wb.explain")
    return entry


def _asked(
    entry: Method, model: Any, split: Any, data: Data | None, options: dict
) -> tuple[Given, dict[str, Any]]:
    """Return checked rows, and every argument of ``explain`` with its default: what a shard is asked with."""
    if isinstance(split, Data):
        raise BadInput("split is a whole Data", "rows of it", "Pass data.test")
    common = {
        p.name: p.default for p in inspect.signature(explain).parameters.values() if p.kind is p.KEYWORD_ONLY
    }
    own = entry.checked({name: value for name, value in options.items() if name not in common})
    asked = {name: options.get(name, default) for name, default in common.items() if name not in ASIDE}
    given = entrance.given(split, model, data, asked["background"])
    x: Any = given.x
    if not _count(given):
        raise BadInput("split holds no rows", "at least one", "Pass rows such as data.test")
    given.part(slice(1)).rows()
    if any(not np.isfinite(x[at : at + 1024]).all() for at in range(0, len(x), 1024)):
        given.rows()  # Says which row.
    require(entry, model, given.kind)
    asked |= {name: _array(asked[name], given) for name in BY_ROW}
    _check_lengths(asked, given)
    return given, {**asked, "background": given.background, **own}


def _check_lengths(asked: dict[str, Any], given: Given) -> None:
    """Refuse rows of something that are not as many as the split's: they could be as many as a shard's."""
    for name in BY_ROW:
        shape, axes = np.shape(asked[name]), _axes(name, given)
        if len(shape) == axes and shape[0] not in (1, _count(given)):
            raise BadInput(f"{name} has {shape[0]} rows for {_count(given)} rows of the split", "one, or one for each",
                           "Match them")  # fmt: skip


def _axes(name: str, given: Given) -> int:
    """Return how many axes an argument has that has an entry for each row."""
    x: Any = given.x
    return 1 if name == "target" else x.ndim


def _array(value: Any, given: Given) -> Any:
    """Return the rows of a split, and one array of a tuple that has a part for each of several inputs."""
    value = value.x if isinstance(value, Split) else value
    return given.codec.joined(value) if isinstance(value, tuple) and isinstance(given.codec, Parts) else value


def _size(batch: Any, given: Given, out: str | Path) -> int:
    """Return how many rows are a shard: as asked, else as in the folder, else a batch that stays in cache."""
    if batch is None:
        index = Path(out).expanduser() / INDEX
        return Shards.read(out).job["batch"] if index.exists() else batch_rows(given.part(slice(1)).rows())
    if not isinstance(batch, Integral) or isinstance(batch, bool) or batch < 1:
        raise BadInput(f"batch is {batch!r}", "a whole number of rows above 0", "Leave it out")
    return int(batch)


def _job(entry: Method, model: Any, given: Given, asked: dict[str, Any], batch: int) -> dict[str, Any]:
    """Return what decides the numbers, as JSON can hold it; arrays by their SHA-256."""
    settings = {name: _told(value) for name, value in asked.items() if value is not None}
    inputs = [_told(given.x), _told(given.row_ids), files.sha256(repr(given.texts).encode())]
    return files.plain({"model": fingerprint(model), "method": entry.name, "settings": settings,
                        "rows": _count(given), "inputs": inputs, "batch": batch})  # fmt: skip


def _count(given: Given) -> int:
    return 0 if given.x is None else len(given.x)


def _told(value: Any) -> Any:
    """Return a setting as it stands in an index."""
    value = getattr(value, "x", value)  # of a Split
    if isinstance(value, dict):
        return {str(name): _told(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_told(part) for part in value]
    if isinstance(value, torch.Tensor):
        value = value.numpy(force=True)
    if isinstance(value, np.ndarray) and value.ndim:
        digest = hashlib.sha256(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)  # hashed where it lies, not copied
        return digest.hexdigest()
    return value


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "captum", "numpy")}


def _warn_of(shards: Shards, damaged: Sequence[str]) -> None:
    if damaged:
        warnings.warn(
            f"{', '.join(damaged)} in {shards.path}: missing or damaged, and made again", stacklevel=3
        )
    if shards.done and (other := shards.made_with) != _versions():
        told = ", ".join(f"{name} {number}" for name, number in other.items())
        warnings.warn(
            f"The shards in {shards.path} were made with {told}: last bits may differ", stacklevel=3
        )


@dataclass(frozen=True)
class _Task:
    """What is explained, and how: everything but the model."""

    method: str
    given: Given
    asked: dict[str, Any]
    data: Data | None

    def of(self, rows: slice) -> tuple[Any, ...]:
        """Return the arguments of :func:`_explain_part` for some rows."""
        names = (
            None if self.data is None else self.data.subset(train=1, valid=1, test=1)
        )  # names alone travel
        return self.given.part(rows), self.method, self._asked_of(rows), names

    def _asked_of(self, rows: slice) -> dict[str, Any]:
        n = _count(self.given)
        own = {name: _rows(self.asked[name], rows, n, _axes(name, self.given)) for name in BY_ROW}
        return {**self.asked, **own, "forward_kwargs": self._beside(rows, n)}

    def _beside(self, rows: slice, n: int) -> dict[str, Any] | None:
        """Return what goes along to the forward; what is as long as the shard and not the split would be mistaken."""
        beside = self.asked["forward_kwargs"]
        for name, value in (beside or {}).items():
            length = getattr(value, "shape", (0,))[:1]
            if length == (len(range(n)[rows]),) and length != (n,):
                raise BadInput(f"{name} in forward_kwargs has {length[0]} entries, as many as a shard has rows",
                               "one for each row of the split, or another number", "Choose another batch")  # fmt: skip
        return beside and {name: _rows(value, rows, n) for name, value in beside.items()}


def _rows(value: Any, rows: slice, n: int, axes: int | None = None) -> Any:
    """Return the rows of an argument that has an entry for each of the ``n``, and any other as it is."""
    shape: tuple = np.shape(value) if axes else getattr(value, "shape", ())
    return value[rows] if shape[:1] == (n,) and axes in (None, len(shape)) else value


def _explain_part(
    model: Any, part: Given, method: str, asked: dict[str, Any], data: Data | None
) -> Explanation:
    """Explain some rows of a whole; this runs wherever the scheduler's workers are."""
    with _ONE_AT_A_TIME:
        return explain(model, part, method, data=data, **asked)


@dataclass
class _Purse:
    """What a call may spend, and has spent."""

    budget: Budget | None
    evaluations: int = 0
    answers: int = 0
    started: float = field(default_factory=time.perf_counter)

    def affords(self, under_way: int) -> bool:
        """Whether one more shard should fit; until the first is paid nobody knows what one costs."""
        if self.budget is None or not self.answers:
            return self.budget is None or under_way == 0
        if self.budget.seconds is not None:
            mean = (time.perf_counter() - self.started) / self.answers
            return mean <= self.budget.left(self.started, self.evaluations)
        mean = self.evaluations / self.answers
        return (under_way + 1) * mean <= self.budget.left(self.started, self.evaluations)

    def pay(self, e: Explanation) -> None:
        """Note what a shard cost."""
        self.evaluations, self.answers = self.evaluations + e.n_forward, self.answers + 1


def _completed(
    shards: Shards, task: _Task, model: Any, workers: Any, ahead: int, purse: _Purse, verbose: bool
) -> Shards:
    """Make what is missing, as far as the budget and the user let it; say where it stopped."""

    def submit(number: int) -> Any:
        return workers.submit(_explain_part, model, *task.of(shards.span(number)))

    why = "The budget is spent"
    bar = tqdm(
        total=shards.n, initial=len(shards), unit="row", desc=task.method, disable=not verbose, leave=False
    )
    with bar, closing(_answers(deque(shards.missing), submit, ahead, purse)) as answers:
        try:
            for number, e in answers:
                shards = shards.added(number, e)
                bar.update(len(e))
        except KeyboardInterrupt:
            why = "Interrupted"
    if not shards.complete:
        warnings.warn(f"{why}: {len(shards):,} of {shards.n:,} rows are explained in {shards.path}. The same call goes on.",
                      stacklevel=3)  # fmt: skip
    return shards


def _answers(
    missing: deque[int], submit: Callable[[int], Any], ahead: int, purse: _Purse
) -> Generator[tuple[int, Explanation], None, None]:
    """Yield shards in their order, a few of them under way at a time; what waits is called off in the end."""
    waiting: deque[tuple[int, Any]] = deque()
    try:
        while missing or waiting:
            while missing and len(waiting) < ahead and purse.affords(len(waiting)):
                number = missing.popleft()
                waiting.append((number, submit(number)))
            if not waiting:
                return
            number, future = waiting.popleft()
            e = future.result()
            purse.pay(e)
            yield number, e
    finally:
        for _, future in waiting:
            future.cancel()


class _Here:
    """The scheduler that is none: work is done in this process, when its result is asked for."""

    def submit(self, function: Callable, *args: Any) -> _Later:
        return _Later(function, args)


@dataclass(frozen=True)
class _Later:
    function: Callable
    args: tuple[Any, ...]

    def result(self) -> Any:
        return self.function(*self.args)

    def cancel(self) -> None:
        """Nothing was begun."""


@contextmanager
def _workers(scheduler: Any) -> Iterator[Any]:
    if scheduler is None:
        yield _Here()
    elif scheduler == "dask":
        with _dask().Client() as client:
            yield client
    elif callable(getattr(scheduler, "submit", None)):
        yield scheduler
    else:
        raise BadInput(f"scheduler is {scheduler!r}", "None, 'dask', or an object with submit(function, *args)",
                       "Pass an executor of concurrent.futures, or a client of Dask")  # fmt: skip


def _dask() -> Any:
    try:
        import distributed
    except ImportError as problem:
        raise BadInput("scheduler is 'dask', which is not installed", "the packages dask and distributed",
                       "Install the extra: pip install 'interpretability-workbench[distributed]'") from problem  # fmt: skip
    return distributed


def _sent(model: Any, workers: Any) -> Any:
    """Send the model to all workers once, where the scheduler can; it travels with each shard otherwise."""
    return workers.scatter([model], broadcast=True)[0] if hasattr(workers, "scatter") else model
