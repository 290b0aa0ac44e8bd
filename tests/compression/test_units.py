"""Units that leave networks of tokens: what is left answers as the whole network does when nothing looks at what left."""

import copy

import pytest
import torch
from torch import nn

import workbench as wb
from workbench.compression import units
from workbench.compression.pruning import prune
from workbench.errors import BadInput

HALF = {"channels": 0.5, "how": "channels"}
TOKENS = torch.randint(1, 9, (6, 5), generator=torch.Generator().manual_seed(0))


def changed(pruned):
    rows = {row["layer"]: (row["shape before"], row["shape after"]) for row in pruned.report["layers"]}
    return {name: sides for name, sides in rows.items() if sides[0] != sides[1]}


class Read(nn.Module):
    """Tokens, a recurrent body, and a way of reading it."""

    def __init__(self, body, read, width=None):
        super().__init__()
        self.embedding, self.body, self.read = nn.Embedding(9, 6), body, read
        self.fc = nn.Linear(width or body.hidden_size * (1 + body.bidirectional), 3)

    def forward(self, x):
        return self.fc(self.read(*self.body(self.embedding(x))))


def last(states, ended):
    return states[:, -1]


def ended(states, ended):
    return torch.cat([*(ended[0] if isinstance(ended, tuple) else ended)[-2:]], 1)


def flat(states, ended):
    return states.flatten(1)


def pooled(states, ended):
    return torch.cat([states.amax(1), states.mean(1)], 1)


BODIES = {
    "lstm, last state": lambda: Read(nn.LSTM(6, 8, batch_first=True), last),
    "lstm in both directions, end states": lambda: Read(nn.LSTM(6, 8, batch_first=True, bidirectional=True), ended),
    "lstm, flattened": lambda: Read(nn.LSTM(6, 8, batch_first=True), flat, 40),
    "lstm in two layers and directions": lambda: Read(nn.LSTM(6, 8, 2, batch_first=True, bidirectional=True), last),
    "gru in three layers, pooled": lambda: Read(nn.GRU(6, 8, 3, batch_first=True), pooled, 16),
    "rnn with relu, without biases": lambda: Read(nn.RNN(6, 8, nonlinearity="relu", bias=False, batch_first=True), last),
}  # fmt: skip


@pytest.fixture(params=BODIES)
def recurrent(request):
    torch.manual_seed(1)
    return BODIES[request.param]().eval()


def silent(net, name, gone):
    """Return a copy in which the given units of every layer and direction write and hold zeros."""
    net = copy.deepcopy(net)
    body = net.get_submodule(name)
    with torch.no_grad():
        for part in body._parameters.values():
            gates = len(part) // body.hidden_size
            part.view(gates, body.hidden_size, -1)[:, gone] = 0
    return net


def test_units_that_hold_nothing_leave_first_and_nothing_changes(recurrent):
    net = silent(recurrent, "body", [0, 3, 5, 6])
    small = units.narrowed(net, {"body": 4}, TOKENS, "magnitude", None)
    assert small.body.hidden_size == 4 and type(small.body) is type(net.body)
    torch.testing.assert_close(small(TOKENS), net(TOKENS))
    assert net.body.hidden_size == 8


def test_what_is_left_is_a_network_that_trains(recurrent):
    small = units.narrowed(recurrent, {"body": 3}, TOKENS, "magnitude", None)
    small(TOKENS).sum().backward()
    assert all(p.grad is not None for p in small.parameters())


def test_one_recurrent_layer_reads_another():
    class Stacked(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.GRU(6, 8, batch_first=True), nn.LSTM(8, 4, batch_first=True)
            self.embedding, self.fc = nn.Embedding(9, 6), nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.second(self.first(self.embedding(x))[0])[0][:, -1])

    small = units.narrowed(Stacked().eval(), {"first": 4, "second": 2}, TOKENS, "magnitude", None)
    assert (small.second.input_size, small.second.hidden_size, small.fc.in_features) == (4, 2, 2)


