"""Who works on the shards of a long explanation: this process, or whatever has ``submit(function, *args)``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import BadInput


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
def workers(scheduler: Any) -> Iterator[Any]:
    """Lend something that can submit; what was started for it is ended."""
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


def sent(model: Any, to: Any) -> Any:
    """Send the model to all workers once, where the scheduler can; it travels with each shard otherwise."""
    return to.scatter([model], broadcast=True)[0] if hasattr(to, "scatter") else model
