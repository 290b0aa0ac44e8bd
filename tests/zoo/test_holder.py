"""What holds a model beside a record is taken wherever a model is."""

from torch import nn

import workbench as wb
from workbench.zoo.holder import Holder, unwrap


class Found(Holder):
    """A holder of a model and what was found in it."""

    def __init__(self, model, found):
        self.model, self.found = model, found

    def _beside(self):
        return self.found


def test_a_holder_unpacks_into_the_model_and_what_stands_beside():
    net = nn.Linear(1, 1)
    model, found = Found(net, "something")
    assert (model, found) == (net, "something")
    model, nothing = type("Bare", (Holder,), {"model": net})()
    assert (model, nothing) == (net, None)


def test_a_model_is_taken_out_of_its_holder_and_any_other_is_as_it_is():
    net = nn.Linear(1, 1)
    assert unwrap(Found(net, 0)) is unwrap(wb.Fitted(net, {})) is unwrap(net) is net
    assert unwrap(abs) is abs
