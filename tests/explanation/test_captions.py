"""One sentence states the finding of any explanation with a number."""

from dataclasses import replace

import numpy as np
import pytest
import smalldata
from nets import OF_NETS, ask, linear

import workbench as wb


def one(weights, x, **options):
    """Explain by occlusion what is arithmetic."""
    return wb.explain(linear(weights), np.asarray(x, np.float32), "occlusion", target=0, **options)


def test_the_largest_value_stands_there_with_its_sign_its_feature_and_its_row():
    e = one([[1, -3.0], [0, 0]], [[1, 1], [0, 2]])
    assert (
        e.alt()
        == "Of 2 inputs explained by occlusion (logit), the largest value is \u22126, at feature 1 of input 1 (why 0?)."
    )
    assert "Of one input explained by occlusion (logit), the largest value is \u22123," in e[0].alt()


def test_names_of_columns_classes_and_words_are_used():
    data = smalldata.texts()
    net = wb.build("lstm_attention", data)
    e = wb.explain(net, data.test[:3], "occlusion", data=data)
    row, place = np.unravel_index(np.abs(e.values).argmax(), e.values.shape)
    assert (
        f"the word \u201c{e.tokens[row][place]}\u201d of input {row} (why {e.class_names[e.target[row]]}?)"
        in e.alt()
    )


def test_of_a_picture_it_says_on_how_little_half_of_it_lies():
    x = np.zeros((1, 1, 2, 5), np.float32)
    x[0, 0, 0] = [8, 1, 1, 1, 1]
    e = wb.explain(lambda x: x.reshape(len(x), -1) @ np.ones((10, 2)), x, "occlusion", window=1)
    assert "at row 0, column 0 (why 0?); half of all lies on 10% of the places." in e.alt()


def test_an_unsigned_value_has_no_sign_and_doubts_are_said():
    e = wb.explain(linear([[1, -3.0], [0, 0]]), np.ones((1, 2), np.float32), "saliency", target=0)
    assert "the largest value is 3," in e.alt()
    assert replace(e, flags={"gap": ".", "NaN": "."}).alt().endswith("(broken: NaN, gap).")


def test_zeros_and_nan_are_said_as_such():
    e = one([[1, -3.0], [0, 0]], [[1, 1]])
    assert replace(e, values=e.values * 0).alt().endswith("each of 2 values is zero.")
    nothing = replace(e, values=e.values * np.nan, flags={"NaN": "."})
    assert nothing.alt().endswith("none of 2 values is finite (broken: NaN).")
    assert "\u22123" in replace(e, values=np.array([[np.nan, -3.0]], np.float32)).alt()


@pytest.mark.parametrize("method", OF_NETS)
def test_every_method_has_a_sentence_with_a_number(tiny, digits, method):
    said = ask(method, tiny, digits.test[:4], data=digits).alt()
    assert said.startswith("Of ") and said.endswith(".") and "\n" not in said
    assert any(letter.isdigit() for letter in said)


def test_a_whole_model_is_named_by_its_columns():
    data = smalldata.table()
    e = wb.explain(wb.fit(wb.build("logistic", data), data), None, "coefficients", data=data)
    assert "Of the model as a whole, explained by coefficients, the largest value is" in e.alt()
    assert any(name in e.alt() for name in data.feature_names)
