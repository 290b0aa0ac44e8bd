"""Tiny notebooks, written where a test wants them."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


@pytest.fixture(scope="session")
def written():
    """Write a notebook: ``written(path, "# A title", "code: print(1)", parameters="n: int = 3")``."""

    def write(path, *sources, parameters=None):
        cells = [_cell(source) for source in sources]
        if parameters is not None:
            cells.insert(0, new_code_cell(parameters, metadata={"tags": ["parameters"]}))
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


def _cell(source):
    code = source.startswith("code: ")
    return new_code_cell(source.removeprefix("code: ")) if code else new_markdown_cell(source)
