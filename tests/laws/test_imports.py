"""Imports run one way through the house, and ``import workbench`` loads nothing heavy."""

import subprocess
import sys

import pytest
from house import ROOMS, Source, assert_kept

EXEMPT = {"__init__.py", "__main__.py", "cli.py"}
HEAVY = (
    "torch",
    "captum",
    "shap",
    "lime",
    "pandas",
    "matplotlib",
    "scipy",
    "sklearn",
    "papermill",
    "nbconvert",
)


def upward(source):
    """Yield the imports that do not stay in the room or above; those for type checkers count as well."""
    if source.path in EXEMPT:
        return
    for line, target, _ in source.imports:
        parts = target.split(".")
        if parts[0] == "workbench" and len(parts) > 1:
            yield from ((line, what) for what in _wrong(source.room, parts[1]))


def _wrong(here, there):
    if there not in ROOMS:
        yield f"imports workbench.{there}, which is no room of the house (ask for the module that has it)"
    elif here not in ROOMS:
        yield f"{here} is no room of the house"
    elif ROOMS.index(there) > ROOMS.index(here):
        yield f"{here} imports {there}, which stands below it"


def loaded_by(statement, names=HEAVY):
    """List which of the names a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print(*(n for n in {names!r} if n in sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return answer.stdout.split()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("files.py", "from .zoo.storage import save"),
        ("data/records.py", "from ..plotting import maps"),
        ("data/records.py", "from .. import zoo"),
        ("data/records.py", "import workbench.zoo.storage as storage"),
        ("data/records.py", "from workbench import explain"),
        ("data/records.py", "import workbench as wb\nfrom workbench.explanation.door import explain"),
        ("zoo/holder.py", "def later():\n    from ..explanation import door"),
        (
            "zoo/holder.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..explanation import door",
        ),
        ("shed/tools.py", "from ..errors import BadInput"),
    ],
)
def test_an_import_from_below_is_found(path, text):
    assert len(list(upward(Source(path, text)))) == 1


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "zoo/storage.py",
            "import torch\nfrom . import holder\nfrom ..files import write_bytes\nfrom .. import errors",
        ),
        ("__init__.py", "from .cli import app"),
        ("explanation/result.py", "def plot(self):\n    from ..plotting import maps"),
    ],
)
def test_an_import_from_above_is_allowed(path, text):
    assert not list(upward(Source(path, text)))


def test_a_heavy_import_is_found():
    assert loaded_by("import decimal", ("decimal", "fractions")) == ["decimal"]


def test_imports_run_one_way():
    assert_kept(upward)


def test_importing_the_workbench_loads_nothing_heavy():
    assert loaded_by("import workbench") == []
