"""VGG16 and ResNet18 trained small on shipped pictures: pruned, made int8, twinned and explained from end to end."""

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.evaluation.behaviour import answers
from workbench.int8.certificate import certify
from workbench.int8.surrogate import twin

pytestmark = pytest.mark.slow

SIDE = 32  # pixels; the signs have 48


@pytest.fixture(scope="module", params=["vgg16", "resnet18"])
def deep(request):
    """Traffic signs in the middle of their pictures, and a narrow network that has learnt some of them."""
    signs = wb.load("signs").subset(train=600, valid=60, test=200)
    cut = (signs.input_shape[-1] - SIDE) // 2
    three = list(signs.splits.values())
    x, y = (np.concatenate([getattr(split, name) for split in three]) for name in ("x", "y"))
    ends = np.cumsum([0, *map(len, three)])
    places = {name: list(range(ends[i], ends[i + 1])) for i, name in enumerate(signs.splits)}
    data = wb.from_arrays(
        x[..., cut : cut + SIDE, cut : cut + SIDE], y, splits=places, name="signs of 32 x 32"
    )
    net = wb.fit(wb.build(request.param, data, width=16), data, epochs=12, seed=0, verbose=False)
    return net.model, data


def right(model, data):
    return float((answers(model, data.test) == data.test.y).mean())


def test_it_learns_and_is_compressed_in_every_way(deep):
    net, data = deep
    own = right(net, data)
    assert own > 0.6
    thin = wb.prune(net, 0.8, data=data, epochs=3, rounds=2, verbose=False)
    narrow = wb.prune(net, channels=0.5, how="channels", data=data, epochs=3, verbose=False)
    small = wb.quantize(narrow, data=data)
    assert right(thin.model, data) > own - 0.1 and right(narrow.model, data) > own - 0.15
    assert abs(right(small.model, data) - right(narrow.model, data)) < 0.05
    before, after = (sum(p.numel() for p in m.parameters()) for m in (net, narrow.model))
    assert after < 0.35 * before


def test_int8_has_a_twin_that_is_bit_equal_and_explains(deep):
    net, data = deep
    small = wb.quantize(net, data=data)
    x = torch.tensor(data.test.x[:24])
    path = torch.cat([x * k / 10 for k in range(11)])
    noisy = x + 0.2 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    found = certify(twin(small.model), small.model, torch.cat([path, noisy]))
    assert (found["equal"], found["gap"]) == (1.0, 0.0)
    for method in ("integrated_gradients", "grad_cam", "occlusion", "smooth_grad", "saliency"):
        e = wb.explain(small.model, data.test[:3], method, data=data)
        assert np.isfinite(e.values).all() and np.abs(e.values).max() > 0
    c = wb.compare(net, small, data, n=100, references=[net], sham=net, verbose=False)
    assert c.of("occlusion")["compressed"][0].mean() > 0.9
