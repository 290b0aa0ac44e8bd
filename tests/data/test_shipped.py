"""The shipped sets are the committed ones, dealt out fairly, and nobody can write into them."""

import re
from io import BytesIO

import numpy as np
import pytest
from house import PACKAGE, ROOT
from sklearn.datasets import load_breast_cancer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

import workbench as wb
from workbench import files
from workbench.data import shipped
from workbench.errors import BadFile, UnknownName

SIZES = {"train": 3500, "valid": 500, "test": 1000}
NAMES = (
    "breast_cancer",
    "decoy_mnist",
    "german_credit",
    "known_rule",
    "lesions",
    "mnist",
    "mortgages",
    "movie_reviews",
    "signs",
)
FILES = tuple(
    name for name in NAMES if name not in ("known_rule", "decoy_mnist", "lesions", "signs")
)  # The others are made at load time.
TABLES = ("breast_cancer", "german_credit", "known_rule", "mortgages")
CLASSES = {
    "breast_cancer": {"malignant": 212, "benign": 357},
    "german_credit": {"bad risk": 300, "good risk": 700},
    "mortgages": {"granted": 2095, "denied": 285},
    "movie_reviews": {"negative": 5326, "positive": 5242},
}
CATEGORIES = {
    "german_credit": {"sex": 2, "job": 4, "housing": 3, "saving_accounts": 5, "checking_account": 4, "purpose": 8},
    "mortgages": {"consumer_credit": 6, "mortgage_credit": 4, "public_bad_record": 2, "self_employed": 2, "insurance_denied": 2,
                  "condominium": 2, "afam": 2, "single": 2, "high_school": 2},
}  # fmt: skip
WORD = re.compile(r"\w+")


def test_there_are_five_thousand_digits_in_three_splits(digits):
    assert {name: len(split) for name, split in digits.splits.items()} == SIZES
    assert (digits.name, digits.kind, digits.input_shape) == ("mnist", "image", (1, 28, 28))
    assert digits.class_names == tuple("0123456789")
    assert digits.licence not in ("", "not stated")
    assert digits.source not in ("", "not stated")


@pytest.mark.parametrize("part", SIZES)
def test_pixels_are_floats_from_0_to_1_and_classes_whole(digits, part):
    split = digits.splits[part]
    assert (split.x.dtype, split.y.dtype) == (np.float32, np.int64)
    assert (split.x.min(), split.x.max()) == (0, 1)
    assert split.evidence is None
    assert split.shortcut is None


def test_every_digit_is_in_exactly_one_split(digits):
    ids = np.concatenate([split.row_ids for split in digits.splits.values()])
    assert sorted(ids) == list(range(5000))


def test_no_image_is_in_two_splits(digits):
    seen = [{image.tobytes() for image in split.x} for split in digits.splits.values()]
    assert sum(map(len, seen)) == len(set.union(*seen))


