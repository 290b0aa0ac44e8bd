"""What a notebook hands to its run: numbers, short texts, and findings held against an expectation.

They travel as cell outputs of a media type of their own, next to the line a person reads. So the
executed notebook alone carries them, and nothing is lost when a kernel dies.
"""

from __future__ import annotations

import ast
import operator
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import files, html
from ..errors import BadInput, WorkbenchError

MEDIA_TYPE = "application/vnd.workbench.record+json"
ASSERTED = "WORKBENCH_ASSERT_FINDINGS"
_LONGEST = 200
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_GRAMMAR = (
    "something such as '> .9', '<= 1', \"== 'moved'\", 'between .9 and 1' or \"in ['moved', 'cannot tell']\""
)


_STAND_INS: set[str] = set()  # models of this notebook that stand in for a walk's: nothing is asserted then


class UnexpectedFinding(WorkbenchError, AssertionError):
    """A finding that did not come out as expected, in a run with the default parameters."""


@dataclass(frozen=True)
class Entry:
    """One thing a notebook recorded; it shows itself as a line."""

    name: str
    value: float | int | str | bool | None
    expectation: str | None = None
    holds: bool | None = None

    def __repr__(self) -> str:
        stated = f"{self.name} = {html.words(html.value(self.value))}"
        return stated if self.holds is None else f"{self._verdict}: {stated} (expected {self.expectation})"

    @property
    def _verdict(self) -> str:
        return "✓ as expected" if self.holds else "✗ NOT as expected"

    def _as_html(self) -> str:
        if self.holds is None:
            return html.tag("p", f"{self.name}: ", html.strong(html.value(self.value)), class_="small")
        tone = "finding" if self.holds else "finding not"
        rest = f": {self.name} = {html.words(html.value(self.value))} (expected {self.expectation})"
        return html.tag("p", html.tag("b", self._verdict), rest, class_=tone)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {MEDIA_TYPE: vars(self), "text/plain": repr(self), "text/html": str(self._as_html())}


def record(name: str, value: Any) -> None:
    """Keep a number or a short text under a name, in the notebook and in the ``run.json`` of its run.

    Parameters
    ----------
    name
        The name; recorded twice, the later value counts.
    value
        A number, a bool or a text of at most 200 characters. NaN and infinity are kept as null.

    Raises
    ------
    BadInput
        If the value is anything else: a table or an array belongs in a file.

    Examples
    --------
    >>> record("accuracy", 0.98234)
    accuracy = 0.9823
    """
    _show(Entry(name, _small(name, value)))


def finding(name: str, value: Any, expectation: str) -> None:
    """Hold a value against what was expected, show the answer in words, and keep both.

    A law holds for all data and is an ``assert``; a finding holds for some. It is shown either way and
    stops the notebook only in a run with its default parameters.

    Parameters
    ----------
    name
        What was found, in a few words.
    value
        A number, a bool or a short text.
    expectation
        ``"> .9"``, ``"<= 1"``, ``"== 'moved'"``, ``"between .9 and 1"`` (both ends included) or
        ``"in ['moved', 'cannot tell']"``. NaN meets no expectation.

    Raises
    ------
    BadInput
        If the expectation cannot be read, or does not fit the value.
    UnexpectedFinding
        If it did not hold and the notebook runs with its default parameters.

    Examples
    --------
    >>> finding("answers kept", 0.992, ">= .95")
    ✓ as expected: answers kept = 0.992 (expected >= .95)
    """
    value = _small(name, value)
    entry = Entry(name, value, expectation, meets(value, expectation))
    _show(entry)
    if not entry.holds and os.environ.get(ASSERTED) == "1" and not _STAND_INS:
        raise UnexpectedFinding(
            f"{name} is {value!r}",
            f"{expectation}, with the default parameters",
            "Find out what changed: the code, a version, or the expectation itself",
        )


def stand_in(name: str) -> None:
    """Note that a model of this notebook only stands in for a walk's: from here on findings are not asserted."""
    _STAND_INS.add(name)


def meets(value: Any, expectation: str) -> bool:
    """Say whether a value meets an expectation; nothing in the expectation is ever executed.

    Examples
    --------
    >>> meets(0.96, "> .95"), meets("moved", "in ['moved', 'cannot tell']"), meets(2, "between 0 and 1")
    (True, True, False)
    """
    between = re.fullmatch(r"\s*between\s+(\S+)\s+and\s+(\S+)\s*", expectation)
    if between:
        low, high = (_literal(part, expectation) for part in between.groups())
        return _compare(operator.le, low, value, expectation) and _compare(
            operator.le, value, high, expectation
        )
    parts = re.fullmatch(r"\s*(>=|<=|==|!=|>|<|in\b)\s*(.+?)\s*", expectation, re.DOTALL)
    if not parts:
        raise _unreadable(expectation)
    sign, wanted = parts[1], _literal(parts[2], expectation)
    if sign == "in":
        return value in _texts(wanted, expectation)
    return _compare(_COMPARISONS[sign], value, wanted, expectation)


def collect(notebook: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what an executed notebook recorded: numbers by name, and findings in their order."""
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    entries = [output["data"][MEDIA_TYPE] for output in outputs if MEDIA_TYPE in output.get("data", {})]
    found = [Entry(**{key: entry.get(key) for key in Entry.__dataclass_fields__}) for entry in entries]
    numbers = {entry.name: entry.value for entry in found if entry.holds is None}
    return numbers, [vars(entry) for entry in found if entry.holds is not None]


def _show(entry: Entry) -> None:
    from IPython.display import display

    display(entry)


def _small(name: str, value: Any) -> float | int | str | bool | None:
    """The value as JSON knows it, or a refusal."""
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"The name of a record is {name!r}", "a short text", "Name what the value is")
    value = files.plain(value.item() if getattr(value, "ndim", None) == 0 else value)
    if value is None or isinstance(value, (bool, int, float)) or _is_short(value):
        return value
    raise BadInput(
        f"The value of {name!r} is {_described(value)}",
        f"a number, or a text of at most {_LONGEST} characters",
        "Record its mean, or write it to a file",
    )


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST


def _described(value: object) -> str:
    return (
        f"a text of {len(value)} characters" if isinstance(value, str) else f"of type {type(value).__name__}"
    )


def _literal(text: str, expectation: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise _unreadable(expectation) from None


def _texts(wanted: object, expectation: str) -> list[str]:
    """The texts after 'in'; numbers are refused, since [0, 1] reads as two values and as an interval."""
    if isinstance(wanted, (list, tuple)) and wanted and all(isinstance(one, str) for one in wanted):
        return list(wanted)
    raise _unreadable(expectation)


def _compare(holds: Callable[[Any, Any], bool], a: Any, b: Any, expectation: str) -> bool:
    if a is None or b is None:  # not a finite number
        return False
    if isinstance(a, str) != isinstance(b, str):
        raise BadInput(
            f"{a!r} and {b!r} cannot be compared in {expectation!r}", _GRAMMAR, "Compare like with like"
        )
    return bool(holds(a, b))


def _unreadable(expectation: object) -> BadInput:
    return BadInput(
        f"The expectation {expectation!r} cannot be read", _GRAMMAR, "Write it in one of these forms"
    )
