"""Dynamic int8 of token networks: real integers, the same bits from a file, and what it cannot do is refused."""

import copy
import json
import warnings

import numpy as np
import pytest
import torch
from reviews import made_up
from safetensors.numpy import load
from torch import nn

import workbench as wb
from workbench import files
from workbench.errors import BadFile, BadInput
from workbench.int8.conversion import convert, is_int8
from workbench.int8.dynamic import convert_dynamic
from workbench.int8.packing import int8_biases, int8_weights
from workbench.int8.shuffling import shuffled
from workbench.int8.storage import layer_shapes, restore, store
from workbench.int8.surrogate import has_twin, twin
from workbench.state import generator

NAMES = ("lstm_attention", "transformer")


@pytest.fixture(scope="module")
def texts():
    """Made-up reviews."""
    return made_up(200)


@pytest.fixture(scope="module")
def tokens(texts):
    """Sixty rows of token numbers."""
    return torch.tensor(texts.test.x)


@pytest.fixture(params=NAMES)
def net(request, texts):
    """An untrained net of tokens."""
    return wb.build(request.param, texts)


@pytest.fixture
def int8(net, tokens):
    """The net in dynamic int8."""
    return convert_dynamic(net, tokens)


def test_its_answers_are_near_the_float_ones(net, int8, tokens):
    assert is_int8(int8) and not is_int8(net)
    gap = (int8(tokens) - net(tokens)).abs().max()
    assert 0 < gap < 0.3 * net(tokens).std()


def test_every_weight_is_a_byte_within_half_a_step(net, int8):
    weights, exact = int8_weights(int8), dict(net.named_parameters())
    assert {w.dtype for w in weights.values()} == {torch.qint8, torch.quint8}
    for name, weight in weights.items():
        float_weight = exact.get(name, exact.get(f"{name}.weight"))
        steps = weight.q_per_channel_scales()[:, None]
        assert ((weight.dequantize() - float_weight).abs() <= steps * 0.502 + 1e-7).all()


def test_a_recurrent_layer_gives_its_weights_by_name(texts):
    int8 = convert_dynamic(wb.build("lstm_attention", texts, hidden=8))
    found = {name: tuple(w.shape) for name, w in int8_weights(int8).items() if name.startswith("lstm")}
    assert found == {f"lstm.weight_{of}_l0{way}": (32, width) for way in ("", "_reverse")
                     for of, width in (("ih", 32), ("hh", 8))}  # fmt: skip
    assert sorted(len(b) for b in int8_biases(int8)) == [2, 8, 8, 32, 32, 32, 32]


def test_padding_stays_zero(int8):
    assert not int8.embedding(torch.tensor([0])).any()


def test_the_given_model_and_the_world_come_back_as_they_were(unchanged, net, tokens):
    net.train()
    net.embedding.register_forward_hook(lambda *_: pytest.fail("the hook of the given model fired"))
    engine, filters = torch.backends.quantized.engine, list(warnings.filters)
    with unchanged(net):
        made = convert_dynamic(net, tokens, engine="fbgemm")
    assert (torch.backends.quantized.engine, warnings.filters) == (engine, filters)
    assert not any(m.training for m in made.modules())
    assert not any(p.requires_grad for p in made.parameters())


def test_nothing_is_warned_of(net, tokens, recwarn):
    convert_dynamic(net, tokens)
    assert [str(w.message) for w in recwarn] == []


def test_what_it_is_goes_along_into_a_copy(net, int8, tokens):
    for made in (int8, copy.deepcopy(int8)):
        assert made.int8 == {"how": "dynamic", "engine": "x86"} and made.spec == net.spec
        assert torch.equal(made(tokens), int8(tokens))


def test_a_row_depends_on_its_companions_in_dynamic_and_not_in_static_int8(int8, tokens, small_net, images):
    alone = torch.cat([int8(row[None]) for row in tokens])
    assert (int8(tokens) - alone).abs().max() > 1e-4
    static = convert(small_net, images)
    assert torch.equal(static(images), torch.cat([static(row[None]) for row in images]))


def test_recurrent_layers_have_no_twin(int8, small_net, images):
    recurrent = any(
        isinstance(layer, nn.LSTM) for layer in wb.build(int8.spec["builder"], made_up(200)).modules()
    )
    assert has_twin(int8) is not recurrent and has_twin(convert(small_net, images))
    if recurrent:
        with pytest.raises(
            BadInput, match=r"recurrent layer, which has no twin.*how='static'.*without gradients"
        ):
            twin(int8)


def test_a_network_of_linear_layers_has_a_twin_with_equal_outputs_on_equal_batches():
    data = made_up(60)
    net = wb.build("transformer", data, width=8, layers=1)
    int8, x = convert_dynamic(net), torch.tensor(data.test.x)
    assert torch.equal(twin(int8)(x), int8(x)) and torch.equal(twin(int8)(x[:3]), int8(x[:3]))
    e, own = (wb.explain(model, data.test[:6], "saliency") for model in (int8, net))
    assert "bit-equal on all" in e.flags["twin"]
    assert np.corrcoef(e.values.ravel(), own.values.ravel())[0, 1] > 0.95


def test_shuffled_weights_know_nothing_and_are_the_same_integers(int8, tokens):
    mixed = shuffled(int8, generator(0))
    before, after = int8_weights(int8), int8_weights(mixed)
    for name, weight in before.items():
        ours, theirs = weight.int_repr().flatten(), after[name].int_repr().flatten()
        assert torch.equal(ours.sort()[0], theirs.sort()[0]) and not torch.equal(ours, theirs)
    assert (mixed(tokens) - int8(tokens)).abs().max() > 0.01
    assert torch.equal(int8(tokens), convert_dynamic_again(int8, tokens))


