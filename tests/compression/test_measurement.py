"""Reports count what is there: by arithmetic, by the file, by hand."""

import time

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.compression.measurement import compared, layer_weights, macs, milliseconds
from workbench.state import threads

FIELDS = [
    "parameters",
    "nonzero",
    "bytes",
    "macs",
    "ms_single",
    "ms_batch",
    "ms_batch_channels_last",
    "accuracy",
]


class Fixed(nn.Module):
    """Answers a class by the sign of one column of a table, whatever it was taught."""

    def __init__(self, column):
        super().__init__()
        self.column, self.layer = column, nn.Linear(2, 2)

    def forward(self, x):
        z = x[:, [self.column]]
        return torch.cat([-z, z], 1) + 0 * self.layer(x)


@pytest.fixture(scope="module")
def lenet5(digits):
    return wb.build("lenet5", digits)


def test_a_lenet5_has_431080_parameters_and_2293000_multiply_accumulates(lenet5):
    counts = macs(lenet5, torch.zeros(1, 1, 28, 28))
    assert counts == {
        "conv1": 24 * 24 * 20 * 25, "conv2": 8 * 8 * 50 * 20 * 25, "fc1": 800 * 500, "fc2": 500 * 10
    }  # fmt: skip
    assert sum(counts.values()) == 2_293_000
    assert wb.prune(lenet5, 0.5).report["before"]["parameters"] == 431_080


def test_half_the_channels_are_646500_multiply_accumulates(lenet5):
    after = wb.prune(lenet5, channels=0.5, how="channels").report["after"]
    assert after["macs"] == 24 * 24 * 10 * 25 + 8 * 8 * 25 * 10 * 25 + 400 * 250 + 250 * 10 == 646_500


def test_layers_are_listed_in_the_order_in_which_they_run():
    class Upside(nn.Module):
        def __init__(self):
            super().__init__()
            self.second, self.first = nn.Linear(3, 2), nn.Linear(2, 3)

        def forward(self, x):
            return self.second(self.first(x))

    assert list(macs(Upside(), torch.zeros(1, 2))) == ["first", "second"]


def test_bytes_are_those_of_the_saved_file(narrow, few, tmp_path):
    small = wb.quantize(narrow, data=few)
    for side, model in (("before", narrow), ("after", small)):
        path = wb.save(model, tmp_path / f"{side}.safetensors")
        assert small.report[side]["bytes"] == path.stat().st_size


def test_accuracy_and_agreement_are_those_by_hand(table):
    x, y = table.test.x, table.test.y
    answers = {column: (x[:, column] > 0).astype(int) for column in (0, 1)}
    report = compared(Fixed(0), Fixed(1), table, torch.zeros(1, 2))
    assert report["before"]["accuracy"] == (answers[0] == y).mean()
    assert report["after"]["accuracy"] == (answers[1] == y).mean()
    assert report["agreement"] == (answers[0] == answers[1]).mean()
    assert 0 < report["agreement"] < 1


def test_a_report_has_every_field_for_both_sides(narrow, few):
    report = wb.prune(narrow, 0.5, data=few).report
    assert sorted(report) == ["after", "agreement", "before", "layers"]
    for side in ("before", "after"):
        assert sorted(report[side]) == sorted(FIELDS)
        assert all(np.isfinite(value) and value > 0 for value in report[side].values())


def test_without_data_only_what_needs_rows_is_unknown(narrow):
    report = wb.prune(narrow, 0.5).report
    assert np.isnan([report["agreement"], report["before"]["accuracy"], report["after"]["accuracy"]]).all()
    assert report["after"]["nonzero"] < report["before"]["nonzero"] and report["after"]["ms_batch"] > 0


