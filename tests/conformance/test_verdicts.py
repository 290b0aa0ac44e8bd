"""The verdict on pairs whose truth is known by construction: same, different, and not to be told.

Nets are small so that the bank runs in a minute; parts are hidden in sixteen windows.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.evaluation.verdict import CANNOT_TELL, MOVED, NO_SIGN

OCCLUSION = {"occlusion": {"window": 7, "strides": 7}}
SIZES = {"channels": [6, 12], "hidden": 60}


@pytest.fixture(scope="module")
def original(trained, digits):
    """A LeNet-5 of few channels that knows nineteen digits in twenty."""
    return trained("lenet5", digits, sizes=SIZES, epochs=6, lr=2e-3, seed=0).model


@pytest.fixture(scope="module")
def runs(trained, digits):
    """Three other training runs of its recipe."""
    return [trained("lenet5", digits, sizes=SIZES, epochs=6, lr=2e-3, seed=seed).model for seed in (1, 2, 3)]


@pytest.fixture(scope="module")
def judge(digits, runs):
    """Compare two models with three references on 400 digits."""

    def compare(before, after, **options):
        settings = {"methods": OCCLUSION, "references": runs, "n": 400, "verbose": False}
        return wb.compare(before, after, digits, **(settings | options))

    return compare


@pytest.fixture(scope="module")
def copied(judge, original):
    """The comparison with an exact copy."""
    return judge(original, copy.deepcopy(original))


# pairs that are the same


def permuted(net):
    """The same function with the channels of every hidden layer in another order."""
    net, draws = copy.deepcopy(net), np.random.default_rng(0)
    first, second, units = (draws.permutation(n) for n in (6, 12, 60))
    cells = (second[:, None] * 16 + np.arange(16)).ravel()  # the 4 x 4 cells of each channel, flattened
    with torch.no_grad():
        for layer, out, into in ((net.conv1, first, None), (net.conv2, second, first), (net.fc1, units, cells),
                                 (net.fc2, None, units)):  # fmt: skip
            weight = layer.weight if into is None else layer.weight[:, into]
            layer.weight.copy_(weight if out is None else weight[out])
            layer.bias.copy_(layer.bias if out is None else layer.bias[out])
    return net


def rescaled(net):
    """The same function with each channel before a ReLU scaled, and scaled back behind it."""
    net = copy.deepcopy(net)
    scales = [torch.rand(n, generator=torch.Generator().manual_seed(n)) * 4 + 0.25 for n in (6, 12, 60)]
    with torch.no_grad():
        for layer, scale in zip((net.conv1, net.conv2, net.fc1), scales, strict=True):
            layer.weight.mul_(scale.view(-1, *[1] * (layer.weight.ndim - 1)))
            layer.bias.mul_(scale)
        net.conv2.weight.div_(scales[0].view(1, -1, 1, 1))
        net.fc1.weight.div_(scales[1].repeat_interleave(16))
        net.fc2.weight.div_(scales[2])
    return net


class Shifted(nn.Module):
    """A constant and a function of the input added to all logits."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x) + 5 + 20 * x.flatten(1).mean(1, keepdim=True).sin()


SAME = {"permuted channels": permuted, "rescaled ReLU pairs": rescaled, "shifted logits": Shifted}


@pytest.mark.parametrize("change", SAME)
def test_the_same_function_shows_no_sign_that_it_moved(judge, original, digits, change):
    other = SAME[change](original)
    x = torch.tensor(digits.test.x[:50])
    assert torch.allclose(other(x).softmax(1), original(x).softmax(1), atol=1e-5)
    c = judge(original, other)
    assert c.verdict.word == NO_SIGN and c.verdict.evidence == "moderate"
    assert c.of("occlusion")["compressed"] == pytest.approx(np.ones((1, 400)), abs=1e-3)


def test_an_exact_copy_is_wholly_alike(copied):
    assert copied.verdict.word == NO_SIGN
    assert (copied.of("occlusion")["compressed"] == 1).all()
    assert all(kept["compressed"].all() for kept in copied.kept.values())
    index = copied.index("occlusion")
    assert index.value == 1 or index.reason.startswith("no room")


def test_references_of_the_same_recipe_are_less_alike_than_a_copy(copied):
    table = copied.table().iloc[0]
    assert table["self"] == 1 > table["references"] > table["randomized"] + 0.2


