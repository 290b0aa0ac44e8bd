"""Attention weights are those that a hook reads, and nothing else; rollout and gradient are what numpy and autograd say."""

import copy

import numpy as np
import pytest
import torch
from attentive import First, Hugging, Logits, OwnAttention, Patches, Squares, Tokens, Words
from nets import Failing
from torch import nn

import workbench as wb
from workbench.errors import BadInput, NotExplainable, UnknownName


def read(net, x):
    """Return what each attention layer gives in one forward, by hand."""
    seen = {}
    hooks = [m.register_forward_hook(lambda m, _, out, name=name: seen.update({name: out.detach().numpy()}))
             for name, m in net.named_modules() if type(m).__name__ == "AttentionWeights"]  # fmt: skip
    with torch.no_grad():
        net(torch.tensor(x))
    for hook in hooks:
        hook.remove()
    return seen


def words(x):
    return ~np.isin(x, (0, 2))


def test_pooling_gives_a_weight_a_token(unchanged, reader, reviews):
    x = reviews.test.x[:6]
    with unchanged(reader.model):
        e = wb.explain(reader, reviews.test[:6], "attention", data=reviews)
    (weights,) = read(reader.model, x).values()
    np.testing.assert_allclose(e.values, np.where(words(x), weights, 0), atol=1e-6)
    assert (e.settings["layer"], e.settings["heads"]) == ("weights", 1)
    assert not e.signed
    assert e.delta is None
    shown = e.values.sum(1)
    assert ((shown < 1) & (shown > 0)).all()  # [CLS] received the rest, which nobody else is given.
    np.testing.assert_allclose(shown, 1 - weights[:, 0], atol=1e-6)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("head", [None, 0, 1])
@pytest.mark.parametrize("query", ["first", "mean"])
def test_self_attention_is_read_by_layer_head_and_query(transformer, reviews, layer, head, query):
    x, name = reviews.test.x[:6], f"encoder.{layer}.weights"
    e = wb.explain(transformer, reviews.test[:6], "attention", layer=name, head=head, query=query)
    weights = read(transformer, x)[name]
    mine = weights.mean(1) if head is None else weights[:, head]
    looks = (
        mine[:, 0]
        if query == "first"
        else np.stack([m[w].mean(0) for m, w in zip(mine, words(x), strict=True)])
    )
    np.testing.assert_allclose(e.values, np.where(words(x), looks, 0), atol=1e-6)
    assert (e.settings["layer"], e.settings["heads"], e.settings["query"]) == (name, 2, query)


def test_the_last_layer_is_the_default(transformer, reviews):
    e = wb.explain(transformer, reviews.test[:3], "attention")
    assert e.settings["layer"] == "encoder.1.weights"
    np.testing.assert_array_equal(e.replay(transformer).values, e.values)


def test_a_weight_knows_no_class(reader, reviews):
    a, b = (wb.explain(reader, reviews.test[:4], "attention", target=t).values for t in (0, 1))
    np.testing.assert_array_equal(a, b)


