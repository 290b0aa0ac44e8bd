"""The stage that executes the notebooks again finds a stale output, and is not misled by what always changes."""

import shutil
import subprocess
import sys

import nbformat
import pytest
from house import ROOT
from nbformat import v4

ALWAYS_NEW = "import time; print(object(), f'{time.time():.1f} s')"


def _notebook(path, code, *outputs):
    cell = v4.new_code_cell(code, execution_count=1, outputs=list(outputs))
    nbformat.write(v4.new_notebook(cells=[cell]), path)


def _print(text):
    return v4.new_output("stream", text=text)


def _table(html):
    return v4.new_output("display_data", data={"text/html": html, "text/plain": "a table"})


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What the stage of the Makefile says about five made-up notebooks."""
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(ROOT / "conftest.py", folder)
    show = "from IPython.display import display\ndisplay({{'text/html': '{}', 'text/plain': 'a table'}}, raw=True)"
    _notebook(folder / "fresh.ipynb", "print(1)", _print("1\n"))
    _notebook(folder / "stale.ipynb", "print(2)", _print("1\n"))
    _notebook(folder / "failing.ipynb", "print(1)\n1 / 0", _print("1\n"))
    _notebook(folder / "always_new.ipynb", ALWAYS_NEW, _print("<object object at 0x7f0000000000> 0.5 s\n"))
    _notebook(folder / "table.ipynb", show.format("<b>new</b>"), _table("<b>old</b>"))
    options = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={ROOT / 'tests' / 'sanitize.cfg'}"]
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:cacheprovider", *options, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", ["stale", "failing"])
def test_what_is_wrong_is_found(report, name):
    assert f"FAILED {name}.ipynb::Cell 0" in report


@pytest.mark.parametrize("name", ["fresh", "always_new", "table"])
def test_what_is_right_passes(report, name):
    assert f"PASSED {name}.ipynb::Cell 0" in report
