"""Pictures of a comparison hold the numbers, say what their marks are, and say it in words too."""

import numpy as np
import pytest
import smalldata
from handmade import changed, comparison
from matplotlib import pyplot as plt

from workbench.plotting import comparisons


def drawn(fig):
    """The axes of methods, groups or inputs, without colour bars."""
    return [ax for ax in fig.axes if ax.get_label() != "<colorbar>"]


def texts(fig):
    found = [t.get_text() for ax in fig.axes for t in (ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts)]
    return " | ".join(
        [*found, *(t.get_text() for t in fig.texts), fig._suptitle.get_text() if fig._suptitle else ""]
    )


def marks(ax, marker):
    """The places of the lines that are drawn with a marker."""
    return [line.get_xdata()[0] for line in ax.lines if line.get_marker() == marker]


# where it stands


def test_every_method_has_an_axis_with_the_five_columns():
    fig = comparisons.standing(comparison(methods=("occlusion", "grad_cam"), levels={"randomized": 0.93}))
    assert len(drawn(fig)) == 2
    for ax in drawn(fig):
        assert marks(ax, "o") == pytest.approx([0.97]) and marks(ax, "D") == pytest.approx([0.98])
        assert marks(ax, "X") == pytest.approx([0.93])
        assert 1 in marks(ax, "|") and any(line.get_xdata() == pytest.approx([0.95] * 3) for line in ax.lines)


def test_a_mark_that_matters_is_never_outside_the_axis():
    for levels in ({}, {"compressed": 0.2}, {"sham": 0.5, "references": 0.4}, {"randomized": -0.9}):
        (ax,) = drawn(comparisons.standing(comparison(levels=levels)))
        low, high = ax.get_xlim()
        shown = [*marks(ax, "o"), *marks(ax, "D"), *marks(ax, "|")]
        assert low <= min(shown) and max(shown) <= high


def test_a_method_that_was_trained_on_is_hollow():
    fig = comparisons.standing(comparison(methods=("occlusion", "saliency"), trained_on=["saliency"]))
    fills = [
        next(line for line in ax.lines if line.get_marker() == "o").get_markerfacecolor() for ax in drawn(fig)
    ]
    assert fills[0] != "white" and fills[1] == "white"


def test_the_title_is_the_finding():
    assert "clears its margin of 0.950" in texts(comparisons.standing(comparison()))
    assert "falls below its margin of 0.990" in texts(comparisons.standing(comparison(margin=0.99)))
    assert "margin" not in comparisons.standing(comparison(references=0))._suptitle.get_text()


def test_the_legend_names_every_mark():
    (legend,) = comparisons.standing(comparison()).legends
    assert [t.get_text() for t in legend.get_texts()] == [
        "randomized", "other training runs", "trained on, not compressed", "compressed, 95 %", "own noise"
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options", [{"references": 0}, {"sham": False}, {"references": 1}, {"levels": {"compressed": 1.0}}]
)
def test_what_is_absent_leaves_no_mark_and_no_error(options):
    fig = comparisons.standing(comparison(**options))
    assert len(drawn(fig)) == 1 and "nan" not in texts(fig)


def test_its_words_hold_the_numbers():
    words = comparisons.standing_alt(comparison())
    for part in (
        "occlusion: compressed 0.970 (95 % 0.970 to 0.970)",
        "trained on 0.980",
        "other runs 0.950",
        "randomized 0.100",
    ):
        assert part in words


def test_what_is_absent_is_not_told_as_a_number():
    assert "nan" not in comparisons.standing_alt(comparison(references=0, sham=False))


# examples


def test_three_median_and_three_worst_inputs_are_drawn_on_one_scale():
    c = comparison()
    fig = comparisons.examples(c)
    axes = np.array(drawn(fig)).reshape(6, 5)
    chosen = [*c.median(3), *c.worst(3)]
    limits = {ax.images[0].get_clim() for ax in axes[:, 1:].ravel()}
    assert len(limits) == 1 and limits.pop()[1] == pytest.approx(
        max(np.abs(c.maps[m][chosen]).max() for m in c.maps)
    )
    for line, row in zip(axes, chosen, strict=True):
        np.testing.assert_array_equal(line[1].images[0].get_array(), c.maps["original"][row])
    assert [ax.get_ylabel().split("\n")[0] for ax in axes[:, 0]] == ["median"] * 3 + ["worst"] * 3
    assert [ax.get_title("left") for ax in axes[0]] == [
        "the input",
        "original",
        "compressed",
        "trained on",
        "another run",
    ]


def test_each_input_says_its_class_and_every_models_answer():
    c = comparison()
    c.answers["compressed"] = (c.answers["compressed"] + 1) % 3
    row = c.worst(1)[0]
    line = np.array(drawn(comparisons.examples(c))).reshape(6, 5)[3]
    names = c.facts["class_names"]
    assert line[0].get_xlabel() == f"true: {names[c.rows['y'][row]]}"
    assert line[2].get_xlabel() == f"answers {names[c.answers['compressed'][row]]}"


def test_the_scale_names_the_output_that_was_explained():
    assert "what the centred logit loses" in texts(comparisons.examples(comparison()))
    assert "what the log prob loses" in texts(comparisons.examples(comparison(output="log_prob")))


def test_few_inputs_are_named_rightly():
    c = comparison()
    c.of("occlusion")["compressed"] = c.of("occlusion")["compressed"][:, :2]
    axes = np.array(drawn(comparisons.examples(c))).reshape(4, 5)
    assert [ax.get_ylabel().split("\n")[0] for ax in axes[:, 0]] == ["median"] * 2 + ["worst"] * 2


