"""What a glass box says is what it computes."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import workbench as wb
from workbench.errors import BadInput, NotExplainable
from workbench.explanation import glass
from workbench.explanation.outputs import OUTPUTS

# coefficients


def test_two_classes_share_one_score(people):
    model = LogisticRegression().fit(people.train.x, people.train.y)
    e = wb.explain(model, None, "coefficients", data=people)
    np.testing.assert_allclose(e.values, [-model.coef_[0] / 2, model.coef_[0] / 2], rtol=1e-6)
    assert e.feature_names == people.codec.encoded_names
    assert e.class_names == ("late", "paid")
    assert e.scope == "global"
    assert e.top(1, row=1)["feature"][0] == "job = cook"


def test_coefficients_are_the_slopes_of_the_score(people):
    model = LogisticRegression().fit(people.train.x, people.train.y)
    e = wb.explain(model, None, "coefficients")
    step = wb.explain(
        model, people.test.x[:1] + np.eye(8, dtype=np.float32), "feature_ablation", target=1
    ).output
    before = wb.explain(model, people.test.x[:1], "feature_ablation", target=1).output
    np.testing.assert_allclose(step - before, e.values[1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("make", [LogisticRegression, LinearSVC])
def test_more_classes_have_a_row_each(clouds, make):
    model = make().fit(clouds.train.x, clouds.train.y)
    np.testing.assert_allclose(wb.explain(model, None, "coefficients").values, model.coef_, rtol=1e-6)


def test_a_regression_has_one_row(people):
    model = Ridge().fit(people.train.x, people.train.y)
    np.testing.assert_allclose(wb.explain(model, None, "coefficients").values, [model.coef_], rtol=1e-6)


def test_rows_that_are_passed_change_nothing(people):
    model = LogisticRegression().fit(people.train.x, people.train.y)
    a, b = (wb.explain(model, rows, "coefficients").values for rows in (None, people.test[:2]))
    np.testing.assert_array_equal(a, b)
    assert a.shape == (2, 8)


def test_words_are_the_features_of_a_pipeline_of_words(bag):
    e = wb.explain(bag, None, "coefficients")
    assert e.feature_names == tuple(bag.model.steps[0][1].get_feature_names_out())
    assert "feature_names" not in e.settings
    top = e.top(8, row=1)
    assert {word for word, value in zip(top["feature"], top["value"], strict=True) if value > 0} <= {
        "good",
        "great",
        "fine",
        "lovely",
    }


def test_a_pipeline_names_what_reaches_its_last_step(tmp_path, column_pipeline, people):
    e = wb.explain(column_pipeline, None, "coefficients", data=people)
    assert e.feature_names == tuple(column_pipeline[:-1].get_feature_names_out())
    np.testing.assert_allclose(e.values[1], column_pipeline[-1].coef_[0] / 2, rtol=1e-6)
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    assert loaded.feature_names == e.feature_names
    assert e.replay(column_pipeline).fingerprint == loaded.fingerprint


def test_images_keep_their_shape(digits):
    model = wb.fit(wb.build("logistic", digits.subset(train=200)), digits.subset(train=200))
    e = wb.explain(model, None, "coefficients", data=digits)
    assert e.values.shape == (10, 1, 28, 28)
    np.testing.assert_allclose(e.values.reshape(10, -1), model.model.coef_, rtol=1e-6)


def test_coefficients_for_pairs_of_classes_are_refused(clouds, mlp):
    with pytest.raises(BadInput, match="SVC has coefficients for pairs of classes"):
        wb.explain(SVC(kernel="linear").fit(clouds.train.x, clouds.train.y), None, "coefficients")
    with pytest.raises(NotExplainable, match="the model has no coefficients"):
        wb.explain(mlp, None, "coefficients")


# the path through a tree


@pytest.fixture(scope="module")
def stump(people):
    """A tree of one question for each side."""
    return DecisionTreeClassifier(max_depth=2, random_state=0).fit(people.train.x, people.train.y)


def test_the_path_is_said_in_the_units_of_the_data(stump, people):
    e = wb.explain(stump, people.test[:30], "decision_path", data=people)
    raw = people.test[:30].raw
    for rule, job, age in zip(e.settings["rules"], raw["job"], raw["age"], strict=True):
        assert rule.startswith("job is cook" if job == "cook" else "job is not cook")
        for part in [p for p in rule.split(" and ") if p.startswith("age")]:
            _, sign, threshold = part.split()
            assert age > float(threshold) if sign == ">" else age <= float(threshold)
            assert float(threshold) == pytest.approx(round(2 * float(threshold)) / 2)  # between whole years
    assert (e.values[:, 1] != 0).all()


def test_values_sum_to_what_the_path_changed(stump, people):
    for output in ("logit", "probability", "centred_logit", "log_prob", "runner_up"):
        e = wb.explain(stump, people.test[:20], "decision_path", output=output)
        np.testing.assert_allclose(e.values.sum(1), e.output - np.array(e.settings["root"]), atol=1e-5)
    root = np.bincount(people.train.y) / len(people.train)
    probability = wb.explain(stump, people.test[:3], "decision_path", output="probability", target=1)
    np.testing.assert_allclose(probability.settings["root"], root[1], atol=1e-5)
    assert probability.delta is None


def test_each_question_changes_the_share_of_the_class(people):
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
    tree = DecisionTreeClassifier(random_state=0).fit(np.repeat(x, 2, 0), [0, 0, 0, 0, 0, 0, 1, 1])
    e = wb.explain(tree, x, "decision_path", output="probability", target=1)
    assert e.settings["rules"][3] in (
        "feature 0 > 0.5 and feature 1 > 0.5",
        "feature 1 > 0.5 and feature 0 > 0.5",
    )
    first = 0 if e.settings["rules"][3].startswith("feature 0") else 1
    np.testing.assert_allclose(e.values[3, first], 0.25, atol=1e-5)  # one quarter, then one half, then all
    np.testing.assert_allclose(e.values[3, 1 - first], 0.5, atol=1e-5)


def test_two_bounds_are_said_together():
    x = np.arange(6, dtype=np.float32)[:, None]
    tree = DecisionTreeClassifier().fit(x, [0, 0, 1, 1, 0, 0])
    assert wb.explain(tree, x[2:3], "decision_path").settings["rules"] == ["1.5 < feature 0 <= 3.5"]


def test_a_regression_tree_sums_as_well():
    x = np.random.default_rng(0).random((50, 3)).astype(np.float32)
    tree = DecisionTreeRegressor(max_depth=3).fit(x, x[:, 0] + 2 * x[:, 1])
    e = wb.explain(tree, x[:9], "decision_path", output="raw")
    np.testing.assert_allclose(e.values.sum(1), e.output - np.array(e.settings["root"]), atol=1e-5)
    assert (np.abs(e.values[:, 1]) > np.abs(e.values[:, 2])).all()


def test_a_tree_of_pixels_has_a_map(digits):
    tree = wb.fit(wb.build("tree", digits.subset(train=500)), digits.subset(train=500))
    e = wb.explain(tree, digits.test[:4], "decision_path", data=digits)
    assert e.map.shape == (4, 28, 28)
    assert "row " in e.settings["rules"][0]
    np.testing.assert_allclose(e.values.sum((1, 2, 3)), e.output - np.array(e.settings["root"]), atol=1e-4)


def test_a_tree_behind_column_transformers_speaks_of_columns(people):
    parts = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["job", "married"]), (StandardScaler(), ["age"]),
                                    remainder="drop")  # fmt: skip
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    model = make_pipeline(parts, tree).fit(people.train.raw, people.train.y)
    e = wb.explain(model, people.test[:20], "decision_path", data=people)
    np.testing.assert_allclose(e.values.sum(1), e.output - np.array(e.settings["root"]), atol=1e-5)
    np.testing.assert_array_equal(e.values[:, 2], 0)
    rules = " ".join(e.settings["rules"])
    assert "job is cook" in rules
    assert "standardscaler__age <= " in rules


def test_a_tree_behind_a_scaler_of_numbers_speaks_of_its_columns(people):
    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_depth=3, random_state=0)).fit(
        people.train.x, people.train.y
    )
    e = wb.explain(model, people.test[:5], "decision_path", data=people)
    np.testing.assert_allclose(e.values.sum(1), e.output - np.array(e.settings["root"]), atol=1e-5)
    assert all("(transformed)" in rule for rule in e.settings["rules"])


def test_a_tree_of_mixed_columns_is_refused(people):
    model = make_pipeline(PCA(2), DecisionTreeClassifier()).fit(people.train.x, people.train.y)
    with pytest.raises(BadInput, match=r"reads 'pca0', which is made of several columns.*feature_ablation"):
        wb.explain(model, people.test[:5], "decision_path", data=people)


def test_a_tree_on_a_frame_speaks_of_its_own_numbers(people):
    raw = people.train.raw[["age"]].assign(debt=0.0)
    codec = type(people.codec).learned(raw)
    tree = DecisionTreeClassifier(max_depth=1).fit(raw, raw["age"] > 50)
    e = wb.explain(
        tree,
        raw[:5],
        "decision_path",
        data=type("D", (), {"codec": codec, "class_names": (), "feature_names": ()})(),
    )
    assert {rule.replace("<=", ">") for rule in e.settings["rules"]} == {"age > 50.5"}


def test_words_of_a_path_are_in_the_text_or_said_to_be_absent(reviews):
    model = make_pipeline(CountVectorizer(), DecisionTreeClassifier(random_state=0)).fit(
        reviews.train.texts, reviews.train.y
    )
    e = wb.explain(model, reviews.test[:12], "decision_path", data=reviews)
    absent = np.array(e.settings["absent_words"])
    np.testing.assert_allclose(e.values.sum(1) + absent, e.output - np.array(e.settings["root"]), atol=1e-5)
    for tokens, values, rule in zip(e.tokens, e.values, e.settings["rules"], strict=True):
        for token, value in zip(tokens, values, strict=True):
            assert value == 0 or f"weight of '{token.lower()}' > 0.5" in rule
    assert (e.values != 0).any()


def test_pairs_of_words_share_what_their_question_changed():
    texts = ["not good", "good not", "not bad", "bad good"] * 3
    model = make_pipeline(CountVectorizer(ngram_range=(2, 2)), DecisionTreeClassifier()).fit(
        texts, [1, 0, 0, 0] * 3
    )
    e = wb.explain(model, ["well, Not good"], "decision_path", output="probability", target=1)
    assert e.tokens[0] == ("[CLS]", "well", ",", "Not", "good")
    np.testing.assert_allclose(e.values, [[0, 0, 0, 0.375, 0.375]], atol=1e-5)


def test_letters_cannot_be_found_in_words(reviews):
    model = make_pipeline(CountVectorizer(analyzer="char"), DecisionTreeClassifier()).fit(
        reviews.train.texts, reviews.train.y
    )
    with pytest.raises(BadInput, match="cannot be found in the texts"):
        wb.explain(model, ["a good film"], "decision_path")


def test_rules_are_printed_and_go_along_with_a_slice(tmp_path, stump, people):
    e = wb.explain(stump, people.test[:6], "decision_path", data=people)
    assert str(e[2:4]).splitlines() == [
        repr(e[2:4]),
        *(f"row {people.test.row_ids[i]}: {e.settings['rules'][i]}" for i in (2, 3)),
    ]
    assert e[[5, 0]].settings["root"] == [e.settings["root"][i] for i in (5, 0)]
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    assert str(loaded) == str(e)
    assert e[1:3].replay(stump).settings == e[1:3].settings
    assert "job is" in e._repr_html_()


def test_the_nodes_are_scored_once_a_class_and_rival(monkeypatch, clouds):
    model, asked, scored = DecisionTreeClassifier(random_state=0).fit(clouds.train.x, clouds.train.y), [], []
    logit, inner = OUTPUTS["logit"], glass.paths
    monkeypatch.setitem(
        OUTPUTS, "logit", lambda z, t, r: scored.append((len(z), int(t[0]), int(r[0]))) or logit(z, t, r)
    )
    monkeypatch.setattr(glass, "paths", lambda *a: asked.append(1) or inner(*a))
    e = wb.explain(model, clouds.test, "decision_path", output="logit")
    of_nodes = [(t, r) for n, t, r in scored if n == model.tree_.node_count]
    assert len(of_nodes) == len(set(of_nodes)) < len(clouds.test.x)
    assert {t for t, _ in of_nodes} == {*e.target.tolist()}
    assert asked == [1]
