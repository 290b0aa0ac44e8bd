"""The certificate tells an exact twin from one that is not."""

import torch

from workbench.int8.certificate import certify
from workbench.int8.surrogate import twin


def test_an_exact_twin_is_certified(int8, images):
    found = certify(twin(int8), int8, images)
    assert (found["rows"], found["equal"], found["gap"]) == (200, 1.0, 0.0)
    assert found["nudged"] < 1e-4


def test_a_twin_of_other_weights_is_found_out(int8, images):
    other = twin(int8)
    with torch.no_grad():
        other.hidden.weight.mul_(-1)
    found = certify(other, int8, images)
    assert found["equal"] < 0.5
    assert found["gap"] > 0.1
    assert found["nudged"] > 0.01


def test_the_share_counts_rows(int8, images):
    class Off(torch.nn.Module):
        """The int8 model with its first row off by a hundredth."""

        def forward(self, x):
            out = int8(x).clone()
            out[0, 0] += 0.01
            return out

    found = certify(Off(), int8, images[:50])
    assert found["equal"] == 0.98
    assert abs(found["gap"] - 0.01) < 1e-6


def test_looking_leaves_no_hook(unchanged, int8, images):
    surrogate = twin(int8)
    with unchanged(surrogate):
        certify(surrogate, int8, images)
    assert not surrogate.conv._forward_hooks
