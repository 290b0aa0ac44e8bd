"""Floors know the input and not the model; a map that means something is above them, nonsense is not."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.evaluation.controls import randomized
from workbench.evaluation.floors import floors
from workbench.explanation.space import Space

RANDOM, DISTANCE, EDGES = "random order inside the input", "distance to the baseline", "edges of the input"
MEAN, UNTRAINED = "mean input of the class", "the same method on a randomized model"


def found(e, model=None, data=None, seed=0, **space):
    return floors(e, model, Space(torch.tensor(e.inputs), **space), data, seed)


@pytest.fixture(scope="module")
def known(trained, digits):
    """A small net that knows most digits, and the explanation of thirty."""
    net = trained("mlp", digits, sizes={"hidden": [64]}, epochs=12, seed=0)
    return net, wb.explain(net, digits.test[:30], "integrated_gradients", n_steps=16)


def test_without_data_nothing_is_compared_with_training(known):
    _, e = known
    assert set(found(e)) == {RANDOM, DISTANCE, EDGES}


def test_with_data_every_floor_is_a_map_of_the_inputs_shape(known, digits):
    net, e = known
    maps = found(e, net.model, digits)
    assert set(maps) == {RANDOM, DISTANCE, EDGES, MEAN, UNTRAINED}
    assert {values.shape for values in maps.values()} == {e.inputs.shape}


def test_a_random_order_puts_what_is_empty_last(known):
    _, e = known
    maps = found(e)[RANDOM]
    assert (maps[e.inputs == 0] == -1).all() and (maps[e.inputs > 0] >= 0).all()
    assert not np.array_equal(maps, found(e, seed=1)[RANDOM]) and np.array_equal(maps, found(e)[RANDOM])


def test_empty_is_what_equals_the_baseline(known):
    _, e = known
    assert (found(e, baselines=1.0)[RANDOM][e.inputs == 1] == -1).all()
    assert found(e, baselines=1.0)[DISTANCE] == pytest.approx(np.abs(e.inputs - 1))


def test_edges_are_the_differences_to_the_neighbours(known):
    _, e = known
    image = np.zeros((1, 1, 5, 5), np.float32)
    image[..., 3:] = 1  # a step between columns 2 and 3
    edges = found(replace(e, inputs=image))[EDGES][0, 0]
    assert edges.tolist() == [[0, 0, 1, 1, 0]] * 5


def test_a_table_has_no_edges():
    net = torch.nn.Linear(3, 2)
    assert set(found(wb.explain(net, np.ones((2, 3), np.float32), "saliency"))) == {RANDOM, DISTANCE}


def test_the_mean_of_a_class_is_that_of_its_training_rows(known, digits):
    net, e = known
    maps, wanted = found(e, net.model, digits)[MEAN], e.target[0]
    assert maps[0] == pytest.approx(digits.train.x[digits.train.y == wanted].mean(0))


def test_a_class_without_rows_has_the_mean_of_all(known, digits):
    net, e = known
    without = replace(digits, train=digits.train[digits.train.y != e.target[0]])
    assert found(e, net.model, without)[MEAN][0] == pytest.approx(without.train.x.mean(0))


def test_the_untrained_floor_is_the_same_method_with_the_same_settings(known, digits):
    net, e = known
    again = wb.explain(
        randomized(net.model, digits, 3), e.inputs, "integrated_gradients", n_steps=16, target=e.target
    )
    assert found(e, net.model, digits, seed=3)[UNTRAINED] == pytest.approx(again.values)


def test_an_untrained_map_beats_a_random_order_of_all_pixels_but_not_the_best_floor(lenet, digits):
    e = wb.explain(lenet, digits.test[:20], "integrated_gradients", n_steps=8)
    untrained = e.replay(randomized(lenet.model, digits, seed=11))
    nonsense = replace(untrained, values=np.abs(untrained.values))
    blind = replace(e, values=np.random.default_rng(0).normal(size=e.values.shape).astype(np.float32))
    scores = {name: wb.evaluate(each, lenet, ("deletion",), data=digits)
              for name, each in {"trained": e, "nonsense": nonsense, "blind": blind}.items()}  # fmt: skip
    mean = {name: s["deletion"].mean() for name, s in scores.items()}
    floor = scores["nonsense"].columns["deletion"].floor.mean()
    assert mean["nonsense"] < mean["blind"] - 0.3
    assert mean["trained"] < floor - 0.05 < floor < mean["nonsense"]
