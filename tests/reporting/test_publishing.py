"""A notebook becomes a part of a page: without code, without scripts, with every figure described."""

import base64
import re
from html.parser import HTMLParser

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workbench import html
from workbench.errors import BadFile
from workbench.reporting.publishing import notebook_page, notebook_section

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 64).decode()
LOADING = re.compile(
    r"<script|<iframe|<link|src=.?(http|//)|@import|url\(|javascript:|\son\w+=", re.IGNORECASE
)


class Reader(HTMLParser):
    """Collects elements with their attributes."""

    def __init__(self, fragment):
        super().__init__()
        self.found = []
        self.feed(fragment)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture
def published(tmp_path):
    """Publish a notebook of markdown cells and outputs: ``published("# Title", {"text/plain": "x"})``."""

    def publish(*parts, name="01_a"):
        cells = [new_markdown_cell(p) if isinstance(p, str) else _shown(p) for p in parts]
        nbformat.write(new_notebook(cells=cells), tmp_path / f"{name}.ipynb")
        return notebook_section(tmp_path / f"{name}.ipynb")

    return publish


def _shown(part):
    """A code cell with an output: a bundle of data, or an output as it is."""
    output = (
        part
        if "output_type" in part
        else new_output("display_data", data=part, metadata=part.pop("about", {}))
    )
    return new_code_cell("secret_code()", outputs=[output])


def test_the_title_becomes_the_heading_and_all_others_go_down_by_one(published):
    made = published("Before\n\n# What is *it*?\n\nText", "## Part\n### Detail\n###### Deep")
    assert "<h2>What is it?</h2>" in made
    assert re.findall(r"<(h\d) id=\"([^\"]*)\"", made) == [
        ("h3", "01_a-part"),
        ("h4", "01_a-detail"),
        ("h6", "01_a-deep"),
    ]
    assert made.startswith('<section id="01_a"') and "<h1" not in made


def test_code_is_left_out_and_output_stays(published):
    made = published(
        {"text/plain": "42 < 43"}, new_output("stream", text="step 1\rstep 2\n\x1b[31mred\x1b[0m\n")
    )
    assert (
        "secret_code" not in made and "42 &lt; 43" in made and "step 2\nred" in made and "step 1" not in made
    )


def test_anchors_are_unique_and_links_lead_to_them(published):
    made = published(
        "## Same\n## Same\n[there](#Same) [next](02_b.ipynb) [file](data.csv) [web](https://example.org/x)"
    )
    ids = [found.get("id") for _, found in Reader(made).found if found.get("id")]
    assert ids == ["01_a", "01_a-same", "01_a-same-2"]
    assert [a["href"] for a in Reader(made).all("a")] == ["#01_a-same", "#02_b", "https://example.org/x"]
    assert "file" in made


def test_a_figure_has_the_alt_text_of_its_metadata(published):
    said = {"image/png": PNG, "text/plain": "said", "about": {"image/png": {"alt": 'Moved by "9" < 10'}}}
    plain = {"image/png": PNG, "text/plain": "It reaches .98"}
    silent = {"image/png": PNG, "text/plain": "<Figure size 640x480 with 1 Axes>"}
    alts = [image["alt"] for image in Reader(published(said, plain, silent)).all("img")]
    assert alts == [
        'Moved by "9" < 10',
        "It reaches .98",
        "A figure; the notebook gives no description of it",
    ]


def test_a_table_is_kept_with_its_numbers_to_the_right(published):
    made = published({"text/html": "<style>td {color: red}</style><table class='dataframe'><thead><tr><th></th><th>mean</th><th>of</th></tr></thead>"
                      "<tbody><tr><th>0</th><td>-0.50</td><td>&lt;script&gt;</td></tr></tbody></table>"})  # fmt: skip
    assert (
        '<td class="n">-0.50</td>' in made
        and '<th class="n">mean</th>' in made
        and "<td>&lt;script&gt;</td>" in made
    )
    assert "color: red" not in made and 'class="scroll"' in made


