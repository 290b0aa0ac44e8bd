"""The only maker of HTML: whole pages that load nothing, and the small pieces they are made of.

One rule keeps names and texts from the outside harmless: every element is made by :func:`tag`, which
escapes all that is not :class:`Markup` already. Forgetting something shows too many ``&lt;``, never a script.
"""

from __future__ import annotations

import base64
import html
import math
import numbers
import re
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import BadInput

_VOID = frozenset({"br", "hr", "img", "link", "meta"})
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CSS = Path(__file__).with_name("page.css")
# Even if a script got in, the page itself forbids the browser to run it, or to load anything.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
TONES = ("neutral", "steady", "doubt", "moved")


class Markup(str):
    """Text that is HTML already, so that :func:`escape` leaves it alone.

    Joining it with plain text by ``+`` or an f-string gives plain text again, which will be escaped.
    """

    __slots__ = ()

    def __html__(self) -> Markup:
        return self

    def _repr_html_(self) -> str:
        return str(self)


def escape(text: object) -> Markup:
    """Return any text as harmless HTML; ``Markup`` comes back as it is.

    Examples
    --------
    >>> escape("<script>"), escape(Markup("<b>"))
    ('&lt;script&gt;', '<b>')
    """
    return text if isinstance(text, Markup) else Markup(html.escape(_printable(text)))


