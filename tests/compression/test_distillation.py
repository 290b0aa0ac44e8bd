"""A student learns from its teacher: what comes back, what stays untouched, what is refused."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName


@pytest.fixture
def student(few):
    return wb.build("lenet5", few, channels=(4, 8), hidden=20, seed=5)


def test_a_student_learns_what_its_teacher_knows(narrow, student, few, unchanged):
    before = copy.deepcopy(student.state_dict())
    with unchanged(narrow):
        small = wb.distill(narrow, student, few, epochs=8, lr=3e-3, verbose=False)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert small.report["agreement"] > 0.6 and small.original is narrow.model
    assert small.report["after"]["parameters"] < small.report["before"]["parameters"]
    assert small.model.spec == student.spec and not small.model.training
    step = small.steps[0]
    assert step["preserve"] == {"behaviour": {"temperature": 4.0, "weight": 0.9}}
    assert "a new LeNet5, trained for 8 epochs, distilled from the original" in repr(small._repr_html_())


def test_same_seed_same_bits(narrow, student, few):
    one, two = (wb.distill(narrow, student, few, epochs=1, seed=3, verbose=False).model for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_an_int8_teacher_teaches_a_student_of_another_kind(narrow, few):
    teacher = wb.quantize(narrow, data=few)
    small = wb.distill(
        teacher, wb.build("mlp", few, hidden=(16,)), few, epochs=1, hints={"fc1": "fc1"}, verbose=False
    )
    assert small.steps[0]["preserve"]["hints"] == {"fc1": "fc1"} and np.isfinite(small.report["agreement"])


def test_what_cannot_teach_or_learn_is_refused(narrow, student, few):
    with pytest.raises(BadInput, match="The teacher is a function"):
        wb.distill(lambda x: x, student, few)
    with pytest.raises(BadInput, match="The student is an int8 network"):
        wb.distill(narrow, wb.quantize(narrow, data=few), few)
    with pytest.raises(UnknownName, match="no layer to preserve called 'fc9'"):
        wb.distill(narrow, student, few, hints={"fc9": "fc1"})
    with pytest.raises(BadInput, match="logits for 10 classes"):
        wb.distill(narrow, nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), few, verbose=False)


def test_the_sham_of_a_student_is_the_teacher_trained_on(narrow, student, few):
    small = wb.distill(narrow, student, few, epochs=1, verbose=False)
    control = wb.sham(small, few, verbose=False)
    assert [p.shape for p in control.parameters()] == [p.shape for p in narrow.model.parameters()]
    assert not torch.equal(control.fc1.weight, narrow.model.fc1.weight)
