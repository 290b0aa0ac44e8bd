"""Occlusion and ablation agree with captum, part by part, and with arithmetic."""

import captum.attr
import numpy as np
import pytest
import torch
from nets import NINE, Convolutional, linear

import workbench as wb
from workbench.errors import BadInput


def test_hiding_one_column_of_a_line_loses_its_share():
    x = np.array([[1.0, 2, 4], [-1, 0.5, 0]], dtype=np.float32)
    e = wb.explain(
        linear([[1, -2, 0.5], [0, 0, 0]]),
        x,
        "occlusion",
        target=0,
        baselines=[0.0, 1, 2],
        window=1,
        strides=1,
    )
    np.testing.assert_allclose(e.values, [[1, -2, 1], [-1, 1, -1]], atol=1e-6)


def test_two_windows_over_one_column_count_their_mean():
    x = np.ones((1, 3), dtype=np.float32)
    e = wb.explain(linear([[1, 2, 4], [0, 0, 0]]), x, "occlusion", target=0, window=2, strides=1)
    np.testing.assert_allclose(e.values, [[3, 4.5, 6]])


def test_channels_go_whole():
    torch.manual_seed(0)
    net = Convolutional(channels=2).eval()
    values = wb.explain(
        net, np.random.default_rng(0).random((2, 2, 8, 8), np.float32), "occlusion", window=3
    ).values
    np.testing.assert_array_equal(values[:, 0], values[:, 1])


WINDOWS = [
    (4, 4),
    (7, 3),
    (5, 5),
    (9, 4),
    ((3, 8), (2, 5)),
    ((28, 5), (28, 3)),
    (1, 1),
    (28, 28),
    (6, 6),
    ((10, 7), (7, 7)),
]


@pytest.mark.parametrize(("window", "strides"), WINDOWS, ids=str)
def test_occlusion_of_images_is_that_of_captum(tiny, images, window, strides):
    def sides(size):
        return (1, size, size) if isinstance(size, int) else (1, *size)

    baselines = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    x, target = torch.tensor(images[:2]), [3, 5]
    theirs = captum.attr.Occlusion(tiny).attribute(
        x, sides(window), sides(strides), baselines, target, perturbations_per_eval=64
    )
    ours = wb.explain(
        tiny, x, "occlusion", target=target, window=window, strides=strides, baselines=baselines
    )
    np.testing.assert_allclose(ours.values, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("window", "strides"), [(1, 1), (2, 1), (3, 2), (2, 2), (5, 4)])
def test_occlusion_of_columns_is_that_of_captum(mlp, clouds, window, strides):
    x = torch.tensor(clouds.test.x[:4])
    theirs = captum.attr.Occlusion(mlp.model).attribute(x, (window,), (strides,), target=1)
    ours = wb.explain(mlp, x, "occlusion", target=1, window=window, strides=strides)
    np.testing.assert_allclose(ours.values, theirs, rtol=1e-4, atol=1e-5)


def test_a_background_counts_by_its_mean(mlp, clouds):
    rows = clouds.train.x[:3]
    each = [wb.explain(mlp, clouds.test[:4], "occlusion", baselines=row).values for row in rows]
    e = wb.explain(mlp, clouds.test[:4], "occlusion", background=rows)
    np.testing.assert_allclose(e.values, np.mean(each, 0), rtol=1e-4, atol=1e-5)


def test_the_windows_that_were_used_are_said(tiny, mlp, clouds, images):
    assert wb.explain(tiny, images, "occlusion").settings["window"] == [4, 4]
    assert wb.explain(tiny, images, "occlusion").settings["strides"] == [2, 2]
    assert wb.explain(tiny, images, "occlusion", window=(6, 3)).settings["strides"] == [3, 1]
    e = wb.explain(mlp, clouds.test[:2], "occlusion")
    assert (e.settings["window"], e.settings["strides"]) == ([1], [1])


