"""The house as the laws see it: its rooms in order, and every source with what it imports and calls.

A law is a function from one :class:`Source` to the places where it is broken, so that it can be tried on
a made-up bad example before it is trusted on the package.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workbench"

# A room may import only what stands before it.
ROOMS = (
    *("errors", "state", "files", "html", "data", "int8", "zoo", "training", "plotting"),
    *("explanation", "compression", "evaluation", "iteration", "reporting", "cli"),
)

# Spelt so that it does not find itself. What every machine has (/usr/bin/env, /dev/null) is not meant.
PLACE = re.compile(
    r"(?<![\w.:/~<+$}-])/(?:home|root|Users|tmp|work|mnt|opt|srv|private|workspace)/[\w.-]+"
    r"|\b[A-Z]:\\{1,2}\w+\\"
)

Breach = tuple[int, str]


class Source:
    """One Python source of the package: its path below ``workbench/`` and its text."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def room(self) -> str:
        """The first part of the path: ``data`` for ``data/records.py``, ``files`` for ``files.py``."""
        return self.path.split("/")[0].removesuffix(".py")

    @cached_property
    def imports(self) -> list[tuple[int, str, str]]:
        """Every import anywhere in the source: line, full dotted target, and the name it is given here."""
        return [found for node in ast.walk(self.tree) for found in self._targets(node)]

    def _targets(self, node: ast.AST) -> Iterator[tuple[int, str, str]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, alias.asname or alias.name.split(".")[0]
        if isinstance(node, ast.ImportFrom):
            base = self._base(node)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}", alias.asname or alias.name

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folders = ["workbench", *self.path.split("/")[:-1]]
        return ".".join([*folders[: len(folders) - node.level + 1], *([node.module] if node.module else [])])

    @cached_property
    def aliases(self) -> dict[str, str]:
        """What a name of this source stands for: ``np`` for ``numpy``; after ``import os.path``, ``os`` is ``os``."""
        return {name: name if name == target.split(".")[0] else target for _, target, name in self.imports}

    def name(self, node: ast.AST) -> str:
        """Return the full dotted name of an expression; what has no name is a question mark."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.name(node.value)}.{node.attr}"
        return "?"

    @cached_property
    def calls(self) -> list[tuple[ast.Call, str]]:
        """Every call, with the full dotted name of what is called."""
        return [(node, self.name(node.func)) for node in ast.walk(self.tree) if isinstance(node, ast.Call)]


def sources() -> list[Source]:
    """Read every Python source of the package."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [Source(path.relative_to(PACKAGE).as_posix(), path.read_text("utf-8")) for path in paths]


def breaches(law: Callable[[Source], Iterable[Breach]], among: Iterable[Source] | None = None) -> list[str]:
    """List every place of the package where a law is broken, as ``path:line: what``."""
    return [
        f"{s.path}:{line}: {what}" for s in (sources() if among is None else among) for line, what in law(s)
    ]


def assert_kept(law: Callable[[Source], Iterable[Breach]], among: Iterable[Source] | None = None) -> None:
    """Fail with every place where a law is broken."""
    found = breaches(law, among)
    assert not found, "\n".join(["broken at", *found])


def committed() -> list[Path]:
    """List the files that git holds or would take; without git, all but what the tools make."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode == 0 and answer.stdout:
        paths = {ROOT / name for name in answer.stdout.split("\0") if name}
    else:
        paths = {path for path in ROOT.rglob("*") if not _made(path.relative_to(ROOT))}
    return sorted(path for path in paths if path.is_file())


def _made(path: Path) -> bool:
    return any(
        part.startswith(".") or part in {"runs", "dist", "build", "__pycache__"} for part in path.parts
    )


def places(text: str) -> list[str]:
    """List the paths in a text that only one machine has."""
    return [found.group() for found in PLACE.finditer(text)]
