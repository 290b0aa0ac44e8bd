"""Every kind of network has a plan by which it can be made smaller."""

import pytest

import workbench as wb
from workbench.compression.planning import plan
from workbench.int8.conversion import is_int8


@pytest.mark.parametrize(
    ("name", "kind", "hows"),
    [
        ("cnn", "few", ("channels", "static")),
        ("lenet5", "few", ("channels", "static")),
        ("mlp", "table", ("channels", "static")),
        ("lstm_attention", "texts", ("weights", "dynamic")),
        ("transformer", "texts", ("weights", "dynamic")),
    ],
)
def test_the_plan_of_a_built_network_can_be_carried_out(name, kind, hows, request):
    data = request.getfixturevalue(kind)
    model = wb.build(name, data)
    steps = plan(model)
    assert (steps["prune"]["how"], steps["quantize"]["how"]) == hows
    pruned = wb.prune(model, **steps["prune"], data=data, verbose=False)
    assert is_int8(wb.quantize(pruned, **steps["quantize"], data=data).model)


def test_what_holds_a_model_is_planned_for(lstm):
    assert plan(lstm) == plan(lstm.model)