def test_a_hand_made_layer_is_found_by_its_name():
    class AttentionWeights(nn.Module):
        def forward(self, scores):
            return scores.softmax(-1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.look, self.embedding = AttentionWeights(), nn.Embedding(9, 2)

        def forward(self, x):
            return (self.look(x.float() / 4)[..., None] * self.embedding(x)).sum(1)

    x = np.array([[4, 8, 0]])
    e = wb.explain(Net().eval(), x, "attention")
    np.testing.assert_allclose(e.values, [[*np.exp([1, 2]) / np.exp([1, 2, 0]).sum(), 0]], rtol=1e-5)


def test_what_is_not_there_is_refused(reader, transformer, clerk, people, reviews):
    with pytest.raises(UnknownName, match=r"no attention layer called 'lstm'.*weights"):
        wb.explain(reader, reviews.test[:2], "attention", layer="lstm")
    with pytest.raises(UnknownName, match=r"no query called 'second'.*first, last, mean, special"):
        wb.explain(reader, reviews.test[:2], "attention", query="second")
    for head in (2, -1, "a"):
        with pytest.raises(BadInput, match=r"head is .*0 to 1"):
            wb.explain(transformer, reviews.test[:2], "attention", head=head)
    with pytest.raises(NotExplainable, match="no attention weights"):
        wb.explain(clerk, people.test[:2], "attention")
    with pytest.raises(BadInput, match="attention was given baselines"):
        wb.explain(reader, reviews.test[:2], "attention", baselines=0)


# any model, any grid of tokens

METHODS = ("attention", "attention_rollout", "attention_gradient")
every_method = pytest.mark.parametrize("method", METHODS)


def nets():
    """Return nets and inputs of every kind."""
    rng = np.random.default_rng(0)
    images, rows = rng.random((4, 1, 28, 28), dtype=np.float32), rng.random((4, 5), dtype=np.float32)
    texts = np.array([[2, 3, 4, 5, 6], [2, 7, 8, 0, 0], [2, 5, 5, 3, 0], [2, 6, 0, 0, 0]])
    whole = np.array([[2, 3, 4, 5], [2, 7, 8, 1], [2, 5, 5, 3], [2, 6, 4, 4]])
    return {
        "encoder on patches": (Patches(), images),
        "patches cut by hand": (Squares(), images),
        "no token of its own": (Patches(special=0), images),
        "fused": (Patches(body=nn.Sequential(OwnAttention("fused"), OwnAttention("fused"))), images),
        "softmax by hand": (Patches(body=OwnAttention("softmax")), images),
        "weights returned": (Patches(body=First(OwnAttention("tuple"))), images),
        "encoder on words": (Words(9), texts),
        "columns": (Tokens(5), rows),
        "hugging": (Logits(Hugging(9)), whole),
    }


def asked(method, net, x, **options):
    options = {"special": "first"} | options if x.ndim == 2 and x.dtype.kind == "f" else options
    return wb.explain(net, x, method, **options)


every_net = pytest.mark.parametrize("name", list(nets()))


def slow(net, x):
    """Return the weights of every layer of torch's encoder on patches, ``(n, layer, head, query, key)``, by hand."""
    tokens = net.cut(torch.tensor(x)).flatten(2).transpose(1, 2)
    stream = torch.cat([net.own.expand(len(x), -1, -1), tokens], 1) + net.places
    found = []
    for layer in net.body.layers:
        found.append(layer.self_attn(stream, stream, stream, average_attn_weights=False)[1])
        stream = layer(stream)
    return torch.stack(found, 1), net.last(stream[:, 0])


def grids(matrices, place=slice(1, None)):
    """Return what the first token looks at, as 4 x 4 patches of 7 x 7 pixels."""
    seen = np.asarray(matrices)[:, 0, place].reshape(-1, 1, 4, 4)
    return np.kron(seen, np.ones((1, 1, 7, 7)))


def test_an_encoder_on_its_fast_path_shows_what_its_slow_path_computes():
    net, x = nets()["encoder on patches"]
    weights = slow(net, x)[0].detach().numpy()
    for head in (None, 0, 1):
        e = wb.explain(net, x, "attention", head=head)
        mine = weights[:, 1].mean(1) if head is None else weights[:, 1, head]
        np.testing.assert_allclose(e.values, grids(mine), atol=1e-6)
    np.testing.assert_allclose(e.settings["weights"], weights, atol=1e-6)
    assert e.settings["layers"] == {"body.layers.0.self_attn": 2, "body.layers.1.self_attn": 2}
    assert e.settings["output_gap"] < 1e-6
    assert e.flags == {}
    first = wb.explain(net, x, "attention", layer="body.layers.0.self_attn", upsample=False)
    np.testing.assert_allclose(first.values[:, 0].reshape(4, 16), weights[:, 0].mean(1)[:, 0, 1:], atol=1e-6)


def test_a_layer_asked_by_hand_gives_the_same_weights():
    net, x = nets()["columns"]
    tokens = torch.tensor(x)[..., None] * net.width + net.bias
    for behind in (False, True):
        net.behind = behind
        own = net.own.expand(4, -1, -1)
        whole = torch.cat([tokens, own] if behind else [own, tokens], 1)
        with torch.no_grad():
            weights = net.attention(whole, whole, whole, need_weights=True)[1].numpy()
        e = wb.explain(net, x, "attention", special="last" if behind else "first")
        np.testing.assert_allclose(e.values, weights[:, -1, :5] if behind else weights[:, 0, 1:], atol=1e-6)
        assert (e.settings["special_tokens"], e.settings["query"]) == (1, "special")


@pytest.mark.parametrize(
    ("query", "row"), [("special", 0), ("first", 0), (3, 3), ("last", 16), ("mean", slice(1, None))]
)
def test_one_may_choose_who_looks(query, row):
    net, x = nets()["encoder on patches"]
    e = wb.explain(net, x, "attention", query=query)
    seen = e.settings["weights"][:, 1].mean(1)[:, row]
    seen = seen if seen.ndim == 2 else seen.mean(1)
    np.testing.assert_allclose(e.values, grids(seen[:, None]), atol=1e-6)


def test_without_a_token_of_its_own_all_look():
    net, x = nets()["no token of its own"]
    e = wb.explain(net, x, "attention")
    assert e.settings["query"] == "mean"
    np.testing.assert_allclose(
        e.values, grids(e.settings["weights"][:, 1].mean(1).mean(1, keepdims=True), slice(None)), atol=1e-6
    )


def test_the_last_word_of_a_text_is_no_padding():
    net, x = nets()["encoder on words"]
    e = wb.explain(net, x, "attention", query="last")
    weights = e.settings["weights"][:, 1].mean(1)
    expected = np.stack([one[at] for one, at in zip(weights, (x != 0).sum(1) - 1, strict=True)])
    np.testing.assert_allclose(e.values, np.where(x == 0, 0, expected), atol=1e-6)


# rollout


@pytest.mark.parametrize("fusion", ["mean", "max", "min"])
@pytest.mark.parametrize("residual", [0.5, 0.2])
def test_rollout_is_the_product_of_the_layers_with_their_residuals(fusion, residual):
    net, x = nets()["encoder on patches"]
    e = wb.explain(net, x, "attention_rollout", head_fusion=fusion, residual=residual)
    rolled = np.tile(np.eye(17), (4, 1, 1))
    for layer in np.moveaxis(slow(net, x)[0].detach().numpy(), 1, 0):
        fused = getattr(layer, fusion)(axis=1)
        fused = fused / fused.sum(-1, keepdims=True)
        rolled = (residual * np.eye(17) + (1 - residual) * fused) @ rolled
    np.testing.assert_allclose(e.values, grids(rolled), atol=1e-6)
    np.testing.assert_allclose(e.settings["rolled"][:, -1], rolled, atol=1e-6)
    np.testing.assert_allclose(e.settings["rolled"].sum(-1), 1, atol=1e-5)
    assert e.settings["unit"] == "share"


def test_rollout_drops_the_smallest_weights_first():
    net, x = nets()["softmax by hand"]
    e = wb.explain(net, x, "attention_rollout", discard_ratio=0.9, residual=0)
    fused = e.settings["weights"][:, 0].mean(1)
    least = np.sort(fused)[..., [int(0.9 * 17)]]  # the two largest stay
    kept = np.where(fused < least, 0, fused)
    np.testing.assert_allclose(e.values, grids(kept / kept.sum(-1, keepdims=True)), atol=1e-6)
    assert ((kept > 0).sum(-1) == 2).all()


def test_weights_of_zero_do_not_count_as_dropped():
    net, x = nets()["encoder on words"]
    a, b = (
        wb.explain(net, np.pad(x, ((0, 0), (0, more))), "attention_rollout", discard_ratio=0.4).values
        for more in (0, 3)
    )
    np.testing.assert_allclose(b[:, :5], a, atol=1e-6)  # Padding is not looked at, however much there is.


def test_pooling_rolls_out_to_itself(reader, reviews):
    a, b = (wb.explain(reader, reviews.test[:4], method).values for method in METHODS[:2])
    np.testing.assert_allclose(a, b, atol=1e-6)


# gradient


@pytest.mark.parametrize("output", ["logit", "probability"])
def test_the_gradient_rule_is_what_autograd_gives_by_hand(output):
    net, x = nets()["fused"]
    e = wb.explain(net, x, "attention_gradient", output=output, target=2)
    tokens = net.cut(torch.tensor(x)).flatten(2).transpose(1, 2)
    stream, weights = torch.cat([net.own.expand(4, -1, -1), tokens], 1) + net.places, []
    for layer in net.body:
        q, k, v = layer.mixing(stream).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        weights.append((q @ k.transpose(2, 3) / 2).softmax(-1))
        stream = stream + (weights[-1] @ v).transpose(1, 2).flatten(2)
    z = net.last(stream[:, 0])
    slopes = torch.autograd.grad((z if output == "logit" else z.softmax(1))[:, 2].sum(), weights)
    relevance = torch.eye(17).expand(4, -1, -1)
    for one, slope in zip(weights, slopes, strict=True):
        relevance = relevance + (one * slope).clamp(min=0).mean(1) @ relevance
    relevance = (relevance - torch.eye(17)).detach()
    np.testing.assert_allclose(e.values, grids(relevance), atol=1e-6)
    np.testing.assert_allclose(e.settings["rolled"][:, -1], relevance, atol=1e-6)


def test_the_gradient_knows_the_class_and_the_others_do_not():
    net, x = nets()["encoder on patches"]
    for method in METHODS:
        a, b = (wb.explain(net, x, method, target=target).values for target in (0, 1))
        assert np.array_equal(a, b) == (method != "attention_gradient")


def test_pooling_by_hand_is_weights_times_gradient(reader, reviews):
    x = torch.tensor(reviews.test.x[:4])
    e = wb.explain(reader, reviews.test[:4], "attention_gradient", target=1)
    net = copy.deepcopy(reader.model).eval()
    states, _ = net.lstm(net.embedding(x))
    weights = (
        net.weights(net.score(net.tanh(net.energy(states))).squeeze(2), x == 0).detach().requires_grad_()
    )
    z = net.fc2(net.relu1(net.fc1((weights.unsqueeze(2) * states).sum(1))))
    slope = torch.autograd.grad(z[:, 1].sum(), weights)[0]
    np.testing.assert_allclose(
        e.values, np.where(words(x), (slope * weights).clamp(min=0).detach(), 0), atol=1e-6
    )


# laws, as for every method (whose tests run on nets without attention)


@every_method
@every_net
def test_batches_other_rows_and_replays_do_not_matter(unchanged, method, name):
    net, x = nets()[name]
    with unchanged(net.train()):
        e = asked(method, net, x)
    net.eval()
    assert e.values.shape == x.shape
    assert np.isfinite(e.values).all()
    assert (e.values >= 0).all()
    assert e.settings["output_gap"] < 1e-6
    assert set(e.flags) <= {"train mode", "baseline", "constant map"}
    atol = 1e-6 * max(1, e.values.max())
    sizes = () if name == "encoder on words" else (1, 3)  # Torch fails on a batch of nothing but padding.
    for size in sizes:
        again = asked(method, net, x, batch_size=size)
        np.testing.assert_allclose(again.values, e.values, atol=atol)
        np.testing.assert_allclose(again.settings["weights"], e.settings["weights"], atol=atol)
    np.testing.assert_allclose(asked(method, net, x[:2]).values, e.values[:2], atol=atol)
    np.testing.assert_array_equal(e.replay(net).values, e.values)
    assert e.replay(net).fingerprint == e.fingerprint


@every_method
@pytest.mark.parametrize("n", [1, 2])
def test_the_model_comes_back_after_an_error(unchanged, method, n):
    net, x = nets()["encoder on patches"]
    net = Failing(net, n).train()
    with unchanged(net), pytest.raises(ZeroDivisionError, match="made to fail"):
        wb.explain(net, x, method)
    assert torch.backends.mha.get_fastpath_enabled()


@every_method
@every_net
def test_slices_files_and_pictures_keep_the_heads(tmp_path, method, name):
    net, x = nets()[name]
    e = asked(method, net, x)
    part = e[[2, 0]]
    np.testing.assert_array_equal(part.settings["weights"], e.settings["weights"][[2, 0]])
    assert part.settings["layers"] == e.settings["layers"]
    loaded = wb.Explanation.load(e.save(tmp_path / "e.safetensors"))
    np.testing.assert_array_equal(loaded.settings["weights"], e.settings["weights"])
    if method == "attention_rollout":
        assert loaded.plot().axes
        assert loaded.plot(heads=True, row=1).axes


@every_method
def test_noise_is_for_the_gradient_alone(method):
    net, x = nets()["encoder on patches"]
    if method != "attention_gradient":
        with pytest.raises(BadInput, match="noise"):
            wb.explain(net, x, method, noise={})
        return
    a, b = (wb.explain(net, x, method, noise={"n_samples": 3}, batch_size=size).values for size in (2, 64))
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_an_int8_transformer_is_read_as_it_is(transformer, reviews):
    small = wb.quantize(transformer, how="dynamic", data=reviews)
    e = wb.explain(small, reviews.test[:4], "attention")
    weights = read(small.model, reviews.test.x[:4])["encoder.1.weights"]
    np.testing.assert_allclose(
        e.values, np.where(words(reviews.test.x[:4]), weights.mean(1)[:, 0], 0), atol=1e-6
    )


@every_method
def test_a_model_of_hugging_face_needs_no_wrapper(method):
    x = nets()["hugging"][1]
    e, wrapped = wb.explain(Hugging(9).eval(), x, method), wb.explain(Logits(Hugging(9)), x, method)
    np.testing.assert_array_equal(e.values, wrapped.values)
    assert [*e.settings["layers"]] == ["attentions.0", "attentions.1"]


@every_method
@pytest.mark.parametrize("compute", ["bfloat16", "channels_last"])
def test_another_precision_is_read_as_well(method, compute):
    net, x = nets()["encoder on patches"]
    plain, e = wb.explain(net, x, method), wb.explain(net, x, method, compute=compute)
    np.testing.assert_allclose(e.values, plain.values, atol=0.03 if compute == "bfloat16" else 1e-6)


# what would be wrong is said


def test_padding_on_torchs_fast_path_is_said():
    texts = nets()["encoder on words"][1]
    e = wb.explain(Words(9, mean=True), texts, "attention")
    assert "fast path" in e.flags["read otherwise"]
    assert e.settings["output_gap"] > 1e-3
    assert "read otherwise" not in wb.explain(Words(9, mean=True), texts[:1], "attention").flags


def test_a_layer_that_is_used_twice_counts_twice_in_a_rollout():
    layer, x = OwnAttention("softmax"), nets()["fused"][1]
    net = Patches(body=nn.Sequential(layer, layer))
    assert "layer used twice" in wb.explain(net, x, "attention").flags
    e = wb.explain(net, x, "attention_rollout")
    assert e.settings["layers"] == {"body.0": 2, "body.0 (use 2)": 2}
    assert e.settings["weights"].shape[1] == 2
    other = Patches(body=nn.Sequential(layer, copy.deepcopy(layer)))
    np.testing.assert_allclose(e.values, wb.explain(other, x, "attention_rollout").values, atol=1e-6)


class Windows(nn.Module):
    """Attention among half of the tokens at a time."""

    def __init__(self):
        super().__init__()
        self.layer = OwnAttention("softmax")

    def forward(self, x):
        return self.layer(x.unflatten(1, (2, -1)).flatten(0, 1)).unflatten(0, (-1, 2)).flatten(1, 2)


class Extra(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True)

    def forward(self, x):
        return self.layer(x, x, x)[0]


class Silent(nn.Module):
    """Has attention in its name and gives no weights."""

    def forward(self, x):
        return x


class SilentAttention(Silent):
    pass


@pytest.mark.parametrize(("body", "said"), [
    (Windows(), "weights for 8 rows where 4 were given"), (Extra(), "add_bias_kv"), (SilentAttention(), "No layer gave attention weights"),
])  # fmt: skip
@every_method
def test_weights_that_are_not_of_tokens_are_refused(method, body, said):
    with pytest.raises(BadInput, match=said):
        wb.explain(Patches(special=0, body=body), nets()["fused"][1], method)


def test_a_rollout_needs_self_attention(reader, reviews):
    class Crossed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x):
            return self.layer(x[:, :3], x, x)[0]

    net, x = Patches(special=0, body=nn.Sequential(OwnAttention("fused"), Crossed())), nets()["fused"][1]
    for method in METHODS[1:]:
        with pytest.raises(BadInput, match=r"body.1.layer looks from 3 tokens at 16"):
            wb.explain(net, x, method)
    with pytest.raises(BadInput, match="from 3 tokens at 16 others"):
        wb.explain(net, x, "attention")
    assert wb.explain(net, x, "attention", layer="body.0").values.any()


