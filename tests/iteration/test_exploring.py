"""The panel shows what was asked for last; slow work can be cancelled, errors are said in it, models come back as they were."""

import itertools
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.errors import BadInput
from workbench.iteration import exploring
from workbench.iteration.exploring import _options


@pytest.fixture(scope="module")
def pair(narrow, decoys):
    return wb.quantize(narrow, data=decoys)


def finished(panel):
    panel.worker.join(60)
    assert not panel.worker.is_alive()
    return panel


def test_what_was_chosen_is_explained_by_both_models_for_the_class_of_the_first(pair, decoys):
    panel = wb.explore(pair, decoys)
    panel.at.value, panel.method.value, panel.options.value = 3, "occlusion", "window=7, strides=7"
    panel.run()
    finished(panel)
    assert list(panel.shown) == ["original", "compressed"]
    by_hand = wb.explain(pair.original, decoys.test[[3]], "occlusion", window=7, strides=7)
    np.testing.assert_array_equal(panel.shown["original"].values, by_hand.values)
    assert panel.shown["compressed"].target[0] == by_hand.target[0]
    assert (
        bytes(panel.picture.value).startswith(b"\x89PNG")
        and "cosine" in panel.said.value
        and "ms" in panel.said.value
    )
    assert panel.cancel.disabled


def test_another_class_and_the_next_input(narrow, decoys):
    panel = wb.explore(narrow, decoys, split="train")
    panel.target.value, panel.method.value = "4", "saliency"
    panel.on.click()
    finished(panel)
    assert panel.at.value == 1 and panel.shown["model"].target[0] == 4
    assert panel.shown["model"].row_ids[0] == decoys.train.row_ids[1]
    panel.back.click()
    finished(panel)
    assert panel.at.value == 0


class Slow(nn.Module):
    """A network that waits until it is told to go on, and counts how often it is asked."""

    def __init__(self):
        super().__init__()
        self.layer, self.asked, self.go = nn.Linear(4, 3), 0, threading.Event()

    def forward(self, x):
        self.asked += 1
        self.go.wait(20)
        return self.layer(x.flatten(1))


@pytest.fixture
def table():
    return wb.from_arrays(np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32), np.arange(40) % 3)


def test_slow_work_is_cancelled_before_the_next_forward_and_leaves_no_hook(table):
    net = Slow()
    panel = wb.explore(net, table)
    panel.method.value = "feature_ablation"
    panel.run()
    assert not panel.cancel.disabled
    panel.cancel.click()
    assert "Cancelled" in panel.said.value and panel.cancel.disabled
    net.go.set()
    finished(panel)
    assert panel.shown == {} and net.asked <= 1 and not net._forward_pre_hooks
    panel.run()
    finished(panel)
    assert panel.shown["model"].values.shape == (1, 4)


def test_errors_are_shown_in_the_panel_and_the_old_picture_stays(narrow, decoys):
    panel = wb.explore(narrow, decoys)
    panel.method.value = "occlusion"
    panel.options.value = "windw=3"
    panel.run()
    finished(panel)
    assert "no option called" in panel.said.value and panel.shown == {}
    panel.options.value = "import os"
    panel.run()
    assert "cannot be read" in panel.said.value
    panel.options.value = "window=999"
    panel.run()
    finished(panel)
    assert panel.shown == {} and panel.said.value


def test_the_clock_never_hides_what_was_found_while_it_was_read(table, monkeypatch):
    panel, done, readings = wb.explore(nn.Linear(4, 3), table), threading.Event(), itertools.count()
    fails = threading.Thread(target=panel._failed, args=(panel._number, "it failed"))

    def monotonic():
        """At the second reading, which is in the middle of saying how long it takes, the question fails."""
        if next(readings) == 1:
            fails.start()
            fails.join(0.3)
        return 0.0

    monkeypatch.setattr(exploring, "time", SimpleNamespace(monotonic=monotonic))
    worker = threading.Thread(target=done.wait, daemon=True)
    worker.start()
    panel._watch(worker, panel._number)
    fails.join()
    done.set()
    assert "it failed" in panel.said.value


@pytest.mark.parametrize("text", ["3", "a", "a=b", "a=1) + f(", "**{}", "__import__('os')", "method='lime'"])
def test_options_are_plain_values(text):
    with pytest.raises(BadInput):
        _options(text)


def test_columns_and_estimators_are_explored_too(table):
    glass = wb.fit(wb.build("logistic", table), table)
    panel = wb.explore({"glass": glass}, table)
    panel.method.value = "feature_ablation"
    panel.run()
    finished(panel)
    assert panel.shown["glass"].values.shape == (1, 4)


def test_what_cannot_be_explored_is_refused(narrow, table, decoys):
    with pytest.raises(BadInput, match="3 models were given"):
        wb.explore(dict.fromkeys("abc", narrow), decoys)
    with pytest.raises(BadInput, match="no rows to explore in 'training'"):
        wb.explore(narrow, decoys, split="training")


def test_the_model_is_untouched(narrow, decoys, unchanged):
    panel = wb.explore(narrow, decoys)
    with unchanged(narrow.model):
        panel.run()
        finished(panel)
    assert torch.is_grad_enabled()
