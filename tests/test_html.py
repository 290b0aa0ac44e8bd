"""HTML is made here only: whatever comes from outside comes out as text, and pages load nothing."""

import struct
import zlib
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench import html
from workbench.errors import BadInput

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title><script>",
    "a & b &lt; c",
    "'",
    "\x00\x1b",
]


class Reader(HTMLParser):
    """Reads HTML as a browser does: which elements and attributes there are, and what text."""

    def __init__(self, fragment):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(fragment)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def hostile(function):
    """Try the known tricks, and whatever else there is in Unicode."""
    for text in HOSTILE:
        function = example(text)(function)
    return given(st.text())(function)


def as_read(text):
    """A text as HTML can hold it."""
    return html._printable(text)


@hostile
def test_any_text_comes_out_as_text(text):
    read = Reader(html.escape(text))
    assert read.tags == [] and read.text == as_read(text)


@hostile
def test_any_attribute_comes_out_as_that_attribute(text):
    read = Reader(html.tag("img", alt=text))
    assert read.tags == ["img"] and read.attributes == [("alt", as_read(text))]


@hostile
def test_no_name_adds_an_element_to_a_table_or_a_record(text):
    tame = Reader(html.join(html.table([{"a": "b"}], caption="c"), html.record("d", {"e": "f"})))
    wild = Reader(html.join(html.table([{text: text}], caption=text or "c"), html.record(text, {text: text})))
    assert wild.tags == tame.tags and {name for name, _ in wild.attributes} == {
        name for name, _ in tame.attributes
    }


@hostile
def test_no_title_or_heading_adds_an_element_to_a_page(text):
    def made(word):
        return Reader(
            html.page(
                word, html.section(word, word), html.section(word, word, anchor=word), subtitle=word or "x"
            )
        )

    assert made(text).tags == made("word").tags


def test_a_class_called_script_is_shown_by_its_name():
    assert Reader(html.table([{"class": "<script>", "accuracy": 0.5}])).text.count("<script>") == 1


def test_markup_is_kept_and_text_joined_to_it_is_text_again():
    bold = html.strong("x")
    assert html.escape(bold) is bold
    assert html.escape(bold + "<i>") == "&lt;strong&gt;x&lt;/strong&gt;&lt;i&gt;"
    assert html.join(bold, None, "<i>") == "<strong>x</strong>&lt;i&gt;"


def test_half_a_character_can_still_be_written_to_a_file():
    assert html.escape("a\ud800b").encode("utf-8") == b"a?b"


def test_a_table_rounds_numbers_sets_them_right_and_shows_gaps():
    made = html.table(
        [
            {"metric": "index", "mean": 0.123456, "n": 44190},
            {"metric": "delta", "mean": float("nan"), "n": None},
        ]
    )
    assert '<td class="n">0.1235</td><td class="n">44,190</td>' in made
    assert '<td class="n">–</td><td class="n">–</td>' in made
    assert '<th scope="row">index</th>' in made and '<th scope="col" class="n">mean</th>' in made


def test_a_data_frame_shows_the_index_that_was_set_and_no_other():
    frame = pd.DataFrame({"mean": [0.5, -2.0]})
    assert Reader(html.table(frame)).text == "mean0.5−2"
    assert Reader(html.table(frame.set_axis(["a", "b"]))).text.split() == ["meana0.5b−2"]
    two = pd.DataFrame(
        {("s", "low"): [1.0]}, index=pd.MultiIndex.from_tuples([("x", "y")], names=["m", None])
    )
    assert Reader(html.table(two)).text.replace(" ", "") == "ms·lowxy1"


def test_a_table_without_rows_is_an_empty_table():
    assert Reader(html.table([])).text == ""


def png(width, per_metre=None):
    """The head of a PNG file of that width."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 10, 8, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + size
        + (chunk(b"pHYs", struct.pack(">IIB", per_metre, per_metre, 1)) if per_metre else b"")
    )


def test_a_figure_travels_inside_the_page_at_the_size_it_was_drawn_for():
    read = Reader(html.figure(png(1440, per_metre=5669), "The mean is .97", caption="Ten runs"))
    attributes = dict(read.attributes)
    assert read.tags == ["figure", "img", "figcaption"]
    assert attributes["alt"] == "The mean is .97" and attributes["width"] == "960"
    assert attributes["src"].startswith("data:image/png;base64,iVBOR")
    assert "width" not in dict(Reader(html.figure(png(100), "x")).attributes)


@pytest.mark.parametrize("alt", ["", "  "])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(BadInput, match="states the finding"):
        html.figure(b"", alt)


def test_a_tone_that_does_not_exist_is_refused():
    with pytest.raises(BadInput, match="one of neutral, steady, doubt, moved"):
        html.note("x", tone="green")


def test_a_page_is_complete_and_its_contents_lead_to_its_sections():
    made = html.page("Title", html.section("First & last", "a"), html.section("Second", "b", anchor="two"))
    read = Reader(made)
    assert (
        made.startswith("<!doctype html>\n")
        and ("lang", "en") in read.attributes
        and ("charset", "utf-8") in read.attributes
    )
    assert ("content", "width=device-width, initial-scale=1") in read.attributes
    ids = {value for name, value in read.attributes if name == "id"}
    assert (
        {value[1:] for name, value in read.attributes if name == "href" and value.startswith("#")}
        == ids
        == {"first-last", "two"}
    )


def test_a_page_runs_no_script_loads_nothing_and_forbids_both():
    made = html.page("Title", html.section("A", html.figure(png(10), "x")))
    read = Reader(made)
    assert "script" not in read.tags and not any(name.startswith("on") for name, _ in read.attributes)
    assert not [
        value
        for name, value in read.attributes
        if name in ("src", "href") and not value.startswith(("data:", "#"))
    ]
    assert "@import" not in made and "url(" not in made
    assert [value for name, value in read.attributes if name == "content" and "default-src 'none'" in value]


def test_a_page_prints():
    assert "@media print" in html.page("Title")
