"""The record of past runs survives damage."""

import math
from pathlib import Path

from workbench import files
from workbench.reporting import journal
from workbench.reporting.journal import closed, find, keep, opened, runs


def finished(folder, name="01_a", **results):
    """A record of a run that ended, kept."""
    return keep(closed(opened(name, folder, {"n": 1}, "f"), "completed", **results))


def test_what_is_kept_is_found(tmp_path):
    run = finished(tmp_path, numbers={"accuracy": 0.5})
    assert find(tmp_path, "01_a") == run and find(tmp_path, "02_b") is None


def test_a_later_run_takes_the_place_of_an_earlier_one_of_that_notebook_only(tmp_path):
    finished(tmp_path, "02_b")
    finished(tmp_path, "01_a", numbers={"x": 1})
    finished(tmp_path, "01_a", numbers={"x": 2})
    assert [run.notebook for run in journal.kept(tmp_path)] == ["01_a", "02_b"]
    assert find(tmp_path, "01_a").numbers == {"x": 2}


def test_a_number_that_is_not_a_number_comes_back_as_one(tmp_path):
    finished(tmp_path, numbers={"index": float("nan")})
    assert math.isnan(find(tmp_path, "01_a").numbers["index"])


def test_a_list_of_runs_never_fails_because_one_record_is_damaged(tmp_path):
    finished(tmp_path / "good")
    for name, text in {"torn": '{"format": 1, "note', "other": "[]", "thin": '{"notebooks": [{}]}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    table = runs(tmp_path)
    assert table["status"].tolist() == ["damaged"] * 3 + ["completed"]
    assert all(table["problem"][:3]) and table["problem"][3] == ""
    assert find(tmp_path / "torn", "01_a") is None


def test_one_damaged_record_does_not_take_the_others_with_it(tmp_path):
    finished(tmp_path, "01_a")
    content = files.read_json(tmp_path / "run.json")
    files.write_json(tmp_path / "run.json", {"notebooks": [{"notebook": "00_x"}, *content["notebooks"]]})
    assert sorted(runs(tmp_path)["status"]) == ["completed", "damaged"]
    finished(tmp_path, "02_b")
    assert [run.notebook for run in journal.kept(tmp_path)] == ["01_a", "02_b"]


def test_a_folder_without_runs_is_an_empty_list(tmp_path):
    assert len(runs(tmp_path / "nowhere")) == 0


def test_a_run_whose_process_is_gone_was_interrupted(tmp_path):
    run = opened("01_a", tmp_path, {}, "f")
    assert keep(run).status == find(tmp_path, "01_a").status == "running"
    keep(journal.replace(run, process={**run.process, "since": 1.0}))
    assert find(tmp_path, "01_a").status == "interrupted"


def test_a_record_shows_itself_without_trusting_its_names(tmp_path):
    shown = finished(tmp_path, "<script>", problem="<b>")._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "<b>" not in shown


def test_the_folder_may_be_moved_with_its_record(tmp_path):
    finished(tmp_path / "before")
    (tmp_path / "before").rename(tmp_path / "after")
    assert find(Path(tmp_path / "after"), "01_a").path == tmp_path / "after" / "01_a.ipynb"
