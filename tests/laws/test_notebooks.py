"""Every notebook that is committed was executed as a whole and can be followed; the guard itself is tried first."""

import copy
import json

import nbformat
import notebook_execute
import notebook_guard
import pytest
from house import ROOT
from nbformat import v4

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PARAMETERS = "seed: int = 0  # first of all random draws [integer]\nn: int = 3  # digits shown [rows]"


@pytest.fixture
def notebook():
    """A small notebook with which nothing is wrong, as the JSON that would lie on disk."""
    cells = [
        v4.new_markdown_cell("# What did it learn?\nEnough."),
        v4.new_code_cell(PARAMETERS, execution_count=1, metadata={"tags": ["parameters"]}),
        v4.new_code_cell("print(n)", execution_count=2, outputs=[v4.new_output("stream", text="3\n")]),
    ]
    return json.loads(nbformat.writes(v4.new_notebook(cells=cells)))


def _change(notebook, cell, **fields):
    changed = copy.deepcopy(notebook)
    changed["cells"][cell].update(fields)
    return changed


def test_nothing_is_said_against_a_good_notebook(notebook):
    assert notebook_guard.complaints(notebook) == []


@pytest.mark.parametrize(
    ("cell", "fields", "said"),
    [
        (0, {"source": "# What it learned"}, "not a question"),
        (0, {"source": "What did it learn?"}, "not a question"),
        (1, {"metadata": {}}, "0 cells are tagged parameters"),
        (2, {"metadata": {"tags": ["parameters"]}}, "2 cells are tagged parameters"),
        (1, {"source": "seed = 0  # first of all random draws [integer]"}, "'seed = 0"),
        (1, {"source": "seed: int = 0  # first of all random draws"}, "'seed: int"),
        (1, {"source": "\n".join(f"a{i}: int = 0  # a number [integer]" for i in range(9))}, "9 parameters"),
        (2, {"execution_count": 3}, "[1, 3]"),
        (2, {"execution_count": None}, "[1, None]"),
        (2, {"outputs": [{"output_type": "error", "ename": "ValueError"}]}, "cell 3 ends with ValueError"),
        (2, {"outputs": [{"output_type": "stream", "text": ["in /" + "home/ada/x.py"]}]}, "cell 3 names /"),
        (
            2,
            {"outputs": [{"output_type": "display_data", "data": {"text/html": "/" + "tmp/x"}}]},
            "cell 3 names /",
        ),
        (2, {"source": "read('/" + "home/ada/x.csv')"}, "cell 3 names /"),
        (2, {"source": "\n".join(["x = 1"] * 13)}, "13 lines"),
        (2, {"source": "figure;"}, "semicolon"),
        (2, {"source": "!pip install captum"}, "installs"),
        (2, {"source": "%pip install captum"}, "installs"),
    ],
)
def test_what_is_wrong_is_said(notebook, cell, fields, said):
    found = notebook_guard.complaints(_change(notebook, cell, **fields))
    assert any(said in sentence for sentence in found), found


def test_the_state_of_widgets_is_refused(notebook):
    notebook["metadata"]["widgets"] = {}
    assert notebook_guard.complaints(notebook) == ["it holds the state of widgets"]


def test_a_large_file_is_refused_and_the_command_line_counts_it(notebook, tmp_path, capsys):
    good, large = tmp_path / "good.ipynb", tmp_path / "large.ipynb"
    good.write_text(json.dumps(notebook))
    large.write_text(json.dumps(notebook) + " " * notebook_guard.LARGEST)
    assert notebook_guard.main([str(good), str(large)]) == 1
    assert "large.ipynb: it has 400," in capsys.readouterr().out


def test_a_notebook_that_fails_stays_as_it_was(notebook, tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text(json.dumps(_change(notebook, 2, source="raise ValueError(n)", outputs=[])))
    before = path.read_bytes()
    assert "ValueError" in notebook_execute.execute(path)[0]
    assert path.read_bytes() == before


def test_executing_twice_gives_the_same_bytes(notebook, tmp_path):
    path = tmp_path / "fine.ipynb"
    path.write_text(json.dumps(_change(notebook, 2, source="print(n + 1)", execution_count=9)))
    assert notebook_execute.execute(path) == []
    once = path.read_bytes()
    assert b"4\\n" in once and notebook_guard.inspect(path) == []
    assert notebook_execute.execute(path) == [] and path.read_bytes() == once


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_guard_has_nothing_against(path):
    assert notebook_guard.inspect(path) == []
