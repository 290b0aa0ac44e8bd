"""The page as a reader meets it: it asks for nothing, runs nothing, and holds claim and doubt on its first screen."""

import base64
import re
from dataclasses import replace

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
from nbformat import v4

import workbench as wb
from workbench import files
from workbench.evaluation.advantage import Advantage
from workbench.evaluation.intervals import Interval
from workbench.iteration.loop import VERSIONS, Loop
from workbench.plotting import canvas
from workbench.reporting.page import report_page

pytestmark = pytest.mark.browser

SCREEN, PHONE = {"width": 1280, "height": 900}, {"width": 400, "height": 800}
SCRIPT = "<script>alert(1)</script>"
INTERVAL = re.compile(r"similarity \d?\.\d+, 95 % \d?\.\d+-\d?\.\d+")

PICTURES = "() => [...document.images].map(i => [i.alt.trim(), i.complete ? i.naturalWidth : 0])"

# What reaches beyond the right edge, unless it can be scrolled on its own.
TOO_WIDE = """() => {
    const edge = document.documentElement.clientWidth;
    const scrolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
    const free = e => !e || (!scrolls(e) && free(e.parentElement));
    const wide = [...document.body.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > edge + 1 && free(e.parentElement))
        .map(e => `${e.tagName}: ${e.textContent.slice(0, 60)}`);
    return document.documentElement.scrollWidth > edge ? ['the page', ...wide] : wide;
}"""


@pytest.fixture(scope="module")
def comparison(trained, digits):
    """A small net, its int8 form and quick controls, compared on 120 real digits."""
    original, sham, *others = (trained("lenet300", digits, epochs=4, seed=seed) for seed in range(4))
    compressed = wb.quantize(original, how="static", data=digits)
    return wb.compare(original, compressed, digits, n=120, references=others, sham=sham, verbose=False)


@pytest.fixture(scope="module")
def hostile(comparison):
    """The same comparison, with names as only an attacker gives them."""
    facts = comparison.facts
    classes = {name: [SCRIPT] * len(facts[name]) for name in ("labels", "class_names")}
    return replace(comparison, facts=facts | classes | {"data": SCRIPT, "noun": SCRIPT})


@pytest.fixture(scope="module")
def notebook():
    """An executed notebook whose outputs are all too wide for a phone."""
    table = pd.DataFrame([range(10**9, 10**9 + 12)]).add_prefix("a long name ")
    fig = plt.figure(figsize=(12, 2))
    png = base64.b64encode(canvas.png(fig)).decode()
    plt.close(fig)
    outputs = [
        v4.new_output("stream", text="a printed line that goes on and on " * 9),
        v4.new_output("display_data", {"text/html": table.to_html(), "text/plain": "a table"}),
        v4.new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": "Nothing"}}),
    ]
    cells = [v4.new_markdown_cell("# What is wide?"), v4.new_code_cell("", outputs=outputs)]
    return v4.new_notebook(cells=cells)


VERSION = {
    "accuracy": 0.9,
    "without shortcut": 0.9,
    "flips": 0.1,
    "mostly flipped": 0.1,
    "low": 0.05,
    "high": 0.2,
    "hidden": 0.1,
}
LOOP = Loop(
    [{"version": name, **VERSION} for name in VERSIONS],
    SCRIPT,
    100,
    1000,
    {"decisions": 2, "reviewers": [SCRIPT], "ratings": {}},
    [{"version": SCRIPT, **VERSION}],
    SCRIPT,
)


@pytest.fixture(scope="module")
def write(notebook, digits, tmp_path_factory):
    """Write a page of a comparison: ``write("comparison" or "report", comparison)``."""

    def page(kind, comparison):
        folder = tmp_path_factory.mktemp(kind)
        path = folder / f"{kind}.html"
        if kind == "comparison":
            return comparison.to_html(path)
        comparison.save(folder / "models" / "comparison.safetensors")
        row = {"accuracy": 0.9, "low": 0.8, "high": 1.0, "auc": 0.9, "auc low": 0.8, "auc high": 1.0}
        worth = Advantage(
            SCRIPT, {SCRIPT: row}, SCRIPT, SCRIPT, Interval(0, -0.1, 0.1), Interval(0, -0.1, 0.1)
        )
        files.write_json(folder / "models" / "advantage.json", worth.plain())
        files.write_json(folder / "models" / "loop.json", LOOP.plain())
        run = wb.Run("01_wide", folder, "completed")
        nbformat.write(notebook, run.path)
        path.write_text(
            report_page(folder, [run], "workbench report --fast", replace(digits, notes=(SCRIPT,))), "utf-8"
        )
        return path

    return page


@pytest.fixture(scope="module", params=["comparison", "report"])
def kind(request):
    """What ``Comparison.to_html`` writes, and the whole report with a notebook."""
    return request.param


