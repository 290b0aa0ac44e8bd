"""Explanations agree with captum on nets of every kind, where captum takes longer than a unit test may."""

import captum.attr
import numpy as np
import pytest
import torch
from nets import NINE, Convolutional

import workbench as wb


@pytest.fixture(scope="module")
def convolutional():
    """A net with batch norm for images of two channels that are not square."""
    torch.manual_seed(0)
    return Convolutional().eval()


def kernel_shap(net, x, target, baseline, mask, n_samples, seed):
    """Return captum's kernel SHAP of one input, a value a group."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    values = captum.attr.KernelShap(net).attribute(
        x,
        baseline,
        target=target,
        feature_mask=torch.as_tensor(mask),
        n_samples=n_samples,
        perturbations_per_eval=64,
    )
    return np.array([values.numpy()[mask == group][0] for group in range(mask.max() + 1)])


def of_groups(e, row, mask):
    """Return an explanation's values of a row, a number a group."""
    return np.array([e.values[row][mask[0] == group].sum() for group in range(mask.max() + 1)])


@pytest.mark.parametrize("row", [0, 1])
def test_kernel_shap_is_that_of_captum_within_sampling_error(lenet, digits, row):
    x, baseline = torch.tensor(digits.test.x[row : row + 1]), torch.full((1, 1, 28, 28), 0.2)
    e = wb.explain(lenet, x, "kernel_shap", n_samples=400, feature_mask=NINE, baselines=0.2)
    exact = wb.explain(lenet, x, "exact_shapley", feature_mask=NINE, baselines=0.2)
    target = int(e.target[0])
    theirs = np.array([kernel_shap(lenet.model, x, target, baseline, NINE, 400, seed) for seed in range(5)])
    theirs_error = theirs.std(0, ddof=1)
    truth = of_groups(exact, 0, NINE)
    assert np.abs(theirs.mean(0) - truth).max() < 4 * theirs_error.max() / np.sqrt(5) + 1e-3
    assert np.abs(of_groups(e, 0, NINE) - truth).max() < 5 * e.settings["error"]
    assert np.abs(of_groups(e, 0, NINE) - theirs.mean(0)).max() < 4 * np.hypot(
        e.settings["error"], theirs_error.max()
    )
    assert e.settings["error"] < theirs_error.mean()  # pairs are worth their while


@pytest.fixture(scope="module")
def forty(lenet, digits):
    """Kernel SHAP of three digits, forty times with other seeds."""
    options = {"n_samples": 300, "feature_mask": NINE}
    return [wb.explain(lenet, digits.test[:3], "kernel_shap", seed=seed, **options) for seed in range(40)]


def test_the_stated_error_is_the_spread_over_seeds(forty):
    values = np.array([[of_groups(e, row, NINE) for row in range(3)] for e in forty])
    spread = np.sqrt(values.var(0, ddof=1)[:, :-1]).mean()
    stated = np.mean([e.settings["error"] for e in forty])
    assert stated == pytest.approx(spread, rel=0.15)


def test_sampled_values_are_right_on_average(lenet, digits, forty):
    exact = wb.explain(lenet, digits.test[:3], "exact_shapley", feature_mask=NINE)
    mean = np.mean([e.values for e in forty], 0)
    error = np.mean([e.settings["error"] for e in forty]) / np.sqrt(len(forty)) / (NINE == 0).sum()
    assert np.abs(mean - exact.values).max() < 5 * error


@pytest.mark.parametrize("shape", [(9, 12), (13, 7)])
@pytest.mark.parametrize(("window", "strides"), [(3, 2), ((4, 5), (3, 3)), ((7, 2), (5, 1)), (6, 6)])
def test_occlusion_of_colour_images_is_that_of_captum(convolutional, shape, window, strides):
    x = torch.rand(3, 2, *shape, generator=torch.Generator().manual_seed(0))
    baselines = torch.rand(3, 2, *shape, generator=torch.Generator().manual_seed(1))
    sides = [(2, *((size, size) if isinstance(size, int) else size)) for size in (window, strides)]
    theirs = captum.attr.Occlusion(convolutional).attribute(
        x, sides[0], sides[1], baselines, target=[0, 1, 2], perturbations_per_eval=32
    )
    ours = wb.explain(
        convolutional, x, "occlusion", target=[0, 1, 2], window=window, strides=strides, baselines=baselines
    )
    np.testing.assert_allclose(ours.values, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("n_steps", [50, 200])
def test_integrated_gradients_of_many_steps_are_those_of_captum(lenet, digits, n_steps):
    x = torch.tensor(digits.test.x[:20])
    e = wb.explain(lenet, x, n_steps=n_steps)
    theirs = captum.attr.IntegratedGradients(lenet.model).attribute(
        x, target=torch.tensor(e.target), n_steps=n_steps, internal_batch_size=200
    )
    # Batches of other sizes round otherwise: where two pixels tie in a max-pooling, a step may go either way.
    apart = np.abs(e.values - theirs.detach().numpy()) / theirs.abs().max().item()
    assert np.quantile(apart, 0.99) < 1e-5
    assert apart.max() < 1 / n_steps
    assert "gap" not in e.flags


def test_smooth_grad_is_captums_noise_tunnel_within_sampling_error(lenet, digits):
    x, n = torch.tensor(digits.test.x[:2]), 400
    e = wb.explain(lenet, x, "smooth_grad", n_samples=n, stdev=0.2)
    torch.manual_seed(0)
    tunnel = captum.attr.NoiseTunnel(captum.attr.Saliency(lenet.model))
    theirs = tunnel.attribute(
        x,
        nt_type="smoothgrad",
        nt_samples=n,
        nt_samples_batch_size=50,
        stdevs=0.2,
        target=torch.tensor(e.target),
        abs=False,
    )
    for row in range(2):
        assert np.corrcoef(e.values[row].ravel(), theirs[row].numpy().ravel())[0, 1] > 0.97


@pytest.mark.parametrize("output", ["logit", "centred_logit"])
def test_exact_values_are_captums_mean_over_orders_within_sampling_error(lenet, digits, output):
    x = torch.tensor(digits.test.x[:2])
    e = wb.explain(lenet, x, "exact_shapley", feature_mask=NINE, output=output)
    targets = torch.tensor(e.target)

    def forward(x):
        z = lenet.model(x)
        return z.gather(1, targets[:, None])[:, 0] - (z.mean(1) if output == "centred_logit" else 0)

    torch.manual_seed(0)
    theirs = captum.attr.ShapleyValueSampling(forward).attribute(
        x, feature_mask=torch.as_tensor(NINE), n_samples=250
    )
    for row in range(2):
        ours = of_groups(e, row, NINE)
        others = np.array([theirs.numpy()[row][NINE[0] == group][0] for group in range(9)])
        np.testing.assert_allclose(ours, others, atol=0.12 * np.abs(ours).max())
