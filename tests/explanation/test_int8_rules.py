"""Rules on int8 models: put where the surrogate rounds, so that shares add up to what the int8 model itself gives."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import NotExplainable
from workbench.explanation.registry import table
from workbench.int8.conversion import convert
from workbench.int8.dynamic import convert_dynamic
from workbench.state import seeded

RULED = [name for name, entry in table().items() if "rules" in entry.needs]


@pytest.fixture(scope="module")
def small(lenet, digits):
    return wb.quantize(lenet, data=digits)


def test_no_method_with_a_gradient_is_refused(small, digits):
    table_of = wb.methods(small.model, digits)
    asked = [n for n, entry in table().items() if "gradient" in entry.needs and entry.scope == "local" and "attention" not in entry.needs]  # fmt: skip
    assert set(RULED) < set(asked) and table_of.loc[asked, "can"].all()


@pytest.mark.parametrize("method", RULED)
def test_every_method_with_rules_explains_an_int8_model_much_as_the_float_one(lenet, small, digits, method):
    given = {"background": digits.train[:10]} if method == "deep_shap" else {}
    rows = digits.test[:10]
    own = wb.explain(lenet, rows, method, data=digits, **given)
    e = wb.explain(small, rows, method, target=own.target, data=digits, **given)
    assert wb.similarity(own, e)["cosine"].mean() > 0.9 and "twin" in e.flags


@pytest.mark.parametrize("method", ["deeplift", "deep_shap"])
def test_shares_add_up_to_the_difference_of_the_int8_model_itself(small, digits, method):
    rows, background = digits.test[:20], digits.train[:10]
    given = {"background": background} if method == "deep_shap" else {}
    e = wb.explain(small, rows, method, data=digits, **given)
    with torch.no_grad():
        z = small.model(torch.tensor(rows.x)).numpy()[np.arange(20), e.target]
        none = torch.tensor(background.x) if given else torch.zeros(1, *digits.input_shape)
        z0 = small.model(none).mean(0).numpy()[e.target]
    np.testing.assert_allclose(e.values.reshape(20, -1).sum(1), z - z0, atol=5e-3 * np.abs(z - z0).max())


class Residual(nn.Module):
    """A convolution beside a shortcut, joined by a sum or as channels, with a norm and a ReLU behind."""

    def __init__(self, joined, norm):
        super().__init__()
        self.joined, self.into, self.beside = (
            joined,
            nn.Conv2d(1, 4, 3, padding=1),
            nn.Conv2d(4, 4, 3, padding=1),
        )
        width = 8 if joined else 4
        self.relu, self.last, self.pool = nn.ReLU(), nn.ReLU(), nn.AdaptiveAvgPool2d(2)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.fc = nn.Linear(4 * width, 10)

    def forward(self, x):
        x = self.relu(self.into(x))
        both = torch.cat([x, self.beside(x)], 1) if self.joined else x + self.beside(x)
        return self.fc(self.pool(self.last(self.norm(both))).flatten(1))


@pytest.fixture(scope="module", params=[(joined, norm) for joined in (False, True) for norm in (False, True)])
def residual(request, digits):
    """A network with a shortcut that knows some digits, and its int8 form; some seconds of training."""
    with seeded(1):
        net = Residual(*request.param)
    few = digits.subset(train=600)
    net = wb.fit(net, few, epochs=12, lr=1e-2, verbose=False).model
    return net, convert(net, torch.tensor(few.train.x))


@pytest.mark.parametrize("method", RULED)
def test_the_relu_that_a_sum_or_a_norm_swallowed_is_under_a_rule(residual, digits, method):
    net, int8 = residual
    given = {"background": digits.train[:5]} if method == "deep_shap" else {}
    own = wb.explain(net, digits.test[:60], method, data=digits, **given)
    e = wb.explain(int8, digits.test[:60], method, target=own.target, data=digits, **given)
    sizes = np.abs(own.values).reshape(60, -1).sum(1)
    top = (255 - int8.fc.zero_point) * int8.fc.scale
    # A map of nothing has no direction, and an answer at the top of its grid no slope.
    told = (sizes > 0.01 * sizes.max()) & (e.output < top)
    assert told.sum() >= 10 and wb.similarity(own, e)["cosine"][told].mean() > 0.9
    if e.delta is not None:
        assert np.abs(e.delta).mean() < 0.02 * np.abs(e.output - e.base_values).mean()


def test_dynamic_int8_is_refused_in_words():
    net = convert_dynamic(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.rand(4, 6))
    with pytest.raises(NotExplainable, match=r"int8 layers round batch by batch, which has no rule"):
        wb.explain(net, torch.rand(2, 6), "lrp")
