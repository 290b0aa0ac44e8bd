"""Models are built by name to fit the data, the same for the same seed."""

from math import prod

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.zoo.catalogue import from_spec

NETS = {"lenet5": 431_080, "lenet300": 266_610, "mlp": 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10}
GLASS = {"logistic": LogisticRegression, "tree": DecisionTreeClassifier}


@pytest.fixture(scope="module")
def columns():
    """A small table of three classes."""
    rng = np.random.default_rng(0)
    return wb.from_arrays(rng.normal(size=(60, 5)), np.arange(60) % 3)


def test_every_model_is_tested_here():
    assert set(wb.models().index) == {*NETS, *GLASS}


@pytest.mark.parametrize("name", NETS)
def test_a_net_has_the_parameters_that_it_is_known_for(digits, name):
    net = wb.build(name, digits)
    assert sum(p.numel() for p in net.parameters()) == NETS[name]
    assert not net.training


@pytest.mark.parametrize("name", NETS)
def test_a_net_gives_a_logit_a_class(digits, name):
    assert wb.build(name, digits)(torch.tensor(digits.test.x[:3])).shape == (3, 10)


def test_a_table_needs_no_image(columns):
    assert wb.build("mlp", columns, hidden=(7,))(torch.zeros(2, 5)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 17, 30), (2, 64, 48)])
def test_lenet5_fits_images_of_any_size(shape):
    data = wb.from_arrays(np.zeros((12, *shape)), np.arange(12) % 4)
    assert wb.build("lenet5", data)(torch.zeros(2, *shape)).shape == (2, 4)


def test_sizes_are_taken():
    data = wb.from_arrays(np.zeros((6, 1, 28, 28)), np.arange(6) % 2)
    net = wb.build("lenet5", data, channels=(3, 4), hidden=9)
    assert (net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features) == (3, 4, 9)
    depth = [m for m in wb.build("mlp", data, hidden=(5, 6, 7)).modules() if isinstance(m, nn.Linear)]
    assert [m.out_features for m in depth] == [5, 6, 7, 2]


def test_every_activation_of_lenet5_is_a_module_of_its_own(digits):
    names = ["conv1", "relu1", "pool1", "conv2", "relu2", "pool2", "flatten", "fc1", "relu3", "fc2"]
    net = wb.build("lenet5", digits)
    assert [name for name, _ in net.named_children()] == names
    shapes = {}
    for name, module in net.named_children():
        module.register_forward_hook(
            lambda _m, _i, out, name=name: shapes.update({name: tuple(out.shape[1:])})
        )
    net(torch.zeros(1, 1, 28, 28))
    assert [prod(shapes[name]) for name in names] == [11520, 11520, 2880, 3200, 3200, 800, 800, 500, 500, 10]


@pytest.mark.parametrize("name", NETS)
def test_same_seed_same_weights(digits, name):
    def weights(seed):
        return torch.cat([p.flatten() for p in wb.build(name, digits, seed=seed).parameters()])

    torch.manual_seed(99)
    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_building_leaves_the_global_seeds_alone(unchanged, digits):
    with unchanged(abs):
        wb.build("mlp", digits)


def test_a_model_carries_what_it_takes_to_build_it_again(digits):
    net = wb.build("mlp", digits, hidden=(8,))
    assert net.spec == {
        "builder": "mlp",
        "sizes": {"hidden": (8,)},
        "input_shape": [1, 28, 28],
        "n_classes": 10,
    }
    again = from_spec(net.spec)
    assert {n: p.shape for n, p in again.named_parameters()} == {
        n: p.shape for n, p in net.named_parameters()
    }


@pytest.mark.parametrize("name", GLASS)
def test_a_glass_box_is_an_estimator_that_knows_its_spec(digits, name):
    model = wb.build(name, digits)
    assert type(model) is GLASS[name]
    assert model.spec["builder"] == name


def test_the_table_says_what_fits_which_data():
    table = wb.models()
    assert table.loc["lenet5", ["data", "sizes"]].tolist() == ["image", "channels, hidden"]
    assert "table" in table.loc["tree", "data"]
    assert table["what"].str.len().min() > 20


# refusals


def test_an_unknown_model_is_answered_with_the_known(digits):
    with pytest.raises(UnknownName, match=r"'lenet'.*one of lenet300, lenet5, logistic, mlp, tree"):
        wb.build("lenet", digits)


def test_a_size_that_a_model_does_not_have_is_refused(digits):
    with pytest.raises(BadInput, match=r"mlp has no size called 'hiden'.*\['hidden'\]"):
        wb.build("mlp", digits, hiden=(8,))


def test_data_of_the_wrong_kind_is_refused_with_what_fits(columns):
    with pytest.raises(BadInput, match=r"lenet5 cannot take table data.*'logistic', 'mlp', 'tree'"):
        wb.build("lenet5", columns)


def test_images_that_are_too_small_are_refused():
    tiny = wb.from_arrays(np.zeros((6, 1, 15, 28)), np.arange(6) % 2)
    with pytest.raises(BadInput, match=r"\(1, 15, 28\).*at least 16"):
        wb.build("lenet5", tiny)


def test_a_spec_of_an_unknown_model_is_refused():
    with pytest.raises(UnknownName, match=r"'os\.system'"):
        from_spec({"builder": "os.system", "sizes": {}})
