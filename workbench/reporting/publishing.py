"""A notebook that ran, without its code, as a part of a page: prose, tables, figures with their alt texts.

What a notebook shows is not trusted: scripts, styles and all that would load something are taken out.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from .. import html
from . import journal
from .cleaning import clean
from .execution import read_notebook
from .parameters import HANDOVER

_TEMPLATES = Path(__file__).with_name("templates")
_NO_ALT = "A figure; the notebook gives no description of it"
_WIDGET = "application/vnd.jupyter.widget-view+json"
# Pictures first: what else comes with them is for terminals. Widgets and scripts are not in the list.
_PICTURES = ["image/png", "image/svg+xml", "image/jpeg"]
_PRIORITY = [*_PICTURES, "text/html", "text/markdown", "text/latex", "text/plain"]


def notebook_section(path: str | Path) -> str:
    """Return an executed notebook without code as one section of a page.

    Its title becomes a heading of the second level and its headings go down by one; anchors begin with the
    name of the file, so several notebooks fit into one page. Links from one notebook to another lead there.

    Parameters
    ----------
    path
        The executed notebook.

    Returns
    -------
    str
        HTML that runs no script and loads nothing; text where a widget stood.

    Raises
    ------
    BadFile
        If the notebook cannot be read.
    """
    title, parts = _told(Path(path), lower=1)
    return html.tag("section", html.tag("h2", title), *parts, id=Path(path).stem, class_="notebook")


def notebook_page(path: str | Path) -> str:
    """Return an executed notebook without code as a page of its own."""
    title, parts = _told(Path(path), lower=0)
    return html.page(title, *parts, contents=False)


def _told(path: Path, lower: int) -> tuple[str, list[html.Markup | None]]:
    """The title, and what stands under it with the headings so many levels lower."""
    notebook = read_notebook(path)
    title = _take_title(notebook) or path.stem
    return title, [_origin(notebook), html.Markup(_export(notebook, path.stem, lower))]


def _take_title(notebook: nbformat.NotebookNode) -> str | None:
    """Take the title out of the first cell that has one, and return it without its marks."""
    for cell in [one for one in notebook.cells if one.cell_type == "markdown"]:
        found = re.search(r"^# +(.+?) *#* *$", cell.source, re.MULTILINE)
        if found:
            cell.source = cell.source.replace(found[0], "", 1)
            return re.sub(r"[*_`]", "", found[1])
    return None


def _origin(notebook: nbformat.NotebookNode) -> html.Markup | None:
    """One line on how it was run, and a warning where it was not run to its end."""
    ran = notebook.metadata.get("papermill", {})
    if not ran.get("start_time"):
        return None
    named = [f"{name} = {value!r}" for name, value in ran.get("parameters", {}).items() if name != HANDOVER]
    given = ", ".join(named) or "its defaults"
    seconds = f", {ran['duration']:.0f} s" if ran.get("duration") else ""
    when = ran["start_time"][:16].replace("T", " at ")
    line = _small(f"Ran on {when} UTC{seconds}, with {given}.")
    done = [cell["status"] for cell in journal.cells(notebook)]
    if set(done) <= {"completed"}:
        return line
    ended = f"It stopped early: {done.count('completed')} of {len(done)} code cells were completed."
    return html.join(line, html.note(html.paragraph(html.strong(ended)), tone="doubt"))


def _export(notebook: nbformat.NotebookNode, stem: str, lower: int) -> str:
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    config = Config({"NbConvertBase": {"display_data_priority": _PRIORITY}})
    exporter = HTMLExporter(template_name="section", extra_template_basedirs=[str(_TEMPLATES)], config=config,
                            exclude_anchor_links=True, filters=_filters(stem, lower), exclude_input=True)  # fmt: skip
    return exporter.from_notebook_node(_showable(notebook))[0]


def _showable(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook without the state of its widgets and without outputs that have nothing to show."""
    notebook.metadata.pop("widgets", None)
    for cell in [one for one in notebook.cells if one.cell_type == "code"]:
        cell.outputs = [o for o in cell.outputs if "data" not in o or set(o.data) & set(_PRIORITY)]
    return notebook


def _filters(stem: str, lower: int) -> dict[str, Callable[..., str]]:
    seen: dict[str, int] = {}
    return {
        "prose": lambda fragment: clean(fragment, stem, seen, lower),
        "picture": picture,
        "printed": printed,
        "plain": plain,
        "warned": warned,
        "failed": failed,
    }


def picture(output: Mapping[str, Any], kind: str) -> str:
    """Return a picture with its alt text, which :func:`workbench.show` put into the metadata."""
    data = output["data"][kind]
    image = data.encode() if kind == "image/svg+xml" else base64.b64decode(data)
    about = output.get("metadata", {}).get(kind, {})
    alt = about.get("alt") if isinstance(about, Mapping) else None
    return html.figure(image, alt or _spoken(output["data"].get("text/plain", "")) or _NO_ALT, kind=kind)


def _spoken(text: str) -> str:
    """A text that describes the picture, not the object: ``<Figure size 640x480 with 1 Axes>`` says nothing."""
    return "" if re.fullmatch(r"\s*<.*>\s*", text, re.DOTALL) else text.strip()


def plain(output: Mapping[str, Any]) -> str:
    """Return a text output; a widget has only its name to show without a kernel, a progress bar not even that."""
    text = output["data"]["text/plain"]
    if _WIDGET not in output["data"]:
        return printed(text)
    name = re.match(r"(\w+)\(", text)
    return _small(f"Here the notebook holds an interactive panel ({name[1]}).") if name else ""


def printed(text: str) -> str:
    """Return printed text, as a terminal shows it after its colours and overwritten lines are gone."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in _uncoloured(text).strip("\n").split("\n")]
    return html.block("\n".join(lines)) if any(line.strip() for line in lines) else html.Markup("")


def warned(text: str) -> str:
    """Return the warnings in what went to the error stream; progress bars and places in files stay out."""
    return html.join(*(_small(f"{kind}: {what}") for kind, what in _warnings(_uncoloured(text))))


def _warnings(text: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for found in re.finditer(r"^(?:.*:\d+: )?(\w*Warning): (.+)$", text, re.MULTILINE):
        if found.groups() not in seen:
            seen.add(found.groups())
            yield found[1], found[2]


def failed(output: Mapping[str, Any]) -> str:
    """Return an error as its last line; where it came from stands in the notebook."""
    said = html.paragraph(html.strong(output["ename"], ": "), _uncoloured(output["evalue"]))
    return html.note(said, tone="moved")


def _small(text: str) -> html.Markup:
    return html.tag("p", text, class_="small")


def _uncoloured(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
