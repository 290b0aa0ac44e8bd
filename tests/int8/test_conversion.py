"""Conversion gives a real int8 model, and leaves the given one and the world alone."""

import copy
import warnings

import pytest
import torch
from torch import fx, nn
from torch.ao.quantization import get_default_qconfig_mapping

from workbench.errors import BadInput
from workbench.int8.conversion import convert, is_int8, whole_answers
from workbench.state import quantized_engine


def test_nearly_all_digits_keep_their_answer(lenet, int8_lenet, digits):
    x = torch.tensor(digits.test.x)
    with torch.no_grad():
        kept = (lenet.model(x).argmax(1) == int8_lenet(x).argmax(1)).float().mean()
    assert kept > 0.985


def test_weights_are_eight_bits_and_within_half_a_step_of_the_float_ones(learned, int8):
    weight = int8.hidden.weight()
    steps = weight.q_per_channel_scales()[:, None]
    assert weight.dtype == torch.qint8
    assert ((weight.dequantize() - learned.hidden.weight).abs() <= steps / 2 + 1e-7).all()


def test_answers_have_all_eight_bits_and_what_layers_read_the_seven_that_are_safe(lenet):
    ranges = whole_answers(get_default_qconfig_mapping("x86"), fx.symbolic_trace(lenet.model))
    assert list(ranges.module_name_qconfigs) == ["fc2"]
    assert not ranges.module_name_qconfigs["fc2"].activation().reduce_range
    assert ranges.global_qconfig.activation().reduce_range


def test_answers_that_another_layer_reads_as_well_keep_seven():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.again = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            x = self.fc(x)
            return x + self.again(x)

    ranges = whole_answers(get_default_qconfig_mapping("x86"), fx.symbolic_trace(Twice()))
    assert not ranges.module_name_qconfigs


def test_the_answers_of_a_real_net_are_finer_than_seven_bits(lenet, int8_lenet, digits):
    with torch.no_grad():
        answers = int8_lenet(torch.tensor(digits.train.x))
    assert len((answers / int8_lenet.fc2.scale).round().unique()) > 128


def test_the_given_model_and_the_world_come_back_as_they_were(unchanged, small_net, images):
    small_net.train()
    small_net.conv.register_forward_hook(lambda *_: pytest.fail("the hook of the given model fired"))
    engine, filters = torch.backends.quantized.engine, list(warnings.filters)
    with unchanged(small_net):
        result = convert(small_net, images, engine="fbgemm")
    assert torch.backends.quantized.engine == engine
    assert warnings.filters == filters
    assert not result.training


def test_the_engine_comes_back_after_an_error(images):
    engine = torch.backends.quantized.engine
    with pytest.raises(BadInput):
        convert(nn.Linear(3, 3), images, engine="fbgemm")
    assert torch.backends.quantized.engine == engine


def test_nothing_is_warned_of(small_net, images, recwarn):
    convert(small_net, images)
    assert [str(w.message) for w in recwarn] == []


def test_spec_and_recipe_are_carried_also_into_a_copy(small_net, images):
    small_net.spec, small_net.recipe = {"builder": "made_up"}, {"epochs": 1}
    for result in (made := convert(small_net, images), copy.deepcopy(made)):
        assert (result.spec, result.recipe) == (small_net.spec, small_net.recipe)
        assert result.int8["rows"] == 200


def test_the_swallowed_relus_are_known_by_name(int8):
    assert int8.int8["relu"] == {"conv": "relu", "hidden": "act"}


def test_a_relu_that_is_used_twice_belongs_to_no_layer():
    relu = nn.ReLU()
    net = nn.Sequential(nn.Linear(3, 3), relu, nn.Linear(3, 3), relu)
    assert convert(net, torch.rand(9, 3)).int8["relu"] == {}


def test_the_same_calibration_gives_the_same_model(learned, int8, images):
    assert torch.equal(convert(learned, images)(images), int8(images))


@pytest.mark.parametrize("engine", ["fbgemm", "onednn", "qnnpack"])
def test_layers_keep_their_kernels_under_another_global_engine(int8_lenet, digits, engine):
    x = torch.tensor(digits.test.x[:200])
    expected = int8_lenet(x)
    with quantized_engine(engine):
        assert torch.equal(int8_lenet(x), expected)


def test_int8_is_told_from_float(learned, int8):
    assert is_int8(int8)
    assert not is_int8(learned)
    assert not is_int8("int8")


class Branching(nn.Module):
    """What cannot be traced: a branch on a value."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


X = torch.rand(8, 3)


@pytest.mark.parametrize(
    ("model", "rows", "options", "said"),
    [
        (nn.Linear(3, 2), X, {"engine": "x68"}, "x68"),
        (nn.Linear(3, 2), X[:0], {}, r"\(0, 3\)"),
        (nn.Linear(3, 2), X[0], {}, r"\(3,\)"),
        (nn.Linear(3, 2), X.double(), {}, "float64"),
        (nn.Linear(3, 2), X / 0, {}, "infinite"),
        (nn.Sequential(nn.Linear(4, 2)), X, {}, r"\(8, 3\)"),
        (Branching(), X, {}, "TraceError"),
        (nn.Sequential(nn.ReLU()), X, {}, "nothing to quantize"),
        (lambda x: x, X, {}, "function"),
    ],
)
def test_what_cannot_be_converted_is_refused(model, rows, options, said):
    with pytest.raises(BadInput, match=said):
        convert(model, rows, **options)


def test_an_int8_model_is_not_converted_again(int8, images):
    with pytest.raises(BadInput, match="again"):
        convert(int8, images)


def test_a_model_whose_int8_form_cannot_run_is_refused():
    # An int8 convolution leaves its channels last, and view cannot flatten those.
    class Viewing(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.out = nn.Conv2d(1, 4, 3), nn.Linear(400, 2)

        def forward(self, x):
            return self.out(self.conv(x).view(-1, 400))

    with pytest.raises(BadInput, match="reshape"):
        convert(Viewing(), torch.rand(5, 1, 12, 12))


@pytest.mark.parametrize("engine", ["x86", "onednn"])
def test_more_padding_than_kernel_is_refused_where_the_kernel_makes_it_up(engine):
    net, x = nn.Sequential(nn.Conv2d(1, 2, 2, padding=2)), torch.rand(5, 1, 8, 8)
    with pytest.raises(BadInput, match="fbgemm"):
        convert(net, x, engine=engine)
    assert (convert(net, x, engine="fbgemm")(x) - net(x)).abs().max() < 0.1
