"""Deletion and insertion: areas under curves that are arithmetic, and under a loop that hides nothing."""

from itertools import pairwise

import handmade
import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

import workbench as wb
from workbench.errors import BadInput

SIDE, STEPS = 28, 28
PIXELS = SIDE * SIDE


class Known(nn.Module):
    """Gives class 0 a probability that is a known function of the input."""

    def __init__(self, probability):
        super().__init__()
        self.probability = probability

    def forward(self, x):
        p = self.probability(x).double().clamp(1e-9, 1 - 1e-9)
        return torch.stack([p.log(), (1 - p).log()], 1).float()


FIRST = Known(lambda x: x.flatten(1)[:, 0])  # only the first pixel counts
SHARE = Known(lambda x: x.flatten(1).mean(1))  # the share of ink that is left


def judged(model, values, x=None, metrics=("deletion", "insertion"), **settings):
    x = np.ones((1, 1, SIDE, SIDE)) if x is None else x
    return wb.evaluate(handmade.explanation(model, x, values, **settings), model, metrics)


def ranked(first):
    """A map in which the first pixel has so many pixels before it."""
    order = np.arange(PIXELS, dtype=float)[::-1] - PIXELS
    order[0] = np.sort(order[1:])[::-1][first - 1] - 0.5 if first else 1.0
    return order.reshape(1, 1, SIDE, SIDE)


# known answers


