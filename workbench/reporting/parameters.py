"""The parameters of a notebook, read from its cell tagged ``parameters`` and checked before anything runs.

Papermill only warns about an unknown name, checks no type, and does not see ``int | None``; so the cell is
parsed here, as Python, without executing it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import files
from ..errors import BadInput, unknown

TAG = "parameters"
HANDOVER = "run_dir"  # the folder in which notebooks of one walk hand on what they made
_SEQUENCE = (list, tuple)
_TYPES: dict[str, tuple[type, ...]] = {
    **{"int": (int,), "float": (float,), "str": (str,), "bool": (bool,), "dict": (dict,)},
    **{"list": _SEQUENCE, "tuple": _SEQUENCE, "None": (type(None),)},
}


@dataclass(frozen=True)
class Parameter:
    """One line of the parameters cell: ``name: type = default  # meaning``."""

    name: str
    type: str
    default: Any
    meaning: str


def declared(notebook: Mapping[str, Any]) -> dict[str, Parameter]:
    """Return the parameters that a notebook declares, by name and in their order."""
    sources = [c["source"] for c in notebook["cells"] if TAG in c.get("metadata", {}).get("tags", [])]
    return {p.name: p for source in sources for p in _lines(source)}


def check(notebook: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters as the notebook wants them, or refuse.

    An int becomes a float where a float is declared; nothing else is converted.

    Raises
    ------
    UnknownName
        If the notebook does not declare a name.
    BadInput
        If a value is not of the declared type, or cannot be written into a notebook.
    """
    known = declared(notebook)
    for name in given:
        if name not in known:
            raise unknown("parameter", name, known) if known else _without_parameters(name)
    return {name: _fitted(known[name], files.plain(value)) for name, value in given.items()}


def read(notebook: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return parameters given as text, on a command line say, as values of the declared types."""
    known = declared(notebook)
    return check(notebook, {n: _from_text(known[n], t) if n in known else t for n, t in texts.items()})


def deviates(notebook: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Say whether any given parameter differs from its default."""
    known = declared(notebook)
    return any(value != known[name].default for name, value in given.items())


def _lines(source: str) -> list[Parameter]:
    lines = source.encode().split(b"\n")  # Python counts columns in bytes
    try:
        statements = ast.parse(source).body
    except SyntaxError as problem:
        raise BadInput(
            f"The cell tagged 'parameters' is not Python ({problem.msg}, line {problem.lineno})",
            "lines such as 'epochs: int = 3  # passes over the data'",
            "Mend the cell",
        ) from problem
    rests = [lines[(s.end_lineno or 1) - 1][s.end_col_offset or 0 :].decode() for s in statements]
    found = map(_parameter, statements, rests)
    return [parameter for parameter in found if parameter]


def _parameter(statement: ast.stmt, comment: str) -> Parameter | None:
    """One line of the cell; what is no assignment to one name is no parameter."""
    meaning = re.sub(r"^\s*#\s*", "", comment).strip()
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=ast.expr() as value):
            return Parameter(name, ast.unparse(annotation), _default(value), meaning)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return Parameter(name, _type_of(_default(value)), _default(value), meaning)
    return None


def _default(node: ast.expr) -> Any:
    """The default as a value, or as source where it is an expression."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _type_of(default: object) -> str:
    return "object" if default is None else type(default).__name__


def _without_parameters(name: str) -> BadInput:
    return BadInput(
        f"Parameter {name!r} was given",
        f"none, since no cell of the notebook is tagged {TAG!r}",
        "Leave it out",
    )


def _fitted(parameter: Parameter, value: Any) -> Any:
    annotation = ast.parse(parameter.type, mode="eval").body
    if _fits(annotation, value):
        return value
    if _fits(annotation, _floats(value)):
        return _floats(value)
    meaning = f" ({parameter.meaning})" if parameter.meaning else ""
    raise BadInput(
        f"Parameter {parameter.name!r} is {value!r}, {_article(type(value).__name__)}",
        f"{parameter.type}, such as its default {parameter.default!r}{meaning}",
        f"Give {_article(parameter.type)}",
    )


def _floats(value: Any) -> Any:
    """The value with every int in it as a float."""
    if isinstance(value, list):
        return [_floats(one) for one in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _fits(annotation: ast.expr, value: Any) -> bool:
    """Whether a value is of a type such as ``int``, ``int | None``, ``list[float]``, ``Literal['a', 'b']``."""
    if isinstance(annotation, ast.BinOp):
        return _fits(annotation.left, value) or _fits(annotation.right, value)
    if isinstance(annotation, ast.Subscript):
        return _fits_within(ast.unparse(annotation.value).rpartition(".")[2], annotation.slice, value)
    kind = _TYPES.get(ast.unparse(annotation))
    if kind is None:
        return True  # a type we do not know: the notebook itself will tell
    return isinstance(value, kind) and not (isinstance(value, bool) and bool not in kind)


def _fits_within(outer: str, inner: ast.expr, value: Any) -> bool:
    if outer == "Optional":
        return value is None or _fits(inner, value)
    if outer == "Literal":
        allowed = ast.literal_eval(inner)
        return value in (allowed if isinstance(allowed, tuple) else (allowed,))
    if outer not in ("list", "tuple"):
        return isinstance(value, _TYPES.get(outer, (object,)))
    kinds = [k for k in (inner.elts if isinstance(inner, ast.Tuple) else [inner]) if ast.unparse(k) != "..."]
    return isinstance(value, (list, tuple)) and all(any(_fits(kind, one) for kind in kinds) for one in value)


def _from_text(parameter: Parameter, text: str) -> Any:
    """The value that a text spells, if the parameter takes it: '3' is a number for ``int | str``, not for ``str``."""
    annotation = ast.parse(parameter.type, mode="eval").body
    value = _spelled(text)
    wanted = parameter.type != "str" and (_fits(annotation, value) or not _fits(annotation, text))
    return value if wanted else text


def _spelled(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    try:
        return words[text.lower()] if text.lower() in words else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _article(word: str) -> str:
    return f"{'an' if word[:1] in 'aeio' else 'a'} {word}"