def test_packed_sequences_are_seen_through():
    class Packing(Read):
        def forward(self, x):
            packed = nn.utils.rnn.pack_padded_sequence(self.embedding(x), torch.tensor([5] * len(x)), True)
            states, _ = nn.utils.rnn.pad_packed_sequence(self.body(packed)[0], True)
            return self.fc(states[:, -1])

    net = silent(Packing(nn.LSTM(6, 8, batch_first=True), last).eval(), "body", [1, 2])
    small = units.narrowed(net, {"body": 6}, TOKENS, "magnitude", None)
    torch.testing.assert_close(small(TOKENS), net(TOKENS))


class Tied(Read):
    def __init__(self, how):
        super().__init__(nn.LSTM(6, 6, batch_first=True), last)
        self.how, self.norm, self.mixing = how, nn.LayerNorm(6), nn.Parameter(torch.eye(6))

    def forward(self, x):
        states = self.body(self.embedding(x))[0][:, -1]
        if self.how == "norm":
            return self.fc(self.norm(states))
        if self.how == "softmax":
            return self.fc(states.softmax(1))
        if self.how == "stream":
            return self.fc(states + self.embedding(x)[:, 0])
        if self.how == "matrix":
            return self.fc(states @ self.mixing)
        return states[:, :3]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("norm", "body is tied to what norm reads, a LayerNorm"),
        ("softmax", "body is tied to all that fc reads"),
        ("stream", "body is of a size that the network counts on"),
        ("matrix", "body is tied to all that fc reads"),
        ("answer", "body is read by the answer itself"),
    ],
)
def test_units_that_are_tied_to_others_are_refused_in_words(how, words):
    net = Tied(how).eval()
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(BadInput, match=words):
        units.narrowed(net, {"body": 3}, TOKENS, "magnitude", None)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert not any(layer._forward_pre_hooks or layer._forward_hooks for layer in net.modules())


def test_what_a_network_does_with_units_unseen_is_caught():
    class Peeking(Read):
        def forward(self, x):
            states = self.body(self.embedding(x))[0][:, -1]
            return self.fc(states) + states.nan_to_num().sum(1, keepdim=True)

    with pytest.raises(BadInput, match="read in a way that cannot be seen"):
        units.narrowed(Peeking(nn.LSTM(6, 8, batch_first=True), last).eval(), {"body": 4}, TOKENS, "magnitude", None)  # fmt: skip


def test_no_unit_that_can_leave_is_refused_with_the_reasons():
    net = Tied("norm").eval()
    with pytest.raises(BadInput, match=r"No unit of Tied can leave: body is tied.*fc is read by the answer"):
        units.removable(net, 0.5, TOKENS, ["body.weight_ih_l0", "body.weight_hh_l0", "fc"])


# the networks of the package


def test_an_lstm_loses_units_in_both_directions(lstm, texts, tmp_path):
    small = prune(lstm, **HALF, data=texts, epochs=1)
    assert small.steps[0]["narrowed"] == ["lstm", "energy", "fc1"]
    assert changed(small)["lstm.weight_hh_l0_reverse"] == ("32x8", "16x4")
    assert changed(small)["fc1"] == ("8x16", "4x8")
    x = torch.tensor(texts.test.x)
    assert torch.equal(wb.load_model(wb.save(small, tmp_path / "net"))(x), small.model(x))
    eight = wb.quantize(small, "dynamic", data=texts)
    assert eight.report["agreement"] > 0.8
    assert torch.equal(wb.load_model(wb.save(eight, tmp_path / "int8"))(x), eight.model(x))


