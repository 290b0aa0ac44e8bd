"""A packed model comes back with equal outputs; what is not one is refused, and nothing in it is executed."""

import json

import numpy as np
import pytest
import torch
from reviews import made_up
from torch import nn

import workbench as wb
from workbench.compression import entropy, packing
from workbench.errors import BadFile, BadInput


@pytest.fixture(scope="module")
def sparse(narrow):
    return wb.prune(narrow, 0.9)


@pytest.fixture
def rows(few):
    return torch.tensor(few.test.x[:50])


@pytest.mark.parametrize("make", ["as it is", "sparse", "narrow", "int8", "sparse int8"])
def test_equal_outputs_come_back(narrow, sparse, few, rows, tmp_path, make):
    model = {
        "as it is": lambda: narrow,
        "sparse": lambda: sparse,
        "narrow": lambda: wb.prune(narrow, how="channels", channels=0.5, data=few),
        "int8": lambda: wb.quantize(narrow, data=few),
        "sparse int8": lambda: wb.quantize(sparse, data=few),
    }[make]()
    packed = wb.pack(model, tmp_path / "model.wbp")
    with torch.no_grad():
        own = model.model(rows)
        assert torch.equal(packed.model(rows), own) and torch.equal(wb.unpack(packed.path)(rows), own)
    assert packed.report["bytes"] == packed.path.stat().st_size
    assert packed.report["bytes"] < packed.report["saved"]


def test_a_dynamic_int8_text_model_comes_back(tmp_path):
    data = made_up(60)
    small = wb.quantize(wb.build("lstm_attention", data, embedding=8, hidden=8), "dynamic", data=data)
    x = torch.tensor(data.test.x[:5])
    assert torch.equal(wb.unpack(wb.pack(small, tmp_path / "text.wbp").path)(x), small.model(x))


def test_zeros_cost_little_and_shared_values_less(sparse, rows, tmp_path):
    plain, shared = wb.pack(sparse, tmp_path / "a"), wb.pack(sparse, tmp_path / "b", shared=16)
    assert plain.report["dense"] / plain.report["bytes"] > 5
    assert shared.report["dense"] / shared.report["bytes"] > 15
    weights = shared.model.fc1.weight
    assert len(weights[weights != 0].unique()) <= 16
    assert torch.equal(weights == 0, sparse.model.fc1.weight == 0)
    assert (weights - sparse.model.fc1.weight).abs().max() < 0.1
    assert torch.equal(wb.unpack(shared.path)(rows), shared.model(rows))


def test_the_given_model_is_untouched(narrow, tmp_path, unchanged):
    with unchanged(narrow.model):
        wb.pack(narrow, tmp_path / "a", shared={"fc1": 4})


def test_only_the_named_layers_share(sparse, tmp_path):
    packed = wb.pack(sparse, tmp_path / "a", shared={"fc1": 4})
    assert torch.equal(packed.model.conv2.weight, sparse.model.conv2.weight)
    assert packed.table().loc["fc1.weight", "distinct"] <= 5


def test_the_table_holds_the_bound_of_every_layer(sparse, tmp_path):
    packed = wb.pack(sparse, tmp_path / "a", shared=8)
    table = packed.table()
    assert table["bound [bytes]"].sum() == pytest.approx(packed.report["bound"])
    assert table.loc["fc1.weight", "not zero"] == int(sparse.model.fc1.weight.count_nonzero())
    assert table["bytes"].sum() < packed.report["bytes"] and "x smaller than float32" in repr(packed)
    assert "<table" in packed._repr_html_()


def test_a_model_of_somebodys_own_needs_its_skeleton(tmp_path):
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    path = wb.pack(net, tmp_path / "own").path
    x = torch.ones(2, 3)
    other = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    before = other[0].weight.clone()
    assert torch.equal(wb.unpack(path, other)(x), net(x)) and torch.equal(other[0].weight, before)
    with pytest.raises(BadFile, match="does not say how to build"):
        wb.unpack(path)
    with pytest.raises(BadFile, match="does not fit its model"):
        wb.unpack(path, nn.Sequential(nn.Linear(3, 4)))


