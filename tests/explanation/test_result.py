"""An explanation shows, slices, saves and repeats itself."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from nets import NINE, linear

import workbench as wb
from workbench import files
from workbench.errors import BadFile


@pytest.fixture
def table(mlp, clouds):
    """An explanation of four rows of a table."""
    return wb.explain(mlp, clouds.test[:4], "input_x_gradient", data=clouds)


@pytest.fixture
def pictures(tiny, digits):
    """An explanation of three digits."""
    return wb.explain(tiny, digits.test[:3], "occlusion", window=7, data=digits)


# what it says


def test_the_map_is_the_sum_over_channels():
    x = np.random.default_rng(0).random((3, 3, 2, 2), dtype=np.float32)
    weights = np.arange(24.0).reshape(12, 2)
    e = wb.explain(lambda x: x.reshape(len(x), -1) @ weights, x, "occlusion", window=1)
    np.testing.assert_array_equal(e.map, e.values.sum(1))


def test_a_table_has_no_map(table):
    assert table.map is None
    assert table.kind == "table"


def test_the_largest_come_first_by_their_names(table, clouds):
    top = table.top(3, row=2)
    order = np.argsort(-np.abs(table.values[2]))[:3]
    assert top["feature"].tolist() == [clouds.feature_names[i] for i in order]
    np.testing.assert_array_equal(top["value"], table.values[2][order])


def test_pixels_are_named_by_their_place(pictures):
    top = pictures.top(1)
    row, column = np.unravel_index(np.abs(pictures.values[0, 0]).argmax(), (28, 28))
    assert top["feature"][0] == f"row {row}, column {column}"


def test_columns_without_names_are_counted():
    e = wb.explain(linear(np.eye(2)), [[1.0, -5.0]], "input_x_gradient", target=1)
    assert e.top(1)["feature"].tolist() == ["feature 1"]


def test_the_tidy_table_holds_every_number(table, clouds):
    frame = table.to_frame()
    assert frame["feature"].tolist() == list(clouds.feature_names) * 4
    assert frame["row"].tolist() == np.repeat(clouds.test.row_ids[:4], 5).tolist()
    np.testing.assert_allclose(frame["input"], clouds.test[:4].raw.to_numpy().ravel())
    np.testing.assert_array_equal(frame["value"], table.values.ravel())
    np.testing.assert_array_equal(frame["target"], np.repeat(table.target, 5))


def test_values_of_another_shape_have_no_input_beside_them(tiny, images):
    frame = wb.explain(tiny, images, "grad_cam", upsample=False).to_frame()
    assert frame["input"].isna().all()


def test_it_says_in_a_line_what_it_is(pictures, lenet):
    assert repr(pictures) == "Explanation(occlusion of the logit, values 3x1x28x28, [ok] sound)"
    assert repr(wb.explain(lenet, None, "weights")) == "Explanation(weights, values 20x1x5x5, [ok] sound)"
    noted = replace(pictures, flags={"train mode": ".", "twin": "."})
    assert repr(noted).endswith("[ok] sound; noted: train mode, twin)")
    doubted = replace(pictures, flags={"gap": ".", "twin": ".", "NaN": "."})
    assert repr(doubted).endswith("[x] broken: NaN, gap; noted: twin)")


def test_the_page_says_what_was_estimated_and_what_it_cost(pictures):
    page = pictures._repr_html_()
    for words in (
        "when a window is replaced",
        "window=[7, 7]",
        "evaluations",
        "signed",
        "no check found anything",
    ):
        assert words in page
    assert pictures.alt() in page


def test_the_page_gives_every_reason_and_notes_behind_it(pictures):
    page = replace(pictures, flags={"twin": "Bit-equal.", "gap": "It misses."})._repr_html_()
    assert "<strong>[!] caution</strong>" in page
    assert page.index("<strong>gap</strong>: It misses.") < page.index("twin (a note): Bit-equal.")


def test_the_input_of_a_group_is_its_own_whatever_the_order(table):
    last = table.feature_names[-1]
    frame = table.group({"renamed": [last]}).to_frame()
    given = table.to_frame()
    wanted = given[given["feature"] == last]["input"].astype(float).to_numpy()
    found = frame[frame["feature"] == "renamed"]["input"].astype(float).to_numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-2)  # as it is shown, rounded


def test_it_is_frozen(pictures):
    with pytest.raises(FrozenInstanceError):
        pictures.values = None


# fingerprints

CHANGES = {
    "the model": lambda ask: ask(seed_of_model=2),
    "the inputs": lambda ask: ask(first=1),
    "the method": lambda ask: ask(method="saliency"),
    "an option": lambda ask: ask(n_steps=6),
    "the target": lambda ask: ask(target=[1, 1, 2]),
    "the output": lambda ask: ask(output="log_prob"),
    "the baselines": lambda ask: ask(baselines=0.5),
    "the seed": lambda ask: ask(seed=1),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_values_changes_the_fingerprint(digits, change):
    def ask(seed_of_model=1, first=0, method="integrated_gradients", target=(1, 1, 1), **options):
        net = wb.build("mlp", digits, hidden=(8,), seed=seed_of_model)
        options = {"n_steps": 5, **options} if method == "integrated_gradients" else options
        return wb.explain(net, digits.test[first : first + 3], method, target=list(target), **options)

    assert ask().fingerprint == ask().fingerprint
    assert change(ask).fingerprint != ask().fingerprint


def test_what_was_measured_is_no_part_of_the_fingerprint(mlp, clouds):
    e = wb.explain(mlp, clouds.test[:2], "lime", n_samples=50)
    assert replace(e, settings={**e.settings, "fit": 0.0}).fingerprint == e.fingerprint
    assert replace(e, settings={**e.settings, "n_samples": 51}).fingerprint != e.fingerprint


# slices and replays


def test_a_slice_of_rows_with_baselines_of_their_own_can_be_replayed(tiny, images):
    mask = np.stack([(NINE[0] + row) % 9 // (1 + row % 2) for row in range(5)])
    e = wb.explain(tiny, images, "exact_shapley", baselines=images[::-1].copy(), feature_mask=mask)
    np.testing.assert_allclose(e[1:3].replay(tiny).values, e.values[1:3], atol=1e-6)
    assert e.settings["baselines"].shape == (5, 1, 28, 28)


def test_a_slice_keeps_one_baseline_for_all(tiny, images):
    e = wb.explain(tiny, images, "occlusion", window=7, baselines=images[:1], background=None)
    np.testing.assert_allclose(e[2:].replay(tiny).values, e.values[2:], atol=1e-6)


def test_a_row_that_is_not_there_is_an_error(table):
    for row in (4, -5):
        with pytest.raises(IndexError, match=f"row {row} of 4"):
            table[row]


def test_a_row_can_be_walked_over(table):
    assert [len(row) for row in table] == [1, 1, 1, 1]


def test_other_inputs_are_explained_with_the_same_settings(mlp, clouds):
    e = wb.explain(
        mlp, clouds.test[:3], "integrated_gradients", n_steps=7, output="centred_logit", target=0, data=clouds
    )
    again = e.replay(mlp, clouds.test[3:5])
    expected = wb.explain(mlp, clouds.test[3:5], "integrated_gradients", n_steps=7, output="centred_logit")
    np.testing.assert_array_equal(again.values, expected.values)
    assert again.feature_names == e.feature_names
    assert again.row_ids.tolist() == clouds.test.row_ids[3:5].tolist()


# files


def test_the_file_holds_numbers_and_a_header_alone(tmp_path, pictures):
    tensors, header = files.read_tensors(pictures.save(tmp_path / "e"))
    assert set(tensors) == {"values", "inputs", "target", "output", "base_values", "row_ids"}
    assert header["what"] == "explanation"
    assert header["estimand"] == pictures.estimand


def test_arrays_in_the_settings_come_back_as_arrays(tmp_path, tiny, images):
    e = wb.explain(tiny, images, "kernel_shap", feature_mask=NINE, background=images[:2])
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    for name in ("feature_mask", "background"):
        np.testing.assert_array_equal(loaded.settings[name], e.settings[name])
        assert loaded.settings[name].dtype == e.settings[name].dtype


def test_another_file_is_refused(tmp_path, lenet):
    with pytest.raises(BadFile, match="is not an explanation"):
        wb.Explanation.load(wb.save(lenet, tmp_path / "model"))
    for name, content in (("cut", b"x" * 20), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadFile, match=f"{name} cannot be read"):
            wb.Explanation.load(tmp_path / name)
    with pytest.raises(BadFile, match="missing cannot be read"):
        wb.Explanation.load(tmp_path / "missing")


def test_a_cut_file_is_refused(tmp_path, pictures):
    path = pictures.save(tmp_path / "e")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadFile, match="cannot be read"):
        wb.Explanation.load(path)


def test_an_unwritable_place_is_refused(tmp_path, pictures):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadFile, match="cannot be written"):
        pictures.save(tmp_path / "file" / "e")