@pytest.mark.parametrize("part", SIZES)
def test_each_class_is_a_tenth_of_each_split(digits, part):
    assert np.bincount(digits.splits[part].y).tolist() == [SIZES[part] // 10] * 10


def test_the_first_rows_are_a_fair_sample(digits):
    assert np.bincount(digits.train.y[:500], minlength=10).min() > 25


def test_a_zero_has_a_hole_and_a_one_does_not(digits):
    middle = [digits.train.x[digits.train.y == digit][:, 0, 12:16, 12:16].mean() for digit in (0, 1)]
    assert middle[0] < 0.1 < 0.5 < middle[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_arrays_cannot_be_written_into(name):
    data = wb.load(name)
    for split in data.splits.values():
        for array in (split.x, split.y, split.row_ids, split.clusters, split.texts):
            if array is not None:
                with pytest.raises(ValueError, match="read-only"):
                    array[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        data.test[:5].x[0] = 0


@pytest.mark.parametrize("name", NAMES)
def test_data_is_loaded_once(name):
    assert wb.load(name) is wb.load(name)


@pytest.mark.parametrize("name", NAMES)
def test_loading_again_gives_the_same_rows(name):
    assert getattr(shipped, name)().fingerprint == wb.load(name).fingerprint


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_changed_is_refused(monkeypatch, name):
    monkeypatch.setattr(files, "sha256", lambda content: "0" * 64)
    with pytest.raises(BadFile, match=rf"{name}.npz has SHA-256 0000000000000000") as refused:
        getattr(shipped, name)()
    assert "as committed" in refused.value.expected
    assert "Install the package again" in str(refused.value)


def test_an_unknown_name_is_answered_with_the_known():
    with pytest.raises(UnknownName, match=r"'minst'.*one of .*mnist.*Did you mean 'mnist'"):
        wb.load("minst")


def test_the_table_lists_what_can_be_loaded():
    table = wb.datasets()
    assert tuple(table.index) == NAMES
    assert table.loc["mnist", ["kind", "rows", "classes"]].tolist() == ["image 1x28x28", 5000, 10]
    assert table["rows"].to_dict() == {"breast_cancer": 569, "decoy_mnist": 5000, "german_credit": 1000, "known_rule": 4000, "lesions": 2250,
                                       "mnist": 5000, "mortgages": 2380, "movie_reviews": 10568, "signs": 2250}  # fmt: skip
    for name, row in table.iterrows():
        data = wb.load(name)
        assert row["rows"] == sum(map(len, data.splits.values()))
        assert row["licence"] == data.licence
        assert row["source"] == data.source


@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_in_one_split_and_no_cluster_in_two(name):
    splits = wb.load(name).splits.values()
    ids = np.concatenate([split.row_ids for split in splits])
    assert sorted(ids) == list(range(len(ids)))
    clusters = np.concatenate([np.unique(split.clusters) for split in splits])
    assert len(clusters) == len(np.unique(clusters))


@pytest.mark.parametrize("name", TABLES)
def test_equal_rows_of_a_table_share_a_cluster(name):
    splits = wb.load(name).splits.values()
    rows, clusters = (np.concatenate([getattr(s, what) for s in splits]) for what in ("x", "clusters"))
    different = len(np.unique(rows, axis=0))
    assert different == len(np.unique(clusters))
    assert different == {"mortgages": 2377}.get(name, len(rows))


def test_texts_that_differ_in_case_and_signs_only_share_a_cluster():
    splits = wb.load("movie_reviews").splits.values()
    texts, clusters = (np.concatenate([getattr(s, what) for s in splits]) for what in ("texts", "clusters"))
    seen: dict[str, int] = {}
    shared = [
        seen.setdefault(" ".join(WORD.findall(text.lower())), c)
        for text, c in zip(texts, clusters, strict=True)
    ]
    assert shared == clusters.tolist()
    assert len(seen) == len(texts) - 2


@pytest.mark.parametrize("name", CLASSES)
def test_classes_are_counted_and_shared_out_fairly(name):
    data = wb.load(name)
    y = np.concatenate([split.y for split in data.splits.values()])
    assert dict(zip(data.class_names, np.bincount(y).tolist(), strict=True)) == CLASSES[name]
    for part, share in {"train": 0.7, "valid": 0.1, "test": 0.2}.items():
        split = data.splits[part]
        assert len(split) == pytest.approx(share * len(y), abs=3)
        assert split.y.mean() == pytest.approx(y.mean(), abs=0.01)
        assert split.y[:100].mean() == pytest.approx(y.mean(), abs=0.15)


@pytest.mark.parametrize("name", NAMES)
def test_licence_and_source_are_stated(name):
    data = wb.load(name)
    assert data.licence not in ("", "not stated")
    assert data.source not in ("", "not stated")
    assert f"## {name}: " in (ROOT / "data" / "README.md").read_text()


@pytest.mark.parametrize("name", FILES)
def test_a_file_holds_no_objects(name):
    content = (PACKAGE / "data" / "files" / f"{name}.npz").read_bytes()
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        assert {arrays[key].dtype.kind for key in arrays} <= set("uifU")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_standardized_by_its_training_rows(name):
    data = wb.load(name)
    assert data.train.x.dtype == np.float32
    assert np.allclose(data.train.x.mean(0), 0, atol=1e-5)
    numbers = [data.columns[c.name][0] for c in data.codec.columns if not c.categories]
    assert np.allclose(data.train.x[:, numbers].std(0), 1, atol=1e-4)


@pytest.mark.parametrize("name", CATEGORIES)
def test_a_category_is_one_feature_and_each_of_its_words_is_seen_in_training(name):
    data = wb.load(name)
    found = {c.name: len(c.categories) for c in data.codec.columns if c.categories}
    assert found == CATEGORIES[name]
    assert data.feature_names == data.codec.names
    assert {c: len(data.columns[c]) for c in found} == found
    for split in data.splits.values():
        words = split.raw[list(found)]
        assert not (words == "(other)").any(axis=None)


def test_the_tumours_are_those_of_scikit_learn():
    data, given = wb.load("breast_cancer"), load_breast_cancer()
    assert (data.class_names, data.feature_names) == (tuple(given.target_names), tuple(given.feature_names))
    for split in data.splits.values():
        assert np.array_equal(split.y, given.target[split.row_ids])
        assert np.allclose(split.raw.to_numpy(), given.data[split.row_ids], rtol=1e-4, atol=1e-4)


def test_the_first_applicants_are_those_of_the_documentation():
    rows, answers = _in_order("german_credit")
    assert rows[["credit_amount", "duration", "age"]].iloc[:2].round().values.tolist() == [
        [1169, 6, 67],
        [5951, 48, 22],
    ]
    assert answers[:2] == ["good risk", "bad risk"]
    assert rows[["sex", "job", "purpose"]].iloc[0].tolist() == ["male", "skilled", "radio or TV"]


def test_the_lending_file_tells_what_is_known_of_it():
    rows, answers = _in_order("mortgages")
    denied = np.array([answer == "denied" for answer in answers])
    assert denied[rows["afam"] == "yes"].mean() == pytest.approx(
        0.283, abs=5e-4
    )  # Stock and Watson 2007, ch. 11
    assert denied[rows["afam"] == "no"].mean() == pytest.approx(0.093, abs=5e-4)
    assert (denied & (rows["insurance_denied"] == "yes")).sum() == 44
    late = denied[rows["mortgage_credit"] == "three or more late payments"].mean()
    assert late > 3 * denied[rows["mortgage_credit"] == "no late payments"].mean()


def _in_order(name):
    """Return the rows and the names of their classes in the order of the source."""
    data = wb.load(name)
    places = np.argsort(np.concatenate([split.row_ids for split in data.splits.values()]))
    frames = [split.raw for split in data.splits.values()]
    rows = type(frames[0])({c: np.concatenate([f[c] for f in frames])[places] for c in frames[0]})
    y = np.concatenate([split.y for split in data.splits.values()])[places]
    return rows, [data.class_names[label] for label in y]


def test_a_review_is_kept_as_it_was_and_as_numbers():
    data = wb.load("movie_reviews")
    first = data.test.texts[0]
    assert isinstance(first, str)
    assert data.test.raw[0] == first
    assert np.array_equal(data.tokenizer.encoded([first])[0], data.test.x[0])
    assert any("clichés" in text for text in data.train.texts)
    labels = {
        text: label
        for split in data.splits.values()
        for text, label in zip(split.texts, split.y, strict=True)
    }
    assert (labels["Effective but too tepid biopic"], labels["Truly terrible."]) == (0, 0)
    assert (
        labels["If you sometimes like to go to the movies to have fun, Wasabi is a good place to start."] == 1
    )


def test_the_vocabulary_is_of_the_training_texts_alone():
    data = wb.load("movie_reviews")
    seen = set().union(*map(data.tokenizer.split, data.train.texts))
    assert set(data.tokenizer.vocabulary[3:]) <= seen
    assert (data.test.x == 1).any()  # [UNK]


@pytest.mark.parametrize(("name", "accuracy", "auc"), [("german_credit", 0.715, 0.725), ("mortgages", 0.893, 0.824),
                                                       ("breast_cancer", 0.991, 0.997), ("known_rule", 0.821, 0.909)])  # fmt: skip
def test_logistic_regression_reaches_what_the_readme_says(name, accuracy, auc):
    data = wb.load(name)
    model = LogisticRegression(max_iter=5000).fit(data.train.x, data.train.y)
    assert model.score(data.test.x, data.test.y) == pytest.approx(accuracy, abs=0.01)
    assert roc_auc_score(data.test.y, model.predict_proba(data.test.x)[:, 1]) == pytest.approx(auc, abs=0.01)
    section = (ROOT / "data" / "README.md").read_text().split(f"## {name}: ")[1].split("\n## ")[0]
    assert f"{accuracy:.3f}".lstrip("0") in section
    assert f"{auc:.3f}".lstrip("0") in section


def test_words_and_pairs_tell_a_good_review_from_a_bad_one():
    data = wb.load("movie_reviews")
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(data.train.texts, data.train.y)
    assert 0.74 < model.score(data.test.texts, data.test.y) < 0.82
