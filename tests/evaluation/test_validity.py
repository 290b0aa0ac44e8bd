"""What was measured of the metrics is what the table says, and the default set is part of what passes."""

import json
from pathlib import Path

import pytest

import workbench as wb
from workbench.evaluation import validity
from workbench.evaluation.judging import DEFAULT

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "validity.json"


def test_every_shipped_metric_was_held_against_the_truth():
    shipped = set(wb.metrics().index) & set(validity.measured())
    assert shipped == set(validity.measured()) and len(shipped) > 25


def test_the_recorded_benchmark_says_the_same():
    for row in json.loads(RESULTS.read_text("utf-8"))["rows"]:
        truths = validity.measured()[row["metric"]]
        assert row["passes"] == ("yes" if validity.passes(truths) else "no")
        assert {name: row[name] for name in truths} == {
            name: validity.said({name: found}) for name, found in truths.items()
        }


def test_the_default_set_passes():
    assert all(validity.passes(validity.measured()[name]) for name in DEFAULT)


def test_a_metric_has_to_follow_every_truth_and_two_at_least():
    good, bad = (
        {"rho": 0.9, "low": 0.8, "high": 1.0, "rows": 60},
        {"rho": 0.1, "low": -0.1, "high": 0.3, "rows": 60},
    )
    assert validity.passes({"a": good, "b": good, "c": "no mask"})
    assert not validity.passes({"a": good, "b": "no mask"}) and not validity.passes(
        {"a": good, "b": good, "c": bad}
    )


def test_the_table_has_the_column_and_a_metric_of_ones_own_was_not_measured():
    column = wb.metrics()["validated here on"]
    assert column["deletion"].startswith("linear model 1.000") and "decoy_mnist" in column["deletion"]
    assert (
        column["randomization"] == "not measured: it asks the method again, which a graded map does not have"
    )
    assert validity.said({}) == "not measured"


@pytest.mark.parametrize("name", ["complexity", "sparseness"])
def test_metrics_of_shape_know_no_truth(name):
    assert not validity.passes(validity.measured()[name])
