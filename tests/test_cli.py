"""The command line teaches, prints its tables, and answers a mistake with a message."""

import re
import subprocess
import sys

import pytest

import workbench as wb
from workbench import cli
from workbench.errors import BadFile, RunFailed

COMMANDS = sorted(command.callback.__name__ for command in cli.app.registered_commands)


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the command line in this process: ``code, out, err = call("methods")``."""

    def make(*arguments):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return make


def words(text):
    """Return a help page as one line, without the boxes around it."""
    return re.sub(r"[^\x21-\x7e]+", " ", text)


def test_the_commands_of_the_first_release_are_there():
    assert set(COMMANDS) >= {"report", "run", "runs", "methods", "datasets"}


# help that teaches


def test_without_a_command_one_is_told_where_to_begin(call):
    _, out, err = call()
    page = words(out + err)
    assert "does it still respond to the same parts of its input" in page
    assert "Begin with 'workbench report'" in page
    assert all(command in page for command in COMMANDS)
    assert call("--help")[0] == 0


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_teaches(call, command):
    code, out, _ = call(command, "--help")
    page = words(out)
    assert code == 0
    described = page.split(f"workbench {command}", 1)[1].split("Options")[0]
    assert len(re.findall(r"\w+", described)) > 10
    assert "." in described


@pytest.mark.parametrize("command", ["report", "run"])
def test_the_help_of_what_takes_options_has_an_example(call, command):
    page = words(call(command, "--help")[1])
    assert re.search(rf"Examples?: 'workbench {command}", page)


def test_every_option_is_explained():
    import typer

    for name, command in typer.main.get_command(cli.app).commands.items():
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help, f"{name} {parameter.name}"


# what is printed


def test_methods_are_listed_with_what_they_estimate_and_when_they_mislead(call):
    code, out, err = call("methods")
    assert (code, err) == (0, "")
    for name, row in wb.methods().iterrows():
        assert f"{name} ({row['scope']}; {row['paper']})" in out
        assert row["estimand"] in out
        assert row["misleads"] in out


def test_datasets_are_listed_with_their_licence(call):
    code, out, err = call("datasets")
    assert (code, err) == (0, "")
    for name, row in wb.datasets().iterrows():
        assert name in out
        assert row["licence"] in out
        assert str(row["rows"]) in out


def test_without_runs_one_is_told_how_to_make_one(call, tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        code, out, _ = call("runs", folder)
        assert code == 0
        assert f"No runs in {folder} yet: 'workbench report' makes one." in out
    assert list(tmp_path.iterdir()) == []


# mistakes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nowhere.ipynb"), r"nowhere\.ipynb"),
        (("run", "01_train", "-p", "epochs"), "BadInput: -p epochs. Expected: name=value"),
        (("run", "01_train", "-p", "epochz=3"), "epochz.*epochs"),
        (("run", "01_train", "-p", "epochs=many"), "epochs.*many"),
    ],
    ids=["no such notebook", "no value", "no such parameter", "not a number"],
)
def test_a_mistake_is_a_message_and_not_a_traceback(call, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*arguments)
    assert code == 2
    assert re.search(message, err, re.DOTALL)
    assert "Traceback" not in out + err
    assert "Expected: " in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "problem",
    [BadFile("The disk is full", "room", "Make some"), RunFailed("Cell 3 stopped", "its end", "Look")],
)
def test_every_error_of_ours_ends_with_code_2(call, monkeypatch, problem):
    def fail():
        raise problem

    monkeypatch.setattr("workbench.data.shipped.datasets", fail)
    code, out, err = call("datasets")
    assert (code, out) == (2, "")
    assert err.strip() == f"{type(problem).__name__}: {problem}"


def test_an_error_of_anybody_elses_is_not_hidden(call, monkeypatch):
    def fail():
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("workbench.data.shipped.datasets", fail)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        call("datasets")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("reprot",), "reprot"),
        (("methods", "--colour"), "--colour"),
        (("report", "--references", "some"), "valid integer"),
    ],
    ids=str,
)
def test_what_the_command_line_cannot_read_is_a_message(call, arguments, word):
    code, out, err = call(*arguments)
    assert code == 2
    assert "Traceback" not in out + err
    assert word in words(err)


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "workbench.cli", "datasets"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "mnist" in done.stdout
