"""Models are built by name to fit the data, the same for the same seed."""

from math import prod

import numpy as np
import pytest
import torch
from reviews import made_up
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.zoo.catalogue import from_spec

CNN = (9 + 1) * 16 + (16 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (9 * 64 + 1) * 64 + 65 * 10
NETS = {
    "cnn": CNN,
    "lenet5": 431_080,
    "lenet300": 266_610,
    "mlp": 784 * 64 + 64 + 64 * 64 + 64 + 64 * 10 + 10,
}
# Of ten classes and three colours; the published ones have other linear layers.
DEEP = {"vgg16": 14_986_698, "resnet18": 11_173_962}
OF_TEXTS = ("lstm_attention", "transformer")
GLASS = {"logistic": LogisticRegression, "tree": DecisionTreeClassifier}


@pytest.fixture(scope="module")
def columns():
    """A small table of three classes."""
    rng = np.random.default_rng(0)
    return wb.from_arrays(rng.normal(size=(60, 5)), np.arange(60) % 3)


@pytest.fixture(scope="module")
def texts():
    """Made-up reviews."""
    return made_up(60)


def test_every_model_is_tested_here():
    assert set(wb.models().index) == {*NETS, *DEEP, *OF_TEXTS, *GLASS}


@pytest.mark.parametrize("name", NETS)
def test_a_net_has_the_parameters_that_it_is_known_for(digits, name):
    net = wb.build(name, digits)
    assert sum(p.numel() for p in net.parameters()) == NETS[name]
    assert not net.training


@pytest.mark.parametrize("name", NETS)
def test_a_net_gives_a_logit_a_class(digits, name):
    assert wb.build(name, digits)(torch.tensor(digits.test.x[:3])).shape == (3, 10)


@pytest.mark.parametrize("name", DEEP)
def test_a_deep_net_has_its_parameters_and_takes_images_from_32_pixels_on(name):
    images = wb.from_arrays(np.zeros((30, 3, 32, 40), np.float32), np.arange(30) % 10)
    net = wb.build(name, images)
    assert sum(p.numel() for p in net.parameters()) == DEEP[name]
    assert wb.build(name, images, width=4)(torch.zeros(2, 3, 32, 40)).shape == (2, 10)
    large = wb.from_arrays(np.zeros((30, 1, 70, 70), np.float32), np.arange(30) % 3)
    assert wb.build(name, large, width=4)(torch.zeros(2, 1, 70, 70)).shape == (2, 3)


@pytest.mark.parametrize("name", DEEP)
def test_a_deep_net_refuses_small_images_and_no_width(digits, name):
    with pytest.raises(BadInput, match="at least 32 rows"):
        wb.build(name, digits)
    images = wb.from_arrays(np.zeros((30, 3, 32, 32), np.float32), np.arange(30) % 10)
    with pytest.raises(BadInput, match="width is 0"):
        wb.build(name, images, width=0)


def test_a_table_needs_no_image(columns):
    assert wb.build("mlp", columns, hidden=(7,))(torch.zeros(2, 5)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 17, 30), (2, 64, 48)])
def test_lenet5_fits_images_of_any_size(shape):
    data = wb.from_arrays(np.zeros((12, *shape)), np.arange(12) % 4)
    assert wb.build("lenet5", data)(torch.zeros(2, *shape)).shape == (2, 4)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 30), (3, 64, 48), (2, 224, 130)])
def test_the_cnn_fits_images_of_any_size_and_leaves_few_cells(shape):
    data = wb.from_arrays(np.zeros((6, *shape)), np.arange(6) % 2)
    net = wb.build("cnn", data)
    assert net(torch.zeros(2, *shape)).shape == (2, 2)
    assert 64 <= net.fc1.in_features <= 64 * 8 * 8


def test_dropout_stands_only_where_it_was_asked_for(columns, digits):
    for name, data in (("mlp", columns), ("cnn", digits)):
        plain, dropping = wb.build(name, data), wb.build(name, data, dropout=0.4)
        assert not [m for m in plain.modules() if isinstance(m, nn.Dropout)]
        assert {m.p for m in dropping.modules() if isinstance(m, nn.Dropout)} == {0.4}
        assert list(plain.state_dict()) == list(dropping.state_dict())


@pytest.mark.parametrize("name", OF_TEXTS)
def test_a_net_of_texts_knows_the_vocabulary_and_that_it_reads_tokens(texts, name):
    net = wb.build(name, texts)
    assert net.embedding.num_embeddings == texts.tokenizer.size == net.spec["sizes"]["vocabulary"]
    assert net.spec["tokens"] is True and not net.training
    assert net(torch.tensor(texts.test.x[:3])).shape == (3, 2)
    assert from_spec(net.spec).embedding.weight.shape == net.embedding.weight.shape


@pytest.mark.parametrize("name", GLASS)
def test_a_glass_box_of_texts_reads_strings(texts, name):
    fitted = wb.build(name, texts).fit(texts.train.raw, texts.train.y)
    assert isinstance(fitted[-1], GLASS[name]) and fitted.spec["builder"] == name
    assert (fitted.predict(texts.test.raw) == texts.test.y).mean() > 0.7
    found = fitted[0].vocabulary_
    assert any(" " in words for words in found)
    words = [word for word in found if " " not in word]
    assert {"good", "bad"} <= {word.rstrip("0123456789") for word in words}
    read = [set(text.split()) for text in texts.train.raw]
    assert all(sum(word in text for text in read) >= 2 for word in words)


def test_the_vocabulary_is_not_for_users_to_choose(texts):
    assert "vocabulary" not in "".join(wb.models()["sizes"])
    with pytest.raises(BadInput, match="no size called 'vocabulary'"):
        wb.build("transformer", texts, vocabulary=7)


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
    with pytest.raises(
        UnknownName, match=r"'lenet'.*one of cnn, lenet300, lenet5, logistic, lstm_attention, mlp"
    ):
        wb.build("lenet", digits)


def test_a_size_that_a_model_does_not_have_is_refused(digits):
    with pytest.raises(BadInput, match=r"mlp has no size called 'hiden'.*\['hidden', 'dropout'\]"):
        wb.build("mlp", digits, hiden=(8,))


def test_data_of_the_wrong_kind_is_refused_with_what_fits(columns):
    with pytest.raises(BadInput, match=r"lenet5 cannot take table data.*'logistic', 'mlp', 'tree'"):
        wb.build("lenet5", columns)


def test_images_that_are_too_small_are_refused():
    tiny = wb.from_arrays(np.zeros((6, 1, 15, 28)), np.arange(6) % 2)
    with pytest.raises(BadInput, match=r"\(1, 15, 28\).*at least 16"):
        wb.build("lenet5", tiny)


def test_images_that_are_too_small_for_the_cnn_are_refused():
    tiny = wb.from_arrays(np.zeros((6, 1, 7, 28)), np.arange(6) % 2)
    with pytest.raises(BadInput, match=r"\(1, 7, 28\).*at least 8"):
        wb.build("cnn", tiny)


def test_heads_that_cannot_share_the_width_are_refused(texts):
    with pytest.raises(BadInput, match="width is 30 for 4 heads"):
        wb.build("transformer", texts, width=30, heads=4)


def test_a_spec_of_an_unknown_model_is_refused():
    with pytest.raises(UnknownName, match=r"'os\.system'"):
        from_spec({"builder": "os.system", "sizes": {}})
