"""The term that keeps behaviour: its value by hand, and what it leaves alone."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from torch import nn

from workbench.compression.distillation import checked, distilled
from workbench.errors import BadInput
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


def test_an_unknown_way_to_preserve_is_refused():
    assert checked("behaviour") == "behaviour" and checked(None) is None
    with pytest.raises(BadInput, match="preserve is 'looks'"):
        checked("looks")
