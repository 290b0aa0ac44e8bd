"""Attention weights are those that a hook reads, and nothing else."""

import numpy as np
import pytest
import torch
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
