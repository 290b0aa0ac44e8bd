"""The table of methods says what each needs and estimates; a new one is a function."""

import inspect

import numpy as np
import pytest
import torch
from nets import METHODS, OF_NETS, linear, wanted

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName
from workbench.explanation import registry


@pytest.fixture
def registered():
    """Take methods that a test enters out of the table again."""
    before = dict(registry.table())
    yield
    registry.table().clear()
    registry.table().update(before)


X = np.array([[1.0, 2.0], [3.0, -4.0]], dtype=np.float32)


# the table


def test_the_first_ten_and_the_exact_one_are_there():
    assert set(METHODS) >= {
        *("saliency", "input_x_gradient", "integrated_gradients", "smooth_grad", "grad_cam", "occlusion"),
        *("lime", "kernel_shap", "exact_shapley", "activation", "weights"),
    }


@pytest.mark.parametrize("name", METHODS)
def test_a_method_says_what_it_estimates_and_when_it_misleads(name):
    row = wb.methods().loc[name]
    assert min(len(row[column]) for column in ("estimand", "misleads", "cost in evaluations", "paper")) > 0
    assert "not stated" not in row.tolist()
    assert any(character.isdigit() for character in row["paper"])
    assert registry.look_up(name).function.__doc__


@pytest.mark.parametrize("name", METHODS)
def test_the_options_in_the_table_are_those_of_the_function(name):
    entry = registry.look_up(name)
    keywords = [
        p.name for p in inspect.signature(entry.function).parameters.values() if p.kind is p.KEYWORD_ONLY
    ]
    assert set(entry.options) == set(keywords) - {"layer", "seed", "shared_draws", "ask"}
    for option, default in entry.options.items():
        assert f"{option}={default!r}" in wb.methods().loc[name, "options"]


def test_the_table_says_who_can_explain_a_model_and_why_the_others_cannot(lenet, mlp, digits, clouds):
    table = wb.methods(lenet, digits)
    assert set(table.index[table["can"]]) == set(OF_NETS)
    assert ((table["why not"] == "") == table["can"]).all()
    assert table.loc["attention", "why not"] == "the model has no attention weights that can be read"
    assert table.loc["decision_path", "why not"] == "the model is no decision tree"
    table = wb.methods(mlp, clouds)
    assert (
        table.loc["grad_cam", "why not"] == "the model has no convolution; the input is a table, not images"
    )
    assert table.loc["activation", "why not"] == "the input is a table, not images"
    assert table.loc["saliency", "can"]


@pytest.mark.parametrize("kind", ["tree", "callable"])
def test_what_the_table_says_is_what_happens(clouds, kind):
    model = wb.fit(wb.build("tree", clouds), clouds).model if kind == "tree" else (lambda x: x[:, :3])
    table = wb.methods(model, clouds)
    assert table.loc["occlusion", "can"]
    assert not table.loc["saliency", "can"]
    for name in METHODS:
        inputs = wanted(name, clouds.test[:4])
        if table.loc[name, "can"]:
            local = table.loc[name, "scope"] == "local"
            own = {"output": "probability"} if name == "tree_shap" else {}  # what a tree adds up
            found = len(wb.explain(model, inputs, name, **own))
            assert found in ({4} if local else {1, 3})  # a view has one line, or one a class
        else:
            with pytest.raises(NotExplainable) as refused:
                wb.explain(model, inputs, name)
            assert table.loc[name, "why not"] in refused.value.wrong
            able = table.index[table["can"] & (table["scope"] == table.loc[name, "scope"])]
            assert refused.value.todo == f"These can: {', '.join(able) or 'none'}"


# a new method


def test_a_new_method_is_a_function(registered):
    @wb.method("half", needs={"batch"}, signed=True, estimand="half of a feature", paper="nobody 2026")
    def half(score, inputs, *, times: float = 1.0):
        return inputs.x * times / 2

    e = wb.explain(linear(np.eye(2)), X, "half", times=3.0)
    np.testing.assert_allclose(e.values, X * 1.5)
    assert e.settings["times"] == 3
    assert e.estimand == "half of a feature"
    assert "half" in wb.methods().index
    with pytest.raises(BadInput, match=r"half has no option called 'time'.*among: times"):
        wb.explain(linear(np.eye(2)), X, "half", time=3.0)


def test_a_new_method_is_given_the_seed_and_layer_that_it_asks_for(registered):
    given = {}

    @wb.method("asking", needs={"batch"}, signed=True, estimand="nothing", paper="nobody 2026")
    def asking(score, inputs, *, layer=None, seed: int = 0, shared_draws: bool = True):
        given.update(layer=layer, seed=seed, shared_draws=shared_draws)
        return inputs.x, {"found": 7}

    e = wb.explain(linear(np.eye(2)), X, "asking", layer="0", seed=5, shared_draws=False)
    assert given == {"layer": "0", "seed": 5, "shared_draws": False}
    assert e.settings["found"] == 7
    assert e.settings["measured"] == ["found"]


def test_a_sum_that_is_promised_is_checked(registered):
    @wb.method(
        "promising", needs={"batch"}, signed=True, estimand="too little", paper="nobody 2026", complete=True
    )
    def promising(score, inputs):
        return inputs.x * 0.5

    e = wb.explain(linear([[1.0, 1.0]]), X, "promising", output="raw")
    np.testing.assert_allclose(e.delta, -0.5 * X.sum(1))
    assert "In 2 of 2 rows" in e.flags["gap"]


def test_a_need_that_nobody_knows_is_refused():
    with pytest.raises(
        UnknownName,
        match=r"'gradients'.*attention, batch, coefficients, columns, convolution, gradient, image, inputs, layers",
    ):
        wb.method("x", needs={"gradients"}, signed=True, estimand="", paper="")


def test_an_unknown_method_is_answered_with_the_known():
    with pytest.raises(UnknownName, match=r"'integrated_gradient'.*Did you mean 'integrated_gradients'"):
        wb.explain(linear(np.eye(2)), X, "integrated_gradient")
    with pytest.raises(UnknownName) as refused:
        wb.explain(linear(np.eye(2)), X, "x")
    assert all(name in refused.value.expected for name in METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_misspelt_option_is_answered_with_the_options(name):
    inputs = torch.zeros(1, 1, 28, 28)
    with pytest.raises(BadInput, match=f"{name} has no option called 'windw'") as refused:
        wb.explain(linear(np.eye(2)), inputs, name, windw=3)
    assert all(option in refused.value.expected for option in registry.look_up(name).options)
