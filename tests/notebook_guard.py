"""Refuse a notebook that was not executed as a whole, or that a reader could not follow.

Run by pre-commit and by the tests: ``python tests/notebook_guard.py notebooks/*.ipynb``. A rule is a function
from a notebook, as the dictionary that its JSON is, to sentences about what is wrong.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from house import places

LARGEST = 400_000  # bytes
LONGEST = 12  # lines of a cell
MOST = 8  # parameters
PARAMETER = re.compile(r"[a-z]\w*: [^=]+ = \S.*  # \S.* \[.+\]")

Notebook = dict[str, Any]


def complaints(notebook: Notebook) -> list[str]:
    """List what is wrong with a notebook; nothing where it may be committed."""
    return [what for rule in RULES for what in rule(notebook)]


def _opens_with_a_question(notebook: Notebook) -> Iterator[str]:
    first = _source(notebook["cells"][0]) if notebook["cells"] else ""
    title = first.strip().split("\n")[0]
    if not re.fullmatch(r"# .+\?", title):
        yield f"its title is {title!r}, and not a question"


def _has_parameters(notebook: Notebook) -> Iterator[str]:
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        yield f"{len(tagged)} cells are tagged parameters, and not one"
    for cell in tagged:
        lines = [line for line in _source(cell).split("\n") if line.strip()]
        if len(lines) > MOST:
            yield f"it has {len(lines)} parameters, more than {MOST}"
        for line in lines:
            if not PARAMETER.fullmatch(line.rstrip()):
                yield f"{line!r} is not of the form 'name: type = default  # meaning [unit]'"


def _ran_in_order(notebook: Notebook) -> Iterator[str]:
    counts = [cell.get("execution_count") for _, cell in _code(notebook) if _source(cell).strip()]
    if counts != list(range(1, len(counts) + 1)):
        yield f"its cells were executed as {counts}, and not in order from a clean kernel"


def _ran_without_error(notebook: Notebook) -> Iterator[str]:
    for number, cell in _code(notebook):
        for output in cell["outputs"]:
            if output["output_type"] == "error":
                yield f"cell {number} ends with {output['ename']}"


def _holds_no_widget_state(notebook: Notebook) -> Iterator[str]:
    if "widgets" in notebook["metadata"]:
        yield "it holds the state of widgets"


def _is_of_no_machine(notebook: Notebook) -> Iterator[str]:
    for number, cell in enumerate(notebook["cells"], 1):
        texts = [_source(cell), *(text for output in cell.get("outputs", []) for text in _texts(output))]
        for place in sorted({place for text in texts for place in places(text)}):
            yield f"cell {number} names {place}, a place on one machine"


def _is_plain_python(notebook: Notebook) -> Iterator[str]:
    for number, cell in _code(notebook):
        lines = _source(cell).split("\n")
        if len(lines) > LONGEST:
            yield f"cell {number} has {len(lines)} lines, more than {LONGEST}: a function for the package"
        if any(line.rstrip().endswith(";") for line in lines):
            yield f"cell {number} has a line that ends in a semicolon"
        if any(re.match(r"\s*[!%]+\s*pip\b", line) for line in lines):
            yield f"cell {number} installs something"


RULES = (
    *(_opens_with_a_question, _has_parameters, _ran_in_order, _ran_without_error),
    *(_holds_no_widget_state, _is_of_no_machine, _is_plain_python),
)


def _code(notebook: Notebook) -> Iterator[tuple[int, Any]]:
    return ((n, cell) for n, cell in enumerate(notebook["cells"], 1) if cell["cell_type"] == "code")


def _source(cell: Any) -> str:
    return _joined(cell["source"])


def _texts(output: Any) -> Iterator[str]:
    yield _joined(output.get("text", ""))
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/"):
            yield _joined(content)


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def inspect(path: Path) -> list[str]:
    """List what is wrong with a notebook file."""
    content = path.read_bytes()
    size = [f"it has {len(content):,} bytes, more than {LARGEST:,}"] if len(content) > LARGEST else []
    return size + complaints(json.loads(content))


def main(paths: list[str]) -> int:
    """Print what is wrong with each notebook, and return how many are refused."""
    found = {path: inspect(Path(path)) for path in paths}
    for path, sentences in found.items():
        for sentence in sentences:
            print(f"{path}: {sentence}")
    return sum(map(bool, found.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
