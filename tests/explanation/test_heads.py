"""Weights are those that the user's model itself computes, whatever kind of attention it has; the model never notices."""

import numpy as np
import pytest
import torch
from attentive import First, Hugging, Logits, Mixing, Output, OwnAttention, Patches, Tokens, Words, encoder
from torch import nn
from torch.nn import functional as F

from workbench.explanation.heads import attends, gradients, product, reading
from workbench.state import untouched

X = torch.tensor(np.random.default_rng(0).normal(size=(3, 5, 8)), dtype=torch.float32)
HIDDEN = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 4 + [True]])


def plain_softmax(q, k, v, heads):
    """Return output and weights of attention by hand, ``(n, head, query, key)``."""
    q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
    weights = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(-1)
    return (weights @ v).transpose(1, 2).flatten(2), weights


def read(net, *args, **kwargs):
    """Return a net's answer and what was read meanwhile, as in an explanation: lent, without gradients."""
    with untouched(net), torch.no_grad(), reading(net) as reads:
        out = net(*args, **kwargs)
    return out, reads


class Called(nn.Module):
    """Calls torch's attention in a way of the user's."""

    def __init__(self, layer, **options):
        super().__init__()
        self.layer, self.options = layer, options

    def forward(self, *args):
        return self.layer(*args, **self.options)


def multihead(**options):
    torch.manual_seed(0)
    return nn.MultiheadAttention(8, 2, **options).eval()


# arithmetic


def test_hand_set_queries_keys_and_values_give_the_weights_that_arithmetic_says():
    layer = nn.MultiheadAttention(2, 1, bias=False, batch_first=True).eval()
    with torch.no_grad():
        layer.in_proj_weight.copy_(torch.cat([torch.eye(2), torch.eye(2), torch.eye(2)]))
        layer.out_proj.weight.copy_(torch.eye(2))
    x = torch.tensor([[[2**0.5 * np.log(3), 0], [1, 0]]], dtype=torch.float32)
    (values, weights), reads = read(Called(layer), x, x, x)
    first = [3 ** (2**0.5 * np.log(3)), 3]  # exp of the scores: log 3 times what a key holds
    np.testing.assert_allclose(reads[0].weights[0, 0, 0], np.array(first) / sum(first), rtol=1e-5)
    np.testing.assert_allclose(values[0, 0], (np.array(first) / sum(first)) @ x[0].numpy(), rtol=1e-5)
    assert weights.shape == (1, 2, 2)


# torch's own layers


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("asked", [{"need_weights": False}, {}, {"average_attn_weights": False}])
@pytest.mark.parametrize("mask", [{}, {"key_padding_mask": HIDDEN}, {"attn_mask": torch.ones(5, 5).triu(1).bool()},
                                  {"key_padding_mask": HIDDEN, "attn_mask": torch.ones(5, 5).triu(1).bool(), "is_causal": True}])  # fmt: skip
def test_multihead_attention_gives_its_heads_and_its_caller_what_was_asked(batch_first, asked, mask):
    layer = multihead(batch_first=batch_first)
    x = X if batch_first else X.transpose(0, 1)
    (values, weights), (seen,) = read(Called(layer, **asked, **mask), x, x, x)
    with torch.no_grad():
        expected, theirs = layer(x, x, x, **asked, **mask)
        _, every = layer(x, x, x, need_weights=True, average_attn_weights=False, **mask)
    np.testing.assert_allclose(seen.weights, every, atol=1e-6)
    np.testing.assert_allclose(values, expected, atol=1e-6)
    assert (weights is None) == (theirs is None)
    assert weights is None or torch.allclose(weights, theirs, atol=1e-6)


def test_arguments_by_place_and_other_widths_of_keys_and_values_work():
    layer = multihead(batch_first=True, kdim=3, vdim=4)
    key, value = torch.randn(3, 6, 3), torch.randn(3, 6, 4)
    (values, weights), (seen,) = read(Called(layer), X, key, value, None, False)
    with torch.no_grad():
        expected, _ = layer(X, key, value)
        every = layer(X, key, value, average_attn_weights=False)[1]
    assert weights is None
    np.testing.assert_allclose(values, expected, atol=1e-6)
    np.testing.assert_allclose(seen.weights, every, atol=1e-6)
    assert seen.weights.shape == (3, 2, 5, 6)


@pytest.mark.parametrize("option", ["add_bias_kv", "add_zero_attn"])
def test_a_key_that_is_no_token_is_said(option):
    _, (seen,) = read(Called(multihead(batch_first=True, **{option: True})), X, X, X)
    assert option in seen.wrong
    assert "6 keys" in seen.wrong


