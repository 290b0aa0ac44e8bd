"""Nothing is committed that is large, that names a place on somebody's machine, or that loads from the network."""

import re
from pathlib import PurePosixPath

import pytest
from house import PACKAGE, ROOT, committed, places

LARGEST = 2_000_000
PAGES = {".html", ".htm", ".css", ".js", ".j2", ".tpl", ".svg"}

LOAD = re.compile(
    r"""(?:src|srcset|data|poster)\s*=\s*["']?\s*(?:https?:)?//"""
    r"""|<link\b[^>]*\bhref\s*=\s*["']?\s*(?:https?:)?//"""
    r"""|(?:url\(|@import|import|from|fetch\()\s*["']?\s*(?:https?:)?//""",
    re.IGNORECASE,
)


def loads(text):
    """List what a page or a script would fetch from the network; a link that one may follow is not fetched."""
    return [found.group() for found in LOAD.finditer(text)]


def texts():
    """Yield every committed file that is text, with its text."""
    for path in committed():
        content = path.read_bytes()
        if b"\0" not in content[:8000]:
            yield path.relative_to(ROOT).as_posix(), content.decode("utf-8", errors="replace")


@pytest.mark.parametrize("first", ["home", "root", "Users", "tmp", "work"])
def test_a_place_on_a_machine_is_found(first):
    assert places(f"read('/{first}/ada/x.csv')") == [f"/{first}/ada"]


def test_a_place_on_another_kind_of_machine_is_found():
    assert places("C:" + "\\Users\\ada")


@pytest.mark.parametrize("text", ["#!/usr/bin/env bash", "> /dev/null", "pages/home/index", "${here}/work/x"])
def test_what_every_machine_has_is_not_found(text):
    assert places(text) == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://example.org/x.js">',
        "<img src=//example.org/x.png>",
        '<link rel="stylesheet" href="http://example.org/x.css">',
        "a { background: url(https://example.org/x.png) }",
        '@import "https://example.org/x.css"',
        'import x from "https://example.org/x.js"',
        "fetch('https://example.org')",
    ],
)
def test_a_load_from_the_network_is_found(text):
    assert len(loads(text)) == 1


@pytest.mark.parametrize(
    "text", ['<a href="https://example.org">', 'src="data:image/png;base64,AA"', 'xmlns="http://x"']
)
def test_a_link_is_not_a_load(text):
    assert loads(text) == []


def test_no_committed_file_is_large():
    assert [path.name for path in committed() if path.stat().st_size > LARGEST] == []


def test_no_committed_file_names_a_place_on_a_machine():
    assert [(path, found) for path, text in texts() if (found := places(text))] == []


def test_no_page_of_the_package_loads_from_the_network():
    home = PACKAGE.relative_to(ROOT).as_posix()
    own = [(path, text) for path, text in texts() if path.startswith(home)]
    pages = [(path, text) for path, text in own if PurePosixPath(path).suffix in PAGES | {".py"}]
    assert pages
    assert [(path, found) for path, text in pages if (found := loads(text))] == []