def test_an_int8_model_of_somebodys_own_comes_back_with_its_float_skeleton(table, tmp_path):
    net = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    small, x = wb.quantize(net, data=table), torch.tensor(table.test.x)
    packed = wb.pack(small, tmp_path / "own")
    skeleton = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    assert torch.equal(wb.unpack(packed.path, skeleton)(x), small.model(x)) and torch.equal(
        packed.model(x), small.model(x)
    )


@pytest.mark.parametrize("at", [0, 30, 200, -40, -1])
def test_a_changed_byte_is_noticed(sparse, tmp_path, at):
    path = wb.pack(sparse, tmp_path / "a").path
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"altered|not written by wb\.pack"):
        wb.unpack(path)


@pytest.mark.parametrize("length", [0, 10, 60, 1000])
def test_a_truncated_file_is_refused(sparse, tmp_path, length):
    path = wb.pack(sparse, tmp_path / "a").path
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BadFile, match=r"truncated|not written by wb\.pack"):
        wb.unpack(path)


def test_foreign_files_are_refused(narrow, tmp_path):
    with pytest.raises(BadFile, match=r"not written by wb\.pack"):
        wb.unpack(wb.save(narrow, tmp_path / "model.safetensors"))
    with pytest.raises(BadFile, match="cannot be read"):
        wb.unpack(tmp_path / "nowhere")
    torch.save({"a": np.ones(1)}, tmp_path / "pickle")
    with pytest.raises(BadFile, match=r"not written by wb\.pack"):
        wb.unpack(tmp_path / "pickle")


@pytest.mark.parametrize(
    "head",
    [b"[]", b"{", b'{"arrays": {"a": 3}, "model": {}}', b'{"arrays": {}, "model": {"format": "other"}}'],
)
def test_a_header_with_a_right_checksum_and_nonsense_in_it_is_refused(tmp_path, head):
    path = tmp_path / "a"
    path.write_bytes(entropy.framed(packing.MAGIC, head, b""))
    with pytest.raises(BadFile, match=r"header that cannot be read|not a model of the workbench"):
        wb.unpack(path)


def test_arrays_that_do_not_fit_the_named_model_are_refused(narrow, tmp_path):
    path = wb.pack(narrow, tmp_path / "a").path
    head, body = entropy.opened(packing.MAGIC, path.read_bytes())
    facts = json.loads(head)
    facts["model"]["spec"]["sizes"]["hidden"] = 41
    path.write_bytes(entropy.framed(packing.MAGIC, json.dumps(facts).encode(), body))
    assert wb.unpack(path).fc1.weight.shape[0] == 40  # layers take the stored shapes
    facts["model"]["spec"]["builder"] = "os.system"
    path.write_bytes(entropy.framed(packing.MAGIC, json.dumps(facts).encode(), body))
    with pytest.raises((BadFile, BadInput, LookupError), match=r"os\.system"):
        wb.unpack(path)


@pytest.mark.parametrize(
    ("shared", "words"),
    [
        (1, "is to share 1 values"),
        ({"fc9": 4}, "shared names 'fc9'"),
        ({"fc1": 2.5}, "is to share 2.5 values"),
    ],
)
def test_what_cannot_be_shared_is_refused(narrow, tmp_path, shared, words):
    with pytest.raises(BadInput, match=words):
        wb.pack(narrow, tmp_path / "a", shared=shared)


def test_int8_weights_share_nothing_and_estimators_are_not_packed(narrow, few, tmp_path):
    with pytest.raises(BadInput, match="shared was given for an int8 network"):
        wb.pack(wb.quantize(narrow, data=few), tmp_path / "a", shared=8)
    with pytest.raises(BadInput, match="A LogisticRegression was given"):
        wb.pack(wb.build("logistic", few), tmp_path / "a")
    with pytest.raises(BadFile, match="cannot be written"):
        (tmp_path / "file").write_text("")
        wb.pack(narrow, tmp_path / "file" / "model")
