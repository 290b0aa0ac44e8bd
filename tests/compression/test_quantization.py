"""int8 models are real, reported, made from the training rows alone, and end a chain."""

import numpy as np
import pytest
import torch

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.int8.conversion import convert, is_int8


@pytest.fixture(scope="module")
def small(narrow, few):
    return wb.quantize(narrow, data=few)


def test_the_model_computes_with_integers(small):
    assert is_int8(small.model) and not list(small.model.parameters())
    assert {layer.weight().dtype for layer in (small.model.conv1, small.model.fc2)} == {torch.qint8}


def test_it_is_smaller_and_answers_nearly_as_before(small, narrow, few):
    report = small.report
    assert report["before"]["bytes"] / report["after"]["bytes"] > 2.5
    x = torch.tensor(few.test.x)
    with torch.no_grad():
        by_hand = (small.model(x).argmax(1) == narrow.model(x).argmax(1)).float().mean().item()
    assert report["agreement"] == pytest.approx(by_hand) and by_hand > 0.95


def test_it_is_calibrated_on_the_first_training_rows(narrow, few):
    small = wb.quantize(narrow, data=few, calibration=50)
    by_hand = convert(narrow.model, torch.tensor(few.train.x[:50]))
    x = torch.tensor(few.test.x)
    assert torch.equal(small.model(x), by_hand(x))
    assert small.steps == ({"what": "quantize", "how": "static", "epochs": [], "calibration": 50},)


def test_the_step_counts_the_rows_that_there_were(narrow, few):
    assert wb.quantize(narrow, data=few, calibration=10_000).steps[0]["calibration"] == 600


def test_twice_gives_the_same_bits(small, narrow, few):
    x = torch.tensor(few.test.x)
    assert torch.equal(wb.quantize(narrow, data=few).model(x), small.model(x))


def test_the_given_model_comes_back_as_it_was(narrow, few, unchanged):
    with unchanged(narrow.model):
        wb.quantize(narrow, data=few)


def test_it_knows_what_it_was_made_of(small, narrow):
    assert small.model.spec == narrow.model.spec and small.model.recipe == narrow.model.recipe
    assert small.original is narrow.model


def test_it_ends_a_chain(narrow, few):
    pruned = wb.prune(narrow, channels=0.5, how="channels")
    small = wb.quantize(pruned, data=few)
    assert [step["what"] for step in small.steps] == ["prune", "quantize"]
    assert small.original is narrow.model and small.model.conv1.weight().shape[0] == 4
    assert small.report["before"]["parameters"] > 3 * small.report["after"]["parameters"]


