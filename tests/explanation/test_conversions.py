"""shap's and captum's own plots draw our numbers, and what would lie is refused."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import smalldata
import torch
from nets import NINE
from torch import nn

import workbench as wb
from workbench.errors import BadInput


@pytest.fixture(scope="module")
def rows():
    """A complete explanation of five rows of a table with categories, gaps and odd names."""
    data = smalldata.table()
    net = wb.build("mlp", data, hidden=(8,))
    return wb.explain(net, data.test[:5], "exact_shapley", data=data)


@pytest.fixture(scope="module")
def words():
    """A complete explanation of three texts of unequal length."""
    data = smalldata.texts()
    net = wb.build("lstm_attention", data)
    return wb.explain(net, data.test[:3], "kernel_shap", n_samples=100, data=data)


@pytest.fixture(scope="module")
def colours():
    """A complete explanation of two pictures with three channels."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 26 * 26, 2)).eval()
    x = np.random.default_rng(0).random((2, 3, 28, 28), dtype=np.float32)
    return wb.explain(net, x, "kernel_shap", feature_mask=NINE, n_samples=60)


@pytest.fixture
def drawing():
    """Close what a library draws."""
    plt.close("all")
    yield
    plt.close("all")


# shap


def test_base_and_values_sum_to_the_output(rows, words, colours):
    for e in (rows, words, colours):
        given = e.to_shap()
        sums = [float(np.sum(given.values[i])) for i in range(len(e))]
        np.testing.assert_allclose(given.base_values + sums, e.output, atol=1e-5)


def test_a_table_carries_names_and_raw_cells_and_categories_are_numbered(rows):
    given = rows.to_shap()
    assert given.feature_names == list(rows.feature_names)
    pd.testing.assert_frame_equal(pd.DataFrame(given.display_data, columns=rows.feature_names),
                                  rows.codec.decoded(rows.inputs), check_dtype=False)  # fmt: skip
    job = rows.feature_names.index(smalldata.SCRIPT)
    kinds = sorted(set(given.display_data[:, job]))
    assert [kinds[int(k)] for k in given.data[:, job]] == list(given.display_data[:, job])
    assert given.data.dtype == float


def test_shap_draws_rows_of_a_table(rows, drawing):
    import shap

    given = rows.to_shap()
    for plot, what in (
        (shap.plots.waterfall, given[0]),
        (shap.plots.bar, given[0]),
        (shap.plots.bar, given),
        (shap.plots.beeswarm, given),
    ):
        plot(what, show=False)
        assert plt.gcf().axes and len(plt.gcf().axes[0].get_yticklabels()) >= 4
        plt.close("all")
    shap.plots.waterfall(given[1], show=False)
    drawn = [text.get_text() for ax in plt.gcf().axes for text in ax.texts + ax.get_xticklabels()]
    assert any(f"{rows.output[1]:.3f}".rstrip("0").replace("-", "\u2212") in text for text in drawn)


def test_shap_draws_texts_each_with_its_own_words(words, drawing):
    import shap

    given = words.to_shap()
    kept = [[w for w, hidden in zip(row, pad, strict=True) if w and not hidden]
            for row, pad in zip(words.tokens, words.padding, strict=True)]  # fmt: skip
    assert given.feature_names == kept and len({len(row) for row in kept}) > 1
    for i in range(3):
        np.testing.assert_allclose(given.values[i], words.values[i][~words.padding[i]][: len(kept[i])])
    shap.plots.waterfall(given[0], show=False)
    shap.plots.bar(given[1], show=False)
    assert kept[0][0] in shap.plots.text(given[0], display=False)


def test_shap_draws_pictures_with_their_channels_last(colours, drawing):
    import shap

    given = colours.to_shap()
    assert given.values.shape == given.data.shape == (2, 28, 28, 3)
    np.testing.assert_array_equal(given.values[1, :, :, 2], colours.values[1, 2])
    shap.plots.image(given, show=False)
    assert len([ax for ax in plt.gcf().axes if ax.images]) >= 4


def test_what_does_not_sum_is_refused_or_handed_over_without_a_base(rows, drawing):
    import shap

    unpromised = replace(rows, delta=None, method="lime")
    with pytest.raises(BadInput, match=r"values of lime do not promise to sum.*waterfall.*partial=True"):
        unpromised.to_shap()
    missed = replace(rows, delta=rows.delta + 7, flags={"gap": "."})
    with pytest.raises(BadInput, match="miss the output by up to 7"):
        missed.to_shap()
    with pytest.raises(BadInput, match=r"not finite.*Look at e\.flags"):
        replace(rows, values=rows.values * np.nan).to_shap()
    for e in (unpromised, missed):
        given = e.to_shap(partial=True)
        assert given.base_values is None
        np.testing.assert_array_equal(given.values, rows.values)
    shap.plots.bar(given[0], show=False)
    with pytest.raises(TypeError):
        shap.plots.waterfall(given[0], show=False)


def test_what_explains_a_whole_model_is_refused(tiny):
    e = wb.explain(tiny, None, "weights")
    for convert in (e.to_shap, e.to_captum):
        with pytest.raises(BadInput, match=r"weights explains the model, not rows.*Use e\.values"):
            convert()


# captum


def test_captum_gets_a_tensor_of_its_own(colours):
    given = colours.to_captum()
    assert isinstance(given, torch.Tensor) and given.shape == (2, 3, 28, 28)
    np.testing.assert_array_equal(given.numpy(), colours.values)
    given += 1
    assert not np.array_equal(given.numpy(), colours.values)


def test_captum_returns_the_same_for_the_same_question(digits):
    from captum.attr import InputXGradient

    net, x = wb.build("mlp", digits, hidden=(8,)), torch.tensor(digits.test.x[:2])
    e = wb.explain(net, digits.test[:2], "input_x_gradient", target=3)
    expected = InputXGradient(net.eval()).attribute(x.requires_grad_(), target=3)
    torch.testing.assert_close(e.to_captum(), expected.detach())


def test_captum_draws_a_picture(colours, drawing):
    from captum.attr import visualization

    own = colours.to_captum()[0].permute(1, 2, 0).numpy()
    image = colours.inputs[0].transpose(1, 2, 0)
    for how, sign in (("heat_map", "all"), ("blended_heat_map", "positive"), ("original_image", "all")):
        figure, _ = visualization.visualize_image_attr(own, image, method=how, sign=sign, use_pyplot=False)
        assert figure.axes[0].images
