"""The benchmark harness: turns, medians, a refusal on a busy machine, and records that name the machine."""

import json
import sys
import time

import harness
import numpy as np
import pytest
from harness import Table, interleave

from workbench.errors import RunFailed

TABLE = Table(
    "What it costs", [{"call": "raw", "ms": 1.23456}, {"call": "ours", "ms": 2.0}], notes=["a note"]
)


def test_calls_take_turns_and_every_one_goes_first():
    order = []
    timings = interleave(
        {"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=3, warmup=1
    )
    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert timings["a"].n == timings["b"].n == 3


def test_a_slow_call_is_seen_to_be_slow():
    timings = interleave({"quick": lambda: None, "slow": lambda: time.sleep(0.01)}, repeats=3)
    assert 0.01 <= timings["slow"].low <= timings["slow"].median <= timings["slow"].high
    assert timings["slow"].over(timings["quick"]) > 2


def test_the_median_and_the_quartiles_of_known_durations():
    timing = harness.summary([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (timing.low, timing.median, timing.high, timing.n) == (2.0, 3.0, 4.0, 5)


def test_a_busy_machine_is_refused_in_three_parts():
    harness.require_quiet(0.3)
    with pytest.raises(RunFailed, match=r"load average of the last minute is 1\.90.*at most 1\.2.*--force"):
        harness.require_quiet(1.9)


def test_a_record_names_the_machine(tmp_path):
    path = harness.record("cost", TABLE, tmp_path)
    kept = json.loads((tmp_path / "cost.json").read_text())
    assert kept["rows"][0] == {"call": "raw", "ms": 1.23456}
    assert {"processor", "cores", "python", "torch", "threads", "date"} <= set(kept["machine"])
    text = path.read_text()
    assert text.startswith("# What it costs\n\n| call | ms |\n|---|---|\n| raw | 1.23 |\n")
    assert "- a note\n" in text and "- Machine: processor " in text


@pytest.fixture
def script(monkeypatch, tmp_path):
    """Pretend to be the script ``bench_cost.py`` on a machine with some load."""

    def pretend(load, *arguments):
        monkeypatch.setattr(sys, "argv", ["bench_cost.py", *arguments])
        monkeypatch.setattr(harness.os, "getloadavg", lambda: (load, 0.0, 0.0))
        monkeypatch.setattr(harness.record, "__defaults__", (tmp_path,))
        return tmp_path

    return pretend


def test_a_quiet_machine_records(script):
    folder = script(0.1)
    harness.run(lambda: TABLE)
    assert sorted(path.name for path in folder.iterdir()) == ["cost.json", "cost.md"]


def test_a_busy_machine_measures_nothing(script):
    folder = script(3.0)
    with pytest.raises(SystemExit, match=r"at most 1\.2"):
        harness.run(lambda: pytest.fail("measured all the same"))
    assert list(folder.iterdir()) == []


def test_force_measures_and_records_nothing(script, capsys):
    folder = script(3.0, "--force")
    harness.run(lambda: TABLE)
    assert list(folder.iterdir()) == []
    assert "nothing recorded" in capsys.readouterr().out


def test_a_cell_of_a_long_benchmark_is_measured_once(tmp_path):
    asked = []

    def measured(seed):
        asked.append(seed)
        return {"found": seed}

    for _ in range(2):
        assert harness.kept("bench/one", measured, 7, folder=tmp_path) == {"found": 7}
    assert asked == [7]


def test_a_mean_over_runs_has_its_interval():
    assert harness.spread([1.0, 2.0, 3.0], 1) == "2.0 (-0.5 to 4.5)"  # 4.303 * 1 / sqrt(3)
    assert harness.spread([1.0]) == "1.000" and harness.spread([]) == "-"
    assert harness.pooled(np.full((3, 4), 0.5)) == "+50.00 (+50.00 to +50.00)"
