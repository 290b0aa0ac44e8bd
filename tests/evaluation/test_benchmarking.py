"""``benchmark``: every cell is what ``evaluate`` gives, is written at once, and is taken again only where nothing changed."""

import json

import numpy as np
import pytest

import workbench as wb
from workbench.errors import BadFile, BadInput, UnknownName
from workbench.evaluation import benchmarking

METHODS = {"saliency": {}, "occlusion": {"window": 7, "strides": 7}}
METRICS = ("deletion", "sparseness")


@pytest.fixture(scope="module")
def few(digits):
    return digits.subset(train=300, valid=20, test=12)


@pytest.fixture(scope="module")
def net(trained, few):
    return trained("mlp", few, sizes={"hidden": [16]}, epochs=4, lr=3e-3, seed=0).model


@pytest.fixture(scope="module")
def league(net, few):
    return wb.benchmark(METHODS, METRICS, {"net": net}, few, n=12, verbose=False)


def test_a_cell_is_what_evaluate_gives(league, net, few, unchanged):
    with unchanged(net):
        e = wb.explain(net, few.test[:12], "occlusion", data=few, **METHODS["occlusion"])
        scores = wb.evaluate(e, net, METRICS, data=few)
    cell = next(c for c in league.cells if (c.method, c.metric) == ("occlusion", "deletion"))
    assert np.array_equal(cell.values, scores["deletion"]) and np.array_equal(
        cell.floor, scores.columns["deletion"].floor
    )
    row = league.table().set_index(["method", "metric"]).loc["occlusion", "deletion"]
    assert row["mean"] == pytest.approx(scores["deletion"].mean()) and row["low"] < row["mean"] < row["high"]
    assert league.table().set_index(["method", "metric"]).loc["occlusion", "sparseness"]["above floor"] == ""


def test_a_run_that_was_interrupted_goes_on_with_equal_bits(league, net, few, tmp_path, monkeypatch):
    real, calls = benchmarking.explain, []

    def stopping(model, rows, method, **options):
        calls.append(method)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(model, rows, method, **options)

    monkeypatch.setattr(benchmarking, "explain", stopping)
    with pytest.raises(KeyboardInterrupt):
        wb.benchmark(METHODS, METRICS, {"net": net}, few, n=12, out=tmp_path, verbose=False)
    assert len(list(tmp_path.glob("saliency-*.json"))) == 2 == len(list(tmp_path.iterdir()))
    again = wb.benchmark(METHODS, METRICS, {"net": net}, few, n=12, out=tmp_path, verbose=False)
    assert calls == ["saliency", "occlusion", "occlusion"]
    for one, other in zip(again.cells, league.cells, strict=True):
        assert np.array_equal(one.values, other.values) and (one.method, one.metric) == (
            other.method,
            other.metric,
        )


def test_cells_of_another_seed_or_other_rows_and_damaged_ones_are_made_again(net, few, tmp_path):
    def run(**options):
        settings = {"n": 8, "out": tmp_path, "verbose": False, **options}
        return wb.benchmark({"saliency": {}}, "sparseness", net, few, **settings)

    first = run()
    path = next(tmp_path.iterdir())
    run(seed=1), run(n=6)
    assert len(list(tmp_path.iterdir())) == 3
    path.write_text("{")
    assert (
        np.array_equal(run().cells[0].values, first.cells[0].values)
        and json.loads(path.read_text())["metric"] == "sparseness"
    )


def test_what_cannot_be_judged_is_listed_with_the_reason_and_loses_nothing(few, net):
    tree = wb.fit(wb.build("tree", few, max_depth=3), few).model
    found = wb.benchmark(METHODS, ("sparseness", "pointing_game"), [net, tree], few, n=6, verbose=False)
    refused = {(model, method, metric) for model, method, metric, _ in found.refused}
    assert ("DecisionTreeClassifier", "saliency", "") in refused and (
        "MLP",
        "saliency",
        "pointing_game",
    ) in refused
    assert {(c.model, c.method) for c in found.cells} == {
        ("MLP", "saliency"),
        ("MLP", "occlusion"),
        ("DecisionTreeClassifier", "occlusion"),
    }


def test_ranks_follow_the_direction_and_the_floor(league):
    table, ranks = league.table().set_index(["method", "metric"]), league.ranking()
    sparser = table["mean"].loc[:, "sparseness"].idxmax()
    assert ranks.loc[sparser, "complexity"] == 1 and set(ranks.columns) == {
        "complexity",
        "faithfulness",
        "below a floor",
    }
    assert ranks["below a floor"].sum() == (table["above floor"].isin(["no", "cannot tell"])).sum()


def test_it_is_kept_shown_and_drawn(league, tmp_path):
    again = wb.League.load(league.save(tmp_path / "league.json"))
    assert again.table().equals(league.table()) and again.ranking().equals(league.ranking())
    assert "Mean rank by category" in league._repr_html_() and len(league.plot().axes) == 1
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(BadFile, match="not a league"):
        wb.League.load(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"models": None}, "no models"),
        ({"data": None}, "data is a NoneType"),
        ({"n": 0}, "n is 0"),
        ({"methods": ()}, "no methods"),
        ({"methods": "weights"}, "weights gives no attributions"),
        ({"metrics": {"deletion": {"stepz": 3}}}, "no option called 'stepz'"),
    ],
)
def test_it_refuses_before_anything_is_computed(net, few, changed, problem):
    asked = {"methods": METHODS, "metrics": METRICS, "models": net, "data": few, "verbose": False, **changed}
    with pytest.raises(BadInput, match=problem):
        wb.benchmark(
            asked.pop("methods"), asked.pop("metrics"), asked.pop("models"), asked.pop("data"), **asked
        )


def test_unknown_names_are_answered_with_the_list(net, few):
    with pytest.raises(UnknownName, match="deletion"):
        wb.benchmark("saliency", "deletoin", net, few)