@pytest.mark.parametrize("kind", [int, np.int64, np.int8])
def test_any_whole_number_is_a_window(tiny, images, kind):
    a, b = (wb.explain(tiny, images[:1], "occlusion", window=size).values for size in (kind(7), (7, 7)))
    np.testing.assert_array_equal(a, b)


REFUSED = [({"window": 29}, "window is 29 but the axis has 28"), ({"window": (28, 30)}, "window is 30"),
           ({"window": 3, "strides": 4}, "strides is 4 but window is 3.*no window hides"),
           ({"window": 0}, "window is 0"), ({"window": -2}, "window is -2"), ({"window": 2.5}, "window is 2.5"),
           ({"window": "large"}, "window is 'large'"), ({"window": (1, 4, 4)}, "2 of them.*Channels always go whole"),
           ({"strides": (2,)}, "strides is"), ({"strides": 0}, "strides is 0")]  # fmt: skip


@pytest.mark.parametrize(("options", "words"), REFUSED, ids=str)
def test_windows_that_make_no_sense_are_refused(tiny, images, options, words):
    with pytest.raises(BadInput, match=words):
        wb.explain(tiny, images, "occlusion", **options)


# one group alone


def test_hiding_each_column_of_a_line_loses_its_share():
    x = np.array([[1.0, 2, 4], [-1, 0.5, 0]], dtype=np.float32)
    e = wb.explain(linear([[1, -2, 0.5], [0, 0, 0]]), x, "feature_ablation", target=0, baselines=[0.0, 1, 2])
    np.testing.assert_allclose(e.values, [[1, -2, 1], [-1, 1, -1]], atol=1e-6)
    assert e.delta is None


def test_what_two_columns_both_tell_is_missed():
    e = wb.explain(lambda x: x.max(1), np.ones((1, 2), np.float32), "feature_ablation", output="raw")
    np.testing.assert_array_equal(e.values, [[0, 0]])


@pytest.mark.parametrize(
    "mask", [NINE, None, np.arange(784).reshape(28, 28) % 5], ids=["nine", "patches", "five"]
)
def test_ablation_of_images_is_that_of_captum(tiny, images, mask):
    side = np.arange(28) // 4
    groups = side[:, None] * 7 + side if mask is None else mask
    theirs = captum.attr.FeatureAblation(tiny).attribute(
        torch.tensor(images),
        baselines=0.3,
        target=2,
        feature_mask=torch.tensor(np.broadcast_to(groups, (1, 1, 28, 28)).copy()),
    )
    e = wb.explain(tiny, images, "feature_ablation", baselines=0.3, target=2, feature_mask=mask)
    sizes = np.bincount(groups.ravel())[groups]  # A group shares its value, where captum repeats it.
    np.testing.assert_allclose(e.values * sizes, theirs, rtol=1e-4, atol=1e-5)
    assert e.n_forward == 5 + 1 + 5 + 5 * (groups.max() + 1)


def test_each_row_may_have_groups_of_its_own():
    x, mask = np.ones((2, 4), dtype=np.float32), np.array([[0, 0, 1, 1], [0, 1, 1, 1]])
    e = wb.explain(lambda x: x @ [1.0, 2, 4, 8], x, "feature_ablation", output="raw", feature_mask=mask)
    np.testing.assert_allclose(e.values, [[1.5, 1.5, 6, 6], [1, 14 / 3, 14 / 3, 14 / 3]], rtol=1e-6)


def test_a_background_of_ablation_counts_by_its_mean(mlp, clouds):
    rows = clouds.train.x[:3]
    each = [wb.explain(mlp, clouds.test[:4], "feature_ablation", baselines=row).values for row in rows]
    e = wb.explain(mlp, clouds.test[:4], "feature_ablation", background=rows)
    np.testing.assert_allclose(e.values, np.mean(each, 0), rtol=1e-4, atol=1e-5)
    assert "marginal" in e.estimand
