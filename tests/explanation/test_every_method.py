"""What holds for every method, those included that somebody adds tomorrow."""

import copy
from dataclasses import fields, replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from nets import BY_BACKGROUND, LOCAL, NINE, OF_NETS, Failing, ask, wanted
from torch import nn

import workbench as wb
from workbench.errors import BadInput
from workbench.explanation.registry import look_up


def of_rows(method, rows):
    """Return what a replay needs beside the model: the rows, where a view of the model looked at some."""
    return None if method in LOCAL else wanted(method, rows)


every_method = pytest.mark.parametrize("method", OF_NETS)
every_local_method = pytest.mark.parametrize("method", LOCAL)


def differences(a, b, but=("seconds",)):
    """Name the fields in which two explanations differ."""
    names = [field.name for field in fields(a) if field.name not in but]
    return [name for name in names if not same(getattr(a, name), getattr(b, name))]


def same(a, b):
    """Tell whether two values are equal, arrays and dicts of them included."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[name], b[name]) for name in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.shape(a) == np.shape(b) and np.array_equal(a, b)
    return a == b or (list(a) == list(b) if isinstance(a, (list, tuple)) else False)


# the model and the world come back as they were


@every_method
def test_the_model_comes_back_as_it_was(unchanged, convolutional, images, method):
    with unchanged(convolutional):
        e = ask(method, convolutional, images)
    assert "train mode" in e.flags


@every_local_method
@pytest.mark.parametrize("n", [1, 2])
def test_the_model_comes_back_as_it_was_after_an_error(unchanged, convolutional, images, method, n):
    net = Failing(convolutional, n).train()
    with unchanged(net), pytest.raises(ZeroDivisionError, match="made to fail"):
        ask(method, net, images)


@every_method
def test_the_inputs_stay_as_they_were(tiny, images, method):
    kept, x = images.copy(), torch.tensor(images, requires_grad=True)
    ask(method, tiny, images)
    ask(method, tiny, x)
    np.testing.assert_array_equal(images, kept)
    assert x.grad is None


@every_method
def test_a_frozen_model_is_explained_as_well(tiny, images, method):
    frozen = copy.deepcopy(tiny).requires_grad_(False)
    np.testing.assert_array_equal(ask(method, frozen, images).values, ask(method, tiny, images).values)


@every_method
def test_explaining_works_where_gradients_are_switched_off(tiny, images, method):
    expected = ask(method, tiny, images).values
    with torch.no_grad():
        np.testing.assert_array_equal(ask(method, tiny, images).values, expected)
        assert not torch.is_grad_enabled()


@every_method
def test_an_explanation_does_not_hold_the_model(tiny, images, method):
    e = ask(method, tiny, images)
    held = [*vars(e).values(), *e.settings.values()]
    assert not any(isinstance(value, (nn.Module, torch.Tensor)) for value in held)


# same seed, same bits


@every_method
def test_same_seed_same_bits(tiny, images, method):
    first = ask(method, tiny, images, seed=3)
    torch.manual_seed(99)
    assert differences(first, ask(method, tiny, images, seed=3)) == []


DRAWING = [
    m for m in LOCAL if {"seed"} & set(wb.explanation.registry.look_up(m).function.__kwdefaults__ or {})
]


def test_the_methods_that_draw_are_known():
    assert set(DRAWING) >= {"smooth_grad", "kernel_shap", "lime"}


@pytest.mark.parametrize("method", DRAWING)
def test_another_seed_draws_anew(tiny, images, method):
    first, other = (ask(method, tiny, images, seed=seed).values for seed in (0, 1))
    assert not np.array_equal(first, other)


@every_local_method
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_size_of_batches_does_not_matter(tiny, images, method, batch_size):
    a, b = ask(method, tiny, images).values, ask(method, tiny, images, batch_size=batch_size).values
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(a).max())


@pytest.mark.parametrize(
    "method", [m for m in LOCAL if "gradient" in wb.explanation.registry.look_up(m).needs]
)
def test_the_size_of_batches_does_not_matter_under_noise(tiny, images, method):
    if method in DRAWING:
        with pytest.raises(BadInput, match="noise"):
            ask(method, tiny, images, noise={})
        return
    noise = {"n_samples": 4, "stdev": 0.2}
    a, b = (ask(method, tiny, images, noise=noise, batch_size=size).values for size in (2, 64))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(a).max())


@every_local_method
def test_the_other_rows_of_a_call_do_not_matter(tiny, images, method):
    whole, first = ask(method, tiny, images), ask(method, tiny, images[:2])
    np.testing.assert_allclose(
        whole.values[:2], first.values, rtol=1e-4, atol=1e-5 * np.abs(whole.values).max()
    )


# what is kept, and done again


@every_method
def test_a_replay_gives_the_same_values(tiny, images, method):
    e = ask(method, tiny, images, seed=5)
    again = e.replay(tiny, of_rows(method, images))
    assert differences(e, again) == []
    assert again.fingerprint == e.fingerprint


@every_local_method
@pytest.mark.parametrize("option", ["baselines", "background"])
def test_a_replay_keeps_targets_and_arrays(tiny, images, method, option):
    rows = images[::-1].copy() if option == "baselines" else images[:2]
    if option in look_up(method).ignores:
        with pytest.raises(BadInput, match=f"{method} was given {option}=an array"):
            ask(method, tiny, images, **{option: rows})
        rows = None
    e = ask(method, tiny, images, target=[3, 1, 4, 1, 5], output="centred_logit", **{option: rows})
    assert ("; marginal" in e.estimand) == (
        (option == "background" and rows is not None) or method in BY_BACKGROUND
    )
    assert differences(e, e.replay(tiny)) == []
    assert e.target.tolist() == [3, 1, 4, 1, 5]


@every_method
def test_another_model_is_said(tiny, digits, images, method):
    e = ask(method, tiny, images)
    other = wb.build("lenet5", digits, channels=(3, 4), hidden=8, seed=2)
    again = e.replay(other, of_rows(method, images))
    assert "another model" in again.flags
    assert "another model" not in e.flags
    assert again.fingerprint != e.fingerprint


@every_method
def test_what_is_saved_comes_back(tmp_path, tiny, digits, method):
    rows = digits.test[:4]
    own = {} if "baselines" in look_up(method).ignores else {"baselines": digits.test.x[4:8]}
    e = ask(method, tiny, rows, data=digits, **own)
    loaded = wb.Explanation.load(e.save(tmp_path / "e.safetensors"))
    assert differences(e, loaded, but=()) == []
    assert loaded.fingerprint == e.fingerprint
    assert repr(loaded) == repr(e)
    assert differences(e, loaded.replay(tiny, of_rows(method, rows))) == []


@every_local_method
@pytest.mark.parametrize(
    "rows", [slice(1, 4), [3, 0], np.array([True, False, True, False, False]), 2, -1], ids=str
)
def test_a_slice_takes_everything_along(tiny, digits, method, rows):
    e = ask(method, tiny, digits.test[5:10], data=digits)
    part, wanted = e[rows], np.atleast_1d(np.arange(5)[rows])
    assert len(part) == len(wanted)
    for name in ("values", "inputs", "target", "output", "base_values", "row_ids"):
        np.testing.assert_array_equal(getattr(part, name), getattr(e, name)[wanted])
    assert (part.delta is None) == (e.delta is None)
    assert part.class_names == e.class_names
    assert part.flags == e.flags


@every_local_method
def test_rows_have_one_of_everything(tiny, images, method):
    e = ask(method, tiny, images)
    assert e.values.shape[0] == len(e) == 5
    assert e.values.dtype == np.float32
    for name in ("target", "output", "base_values", "row_ids"):
        assert getattr(e, name).shape == (5,)
    assert e.map is None or e.map.shape == (5, *e.values.shape[2:])
    assert e.estimand
    assert e.n_forward > 0
    assert e.seconds > 0
    assert (e.delta is not None) == wb.explanation.registry.look_up(method).complete


# how it is shown


@every_method
def test_a_plot_is_a_figure_and_leaves_the_users_own_alone(tiny, digits, method):
    own, before = plt.figure(), dict(plt.rcParams)
    figure = ask(method, tiny, digits.test[:4], data=digits).plot()
    assert isinstance(figure, plt.Figure)
    assert figure.axes
    assert plt.get_fignums() == [own.number]
    assert plt.gcf() is own
    assert dict(plt.rcParams) == before
    plt.close(own)


@every_method
def test_tables_have_a_line_a_value(tiny, images, method):
    e = ask(method, tiny, images)
    table, top = e.to_frame(), e.top(3)
    assert table.columns.tolist() == ["row", "feature", "target", "input", "value"]
    assert len(table) == e.values.size
    assert table["value"].abs().max() == np.abs(e.values).max()
    assert len(top) == min(3, e.values[0].size)
    assert top["value"].abs().tolist() == sorted(np.abs(e.values[0]).ravel(), reverse=True)[:3]


@every_method
def test_nothing_in_a_page_is_taken_for_a_tag(tiny, digits, method):
    names = replace(digits, class_names=("<script>", *"123456789"))
    e = ask(method, tiny, digits.test[:4], data=names)
    odd = replace(
        e, method="<script>", estimand="<b>", flags={"x": "<i>"}, settings={**e.settings, "layer": "<u>"}
    )
    page = odd._repr_html_()
    assert not any(tag in page for tag in ("<script", "<b>", "<i>", "<u>"))
    assert "&lt;script&gt;" in page
    assert e.estimand in e._repr_html_().replace("&#x27;", "'")
    assert method in repr(e)


@pytest.mark.parametrize("method", [m for m in LOCAL if look_up(m).attributes])
def test_an_explanation_of_colour_keeps_the_shape(method):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 26 * 26, 5)).eval()
    e = ask(method, net, np.random.default_rng(0).random((2, 3, 28, 28), dtype=np.float32))
    assert e.values.shape[2:] == (28, 28)
    assert e.values.shape[1] in (1, 3)
    assert e.map.shape == (2, 28, 28)
    assert NINE.shape == (1, 1, 28, 28)
