"""Every error of the workbench says three things: what is wrong, what was expected, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class WorkbenchError(Exception):
    """The base of all errors raised on purpose.

    Parameters
    ----------
    wrong
        What is wrong, with the value received.
    expected
        What would have been right.
    todo
        What the reader can do about it.
    """

    def __init__(self, wrong: str, expected: str, todo: str) -> None:
        self.wrong, self.expected, self.todo = wrong, expected, todo
        super().__init__(wrong, expected, todo)

    def __str__(self) -> str:
        return " ".join(_ended(part) for part in (self.wrong, f"Expected: {self.expected}", self.todo))


class BadInput(WorkbenchError, ValueError):
    """An argument or its content cannot be used."""


class TooFew(BadInput):
    """A number of samples is too small; ``least`` is the smallest that works."""

    def __init__(self, wrong: str, least: int, todo: str) -> None:
        self.least = least
        super().__init__(wrong, f"at least {least}", todo)

    def __reduce__(self) -> tuple:
        return TooFew, (self.wrong, self.least, self.todo)


class UnknownName(WorkbenchError, LookupError):
    """A name that is not in the list; the message holds the list."""


class BadFile(WorkbenchError, OSError):
    """A file or a folder cannot be read, trusted or written."""

    __str__ = WorkbenchError.__str__


class NotExplainable(WorkbenchError, TypeError):
    """This method cannot explain this model; the message says which can."""


class RunFailed(WorkbenchError, RuntimeError):
    """A notebook stopped before its end; what was done is kept."""


def unknown(what: str, name: object, known: Iterable[str]) -> UnknownName:
    """Return the error for a name that is not in the list, with the nearest known one first.

    Examples
    --------
    >>> print(unknown("method", "salency", ["lime", "saliency"]))
    There is no method called 'salency'. Expected: one of lime, saliency. Did you mean 'saliency'?
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1)
    todo = f"Did you mean {near[0]!r}?" if near else f"Choose a {what} from the list"
    return UnknownName(f"There is no {what} called {name!r}", f"one of {', '.join(names)}", todo)


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith(("?", ".")) else sentence + "."
