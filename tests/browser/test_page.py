"""The verdict page as a reader meets it: it loads nothing, runs nothing, and says the claim and the doubt first."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import workbench as wb
from workbench import html
from workbench.plotting import canvas
from workbench.reporting.page import report_page

pytestmark = pytest.mark.browser

SCREEN = {"width": 1280, "height": 900}
PHONE = {"width": 400, "height": 800}
SCRIPT = "<script>alert(1)</script>"

PICTURES = "() => [...document.images].map(i => [i.alt.trim(), i.complete && i.naturalWidth])"

# Whatever reaches beyond the screen on the right, unless something around it can be scrolled.
TOO_WIDE = """() => {
    const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
    const inside = e => e && (scrolls(e) || inside(e.parentElement));
    const width = document.documentElement.clientWidth;
    const found = [...document.body.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > width + 1 && !inside(e.parentElement) && !scrolls(e))
        .map(e => `${e.tagName} ${e.textContent.slice(0, 60)}`);
    return document.documentElement.scrollWidth > width ? ['the page', ...found] : found;
}"""


@pytest.fixture(scope="session")
def comparison(trained, digits):
    """A small net, its int8 form and quick controls, compared on 120 real digits."""
    original, sham, *others = (trained("lenet300", digits, epochs=4, seed=seed) for seed in range(4))
    compressed = wb.quantize(original, how="static", data=digits)
    return wb.compare(original, compressed, digits, n=120, references=others, sham=sham, verbose=False)


@pytest.fixture(scope="session")
def hostile(comparison):
    """The same comparison of classes with such a name as only an attacker gives."""
    facts = comparison.facts
    names = {"labels": [SCRIPT] * len(facts["labels"]), "class_names": [SCRIPT] * len(facts["class_names"])}
    return replace(comparison, facts=facts | names)


@pytest.fixture(scope="session", params=["comparison", "report"])
def page_path(request, comparison, tmp_path_factory):
    """The page of a comparison, and the whole report with what was done and fingerprints."""
    folder = tmp_path_factory.mktemp("page")
    if request.param == "comparison":
        return comparison.to_html(folder / "page.html")
    comparison.save(folder / "models" / "comparison.safetensors")
    return wb_write(folder / "page.html", report_page(folder, [], "workbench report --fast"))
