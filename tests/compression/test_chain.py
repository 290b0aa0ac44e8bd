"""The chain: the steps in order with one report, and what an interrupt leaves."""

import numpy as np
import pytest
import torch
from reviews import made_up

import workbench as wb
from workbench.compression import chain
from workbench.errors import BadInput
from workbench.int8.conversion import is_int8

QUICK = {"epochs": 1, "verbose": False}


def names(compressed):
    return [step["what"] for step in compressed.steps]


def test_the_usual_chain_of_an_image_network(narrow, few, tmp_path, unchanged):
    with unchanged(narrow.model):
        small = wb.compress(narrow, few, path=tmp_path / "small.wbp", **QUICK)
    assert names(small) == ["prune", "quantize", "pack"] and is_int8(small.model)
    assert small.steps[0]["channels"] == 0.5 and small.report["interrupted"] == []
    x = torch.tensor(few.test.x[:20])
    assert torch.equal(wb.unpack(tmp_path / "small.wbp")(x), small.model(x))
    assert small.report["packed"]["bytes"] == (tmp_path / "small.wbp").stat().st_size
    assert (
        small.original is narrow.model
        and f"packed into {small.steps[2]['bytes']:,} bytes" in small._repr_html_()
    )


def test_the_usual_chain_of_a_text_network():
    data = made_up(60)
    small = wb.compress(wb.build("transformer", data, width=8, layers=1), data, **QUICK)
    assert [(step["what"], step["how"]) for step in small.steps] == [
        ("prune", "weights"),
        ("quantize", "dynamic"),
    ]


def test_rounds_end_with_a_long_one(narrow, few):
    small = wb.compress(
        narrow,
        few,
        prune=0.9,
        epochs=[1, 1, 2],
        quantize=None,
        preserve=["behaviour", "copies"],
        verbose=False,
    )
    assert small.steps[0]["rounds"] == 3 and small.steps[0]["epochs"] == [1, 1, 2]
    assert small.steps[0]["preserve"] == {"behaviour": None, "copies": ["masks"]}


def test_shared_values_are_measured(narrow, few, tmp_path):
    small = wb.compress(narrow, few, prune=0.9, quantize=None, path=tmp_path / "a", shared=4, **QUICK)
    x, weights = torch.tensor(few.test.x), small.model.fc1.weight
    assert len(weights[weights != 0].unique()) <= 4
    with torch.no_grad():
        assert small.report["after"]["accuracy"] == pytest.approx(
            np.mean(small.model(x).argmax(1).numpy() == few.test.y)
        )


@pytest.mark.parametrize(
    ("stopped", "done"), [("pruned", []), ("quantized", ["prune"]), ("pack", ["prune", "quantize"])]
)
def test_an_interrupt_leaves_a_usable_model_and_says_what_was_done(
    narrow, few, tmp_path, monkeypatch, stopped, done
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(chain, stopped, stop)
    with pytest.warns(UserWarning, match="Interrupted during"):
        small = wb.compress(narrow, few, path=tmp_path / "a", **QUICK)
    assert names(small) == done and small.report["interrupted"] == ["prune", "quantize", "pack"][len(done) :]
    assert small.model(torch.tensor(few.test.x[:2])).shape == (2, 10)
    assert "without" in small._repr_html_() and repr(small).startswith("Compressed(")
    assert not (tmp_path / "a").exists()
    c = wb.compare(narrow, small, few, methods=["occlusion"], references=0, n=20, verbose=False)
    assert c.verdict.word == "cannot tell"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prune": 0.5, "channels": 0.5}, "prune is 0.5 and channels is 0.5"),
        ({"prune": 0.0, "quantize": None}, "nothing to do"),
        ({"how": "weights"}, "how is 'weights' without an amount"),
    ],
)
def test_what_makes_no_sense_is_refused(narrow, few, options, words):
    with pytest.raises(BadInput, match=words):
        wb.compress(narrow, few, **options)
