"""``Compressed`` unpacks, is taken wherever a model is, and says what was done."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch

import workbench as wb
from workbench.compression.compressed import ROWS, Compressed, describe

PRUNED = {"what": "prune", "how": "weights", "amount": 0.9, "channels": None, "epochs": [2, 4, 18], "rounds": 3,
          "preserve": "behaviour"}  # fmt: skip


@pytest.fixture(scope="module")
def small(narrow, few):
    return wb.quantize(wb.prune(narrow, channels=0.5, how="channels"), data=few)


def test_it_unpacks_into_model_and_report(small):
    model, report = small
    assert model is small.model and report is small.report


def test_it_is_taken_wherever_a_model_is(small, few, tmp_path):
    e = wb.explain(small, few.test[:2], "occlusion", window=14)
    assert (
        e.model_fingerprint == wb.explain(small.model, few.test[:2], "occlusion", window=14).model_fingerprint
    )
    again = wb.load_model(wb.save(small, tmp_path / "small.safetensors"))
    x = torch.tensor(few.test.x[:5])
    assert torch.equal(again(x), small.model(x))


def test_its_table_holds_the_report_and_the_ratios(small):
    table, report = small.table(), small.report
    assert list(table.columns) == ["before", "after", "before / after"] and len(table) == len(ROWS)
    for key, label in ROWS.items():
        assert table.loc[label, "before"] == report["before"][key]
    ratio = report["before"]["bytes"] / report["after"]["bytes"]
    assert table.loc["file [bytes]", "before / after"] == ratio > 5


def test_its_line_names_the_steps_and_what_was_gained(small):
    assert repr(small).startswith("Compressed(prune + quantize: ")
    assert small.gain in repr(small) and f"agreement {small.report['agreement']:.3f}" in repr(small)


def _gain(small, bytes, single, batch, nonzero=100):
    """Return the sentence for a model so many times smaller and faster."""
    before = {"bytes": 1000.0, "ms_single": 1.0, "ms_batch": 1.0, "parameters": 100, "nonzero": 100}
    after = {
        "bytes": 1000 / bytes,
        "ms_single": 1 / single,
        "ms_batch": 1 / batch,
        "parameters": 100,
        "nonzero": nonzero,
    }
    return replace(small, report={"before": before, "after": after}).gain


GAINS = {
    (
        1,
        0.9,
        0.8,
    ): "Nothing to gain: the file is 1.00x smaller, and it is 0.90x as fast at one row, 0.80x in a batch of 64.",
    (3.6, 0.7, 1): "Smaller (3.6x), not faster: 0.70x as fast at one row, 1.00x in a batch of 64.",
    (
        3.6,
        0.7,
        1.5,
    ): "Smaller (3.6x), faster only in a batch: 0.70x as fast at one row, 1.50x in a batch of 64.",
    (
        1,
        1.2,
        1,
    ): "Not smaller (1.00x), faster only at one row: 1.20x as fast at one row, 1.00x in a batch of 64.",
    (8, 2, 5): "Smaller (8.0x), faster: 2.0x as fast at one row, 5.0x in a batch of 64.",
}


@pytest.mark.parametrize(("times", "said"), GAINS.items(), ids=str)
def test_the_gain_is_said_in_a_sentence(small, times, said):
    assert _gain(small, *times) == said


def test_zeros_that_take_as_much_room_are_said(small):
    assert _gain(small, 1, 1, 1, nonzero=20).endswith(
        " 80% of the weights are zero, of which only packing makes use."
    )


def test_the_gain_stands_on_the_page(small):
    assert small.gain in small._repr_html_()


def test_it_cannot_be_changed(small):
    with pytest.raises(FrozenInstanceError):
        small.model = None


def test_its_html_is_escaped(small):
    step = {"what": "quantize", "how": "<script>", "calibration": 10}
    page = Compressed(small.model, small.report, small.original, (step,))._repr_html_()
    assert "<script" not in page and "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "90% of the weights removed in 3 rounds, fine-tuned for 2+4+18 epochs, distilled from the original"),
        ({"preserve": None}, "90% of the weights removed in 3 rounds, fine-tuned for 2+4+18 epochs on the labels"),
        ({"epochs": [0], "rounds": 1}, "90% of the weights removed at once, not fine-tuned"),
        ({"how": "channels", "channels": 0.5, "epochs": [0], "rounds": 1},
         "50% of the channels removed at once, not fine-tuned"),
        ({"among": 500, "of": 500, "epochs": [0], "rounds": 1}, "90% of the weights removed at once, not fine-tuned"),
        ({"among": 43_000, "of": 230_000, "protect": [], "epochs": [0], "rounds": 1},
         "90% of the 43,000 weights outside embeddings removed (17% of all) at once, not fine-tuned"),
        ({"among": 400, "of": 500, "protect": ["fc2"], "epochs": [0], "rounds": 1},
         "90% of the 400 weights that may go removed (72% of all) at once, not fine-tuned"),
    ],
)  # fmt: skip
def test_a_step_is_told_in_words(change, words):
    assert describe(PRUNED | change) == words


def test_quantization_is_told_in_words():
    step = {"what": "quantize", "how": "static", "calibration": 1000, "epochs": []}
    assert describe(step) == "int8 (static), calibrated on 1,000 training rows"


def test_what_is_particular_to_tokens_is_told_in_words():
    assert describe({"what": "quantize", "how": "dynamic", "epochs": []}) == (
        "int8 (dynamic), activations rounded batch by batch"
    )
    step = PRUNED | {
        "how": "channels",
        "channels": 0.5,
        "narrowed": ["heads of a", "a.fc1", "b.fc1"],
        "epochs": [0],
        "rounds": 1,
    }
    assert describe(step) == "50% of the heads of a and units of a.fc1, b.fc1 removed at once, not fine-tuned"
