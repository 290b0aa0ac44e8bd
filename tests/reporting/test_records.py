"""What a notebook records, and what counts as expected."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BadInput
from workbench.reporting.records import (
    ASSERTED,
    MEDIA_TYPE,
    Entry,
    UnexpectedFinding,
    collect,
    finding,
    meets,
    record,
)


@pytest.mark.parametrize(
    ("value", "expectation", "answer"),
    [
        (0.96, "> .95", True),
        (0.95, "> .95", False),
        (0.95, ">= .95", True),
        (1, "< 1", False),
        (1, "<=1", True),
        (-2, "> -3", True),
        (2, "== 2", True),
        ("moved", "== 'moved'", True),
        ("moved", "!= 'moved'", False),
        (0.9, "between .9 and 1", True),
        (1.1, "between .9 and 1", False),
        ("moved", "in ['moved', 'cannot tell']", True),
        ("no sign", "in ['moved', 'cannot tell']", False),
        (True, "== True", True),
        (None, "> 0", False),
        (None, "between 0 and 1", False),
    ],
)
def test_an_expectation_is_read_as_it_is_written(value, expectation, answer):
    assert meets(value, expectation) is answer


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_comparisons_of_numbers_are_those_of_python(a, b):
    assert meets(a, f"> {b}") == (a > b) and meets(a, f"between {b} and 10") == (b <= a <= 10)


@pytest.mark.parametrize(
    "expectation",
    [
        "",
        "large",
        "> x",
        "> __import__('os').getcwd()",
        "in [0, 1]",
        "in []",
        "in 'abc'",
        "between 0",
        "> 1 and 2",
        "=> 3",
        "inside [0, 1]",
    ],
)
def test_an_expectation_that_cannot_be_read_is_refused_and_never_executed(expectation):
    with pytest.raises(BadInput, match="cannot be read"):
        meets(0.5, expectation)


def test_like_is_compared_with_like():
    with pytest.raises(BadInput, match="cannot be compared"):
        meets("moved", "> .9")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.98234, "0.9823"),
        (np.float32(0.5), "0.5"),
        (3, "3"),
        ("moved", "moved"),
        (np.array(2.0), "2"),
        (float("nan"), "–"),
    ],
)
def test_a_record_outside_a_notebook_only_shows_itself(capsys, value, shown):
    record("name", value)
    assert capsys.readouterr().out == f"name = {shown}\n"


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, np.zeros(3), object(), "x" * 201])
def test_what_is_no_number_and_no_short_text_is_refused(value):
    with pytest.raises(BadInput, match="a number, or a text of at most 200 characters"):
        record("name", value)


def test_a_record_needs_a_name():
    with pytest.raises(BadInput, match="a short text"):
        record(" ", 1)


def test_a_finding_says_in_words_how_it_came_out(capsys, monkeypatch):
    monkeypatch.delenv(ASSERTED, raising=False)
    finding("answers kept", 0.99, "> .95")
    finding("worst class", 0.7, "> .95")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "✓ as expected: answers kept = 0.99 (expected > .95)"
    assert second == "✗ NOT as expected: worst class = 0.7 (expected > .95)"


def test_a_finding_is_shown_before_it_stops_a_run_with_the_defaults(capsys, monkeypatch):
    monkeypatch.setenv(ASSERTED, "1")
    finding("answers kept", 0.99, "> .95")
    with pytest.raises(UnexpectedFinding, match=r"worst class is 0.7. Expected: > .95") as caught:
        finding("worst class", 0.7, "> .95")
    assert isinstance(caught.value, AssertionError)
    assert "NOT as expected: worst class" in capsys.readouterr().out


def test_an_executed_notebook_hands_over_numbers_and_findings():
    entries = [Entry("a", 1.0), Entry("f", 0.7, "> .9", False), Entry("a", 2.0)]
    outputs = [{"output_type": "display_data", "data": entry._repr_mimebundle_()} for entry in entries]
    notebook = {"cells": [{"outputs": outputs}, {"outputs": [{"output_type": "stream", "text": "x"}]}, {}]}
    numbers, findings = collect(notebook)
    assert numbers == {"a": 2.0}
    assert findings == [{"name": "f", "value": 0.7, "expectation": "> .9", "holds": False}]


def test_names_and_values_are_shown_as_text():
    bundle = Entry("<script>", "<b>", "== '<i>'", False)._repr_mimebundle_()
    assert "<script>" not in bundle["text/html"] and "<b>" not in bundle["text/html"].replace("<b>✗", "")
    assert bundle[MEDIA_TYPE]["name"] == "<script>"
