"""A user's table is read as a person would read it, or is refused with the file, the line and the column."""

import warnings

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.errors import BadFile, BadInput, UnknownName

RNG = np.random.default_rng(0)
N = 120
JOBS = np.array(["cook", "smith", "teacher"])


def good(n=N):
    """A table without any damage: two numbers, two categories and a label."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": rng.normal(3000, 500, n).round(2),
            "job": JOBS[rng.integers(0, 3, n)],
            "married": rng.random(n) > 0.5,
            "risk": np.where(np.arange(n) % 3 > 0, "good", "bad"),
        }
    )


def text_of(frame=None, **options):
    return (good() if frame is None else frame).to_csv(index=False, **options)


def changed(line, cell, value, text=None):
    """The good file with one cell of one line (from 1) exchanged."""
    lines = (text or text_of()).split("\n")
    cells = lines[line - 1].split(",")
    cells[cell] = value
    lines[line - 1] = ",".join(cells)
    return "\n".join(lines)


@pytest.fixture
def stored(tmp_path):
    """Store text or bytes as ``loans.csv``."""

    def store(content, name="loans.csv"):
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


def test_a_clean_file_is_read_without_a_word(stored, quiet):
    data = wb.from_csv(stored(text_of()), "risk")
    assert (data.kind, data.name, data.source) == ("table", "loans", "loans.csv")
    assert data.feature_names == ("age", "income", "job", "married")
    assert data.columns == {"age": [0], "income": [1], "job": [2, 3, 4], "married": [5, 6]}
    assert data.class_names == ("bad", "good")
    assert [len(split) for split in data.splits.values()] == [84, 12, 24]
    assert any("2 number columns ('age', 'income') and 2 category columns" in note for note in data.notes)


def test_rows_come_back_as_they_stand_in_the_file(stored):
    data, frame = wb.from_csv(stored(text_of()), "risk"), good()
    for split in data.splits.values():
        rows = frame.iloc[split.row_ids]
        raw = split.raw
        np.testing.assert_allclose(raw["income"], rows["income"], rtol=1e-5)
        assert raw["job"].tolist() == rows["job"].tolist()
        assert raw["married"].tolist() == rows["married"].tolist()
        assert [data.class_names[c] for c in split.y] == rows["risk"].tolist()


def test_numbers_are_standardized_by_the_training_rows_alone(stored):
    data, frame = wb.from_csv(stored(text_of()), "risk"), good()
    seen = frame["income"].to_numpy()[data.train.row_ids]
    np.testing.assert_allclose(
        data.test.x[:, 1],
        (frame["income"].to_numpy()[data.test.row_ids] - seen.mean()) / seen.std(),
        rtol=1e-4,
    )


def test_the_same_file_gives_the_same_data(stored):
    path = stored(text_of())
    first, again, other = (wb.from_csv(path, "risk", seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separator_and_encoding_are_found(stored, quiet, sep, encoding):
    frame = good().replace({"cook": 'köche; "rare" | tab'})
    data = wb.from_csv(stored(text_of(frame, sep=sep).encode(encoding)), "risk")
    plain = wb.from_csv(stored(text_of(frame), "plain.csv"), "risk")
    assert data.feature_names == plain.feature_names
    np.testing.assert_array_equal(data.train.x, plain.train.x)
    assert 'köche; "rare" | tab' in data.codec.columns[2].categories


def test_chinese_of_another_encoding_is_read_with_a_warning(stored):
    frame = good().replace({"cook": "厨师", "smith": "铁匠", "teacher": "教师"})
    with pytest.warns(UserWarning, match=r"loans.csv: Line 2 is not UTF-8, so the file was read as gb18030"):
        data = wb.from_csv(stored(text_of(frame).encode("gb18030")), "risk")
    assert {*data.codec.columns[2].categories} == {"厨师", "铁匠", "教师"}


def test_decimal_commas_are_read(stored, quiet):
    data = wb.from_csv(stored(text_of(sep=";", decimal=",")), "risk")
    plain = wb.from_csv(stored(text_of(), "plain.csv"), "risk")
    np.testing.assert_allclose(data.train.x, plain.train.x, rtol=1e-6)


def test_thousands_are_read_where_they_are_declared(stored, quiet):
    frame = good()
    frame["income"] = [f"{v * 1000:,.1f}" for v in frame["income"]]
    data = wb.from_csv(stored(text_of(frame)), "risk", thousands=",")
    plain = wb.from_csv(stored(text_of(), "plain.csv"), "risk")
    np.testing.assert_allclose(data.train.x, plain.train.x, rtol=1e-4)


@pytest.mark.parametrize("word", ["", "NA", "n/a", "nan", "null", "?", "-", " "])
def test_words_for_a_missing_value_are_known(stored, quiet, word):
    data = wb.from_csv(stored(changed(3, 1, word, changed(9, 2, word))), "risk")
    assert data.columns["income"] == [1, 2]
    rows = (
        pd.concat([split.raw.assign(row=split.row_ids) for split in data.splits.values()])
        .set_index("row")
        .sort_index()
    )
    assert np.isnan(rows.loc[1, "income"])
    assert rows["income"].isna().sum() == 1
    assert rows.loc[7, "job"] in ("(missing)", "(other)")


def test_a_gap_that_training_rows_do_not_have_becomes_the_training_mean_with_a_warning(stored):
    for line in (4, 5, 8):
        with pytest.warns(UserWarning, match="loans.csv: Column 'income' has no value in 1 row") as caught:
            data = wb.from_csv(stored(changed(line, 1, "")), "risk")
        assert line - 2 not in data.train.row_ids
        assert data.columns["income"] == [1] and str(caught[0].message) in data.notes
        x = np.concatenate([split.x[split.row_ids == line - 2] for split in data.splits.values()])
        assert x[0, 1] == 0


def test_a_gap_in_training_rows_gets_an_indicator(stored, quiet):
    data = wb.from_csv(stored(changed(3, 1, "", changed(4, 1, ""))), "risk")
    assert data.columns["income"] == [1, 2] and np.ptp(data.train.x, axis=0).min() > 0


def test_further_words_for_a_gap_can_be_named(stored, quiet):
    data = wb.from_csv(stored(changed(3, 1, "unknown")), "risk", missing=("unknown",))
    assert data.columns["income"] == [1, 2]


def test_whole_numbers_of_two_values_are_a_number_unless_declared(stored, quiet):
    frame = good().assign(children=np.arange(N) % 2 * 3)
    assert len(wb.from_csv(stored(text_of(frame)), "risk").columns["children"]) == 1
    data = wb.from_csv(stored(text_of(frame)), "risk", types={"children": "category"})
    assert data.codec.columns[4].categories == ("0", "3")


def test_codes_with_zeros_in_front_stay_words(stored, quiet):
    frame = good().assign(zip=np.array(["01234", "99999", "00017"])[RNG.integers(0, 3, N)])
    data = wb.from_csv(stored(text_of(frame)), "risk")
    assert data.codec.columns[4].categories == ("00017", "01234", "99999")


def test_rare_categories_are_put_together_and_it_is_said(stored, quiet):
    n = 1000
    frame = good(n)
    frame.loc[:8, "job"] = [f"rare {i}" for i in range(9)]
    data = wb.from_csv(stored(text_of(frame)), "risk")
    assert data.codec.columns[2].categories == ("cook", "smith", "teacher", "(other)")
    assert any("'job'" in note and "'(other)'" in note for note in data.notes)
    rows = (
        pd.concat([split.raw.assign(row=split.row_ids) for split in data.splits.values()])
        .set_index("row")
        .sort_index()
    )
    assert {*rows.loc[:8, "job"]} == {"(other)"}
    assert (rows["job"] == "(other)").sum() == 9


def test_thirty_categories_keep_their_own_indicator(stored, quiet):
    frame = good(4000).assign(
        city=[f"city {i % 40:02d}" if i % 3 else f"city {i % 20:02d}" for i in range(4000)]
    )
    data = wb.from_csv(stored(text_of(frame)), "risk")
    assert len(data.columns["city"]) == 31


def test_columns_can_be_dropped_and_the_label_given_by_position(stored, quiet):
    data = wb.from_csv(stored(text_of()), -1, drop=["age", 2])
    assert data.feature_names == ("income", "married")


def test_without_a_header_columns_are_numbered(stored):
    with pytest.warns(UserWarning, match=r"loans.csv: Line 1 looks like data.*'column 0'.*header=True"):
        data = wb.from_csv(stored(text_of(header=False)), 4)
    assert data.feature_names == ("column 0", "column 1", "column 2", "column 3")
    assert sum(map(len, data.splits.values())) == N
    again = wb.from_csv(stored(text_of(header=False)), "column 4", header=False)
    assert again.fingerprint == data.fingerprint


@pytest.mark.parametrize(
    "names", [range(5), range(1, 6), ["a", "b", "c", "d", "e"]], ids=["from 0", "from 1", "letters"]
)
def test_a_header_is_found_though_the_label_is_a_position(stored, quiet, names):
    data = wb.from_csv(stored(text_of(good().set_axis(list(names), axis=1))), 4)
    assert data.feature_names == tuple(map(str, names))[:4]


def test_quotation_marks_may_hold_separators_and_lines(stored):
    frame = good().replace({"cook": 'cook, or "chef"\nof a kitchen'})
    data = wb.from_csv(stored(text_of(frame)), "risk")
    assert 'cook, or "chef"\nof a kitchen' in data.codec.columns[2].categories
    text = text_of(frame).split("\n")
    at = next(i for i, line in enumerate(text) if line.startswith("of a kitchen"))
    text[at + 1] = "too,few"
    with pytest.raises(BadFile, match=f"Line {at + 2} has 2 fields"):
        wb.from_csv(stored("\n".join(text)), "risk")


def test_lines_end_as_they_like(stored, quiet):
    prints = {
        wb.from_csv(stored(text_of().replace("\n", end)), "risk").fingerprint for end in ("\n", "\r\n", "\r")
    }
    assert len(prints) == 1


def test_a_script_as_a_column_name_is_a_name(stored):
    data = wb.from_csv(stored(text_of(good().rename(columns={"age": "<script>alert(1)</script>"}))), "risk")
    assert data.feature_names[0] == "<script>alert(1)</script>"
    assert "<script>" not in data._repr_html_()


def test_classes_that_are_numbers_stand_in_their_order(stored, quiet):
    frame = good().assign(risk=np.array(["10.0", "9.0", "-"])[np.arange(N) % 3])
    assert wb.from_csv(stored(text_of(frame)), "risk").class_names == ("-", "10", "9")
    frame = frame.replace({"-": "1.0"})
    assert wb.from_csv(stored(text_of(frame)), "risk").class_names == ("1", "9", "10")


def test_what_was_noticed_is_shown_in_the_notebook(stored):
    with pytest.warns(UserWarning):
        data = wb.from_csv(stored(text_of(good().assign(same=7))), "risk")
    assert "is the same in every row and was left out" in data._repr_html_()


def test_a_model_can_be_trained_on_it(stored):
    data = wb.from_csv(stored(text_of()), "risk")
    fitted = wb.fit(wb.build("logistic", data), data, verbose=False)
    assert len(fitted.model.predict_proba(data.test.x)) == len(data.test)


# who stays together


def test_equal_rows_stay_in_one_split(stored, quiet):
    frame = pd.concat([good(), good()[:40]], ignore_index=True)
    data = wb.from_csv(stored(text_of(frame)), "risk")
    seen = [{row.tobytes() for row in split.x} for split in data.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen)) == N
    assert any("40 are copies of an earlier one, first in line 122" in note for note in data.notes)


def test_where_few_rows_are_different_equal_ones_may_part(stored):
    frame = good(200)[["married", "risk"]].assign(job=JOBS[np.arange(200) % 3])
    with pytest.warns(UserWarning, match=r"loans.csv: There are only 6 different rows among 200"):
        data = wb.from_csv(stored(text_of(frame)), "risk")
    assert len(data.test) == 40


def test_rows_of_one_cluster_stay_together_and_the_column_is_no_feature(stored, quiet):
    frame = good().assign(patient=[f"P{i // 4}" for i in range(N)])
    data = wb.from_csv(stored(text_of(frame)), "risk", clusters="patient")
    assert "patient" not in data.feature_names
    parts = [{i // 4 for i in split.row_ids} for split in data.splits.values()]
    assert sum(map(len, parts)) == len(set.union(*parts)) == N // 4


def test_a_gap_among_clusters_is_an_error_with_its_line(stored):
    frame = good().assign(patient=[None if i == 5 else f"P{i // 4}" for i in range(N)])
    with pytest.raises(BadInput, match=r"'patient' is empty in 1 row, first in line 7"):
        wb.from_csv(stored(text_of(frame)), "risk", clusters="patient")


# damaged files: refused

BYTES = text_of().encode()
WIDE = "\n".join(",".join(map(str, range(2001))) for _ in range(3))
REFUSED = {
    "an empty file": (b"", {}, BadFile, "The file is empty"),
    "only spaces": (b" \n\n  \n", {}, BadFile, "The file is empty"),
    "only a header": (BYTES.split(b"\n")[0], {}, BadFile, "only a header, in line 1"),
    "an Excel file": (b"PK\x03\x04" + BYTES, {}, BadFile, "an Excel file.*Save it as CSV"),
    "an old Excel file": (b"\xd0\xcf\x11\xe0" + BYTES, {}, BadFile, "an Excel file"),
    "NUL bytes": (BYTES[:200] + b"\0" + BYTES[200:], {}, BadFile, "NUL byte in line 8.*utf-16-le"),
    "UTF-16 without its mark": (BYTES.decode().encode("utf-16-le"), {}, BadFile, "NUL byte in line 1"),
    "bytes of another encoding": (
        BYTES.replace(b"cook", b"k\xf6ch"), {"encoding": "utf-8"}, BadFile, r"Line \d+ holds bytes .*not utf-8"),
    "one damaged letter": (BYTES.replace(b"cook", "köche".encode()).replace(b"smith", b"sm\xffth", 1), {}, BadFile, r"Line \d+ holds bytes that are not UTF-8, as the rest is"),
    "an encoding that is none": (BYTES, {"encoding": "klingon"}, BadInput, "no encoding 'klingon'"),
    "the wrong separator": (BYTES, {"sep": ";"}, BadFile, r"With sep=';' everything is in one column, as in line 1.*sep=',' \(comma\) seems right"),
    "no separator at all": ("\n".join("abc" for _ in range(50)), {}, BadFile, "Everything is in one column"),
    "a separator of two signs": (BYTES, {"sep": "::"}, BadInput, "sep is '::'"),
    "a line too long": (changed(17, 1, "1,2"), {}, BadFile, "Line 17 has 6 fields where most lines have 5"),
    "a line too short": (changed(17, 1, "1").replace("\n", "\n", 1).replace(text_of().split("\n")[30], "1,2"), {}, BadFile, "Line 31 has 2 fields where most lines have 5"),
    "a title above the names": ("Our loans\n" + text_of(), {}, BadFile, "Line 1 has 1 field where most lines have 5"),
    "a file cut off": (BYTES[:-12], {}, BadFile, "Line 121 has . fields where most lines have 5.*cut off"),
    "a quotation mark left open": (changed(17, 2, '"cook', changed(60, 2, '"cook, chef"')), {}, BadFile, "Line 17 has .* where most lines have 5.*quotation mark"),
    "a quotation mark open to the end": (changed(17, 2, '"cook', changed(9, 2, '"cook, chef"', text_of(good(20_000)))), {}, BadFile, "begins in line 17 never ends.*quotation mark is not closed"),
    "no header": (text_of(header=False), {}, UnknownName, r"no column 'risk'.*no header \(line 1 looks like data\): pass header=False and label=<position"),
    "a header declared away": (BYTES, {"header": False}, UnknownName, "without a header.*header=True if line 1"),
    "a label that is not there": (BYTES, {"label": "Risk "}, UnknownName, "no column 'Risk ' for label.*'age', 'income'.*Did you mean 'risk'"),
    "a position that is not there": (BYTES, {"label": 5}, BadInput, "label is 5 but there are 5 columns"),
    "a dropped column that is not there": (BYTES, {"drop": ["agee"]}, UnknownName, "no column 'agee' for drop"),
    "a type that is none": (BYTES, {"types": {"age": "ordinal"}}, UnknownName, "types says 'ordinal' for column 'age'"),
    "a type of no column": (BYTES, {"types": {"agee": "number"}}, UnknownName, "no column 'agee' for types"),
    "the label dropped": (BYTES, {"drop": ["risk"]}, BadInput, "'risk' is the label and also given as drop"),
    "two columns of one name": (text_of().replace("income", "age", 1), {}, BadFile, r"Columns 1 and 2 \(counted from 1\) are both called 'age' in line 1"),
    "an infinite number": (changed(17, 1, "inf"), {}, BadInput, "Column 'income' holds an infinite number in line 17"),
    "a number beyond all bounds": (changed(17, 1, "1e999"), {}, BadInput, "Column 'income' holds an infinite number in line 17"),
    "a word among numbers": (changed(17, 1, "abc"), {}, BadInput, r"1 of 120 values of column 'income' are no numbers, first 'abc' in line 17.*types=\{'income': 'category'\}"),
    "words where numbers are declared": (BYTES, {"types": {"job": "number"}}, BadInput, "120 of 120 values of column 'job' are no numbers, first '.*' in line 2"),
    "numbers with two readings": (text_of(good().assign(income=[f"{v * 100:,.0f}" for v in good()["income"]])), {}, BadInput,
                                  r"Column 'income' holds '\d+,\d+' in line 2, which can be read in two ways.*thousands=','"),
    "one class": (text_of(good().assign(risk="good")), {}, BadInput, "The label 'risk' has one class, 'good', from line 2 on"),
    "a label without a value": (text_of(good().assign(risk="")), {}, BadInput, "The label column 'risk' is empty in every row, first in line 2"),
    "a rare class": (changed(17, 4, "odd"), {}, BadInput, "Class 'odd' of the label 'risk' has 1 row, first in line 17"),
    "a measurement as label": (BYTES, {"label": "income"}, BadInput, "The label 'income' holds 120 different fractions.*Cut it into classes"),
    "too many classes": (text_of(good().assign(age=range(N))), {"label": "age"}, BadInput, "The label 'age' has 120 different values.*at most 50"),
    "too few rows": (text_of(good(8)), {}, BadInput, "There are 8 rows with a label"),
    "no feature at all": (text_of(good()[["risk"]].assign(same=7)), {}, BadInput, "Of 1 column beside the label none can be a feature"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("content", "options", "error", "words"), REFUSED.values(), ids=REFUSED)
def test_a_damaged_table_is_refused_with_file_line_and_column(stored, content, options, error, words):
    with pytest.raises(error, match=words) as caught:
        wb.from_csv(stored(content), **{"label": "risk", **options})
    assert "loans.csv" in caught.value.wrong or error is UnknownName
    assert all((caught.value.wrong, caught.value.expected, caught.value.todo))


def test_a_path_that_is_not_there_and_a_folder_are_refused(tmp_path):
    with pytest.raises(BadFile, match=r"nothing.csv' does not exist"):
        wb.from_csv(tmp_path / "nothing.csv", "risk")
    with pytest.raises(BadFile, match=r"This is a folder.*wb.from_folder"):
        wb.from_csv(tmp_path, "risk")


# damaged files: read, with a warning


def _with(**columns):
    return text_of(good().assign(**columns))


REMARKS = [f"the customer called about her loan number {i} again" for i in range(N)]
WARNED = {
    "a constant column": (_with(same=7), r"Column 'same' \('7' in line 2\) is the same in every row and was left out"),
    "a constant word": (_with(same="yes"), "Column 'same' .*is the same in every row"),
    "an empty column": (_with(nothing=""), "Column 'nothing' is empty and was left out"),
    "a date": (_with(opened=pd.date_range("2020-01-30", periods=N).astype(str)), r"Column 'opened' \('2020-01-30' in line 2\) looks like a date.*days since another; types=\{'opened': 'category'\}"),
    "a date of another land": (_with(opened=[f"{i % 28 + 1}.{i % 12 + 1}.2020" for i in range(N)]), "Column 'opened' .*looks like a date"),
    "a date as a number": (_with(opened=[20200101 + i % 28 for i in range(N)]), "Column 'opened' .*looks like a date"),
    "a Chinese date": (_with(opened=[f"2020年{i % 12 + 1}月{i % 28 + 1}日" for i in range(N)]), "Column 'opened' .*looks like a date"),
    "numbers of rows": (_with(number=range(1000, 1000 + N)), "Column 'number' .*looks like an id .*was left out"),
    "numbers of customers": (_with(customer_id=RNG.permutation(N) * 7), "Column 'customer_id' .*looks like an id"),
    "words of their own": (_with(key=[f"K{i * 77}" for i in range(N)]), "Column 'key' .*looks like an id"),
    "codes of their own": (_with(key=[f"{i:05d}" for i in range(N)]), "Column 'key' .*looks like an id"),
    "free text": (_with(remark=REMARKS), r"Column 'remark' .*looks like free text.*wb.from_text"),
    "scattered words": (_with(ticket=[f"T{i // 2}" for i in range(N)]), "Column 'ticket' .*many different values"),
    "numbers with a sign": (_with(price=[f"${i}.50" for i in range(N)]), "Column 'price' .*numbers with a sign or a unit"),
    "numbers and words": (_with(children=["3+" if i % 4 == 3 else str(i % 4) for i in range(N)]), r"Column 'children' mixes numbers and words \(first '3\+' in line 5\)"),
    "labels that are missing": (changed(17, 4, "", changed(30, 4, "NA")), "The label 'risk' is missing in 2 rows, first in line 17; they were left out"),
    "an index from pandas": (good().to_csv(), "Column 'column 0' .*looks like an id"),
    "a lone quotation mark": (changed(17, 2, '"cook'), "Quotation marks were read as letters, because in line 17 one has no pair"),
    "a Western encoding": (text_of().replace("cook", "köche").encode("cp1252"), r"Line \d+ is not UTF-8, so the file was read as cp1252"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "words"), WARNED.values(), ids=WARNED)
def test_a_damaged_table_is_read_with_one_warning(stored, content, words):
    with pytest.warns(UserWarning, match=f"loans.csv: {words}") as caught:
        data = wb.from_csv(stored(content), "risk")
    assert len(caught) == 1
    assert str(caught[0].message) in data.notes
    assert caught[0].filename == __file__
    assert {"age", "income", "job", "married"} <= {*data.feature_names}


def test_many_columns_of_one_fault_share_a_warning(stored):
    with pytest.warns(
        UserWarning, match=r"'c0' \('7' in line 2\), .* and 3 more columns are the same"
    ) as caught:
        wb.from_csv(stored(_with(**{f"c{i}": 7 for i in range(8)})), "risk")
    assert len(caught) == 1


@pytest.mark.parametrize(("column", "values", "what"), [
    ("opened", pd.date_range("2020-01-30", periods=N).astype(str), "category"),
    ("number", range(1000, 1000 + N), "number"),
    ("key", [f"K{i}" for i in range(N)], "category"),
])  # fmt: skip
def test_what_is_declared_is_believed(stored, quiet, column, values, what):
    data = wb.from_csv(stored(_with(**{column: values})), "risk", types={column: what})
    assert column in data.feature_names
    assert (data.codec.columns[4].categories == ()) == (what == "number")


def test_left_out_rows_keep_the_numbers_of_the_others(stored):
    with pytest.warns(UserWarning):
        data = wb.from_csv(stored(changed(17, 4, "")), "risk")
    ids = np.concatenate([split.row_ids for split in data.splits.values()])
    assert sorted({*range(N)} - {*ids.tolist()}) == [15]


def test_two_hundred_thousand_rows_are_read(stored, quiet):
    n = 200_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n).round(4), "b": rng.integers(0, 10**6, n), "c": JOBS[rng.integers(0, 3, n)],
                          "y": rng.integers(0, 2, n)})  # fmt: skip
    data = wb.from_csv(stored(text_of(frame)), "y")
    assert sum(map(len, data.splits.values())) == n
    assert data.input_shape == (5,)
    with pytest.raises(BadFile, match="Line 150001 has 3 fields where most lines have 4"):
        lines = text_of(frame).split("\n")
        lines[150_000] = "1,2,3"
        wb.from_csv(stored("\n".join(lines)), "y")


def test_two_thousand_columns_are_read(stored):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 2000)).round(3)).assign(y=rng.integers(0, 2, 300))
    frame[3] = 1.0
    with pytest.warns(UserWarning, match=r"Column '3' \('1.0' in line 2\) is the same in every row"):
        data = wb.from_csv(stored(text_of(frame)), "y")
    assert data.input_shape == (1999,)
    frame.loc[100, 7] = np.inf
    with pytest.raises(BadInput, match="Column '7' holds an infinite number in line 102"):
        wb.from_csv(stored(text_of(frame)), "y")