def convert_dynamic_again(int8, tokens):
    """Answer with a copy of the same weights: the given model must not have changed."""
    return restore(*store(int8), wb.build(int8.spec["builder"], made_up(200)))(tokens)


# files


def test_it_comes_back_bit_equal_from_a_file(int8, tokens, tmp_path):
    back = wb.load_model(wb.save(int8, tmp_path / "net.safetensors"))
    assert is_int8(back) and back.int8 == int8.int8 and back.spec == int8.spec
    assert torch.equal(back(tokens), int8(tokens))


@pytest.mark.parametrize("engine", ["fbgemm", "onednn"])
def test_every_engine_comes_back(net, tokens, engine):
    made = convert_dynamic(net, tokens, engine=engine)
    assert torch.equal(restore(*store(made), net)(tokens), made(tokens))


def test_the_file_is_a_quarter_as_large_for_a_large_vocabulary(tmp_path):
    net = nn.Sequential(nn.Embedding(5000, 64), nn.Flatten(), nn.Linear(640, 2))
    tensors, _ = store(convert_dynamic(net))
    assert 3.5 < sum(p.numel() * 4 for p in net.parameters()) / sum(a.nbytes for a in tensors.values()) < 4


def test_the_shapes_of_the_layers_can_be_read(texts):
    tensors, _ = store(convert_dynamic(wb.build("transformer", texts)))
    assert layer_shapes(tensors)["embedding"] == (texts.tokenizer.size, 32)
    assert layer_shapes(tensors)["encoder.1.fc1"] == (128, 32)


def _stored(int8):
    tensors, header = store(int8)
    return load(files.pack_tensors(tensors, header)), json.loads(json.dumps(files.plain(header)))


def _first(tensors, end):
    return next(name for name in tensors if name.endswith(end))


DAMAGES = {
    "another way": lambda t, h: (t, h | {"how": "static"}),
    "an unknown way": lambda t, h: (t, h | {"how": "magic"}),
    "no checksum": lambda t, h: (t, {k: v for k, v in h.items() if k != "sha256"}),
    "a shorter net": lambda t, h: (t, h | {"graph": h["graph"][:-1]}),
    "a missing array": lambda t, h: ({k: v for k, v in t.items() if k != "embedding.weight"}, h),
    "another weight": lambda t, h: (t | {"embedding.weight": t["embedding.weight"] ^ 1}, h),
    "another scale": lambda t, h: (t | {n: t[n] * 2 for n in [_first(t, ".scales")]}, h),
    "a scale of zero": lambda t, h: (t | {n: t[n] * 0 for n in [_first(t, ".scales")]}, h),
    "a zero point that is no number": lambda t, h: (t | {"embedding.weight.zero_points": t["embedding.weight.zero_points"] * np.nan}, h),
    "a bias of NaN": lambda t, h: (t | {n: t[n] * np.nan for n in [_first(t, ".bias")]}, h),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_refused(net, int8, damage):
    with pytest.raises(BadFile) as caught:
        restore(*DAMAGES[damage](*_stored(int8)), net)
    assert all((caught.value.wrong, caught.value.expected, caught.value.todo))


def test_a_skeleton_of_another_net_is_refused(texts):
    made = convert_dynamic(wb.build("transformer", texts))
    for other in (wb.build("transformer", texts, layers=1), wb.build("transformer", texts, heads=4),
                  wb.build("lstm_attention", texts), nn.ReLU()):  # fmt: skip
        with pytest.raises(BadFile):
            restore(*store(made), other)


def test_a_gru_and_layers_of_their_own_come_back():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.gru = nn.Embedding(9, 4), nn.GRU(4, 5, num_layers=2, batch_first=True)
            self.scale, self.fc = nn.Parameter(torch.tensor([-2.0])), nn.Linear(5, 2, bias=False)
            self.register_buffer("mask", torch.tensor([float("-inf"), 1000.0]))

        def forward(self, x):
            return self.fc(self.gru(self.embedding(x))[0][:, -1]) * self.scale

    net, x = Own().eval(), torch.randint(1, 9, (6, 5))
    made = convert_dynamic(net, x)
    back = restore(*store(made), Own())
    assert torch.equal(back(x), made(x)) and torch.equal(back.mask, net.mask)


# refusals


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2)), r"convolutions.*Use how='static'"),
        (nn.Sequential(nn.ReLU()), "nothing to quantize"),
        (len, "builtin_function"),
        (nn.Linear(3, 3), "nothing to quantize"),
        (nn.Sequential(nn.LSTM(3, 3, bias=False)), "with biases"),
    ],
)
def test_what_cannot_be_converted_is_refused(model, said):
    with pytest.raises(BadInput, match=said):
        convert_dynamic(model)


def test_an_int8_model_is_not_converted_again(int8):
    with pytest.raises(BadInput, match="again"):
        convert_dynamic(int8)


def test_a_model_that_does_not_run_in_int8_is_refused():
    # The fast path of torch's own encoder reads the weights of its linear layers.
    layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
    with pytest.raises(BadInput, match=r"does not run.*attention"):
        convert_dynamic(nn.Sequential(nn.Embedding(9, 8), layer), torch.ones(1, 4, dtype=torch.long))


@pytest.mark.parametrize("engine", ["x68", "qnnpack"])
def test_an_engine_that_is_not_here_or_does_not_keep_its_numbers_is_refused(net, engine):
    with pytest.raises(BadInput, match=engine):
        convert_dynamic(net, engine=engine)