@pytest.fixture(scope="module")
def path(kind, comparison, write):
    """A page on the disk."""
    return write(kind, comparison)


@pytest.fixture
def visit(browser):
    """Open a page and note what it asks for and what it says: ``page, noted = visit(path)``."""
    contexts = []

    def opened(path, size=SCREEN, scripts=False):
        contexts.append(browser.new_context(viewport=size, java_script_enabled=scripts))
        page, noted = contexts[-1].new_page(), []
        page.on("request", lambda request: noted.append(request.url))
        page.on("console", lambda message: noted.append(message.text))
        page.on("pageerror", lambda error: noted.append(str(error)))
        page.on("dialog", lambda dialog: (noted.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        return page, noted

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def made_up(tmp_path):
    """Write a bad page, on which a check shows that it can fail."""

    def page(body):
        path = tmp_path / "made_up.html"
        path.write_text(f"<!doctype html><meta charset=utf-8><title>Bad</title><body>{body}", "utf-8")
        return path

    return page


def faults_of_pictures(page):
    """List the pictures that say nothing, or show nothing."""
    return [picture for picture in page.evaluate(PICTURES) if not all(picture)]


def is_on_screen(part):
    """Tell whether the whole of a part is seen without scrolling."""
    box, size = part.bounding_box(), part.page.viewport_size
    within = box["x"] + box["width"] <= size["width"] and box["y"] + box["height"] <= size["height"]
    return bool(box["width"] and box["height"]) and min(box["x"], box["y"]) >= 0 and within


@pytest.mark.parametrize("body", ["<img src=other.png>", "<link rel=stylesheet href=other.css>"])
def test_a_page_that_asks_for_a_file_is_found(visit, made_up, body):
    assert len(visit(made_up(body))[1]) > 1


@pytest.mark.parametrize("body", [SCRIPT, "<script>console.log(1)</script>", "<script>throw 1</script>"])
def test_a_page_that_runs_a_script_is_found(visit, made_up, body):
    assert len(visit(made_up(body), scripts=True)[1]) == 2


@pytest.mark.parametrize("scripts", [False, True])
def test_the_page_asks_for_nothing_and_says_nothing(visit, path, scripts):
    assert visit(path, scripts=scripts)[1] == [path.as_uri()]


def test_what_is_below_the_first_screen_is_found(visit, made_up):
    page, _ = visit(made_up("<p id=first>seen<p style='margin-top: 870px' id=last>not seen"))
    assert is_on_screen(page.locator("#first")) and not is_on_screen(page.locator("#last"))


def test_the_first_screen_holds_the_word_the_similarity_and_the_doubt(visit, path, comparison, tmp_path):
    page, _ = visit(path)
    page.screenshot(path=tmp_path / "first_screen.png")
    parts = page.locator("main .note").first.locator("p").all()
    word, numbers, doubt = (part.inner_text() for part in parts)
    verdict = comparison.verdict
    assert word == f"Verdict: {verdict.word.upper()}. Evidence: {verdict.evidence}."
    assert numbers == verdict.sentence and INTERVAL.search(numbers)
    assert doubt == f"Doubt: {verdict.doubt}"
    assert [is_on_screen(part) for part in parts] == [True] * 3


@pytest.mark.parametrize("attributes", ["alt='' src={}", "src={}", "alt='A picture' src='data:image/png,0'"])
def test_a_picture_that_says_or_shows_nothing_is_found(visit, made_up, attributes):
    dot = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    page, _ = visit(made_up(f"<img alt='A dot' src={dot}><img {attributes.format(dot)}>"))
    assert len(faults_of_pictures(page)) == 1


def test_every_picture_is_there_and_described(visit, path, tmp_path):
    page, _ = visit(path)
    page.screenshot(path=tmp_path / "whole_page.png", full_page=True)
    assert page.locator("img").count() >= 2
    assert faults_of_pictures(page) == []


def test_what_is_too_wide_for_a_phone_is_found(visit, made_up):
    wide = "<p style='width: 900px'>wide"
    assert len(visit(made_up(wide), PHONE)[0].evaluate(TOO_WIDE)) == 2
    assert visit(made_up(f"<div style='overflow-x: auto'>{wide}</div>"), PHONE)[0].evaluate(TOO_WIDE) == []


def test_a_phone_scrolls_tables_and_nothing_else(visit, path, tmp_path):
    page, _ = visit(path, PHONE)
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert page.evaluate(TOO_WIDE) == []


def test_a_script_as_a_name_is_shown_as_text(visit, write, kind, hostile):
    path = write(kind, hostile)
    page, noted = visit(path, scripts=True)
    assert noted == [path.as_uri()]
    assert page.locator("script").count() == 0
    assert f"class {SCRIPT}" in page.locator("main .note").first.inner_text()
    assert page.get_by_role("rowheader", name=f"worst class: {SCRIPT}").count() == 1
