"""``explain_dataset``: a whole split, shard by shard, into a folder; killed in the middle, it goes on.

Random draws belong to a row's place in the whole split, so that the numbers depend neither on how many rows
are a shard nor on where a run was interrupted. (The last bits of a float may: sums have another order in
batches of another size.)
"""

from __future__ import annotations

import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..data.records import Data
from ..errors import BadInput
from ..zoo.holder import unwrap
from . import budgets
from .budgets import Budget
from .registry import Method, look_up
from .result import Explanation
from .shards import INDEX, Shards, opened
from .task import Task, explain_part, prepared
from .workers import sent, workers

AHEAD = 64  # shards that wait at a scheduler at most: results are held until it is their turn to be written


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
    (True, 3, Explanation(saliency of the logit, values 50x1x28x28, [ok] sound))
    """
    model = unwrap(model)
    task = prepared(_local(method), model, split, data, options)
    purse = _Purse(None if budget is None else budgets.read(budget))
    with workers(scheduler) as crew:
        job = task.job(model, _size(batch, task, out))
        shards, damaged = opened(out, job, _versions(), resume).without_damaged()
        _warn_of(shards, damaged)
        return _completed(
            shards, task, sent(model, crew), crew, 1 if scheduler is None else AHEAD, purse, verbose
        )


def _local(method: Any) -> Method:
    if not isinstance(method, str):
        raise BadInput(
            f"method is {method!r}", "the name of one method", "Call once for each, with a folder of its own"
        )
    entry = look_up(method)
    if entry.scope != "local":
        raise BadInput(f"{method} explains the model, not rows", "a local method", "Use wb.explain")
    return entry


def _size(batch: Any, task: Task, out: str | Path) -> int:
    """Return how many rows are a shard: as asked, else as in the folder, else a batch that stays in cache."""
    if batch is None:
        index = Path(out).expanduser() / INDEX
        return Shards.read(out).job["batch"] if index.exists() else task.cached
    if not isinstance(batch, Integral) or isinstance(batch, bool) or batch < 1:
        raise BadInput(f"batch is {batch!r}", "a whole number of rows above 0", "Leave it out")
    return int(batch)


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
    shards: Shards, task: Task, model: Any, crew: Any, ahead: int, purse: _Purse, verbose: bool
) -> Shards:
    """Make what is missing, as far as the budget and the user let it; say where it stopped."""

    def submit(number: int) -> Any:
        return crew.submit(explain_part, model, *task.of(shards.span(number)))

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
