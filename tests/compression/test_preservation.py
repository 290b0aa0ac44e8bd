"""The term that keeps behaviour: its value by hand, and what it leaves alone."""

import numpy as np
import pytest
import torch
from reviews import made_up
from scipy.special import log_softmax
from torch import nn

import workbench as wb
from workbench.compression.compressed import describe
from workbench.compression.preservation import (
    _maps,
    checked,
    distilled,
    hinted,
    matched_maps,
    perturbed,
    trained_on,
)
from workbench.errors import BadInput, WorkbenchError
from workbench.training import Batch


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return nn.Linear(3, 4), nn.Linear(3, 4)


@pytest.fixture
def batch():
    draws = torch.Generator().manual_seed(0)
    return Batch(torch.randn(5, 3, generator=draws), torch.tensor([0, 1, 2, 3, 0]), torch.arange(5), draws)


@pytest.mark.parametrize(("temperature", "weight"), [(4.0, 0.9), (1.0, 0.5), (2.0, 0.0)])
def test_its_value_is_that_of_the_formula(pair, batch, temperature, weight):
    teacher, student = pair
    t, s = (model(batch.x).detach().numpy().astype(float) for model in pair)
    log_t, log_s = log_softmax(t / temperature, 1), log_softmax(s / temperature, 1)
    soft = (np.exp(log_t) * (log_t - log_s)).sum(1).mean()
    hard = -log_softmax(s, 1)[np.arange(5), batch.y].mean()
    expected = weight * temperature**2 * soft + (1 - weight) * hard
    assert distilled(teacher, temperature, weight)(student, batch).item() == pytest.approx(expected, rel=1e-5)


def test_by_default_the_temperature_is_4_and_the_labels_weigh_a_tenth(pair, batch):
    teacher, student = pair
    assert distilled(teacher)(student, batch) == distilled(teacher, 4.0, 0.9)(student, batch)


def test_a_student_equal_to_its_teacher_has_only_the_labels_to_learn(pair, batch):
    teacher, _ = pair
    labels = nn.functional.cross_entropy(teacher(batch.x), batch.y)
    assert distilled(teacher)(teacher, batch).item() == pytest.approx(0.1 * labels.item(), rel=1e-5)


def test_only_the_student_has_a_gradient(pair, batch):
    teacher, student = pair
    distilled(teacher)(student, batch).backward()
    assert student.weight.grad.any() and teacher.weight.grad is None and teacher.weight.requires_grad


def test_a_teacher_that_changes_later_teaches_what_it_knew(pair, batch):
    teacher, student = pair
    term = distilled(teacher)
    before = term(student, batch)
    with torch.no_grad():
        teacher.weight.zero_()
    assert torch.equal(term(student, batch), before)


def test_a_teacher_teaches_in_evaluation_mode(batch):
    teacher = nn.Sequential(nn.Dropout(), nn.Linear(3, 4)).train()
    term, student = distilled(teacher), nn.Linear(3, 4)
    assert torch.equal(term(student, batch), term(student, batch)) and teacher.training


@pytest.fixture
def net(narrow):
    return narrow.model


def test_what_is_wanted_is_recorded_in_full(net):
    assert checked("behaviour") == "behaviour" and checked(None) is None
    assert checked("maps", net) == {"grad_cam": ["conv2"], "saliency": None}
    assert checked(["behaviour", "copies"]) == {"behaviour": None, "copies": ["masks"]}
    assert checked("maps", nn.Linear(2, 2)) == {"saliency": None}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("looks", "no thing to preserve called 'looks'"),
        (["behaviour", "looks"], "no thing to preserve called 'looks'"),
        ({"copies": ["blur"]}, "no kind of copies called 'blur'"),
        ({"grad_cam": ["conv9"]}, "no layer to preserve called 'conv9'"),
        ({"hints": {"fc1": "fc9"}}, "no layer to preserve called 'fc9'"),
        ({"hints": None}, "hints is None"),
        (7, "preserve is 7"),
        ([], r"preserve is \[\]"),
    ],
)
def test_what_cannot_be_preserved_is_refused(net, wanted, words):
    with pytest.raises(WorkbenchError, match=words):
        checked(wanted, net)


