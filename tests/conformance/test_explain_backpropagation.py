"""Methods that walk back along layers agree with captum and shap called by hand, and are right where captum is not."""

import warnings

import captum.attr
import numpy as np
import pytest
import shap
import torch
from captum.attr._utils.lrp_rules import EpsilonRule, GammaRule
from torch import nn

import workbench as wb

pytestmark = pytest.mark.filterwarnings("ignore")


def net(*layers):
    torch.manual_seed(0)
    return nn.Sequential(*(layer() for layer in layers)).eval()


NETS = {
    "relu": lambda: net(lambda: nn.Conv2d(1, 4, 3), nn.ReLU, nn.Flatten, lambda: nn.Linear(400, 3)),
    "smooth": lambda: net(lambda: nn.Conv2d(1, 4, 3), nn.Tanh, lambda: nn.Conv2d(4, 4, 3), nn.Softplus, nn.Flatten, lambda: nn.Linear(256, 3)),
    "norm": lambda: net(lambda: nn.Conv2d(1, 4, 3), lambda: nn.BatchNorm2d(4), nn.ELU, lambda: nn.AvgPool2d(2), nn.Flatten, lambda: nn.Linear(100, 3)),
}  # fmt: skip
POOLED = {
    "relu and pool": lambda: net(lambda: nn.Conv2d(1, 4, 3), nn.ReLU, lambda: nn.MaxPool2d(2), nn.Flatten, lambda: nn.Linear(100, 3)),
    "pool and relu": lambda: net(lambda: nn.Conv2d(1, 4, 3), lambda: nn.MaxPool2d(2), nn.ReLU, nn.Flatten, lambda: nn.Linear(100, 3)),
    "overlapping": lambda: net(lambda: nn.Conv2d(1, 4, 3), nn.ReLU, lambda: nn.MaxPool2d(3, 2, 1), nn.Flatten, lambda: nn.Linear(100, 3)),
}  # fmt: skip


@pytest.fixture
def x():
    return torch.rand(5, 1, 12, 12, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def background():
    return torch.rand(7, 1, 12, 12, generator=torch.Generator().manual_seed(2))


def by_shap(model, background, x, target):
    values = shap.DeepExplainer(model, background).shap_values(x, check_additivity=False)
    return values[..., target]


@pytest.mark.parametrize("name", NETS)
def test_deeplift_and_deep_shap_are_those_of_captum_and_shap(name, x, background):
    model = NETS[name]()
    theirs = captum.attr.DeepLift(model).attribute(x, background[:5], target=1).detach()
    ours = wb.explain(model, x, "deeplift", target=1, baselines=background[:5])
    np.testing.assert_allclose(ours.values, theirs, atol=1e-6)
    ours = wb.explain(model, x, "deep_shap", target=1, background=background)
    np.testing.assert_allclose(
        ours.values, captum.attr.DeepLiftShap(model).attribute(x, background, target=1).detach(), atol=1e-6
    )
    if name != "norm":  # shap knows no ELU behind a norm that it would not warn of
        np.testing.assert_allclose(ours.values, by_shap(model, background, x, 1), atol=1e-6)


@pytest.mark.parametrize("name", POOLED)
def test_with_max_pools_ours_sums_and_captums_does_not(name, x, background):
    model = POOLED[name]()
    _, gap = captum.attr.DeepLift(model).attribute(x, background[:5], target=1, return_convergence_delta=True)
    assert gap.abs().max() > 1e-3
    ours = wb.explain(model, x, "deeplift", target=1, baselines=background[:5])
    np.testing.assert_allclose(ours.delta, 0, atol=1e-6)
    mean = wb.explain(model, x, "deep_shap", target=1, background=background)
    np.testing.assert_allclose(mean.delta, 0, atol=1e-6)
    if name == "relu and pool":
        np.testing.assert_allclose(mean.values, by_shap(model, background, x, 1), atol=1e-6)


@pytest.mark.parametrize(
    ("method", "theirs"),
    [("guided_backprop", captum.attr.GuidedBackprop), ("deconvolution", captum.attr.Deconvolution)],
)
@pytest.mark.parametrize("name", ["relu", "relu and pool"])
def test_guided_gradients_are_those_of_captum(method, theirs, name, x):
    model = (NETS | POOLED)[name]()
    expected = theirs(model).attribute(x.clone().requires_grad_(), target=2).detach()
    np.testing.assert_allclose(wb.explain(model, x, method, target=2).values, expected, atol=1e-7)


def test_guided_grad_cam_is_that_of_captum(x):
    model = POOLED["relu and pool"]()
    theirs = captum.attr.GuidedGradCam(model, model[0])
    expected = theirs.attribute(x.clone().requires_grad_(), target=2, interpolate_mode="bilinear").detach()
    np.testing.assert_allclose(wb.explain(model, x, "guided_grad_cam", target=2).values, expected, atol=1e-7)


class Chain(nn.Module):
    """A net that captum's relevance propagation knows: it has no rule for ``nn.Flatten``."""

    def __init__(self):
        super().__init__()
        self.conv, _, self.pool, _, self.last = POOLED["relu and pool"]()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.last(torch.flatten(self.pool(self.relu(self.conv(x))), 1))


@pytest.mark.parametrize(
    ("options", "rule"),
    [({}, EpsilonRule), ({"epsilon": 0.1}, lambda: EpsilonRule(0.1)), ({"gamma": 0.25}, GammaRule)],
    ids=["default", "epsilon", "gamma"],
)
def test_relevance_is_that_of_captum(options, rule, x):
    model = Chain().eval()
    ours = wb.explain(model, x, "lrp", target=1, **options)
    model.conv.rule, model.last.rule = rule(), rule()
    np.testing.assert_allclose(
        ours.values, captum.attr.LRP(model).attribute(x.clone(), target=1).detach(), atol=1e-6
    )


def test_expected_gradients_are_those_of_shap_within_their_errors(clouds_net):
    model, rows, background = clouds_net
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = shap.GradientExplainer(model, background).shap_values(rows, nsamples=4000, rseed=0)[..., 1]
    ours = wb.explain(model, rows, "gradient_shap", target=1, background=background, n_samples=4000)
    assert np.abs(ours.values - theirs).mean() < 6 * ours.settings["error"] + 0.02


@pytest.fixture
def clouds_net():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3)).eval()
    return model, torch.randn(6, 5), torch.randn(20, 5)
