"""Runs: what they keep, what they refuse, and what is true after a cell fails or something is killed."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from workbench.errors import BadFile, BadInput, RunFailed, UnknownName
from workbench.reporting.execution import notebook_path, run
from workbench.reporting.journal import find, runs

PARAMETERS = "n: int = 3  # rows\nrate: float = .5\nrun_dir: str = ''"


def statuses(path):
    """The statuses of all cells of a notebook on disk, which must be a valid one."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return [cell.metadata.papermill.status for cell in notebook.cells]


def printed(path):
    """All that the cells of an executed notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


@pytest.fixture(scope="module")
def source(tmp_path_factory, written):
    """A notebook that says what it was given and where it runs, and records something."""
    where = "import os, sys, workbench\nprint(n, rate, run_dir, sys.executable, workbench.__file__)"
    records = (
        "from workbench.reporting.records import finding, record\nrecord('rows', n)\nfinding('few', n, '< 5')"
    )
    cells = ["# What is in it?", f"code: {where}", f"code: {records}", "code: open('ran', 'a').write('x')"]
    return written(tmp_path_factory.mktemp("source") / "01_small.ipynb", *cells, parameters=PARAMETERS)


@pytest.fixture(scope="module")
def done(source, tmp_path_factory):
    """That notebook, run with parameters of our own from a folder of its own."""
    here = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        yield run(source, here / "out", verbose=False, n=7, rate=2)


def test_a_run_keeps_what_was_recorded_and_what_it_did(done):
    assert done.status == "completed" and done.problem is None and done.seconds > 0
    assert done.numbers == {"rows": 7}
    assert done.findings == [{"name": "few", "value": 7, "expectation": "< 5", "holds": False}]
    assert [cell["status"] for cell in done.cells] == ["completed"] * 5
    assert "Run(01_small: completed, 5 of 5 cells" in repr(done)


def test_the_cells_got_the_parameters_in_this_python_with_this_workbench(done):
    import workbench

    told = f"7 2.0 out {sys.executable} {workbench.__file__}"
    assert told in printed(done.path)


def test_run_json_says_where_it_ran_and_names_no_place_on_the_machine(done):
    text = (done.folder / "run.json").read_text("utf-8")
    entry = json.loads(text)["notebooks"][0]
    assert entry["versions"]["numpy"] and entry["versions"]["workbench"] and entry["machine"]["cores"]
    assert entry["start"].endswith("+00:00") and entry["start"] < entry["end"]
    assert entry["parameters"] == {"n": 7, "rate": 2.0} and len(entry["fingerprint"]) == 64
    assert str(done.folder.parent) not in text


def test_the_page_is_made_beside_the_notebook(done):
    assert "What is in it?" in done.html.read_text("utf-8")


def test_a_finished_run_is_not_run_again_until_something_changes(done, source):
    ran = done.folder.parent / "ran"
    assert run(source, done.folder, verbose=False, n=7, rate=2.0) == done
    assert ran.read_text() == "x"
    assert run(source, done.folder, verbose=False, n=8, rate=2).numbers == {"rows": 8}
    assert ran.read_text() == "xx"


def test_a_failing_cell_is_named_and_the_rest_is_kept(tmp_path, written):
    source = written(
        tmp_path / "a" / "bad.ipynb", "code: x = 1", "code: # why\n1 / 0", "code: print('never')", "end"
    )
    with pytest.raises(RunFailed) as caught:
        run(source, tmp_path / "out", verbose=False)
    assert caught.value.wrong == "bad stopped at code cell 2, '1 / 0': ZeroDivisionError: division by zero"
    assert "bad.ipynb" in caught.value.todo
    assert statuses(tmp_path / "out" / "bad.ipynb") == ["completed", "failed", "pending", "pending"]
    kept = find(tmp_path / "out", "bad")
    assert kept.status == "failed" and "ZeroDivisionError" in kept.problem and kept.html is None
    assert [cell["status"] for cell in kept.cells] == ["completed", "failed", "not run"]


def test_a_failed_notebook_is_run_again_and_then_finishes(tmp_path, written):
    once = "code: import pathlib\nhere = pathlib.Path(run_dir) / 'seen'\nseen = here.exists(); here.touch(); assert seen"
    source = written(tmp_path / "a" / "once.ipynb", once, parameters="run_dir: str = ''")
    with pytest.raises(RunFailed, match="AssertionError"):
        run(source, tmp_path / "out", verbose=False)
    assert run(source, tmp_path / "out", verbose=False).status == "completed"


def test_a_kernel_that_is_killed_leaves_true_statuses(tmp_path, written):
    kill = "code: import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    source = written(tmp_path / "a" / "killed.ipynb", "code: x = 1", kill, "code: print('never')")
    with pytest.raises(RunFailed, match=r"code cell 2, 'import os, signal'.*kernel died"):
        run(source, tmp_path / "out", verbose=False)
    assert statuses(tmp_path / "out" / "killed.ipynb") == ["completed", "failed", "pending"]
    assert find(tmp_path / "out", "killed").status == "failed"


@pytest.fixture
def stuck(tmp_path, written):
    """A run in a process of its own that has arrived in a cell which never ends, unless ``go`` exists."""
    tell = "code: import os, pathlib\npathlib.Path(run_dir, 'pid').write_text(str(os.getpid()))"
    wait = "code: while not pathlib.Path(run_dir, 'go').exists(): pass"
    source = written(
        tmp_path / "a" / "stuck.ipynb", tell, wait, "code: print('end')", parameters="run_dir: str = ''"
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # A shell's background job ignores it.
        f"from workbench.reporting.execution import run; run({str(source)!r}, {str(tmp_path / 'out')!r}, verbose=False)"
    )
    here = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, env=here)
    until(
        lambda: (
            (tmp_path / "out" / "stuck.ipynb").exists()
            and statuses(tmp_path / "out" / "stuck.ipynb")[3] == "running"
        )
    )
    yield process, source, tmp_path / "out"
    process.kill()
    process.wait()


def until(happened, seconds=20):
    """Wait for something, a little while."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def gone(pid):
    """Whether a process has ended, be it that nobody has collected it yet."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_run_that_is_killed_leaves_a_true_notebook_and_no_kernel_and_finishes_next_time(stuck):
    process, source, out = stuck
    with pytest.raises(BadInput, match="is running in"):
        run(source, out, verbose=False)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert statuses(out / "stuck.ipynb") == ["completed", "completed", "completed", "running", "pending"]
    kept = find(out, "stuck")
    assert kept.status == "interrupted"
    assert [cell["status"] for cell in kept.cells][2:] == ["completed", "interrupted", "not run"]
    assert runs(out)["status"].tolist() == ["interrupted"]
    until(lambda: gone(int((out / "pid").read_text())))
    (out / "go").touch()
    assert run(source, out, verbose=False).status == "completed"
    assert "running" not in statuses(out / "stuck.ipynb")


def test_ctrl_c_is_raised_again_and_kept_as_an_interruption(stuck):
    process, _, out = stuck
    process.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in process.communicate()[1]
    assert statuses(out / "stuck.ipynb")[2:] == ["completed", "interrupted", "pending"]
    assert find(out, "stuck").status == "interrupted"
    assert gone(int((out / "pid").read_text()))


def test_findings_are_asserted_with_the_defaults_only(tmp_path, written):
    ask = "code: from workbench.reporting.records import finding\nfinding('large', n, '> 5')\nprint('after')"
    source = written(tmp_path / "a" / "ask.ipynb", ask, parameters="n: int = 1")
    with pytest.raises(RunFailed, match="UnexpectedFinding: large is 1"):
        run(source, tmp_path / "out", verbose=False)
    assert find(tmp_path / "out", "ask").findings[0]["holds"] is False
    assert run(source, tmp_path / "out", verbose=False, n=2).findings[0]["holds"] is False


def test_a_cell_that_is_meant_to_fail_may_fail(tmp_path, written):
    source = written(tmp_path / "a" / "meant.ipynb", "code: 1 / 0", "code: print('after')")
    notebook = nbformat.read(source, as_version=4)
    notebook.cells[0].metadata.tags = ["raises-exception"]
    nbformat.write(notebook, source)
    assert run(source, tmp_path / "out", verbose=False).status == "completed"


def test_a_walk_is_run_again_from_the_notebook_that_changed(tmp_path, written):
    hand = "code: print(run_dir)"
    first = written(tmp_path / "a" / "01_first.ipynb", hand, parameters="n: int = 1\nrun_dir: str = ''")
    second = written(tmp_path / "a" / "02_second.ipynb", hand, parameters="run_dir: str = ''")
    out = tmp_path / "out"
    before = [run(first, out, verbose=False), run(second, out, verbose=False)]
    assert [run(first, out, verbose=False), run(second, out, verbose=False)] == before
    run(first, out, verbose=False, n=2)
    assert run(second, out, verbose=False).fingerprint != before[1].fingerprint
    assert runs(tmp_path)["notebook"].tolist() == ["01_first", "02_second"]


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"rats": 1.0}, UnknownName, "Expected: one of n, rate, run_dir. Did you mean 'rate'?"),
        ({"n": 2.5}, BadInput, "Parameter 'n' is 2.5, a float. Expected: int, such as its default 3 (rows)."),
        ({"n": True}, BadInput, "Parameter 'n' is True, a bool."),
        ({"rate": "fast"}, BadInput, "Parameter 'rate' is 'fast', a str. Expected: float"),
    ],
)
def test_parameters_are_refused_before_anything_is_written(source, tmp_path, given, error, words):
    with pytest.raises(error) as caught:
        run(source, tmp_path / "out", verbose=False, **given)
    assert words in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_refused(source, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BadFile, match="cannot be written"):
        run(source, tmp_path / "file" / "out", verbose=False)


def test_a_notebook_is_never_written_over_by_its_own_run(source):
    before = source.read_bytes()
    with pytest.raises(BadInput, match="another folder"):
        run(source, source.parent, verbose=False)
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("nowhere/x.ipynb", BadFile, "There is no notebook at"),
        ("x.ipynb", BadFile, "There is no notebook at"),
        ("99_nothing", UnknownName, "There is no notebook called '99_nothing'"),
    ],
)
def test_a_notebook_that_is_not_there_is_refused(name, error, words):
    with pytest.raises(error, match=words):
        notebook_path(name)


def test_a_file_that_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "x.ipynb").write_text("{}")
    with pytest.raises(BadFile, match="a Jupyter notebook"):
        run(tmp_path / "x.ipynb", tmp_path / "out")


def test_this_process_is_not_left_with_kernels():
    children = [child for child in psutil.Process().children(recursive=True) if not gone(child.pid)]
    assert not [child for child in children if "ipykernel_launcher" in " ".join(child.cmdline())]
