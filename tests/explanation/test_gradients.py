"""Gradient methods: arithmetic on functions made by hand, captum called by hand, and the laws they promise."""

import captum.attr
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nets import Convolutional, Function, linear

import workbench as wb
from workbench.errors import BadInput, NotExplainable
from workbench.state import generators

W = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]])
X = np.array([[1.0, 2.0, 4.0], [-1.0, 0.5, 0.0]], dtype=np.float32)
SQUARES = Function(lambda x: (x**2).sum(1))


def close(ours, theirs):
    """Check that two sets of values agree to a hundred thousandth of the largest."""
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5 * np.abs(theirs).max())


# known answers


def test_the_saliency_of_a_line_is_its_weights():
    net = linear(W)
    signed = wb.explain(net, X, "saliency", target=1, abs=False)
    np.testing.assert_array_equal(signed.values, np.tile(W[1], (2, 1)))
    assert signed.signed
    e = wb.explain(net, X, "saliency", target=[0, 1])
    np.testing.assert_array_equal(e.values, np.abs(W))
    assert not e.signed


def test_input_times_gradient_of_a_line_is_weight_times_input():
    np.testing.assert_allclose(wb.explain(linear(W, 7.0), X, "input_x_gradient", target=0).values, W[0] * X)


def test_integrated_gradients_of_a_line_are_weight_times_distance():
    e = wb.explain(linear(W, 7.0), X, target=[0, 1], baselines=[1.0, 0.0, -1.0])
    np.testing.assert_allclose(e.values, W * (X - [1, 0, -1]), rtol=1e-5)
    np.testing.assert_allclose(e.base_values, W @ [1, 0, -1] + 7)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


def test_integrated_gradients_of_squares_are_squares():
    e = wb.explain(SQUARES, X, output="raw")
    np.testing.assert_allclose(e.values, X**2, rtol=1e-5)


def test_without_the_inputs_integrated_gradients_are_mean_gradients():
    e = wb.explain(SQUARES, X, output="raw", multiply_by_inputs=False)
    np.testing.assert_allclose(e.values, X, rtol=1e-5)
    assert e.delta is None
    assert "gap" not in e.flags


