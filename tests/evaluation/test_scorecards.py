"""Models side by side: what they are made of, what can explain them, what people say, and how well they do."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import workbench as wb
from workbench.errors import BadInput
from workbench.evaluation.transparency import transparency

X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
DATA = wb.from_arrays(X, (X[:, 0] > 0).astype(int))


class Rated:
    """Feedback with ratings of two methods."""

    def table(self):
        return pd.DataFrame({"method": ["lime", "lime", "saliency"], "rating": [4, 5, 1]})


@pytest.fixture(scope="module")
def models():
    net = wb.fit(wb.build("mlp", DATA, hidden=(8,)), DATA, epochs=2, verbose=False)
    tree = wb.fit(wb.build("tree", DATA, max_depth=2), DATA)
    return {
        "net": net,
        "int8": wb.quantize(net, data=DATA),
        "tree": tree,
        "own": lambda x: np.stack([-np.asarray(x)[:, 0], np.asarray(x)[:, 0]], 1),
    }


@pytest.fixture(scope="module")
def card(models):
    return wb.scorecard(models, DATA, verbose=False)


def test_what_can_be_read_is_told_from_what_cannot(card):
    table = card.table()
    assert table.loc["transparency"].loc["box"].to_dict() == {
        "net": "black box",
        "int8": "black box",
        "tree": "glass box",
        "own": "black box",
    }
    assert table.loc[("transparency", "simulatable"), "tree"] == "yes"
    assert table.loc[("transparency", "made of"), "int8"] == "network with int8 layers"


def test_a_line_of_many_coefficients_cannot_be_gone_through_by_hand():
    x = np.random.default_rng(0).normal(size=(50, 20))
    long = LogisticRegression().fit(x, x[:, 0] > 0)
    assert (
        transparency(long)["simulatable"] == "no: 20 coefficients, at most 8"
        and transparency(long)["box"] == "glass box"
    )
    assert transparency(LogisticRegression().fit(x[:, :3], x[:, 0] > 0))["simulatable"] == "yes"


def test_the_tools_are_those_of_the_table_of_methods(card, models):
    table = wb.methods(models["tree"], DATA)
    assert (
        card.table().loc[("tools that apply", "methods"), "tree"]
        == f"{table['can'].sum()} of {len(table)} methods"
    )
    assert "decision_path" in card.table().loc[("tools that apply", "local"), "tree"]


def test_nobody_rated_is_said_and_ratings_stand_where_the_method_applies(card, models):
    assert set(card.table().loc[("people", "ratings")]) == {"no ratings yet"}
    rated = wb.scorecard({k: models[k] for k in ("net", "tree")}, DATA, Rated(), verbose=False).table()
    assert rated.loc[("people", "ratings"), "tree"] == "lime 4.5 (n = 2)"
    assert "saliency 1 (n = 1)" in rated.loc[("people", "ratings"), "net"]
    with pytest.raises(BadInput, match="without ratings"):
        wb.scorecard(models, DATA, "good", verbose=False)


def test_performance_stands_beside_a_glass_box_and_costs_where_they_can_be_measured(card):
    table = card.table()
    assert float(table.loc[("performance", "accuracy"), "own"].split()[0]) > 0.95
    assert "against logistic" in table.loc[("performance", "against the best glass box"), "net"]
    assert table.loc[("performance", "file"), "tree"] == "not measured: no network"
    assert float(table.loc[("performance", "ms, one input"), "net"]) >= 0


def test_it_is_shown_and_drawn_and_adds_nothing_up(card):
    page = card._repr_html_()
    assert "There is no overall score" in page and "<script" not in page
    assert [label.get_text() for label in card.plot().axes[0].get_yticklabels()] == list(card.columns)
    assert repr(card).startswith("Scorecard(arrays, n = 60; net: ")


def test_models_come_back_as_they_were(models, unchanged):
    with unchanged(models["net"].model):
        wb.scorecard({"net": models["net"]}, DATA, verbose=False)


@pytest.mark.parametrize(
    ("models", "data", "problem"),
    [({}, DATA, "no models"), (None, DATA, "no models"), ([lambda x: x], X, "data is a ndarray")],
)
def test_what_cannot_be_put_on_a_card_is_refused(models, data, problem):
    with pytest.raises(BadInput, match=problem):
        wb.scorecard(models, data, verbose=False)