def test_no_sign_is_not_due_to_a_missing_sham(judge, original, copied):
    assert judge(original, copy.deepcopy(original), sham=original).verdict.word == NO_SIGN
    assert any("no sham" in note for note in copied.facts["notes"])


def test_int8_stays_beside_its_original_and_says_what_was_explained(judge, original, digits):
    small = wb.quantize(original, data=digits)
    c = judge(original, small, methods={**OCCLUSION, "grad_cam": {"relu": False}})
    assert c.of("occlusion")["compressed"].mean() > c.of("occlusion")["references"].mean()
    assert c.verdict.word == NO_SIGN and c.facts["int8"] and list(c.facts["twin"]) == ["grad_cam"]
    assert c.facts["sham"] and (c.of("occlusion")["sham"] == 1).all()


# pairs that are different


def headed(net):
    """Another class for every answer."""
    net = copy.deepcopy(net)
    with torch.no_grad():
        for tensor in (net.fc2.weight, net.fc2.bias):
            tensor.copy_(tensor.roll(1, 0))
    return net


def ruined(net):
    """One weight in fifty left, nothing learnt since."""
    return wb.prune(net, 0.98)


@pytest.mark.parametrize("change", [headed, ruined])
def test_another_function_has_moved(judge, original, change):
    c = judge(original, change(original))
    assert c.verdict.word == MOVED and c.verdict.exit_code == 1
    assert c.primary.zone == "below" and "is below the margin" in c.verdict.reasons[0]


# pairs of which nothing can be told


def test_of_an_untrained_pair_nothing_can_be_told(judge, digits):
    pair = [wb.build("lenet5", digits, seed=seed, **SIZES) for seed in (0, 1)]
    c = judge(*pair, n=100)
    assert c.verdict.word == CANNOT_TELL and "beats a randomized model by" in c.verdict.reasons[0]


def test_without_references_nothing_can_be_told(judge, original):
    verdict = judge(original, copy.deepcopy(original), references=0, n=100).verdict
    assert verdict.word == CANNOT_TELL and "no other training runs" in verdict.reasons[0]


def test_of_eight_inputs_nothing_can_be_told(judge, original):
    verdict = judge(original, headed(original), n=8).verdict
    assert (
        verdict.word == CANNOT_TELL
        and verdict.reasons[0] == "8 inputs were compared and at least 100 are needed"
    )


def test_of_a_users_own_module_nothing_can_be_told_without_a_list(judge, original):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = copy.deepcopy(original)

        def forward(self, x):
            return self.net(x)

    c = judge(Own(), original, references=5, n=100)
    assert c.verdict.word == CANNOT_TELL and np.isnan(c.index("occlusion").value)
    assert "pass references=[models], trained like it" in c.verdict.doubt


# what was given, and what is kept


def test_a_margin_and_groups_that_were_fixed_before_are_those_that_count(judge, original, runs):
    halves = ["left", "right"] * 500
    c = judge(original, runs[0], references=runs[1:], margin=0.5, groups=halves, n=200)
    assert c.primary.margin == 0.5 and c.primary.zone == "clear"
    assert c.by_group()["group"].tolist() == ["left", "right"] and c.by_group()["n"].tolist() == [500, 500]


def test_a_comparison_comes_back_from_its_file(copied, tmp_path):
    again = wb.Comparison.load(copied.save(tmp_path / "c.safetensors"))
    assert again.verdict == copied.verdict and again.table().equals(copied.table())
    assert again.by_group().equals(copied.by_group()) and list(again.maps) == list(copied.maps)
    assert (
        again.worst(5).tolist() == copied.worst(5).tolist()
        and again.median(5).tolist() == copied.median(5).tolist()
    )
    one, other = (
        c.to_html(tmp_path / name).read_text() for c, name in ((copied, "1.html"), (again, "2.html"))
    )
    assert one == other


def test_the_page_of_hostile_data_is_harmless(judge, original, digits, runs, tmp_path):
    hostile = replace(digits, class_names=tuple(f"<script>{c}</script>" for c in digits.class_names))
    c = wb.compare(
        original, headed(original), hostile, methods=OCCLUSION, references=runs, n=100, verbose=False
    )
    page = c.to_html(tmp_path / "page.html").read_text("utf-8")
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "http://" not in page and "https://" not in page and page.count("<img") == page.count(" alt=") == 4
    assert len(page) < 1_000_000
