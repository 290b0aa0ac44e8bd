"""A notebook in a real JupyterLab: what the workbench shows there is seen, and fetched from nowhere else."""

import sys

import pytest
from house import PACKAGE
from lab import OUTPUTS
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

ALT = "Four digits, and what hiding their parts takes away"
CELLS = {
    "imports": "import sys\nimport workbench as wb\nprint(sys.executable, wb.__file__)",
    "data": "data = wb.load('mnist').subset(train=300)\ndata",
    "training": "net = wb.fit(wb.build('mlp', data), data, epochs=2, seed=0, verbose=False)",
    "explanation": "e = wb.explain(net, data.test[:4], 'occlusion')\ne",
    "estimand": "print(e.estimand)",
    "figure": f"wb.show(e.plot(), alt={ALT!r})",
    "scores": "wb.evaluate(e, net, metrics=('deletion', 'sparseness'), data=data)",
}


@pytest.fixture(scope="module")
def page(ran):
    """The notebook of these tests."""
    return ran("look.ipynb", *CELLS.values())


@pytest.fixture(scope="module")
def outputs(page):
    """What each cell put out, as the notebook keeps it, by the name of the cell."""
    return dict(zip(CELLS, page.evaluate(OUTPUTS), strict=True))


@pytest.fixture
def seen(page):
    """What stands on the screen under a cell: ``seen("data")``."""
    areas = page.locator(".jp-NotebookPanel .jp-Cell")
    return lambda name: areas.nth(list(CELLS).index(name)).locator(".jp-OutputArea-output")


def errors(outputs):
    """List the errors among the outputs of some cells."""
    return [put["ename"] for cell in outputs for put in cell if put["output_type"] == "error"]


def test_an_error_is_found(ran):
    assert errors(ran("failing.ipynb", "1 / 0", "print(1)").evaluate(OUTPUTS)) == ["ZeroDivisionError"]


def test_every_cell_runs_without_an_error(page, outputs, tmp_path):
    page.screenshot(path=tmp_path / "notebook.png")
    assert errors(outputs.values()) == []


def test_the_kernel_is_this_interpreter_with_this_source_tree(outputs):
    assert outputs["imports"][0]["text"].split() == [sys.executable, str(PACKAGE / "__init__.py")]


def test_a_figure_is_seen(seen):
    picture = seen("figure").locator("img")
    expect(picture).to_be_visible()
    assert picture.evaluate("i => i.complete && i.naturalWidth") > 0


def test_the_notebook_keeps_the_text_of_a_figure_and_jupyterlab_does_not_say_it(seen, outputs):
    (figure,) = outputs["figure"]
    assert figure["metadata"]["image/png"]["alt"] == figure["data"]["text/plain"] == ALT
    # JupyterLab 4.6 hands on the width and the height alone; reports have the text (see reporting).
    assert seen("figure").locator("img").get_attribute("alt") is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data", ["Data: mnist", "300 train, 500 valid, 1,000 test", "licence"]),
        ("explanation", ["Explanation: occlusion", "4 x 1 x 28 x 28, signed", "window=[4, 4]"]),
        ("scores", ["deletion", "lower is better", "sparseness", "95 % interval"]),
    ],
)
def test_a_record_is_seen_as_a_table(seen, name, words):
    record = seen(name)
    expect(record.get_by_role("table")).to_be_visible()
    for word in words:
        expect(record).to_contain_text(word)


def test_the_estimand_of_an_explanation_is_seen(seen, outputs):
    estimand = outputs["estimand"][0]["text"].strip()
    assert estimand
    expect(seen("explanation").get_by_text(estimand)).to_be_visible()


def test_nobody_else_is_asked(page, asked, jupyterlab):
    assert asked
    assert [url for url in asked if not url.startswith((jupyterlab.base, "data:", "blob:"))] == []
