"""Where in a network it moved: known representations, pruned, quantized and unrelated nets."""

import numpy as np
import pytest
import torch
from reviews import made_up

import workbench as wb
from workbench.evaluation.alignment import _weighted, by_layer, cka, represented
from workbench.evaluation.behaviour import answers
from workbench.evaluation.controls import Cast, randomized
from workbench.evaluation.known_pairs import reordered


@pytest.fixture(scope="module")
def net(trained, digits):
    return trained(
        "lenet5", digits, sizes={"channels": [4, 6], "hidden": 20}, epochs=4, lr=3e-3, seed=0
    ).model


def looked(before, after, data, **others):
    cast = Cast(
        before, after, others.get("sham"), tuple(others.get("references", ())), randomized(before, data), ()
    )
    rows = data.test[:20]
    target = answers(before, rows)
    return by_layer(cast, rows, target, "centred_logit")


def numbers(n, d, seed):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_a_rotation_a_scale_and_a_shift_leave_the_alignment_at_one():
    x = numbers(60, 8, 0)
    turn = torch.linalg.qr(numbers(8, 8, 1))[0]
    assert cka(x, 5 * x @ turn + 3) == pytest.approx(1, abs=1e-6)


def test_unrelated_numbers_are_about_zero_whatever_their_width():
    found = [cka(numbers(100, 50, seed), numbers(100, 300, seed + 1000)) for seed in range(20)]
    assert abs(np.mean(found)) < 0.03  # The plain measure would give about .6 here.


def test_what_does_not_vary_has_no_alignment():
    assert np.isnan(cka(torch.ones(10, 3), numbers(10, 3, 0)))


def test_a_representation_is_what_the_layer_gave(net, digits, unchanged):
    x = digits.test.x[:300]
    with unchanged(net):
        seen = represented(net, "conv1", x)
    with torch.no_grad():
        assert torch.allclose(seen, net.conv1(torch.tensor(x)).flatten(1), atol=1e-5)
    assert represented(net, "conv9", x) is None and represented(lambda x: x, "conv1", x) is None


def test_a_copy_is_alike_in_every_layer_and_a_randomized_net_is_not(net, digits):
    found = looked(net, net, digits)
    assert list(found) == ["conv1", "conv2", "fc1", "fc2"]
    for layer, measures in found.items():
        assert measures["cka"]["compressed"] == pytest.approx([1], abs=1e-6), layer
        assert measures["conductance"]["compressed"] == pytest.approx(np.ones((1, 20))), layer
    assert found["fc2"]["cka"]["randomized"] < 0.9 and found["fc2"]["conductance"]["randomized"].mean() < 0.7


def test_units_in_another_order_hold_the_same(net, digits):
    other = reordered(net, torch.tensor(digits.test.x[:50]))
    for measures in looked(net, other, digits).values():
        assert measures["cka"]["compressed"] == pytest.approx([1], abs=1e-4)


def test_of_removed_units_the_alignment_is_known_and_the_conductance_only_where_there_are_places(net, digits):
    small = wb.quantize(
        wb.prune(net, channels=0.5, how="channels", data=digits.subset(train=200), epochs=1), data=digits
    )
    found = looked(net, small.model, digits, references=[net])
    assert all(0.3 < m["cka"]["compressed"][0] <= 1 for m in found.values())
    assert np.isfinite(found["conv2"]["conductance"]["compressed"]).all()
    assert np.isnan(found["fc1"]["conductance"]["compressed"]).all()
    assert (
        np.isnan(found["fc1"]["conductance"]["references"]).all()
        and np.isfinite(found["fc2"]["conductance"]["references"]).all()
    )


def test_a_net_of_texts_is_looked_into_too(trained):
    data = made_up(60)
    net = wb.build("lstm_attention", data)
    found = looked(net, wb.quantize(net, how="dynamic", data=data).model, data)
    assert {"embedding", "lstm", "fc1", "fc2"} <= set(found)
    assert all(measures["cka"]["compressed"][0] > 0.9 for measures in found.values())
    assert np.isnan(found["fc1"]["conductance"]["compressed"]).all()  # Dynamic int8 has no gradient.
    assert looked(net, net, data)["fc1"]["conductance"]["compressed"] == pytest.approx(
        np.ones((1, len(data.test[:20])))
    )


def test_of_a_deep_net_eight_layers_are_looked_into_from_the_first_to_the_last():
    deep = torch.nn.Sequential(
        *[torch.nn.Linear(4, 4) for _ in range(30)], torch.nn.LayerNorm(4), torch.nn.Linear(4, 2)
    )
    assert _weighted(deep) == ["0", "4", "9", "13", "17", "21", "26", "31"]


def test_what_is_no_network_of_layers_has_none(digits):
    tree = wb.fit(wb.build("tree", digits, max_depth=3), digits.subset(train=200)).model
    assert looked_at_nothing(tree, digits) == {}


def looked_at_nothing(model, data):
    return by_layer(Cast(model, model, None, (), model, ()), data.test[:20], np.zeros(20, int), "logit")