@pytest.mark.parametrize(("before", "gone_at"), [(0, 1), (27, 1), (28, 2), (400, 15), (783, 28)])
def test_a_step_is_where_the_pixel_that_counts_is_ranked(before, gone_at):
    scores = judged(FIRST, ranked(before))
    area = (gone_at - 0.5) / STEPS  # one until the step before, zero from it on, a line between
    assert scores["deletion"] == pytest.approx(area, abs=1e-5)
    assert scores["insertion"] == pytest.approx(1 - area, abs=1e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_where_all_pixels_count_alike_every_order_gives_a_half(seed):
    values = np.random.default_rng(seed).normal(size=(1, 1, SIDE, SIDE))
    scores = judged(SHARE, values)
    assert scores["deletion"] == pytest.approx(0.5, abs=1e-5)
    assert scores["insertion"] == pytest.approx(0.5, abs=1e-5)


def test_hiding_is_replacing_by_the_baseline():
    scores = judged(SHARE, ranked(0), baselines=0.5)
    assert scores["deletion"] == pytest.approx(0.75, abs=1e-5)
    assert judged(SHARE, ranked(0), baselines=1.0)["deletion"] == pytest.approx(1, abs=1e-5)


def test_all_channels_of_a_pixel_go_together():
    red = Known(lambda x: x[:, 0].flatten(1)[:, 0])
    values = np.zeros((1, 3, SIDE, SIDE))
    values[0, 2, 0, 0] = 1  # blue is what was marked, and red goes with it
    assert judged(red, values, np.ones((1, 3, SIDE, SIDE)))["deletion"] == pytest.approx(
        0.5 / STEPS, abs=1e-5
    )


def test_one_channel_of_values_ranks_the_pixels_of_three():
    values = ranked(400)
    three = np.ones((1, 3, SIDE, SIDE))
    assert judged(SHARE, values, three)["deletion"] == pytest.approx(0.5, abs=1e-5)


def test_a_table_goes_column_by_column():
    first = Known(lambda x: x[:, 0])
    scores = judged(first, np.array([[1.0, 4.0, 3.0, 2.0]]), np.ones((1, 4)))
    counts = np.round(np.arange(STEPS + 1) * 4 / STEPS)
    curve = (counts < 4).astype(float)  # the first column goes last
    assert scores["deletion"] == pytest.approx(((curve[1:] + curve[:-1]) / 2).mean(), abs=1e-5)


# agreement


def by_loop(model, x, values, target, keep):
    """Deletion or insertion of one input, pixel by pixel."""
    order = np.argsort(-values.sum(0).ravel(), kind="stable")
    curve = []
    for step in range(STEPS + 1):
        touched = order[: round(step * PIXELS / STEPS)]
        image = np.zeros(PIXELS, np.float32) if keep else x.ravel().copy()
        image[touched] = x.ravel()[touched] if keep else 0
        with torch.no_grad():
            z = model(torch.tensor(image.reshape(1, 1, SIDE, SIDE))).numpy()[0]
        curve.append(softmax(z)[target])
    return np.mean([(a + b) / 2 for a, b in pairwise(curve)])


def test_both_are_those_of_a_loop(lenet, digits):
    e = wb.explain(lenet, digits.test[:4], "integrated_gradients", n_steps=8)
    scores = wb.evaluate(e, lenet, ("deletion", "insertion"))
    for name, keep in (("deletion", False), ("insertion", True)):
        expected = [by_loop(lenet.model, e.inputs[i], e.values[i], e.target[i], keep) for i in range(4)]
        np.testing.assert_allclose(scores[name], expected, atol=1e-5)


# laws


def test_only_the_order_of_values_counts(lenet, digits):
    e = wb.explain(lenet, digits.test[:3], "integrated_gradients", n_steps=8)
    scaled = handmade.replace(e, values=100 * e.values + 7)
    a, b = (wb.evaluate(each, lenet, ("deletion", "insertion")) for each in (e, scaled))
    assert a["deletion"].tolist() == b["deletion"].tolist()


def test_a_map_and_its_opposite_mirror_each_other():
    values = ranked(300)
    up, down = judged(FIRST, values), judged(FIRST, -values)
    assert up["deletion"] == pytest.approx(down["insertion"], abs=1e-5)


# refusals


@pytest.mark.parametrize(
    ("method", "options"), [("grad_cam", {"upsample": False}), ("activation", {"layer": "fc1"})]
)
def test_values_that_are_no_map_of_the_input_are_refused(lenet, digits, method, options):
    e = wb.explain(lenet, digits.test[:2], method, **options)
    with pytest.raises(BadInput, match="The values have the shape"):
        wb.evaluate(e, lenet, ("deletion",))


# one by one, and by shares


@pytest.mark.parametrize(("before", "step"), [(0, 1), (10, 1), (100, 50)])
def test_pixels_flip_one_by_one_or_so_many_at_a_time(before, step):
    flipped = wb.evaluate(handmade.explanation(FIRST, np.ones((1, 1, SIDE, SIDE)), ranked(before)), FIRST,
                          {"pixel_flipping": {"features_in_step": step}})["pixel_flipping"]  # fmt: skip
    gone_at = -(-(before + 1) // step) * step
    assert flipped == pytest.approx((gone_at - step / 2) / PIXELS, abs=1e-5)


def test_a_net_that_reads_one_pixel_loses_it_in_every_share_that_holds_it():
    for before, lost in (
        (0, 5),
        (8, 4),
        (100, 2),
        (200, 1),
        (700, 0),
    ):  # 1, 5, 10, 20, 50 % are 8, 40, 79, 157, 392 pixels.
        scores = judged(FIRST, ranked(before), metrics=("comprehensiveness", "sufficiency"))
        assert scores["comprehensiveness"] == pytest.approx(lost / 5, abs=1e-5)
        assert scores["sufficiency"] == pytest.approx(1 - lost / 5, abs=1e-5)


def test_what_grows_with_every_pixel_is_monotone_and_what_falls_once_is_not():
    values = np.arange(PIXELS, dtype=float).reshape(1, 1, SIDE, SIDE)
    hurt = Known(lambda x: 0.5 + x.flatten(1)[:, 400:].sum(1) / PIXELS - 0.2 * x.flatten(1)[:, 30])
    assert judged(SHARE, values, metrics=("monotonicity",))["monotonicity"] == 1
    strict, share = (wb.evaluate(handmade.explanation(hurt, np.ones((1, 1, SIDE, SIDE)), values), hurt,
                                 {"monotonicity": {"strict": s}})["monotonicity"] for s in (True, False))  # fmt: skip
    assert strict == 0 and share == pytest.approx(27 / 28)


def test_every_faithfulness_score_of_columns_and_words_stands_beside_its_floor():
    for name in ("german_credit", "movie_reviews"):
        data = wb.load(name).subset(train=80, valid=10, test=10)
        model = wb.build("mlp" if data.kind == "table" else "lstm_attention", data)
        e = wb.explain(model, data.test[:3], "feature_ablation", data=data)
        table = wb.metrics()
        faithful = [m for m in table[table.category == "faithfulness"].index if m != "road"]
        scores = wb.evaluate(e, model, faithful, data=data).table()
        assert scores["floor"].notna().all() and scores["mean"].notna().all()
