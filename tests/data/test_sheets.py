"""Delimited files are laid out as Python's csv reads them, with every row on its line."""

import csv
import io
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.layout import has_header
from workbench.data.remarks import Remarks
from workbench.data.sheets import sheet_of
from workbench.errors import BadFile

CELL = st.text(alphabet='ab1 ,;"\n\té影', max_size=6).map(str.strip)


def read(text, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sheet = sheet_of(text, options.get("sep"), options.get("header", True), (), Remarks("file"))
    return sheet, sheet.frame(dict.fromkeys(sheet.names, ("",)))


@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6), end=st.sampled_from(["\n", "\r\n"])
)
def test_what_csv_wrote_is_read_back_with_its_lines(rows, end):
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end)
    lines = []
    for row in [("one", "two", "three"), *rows]:
        lines.append(stream.getvalue().count("\n") + 1)
        writer.writerow(row)
    sheet, frame = read(stream.getvalue(), sep=",")
    assert [tuple(row) for row in frame.fillna("").to_numpy()] == rows
    assert sheet.lines.tolist() == lines[1:]


def test_empty_lines_are_no_rows_but_count():
    sheet, frame = read("a,b\n\n1,2\n  \n\t\n3,4\n\n")
    assert sheet.lines.tolist() == [3, 6]
    assert frame.to_numpy().tolist() == [["1", "2"], ["3", "4"]]


def test_a_row_of_gaps_is_a_row():
    sheet, frame = read("a,b\n,\n1,2\n")
    assert sheet.lines.tolist() == [2, 3]
    assert frame.iloc[0].isna().all()


def test_spaces_behind_a_separator_are_not_read():
    _, frame = read('a, b\n1, "x, y"\n2, z\n')
    assert frame["b"].tolist() == ["x, y", "z"]


@pytest.mark.parametrize(
    ("text", "sep"),
    [("a,b\n1,2\n", ","), ("a;b\n1,5;2,5\n", ";"), ("1,5;2,5\n1,5;2,5\n", ";"), ("a\tb, c\n1\t2, 3\n", "\t"), ("a|b\n1|2\n", "|"),
     ('a,b\n"x;y",2\n"x;y",3\n', ","), ("a,b\nx;y,2\nx,3\nx;y;z,3\n", ",")],
    ids=["comma", "semicolon", "decimal commas", "tab", "bar", "semicolons in quotes", "semicolons now and then"],
)  # fmt: skip
def test_the_separator_is_the_one_on_which_lines_agree(text, sep):
    assert read(text)[0].layout.sep == sep


def test_a_quotation_mark_that_is_never_closed_is_found_at_its_line():
    with pytest.raises(BadFile, match="A field that begins in line 3 never ends"):
        read('a,b\n"x, y",2\n3,"z\n')


@pytest.mark.parametrize(
    ("head", "asked", "told"),
    [
        ([["age", "job"], ["3", "cook"]], (), True),
        ([["3", "cook"], ["4", "smith"]], (), False),
        ([["cook", "x"], ["smith", "y"], ["cook", "y"]], (), False),
        ([["job", "type"], ["smith", "y"], ["cook", "y"]], (), True),
        ([["2019", "2020"], ["4", "5"]], (), False),
        ([["2019", "2020"], ["4", "5"]], ("2020",), True),
        ([["0", "1", "2"], ["4", "5", "6"]], (), True),
        ([["", "a", "b"], ["0", "5", "6"]], (), True),
        ([["a", "", "b"], ["0", "5", "6"]], (), False),
        ([["a" * 61, "b"], ["x", "y"]], (), False),
    ],
    ids=["names", "a number", "a word again", "words", "years", "years asked for", "counted", "an index", "a gap", "a text"],
)  # fmt: skip
def test_a_header_is_told_from_data(head, asked, told):
    assert has_header(head, asked) is told