def test_a_call_without_a_batch_axis_is_said():
    _, (seen,) = read(Called(multihead()), X[0], X[0], X[0])
    assert "without a batch axis" in seen.wrong


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("padding", [None, HIDDEN])
def test_an_encoder_on_its_fast_path_gives_the_weights_of_the_slow_one(norm_first, padding):
    net = encoder(norm_first=norm_first).eval()
    stream, expected = X.clone(), []
    for layer in net.layers:  # By hand, which is the slow path.
        inner = layer.norm1(stream) if norm_first else stream
        expected.append(
            layer.self_attn(inner, inner, inner, key_padding_mask=padding, average_attn_weights=False)[1]
        )
        stream = layer(stream.requires_grad_(), src_key_padding_mask=padding)
    with untouched(net), torch.no_grad():
        fast = net(X, src_key_padding_mask=padding)
    out, reads = read(net, X, src_key_padding_mask=padding)
    real = ~HIDDEN if padding is not None else torch.ones(3, 5, dtype=torch.bool)
    assert [seen.layer for seen in reads] == ["layers.0.self_attn", "layers.1.self_attn"]
    for seen, weights in zip(reads, expected, strict=True):
        np.testing.assert_allclose(seen.weights[:, 0][real], weights.detach()[:, 0][real], atol=1e-6)
    np.testing.assert_allclose(out[real], fast[real], atol=1e-6)
    assert torch.backends.mha.get_fastpath_enabled()


def test_on_its_fast_path_an_encoder_computes_no_weights(monkeypatch):
    def slow(*_, **__):
        raise AssertionError("the slow path")

    net = encoder().eval()
    monkeypatch.setattr(F, "multi_head_attention_forward", slow)
    with untouched(net), torch.no_grad():
        net(X)  # Else the test above would prove nothing.
    with pytest.raises(AssertionError, match="the slow path"):
        read(net, X)


# attention that people write themselves


@pytest.mark.parametrize("how", ["softmax", "fused", "tuple"])
def test_handmade_attention_is_read(how):
    layer = OwnAttention(how)
    net = nn.Sequential(First(layer) if how == "tuple" else layer)
    out, (seen,) = read(net, X)
    with torch.no_grad():
        added, weights = plain_softmax(*layer.mixing(X).chunk(3, -1), 2)
    np.testing.assert_allclose(seen.weights, weights, atol=1e-6)
    np.testing.assert_allclose(out, X + added, atol=1e-6)
    assert seen.layer == ("0.layer" if how == "tuple" else "0")


@pytest.mark.parametrize("options", [
    {}, {"is_causal": True}, {"scale": 0.3}, {"attn_mask": torch.randn(4, 6)},
    {"attn_mask": torch.randn(2, 1, 4, 6) > -0.5}, {"enable_gqa": True},
])  # fmt: skip
def test_the_product_is_torchs(options):
    torch.manual_seed(0)
    heads = 2 if "enable_gqa" in options else 4
    q, k, v = torch.randn(2, 4, 4, 3), torch.randn(2, heads, 6, 3), torch.randn(2, heads, 6, 5)
    out, weights = product(q, k, v, **options)
    np.testing.assert_allclose(out, F.scaled_dot_product_attention(q, k, v, **options), atol=1e-6)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)


def test_who_may_see_nothing_gets_nothing_as_in_torch():
    q, mask = torch.randn(1, 1, 3, 2), torch.tensor([[True, False, True], [False] * 3, [True] * 3])
    out, weights = product(q, q, q, attn_mask=mask)
    np.testing.assert_allclose(out, F.scaled_dot_product_attention(q, q, q, attn_mask=mask), atol=1e-6)
    assert weights[0, 0, 1].tolist() == [0, 0, 0]


def test_a_softmax_that_is_no_attention_is_not_read():
    class Scores(nn.Module):
        def forward(self, x):
            return x[:, None].softmax(-1)

    assert read(nn.Sequential(Scores()), X)[1] == []


# Hugging Face's interface, by hand: transformers is no dependency


def test_a_model_that_lists_its_attentions_is_asked_for_them():
    net = Logits(Hugging(9))
    tokens = torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
    out, reads = read(net, tokens)
    with torch.no_grad():
        expected = net.model(tokens, output_attentions=True)
        plain = net(tokens)
    assert net.model.asked == [True, True, None]
    assert [seen.layer for seen in reads] == ["model.attentions.0", "model.attentions.1"]
    for seen, weights in zip(reads, expected.attentions, strict=True):
        np.testing.assert_array_equal(seen.weights, weights)
    np.testing.assert_array_equal(out, plain)