def test_integrated_gradients_over_a_background_are_the_mean_over_its_rows():
    rows = np.array([[0.0, 0, 0], [1, 1, 1], [2, -1, 3]], dtype=np.float32)
    e = wb.explain(SQUARES, X, output="raw", background=rows)
    each = [wb.explain(SQUARES, X, output="raw", baselines=row) for row in rows]
    np.testing.assert_allclose(e.values, np.mean([one.values for one in each], 0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(e.base_values, (rows**2).sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(e.delta, 0, atol=1e-4)


def test_baselines_may_be_a_number_a_row_or_a_row_each():
    rows = np.array([[1.0, 1, 1], [2, 2, 2]], dtype=np.float32)
    each = wb.explain(SQUARES, X, output="raw", baselines=rows)
    np.testing.assert_allclose(each.values, X**2 - rows**2, rtol=1e-4, atol=1e-5)
    for baselines in (1, 1.0, [1.0, 1, 1], torch.ones(1, 3)):
        one = wb.explain(SQUARES, X[:1], output="raw", baselines=baselines)
        np.testing.assert_allclose(one.values, each.values[:1], rtol=1e-5)


def test_smooth_grad_is_the_mean_gradient_at_the_draws():
    x = np.tile(X, (3, 1))
    draws = [torch.randn(9, 3, generator=next(generators(5, [row]))).mean(0).numpy() for row in range(6)]
    ranges = np.ptp(x, axis=1, keepdims=True)
    e = wb.explain(SQUARES, x, "smooth_grad", output="raw", n_samples=9, stdev=0.3, seed=5, batch_size=20)
    np.testing.assert_allclose(e.values, 2 * (x + 0.3 * ranges * draws), rtol=1e-5)


def test_smooth_grad_of_a_line_is_its_gradient():
    e = wb.explain(linear(W), X, "smooth_grad", target=1, abs=True)
    np.testing.assert_allclose(e.values, np.abs(np.tile(W[1], (2, 1))), rtol=1e-6)
    assert not e.signed
    assert wb.explain(linear(W), X, "smooth_grad").signed


def test_noise_averages_a_method_over_the_draws():
    draws = torch.stack([torch.randn(4, 3, generator=next(generators(2, [row]))) for row in (0, 1)]).numpy()
    noisy = X[:, None] + 0.5 * np.ptp(X, axis=1)[:, None, None] * draws
    e = wb.explain(SQUARES, X, "input_x_gradient", output="raw", noise={"n_samples": 4, "stdev": 0.5}, seed=2)
    np.testing.assert_allclose(e.values, (2 * noisy**2).mean(1), rtol=1e-4)


def test_noise_around_saliency_is_smooth_grad():
    smooth = wb.explain(SQUARES, X, "smooth_grad", output="raw", n_samples=7, stdev=0.2)
    noisy = wb.explain(SQUARES, X, "saliency", output="raw", abs=False, noise={"n_samples": 7, "stdev": 0.2})
    np.testing.assert_allclose(noisy.values, smooth.values, rtol=1e-5)


def test_noise_promises_no_sum():
    e = wb.explain(SQUARES, X, output="raw", noise={"n_samples": 3})
    assert e.delta is None
    assert "gap" not in e.flags


# agreement with captum


def cases(lenet, clouds, mlp, digits):
    """Return nets, inputs and targets of every kind."""
    torch.manual_seed(0)
    convolutional = Convolutional(channels=2).eval()
    return {
        "lenet": (lenet.model, digits.test.x[:6].copy(), [7, 1, 0, 3, 3, 9]),
        "mlp": (mlp.model, clouds.test.x[:6].copy(), [0, 1, 2, 0, 1, 2]),
        "batch norm": (
            convolutional,
            np.random.default_rng(0).random((6, 2, 9, 8), np.float32),
            [0, 1, 2, 2, 1, 0],
        ),
    }


@pytest.fixture(params=["lenet", "mlp", "batch norm"])
def case(request, lenet, clouds, mlp, digits):
    """One net with six inputs and targets."""
    return cases(lenet, clouds, mlp, digits)[request.param]


@pytest.mark.parametrize("abs", [True, False])
def test_saliency_is_that_of_captum(case, abs):
    net, x, target = case
    ours = wb.explain(net, x, "saliency", target=target, abs=abs)
    close(
        ours.values, captum.attr.Saliency(net).attribute(torch.tensor(x, requires_grad=True), target, abs=abs)
    )


def test_input_times_gradient_is_that_of_captum(case):
    net, x, target = case
    ours = wb.explain(net, x, "input_x_gradient", target=target)
    theirs = captum.attr.InputXGradient(net).attribute(torch.tensor(x, requires_grad=True), target)
    close(ours.values, theirs)


@pytest.mark.parametrize("multiply", [True, False])
@pytest.mark.parametrize("n_steps", [1, 16])
def test_integrated_gradients_are_those_of_captum(case, multiply, n_steps):
    net, x, target = case
    baselines = np.random.default_rng(1).random(x.shape, dtype=np.float32)
    ours = wb.explain(
        net, x, target=target, baselines=baselines, n_steps=n_steps, multiply_by_inputs=multiply
    )
    theirs = captum.attr.IntegratedGradients(net, multiply_by_inputs=multiply)
    x, baselines = laid_out(x), laid_out(baselines)
    close(ours.values, theirs.attribute(x, baselines, target, n_steps=n_steps))


def laid_out(x):
    """Return what a net is given: where a ReLU is at zero, kernels for another layout decide otherwise."""
    return torch.tensor(x).clone(memory_format=torch.channels_last) if x.ndim == 4 else torch.tensor(x)


@pytest.mark.parametrize("output", ["centred_logit", "log_prob", "probability", "runner_up"])
def test_other_outputs_are_those_of_captum_on_a_function(mlp, clouds, output):
    x, target = torch.tensor(clouds.test.x[:4]), torch.tensor([0, 1, 2, 1])
    with torch.no_grad():
        second = mlp.model(x).scatter(1, target[:, None], -torch.inf).argmax(1)
    functions = {
        "centred_logit": lambda z, t, r: z.gather(1, t) - z.mean(1, keepdim=True),
        "log_prob": lambda z, t, r: z.log_softmax(1).gather(1, t),
        "probability": lambda z, t, r: z.softmax(1).gather(1, t),
        "runner_up": lambda z, t, r: z.gather(1, t) - z.gather(1, r),
    }

    def forward(x, target, second):
        return functions[output](mlp.model(x), target[:, None], second[:, None])[:, 0]

    theirs = captum.attr.IntegratedGradients(forward)
    arguments = {"additional_forward_args": (target, second), "n_steps": 20}
    ours = wb.explain(mlp, clouds.test.x[:4], target=target, output=output, n_steps=20)
    close(ours.values, theirs.attribute(x, **arguments))


# laws

numbers = st.integers(-8, 8).map(lambda k: k / 4)


@given(st.lists(numbers, min_size=4, max_size=4), st.lists(numbers, min_size=4, max_size=4))
def test_integrated_gradients_sum_to_the_difference(x, baseline):
    net = Function(lambda x: torch.sin(x[:, 0]) * x[:, 1] + x[:, 2] ** 3 - x[:, 3] * x[:, 0])
    e = wb.explain(net, np.array([x], dtype=np.float32), output="raw", baselines=baseline, n_steps=30)
    np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=1e-4)
    np.testing.assert_allclose(e.delta, 0, atol=1e-4)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients", "smooth_grad"])
@pytest.mark.parametrize(
    "shift",
    [lambda x: 5.0, lambda x: 30 * torch.sin(x.flatten(1)[:, 100:101])],
    ids=["a constant", "a function"],
)
def test_what_is_added_to_all_logits_leaves_centred_maps_alone(lenet, images, method, shift):
    shifted = Function(lambda x: lenet.model(x) + shift(x))
    a, b = (wb.explain(net, images, method, output="centred_logit").values for net in (lenet, shifted))
    np.testing.assert_allclose(a, b, atol=2e-4 * np.abs(a).max())


def test_a_function_added_to_all_logits_does_change_raw_maps(lenet, images):
    shifted = Function(lambda x: lenet.model(x) + 30 * torch.sin(x.flatten(1)[:, 300:301]))
    a, b = (wb.explain(net, images, "saliency").values for net in (lenet, shifted))
    assert np.abs(a - b).max() > 1


# refusals


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients", "smooth_grad"])
def test_what_has_no_gradient_is_refused_with_what_can(clouds, method):
    for model in (wb.fit(wb.build("tree", clouds), clouds), lambda x: x[:, :2]):
        with pytest.raises(NotExplainable, match=r"has no gradient.*These can: .*kernel_shap.*occlusion"):
            wb.explain(model, clouds.test[:2], method)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients", "smooth_grad"])
def test_a_net_that_breaks_the_chain_of_gradients_is_refused_with_what_can(method):
    through_numpy = Function(lambda x: torch.tensor(x.detach().numpy() ** 2))
    constant = Function(lambda x: torch.ones(len(x), 2, requires_grad=True) * 2)
    for net in (through_numpy, constant):
        with pytest.raises(NotExplainable, match="no gradient with respect to the inputs") as refused:
            wb.explain(net, X, method)
        can = set(refused.value.todo.removeprefix("These can: ").split(", "))
        assert can >= {"exact_shapley", "kernel_shap", "lime", "occlusion"}
        assert not can & {"saliency", "grad_cam", method}


@pytest.mark.parametrize(
    "noise", [{"stdev": 0.1, "sd": 2}, {"n_samples": 0}, {"n_samples": 2.5}, {"stdev": 0}], ids=str
)
def test_noise_that_makes_no_sense_is_refused(mlp, clouds, noise):
    with pytest.raises(BadInput, match="noise"):
        wb.explain(mlp, clouds.test[:2], "saliency", noise=noise)


def test_noise_is_refused_where_there_is_no_gradient(mlp, clouds):
    with pytest.raises(BadInput, match="occlusion was given noise"):
        wb.explain(mlp, clouds.test[:2], "occlusion", noise={})


@pytest.mark.parametrize(
    ("method", "option"), [("integrated_gradients", "n_steps"), ("smooth_grad", "n_samples")]
)
@pytest.mark.parametrize("value", [0, -1, 2.5, "many", None])
def test_counts_are_whole_and_above_zero(mlp, clouds, method, option, value):
    with pytest.raises(BadInput, match=f"{option} is .*a whole number above 0"):
        wb.explain(mlp, clouds.test[:2], method, **{option: value})
