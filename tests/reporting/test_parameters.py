"""Parameters are read from the cell, as Python, and what does not fit is refused."""

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from workbench.errors import BadInput, UnknownName
from workbench.reporting.parameters import check, declared, deviates, read


def notebook(source):
    """A notebook with one cell of parameters."""
    return new_notebook(
        cells=[new_code_cell(source, metadata={"tags": ["parameters"]}), new_code_cell("later: int = 2")]
    )


CELL = """# the fast settings
data: str = "mnist"  # name of the data
epochs: int | None = None  # passes [epochs]
amounts: list[float] = [.5, .9]
how: Literal["weights", "channels"] = "weights"
fast = True
sizes: dict = {}
window: tuple[int, int] = (3, 3)
import os
"""


def test_every_line_of_the_cell_is_a_parameter_with_type_default_and_meaning():
    found = declared(notebook(CELL))
    assert list(found) == ["data", "epochs", "amounts", "how", "fast", "sizes", "window"]
    assert found["epochs"].type == "int | None" and found["epochs"].meaning == "passes [epochs]"
    assert found["amounts"].default == [0.5, 0.9] and found["fast"].type == "bool"


@pytest.mark.parametrize(
    "given",
    [
        {"data": "signs"},
        {"epochs": 3},
        {"epochs": None},
        {"amounts": [0.1]},
        {"how": "channels"},
        {"fast": False},
        {"sizes": {"hidden": 3}},
        {"window": [5, 5]},
    ],
)
def test_what_fits_is_accepted_as_it_is(given):
    assert check(notebook(CELL), given) == given


def test_an_int_becomes_a_float_where_one_is_declared_and_nothing_else_changes():
    accepted = check(notebook("rate: float = .5"), {"rate": 1})
    assert accepted == {"rate": 1.0} and isinstance(accepted["rate"], float)


@pytest.mark.parametrize(
    "given",
    [
        {"data": 3},
        {"epochs": 3.0},
        {"epochs": "3"},
        {"amounts": 0.9},
        {"amounts": ["a"]},
        {"how": "both"},
        {"fast": 1},
        {"sizes": []},
    ],
)
def test_what_does_not_fit_is_refused_with_the_default_as_an_example(given):
    with pytest.raises(BadInput, match="such as its default"):
        check(notebook(CELL), given)


def test_an_unknown_parameter_is_answered_with_the_known_ones():
    with pytest.raises(UnknownName, match=r"amounts, data, epochs.*Did you mean 'epochs'"):
        check(notebook(CELL), {"epoch": 3})


def test_a_notebook_without_parameters_takes_none():
    with pytest.raises(BadInput, match="no cell of the notebook is tagged 'parameters'"):
        check(new_notebook(cells=[]), {"n": 3})


def test_a_cell_that_is_not_python_is_refused():
    with pytest.raises(BadInput, match="is not Python"):
        declared(notebook("n: int = "))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ({"epochs": "3"}, 3),
        ({"epochs": "none"}, None),
        ({"data": "3"}, "3"),
        ({"fast": "false"}, False),
        ({"amounts": "[1, .5]"}, [1, 0.5]),
        ({"how": "weights"}, "weights"),
    ],
)
def test_text_from_a_command_line_becomes_the_declared_type(text, value):
    assert list(read(notebook(CELL), text).values()) == [value]


def test_text_that_is_no_such_value_is_refused():
    with pytest.raises(BadInput, match="Parameter 'epochs' is 'many', a str"):
        read(notebook(CELL), {"epochs": "many"})


def test_only_another_value_than_the_default_deviates():
    assert not deviates(notebook(CELL), {}) and not deviates(
        notebook(CELL), {"data": "mnist", "epochs": None}
    )
    assert deviates(notebook(CELL), {"data": "signs"})
