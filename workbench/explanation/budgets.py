"""A budget: as many samples as some seconds, or some model evaluations, allow."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from ..errors import BadInput, TooFew
from .registry import Method, table

FIRST = 16  # samples of the first try
AIM = 0.85  # of what is left in seconds: a machine may slow down meanwhile
WORTH = 1.5  # a longer try that is not so many times as long is not made


@dataclass(frozen=True)
class Budget:
    """So many seconds, or so many evaluations of the model; one of them is None."""

    seconds: float | None = None
    evaluations: int | None = None

    def left(self, started: float, evaluations: int) -> float:
        """Return what is left, in seconds or evaluations."""
        if self.seconds is not None:
            return self.seconds - (time.perf_counter() - started)
        return float((self.evaluations or 0) - evaluations)


def budget_of(given: Any, entry: Method) -> Budget:
    """Return a budget for a method that draws samples; see :func:`read`.

    Raises
    ------
    BadInput
        Another text or number, or a method that draws no samples.
    """
    if entry.spends is None:
        can = ", ".join(sorted(name for name, m in table().items() if m.spends))
        raise BadInput(
            f"{entry.name} was given budget={given!r}", "a method that draws samples", f"These do: {can}"
        )
    return read(given)


def read(given: Any) -> Budget:
    """Return a budget out of ``"2s"``, ``"500ms"``, ``"1min"`` or a number of evaluations.

    Examples
    --------
    >>> read("1min"), read(5000)
    (Budget(seconds=60.0, evaluations=None), Budget(seconds=None, evaluations=5000))
    """
    if isinstance(given, Integral) and not isinstance(given, bool) and int(given) > 0:
        return Budget(evaluations=int(given))
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|min)\s*", given) if isinstance(given, str) else None
    if found is None or float(found[1]) == 0:
        raise BadInput(f"budget is {given!r}", "seconds such as '2s', '500ms' or '1min', or a number of evaluations above 0",
                       "Correct it")  # fmt: skip
    return Budget(seconds=float(found[1]) * {"ms": 0.001, "s": 1, "min": 60}[found[2]])


def spent(
    budget: Budget, run: Callable[[int], dict[str, Any]], started: float
) -> tuple[dict[str, Any], int, int]:
    """Run a method with more and more samples until the budget is spent; return the last result.

    Parameters
    ----------
    budget
        What may be spent, from ``started`` on.
    run
        Runs the method with so many samples; its result says ``n_forward``.
    started
        ``time.perf_counter()`` when the call began.

    Returns
    -------
    tuple
        The result, its number of samples, and the evaluations of all tries. The next try is as large as
        the last one's cost a sample allows, so that little is spent on the tries before the last.
    """
    n, before = FIRST, time.perf_counter()
    try:
        result = run(n)
    except TooFew as few:
        n = few.least
        result = run(n)
    evaluations = result["n_forward"]
    while True:
        cost = time.perf_counter() - before if budget.seconds is not None else result["n_forward"]
        share = AIM if budget.seconds is not None else 1.0
        more = int(n * share * max(0.0, budget.left(started, evaluations)) / cost)
        exact = result["facts"].get("error") == 0.0
        if exact or more < WORTH * n:
            return result, n, evaluations
        n, before = more, time.perf_counter()
        result = run(n)
        evaluations += result["n_forward"]
