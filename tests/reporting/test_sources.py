"""Where a report's data come from, and how the command that named them is told again."""

import pytest

from workbench.errors import BadInput
from workbench.reporting.sources import opened

NOTHING = dict.fromkeys(("data", "csv", "folder", "texts", "label", "text"))


@pytest.fixture
def loans(tmp_path):
    path = tmp_path / "my loans.csv"
    path.write_text(
        "age,job,y\n"
        + "".join(
            f"{20 + i % 50},{'cook' if i % 3 else 'smith'},{'yes' if i % 2 else 'no'}\n" for i in range(60)
        )
    )
    return path


def test_without_words_it_is_the_digits():
    source = opened(**NOTHING)
    assert source.data == "mnist" and source.command(None, False, {}) == "workbench report --data mnist"


def test_a_table_is_read_and_told_about(loans, capsys):
    source = opened(**NOTHING | {"csv": loans, "label": "y"})
    assert source.data.kind == "table" and "my loans" in capsys.readouterr().err
    command = source.command("mlp", True, {"references": 3})
    assert command.endswith("my loans.csv' --label y --model mlp --fast --references 3")


def test_texts_are_read_as_texts(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(
        "t,y\n"
        + "".join(
            f"a film that one may see or not and then say so {'good' if i % 2 else 'bad'} {i},{i % 2}\n"
            for i in range(40)
        )
    )
    source = opened(**NOTHING | {"texts": path, "label": "y", "text": "t"})
    assert source.data.kind == "text" and source.words == (
        "--texts",
        str(path),
        "--label",
        "y",
        "--text",
        "t",
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": "mnist", "csv": "a.csv"}, "--data and --csv were given"),
        ({"csv": "a.csv"}, "--csv was given without --label"),
        ({"texts": "a.csv"}, "--texts was given without --label"),
    ],
)
def test_what_does_not_name_one_source_is_refused(given, said):
    with pytest.raises(BadInput, match=said):
        opened(**NOTHING | given)