def _printable(text: object) -> str:
    """Text without control characters and half characters, which no HTML file may hold."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", str(text)).encode("utf-8", "replace").decode("utf-8")


def words(text: object) -> str:
    """Return the plain text of a heading or caption, ``Markup`` or not."""
    return html.unescape(re.sub(r"<[^>]*>", "", text)) if isinstance(text, Markup) else str(text)


def join(*parts: object) -> Markup:
    """Put parts one after the other; plain text is escaped, None is left out."""
    return Markup("".join(escape(part) for part in parts if part is not None))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return one element; text and attribute values are escaped.

    Attributes that are None or False are left out, True stands alone, and ``class_`` is ``class``.

    Examples
    --------
    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    inside = "".join(_attribute(key, value) for key, value in attributes.items())
    end = "" if name in _VOID else f"{join(*children)}</{name}>"
    return Markup(f"<{name}{inside}>{end}")


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(_printable(value))}"'


def slug(text: str) -> str:
    """Return text as an anchor: lower case letters, digits and hyphens.

    Examples
    --------
    >>> slug("What we learned, and why")
    'what-we-learned-and-why'
    """
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-") or "part"


def paragraph(*parts: object) -> Markup:
    """Return a paragraph."""
    return tag("p", *parts)


def strong(*parts: object) -> Markup:
    """Return words that carry weight."""
    return tag("strong", *parts)


def code(text: object) -> Markup:
    """Return a word or a line as code."""
    return tag("code", text)


def block(text: object) -> Markup:
    """Return several lines of code or of printed output, with their line breaks."""
    return tag("pre", text, tabindex=0)


def listing(items: Iterable[object]) -> Markup:
    """Return a list with a point for each item."""
    return tag("ul", *(tag("li", item) for item in items))


def link(text: object, anchor: str) -> Markup:
    """Return a link to an anchor of the same page."""
    return tag("a", text, href=f"#{anchor}")


def note(*parts: object, tone: str = "neutral") -> Markup:
    """Set parts apart from the text.

    The tone is ``neutral``, ``steady`` (blue), ``doubt`` (orange) or ``moved`` (vermilion); the words must
    say the same, since colour alone is never enough.
    """
    if tone not in TONES:
        raise BadInput(f"tone is {tone!r}", f"one of {', '.join(TONES)}", "Choose a tone from the list")
    return tag("div", *parts, class_=f"note {tone}")


def signatures(*roles: str) -> Markup:
    """Return one line to sign for each role, with name and date."""
    lines = (tag("div", tag("span", role), tag("span", "Name, date"), class_="line") for role in roles)
    return tag("div", *lines, class_="signatures")


def table(rows: Any, caption: object = None) -> Markup:
    """Return a table.

    Parameters
    ----------
    rows
        A DataFrame (an index that was set comes as the first columns), or a list of dicts with the same keys.
        Numbers are rounded to four digits and set right; None and NaN become a dash; ``Markup`` is kept.
    caption
        What the table says, in a sentence.
    """
    records = _records(rows)
    names = list(records[0]) if records else []
    numeric = [name for name in names if _is_numeric(row.get(name) for row in records)]
    head = tag("tr", *(tag("th", name, scope="col", class_=_kind(name, numeric)) for name in names))
    lines = (_line(row, names, numeric) for row in records)
    title = tag("caption", tag("span", caption)) if caption else None
    inside = tag("table", title, tag("thead", head), tag("tbody", *lines))
    return tag(
        "div", inside, class_="scroll", tabindex=0, role="region", aria_label=words(caption or "Table")
    )


def _records(rows: Any) -> list[dict[str, Any]]:
    if hasattr(rows, "to_dict"):
        counted = type(rows.index).__name__ == "RangeIndex"
        index = [str(name) if name is not None else " " * i for i, name in enumerate(rows.index.names)]
        rows = (rows if counted else rows.reset_index(names=index)).to_dict("records")
    return [{_title(name): cell for name, cell in row.items()} for row in rows]


def _title(name: object) -> str:
    return " · ".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name)


def _kind(name: str, numeric: list[str]) -> str | None:
    return "n" if name in numeric else None


def _line(row: dict[str, Any], names: list[str], numeric: list[str]) -> Markup:
    cells = [tag("td", value(row.get(name)), class_=_kind(name, numeric)) for name in names]
    if names and names[0] not in numeric:
        cells[0] = tag("th", value(row.get(names[0])), scope="row")
    return tag("tr", *cells)


def _is_numeric(values: Iterable[object]) -> bool:
    kinds = [isinstance(v, numbers.Number) and not isinstance(v, bool) for v in values if v is not None]
    return bool(kinds) and all(kinds)


def value(content: object) -> Markup:
    """Return a value as it reads in a table.

    Examples
    --------
    >>> value(0.98234), value(44190), value(float("nan")), value(True)
    ('0.9823', '44,190', '–', 'yes')
    """
    if content is None or (isinstance(content, numbers.Real) and math.isnan(content)):
        return Markup("–")
    if isinstance(content, bool):
        return Markup("yes" if content else "no")
    if isinstance(content, (int, numbers.Integral)):
        return escape(f"{int(content):,}" if abs(int(content)) >= 10_000 else int(content))
    if isinstance(content, numbers.Real):
        return escape(f"{float(content):.4g}".replace("-", "−"))
    return escape(content)


def figure(image: bytes, alt: str, caption: object = "", kind: str = "image/png") -> Markup:
    """Return a picture that travels inside the page.

    Parameters
    ----------
    image
        The bytes of a PNG, JPEG or SVG file.
    alt
        What the picture shows, with its number, for those who do not see it.
    caption
        The line under it.
    kind
        The media type.

    Raises
    ------
    BadInput
        If ``alt`` is empty.
    """
    if not alt.strip():
        raise BadInput("alt is empty", "a sentence that states the finding of the picture", "Write one")
    source = f"data:{kind};base64,{base64.b64encode(image).decode('ascii')}"
    width = _width(image) if kind == "image/png" else None
    under = tag("figcaption", caption) if caption else None
    return tag("figure", tag("img", src=source, alt=alt, width=width), under)


def _width(png: bytes) -> int | None:
    """Width in CSS pixels (96 an inch) that the PNG asks for, so that its letters are as large as meant."""
    found = png.find(b"pHYs", 0, 1024)
    if not png.startswith(b"\x89PNG") or found < 0:
        return None
    (pixels,), (per_metre,) = struct.unpack(">I", png[16:20]), struct.unpack(">I", png[found + 4 : found + 8])
    return round(pixels * 96 / (per_metre * 0.0254)) if per_metre else None


def section(heading: object, *parts: object, level: int = 2, anchor: str | None = None) -> Markup:
    """Return a part of a page under its heading; the anchor is made from the heading unless given."""
    return tag("section", tag(f"h{level}", heading), *parts, id=anchor or slug(words(heading)))


def record(title: object, facts: Mapping[str, object], *parts: object) -> Markup:
    """Return a small record as it shows in a notebook: a title, its facts, and what follows."""
    left = "text-align:left"  # notebooks set cells to the right and know none of our style sheet
    lines = (tag("tr", tag("th", name, scope="row", style=left), tag("td", value(fact), style=left))
             for name, fact in facts.items())  # fmt: skip
    return tag("div", tag("p", strong(title)), tag("table", tag("tbody", *lines)), *parts, class_="record")


def page(title: str, *sections: object, subtitle: object = None, contents: bool = True) -> str:
    """Return a complete HTML5 document that needs no network and runs no script.

    Parameters
    ----------
    title
        The title of the page.
    *sections
        What stands in it; each :func:`section` of level 2 becomes a line of the contents.
    subtitle
        A line under the title.
    contents
        Whether to list the sections at the top.
    """
    body = join(*sections)
    under = tag("p", subtitle, class_="subtitle") if subtitle else None
    header = tag("header", tag("h1", title), under, _contents(body) if contents else None)
    document = tag("html", _head(title), tag("body", header, tag("main", body)), lang="en")
    return f"<!doctype html>\n{document}\n"


def _head(title: str) -> Markup:
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light"),
        tag("link", rel="icon", href="data:,"),  # or the browser asks the server for one
        tag("title", title),
        tag("style", Markup(_CSS.read_text("utf-8"))),
    )


def _contents(body: str) -> Markup | None:
    found = re.findall(r'<section id="([^"]*)"[^>]*><h2>(.*?)</h2>', body, re.DOTALL)
    lines = [tag("li", link(words(Markup(heading)), html.unescape(anchor))) for anchor, heading in found]
    return tag("nav", tag("ol", *lines), aria_label="Contents") if len(lines) > 1 else None