def test_a_table_can_be_quantized(counted, table):
    assert np.isfinite(wb.quantize(counted, data=table).report["after"]["accuracy"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"calibration": 0}, "calibration is 0"),
        ({"calibration": 1.5}, "calibration is 1.5"),
        ({"data": None}, "data is a NoneType"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(narrow, few, options, words):
    with pytest.raises(BadInput, match=words):
        wb.quantize(narrow, **{"data": few, **options})


def test_an_unknown_way_lists_the_known_ones(narrow, few):
    with pytest.raises(UnknownName, match="one of aware, dynamic, static"):
        wb.quantize(narrow, "somehow", data=few)


def test_only_float_networks_are_quantized(small, few):
    for model in (small, wb.build("tree", few), len):
        with pytest.raises(BadInput, match="Quantize it once, at the end"):
            wb.quantize(model, data=few)


# dynamic


@pytest.mark.parametrize("name", ["lstm", "transformer"])
def test_a_network_of_tokens_becomes_dynamic_int8(name, texts, request, tmp_path, unchanged):
    fitted = request.getfixturevalue(name)
    with unchanged(fitted.model):
        small = wb.quantize(fitted, "dynamic", data=texts)
    assert is_int8(small.model) and small.model.int8["how"] == "dynamic"
    assert small.steps == ({"what": "quantize", "how": "dynamic", "epochs": []},)
    assert small.report["agreement"] > 0.95 and small.report["after"]["accuracy"] > 0.8
    x = torch.tensor(texts.test.x)
    assert torch.equal(wb.load_model(wb.save(small, tmp_path / "small"))(x), small.model(x))


def test_columns_may_be_dynamic_too(counted, table):
    assert wb.quantize(counted, "dynamic", data=table).model.int8["how"] == "dynamic"


def test_each_way_refuses_the_networks_of_the_other(lstm, texts, narrow, few):
    with pytest.raises(
        BadInput, match=r"'static' for a LSTMAttention, which reads tokens.*Use how='dynamic'"
    ):
        wb.quantize(lstm, data=texts)
    with pytest.raises(
        BadInput, match=r"LeNet5 has convolutions.*nothing but its linear layers.*Use how='static'"
    ):
        wb.quantize(narrow, "dynamic", data=few)


def test_a_pruned_lstm_keeps_its_zeros_in_int8(lstm, texts):
    pruned = wb.prune(lstm, 0.8, data=texts)
    small = wb.quantize(pruned, "dynamic", data=texts)
    assert [step["what"] for step in small.steps] == ["prune", "quantize"] and small.original is lstm.model
    left = {row["layer"]: row["left"] for row in small.report["layers"]}
    for row in pruned.report["layers"]:
        assert left[row["layer"]] <= row["left"]


@pytest.fixture(scope="module")
def sparse(narrow, few):
    return wb.prune(narrow, 0.8)


def test_aware_int8_is_trained_while_it_rounds_and_keeps_the_zeros(sparse, few, unchanged):
    with unchanged(sparse.model):
        aware = wb.quantize(sparse, "aware", data=few, epochs=2, lr=2e-3, verbose=False)
    plain = wb.quantize(sparse, data=few)
    assert (
        is_int8(aware.model) and aware.report["after"]["accuracy"] > plain.report["after"]["accuracy"] + 0.05
    )
    assert aware.report["after"]["nonzero"] <= sparse.report["after"]["nonzero"]
    step = aware.steps[-1]
    assert step["epochs"] == [2] and step["preserve"] == "behaviour" and step["calibration"] == 600
    assert "fine-tuned for 2 epochs, distilled from the original" in aware._repr_html_()
    x = torch.tensor(few.test.x[:20])
    assert torch.equal(wb.twin(aware)(x), aware.model(x))


def test_aware_int8_comes_back_from_a_file_and_is_the_same_for_the_same_seed(narrow, few, tmp_path):
    one, two = (
        wb.quantize(narrow, "aware", data=few, epochs=1, seed=4, verbose=False).model for _ in range(2)
    )
    x = torch.tensor(few.test.x[:20])
    assert torch.equal(one(x), two(x))
    assert torch.equal(wb.load_model(wb.save(one, tmp_path / "aware.safetensors"))(x), one(x))


def test_the_sham_of_aware_int8_is_trained_as_long(narrow, few):
    small = wb.quantize(narrow, "aware", data=few, epochs=1, verbose=False)
    control = wb.sham(small, few, verbose=False)
    assert not is_int8(control) and not torch.equal(control.fc1.weight, narrow.model.fc1.weight)


def test_aware_without_epochs_is_refused(narrow, few):
    with pytest.raises(BadInput, match="epochs is 0"):
        wb.quantize(narrow, "aware", data=few, epochs=0)


@pytest.mark.parametrize("how", ["static", "dynamic"])
def test_the_report_says_how_far_each_layer_is_off(how, table):
    net = wb.build("mlp", table, hidden=(8,))
    small = wb.quantize(net, how, data=table)
    errors = {row["layer"]: row["int8_error"] for row in small.report["layers"]}
    assert set(errors) == {"fc1", "fc2"} and all(0 < error < 0.1 for error in errors.values())


def test_the_error_of_a_layer_is_that_of_the_formula(narrow, small, few):
    seen, x = {}, torch.tensor(few.test.x[:100])
    for name, model in (("float", narrow.model), ("int8", wb.twin(small))):
        handle = model.fc2.register_forward_hook(lambda m, i, out, name=name: seen.update({name: out}))
        with torch.no_grad():
            model(x)
        handle.remove()
    expected = (seen["int8"] - seen["float"]).norm() / seen["float"].norm()
    found = next(row["int8_error"] for row in small.report["layers"] if row["layer"] == "fc2")
    assert found == pytest.approx(float(expected), rel=1e-5)
