"""Local explanations added up by class: maps, columns and words."""

import numpy as np
import smalldata

from workbench.plotting import canvas, importances, matrices


def test_columns_are_averaged_by_explained_class():
    e = smalldata.explained([[1, -4], [3, 0], [0, 2]], target=np.array([0, 0, 1]))
    drawn = importances.by_class(e).axes[0].images[0].get_array()
    assert drawn.tolist() == [[2, 2], [2, 0]]  # rows are columns, the one that counts most first


def test_the_words_of_a_class_are_those_that_came_often_enough():
    e = smalldata.worded(["good film"] * 3 + ["rare"], [[2.0, 1.0]] * 3 + [[9.0]], class_names=("no", "yes"),
                         target=np.array([1, 1, 1, 1]))  # fmt: skip
    ax = importances.by_class(e).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["good", "film"]
    assert [bar.get_width() for bar in ax.patches] == [2, 1] and ax.get_title("left") == "for yes"


def test_without_words_it_is_said():
    e = smalldata.worded(["one"], [[1.0]])
    assert importances.by_class(e).get_suptitle() == "No words to draw"


def test_a_hundred_classes_fit():
    texts = [f"w{i} common" for i in range(100) for _ in range(3)]
    e = smalldata.worded(
        texts,
        [[1.0, 0.5]] * 300,
        target=np.repeat(np.arange(100), 3),
        class_names=tuple(map(str, range(100))),
    )
    assert importances.by_class(e).get_size_inches()[0] < 12
    many = smalldata.explained(
        np.ones((100, 3)),
        target=np.arange(100),
        class_names=tuple(f"{i} {smalldata.LONG}" for i in range(100)),
    )
    canvas.png(importances.by_class(many))


def test_a_matrix_is_symmetric_only_where_it_has_signs():
    plain = matrices.matrix(np.array([[0, 2.0]]), ["a"], "found", xlabel="x", label="y").axes[0].images[0]
    signed = matrices.matrix(np.array([[-1, 2.0]]), ["a"], "found", xlabel="x", label="y").axes[0].images[0]
    assert plain.get_clim() == (0, 2) and signed.get_clim() == (-2, 2)