HOSTILE = [
    "<script>alert(1)</script>",
    "<script src='https://example.org/x.js'></script>",
    "<img src='https://example.org/x.png' alt='remote'>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=' jAvAscript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<iframe src='https://example.org'></iframe>",
    "<style>@import 'https://example.org/x.css'; p { background: url(https://example.org/x) }</style>",
    "<p style='background: url(https://example.org/x)' onclick='alert(1)'>x</p>",
    "<svg><script>alert(1)</script><image href='https://example.org/x'/></svg>",
    "<math><mtext></mtext><mglyph><style><!--</style><img title='--><img src=x onerror=alert(1)>'></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<form action='https://example.org'><input></form><link rel=stylesheet href='https://example.org/x.css'>",
    "<!--><script>alert(1)</script-->",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
]


@pytest.mark.parametrize("fragment", HOSTILE)
def test_nothing_that_a_notebook_holds_runs_or_loads(published, fragment):
    assert LOADING.search(fragment)
    made = published(
        f"# {fragment}\n\n{fragment}",
        f"text {fragment}",
        {"text/html": fragment},
        {"text/markdown": fragment},
        {"text/latex": fragment},
    )
    elements = Reader(made).found
    assert not {"script", "iframe", "style", "link", "form", "svg", "math"} & {tag for tag, _ in elements}
    for _, attributes in elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not re.match(r"\s*(javascript|data:text)", attributes.get("href") or "", re.IGNORECASE)
        assert (attributes.get("src") or "data:image/").startswith("data:image/")


def test_a_widget_leaves_a_line_a_progress_bar_and_a_script_leave_nothing(published):
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}}
    made = published(
        {**view, "text/plain": "IntSlider(value=0)"}, {**view, "text/plain": " 50%|#####     | 1/2"}
    )
    assert "an interactive panel (IntSlider)" in made and "50%" not in made
    assert "alert" not in published(
        {"application/javascript": "alert(1)", "text/plain": "<IPython.core.display.Javascript object>"}
    )


def test_warnings_are_kept_without_their_place_and_progress_is_not(published):
    stream = "/some/where/file.py:12: UserWarning: careful\n  warnings.warn(\n100%|####| 3/3\n/some/where/file.py:12: UserWarning: careful\n"
    made = published(new_output("stream", name="stderr", text=stream))
    assert made.count("UserWarning: careful") == 1 and "some/where" not in made and "100%" not in made


def test_an_error_is_shown_by_its_last_line(published):
    made = published(new_output("error", ename="ValueError", evalue="<b>", traceback=["/some/where"]))
    assert "ValueError: " in made and "&lt;b&gt;" in made and "some/where" not in made


def test_formulas_are_set_without_a_script(published):
    made = published("The logit $z_t$ and `$not_this$`.\n\n$$\\frac{a}{b} < 1$$")
    assert '<span class="math">z<sub>t</sub></span>' in made and "<code>$not_this$</code>" in made
    assert "a/b &lt; 1" in made


def test_a_notebook_that_did_not_end_says_so(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("1"), new_code_cell("2")])
    notebook.metadata.papermill = {
        "start_time": "2026-11-22T03:00:00+00:00",
        "duration": 1.5,
        "parameters": {"n": 3, "run_dir": "out"},
    }
    for cell, status in zip(notebook.cells, ["completed", "failed"], strict=True):
        cell.metadata.papermill = {"status": status}
    nbformat.write(notebook, tmp_path / "a.ipynb")
    made = notebook_section(tmp_path / "a.ipynb")
    assert "2026-11-22 at 03:00 UTC, 2 s, with n = 3." in made and "1 of 2 code cells were completed" in made


def test_four_notebooks_fit_into_one_page(published):
    parts = [published("# A\n## Part", {"image/png": PNG}, name=f"0{n}_a") for n in range(1, 5)]
    page = html.page("Report", *parts)
    ids = [found["id"] for _, found in Reader(page).found if "id" in found]
    assert len(ids) == len(set(ids)) == 8 and page.count("<nav") == 1
    assert not LOADING.search(
        re.sub(r"<style>.*?</style>|<link rel=\"icon\" href=\"data:,\">", "", page, flags=re.DOTALL)
    )


def test_a_notebook_alone_is_a_page(tmp_path, published):
    published("# What is it?\n\nText\n\n## Part")
    page = notebook_page(tmp_path / "01_a.ipynb")
    assert re.findall(r"<h(\d)[^>]*>([^<]*)", page) == [("1", "What is it?"), ("2", "Part")]
    assert page.startswith("<!doctype html>") and "<title>What is it?</title>" in page


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "x.ipynb").write_text("no")
    with pytest.raises(BadFile, match="a Jupyter notebook"):
        notebook_section(tmp_path / "x.ipynb")
