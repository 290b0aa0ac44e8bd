"""Categories that are rare are put together, unknown ones join them, and a reader fills later gaps in numbers."""

import numpy as np
import pandas as pd
import pytest

from workbench.data.columns import MISSING, OTHER, Columns, encoder, filled
from workbench.data.remarks import Remarks
from workbench.errors import BadInput

WORDS = ["a"] * 50 + ["b"] * 47 + ["c", "d", "e"]


def learned(words, **options):
    return Columns.learned(pd.DataFrame({"word": words}), **options)


def categories(words, **options):
    return learned(words, **options).columns[0].categories


def test_rare_categories_share_one_indicator():
    assert categories(WORDS, rare=0.02) == ("a", "b", OTHER)
    assert categories(WORDS) == ("a", "b", "c", "d", "e")
    np.testing.assert_allclose(learned(WORDS, rare=0.02).columns[0].means, [0.5, 0.47, 0.03])


def test_a_single_rare_category_keeps_its_name():
    assert categories(["a"] * 99 + ["b"], rare=0.02) == ("a", "b")


def test_the_most_frequent_are_kept():
    assert categories(WORDS, most=2) == ("a", "b", OTHER)
    assert categories(list("aabbccdd"), most=2) == ("a", "b", OTHER)


def test_missing_words_are_never_put_together_with_others():
    assert categories([*WORDS[:-1], None], rare=0.02) == (MISSING, "a", "b", OTHER)


def test_unknown_words_join_the_others_and_come_back_as_such():
    codec = learned(WORDS, rare=0.02)
    x = codec.encoded(pd.DataFrame({"word": ["a", "c", "never seen"]}))
    assert codec.decoded(x)["word"].tolist() == ["a", OTHER, OTHER]
    np.testing.assert_array_equal(x[1], x[2])
    np.testing.assert_allclose(codec.encoded(pd.DataFrame({"word": WORDS})).mean(0), 0, atol=1e-6)


def test_without_others_an_unknown_word_has_no_indicator():
    codec = learned(["a", "b"])
    assert codec.encoded(pd.DataFrame({"word": ["z"]})).tolist() == [[-0.5, -0.5]]
    assert codec.decoded(np.array([[-0.5, -0.5]]))["word"].tolist() == [OTHER]


def test_a_category_that_is_called_other_is_not_lost():
    assert categories([*WORDS, OTHER, OTHER, OTHER], rare=0.02) == (OTHER, "a", "b")
    codec = learned([*WORDS, OTHER, OTHER, OTHER], rare=0.02)
    assert sum(codec.columns[0].means) == pytest.approx(1)


def test_the_codec_survives_its_plain_form():
    codec = learned(WORDS, rare=0.02)
    assert Columns.from_plain(codec.plain()) == codec


def test_a_number_that_no_training_row_lacks_is_refused_when_it_is_missing_later():
    train, later = pd.DataFrame({"n": [1.0, 3.0]}), pd.DataFrame({"n": [np.nan, 3.0]})
    with pytest.raises(BadInput, match="'n' has a missing value in row 0"):
        Columns.learned(train).encoded(later)


def test_no_indicator_is_made_that_never_varies_in_training():
    frame = pd.DataFrame({"n": [1.0, 3.0, 4.0, np.nan], "m": [1.0, np.nan, 3.0, 3.0]})
    codec = encoder(frame, np.array([0, 1, 2]))
    assert [column.has_missing for column in codec.columns] == [False, True]
    assert np.ptp(codec.encoded(frame.iloc[:3]), axis=0).min() > 0


def test_a_reader_puts_the_training_mean_into_a_later_gap_and_says_so():
    frame = pd.DataFrame({"n": pd.array([1, 4, None, None], dtype="Int64"), "m": [1.0, np.nan, 3.0, np.nan],
                          "word": ["a", "b", "a", None]})  # fmt: skip
    codec, remarks = encoder(frame, np.array([0, 1])), Remarks("some.csv")
    with pytest.warns(UserWarning, match="some.csv: Column 'n' has no value in 2 rows") as caught:
        whole = filled(frame, codec, remarks)
    assert len(caught) == len(remarks.notes) == 1
    assert whole["n"].tolist() == [1, 4, 2.5, 2.5] and frame["n"].isna().sum() == 2
    assert codec.encoded(whole)[2, 0] == 0
    pd.testing.assert_frame_equal(whole[["m", "word"]], frame[["m", "word"]])


def test_what_comes_back_is_what_was_there_to_six_digits():
    ages = pd.DataFrame({"age": np.arange(18.0, 90.0), "money": np.linspace(250, 18424, 72).round()})
    codec = Columns.learned(ages)
    back = codec.decoded(codec.encoded(ages))
    assert (back["age"] == ages["age"]).all() and (back["money"] == ages["money"]).all()


def test_truth_and_numbered_categories_come_back_as_they_were():
    frame = pd.DataFrame(
        {"flag": [True, False, True], "zip": pd.Categorical([101, 202, 101]), "word": ["a", "b", "a"]}
    )
    back = Columns.learned(frame).decoded(Columns.learned(frame).encoded(frame))
    assert back["flag"].tolist() == [True, False, True] and (back["flag"] == True).sum() == 2  # noqa: E712
    assert back["zip"].tolist() == [101, 202, 101] and type(back["zip"][0]) is int
    assert Columns.from_plain(Columns.learned(frame).plain()) == Columns.learned(frame)
