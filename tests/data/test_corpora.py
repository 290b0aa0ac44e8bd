"""Texts with their classes are read from any delimited file; damaged ones are named by line and column."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import BadFile, BadInput, UnknownName

N = 80
FILLING = [
    "the",
    "film",
    "was",
    "and",
    "its",
    "plot",
    "with",
    "every",
    "actor",
    "scene",
    "music",
    "in",
    "an",
    "old",
    "town",
]
TELLING = {"good": ["great", "lovely", "superb"], "bad": ["poor", "dull", "awful"]}


def good(n=N):
    """Texts that differ, and their classes."""
    rng = np.random.default_rng(0)
    verdicts = np.where(np.arange(n) % 2 > 0, "good", "bad")
    texts = [
        " ".join([*rng.choice(FILLING, 7), rng.choice(TELLING[v]), f"{i}."]) for i, v in enumerate(verdicts)
    ]
    return pd.DataFrame({"review": texts, "verdict": verdicts})


def text_of(frame=None, **options):
    return (good() if frame is None else frame).to_csv(index=False, **options)


def changed(rows, column, value, frame=None):
    frame = (good() if frame is None else frame).astype(object)
    frame.loc[rows, column] = value
    return frame


@pytest.fixture
def stored(tmp_path):
    """Store text or bytes as ``reviews.csv``."""

    def store(content, name="reviews.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return store


@pytest.fixture
def quiet():
    """No warning at all may be given."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# what is read


def test_texts_are_kept_and_numbered_by_the_training_rows(stored, quiet):
    data, frame = wb.from_text(stored(text_of()), "review", "verdict"), good()
    assert (data.kind, data.name, data.source, data.class_names) == (
        "text",
        "reviews",
        "reviews.csv",
        ("bad", "good"),
    )
    assert [len(split) for split in data.splits.values()] == [56, 8, 16]
    for split in data.splits.values():
        assert list(split.raw) == frame["review"][split.row_ids].tolist()
        assert [data.class_names[c] for c in split.y] == frame["verdict"][split.row_ids].tolist()
        np.testing.assert_array_equal(split.x, data.tokenizer.encoded(split.raw))
    seen = {word for text in data.train.raw for word in text.split()}
    assert {*data.tokenizer.vocabulary[3:]} <= seen | {"."}


def test_columns_are_guessed_and_it_is_said(stored, quiet):
    data = wb.from_text(stored(text_of()))
    assert data.notes[:2] == (
        "reviews.csv: Column 'review' holds the longest words and was taken for the texts.",
        "reviews.csv: Column 'verdict' was taken for the label.",
    )
    assert data.fingerprint == wb.from_text(stored(text_of()), "review", "verdict").fingerprint


