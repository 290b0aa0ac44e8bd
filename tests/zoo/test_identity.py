"""A fingerprint tells models apart by what they compute with, and by nothing else."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier
from torch import nn

import workbench as wb
from workbench.int8 import shuffling
from workbench.int8.conversion import convert
from workbench.int8.dynamic import convert_dynamic
from workbench.int8.packing import with_weights
from workbench.state import generator
from workbench.zoo.identity import fingerprint
from workbench.zoo.sequences import LSTMAttention


class Net(nn.Module):
    """A small net with everything that a state can hold."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(12, 2)
        self.register_buffer("none yet", None)

    def forward(self, x):
        return self.last(self.norm(self.conv(x)).flatten(1))


@pytest.fixture
def net():
    """A net of two thirds of a dozen tensors."""
    torch.manual_seed(0)
    return Net().eval()


def _written(tensor, value=0.5):
    with torch.no_grad():
        tensor.view(-1)[0] += value


CHANGES = {
    "a weight": lambda net: _written(net.conv.weight),
    "the last bias": lambda net: _written(net.last.bias, 1e-6),
    "a weight behind autograd's back": lambda net: net.conv.weight.data.view(-1)[:1].add_(0.5),
    "a weight behind torch's back": lambda net: np.add(
        net.conv.weight.detach().numpy(), 0.5, out=net.conv.weight.detach().numpy()
    ),
    "a buffer": lambda net: _written(net.norm.running_mean),
    "weights exchanged": lambda net: setattr(
        net.last, "weight", nn.Parameter(net.last.weight.detach().flip(0))
    ),
    "channels permuted": lambda net: setattr(net.conv.weight, "data", net.conv.weight.data.flip(0).clone()),
    "a smaller last layer": lambda net: setattr(net, "last", nn.Linear(12, 1)),
}
NO_CHANGES = {
    "the mode": lambda net: net.train(),
    "frozen parameters": lambda net: net.requires_grad_(False),
    "a gradient": lambda net: net(torch.rand(2, 1, 4, 4)).sum().backward(),
    "a hook": lambda net: net.conv.register_forward_hook(lambda *_: None),
    "a recipe": lambda net: setattr(net, "recipe", {"epochs": 3}),
    "a weight there and back": lambda net: (_written(net.last.bias, 1.0), _written(net.last.bias, -1.0)),
    "another layout": lambda net: net.to(memory_format=torch.channels_last),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_the_answers_changes_the_fingerprint(net, change):
    net.last.bias.data.zero_()
    before = fingerprint(net)
    change(net)
    assert fingerprint(net) != before


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_changes_no_answer_leaves_the_fingerprint(net, change):
    net.last.bias.data.zero_()
    before = fingerprint(net)
    change(net)
    assert fingerprint(net) == before


def test_a_copy_has_the_same_fingerprint(net):
    assert fingerprint(copy.deepcopy(net)) == fingerprint(net)
    assert len(fingerprint(net)) == 64


def test_other_names_are_another_model(net):
    assert fingerprint(nn.Sequential(nn.Linear(2, 2))) != fingerprint(net)
    same = nn.Linear(2, 2)
    assert fingerprint(nn.Sequential(same)) != fingerprint(nn.ModuleDict({"a": same}))


def test_what_holds_a_model_has_its_fingerprint(net):
    assert fingerprint(wb.Fitted(net, {})) == fingerprint(net)


def test_int8_weights_and_scales_count():
    net, x = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).eval(), torch.rand(50, 4)
    int8 = convert(net, x)
    again = convert(net, x)
    assert fingerprint(int8) == fingerprint(again) != fingerprint(net)
    assert fingerprint(convert(net, x * 2)) != fingerprint(int8)
    layer = dict(again.named_modules())["2"]
    layer.set_weight_bias(layer.weight(), layer.bias() + 1)
    assert fingerprint(again) != fingerprint(int8)
    wider = convert(net, x)
    layer = dict(wider.named_modules())["2"]
    weight = layer.weight()
    scales, zeros = weight.q_per_channel_scales() * 2, weight.q_per_channel_zero_points()
    layer.set_weight_bias(
        torch._make_per_channel_quantized_tensor(weight.int_repr(), scales, zeros, 0), layer.bias()
    )
    assert fingerprint(wider) != fingerprint(int8)


@pytest.mark.parametrize("kind", [LogisticRegression, DecisionTreeClassifier], ids=lambda k: k.__name__)
def test_an_estimator_is_what_it_learnt(kind):
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    first, again, other = (kind(random_state=0).fit(x[:n], y[:n]) for n in (40, 40, 30))
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert fingerprint(pickle.loads(pickle.dumps(first))) == fingerprint(first)
    first.predict(x)
    assert fingerprint(first) == fingerprint(again)


TEXTS, LABELS = ["a good film", "a bad film", "good spec", "bad recipe"] * 5, [1, 0, 1, 0] * 5


@pytest.mark.parametrize(
    "last", [LogisticRegression(), DecisionTreeClassifier(random_state=0)], ids=["linear", "tree"]
)
def test_a_pipeline_of_texts_is_what_it_learnt(last):
    made = [
        make_pipeline(TfidfVectorizer(), clone(last)).fit(TEXTS, y) for y in (LABELS, LABELS, LABELS[::-1])
    ]
    first, again, other = made
    assert fingerprint(first) == fingerprint(again) != fingerprint(other)
    assert fingerprint(pickle.loads(pickle.dumps(first))) == fingerprint(first)
    first[0].vocabulary_["recipe"] += 1
    assert fingerprint(first) != fingerprint(again)


def test_a_pipeline_has_the_same_fingerprint_in_another_session():
    code = (
        "from sklearn.feature_extraction.text import TfidfVectorizer as V\n"
        "from workbench.zoo.identity import fingerprint\n"
        f"print(fingerprint(V(stop_words=['a']).fit({TEXTS!r})))"
    )
    prints = {subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                             env={**os.environ, "PYTHONHASHSEED": str(seed)}).stdout for seed in (1, 2)}  # fmt: skip
    assert prints == {fingerprint(TfidfVectorizer(stop_words=["a"]).fit(TEXTS)) + "\n"}


def test_an_embedding_and_a_recurrent_layer_in_int8_count():
    net = LSTMAttention(20, 2).eval()
    int8 = convert_dynamic(net)
    assert fingerprint(int8) == fingerprint(convert_dynamic(net)) != fingerprint(net)
    assert fingerprint(copy.deepcopy(int8)) == fingerprint(int8)
    for name in ("embedding", "lstm", "fc1"):
        changed = copy.deepcopy(int8)
        with_weights(changed.get_submodule(name), lambda w: shuffling._reordered(w, generator(0)))
        assert fingerprint(changed) != fingerprint(int8)


def test_a_callable_is_only_its_name():
    assert fingerprint(np.sin) == fingerprint(np.sin) != fingerprint(abs)