def test_its_words_say_how_many_of_the_worst_changed():
    c = comparison()
    c.answers["compressed"] = c.answers["compressed"].copy()
    c.answers["compressed"][c.worst(3)[:2]] += 7
    assert "2 of the three worst changed their answer" in comparisons.examples_alt(c)


# examples of tables and texts


def of_kind(kind, size, **rows):
    """Return a comparison whose maps are rows of a table or texts, the compressed model's twice the original's."""
    c = comparison(kind=kind, primary="feature_ablation", methods=("feature_ablation",))
    values = np.random.default_rng(0).normal(size=(c.n, size)).astype(np.float32)
    for name in c.maps:
        c.maps[name] = values * (2 if name == "compressed" else 1)
    c.rows.update(x=values, **rows)
    return c


def table_pair(size=12):
    names = tuple(f"{i} {smalldata.LONG}" for i in range(size))
    return of_kind(
        "table", size, feature_names=names, labels=tuple(tuple("$5" for _ in names) for _ in range(150))
    )


def text_pair(size=9):
    words = ("[CLS]", "not", "a", smalldata.SCRIPT, "good", "$5", "film", ".", "")
    padding = np.array([not word or word == "[CLS]" for word in words])
    return of_kind("text", size, feature_names=(), labels=(words,) * 150, padding=np.tile(padding, (150, 1)))


def test_rows_of_a_table_are_drawn_with_the_same_columns_for_all_models():
    c = table_pair()
    fig = comparisons.examples(c)
    assert len(fig.axes) == 6 and len({ax.get_xlim() for ax in fig.axes}) == 1
    row = c.median(3)[0]
    ax = fig.axes[0]
    bars = np.array([bar.get_width() for bar in ax.patches])
    assert len(bars) == comparisons.COLUMNS and np.abs(bars).tolist() == sorted(np.abs(bars), reverse=True)
    assert bars[0] == pytest.approx(c.maps["original"][row][np.abs(c.maps["original"][row]).argmax()])
    compressed = next(line for line in ax.lines if line.get_marker() == "o")
    np.testing.assert_allclose(compressed.get_xdata(), 2 * bars, rtol=1e-5)
    assert [t.get_text() for t in fig.legends[0].get_texts()] == list(c.maps)


def test_models_that_disagree_are_named_with_their_answers():
    c = table_pair()
    c.answers["compressed"] = (c.answers["compressed"] + 1) % 3
    row, names = c.median(3)[0], c.facts["class_names"]
    said = comparisons.examples(c).axes[0].get_xlabel().replace("\n", " ")
    y = c.rows["y"][row]
    assert said == f"original, trained on, another run: {names[y]}; compressed: {names[(y + 1) % 3]}"
    assert comparisons.examples(table_pair()).axes[0].get_xlabel() == f"all answer {names[y]}"


def test_texts_are_drawn_a_line_a_model_without_padding():
    fig = comparisons.examples(text_pair())
    drawn = [text.get_text() for text in fig.axes[0].texts]
    assert drawn.count("original") == drawn.count("compressed") == drawn.count("another run") == 6
    assert drawn.count("good") == 24 and "[CLS]" not in drawn
    assert drawn[0].startswith("median, similarity 0.970; true: ")


@pytest.mark.parametrize("pair", [table_pair, text_pair])
def test_their_words_say_what_was_drawn(pair):
    words = comparisons.examples_alt(pair())
    assert "on one scale; 0 of the three worst changed" in words and "input, maps" not in words


# groups


def test_every_group_has_its_difference_its_similarity_and_its_numbers():
    c = changed(
        comparison(), "similarities", "compressed", np.arange(0, 150, 3), 0.6, ("occlusion", "cosine")
    )
    c.right["compressed"][0, 1::6] = False
    left, right = drawn(comparisons.by_group(c))
    table = c.by_group().iloc[::-1]
    assert left.lines[0].get_xdata() == pytest.approx(100 * table["difference"].to_numpy())
    assert right.lines[0].get_xdata() == pytest.approx(table["similarity"].to_numpy())
    assert [t.get_text() for t in right.texts] == ["n = 100 / 50"] * 3
    assert [t.get_text() for t in left.get_yticklabels()] == ["2", "1", "0"]


def test_its_words_name_the_groups_that_lost_most():
    c = changed(
        comparison(), "similarities", "compressed", np.arange(0, 150, 3), 0.6, ("occlusion", "cosine")
    )
    c.right["compressed"][0, 1::6] = False
    words = comparisons.by_group_alt(c)
    assert "least favourably for 1 (-50.0 points, n = 100)" in words and "least alike for 0 (0.600)" in words


def test_a_group_that_was_not_explained_is_drawn_without_a_similarity():
    labels = ["seen"] * 150 + ["unseen"] * 150
    comparisons.by_group(comparison(labels=labels, groups="group"))


def test_no_picture_stays_open():
    before = plt.get_fignums()
    c = comparison()
    for draw in (comparisons.standing, comparisons.examples, comparisons.by_group):
        draw(c)
    assert plt.get_fignums() == before


def test_of_many_groups_those_that_are_least_alike_are_drawn():
    labels = [f"group {i % 100}" for i in range(300)]
    c = changed(
        comparison(labels=labels, groups="group"),
        "similarities",
        "compressed",
        [7],
        0.1,
        ("occlusion", "cosine"),
    )
    fig = comparisons.by_group(c)
    names = [t.get_text() for t in fig.axes[0].get_yticklabels()]
    assert len(names) == comparisons.MOST and "group 7" in names
    assert fig._suptitle.get_text() == "The 30 of 100 whose maps are least alike"
