"""HTML from a notebook, made harmless and fit for a page: no scripts, no styles, nothing loaded, unique anchors.

Allowed is a short list of elements and attributes; whatever else there is goes, its text stays.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

from .. import html
from .formulas import formulas

# What goes with all that is in it, and what may stay.
_GONE = re.findall(r"\w+", "script style iframe object embed template noscript svg canvas form title")
_TAGS = frozenset(
    re.findall(
        r"\w+",
        """a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h2 h3 h4 h5
        h6 hr i img ins kbd li mark ol p pre s samp small span strong sub summary sup table tbody td tfoot th thead
        tr u ul var""",
    )
)
_ATTRIBUTES = frozenset(
    re.findall(r"[\w-]+", "class colspan rowspan scope id alt title width tabindex role aria-label open")
)
_HEADING = re.compile("^h[1-6]$")
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*$")
_NUMBER = re.compile(r"[-+−]?[\d.,]+(e[-+−]?\d+)?\s*%?|[-+−]?(nan|NaN|inf)|–")


def clean(fragment: str, prefix: str, seen: dict[str, int], lower: int = 1) -> html.Markup:
    """Return harmless HTML that fits into a page.

    Parameters
    ----------
    fragment
        Any HTML.
    prefix
        What anchors begin with.
    seen
        How often each anchor was used so far; it is counted on.
    lower
        By how many levels headings go down.
    """
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(fragment, "html.parser")
    for element in soup(_GONE):
        element.decompose()
    for mend in (_anchors, _links, _images, _tables, _mathematics):
        mend(soup, prefix, seen)
    for heading in soup(_HEADING):
        heading.name = f"h{min(int(heading.name[1]) + lower, 6)}"
    return html.Markup(_allowed(str(soup)))


def _allowed(fragment: str) -> str:
    """A browser reads odd HTML otherwise than a simple parser does, so the last word is a strict one's."""
    import bleach

    return bleach.clean(fragment, tags=_TAGS, attributes=_may_stay, protocols=["http", "https", "mailto", "data"],
                        strip=True, strip_comments=True)  # fmt: skip


def _may_stay(tag: str, name: str, value: str) -> bool:
    if name == "src":
        return tag == "img" and bool(_IMAGE.match(value))
    if name == "href":
        return tag == "a" and bool(re.match(r"(#|https?://|mailto:)", value))
    return name in _ATTRIBUTES


def _anchors(soup: Any, prefix: str, seen: dict[str, int]) -> None:
    """Headings get an anchor, other anchors are kept, and none comes twice."""
    for element in soup(lambda e: e.has_attr("id") or _HEADING.match(e.name)):
        anchor = (
            f"{prefix}-{html.slug(element.get_text() if _HEADING.match(element.name) else element['id'])}"
        )
        seen[anchor] = seen.get(anchor, 0) + 1
        element["id"] = anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor]}"


def _links(soup: Any, prefix: str, seen: dict[str, int]) -> None:
    """Anchors keep leading to their heading, other notebooks to their section; files outside lead nowhere."""
    for element in soup("a"):
        target = unquote(element.get("href", ""))
        notebook = re.fullmatch(r"(?:\./)?([\w-]+)\.ipynb(?:#.*)?", target)
        if target.startswith("#"):
            element["href"] = f"#{prefix}-{html.slug(target)}"
        elif notebook:
            element["href"] = f"#{notebook[1]}"
        elif not re.match(r"https?://|mailto:", target):
            element.unwrap()


def _images(soup: Any, prefix: str, seen: dict[str, int]) -> None:
    for element in soup("img"):
        if not _IMAGE.match(element.get("src", "")):
            element.replace_with(element.get("alt", ""))
        element["alt"] = element.get("alt") or "A picture without a description"


def _tables(soup: Any, prefix: str, seen: dict[str, int]) -> None:
    """Numbers go right, under the heads of their columns; a wide table scrolls in a box of its own."""
    box = {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": "Table"}
    for table in soup("table"):
        rows = [row(["td", "th"], recursive=False) for row in table("tr")]
        for column in range(max(map(len, rows), default=0)):
            cells = [row[column] for row in rows if column < len(row)]
            values = [cell.get_text().strip() for cell in cells if cell.name == "td"]
            if values and all(map(_NUMBER.fullmatch, values)):
                for cell in cells:
                    cell["class"] = "n"
        if table.find_parent(class_="scroll") is None:
            table.wrap(soup.new_tag("div", attrs=box))


def _mathematics(soup: Any, prefix: str, seen: dict[str, int]) -> None:
    """Formulas between dollars are set with italics, sub- and superscripts: MathJax would be a script."""
    from bs4 import BeautifulSoup

    for text in soup(string=re.compile(r"\$[^$]+\$")):
        if text.find_parent(["code", "pre"]) is None:
            text.replace_with(BeautifulSoup(formulas(str(text)), "html.parser"))
