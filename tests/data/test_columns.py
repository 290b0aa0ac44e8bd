"""Categories that are rare are put together, unknown ones join them, and a number may be missing later on."""

import numpy as np
import pandas as pd
import pytest

from workbench.data.columns import MISSING, OTHER, Columns, encoder
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


def test_a_number_may_be_missing_later_where_that_is_announced():
    train, later = pd.DataFrame({"n": [1.0, 3.0]}), pd.DataFrame({"n": [np.nan, 3.0]})
    with pytest.raises(BadInput, match="'n' has a missing value in row 0"):
        Columns.learned(train).encoded(later)
    assert Columns.learned(train, gaps=["n"]).encoded(later).tolist() == [[0, 1], [1, 0]]


def test_the_codec_of_a_users_table_knows_all_gaps():
    frame = pd.DataFrame({"n": [1.0, 3.0, np.nan], "m": [1.0, 2.0, 3.0]})
    assert [column.has_missing for column in encoder(frame, np.array([0, 1])).columns] == [True, False]
