"""Networks of tokens: attention that can be read, padding that does nothing, formulas by hand."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from workbench.zoo.sequences import AttentionWeights, LSTMAttention, Transformer

WORDS = torch.tensor([[2, 5, 6, 7, 0, 0], [2, 4, 0, 0, 0, 0], [2, 3, 8, 9, 5, 6]])


def seeded(kind):
    torch.manual_seed(0)
    return (LSTMAttention(10, 3) if kind is LSTMAttention else Transformer((6,), 10, 3)).eval()


def read(net, x):
    """Return what every AttentionWeights gave, in order."""
    seen = []
    for layer in net.modules():
        if isinstance(layer, AttentionWeights):
            layer.register_forward_hook(lambda _layer, _given, out: seen.append(out.detach()))
    net(x)
    return seen


@pytest.mark.parametrize(("kind", "shapes"), [(LSTMAttention, [(3, 6)]), (Transformer, [(3, 2, 6, 6)] * 2)])
def test_weights_are_shares_of_the_tokens_and_padding_has_none(kind, shapes):
    seen = read(seeded(kind), WORDS)
    assert [tuple(w.shape) for w in seen] == shapes
    for weights in seen:
        assert torch.allclose(weights.sum(-1), torch.ones(()))
        padding = (WORDS == 0) if weights.ndim == 2 else (WORDS == 0)[:, None, None].expand_as(weights)
        assert not weights[padding].any() and (weights[~padding] > 0).all()


def test_equal_scores_are_equal_shares():
    weights = AttentionWeights()(torch.zeros(1, 4), torch.tensor([[False, False, True, False]]))
    assert torch.allclose(weights, torch.tensor([[1, 1, 0, 1]]) / 3)


def test_the_transformer_does_not_see_padding():
    net = seeded(Transformer)
    assert torch.allclose(net(WORDS[:1, :4]), net(WORDS[:1]), atol=1e-6)


def test_the_rows_of_a_batch_do_not_depend_on_each_other():
    for kind in (LSTMAttention, Transformer):
        net = seeded(kind)
        assert torch.allclose(net(WORDS), torch.cat([net(row[None]) for row in WORDS]), atol=1e-6)


def test_attention_is_that_of_torch():
    layer = seeded(Transformer).encoder[0]
    x, padding = torch.rand(2, 6, 32), torch.tensor([[False] * 4 + [True] * 2, [False] * 6])
    q, k, v = (
        part(x).unflatten(2, (2, 16)).transpose(1, 2) for part in (layer.query, layer.key, layer.value)
    )
    by_torch = F.scaled_dot_product_attention(q, k, v, attn_mask=~padding[:, None, None])
    assert torch.allclose(layer._attended(x, padding), by_torch.transpose(1, 2).flatten(2), atol=1e-6)


def test_the_order_of_words_counts():
    swapped = WORDS[:, [0, 2, 1, 3, 4, 5]]
    for kind in (LSTMAttention, Transformer):
        net = seeded(kind)
        assert (net(WORDS) - net(swapped)).abs().max() > 1e-4


def test_gradients_reach_the_embedding_and_padding_stays_zero():
    for kind in (LSTMAttention, Transformer):
        net = seeded(kind)
        net(WORDS).sum().backward()
        assert net.embedding.weight.grad[5].any() and not net.embedding.weight.grad[0].any()
        assert not net.embedding.weight[0].any()


def test_every_activation_is_a_module():
    kinds = {type(m) for net in map(seeded, (LSTMAttention, Transformer)) for m in net.modules()}
    assert {nn.ReLU, nn.Tanh, AttentionWeights, nn.LSTM, nn.LayerNorm} <= kinds
    assert nn.MultiheadAttention not in kinds
