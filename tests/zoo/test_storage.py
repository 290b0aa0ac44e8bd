"""Models come back from their files as they were; nothing in a file is executed."""

import numpy as np
import pytest
import torch
from reviews import made_up
from safetensors.numpy import save_file
from torch import nn

import workbench as wb
from workbench import files
from workbench.errors import BadFile, BadInput
from workbench.int8.conversion import convert, is_int8
from workbench.zoo.identity import fingerprint


class Own(nn.Module):
    """A net of the user's own: a grouped convolution, batch norm, a layer that is used twice."""

    def __init__(self, hidden=4):
        super().__init__()
        self.conv, self.norm = (
            nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2, bias=False),
            nn.BatchNorm2d(4),
        )
        self.twice, self.last = nn.Linear(64, 64), nn.Linear(64, hidden)

    def forward(self, x):
        x = self.norm(self.conv(x)).flatten(1)
        return self.last(self.twice(self.twice(x)))


class Other(nn.Module):
    """A net with layers of the same names and other kinds."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Linear(3, 3), nn.Linear(4, 4)
        self.twice, self.last = nn.Conv2d(1, 1, 1), nn.LayerNorm(3)


@pytest.fixture(scope="module")
def small(digits):
    """Digits enough to measure on."""
    return digits.subset(train=300, valid=50, test=100)


@pytest.fixture
def own():
    """The user's own net after some training, so that its buffers are not the first ones."""
    torch.manual_seed(0)
    net = Own().train()
    for _ in range(3):
        net(torch.rand(8, 2, 8, 8))
    return net.eval()


def both(model, path, x, build=None):
    """Save and load; return the loaded model after checking that it is the same."""
    loaded = wb.load_model(wb.save(model, path), build=build)
    model = getattr(model, "model", model)
    with torch.no_grad():
        assert torch.equal(loaded(x), model(x))
    assert fingerprint(loaded) == fingerprint(model)
    assert not any(module.training for module in loaded.modules())
    return loaded


# what comes back


@pytest.mark.parametrize("name", ["lenet5", "lenet300", "mlp"])
def test_a_built_net_comes_back(tmp_path, digits, name):
    net = wb.build(name, digits)
    loaded = both(net, tmp_path / "net", torch.tensor(digits.test.x[:20]))
    assert files.plain(net.spec) == loaded.spec


def test_a_trained_net_comes_back_with_its_recipe(tmp_path, lenet, digits):
    loaded = both(lenet, tmp_path / "deep" / "net.safetensors", torch.tensor(digits.test.x[:20]))
    assert loaded.recipe["epochs"] == 3
    assert loaded.recipe["data_fingerprint"] == digits.fingerprint


def test_saving_changes_nothing(tmp_path, unchanged, lenet):
    with unchanged(lenet.model):
        wb.save(lenet, tmp_path / "net")


def test_what_is_saved_again_is_the_same_file(tmp_path, lenet):
    first = wb.save(lenet, tmp_path / "first").read_bytes()
    assert wb.save(wb.load_model(tmp_path / "first"), tmp_path / "second").read_bytes() == first


def test_removed_channels_stay_removed(tmp_path, lenet, small):
    pruned = wb.prune(lenet, channels=0.5, how="channels", data=small, verbose=False)
    loaded = both(pruned, tmp_path / "net", torch.tensor(small.test.x))
    assert loaded.conv2.out_channels == 25
    assert loaded.fc1.in_features == 400


def test_removed_weights_stay_removed(tmp_path, lenet, small):
    pruned = wb.prune(lenet, 0.9, data=small, verbose=False)
    loaded = both(pruned, tmp_path / "net", torch.tensor(small.test.x))
    kept = sum(int(p.count_nonzero()) for n, p in loaded.named_parameters() if "weight" in n)
    assert kept == pytest.approx(0.1 * 430_500, rel=0.01)


def test_an_int8_net_comes_back_bit_for_bit(tmp_path, lenet, small):
    int8 = convert(lenet.model, torch.tensor(small.train.x))
    loaded = both(int8, tmp_path / "net", torch.tensor(small.test.x))
    assert is_int8(loaded)
    assert loaded.int8 == int8.int8
    assert loaded.spec == files.plain(int8.spec)


def test_an_int8_net_with_fewer_channels_comes_back(tmp_path, lenet, small):
    pruned = wb.prune(lenet, channels=0.5, how="channels", data=small, verbose=False)
    int8 = convert(pruned.model, torch.tensor(small.train.x))
    both(int8, tmp_path / "net", torch.tensor(small.test.x))


def test_a_net_of_ones_own_comes_back_into_the_class_that_made_it(tmp_path, own):
    loaded = both(own, tmp_path / "net", torch.rand(5, 2, 8, 8), build=Own)
    assert loaded.norm.num_batches_tracked == 3
    assert (loaded.spec, loaded.recipe) == (None, None)


def test_a_net_with_narrower_layers_comes_back_into_the_class_that_made_it(tmp_path):
    torch.manual_seed(0)
    both(Own(hidden=3).eval(), tmp_path / "net", torch.rand(5, 2, 8, 8), build=Own)


def test_the_path_may_be_a_string_and_begin_at_home(tmp_path, monkeypatch, digits):
    monkeypatch.setenv("HOME", str(tmp_path))
    wb.save(wb.build("mlp", digits), "~/net")
    assert wb.load_model("~/net").spec["builder"] == "mlp"


# refusals


