"""Local explanations added up over rows are their means, with honest errors."""

from dataclasses import replace

import numpy as np
import pytest
from nets import NINE, linear

import workbench as wb
from workbench.errors import BadInput, NotExplainable
from workbench.explanation.answers import standard_error


def towards(model, rows, method, c, **options):
    return wb.explain(model, rows, method, target=c, **options).values


def test_mean_shap_is_the_mean_size_of_the_rows_values(mlp, clouds):
    e = wb.explain(mlp, clouds.test, "mean_shap", of="exact_shapley", data=clouds)
    assert e.values.shape == (3, 5)
    assert e.feature_names == clouds.feature_names
    for c in range(3):
        each = towards(mlp, clouds.test, "exact_shapley", c)
        np.testing.assert_allclose(e.values[c], np.abs(each).mean(0), rtol=1e-5)
        np.testing.assert_allclose(e.settings["signed"][c], each.mean(0), rtol=1e-4, atol=1e-6)
        spread = np.abs(each).std(0, ddof=1) / len(each) ** 0.5
        np.testing.assert_allclose(e.settings["error"][c], spread, rtol=1e-4)
    assert e.settings.get("sampling_error", 0) == 0
    assert not e.signed


def test_of_a_linear_model_it_is_known():
    rng = np.random.default_rng(0)
    x, weights = rng.normal(size=(30, 4)).astype(np.float32), rng.normal(size=(3, 4))
    e = wb.explain(linear(weights), x, "mean_shap", options={"n_samples": 100})
    np.testing.assert_allclose(e.values, np.abs(weights) * np.abs(x).mean(0), rtol=1e-4)


def test_sampling_error_is_said(lenet, digits):
    e = wb.explain(lenet, digits.test[:3], "mean_shap", options={"n_samples": 60}, feature_mask=NINE)
    assert e.settings["sampling_error"] > 0
    assert e.values.shape == (10, 1, 28, 28)


def test_rows_of_a_cluster_are_one_draw(mlp, clouds):
    twice = clouds.test[np.repeat(np.arange(len(clouds.test)), 2)]
    known = replace(twice, clusters=np.repeat(np.arange(len(clouds.test)), 2))
    alone, doubled, fooled = (
        wb.explain(mlp, rows, "gim", of="input_x_gradient").settings["error"]
        for rows in (clouds.test, known, replace(twice, clusters=np.arange(len(twice))))
    )
    np.testing.assert_allclose(doubled, alone, rtol=1e-4)
    assert (fooled < 0.75 * alone).all()


def test_an_error_needs_two_draws():
    with pytest.raises(BadInput, match="There is 1 cluster of rows"):
        standard_error(np.zeros((3, 2)), np.zeros(3))


@pytest.mark.parametrize("of", ["saliency", "integrated_gradients", "occlusion"])
def test_gim_adds_up_any_local_method(mlp, clouds, of):
    e = wb.explain(mlp, clouds.test, "gim", of=of, data=clouds)
    assert (
        wb.explain(mlp, clouds.test, "gim").settings["of"] == "feature_ablation"
    )  # any model can be asked that
    for c in range(3):
        np.testing.assert_allclose(
            e.values[c], np.abs(towards(mlp, clouds.test, of, c)).mean(0), rtol=1e-4, atol=1e-6
        )
    assert e.n_forward > 3 * len(clouds.test)


def test_baselines_and_groups_reach_the_local_method(mlp, clouds):
    given = {"baselines": clouds.train.x[0], "feature_mask": [0, 0, 1, 1, 2]}
    e = wb.explain(mlp, clouds.test, "gim", of="exact_shapley", **given)
    np.testing.assert_allclose(
        e.values[1], np.abs(towards(mlp, clouds.test, "exact_shapley", 1, **given)).mean(0), rtol=1e-4
    )
    assert e.replay(mlp, clouds.test).fingerprint == e.fingerprint


def test_a_category_is_one_feature(clerk, people):
    e = wb.explain(clerk, people.test, "gim", data=people)
    assert e.values.shape == (2, 4)
    assert e.feature_names == people.feature_names


def test_what_gives_no_shapley_values_is_answered_with_what_does(mlp, clouds):
    with pytest.raises(
        BadInput, match=r"of is 'saliency', which gives no Shapley values.*exact_shapley, kernel_shap"
    ):
        wb.explain(mlp, clouds.test, "mean_shap", of="saliency")


def test_what_cannot_be_added_up_is_refused(mlp, clouds, reader, reviews):
    with pytest.raises(BadInput, match="prototypes gives no attributions of rows"):
        wb.explain(mlp, clouds.test, "gim", of="prototypes")
    with pytest.raises(BadInput, match="ale gives no attributions of rows"):
        wb.explain(mlp, clouds.test, "gim", of="ale")
    with pytest.raises(BadInput, match="saliency has no option called 'n_steps'"):
        wb.explain(mlp, clouds.test, "gim", of="saliency", options={"n_steps": 3})
    with pytest.raises(BadInput, match=r"grad_cam was given baselines"):
        wb.explain(mlp, clouds.test, "gim", of="grad_cam", baselines=0.5)
    with pytest.raises(NotExplainable, match="grad_cam cannot explain this model"):
        wb.explain(mlp, clouds.test, "gim", of="grad_cam")
    with pytest.raises(BadInput, match=r"gim was given no rows.*half='structural'"):
        wb.explain(mlp, None, "gim")
    with pytest.raises(NotExplainable, match="whose places hold another word in each row"):
        wb.explain(reader, reviews.test, "mean_shap", data=reviews)