def test_a_transformer_loses_heads_and_feed_forward_units(transformer, texts, tmp_path):
    small = prune(transformer, **HALF, data=texts)
    assert small.steps[0]["narrowed"] == [f"{what}encoder.{i}{part}" for i in (0, 1)
                                          for what, part in (("heads of ", ""), ("", ".fc1"))]  # fmt: skip
    halved = {"query": ("8x8", "4x8"), "key": ("8x8", "4x8"), "value": ("8x8", "4x8"), "out": ("8x8", "8x4"),
              "fc1": ("16x8", "8x8"), "fc2": ("8x16", "8x8")}  # fmt: skip
    assert changed(small) == {f"encoder.{i}.{name}": sides for i in (0, 1) for name, sides in halved.items()}
    x = torch.tensor(texts.test.x)
    assert torch.equal(wb.load_model(wb.save(small, tmp_path / "net"))(x), small.model(x))
    eight = wb.quantize(small, "dynamic", data=texts)
    assert eight.report["agreement"] > 0.8
    assert torch.equal(wb.load_model(wb.save(eight, tmp_path / "int8"))(x), eight.model(x))
    assert wb.explain(small, texts.test[:2], "attention", data=texts).settings["heads"] == 1


def test_the_head_that_adds_nothing_leaves(transformer, texts):
    net = copy.deepcopy(transformer.model)
    with torch.no_grad():
        for layer in net.encoder:
            for part in (layer.query, layer.key, layer.value):
                part.weight[4:] *= 1e-3
            layer.value.weight[4:] = layer.value.bias[4:] = 0
    small = units.narrowed(net, {f"heads of encoder.{i}": 1 for i in (0, 1)}, torch.tensor(texts.test.x[:1]), "magnitude", None)  # fmt: skip
    x = torch.tensor(texts.test.x)
    torch.testing.assert_close(small(x), net(x))
    assert torch.equal(small.encoder[0].query.weight, net.encoder[0].query.weight[:4])


def test_feed_forward_units_that_do_nothing_leave(transformer, texts):
    net = copy.deepcopy(transformer.model)
    with torch.no_grad():
        for layer in net.encoder:
            layer.fc1.weight[::2] = layer.fc1.bias[::2] = 0
    left, x = {f"encoder.{i}.fc1": 8 for i in (0, 1)}, torch.tensor(texts.test.x)
    torch.testing.assert_close(units.narrowed(net, left, x[:1], "magnitude", None)(x), net(x))


def sizes(model, data):
    return {name.removesuffix(".weight"): w.detach().abs() for name, w in model.named_parameters()}


@pytest.mark.parametrize("by", ["taylor", "relevance", sizes])
def test_units_leave_by_every_criterion(lstm, texts, by):
    small = prune(lstm, **HALF, by=by, data=texts)
    assert small.model.lstm.hidden_size == 4 and small.report["after"]["accuracy"] > 0.5


def test_units_leave_in_rounds_to_the_same_number(lstm, texts, rounds):
    small = prune(lstm, channels=0.75, how="channels", data=texts, rounds=2)
    assert [net.lstm.hidden_size for net in rounds] == [4, 2] and small.model.fc1.in_features == 4


def test_the_heads_of_torchs_own_attention_stay(texts):
    class Encoded(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
            self.embedding, self.fc = nn.Embedding(len(texts.tokenizer.vocabulary) + 9, 8), nn.Linear(8, 2)
            self.encoder = nn.TransformerEncoder(layer, 1)

        def forward(self, x):
            return self.fc(self.encoder(self.embedding(x))[:, 0])

    small = prune(Encoded().eval(), **HALF, data=texts)
    assert small.steps[0]["narrowed"] == ["encoder.layers.0.linear1"]
    assert small.model.encoder.layers[0].linear1.out_features == 8


def test_protected_heads_and_recurrent_weights_keep_their_units(lstm, transformer, texts):
    kept = prune(transformer, **HALF, data=texts, protect=["encoder.0", "encoder.1.query"])
    assert kept.steps[0]["narrowed"] == ["encoder.1.fc1"]
    assert prune(lstm, **HALF, data=texts, protect=["lstm.weight_hh_l0"]).model.lstm.hidden_size == 8
