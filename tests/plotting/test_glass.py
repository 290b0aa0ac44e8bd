"""Glass boxes show their weights under the names that people know, and refuse what has none."""

import numpy as np
import pytest
import smalldata
from sklearn.tree import DecisionTreeClassifier

import workbench as wb
from workbench.errors import BadInput
from workbench.plotting import glass


def labels(ax):
    return [label.get_text() for label in ax.get_yticklabels()]


@pytest.fixture(scope="module")
def table():
    """A table in which a column tells the class."""
    return smalldata.table(told=np.where(np.arange(300) % 3 == 0, "yes", "no"))


def test_columns_and_categories_have_their_names_and_weights(table):
    fitted = wb.fit(wb.build("logistic", table), table)
    fig = glass.coefficients(fitted, table, k=3)
    weights = fitted.model.coef_[0]
    order = np.argsort(-np.abs(weights), kind="stable")[:3]
    assert labels(fig.axes[0]) == [table.codec.encoded_names[i] for i in order]
    assert [bar.get_width() for bar in fig.axes[0].patches] == pytest.approx(weights[order])
    assert "told = " in fig.get_suptitle() and "<b>bad</b>" in fig.get_suptitle()


def test_the_words_of_a_pipeline_are_named():
    data = smalldata.texts()
    fig = glass.coefficients(wb.fit(wb.build("logistic", data), data), data)
    assert set(labels(fig.axes[0])[:2]) == {"great", "poor"}
    assert "weighs most" in fig.get_suptitle()


def test_more_classes_have_a_panel_each():
    data = smalldata.texts(classes=3)
    fig = glass.coefficients(wb.fit(wb.build("logistic", data), data), data)
    assert [ax.get_title("left") for ax in fig.axes if ax.get_visible()] == ["class 0", "class 1", "class 2"]


def test_images_have_a_template_a_class(digits):
    small = digits.subset(train=200)
    fitted = wb.fit(wb.build("logistic", small), small)
    fig = glass.coefficients(fitted, small)
    drawn = [ax.images[0].get_array() for ax in fig.axes if ax.images]
    np.testing.assert_allclose(drawn[3], fitted.model.coef_[3].reshape(28, 28))
    assert fig.get_suptitle().startswith("A tenth of the pixels has ")


def test_a_pair_of_classes_has_one_template(digits):
    rows = digits.train.y < 2
    data = wb.from_arrays(digits.train.x[rows], digits.train.y[rows])
    fig = glass.coefficients(wb.fit(wb.build("logistic", data), data), data)
    (ax,) = [ax for ax in fig.axes if ax.images and ax.get_title("center")]
    assert ax.get_title("center") == "for 1, against 0"


def test_a_model_without_coefficients_is_refused(table):
    tree = DecisionTreeClassifier().fit(table.train.x, table.train.y)
    with pytest.raises(BadInput, match=r"A DecisionTreeClassifier has no coefficients.*Fit one"):
        glass.coefficients(tree, table)


def test_a_model_of_other_data_is_refused(table):
    other = smalldata.table()
    fitted = wb.fit(wb.build("logistic", other), other)
    with pytest.raises(BadInput, match="8 weights a class but the data have 10 entries"):
        glass.coefficients(fitted, table)
