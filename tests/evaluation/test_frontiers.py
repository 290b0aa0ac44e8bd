"""A grid of compressions: what is measured, what nothing dominates, what resumes, what is refused."""

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.evaluation import frontiers
from workbench.evaluation.frontiers import undominated

X = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
DATA = wb.from_arrays(X, (X[:, 0] + X[:, 1] > 0).astype(int))
GRID = {
    "amounts": (0.0, 0.5),
    "how": ("weights", "channels"),
    "epochs": 1,
    "n": 40,
    "references": 1,
    "verbose": False,
}


@pytest.fixture(scope="module")
def net():
    return wb.fit(wb.build("mlp", DATA, hidden=(16,)), DATA, epochs=3, verbose=False).model


@pytest.fixture(scope="module")
def found(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frontier")
    return wb.frontier(net, DATA, out=folder, **GRID), folder


def test_every_point_of_the_grid_is_measured_once(found):
    table = found[0].table().set_index("point")
    assert list(table.index) == [
        "int8 static",
        "50% of weights",
        "50% of weights, int8 static",
        "50% of channels",
        "50% of channels, int8 static",
    ]
    assert table.loc["50% of channels", "bytes"] < table.loc["50% of weights", "bytes"]
    assert (
        table[["accuracy", "similarity", "faithfulness", "ms batch"]].notna().all().all()
        and not found[0].failed
    )
    assert set(table["verdict"]) <= {"cannot tell", "moved"}  # Of 40 rows nothing better can be said.


def test_a_point_is_what_compare_says_of_it(found, net):
    small = wb.prune(net, 0.5, data=DATA, epochs=1, verbose=False)
    c = wb.compare(net, small, DATA, methods="feature_ablation", references=1, n=40, verbose=False)
    row = found[0].table().set_index("point").loc["50% of weights"]
    assert (
        row["similarity"] == c.primary.value
        and row["accuracy"] == c.right["compressed"].mean()
        and row["margin"] == c.primary.margin
    )


def test_a_killed_run_takes_up_its_points(found, net, monkeypatch):
    first, folder = found
    assert len(list(folder.iterdir())) == 5
    next(folder.iterdir()).write_text("{")
    calls, real = [], frontiers.compare
    monkeypatch.setattr(frontiers, "compare", lambda *a, **k: calls.append(1) or real(*a, **k))
    again = wb.frontier(net, DATA, out=folder, **GRID)
    assert len(calls) == 1
    same = ["point", "accuracy", "bytes", "similarity", "index", "verdict"]
    pd.testing.assert_frame_equal(again.table()[same], first.table()[same])


def test_nothing_dominates_itself_or_its_equal():
    rows = pd.DataFrame(
        {
            "accuracy": [0.9, 0.9, 0.8, np.nan],
            "bytes": [10, 10, 20, 10],
            "ms batch": 1.0,
            "faithfulness": 0.1,
            "similarity": 1.0,
        }
    )
    assert undominated(rows).tolist() == [True, True, False, False]


def test_a_point_that_cannot_be_made_is_listed_with_the_reason(net):
    f = wb.frontier(
        net,
        DATA,
        amounts=(0.5,),
        how="channels",
        quantized=(None,),
        epochs=1,
        n=20,
        references=[net],
        verbose=False,
    )
    assert len(f.rows) == 1
    tight = wb.fit(wb.build("logistic", DATA), DATA).model
    refused = wb.frontier(
        tight, DATA, amounts=(0.5,), quantized=(None,), epochs=1, n=20, references=[tight], verbose=False
    )
    assert not refused.rows and refused.failed[0][0] == "50% of weights" and len(refused.table()) == 0
    assert "50% of weights" in refused._repr_html_() and "1 failed" in repr(refused)


def test_it_is_drawn_with_the_names_of_what_nothing_dominates(found):
    table = found[0].table()
    fig = found[0].plot()
    named = {line.partition("  ")[2] for line in fig.axes[2].texts[0].get_text().splitlines()}
    assert named == set(table.loc[table["not dominated"], "point"]) and len(fig.axes[0].texts) == len(named)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"amounts": (1.5,)}, BadInput, "amounts holds 1.5"),
        ({"amounts": (0.0,), "quantized": (None,)}, BadInput, "grid is empty"),
        ({"how": "rows"}, UnknownName, "called 'rows'"),
        ({"quantized": "int4"}, UnknownName, "called 'int4'"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_before_anything_is_trained(net, options, error, said):
    with pytest.raises(error, match=said):
        wb.frontier(net, DATA, **{**GRID, **options})


def test_the_model_comes_back_as_it_was(net, unchanged):
    with unchanged(net):
        wb.frontier(net, DATA, amounts=(0.5,), quantized=(None,), epochs=1, n=20, references=0, verbose=False)
