"""Every skip and every expected failure has its reason in ``tests/QUARANTINES.md``."""

import ast
import re

from house import ROOT

SKIPS = {"skip", "skipif", "xfail", "importorskip", "skipTest", "skipUnless", "skipIf"}
LIST = ROOT / "tests" / "QUARANTINES.md"


def skips(text):
    """List the functions of a test file that hold a skip, in order; ``module`` for one outside of them."""
    tree = ast.parse(text)
    return [name for node in tree.body for name in _skips_in(node)]


def _skips_in(node):
    within = list(ast.walk(node))
    marks = [n for n in within if isinstance(n, ast.Attribute) and n.attr in SKIPS]
    documented = [n for n in within if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    doctests = [n for n in documented if re.search(r"# doctest:.*\+SKIP", ast.get_docstring(n) or "")]
    if marks or doctests:
        yield getattr(node, "name", "module")


def quarantined(folders):
    """Name every skip of the files in some folders, as ``path::function``."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [
        f"{path.relative_to(ROOT).as_posix()}::{name}"
        for path in paths
        for name in skips(path.read_text("utf-8"))
    ]


def listed(text):
    """List the names in the first column of the table, as ``path::function``."""
    return re.findall(r"^\| *`([^`]+::[^`]+)` *\| *[^| ]", text, re.MULTILINE)


def test_every_way_to_skip_is_found():
    text = '''
import pytest
torchvision = pytest.importorskip("torchvision")
@pytest.mark.skipif(True, reason="slow")
def test_a(): pass
def test_b(): pytest.skip("later")
class TestC:
    @pytest.mark.xfail
    def test_c(self): pass
def d():
    """Do.

    >>> d()  # doctest: +SKIP
    """
def test_e(): pass
'''
    assert skips(text) == ["module", "test_a", "test_b", "TestC", "d"]


def test_a_row_without_a_reason_does_not_count():
    table = "| where | why |\n|---|---|\n| `tests/a.py::test_a` | no GPU |\n| `tests/a.py::test_b` | |\n"
    assert listed(table) == ["tests/a.py::test_a"]


def test_the_list_holds_every_skip_and_no_other():
    assert sorted(listed(LIST.read_text("utf-8"))) == sorted(
        quarantined(["tests", "workbench", "benchmarks"])
    )
