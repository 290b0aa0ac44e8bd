"""DeepLift, LRP, guided backpropagation, conductance and expected gradients: arithmetic, and the libraries by hand."""

import captum.attr as captum
import numpy as np
import pytest
import shap
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nets import linear
from torch import nn

import workbench as wb
from workbench.errors import BadInput, NotExplainable

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 4)).astype(np.float32)
BACK = RNG.normal(size=(7, 4)).astype(np.float32)
W = np.array([[1.0, -2, 3, 0], [0, 1, 1, 2]], dtype=np.float32)


def small(bias=True):
    torch.manual_seed(2)
    return nn.Sequential(
        nn.Linear(4, 6, bias), nn.ReLU(), nn.Linear(6, 5, bias), nn.ReLU(), nn.Linear(5, 3, bias)
    ).eval()


# arithmetic


@pytest.mark.parametrize("method", ["deeplift", "deep_shap", "gradient_shap"])
def test_of_a_linear_model_they_are_weights_times_distance(method):
    options = {"baselines": BACK[:1]} if method == "deeplift" else {"background": BACK[:1]}
    e = wb.explain(linear(W), X, method, target=0, **options)
    np.testing.assert_allclose(e.values, W[0] * (X - BACK[:1]), rtol=1e-4, atol=1e-5)


def test_the_rescale_rule_shares_by_what_comes_in():
    net = nn.Sequential(linear([[1.0, 1.0, 0, 0]])[0], nn.ReLU(), linear([[2.0], [0]])[0]).eval()
    net[0].bias.data.fill_(-1.0)
    x = np.array([[2.0, 1, 0, 0]], dtype=np.float32)
    # relu(2 + 1 - 1) = 2 against relu(-1) = 0, shared 2 : 1, times 2
    np.testing.assert_allclose(
        wb.explain(net, x, "deeplift", target=0).values, [[8 / 3, 4 / 3, 0, 0]], rtol=1e-5
    )


def test_guided_backpropagation_cuts_what_is_negative_on_the_way_back():
    net = nn.Sequential(
        linear([[1.0, 0, 0, 0], [0, 1, 0, 0]])[0], nn.ReLU(), linear([[3.0, -5], [0, 0]])[0]
    ).eval()
    x = np.array([[1.0, 1, 0, 0], [-1.0, 1, 0, 0]], dtype=np.float32)
    guided = wb.explain(net, x, "guided_backprop", target=0).values
    assert guided.tolist() == [[3, 0, 0, 0], [0, 0, 0, 0]]
    backwards = wb.explain(net, x, "deconvolution", target=0).values
    assert backwards.tolist() == [[3, 0, 0, 0], [3, 0, 0, 0]]


def test_relevance_is_conserved_without_biases():
    e = wb.explain(small(bias=False), X, "lrp")
    np.testing.assert_allclose(e.values.sum(1), e.output, rtol=1e-3)
    assert e.settings["conserved"] == pytest.approx(1, abs=1e-3)


def test_what_flows_through_a_layer_adds_up():
    e = wb.explain(small(), X, "conductance", layer="1", n_steps=2000, target=0)
    np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=1e-3)
    assert e.settings["gap"] < 1e-3 and e.values.shape == (5, 6)


# the libraries by hand


@pytest.mark.parametrize(
    ("method", "cls"),
    [
        ("guided_backprop", captum.GuidedBackprop),
        ("deconvolution", captum.Deconvolution),
    ],
)
def test_they_are_captums(lenet, digits, method, cls):
    x = digits.test.x[:6]
    e = wb.explain(lenet, x, method)
    theirs = cls(lenet.model.eval()).attribute(
        torch.tensor(x, requires_grad=True), target=torch.tensor(e.target)
    )
    np.testing.assert_allclose(e.values, theirs.detach().numpy(), atol=1e-5)


def test_deeplift_is_shaps(lenet, digits):
    """Captum's own shares differ at max-pooling, where the reference wins a window."""
    x, net = digits.test.x[:6], lenet.model.eval()
    e = wb.explain(lenet, x, "deeplift", target=3)
    black = torch.zeros(2, *x.shape[1:])
    theirs = shap.DeepExplainer(net, black).shap_values(torch.tensor(x), check_additivity=False)[..., 3]
    np.testing.assert_allclose(e.values, theirs, atol=1e-5)


def test_guided_grad_cam_is_captums_where_it_is_upsampled_alike(lenet, digits):
    x, net = digits.test.x[:3], lenet.model.eval()
    e = wb.explain(lenet, x, "guided_grad_cam", layer="conv2")
    guided = captum.GuidedBackprop(net).attribute(
        torch.tensor(x, requires_grad=True), target=torch.tensor(e.target)
    )
    cam = wb.explain(lenet, x, "grad_cam", layer="conv2").values
    np.testing.assert_allclose(e.values, guided.detach().numpy() * cam, atol=1e-5)


def test_conductance_is_captums(lenet, digits):
    x, net = digits.test.x[:3], lenet.model.eval()
    e = wb.explain(lenet, x, "conductance", layer="conv1", n_steps=12, upsample=False)
    theirs = captum.LayerConductance(net, net.conv1).attribute(
        torch.tensor(x), target=torch.tensor(e.target), n_steps=12
    )
    np.testing.assert_allclose(e.values[:, 0], theirs.sum(1).detach().numpy(), atol=1e-5)


