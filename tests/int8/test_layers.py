"""Forward what the int8 model holds, backward as if nothing had been rounded: known by hand."""

from functools import partial

import pytest
import torch
import torch.ao.nn.quantized as int8_layers
from torch import nn
from torch.nn import functional as F

from workbench.int8.layers import Grid, HeldInput, HeldLinear, HeldReLU, HeldStep, disagreement

# The numbers -1, -0.5, ..., 126.5.
GRID = Grid(0.5, 2)


def gradient(layer, x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(layer(x).sum(), x)[0]


def test_an_input_is_rounded_to_the_grid_and_clamped():
    x = torch.tensor([-9.0, -1.0, -0.3, 0.2, 0.3, 126.4, 200.0])
    assert HeldInput(GRID)(x).tolist() == [-1.0, -1.0, -0.5, 0.0, 0.5, 126.5, 126.5]


def test_the_gradient_is_one_up_to_both_ends_and_zero_beyond():
    x = torch.tensor([-1.01, -1.0, -0.3, 0.0, 126.5, 126.51])
    assert gradient(HeldInput(GRID), x).tolist() == [0, 1, 1, 1, 1, 0]


def rounded(held):
    """Return a layer with the rounding that stands behind it."""
    return nn.Sequential(held, HeldInput(held.made))


def test_a_held_relu_rounds_and_is_blind_at_zero_like_a_relu():
    x = torch.tensor([-0.9, 0.0, 0.1, 0.3, 130.0])
    assert HeldReLU(GRID)(x).tolist() == [0.0, 0.0, 0.0, 0.5, 126.5]
    assert gradient(HeldReLU(GRID), x).tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_an_average_is_what_the_kernel_makes_of_it_in_its_layout(layout):
    integers = torch.arange(64, dtype=torch.float32).view(1, 4, 4, 4).contiguous(memory_format=layout)
    x = GRID.quantize(integers / 2)
    average = partial(F.avg_pool2d, kernel_size=2)
    pool = rounded(HeldStep(average, average, [GRID], GRID))
    assert torch.equal(pool(x.dequantize()), F.avg_pool2d(x, 2).dequantize())
    assert gradient(pool, integers / 2).unique().tolist() == [0.25]


def test_a_sum_passes_its_gradient_to_both_branches_where_it_is_not_clamped():
    made = Grid(1.0, 0)
    add = partial(torch.ops.quantized.add_relu, scale=1.0, zero_point=0)
    held = HeldStep(torch.add, add, [Grid(2.5, 2), GRID], made, fused=True)
    a, b = (torch.tensor(numbers, requires_grad=True) for numbers in ([2.5, -2.5, 250.0], [1.0, 0.5, 100.0]))
    out = HeldReLU(made)(held(a, b))
    assert out.tolist() == [4.0, 0.0, 255.0]  # 3.5 is rounded to even
    for slope in torch.autograd.grad(out.sum(), (a, b)):
        assert slope.tolist() == [1.0, 0.0, 0.0]


def kernel(weight, bias, scale=1.0, zero_point=10):
    """Return a quantized linear layer with integer weights."""
    layer = int8_layers.Linear(len(weight[0]), len(weight))
    packed = torch._make_per_tensor_quantized_tensor(torch.tensor(weight, dtype=torch.int8), 1.0, 0)
    layer.set_weight_bias(packed, torch.tensor(bias))
    layer.scale, layer.zero_point = scale, zero_point
    return layer


def test_a_linear_layer_gives_the_product_of_integers():
    held = rounded(HeldLinear(kernel([[1, 2], [3, -4]], [0.0, 1.0]), Grid(1.0, 0), fused=False))
    x = torch.tensor([[5.0, 6.0], [0.0, 3.0]])
    assert held(x).tolist() == [[17.0, -8.0], [6.0, -10.0]]
    # The last one was clamped at -10, so its weights pass no gradient.
    assert gradient(held, x).tolist() == [[4.0, -2.0], [1.0, 2.0]]


def test_a_tie_goes_where_the_kernel_puts_it():
    # Halves of odd numbers on a grid of odd zero point: rounding before or after adding it differs.
    layer = kernel([[1]], [0.0], scale=2.0, zero_point=11)
    held = HeldLinear(layer, Grid(1.0, 0), fused=False)
    x = torch.arange(0.0, 100.0)[:, None]
    assert disagreement(held, x).any()
    assert torch.equal(rounded(held)(x), layer(Grid(1.0, 0).quantize(x)).dequantize())


def test_before_a_relu_the_sums_are_in_float_but_on_the_kernels_side_of_a_tie():
    layer = kernel([[1]], [0.0], scale=2.0, zero_point=11)
    held = HeldLinear(layer, Grid(1.0, 0), fused=True)
    x = torch.arange(0.0, 100.0)[:, None]
    sums, tied = held(x), disagreement(held, x)
    assert tied.any() and torch.equal(sums[~tied], x[~tied])
    assert torch.equal(HeldReLU(held.made)(sums), layer(Grid(1.0, 0).quantize(x)).dequantize())
    assert gradient(held, x).unique().tolist() == [1.0]


def test_changed_weights_count_although_the_kernel_keeps_its_own():
    held = HeldLinear(kernel([[1, 2]], [0.0], zero_point=0), Grid(1.0, 0), fused=False)
    with torch.no_grad():
        held.weight.copy_(torch.tensor([[20.0, 1.0]]))
    assert held(torch.tensor([[5.0, 6.0]])).item() == 106.0


def test_a_second_derivative_can_be_taken():
    x = torch.tensor([0.3, -5.0], requires_grad=True)
    (first,) = torch.autograd.grad((HeldInput(GRID)(x) ** 2).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    assert first.tolist() == [1.0, 0.0]
    assert second.tolist() == [2.0, 0.0]