@pytest.mark.parametrize("name", ["tree", "logistic"])
def test_an_estimator_is_not_saved(tmp_path, digits, name):
    with pytest.raises(BadInput, match=r"is not a network.*Fit it again"):
        wb.save(wb.build(name, digits), tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_a_callable_is_not_saved(tmp_path):
    with pytest.raises(BadInput, match="function is not a network"):
        wb.save(lambda x: x, tmp_path / "net")


def test_a_failing_disk_leaves_the_old_model(tmp_path, digits):
    wb.save(wb.build("mlp", digits), tmp_path / "net")
    with pytest.raises(BadFile, match="cannot be written"):
        wb.save(wb.build("mlp", digits), tmp_path / "net" / "below")
    assert wb.load_model(tmp_path / "net").spec["builder"] == "mlp"


def test_a_net_of_ones_own_needs_its_class(tmp_path, own):
    wb.save(own, tmp_path / "net")
    with pytest.raises(BadFile, match=r"does not say how to build.*build="):
        wb.load_model(tmp_path / "net")


BUILDS = {
    "another class": Other,
    "a part of it": lambda: nn.Sequential(nn.Linear(2, 2)),
    "more than it": lambda: nn.ModuleDict({**Own()._modules, "more": nn.Linear(1, 1)}),
    "nothing": lambda: None,
    "a class with arguments": lambda: nn.Linear(),
    "other kinds of layers": lambda: nn.ModuleDict({**Own()._modules, "norm": nn.Linear(4, 4)}),
    "a convolution in other groups": lambda: nn.ModuleDict({**Own()._modules, "conv": nn.Conv2d(2, 4, 3)}),
}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_another_class_is_refused(tmp_path, own, build):
    wb.save(own, tmp_path / "net")
    with pytest.raises(BadFile, match=r"does not fit its model.*build="):
        wb.load_model(tmp_path / "net", build=build)


def test_foreign_files_are_refused(tmp_path, lenet, digits):
    (tmp_path / "text").write_text("weights")
    save_file({"a": np.zeros(3)}, tmp_path / "foreign")
    files.write_tensors(tmp_path / "ours", {"a": np.zeros(3)}, {"format": "something else"})
    wb.explain(lenet, digits.test[:1], "saliency").save(tmp_path / "explanation")
    for name in ("text", "foreign", "ours", "explanation", "missing"):
        with pytest.raises(BadFile, match=name):
            wb.load_model(tmp_path / name)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.999])
def test_a_cut_file_is_refused(tmp_path, digits, share):
    path = wb.save(wb.build("mlp", digits), tmp_path / "net")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadFile, match="cannot be read"):
        wb.load_model(path)


def test_a_changed_int8_weight_is_noticed(tmp_path, digits):
    int8 = convert(wb.build("mlp", digits), torch.tensor(digits.train.x[:50]))
    tensors, header = files.read_tensors(wb.save(int8, tmp_path / "net"))
    tensors["fc1.weight"] = tensors["fc1.weight"] + 1
    with pytest.raises(BadFile, match=r"checksum|no int8 model has"):
        wb.load_model(files.write_tensors(tmp_path / "net", tensors, header))


SPECS = {
    "an unknown builder": {"builder": "os.system", "sizes": {}, "input_shape": [1], "n_classes": 2},
    "sizes that it does not have": {"builder": "mlp", "sizes": {"x": 1}, "input_shape": [1], "n_classes": 2},
    "parts missing": {"builder": "mlp"},
    "no record": "os.system('rm')",
    "other sizes": {"builder": "mlp", "sizes": {"hidden": [3]}, "input_shape": [1, 28, 28], "n_classes": 10},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_header_that_was_changed_is_refused(tmp_path, digits, spec):
    tensors, header = files.read_tensors(wb.save(wb.build("mlp", digits), tmp_path / "net"))
    with pytest.raises(BadFile, match="does not fit its model"):
        wb.load_model(files.write_tensors(tmp_path / "net", tensors, header | {"spec": spec}))


class Bomb:
    """It would leave a trace if anything unpickled it."""

    def __reduce__(self):
        return (print, ("executed",))


def test_nothing_in_a_file_is_executed(tmp_path, digits, capsys):
    torch.save({"model": Bomb()}, tmp_path / "net")
    with pytest.raises(BadFile, match="cannot be read"):
        wb.load_model(tmp_path / "net")
    tensors, header = files.read_tensors(wb.save(wb.build("mlp", digits), tmp_path / "net"))
    spec = header["spec"] | {"builder": "__import__('sys').exit(3)"}
    with pytest.raises(BadFile, match="sys"):
        wb.load_model(files.write_tensors(tmp_path / "net", tensors, header | {"spec": spec}))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["lstm_attention", "transformer"])
def test_a_network_of_tokens_comes_back_also_pruned(tmp_path, name):
    data = made_up(60)
    net, x = wb.build(name, data), torch.tensor(data.test.x)
    pruned = wb.prune(net, 0.5, verbose=False)
    for i, model in enumerate((net, pruned.model)):
        back = wb.load_model(wb.save(model, tmp_path / f"net {i}"))
        assert back.spec == net.spec
        assert torch.equal(back(x), model(x)) and fingerprint(back) == fingerprint(model)


def test_a_vocabulary_of_another_size_is_refused(tmp_path):
    net = wb.build("lstm_attention", made_up(60))
    tensors, header = files.read_tensors(wb.save(net, tmp_path / "net"))
    header["spec"]["sizes"]["vocabulary"] += 1
    with pytest.raises(BadFile, match=r"does not fit its model.*Embedding cannot be resized"):
        wb.load_model(files.write_tensors(tmp_path / "net", tensors, header))


def test_a_pipeline_of_texts_is_not_saved(tmp_path):
    with pytest.raises(BadInput, match="Pipeline is not a network"):
        wb.save(wb.build("logistic", made_up(60)), tmp_path / "net")