def test_grad_cam_of_a_network_without_convolutions_is_refused():
    with pytest.raises(BadInput, match="has no convolution"):
        checked({"grad_cam": None}, nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("preserve", "methods"),
    [
        (None, []),
        ("behaviour", []),
        ({"behaviour": None, "copies": ["noise"]}, []),
        ({"copies": ["masks"]}, ["feature_ablation", "occlusion"]),
        ({"saliency": None}, ["input_x_gradient", "integrated_gradients", "saliency", "smooth_grad"]),
    ],
)
def test_what_was_trained_on_is_named(preserve, methods):
    assert trained_on(preserve) == methods


def few_digits(few, n=6):
    return Batch(
        torch.tensor(few.train.x[:n]),
        torch.tensor(few.train.y[:n]),
        torch.arange(n),
        torch.Generator().manual_seed(0),
    )


def test_matched_maps_are_those_of_the_front_door(net, few):
    batch = few_digits(few)
    target = net(batch.x).argmax(1)
    cam, slope = _maps(net, batch.x, target, ["conv2"], True, graph=False)
    ask = {"target": target.numpy(), "output": "centred_logit"}
    own = wb.explain(net, batch.x, "grad_cam", layer="conv2", relu=False, upsample=False, **ask).values
    np.testing.assert_allclose(cam.detach().numpy(), own[:, 0], atol=1e-5)
    own = wb.explain(net, batch.x, "saliency", abs=False, **ask).values
    np.testing.assert_allclose(slope.numpy(), own, atol=1e-5)


def test_equal_maps_cost_nothing_and_other_ones_pull_at_the_student(net, few):
    batch, term = few_digits(few), matched_maps(net, ["conv2"], gradients=True)
    assert term(net, batch).item() == pytest.approx(0, abs=1e-5)
    student = wb.build("lenet5", few, channels=(4, 6), hidden=10, seed=3)
    loss = term(student, batch)
    loss.backward()
    assert loss.item() > 0.5 and student.conv1.weight.grad.abs().sum() > 0


def test_hints_compare_layers_of_other_widths(net, few):
    batch, student = few_digits(few), wb.build("lenet5", few, channels=(4, 6), hidden=10, seed=3)
    assert hinted(net, {"fc1": "fc1"})(net, batch).item() == pytest.approx(0, abs=1e-6)
    loss = hinted(net, {"fc1": "fc1"})(student, batch)
    loss.backward()
    assert loss.item() > 0 and student.fc1.weight.grad.abs().sum() > 0


def test_copies_hide_cells_or_add_noise_and_spare_special_tokens():
    draws = torch.Generator().manual_seed(0)
    x = torch.ones(200, 1, 28, 28)
    hidden = perturbed(x, "masks", draws) == 0
    assert 0.25 < hidden.float().mean() < 0.35
    assert hidden[:, :, :-1][:, :, 1:].eq(hidden[:, :, :-2]).float().mean() > 0.8  # whole cells
    noise = perturbed(x, "noise", draws) - x
    assert 0.1 < noise.std() < 0.25
    tokens = torch.tensor([[1, 5, 6, 7, 8, 9, 0, 0]]).repeat(100, 1)
    found = perturbed(tokens, "masks", draws, kept=(0, 1))
    assert (found[:, 0] == 1).all() and 0.2 < (found[:, 1:6] == 0).float().mean() < 0.4
    with pytest.raises(BadInput, match="copies with noise"):
        perturbed(tokens, "noise", draws)


def test_every_preservation_is_trained_and_recorded(net, few):
    wanted = {"behaviour": None, "copies": ["masks"], "grad_cam": ["conv2"], "hints": {"fc1": "fc1"}}
    small = wb.prune(net, 0.8, data=few, epochs=1, preserve=wanted, verbose=False)
    assert small.steps[0]["preserve"] == wanted
    assert small.steps[0]["trained_on"] == ["feature_ablation", "grad_cam", "guided_grad_cam", "occlusion"]
    assert "kept close to its answers to copies with masks, its Grad-CAM maps, its layers" in describe(
        small.steps[0]
    )


def test_maps_of_texts_are_matched_at_the_embedding():
    data = made_up(60)
    net = wb.build("transformer", data, width=8, layers=1)
    small = wb.prune(net, 0.5, data=data, epochs=1, preserve=["behaviour", "maps", "copies"], verbose=False)
    assert small.steps[0]["preserve"] == {"behaviour": None, "saliency": None, "copies": ["masks"]}