def test_layers_inside_that_can_be_read_are_read_and_nobody_is_asked():
    net = Logits(Hugging(9, layer=lambda: OwnAttention("tuple")))
    _, reads = read(net, torch.tensor([[1, 2, 3, 4]]))
    assert [seen.layer for seen in reads] == ["model.layers.0", "model.layers.1"]
    assert net.model.asked == [None]


def test_weights_that_a_model_does_not_list_are_not_made_up():
    class Fused(Hugging):
        def forward(self, input_ids, output_attentions=None):
            return Output(super().forward(input_ids).logits, (None, None))

    assert read(Logits(Fused(9)), torch.tensor([[1, 2]]))[1] == []


# gradients


@pytest.mark.parametrize("net", [First(Called(multihead(batch_first=True))), OwnAttention("fused"), OwnAttention("softmax"),
                                 First(OwnAttention("tuple"))], ids=lambda net: type(net).__name__)  # fmt: skip
def test_the_gradient_of_the_weights_is_what_moving_them_does(net):
    layer = net.layer if isinstance(net, First) else net
    given = (X, X, X) if isinstance(layer, Called) else (X,)
    run = layer if isinstance(layer, Called) else net
    with untouched(run), reading(run) as reads:
        answer = run(*[x.clone().requires_grad_() for x in given])
        out = (answer[0] if isinstance(answer, tuple) else answer)[:, 0].pow(2).sum()
        (slope,) = gradients(out, reads)
    with torch.no_grad():
        if isinstance(layer, Called):
            mha = layer.layer
            value = F.linear(X, mha.in_proj_weight[16:], mha.in_proj_bias[16:])
            after, stream = mha.out_proj, 0
        else:
            value, after, stream = layer.mixing(X)[..., 16:], nn.Identity(), X
    weights = reads[0].weights.detach().clone().requires_grad_()
    mixed = (weights @ value.unflatten(2, (2, -1)).transpose(1, 2)).transpose(1, 2).flatten(2)
    by_hand = torch.autograd.grad((stream + after(mixed))[:, 0].pow(2).sum(), weights)[0]
    np.testing.assert_allclose(slope, by_hand, atol=1e-5)


def test_weights_that_nothing_depends_on_are_refused():
    from workbench.errors import BadInput

    net = OwnAttention("softmax")
    with untouched(net), reading(net) as reads:
        net(X.clone().requires_grad_())
        with pytest.raises(BadInput, match="does not depend on the weights"):
            gradients(X.clone().requires_grad_().sum(), reads)


# the model is lent


@pytest.mark.parametrize("make", [
    lambda: (Patches(), torch.rand(2, 1, 28, 28)), lambda: (Words(9), torch.tensor([[2, 3, 4, 0]])),
    lambda: (Tokens(5), torch.rand(2, 5)), lambda: (Logits(Hugging(9)), torch.tensor([[1, 2]])),
])  # fmt: skip
def test_the_model_comes_back_as_it_was_also_after_an_error(unchanged, make):
    net, x = make()
    net.train()
    with unchanged(net):
        read(net, x)
    net.last = nn.Linear(3, 3)  # does not fit: fails after the attention
    with unchanged(net), pytest.raises((RuntimeError, IndexError)):
        read(net.model if isinstance(net, Logits) else net, x[..., :0] if isinstance(net, Logits) else x)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not torch.overrides._get_current_function_mode_stack()


def test_the_users_own_hooks_see_what_they_would_see():
    layer, seen = multihead(batch_first=True), []
    layer.register_forward_hook(lambda m, args, out: seen.append(out[1]))
    read(Called(layer, need_weights=False), X, X, X)
    assert seen == [None]


def test_a_child_of_torchs_layer_with_a_call_of_its_own_is_read_like_any_other():
    class Own(nn.MultiheadAttention):
        def forward(self, x):
            return super().forward(x, x, x, average_attn_weights=False)

    torch.manual_seed(0)
    net = nn.Sequential(First(Own(8, 2, batch_first=True))).eval()
    _, (seen,) = read(net, X)
    np.testing.assert_allclose(seen.weights, net[0].layer(X)[1].detach(), atol=1e-6)


def test_who_attends_is_known_by_its_layers():
    assert attends(multihead())
    assert attends(OwnAttention("fused"))
    assert attends(Hugging(9))
    assert not attends(Mixing())
    assert not attends(nn.Linear(2, 2))