def test_layers_say_what_is_left_of_each(narrow):
    rows = wb.prune(narrow, 0.9, scope="layer", protect=["fc2"]).report["layers"]
    found = {row["layer"]: row for row in rows}
    assert list(found) == ["conv1", "conv2", "fc1", "fc2"]
    assert (found["fc2"]["left"], found["fc2"]["removed"]) == (400, 0)
    assert found["conv1"]["weights"] == 200 and found["conv1"]["left"] == 20
    assert found["conv2"]["shape before"] == found["conv2"]["shape after"] == "16x8x5x5"


def test_int8_weights_are_counted_as_integers(narrow, few):
    small = wb.quantize(narrow, data=few)
    assert small.report["after"]["parameters"] == small.report["before"]["parameters"]
    assert small.report["after"]["macs"] == small.report["before"]["macs"]
    assert all(w.dtype == torch.int8 for w in layer_weights(small.model).values())
    assert np.isnan(small.report["after"]["ms_batch_channels_last"])


def test_the_slower_model_takes_longer():
    class Slow(nn.Linear):
        def forward(self, x):
            time.sleep(0.002)
            return super().forward(x)

    found = milliseconds({"fast": nn.Linear(2, 2), "slow": Slow(2, 2)}, torch.zeros(1, 2))
    assert found["slow"]["ms_single"] > 2 > found["fast"]["ms_single"]
    assert np.isnan(found["fast"]["ms_batch_channels_last"])


def test_measuring_is_on_one_thread_and_puts_the_number_back():
    seen = []

    class Counting(nn.Linear):
        def forward(self, x):
            seen.append(torch.get_num_threads())
            return super().forward(x)

    with threads(2):
        milliseconds({"net": Counting(2, 2)}, torch.zeros(1, 2))
        assert torch.get_num_threads() == 2
    assert set(seen) == {1}


def test_measuring_changes_neither_model(few, unchanged):
    nets = [
        nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10), nn.Dropout()).train()
        for _ in "ab"
    ]
    with unchanged(nets[0]), unchanged(nets[1]):
        compared(*nets, few, torch.zeros(1, 1, 28, 28))


# texts


def test_linear_and_recurrent_layers_multiply_every_token(lstm, transformer, texts):
    length = texts.input_shape[0]
    example = torch.tensor(texts.test.x[:1])
    assert macs(lstm.model, example) == {
        **{f"lstm.weight_{of}_l0{way}": length * 32 * 8 for way in ("", "_reverse") for of in ("ih", "hh")},
        "energy": length * 16 * 8, "score": length * 8, "fc1": 16 * 8, "fc2": 8 * 2,
    }  # fmt: skip
    counts = macs(transformer.model, example)
    assert "embedding" not in counts and "positions" not in counts
    assert counts["encoder.0.query"] == length * 64 and counts["encoder.1.fc1"] == length * 8 * 16
    assert counts["fc"] == 16


def test_a_report_of_a_text_model_counts_what_there_is(lstm, texts):
    small = wb.quantize(lstm, "dynamic", data=texts)
    parameters = sum(p.numel() for p in lstm.model.parameters())
    before, after = small.report["before"], small.report["after"]
    assert before["parameters"] == after["parameters"] == parameters
    assert after["macs"] == before["macs"] == sum(macs(lstm.model, torch.tensor(texts.test.x[:1])).values())
    assert np.isnan(before["ms_batch_channels_last"]) and after["ms_batch"] > 0
    found = {row["layer"]: row for row in small.report["layers"]}
    assert found["lstm.weight_ih_l0"]["shape after"] == "32x8"
    assert found["embedding"]["removed"] == 0 and found["embedding"]["weights"] == 8 * texts.tokenizer.size


def test_packed_texts_are_counted_by_their_tokens():
    class Packing(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(2, 3, bias=False)

        def forward(self, x):
            packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([4]), batch_first=True)
            return self.lstm(packed)[1][0][0]

    assert macs(Packing(), torch.zeros(1, 7, 2)) == {"lstm.weight_ih_l0": 4 * 24, "lstm.weight_hh_l0": 4 * 36}