def test_deep_shap_is_captums_and_shaps():
    net = small()
    e = wb.explain(net, X, "deep_shap", background=BACK, target=1)
    by_captum = (
        captum.DeepLiftShap(net).attribute(torch.tensor(X), torch.tensor(BACK), target=1).detach().numpy()
    )
    by_shap = shap.DeepExplainer(net, torch.tensor(BACK)).shap_values(
        torch.tensor(X), check_additivity=False
    )[..., 1]
    np.testing.assert_allclose(e.values, by_captum, atol=1e-5)
    np.testing.assert_allclose(e.values, by_shap, atol=1e-5)
    assert np.abs(e.delta).max() < 1e-5 and "marginal" in e.estimand


def test_expected_gradients_meet_integrated_gradients_over_the_background_within_their_error():
    net = small()
    exact = wb.explain(net, X, "integrated_gradients", background=BACK, target=1, n_steps=300).values
    e = wb.explain(net, X, "gradient_shap", background=BACK, target=1, n_samples=4000)
    away = np.sqrt(((e.values - exact) ** 2).mean())
    assert away < 2 * e.settings["error"]
    assert e.settings["error"] < 0.05 * np.abs(exact).max()


def test_the_error_of_expected_gradients_is_their_spread():
    net = small()
    runs = np.stack([wb.explain(net, X[:2], "gradient_shap", background=BACK, target=1, n_samples=50, seed=s).values
                     for s in range(60)])  # fmt: skip
    stated = wb.explain(net, X[:2], "gradient_shap", background=BACK, target=1, n_samples=50).settings[
        "error"
    ]
    assert 0.7 < stated / runs.std(0, ddof=1).mean() < 1.4


def test_the_error_of_smooth_grad_is_its_spread():
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).eval()
    runs = np.stack(
        [wb.explain(net, X[:2], "smooth_grad", target=1, stdev=0.5, seed=s).values for s in range(60)]
    )
    stated = wb.explain(net, X[:2], "smooth_grad", target=1, stdev=0.5).settings["error"]
    assert 0.7 < stated / runs.std(0, ddof=1).mean() < 1.4


# laws

rows = arrays(np.float32, (3, 4), elements=st.floats(-4, 4, width=16))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(rows, rows)
def test_shares_add_up_and_what_nobody_reads_gets_nothing(x, base):
    net = small()
    with torch.no_grad():
        net[0].weight[:, 3] = 0
    for method, options in (("deeplift", {"baselines": base}), ("deep_shap", {"background": base}),
                            ("integrated_gradients", {"baselines": base, "n_steps": 200})):  # fmt: skip
        e = wb.explain(net, x, method, target=2, **options)
        tolerance = 2e-2 if method == "integrated_gradients" else 1e-4
        np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=tolerance)
        assert not e.values[:, 3].any()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rows, st.floats(-30, 30))
def test_a_number_added_to_all_logits_leaves_centred_maps_alone(x, shift):
    net, moved = small(), small()
    with torch.no_grad():
        moved[-1].bias += shift
    for method in ("deeplift", "guided_backprop", "integrated_gradients"):
        a, b = (wb.explain(m, x, method, target=0, output="centred_logit").values for m in (net, moved))
        np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("method", ["deeplift", "lrp", "guided_backprop", "deconvolution"])
def test_a_number_added_to_all_logits_leaves_every_centred_map_alone(method):
    net, moved = small(), small()
    with torch.no_grad():
        moved[-1].bias += 1
    a, b = (wb.explain(m, X, method, target=0, output="centred_logit").values for m in (net, moved))
    np.testing.assert_allclose(a, b, atol=1e-6)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(rows)
def test_integrated_gradients_do_not_see_how_a_function_is_written(x):
    class Written(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net = net

        def forward(self, x):
            z = self.net[0](x)
            return self.net[4](self.net[3](self.net[2]((z.abs() + z) / 2)))

    a, b = (wb.explain(m, x, "integrated_gradients", target=0).values for m in (small(), Written(small())))
    np.testing.assert_allclose(a, b, atol=1e-4)


# refusals


@pytest.mark.parametrize("method", ["deep_shap", "gradient_shap"])
def test_without_a_background_they_are_not_defined(method):
    with pytest.raises(BadInput, match=f"{method} was given no background"):
        wb.explain(small(), X, method)


def test_outputs_that_are_no_sum_are_refused_by_relevance_and_add_up_for_deeplift():
    with pytest.raises(BadInput, match="probability, which has no rule"):
        wb.explain(small(), X, "lrp", output="probability")
    for output in ("probability", "log_prob", "centred_logit", "runner_up"):
        for method, own in (("deeplift", {"baselines": BACK[:1]}), ("deep_shap", {"background": BACK})):
            e = wb.explain(small(), X, method, output=output, **own)
            np.testing.assert_allclose(e.delta, 0, atol=1e-5)


@pytest.mark.parametrize("option", [{"epsilon": -1}, {"gamma": "a lot"}, {"epsilon": float("nan")}])
def test_what_damps_is_a_number(option):
    with pytest.raises(BadInput, match="a number, 0 or above"):
        wb.explain(small(), X, "lrp", **option)


def test_a_network_without_relus_has_nothing_to_guide():
    with pytest.raises(NotExplainable, match="no ReLU"):
        wb.explain(linear(W), X, "guided_backprop")


def test_relevance_is_not_made_out_of_nothing():
    """A sigmoid is not zero at zero: there is nothing to share its half among."""
    net = nn.Sequential(nn.Linear(4, 3), nn.Sigmoid(), nn.Linear(3, 2)).eval()
    with pytest.raises(NotExplainable, match="1 has no rule"):
        wb.explain(net, X, "lrp")


def test_texts_are_refused(reader, reviews):
    with pytest.raises(NotExplainable, match="rules start at numbers"):
        wb.explain(reader, reviews.test[:2], "deeplift")
