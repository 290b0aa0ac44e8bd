"""Metrics that Quantus has too agree with it, on the same inputs, the same maps and the same draws."""

import warnings

import captum.metrics
import handmade
import numpy as np
import pytest
import quantus
import torch
from quantus.functions.perturb_func import noisy_linear_imputation

import workbench as wb
from workbench.evaluation import robustness
from workbench.evaluation.features import Subsets, free_features
from workbench.evaluation.imputation import imputed
from workbench.explanation.space import Space

TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
BLACK = {"perturb_baseline": "black"}
QUIET = {"disable_warnings": True, "display_progressbar": False}


@pytest.fixture(autouse=True)
def silence():
    """Quantus tells about perturbations of black pixels that change nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def net(lenet):
    return lenet.model.eval()


@pytest.fixture(scope="module")
def explained(net, digits):
    return wb.explain(net, digits.test[:4], "input_x_gradient")


def ask(metric, net, e, **more):
    """Return what Quantus says of the same maps, one number or list a row, on probabilities."""
    given = {
        "x_batch": e.inputs,
        "y_batch": e.target,
        "a_batch": e.values,
        "channel_first": True,
        "softmax": True,
    }
    return np.array(metric(model=net, **(given | more)), dtype=float)


def judged(net, e, name, **options):
    return wb.evaluate(e, net, {name: options})[name]


def probabilities(net, x, target):
    with torch.no_grad():
        return net(torch.tensor(x)).softmax(1).numpy()[np.arange(len(x)), target]


# faithfulness


@pytest.mark.parametrize("step", [1, 28])
def test_pixel_flipping_is_the_area_under_the_curve_of_quantus(net, explained, step):
    metric = quantus.PixelFlipping(features_in_step=step, **BLACK, **QUIET)
    curve = ask(metric, net, explained)  # It begins behind the first step.
    start = probabilities(net, explained.inputs, explained.target)[:, None]
    curve = np.concatenate([start, curve], 1)
    area = ((curve[:, 1:] + curve[:, :-1]) / 2).mean(1)
    np.testing.assert_allclose(
        judged(net, explained, "pixel_flipping", features_in_step=step), area, **TOLERANCE
    )


def test_monotonicity_is_that_of_quantus_where_its_steps_are_ours(net, digits):
    # Quantus begins behind the first step and puts its baseline in place of what comes: its features never come
    # (each step replaces black by black), so that it finds every map monotone. Held to the paper by hand instead.
    e = wb.explain(net, digits.test[:6], "input_x_gradient")
    assert ask(quantus.Monotonicity(features_in_step=28, **BLACK, **QUIET), net, e).all()
    found = []
    for x, values, target in zip(e.inputs, e.values, e.target, strict=True):
        order = np.argsort(values.ravel(), kind="stable")
        steps = np.zeros((29, 784), np.float32)
        for k in range(29):
            steps[k, order[: k * 28]] = x.ravel()[order[: k * 28]]
        curve = probabilities(net, steps.reshape(29, 1, 28, 28), np.full(29, target))
        found.append([np.all(np.diff(curve) >= 0), np.mean(np.diff(curve) >= 0)])
    strict, share = np.array(found, dtype=float).T
    assert judged(net, e, "monotonicity").tolist() == strict.tolist()
    np.testing.assert_allclose(judged(net, e, "monotonicity", strict=False), share)


def test_faithfulness_correlation_is_that_of_quantus(net, explained, monkeypatch):
    n, size, samples = len(explained), 100, 30
    space = Space(torch.tensor(explained.inputs))
    subsets = Subsets(space, torch.full((n, samples), size), seed=0)
    drawn = iter([np.flatnonzero(subsets.of(row)[k].numpy()) for k in range(samples) for row in range(n)])
    monkeypatch.setattr(np.random, "choice", lambda *_, **__: next(drawn))
    metric = quantus.FaithfulnessCorrelation(
        subset_size=size, nr_runs=samples, return_aggregate=False, **BLACK, **QUIET
    )
    theirs = ask(metric, net, explained)
    ours = judged(net, explained, "faithfulness_correlation", n_samples=samples, subset_size=size)
    np.testing.assert_allclose(ours, theirs, **TOLERANCE)


def test_infidelity_is_that_of_captum(net, explained):
    # Quantus goes on from what it perturbed before, block after block, so that its perturbations are no draws of one
    # distribution as in the paper; captum is the referee.
    slopes = wb.explain(net, explained.inputs, "saliency", target=explained.target, abs=False)
    n, samples, size = len(slopes), 20, 60
    subsets = Subsets(Space(torch.tensor(slopes.inputs)), torch.full((n, samples), size), seed=0)
    masks = torch.stack([subsets.of(row).view(samples, 1, 28, 28) for row in range(n)]).flatten(0, 1).float()

    def perturb(x):
        return masks * x, x - masks * x

    theirs = captum.metrics.infidelity(
        lambda x: net(x).softmax(1), perturb, torch.tensor(slopes.inputs), torch.tensor(slopes.values),
        target=torch.tensor(slopes.target), n_perturb_samples=samples,
    )  # fmt: skip
    ours = judged(net, slopes, "infidelity", n_samples=samples, subset_size=size)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), **TOLERANCE)


def test_imputation_is_that_of_quantus(digits):
    rng = np.random.default_rng(0)
    image, removed = rng.random((3, 12, 10)).astype(np.float32), rng.random((12, 10)) < 0.6
    theirs = noisy_linear_imputation(image, np.flatnonzero(removed), noise=0.0)
    ours = imputed(image, removed, 0.0, torch.Generator())
    np.testing.assert_allclose(ours, theirs, **TOLERANCE)


# complexity


@pytest.mark.parametrize(
    ("name", "metric"),
    [("sparseness", quantus.Sparseness), ("complexity", quantus.Complexity), ("effective_complexity", quantus.EffectiveComplexity)],
)  # fmt: skip
def test_complexity_is_that_of_quantus(net, explained, name, metric):
    theirs = ask(metric(normalise=False, abs=True, **QUIET), net, explained)
    np.testing.assert_allclose(judged(net, explained, name), theirs, **TOLERANCE)


# localization


@pytest.mark.parametrize(
    ("name", "metric", "options"),
    [
        ("pointing_game", quantus.PointingGame, {}),
        ("relevance_rank", quantus.RelevanceRankAccuracy, {}),
        ("relevance_mass", quantus.RelevanceMassAccuracy, {}),
        ("localization_auc", quantus.AUC, {}),
        ("topk_intersection", quantus.TopKIntersection, {"k": 50}),
    ],
)
def test_localization_is_that_of_quantus(net, explained, name, metric, options):
    rng = np.random.default_rng(3)
    positive = handmade.replace(explained, values=rng.random(explained.values.shape).astype(np.float32))
    evidence = rng.random(explained.values.shape) < 0.2
    theirs = ask(
        metric(normalise=False, abs=False, **options, **QUIET), net, positive, s_batch=evidence.astype(int)
    )
    ours = wb.evaluate(positive, net, {name: options}, evidence=evidence)[name]
    np.testing.assert_allclose(ours, theirs, **TOLERANCE)


# robustness


@pytest.mark.parametrize(
    ("name", "metric"),
    [("max_sensitivity", quantus.MaxSensitivity), ("avg_sensitivity", quantus.AvgSensitivity),
     ("local_lipschitz", quantus.LocalLipschitzEstimate), ("relative_input_stability", quantus.RelativeInputStability),
     ("relative_output_stability", quantus.RelativeOutputStability)],
)  # fmt: skip
def test_robustness_is_that_of_quantus(net, digits, name, metric, monkeypatch):
    e = wb.explain(
        net, digits.test[:3].x + 0.5, "saliency"
    )  # No pixel is 0: what relative changes are there is a choice.
    samples, radius = 4, 0.01
    space = Space(torch.tensor(e.inputs))
    copies = iter([robustness._nearby(space, k, radius, 0) for k in range(samples)])

    def explain_func(model, inputs, targets, **_):
        return wb.explain(net, np.asarray(inputs, np.float32), "saliency", target=np.asarray(targets)).values

    options = {
        "nr_samples": samples,
        "perturb_func": lambda arr, **_: next(copies).reshape(arr.shape),
        **QUIET,
    }
    options |= (
        {}
        if "relative" in name
        else {"normalise": False, "abs": False, "return_nan_when_prediction_changes": False}
    )
    theirs = ask(metric(**options), net, e, explain_func=explain_func, softmax=False)
    ours = judged(net, e, name, n_samples=samples, radius=radius)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


# randomization


def test_the_rank_correlation_of_randomized_models_is_that_of_scipy_by_hand(net, explained):
    # Quantus draws other weights (its own seeds, and it resets the layers from the input on); held to the paper by hand.
    from scipy.stats import spearmanr

    from workbench.evaluation.controls import layers_from_the_top, partly_randomized

    names, found = layers_from_the_top(net, lambda: net(torch.tensor(explained.inputs[:1]))), []
    for k in range(len(names)):
        other = wb.explain(
            partly_randomized(net, names[: k + 1]),
            explained.inputs,
            "input_x_gradient",
            target=explained.target,
        )
        found.append(
            [
                spearmanr(np.abs(a.ravel()), np.abs(b.ravel())).statistic
                for a, b in zip(explained.values, other.values, strict=True)
            ]
        )
    np.testing.assert_allclose(judged(net, explained, "randomization"), np.mean(found, axis=0), **TOLERANCE)


def test_the_entropy_of_a_map_is_that_of_quantus():
    from quantus.functions.complexity_func import discrete_entropy

    from workbench.evaluation.randomization import BINS, _entropy

    maps = np.random.default_rng(0).normal(size=(4, 1, 9, 9))
    theirs = [discrete_entropy(a=m, x=m, n_bins=BINS) for m in maps]
    np.testing.assert_allclose(_entropy(maps), theirs, **TOLERANCE)


def test_random_logit_is_that_of_quantus(net, explained, monkeypatch):
    from quantus.functions.similarity_func import cosine  # A distance there.

    drawn = []
    again = wb.Explanation.replay

    def watched(self, model, inputs=None, target=None):
        drawn.append(target)
        return again(self, model, inputs, target)

    monkeypatch.setattr(wb.Explanation, "replay", watched)
    ours = judged(net, explained, "random_logit")
    other = wb.explain(net, explained.inputs, "input_x_gradient", target=drawn[0]).values
    assert (drawn[0] != explained.target).all()
    theirs = [1 - cosine(a.ravel(), b.ravel()) for a, b in zip(explained.values, other, strict=True)]
    np.testing.assert_allclose(ours, theirs, **TOLERANCE)


# axiomatic


def test_non_sensitivity_is_that_of_the_paper_by_hand(net, digits):
    # Quantus perturbs by draws of a uniform distribution that it does not hand out; held to the paper by hand.
    e = wb.explain(net, digits.test[:2], "input_x_gradient")
    space = Space(torch.tensor(e.inputs))
    count = int(free_features(space)[0])
    found = []
    for row in range(2):
        whole = probabilities(net, e.inputs[row : row + 1], e.target[row : row + 1])
        versions = np.repeat(e.inputs[row : row + 1], 2 * count, 0).reshape(2, count, -1)
        versions[0, np.arange(count), np.arange(count)] = 0
        versions[1, np.arange(count), np.arange(count)] = e.inputs[1 - row].ravel()
        moved = [
            np.abs(probabilities(net, v.reshape(-1, 1, 28, 28), np.full(count, e.target[row])) - whole)
            for v in versions
        ]
        found.append(moved)
    ours = judged(net, e, "non_sensitivity", n_samples=40)  # Of two rows, forty draws hold both orders.
    theirs = [
        ((np.max(m, axis=0) > 1e-5) != (np.abs(e.values[row].ravel()) > 1e-5)).sum()
        for row, m in enumerate(found)
    ]
    np.testing.assert_allclose(
        ours, theirs, atol=2
    )  # A probability at the very threshold may round to either side.
