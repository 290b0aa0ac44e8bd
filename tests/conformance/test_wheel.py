"""The wheel carries its data and notebooks, and makes a report where the source tree cannot be reached."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from house import PACKAGE, ROOT

PATIENCE = 600  # seconds; a fast report of a small table takes a sixth of it on two quiet cores


@pytest.fixture(scope="module")
def contents(wheel):
    """Names of the files in the wheel."""
    return set(zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """A folder with the wheel installed in it, and nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(wheel)], check=True)
    return folder


def _run(command, folder, home):
    """Run a command where only an installed wheel and its dependencies can be found."""
    environment = os.environ | {"PYTHONPATH": str(home), "HOME": str(folder)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )


def test_the_wheel_carries_every_file_of_the_package(contents):
    there = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(ROOT).as_posix() for path in there} <= contents


def test_the_wheel_carries_the_walk(contents):
    walk = {path.name for path in (ROOT / "notebooks").glob("0*.ipynb")}
    assert walk and {f"workbench/notebooks/{name}" for name in walk} <= contents


def test_the_wheel_carries_nothing_else(contents):
    strangers = {
        name
        for name in contents
        if not re.match(r"(workbench|interpretability_workbench-[\d.]+\.dist-info)/", name)
    }
    assert strangers == set()


def test_the_installed_package_is_the_one_that_is_loaded(elsewhere, tmp_path):
    code = "import workbench, workbench.files; print(workbench.__file__, workbench.files.__file__, sep='\\n')"
    found = _run([sys.executable, "-c", code], tmp_path, elsewhere).stdout.split()
    assert len(found) == 2 and all(Path(path).is_relative_to(elsewhere) for path in found)


def test_a_report_is_made_without_the_source_tree(elsewhere, tmp_path):
    command = [
        sys.executable,
        str(elsewhere / "bin" / "workbench"),
        "report",
        *("--data", "breast_cancer", "--fast"),
        "--out",
        str(tmp_path / "out"),
    ]
    answer = _run(command, tmp_path, elsewhere)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    page = Path(answer.stdout.strip().splitlines()[-1].split()[-1])
    text = (tmp_path / page).read_text("utf-8")
    assert "verdict" in text.lower()
    assert str(ROOT) not in text