@pytest.mark.parametrize(("options", "said"), [
    ({"head_fusion": "median"}, "max, mean, min"), ({"discard_ratio": 1.0}, "discard_ratio is 1.0"), ({"discard_ratio": True}, "discard_ratio"),
    ({"residual": -0.1}, "residual is -0.1"), ({"query": 17}, "query is 17.*0 to 16"), ({"query": 1.5}, "no query called 1.5"),
    ({"grid": (5, 5)}, "grid is"), ({"special": "both"}, "first, last"),
])  # fmt: skip
def test_an_option_that_cannot_be_is_refused(options, said):
    net, x = nets()["encoder on patches"]
    with pytest.raises((BadInput, UnknownName), match=said):
        wb.explain(net, x, "attention_rollout", **options)


def test_a_special_token_that_is_not_there_cannot_look():
    net, x = nets()["no token of its own"]
    with pytest.raises(BadInput, match="query is 'special'"):
        wb.explain(net, x, "attention", query="special")


def test_a_table_must_say_where_the_models_own_token_stands():
    net, x = nets()["columns"]
    with pytest.raises(BadInput, match="Pass special='first' or 'last'"):
        wb.explain(net, x, "attention")


def test_too_many_weights_are_not_kept_and_it_is_said(monkeypatch):
    net, x = nets()["encoder on patches"]
    monkeypatch.setattr("workbench.explanation.attending.KEPT", 4 * 2 * 2 * 17 * 17 - 1)
    with pytest.raises(BadInput, match=r"were not kept.*fewer inputs"):
        wb.explain(net, x, "attention").plot(heads=True)
    assert wb.explain(net, x[:3], "attention").plot(heads=True).axes


def test_who_can_is_known_before(digits):
    table = wb.methods(Patches(), digits)
    assert table.loc[list(METHODS), "can"].all()
    assert not wb.methods(nn.Sequential(nn.Linear(2, 2))).loc[list(METHODS), "can"].any()
