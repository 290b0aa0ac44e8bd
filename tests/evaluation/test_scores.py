"""Scores: one number an input and metric, and a table that says how to read them."""

import dataclasses

import numpy as np
import pytest

from workbench.errors import BadInput, UnknownName
from workbench.evaluation.intervals import bootstrap_mean
from workbench.evaluation.scores import Column, Scores

COLUMNS = ["metric", "mean", "low", "high", "floor", "direction", "category"]


@pytest.fixture
def scores():
    drops = np.linspace(0, 1, 50)
    return Scores(
        {
            "deletion": Column(drops, "lower is better", "faithfulness", floor=drops / 2),
            "cosine": Column(np.ones(50), "higher is more alike", "similarity"),
        },
        flags={"zero maps": "2 of 50 inputs <have> a map of zeros"},
    )


def test_a_metric_gives_one_number_an_input(scores):
    assert scores["deletion"].shape == (50,) and scores.n == 50
    assert list(scores) == ["deletion", "cosine"] and len(scores) == 2 and "cosine" in scores


def test_the_table_has_a_row_a_metric_with_its_interval_and_floor(scores):
    table = scores.table()
    assert list(table.columns) == COLUMNS
    _, mean, low, high, floor, *words = table.iloc[0]
    assert (mean, low, high) == pytest.approx(bootstrap_mean(np.linspace(0, 1, 50))[:3])
    assert floor == pytest.approx(0.25) and words == ["lower is better", "faithfulness"]
    assert np.isnan(table.loc[1, "floor"])


def test_clusters_and_seed_reach_the_intervals():
    values = np.repeat(np.random.default_rng(0).normal(size=25), 2)
    column = {"m": Column(values, "", "")}
    alone, clustered = (Scores(column, clusters=c).table().loc[0] for c in (None, np.arange(50) // 2))
    assert clustered.high - clustered.low > 1.2 * (alone.high - alone.low)
    assert Scores(column, seed=1).table().low[0] != alone.low


def test_an_input_without_a_number_is_left_out_of_the_mean():
    table = Scores({"m": Column([1.0, np.nan, 3.0], "", ""), "none": Column([np.nan] * 3, "", "")}).table()
    assert table["mean"][0] == 2.0 and np.isnan(table["mean"][1])


def test_nothing_can_be_changed_afterwards(scores):
    given = np.zeros(3)
    column = Column(given, "", "")
    given[0] = 9
    assert column.values[0] == 0
    with pytest.raises(ValueError):
        scores["cosine"][0] = 5
    with pytest.raises(dataclasses.FrozenInstanceError):
        scores.seed = 3


def test_the_notebook_view_escapes_what_it_shows(scores):
    shown = scores._repr_html_()
    assert "deletion" in shown and "&lt;have&gt;" in shown and "<script" not in shown


def test_an_unknown_metric_lists_the_known_ones(scores):
    with pytest.raises(UnknownName, match="one of cosine, deletion"):
        scores["cosin"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: Scores({}), "no columns"),
        (lambda: Column([], "", ""), "shape (0,)"),
        (lambda: Column([[1.0]], "", ""), "shape (1, 1)"),
        (lambda: Column([1.0, 2.0], "", "", floor=np.zeros(3)), "floor has 3 inputs"),
        (lambda: Scores({"a": Column([1.0], "", ""), "b": Column([1.0, 2.0], "", "")}), "b has 2 inputs"),
    ],
)
def test_columns_that_do_not_fit_are_refused_in_words(call, words):
    with pytest.raises(BadInput) as error:
        call()
    assert words in str(error.value)