@pytest.mark.parametrize(
    ("name", "sep"),
    [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.txt", "|")],
    ids=["comma", "semicolon", "tab", "bar"],
)
def test_every_separator_is_found(stored, quiet, name, sep):
    frame = good().assign(review=good()["review"] + ' "quoted", he said; and | more')
    data = wb.from_text(stored(text_of(frame, sep=sep), name), "review", "verdict")
    assert {*data.test.raw} <= {*frame["review"]}


def test_lone_quotation_marks_in_a_file_of_tabs_are_letters(stored):
    lines = [f"{v}\t{'' if i % 9 else chr(34)}{t}" for i, (t, v) in enumerate(good().itertuples(index=False))]
    with pytest.warns(UserWarning) as caught:
        data = wb.from_text(stored("\n".join(lines), "a.txt"), 1, 0)
    assert {"read as letters" in str(w.message) or "looks like data" in str(w.message) for w in caught} == {
        True
    }
    assert sum(map(len, data.splits.values())) == N


def test_json_lines_are_read(stored, quiet):
    frame = good().assign(stars=np.arange(N) % 2 + 1).drop(columns="verdict")
    lines = [json.dumps(record, ensure_ascii=False) for record in frame.to_dict("records")]
    data = wb.from_text(stored("\n".join(lines), "reviews.jsonl"), "review", "stars")
    assert data.class_names == ("1", "2")
    assert {*data.test.raw} <= {*frame["review"]}


CHINESE = ["这部电影很好看，我喜欢第{}集", "太差了，浪费时间，第{}次后悔"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_chinese_is_read_character_by_character(stored, encoding):
    frame = pd.DataFrame(
        {
            "评论": [CHINESE[i % 2].format(i) for i in range(60)],
            "标签": ["差" if i % 2 else "好" for i in range(60)],
        }
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = wb.from_text(stored(text_of(frame).encode(encoding)), "评论", "标签")
    assert len(caught) == (encoding == "gb18030")
    assert {*data.class_names} == {"好", "差"}
    assert {"电", "影", "，", "差"} <= {*data.tokenizer.vocabulary}
    assert {*data.test.raw} <= {*frame["评论"]}


def test_long_texts_are_cut_and_the_share_is_said(stored, quiet):
    frame = changed([3], "review", "a very long text " * 100, good(200))
    data = wb.from_text(stored(text_of(frame)), "review", "verdict")
    assert data.input_shape == (11,)
    assert any(
        "0.5 % of the texts are longer and were cut off; length= changes that" in note for note in data.notes
    )
    short = wb.from_text(stored(text_of(frame)), "review", "verdict", length=6)
    assert short.input_shape == (6,)
    assert any("100.0 % of the texts are longer" in note for note in short.notes)


def test_no_row_is_longer_than_two_hundred_tokens_by_default(stored, quiet):
    frame = good().assign(review=[f"{text} " * 40 for text in good()["review"]])
    assert wb.from_text(stored(text_of(frame)), "review", "verdict").input_shape == (200,)
    assert wb.from_text(stored(text_of(frame)), "review", "verdict", length=300).input_shape == (300,)


def test_equal_texts_stay_in_one_split(stored, quiet):
    again = good()[:30].assign(review=lambda f: "  " + f["review"].str.upper().str.replace(" ", "   "))
    data = wb.from_text(stored(text_of(pd.concat([good(), again]))), "review", "verdict")
    seen = [{" ".join(text.lower().split()) for text in split.raw} for split in data.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == N
    assert any("30 are copies of an earlier one, first in line 82" in note for note in data.notes)


def test_words_that_mean_a_gap_in_tables_are_texts_here(stored, quiet):
    data = wb.from_text(stored(text_of(changed([3], "review", "NA"))), "review", "verdict")
    assert sum(map(len, data.splits.values())) == N


def test_the_same_file_gives_the_same_data(stored):
    path = stored(text_of())
    first, again, other = (wb.from_text(path, seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


# damaged files: refused

BYTES = text_of().encode()
LINES = text_of().split("\n")
REFUSED = {
    "an empty file": (b"", {}, BadFile, "The file is empty"),
    "only a header": (b"review,verdict\n", {}, BadFile, "only a header, in line 1"),
    "a Word file": (b"PK\x03\x04rest", {}, BadFile, "zip archive"),
    "NUL bytes": (BYTES[:90] + b"\0" + BYTES[90:], {}, BadFile, "NUL byte in line 3"),
    "bytes of another encoding": (BYTES.replace(b"old", b"\xf6ld"), {"encoding": "utf-8"}, BadFile, r"Line \d+ holds bytes"),
    "the wrong separator": (BYTES, {"sep": "|"}, BadFile, "everything is in one column.*sep=','"),
    "a comma without quotation marks": ("\n".join([*LINES[:6], "well, it was fine,good", *LINES[7:]]), {}, BadFile, "Line 7 has 3 fields where most lines have 2.*quotation marks"),
    "a line without a class": ("\n".join([*LINES[:6], "it was fine", *LINES[7:]]), {}, BadFile, "Line 7 has 1 field where most lines have 2"),
    "no header": (text_of(header=False), {}, UnknownName, "no column .* no header"),
    "a label that is not there": (BYTES, {"label": "verdikt"}, UnknownName, "no column 'verdikt' for label.*Did you mean 'verdict'"),
    "a text that is not there": (BYTES, {"text": "body"}, UnknownName, "no column 'body' for text"),
    "one column for both": (BYTES, {"text": "verdict"}, BadInput, "'verdict' is given as text and as label"),
    "no label given": (text_of(good().assign(stars=1)), {"label": None}, BadInput, r"label was not given, and there are the columns \['verdict', 'stars'\]"),
    "one class": (text_of(good().assign(verdict="good")), {}, BadInput, "The label 'verdict' has one class, 'good', from line 2 on"),
    "a rare class": (text_of(changed([15], "verdict", "odd")), {}, BadInput, "Class 'odd' of the label 'verdict' has 1 row, first in line 17"),
    "a class of empty texts": (text_of(changed(range(1, N, 2), "review", "")), {}, BadInput, "Every text of class 'good' is empty in column 'review', first in line 3"),
    "empty texts": (text_of(good().assign(review=" ")), {}, BadInput, "Column 'review' is empty in every row, first in line 2"),
    "numbers instead of texts": (text_of(good().assign(review=np.arange(N) * 1.5)), {}, BadInput, "Column 'review' holds numbers, such as '0.0' in line 2.*wb.from_csv"),
    "one text many times": (text_of(good().assign(review="the same words again")), {}, BadInput, "Column 'review' holds 1 different text in 80 rows, first 'the same words again' in line 2"),
    "words that never come again": (text_of(good().assign(review=[f"w{i} v{i}" for i in range(N)])), {}, BadInput, "The vocabulary has 0 words that occur 2 times or more.*min_count"),
    "a length without room": (BYTES, {"length": 1}, BadInput, "length is 1"),
    "a count of none": (BYTES, {"min_count": 0}, BadInput, "min_count is 0"),
    "too few rows": (text_of(good(8)), {}, BadInput, "8 rows with a label"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("content", "options", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_a_damaged_file_is_refused_with_file_line_and_column(stored, content, options, error, words):
    with pytest.raises(error, match=words) as caught:
        wb.from_text(stored(content), **{"text": "review", "label": "verdict", **options})
    assert "reviews.csv" in caught.value.wrong


def test_damaged_json_lines_are_refused_with_their_line(stored):
    lines = [json.dumps(record) for record in good().to_dict("records")]
    with pytest.raises(BadFile, match=r"a.jsonl: Line 5 is no JSON"):
        wb.from_text(stored("\n".join([*lines[:4], lines[4][:-3], *lines[5:]]), "a.jsonl"))
    with pytest.raises(BadFile, match=r"a.jsonl: Line 6 holds a list"):
        wb.from_text(stored("\n".join([*lines[:4], "", "[1]", *lines[5:]]), "a.jsonl"))


# damaged files: read, with a warning

WARNED = {
    "an empty text": (text_of(changed([15], "review", "")), "Column 'review' is empty in 1 row, first in line 17; it was left out", N - 1),
    "texts of spaces": (text_of(changed([15, 20, 30], "review", "  ")), "Column 'review' is empty in 3 rows, first in line 17; they were left out", N - 3),
    "a missing label": (text_of(changed([15, 16], "verdict", "")), "The label 'verdict' is missing in 2 rows, first in line 17", N - 2),
    "a Western encoding": (BYTES.replace(b"old", b"\xf6ld"), r"Line \d+ is not UTF-8, so the file was read as cp1252", N),
    "mostly unknown words": (text_of(good().assign(review=[f"{t} a{i} b{i} c{i} d{i} e{i} f{i}" for i, t in enumerate(good()["review"])])), r"\d+% of the words in training texts are too rare", N),
    "few different texts": (text_of(good().assign(review=[FILLING[i % 12] + " and the old film with music in town" for i in range(N)])), "There are only 12 different texts among 80", N),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words", "left"), WARNED.values(), ids=WARNED)
def test_a_damaged_file_is_read_with_one_warning(stored, content, words, left):
    with pytest.warns(UserWarning, match=f"reviews.csv: {words}") as caught:
        data = wb.from_text(stored(content), "review", "verdict")
    assert len(caught) == 1
    assert str(caught[0].message) in data.notes
    assert sum(map(len, data.splits.values())) == left


def test_row_numbers_are_places_in_the_file(stored):
    with pytest.warns(UserWarning):
        data = wb.from_text(
            stored(text_of(changed([15], "review", "", changed([40], "verdict", "")))), "review", "verdict"
        )
    ids = np.concatenate([split.row_ids for split in data.splits.values()])
    assert sorted({*range(N)} - {*ids.tolist()}) == [15, 40]


def test_a_net_can_be_trained_on_it(stored):
    data = wb.from_text(stored(text_of()), "review", "verdict")
    fitted = wb.fit(wb.build("logistic", data), data, verbose=False)
    assert fitted.model is not None
