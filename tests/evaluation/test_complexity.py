"""Sparseness: known at both ends, blind to sign and scale, and Quantus' number."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from workbench.errors import BadInput
from workbench.evaluation.complexity import complexity, effective_complexity, sparseness

maps = arrays.arrays(float, (3, 12), elements=st.integers(-50, 50).map(lambda k: k / 8))


def found(values):
    return sparseness(None, None, np.asarray(values, dtype=float))


def test_equal_values_have_none():
    assert found(np.full((2, 3, 4), -2.5)) == pytest.approx([0, 0])


@pytest.mark.parametrize("n", [2, 10, 784])
def test_a_single_value_has_all_but_one_in_n(n):
    assert found(np.eye(1, n)) == pytest.approx(1 - 1 / n)


def test_half_the_features_with_all_the_mass_have_a_half():
    assert found([[1, 1, 0, 0]]) == pytest.approx(0.5)


def test_a_map_of_zeros_has_no_sparseness():
    assert np.isnan(found(np.zeros((1, 5)))).all()


@given(maps, st.sampled_from([1e-6, 3.0, 1e6]), st.permutations(range(12)))
def test_sign_scale_and_order_do_not_matter(values, scale, order):
    np.testing.assert_allclose(found(-scale * values[:, order]), found(values), atol=1e-9)


@given(maps)
def test_it_lies_between_nothing_and_one(values):
    known = found(values)[np.isfinite(found(values))]
    assert ((known >= -1e-12) & (known < 1)).all()


def test_it_is_that_of_quantus():
    import quantus

    values = np.random.default_rng(0).normal(size=(6, 1, 12, 12))
    referee = quantus.Sparseness(abs=True, normalise=False, disable_warnings=True)
    expected = referee(model=None, x_batch=values, y_batch=np.zeros(6, int), a_batch=values.copy())
    np.testing.assert_allclose(found(values), expected, atol=1e-5)


def test_padding_does_not_make_a_text_sparse():
    fixed = torch.arange(12)[None] >= torch.tensor([[4], [12]])
    values = np.where(fixed.numpy(), 0.0, 1.0)
    assert sparseness(None, SimpleNamespace(fixed=fixed), values) == pytest.approx([0, 0])
    values[0, 1:4] = 0
    assert sparseness(None, SimpleNamespace(fixed=fixed), values)[0] == pytest.approx(0.75)


@pytest.mark.parametrize("n", [1, 4, 784])
def test_the_entropy_of_equal_values_is_the_logarithm_of_their_number_and_of_one_value_0(n):
    assert complexity(None, None, np.full((1, n), -3.0)) == pytest.approx(np.log(n))
    assert complexity(None, None, np.eye(1, n)) == pytest.approx(0)
    assert np.isnan(complexity(None, None, np.zeros((1, n)))).all()


def test_what_is_above_epsilon_is_counted():
    values = np.array([[0, 1e-6, -0.5, 2]])
    assert effective_complexity(None, None, values).tolist() == [2]
    assert effective_complexity(None, None, values, epsilon=0.6).tolist() == [1]
    with pytest.raises(BadInput, match="epsilon is -1"):
        effective_complexity(None, None, values, epsilon=-1)
