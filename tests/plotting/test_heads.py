"""Pictures of attention say the same without colour: ranks, numbers, names of tokens, and what was left out."""

from types import SimpleNamespace

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.plotting import heads
from workbench.plotting.attributions import draw


def explained(layers=2, n_heads=2, tokens=4, rolled=False, **more):
    """Return what the picture reads of an explanation of two texts."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(tokens), size=(2, layers, n_heads, tokens))
    settings = {"weights": weights, "layers": dict.fromkeys(map("layer {}".format, range(layers)), n_heads),
                "special_tokens": 0, "query": "first"} | more  # fmt: skip
    settings |= {"rolled": weights.mean(2)} if rolled else {}
    words = tuple(f"word{i}" for i in range(tokens))

    class Record(SimpleNamespace):
        def __len__(self):
            return 2

    return Record(method="attention_rollout", settings=settings, labels=(words, (*words[:-1], "")), tokens=words, feature_names=(),
                  target=np.array([0, 1]), class_names=("bad", "good"), inputs=np.zeros((2, 1, 8, 8)))  # fmt: skip


def panels(fig):
    return [ax for ax in fig.axes if ax.images and ax.get_title(loc="left")]


def said(ax):
    return ax.get_title(loc="left")


def test_there_is_a_panel_a_head_and_layer_with_the_weights_in_it():
    e = explained()
    drawn = panels(draw(e, heads=True))
    assert len(drawn) == 4
    for ax, values in zip(drawn, e.settings["weights"][0].reshape(4, 4, 4), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), values)
    assert len({ax.images[0].get_clim() for ax in drawn}) == 1


def test_the_three_largest_are_ranked_in_their_places_and_written():
    e = explained(layers=1, n_heads=1)
    (ax,) = panels(heads.draw(e))
    values = e.settings["weights"][0, 0, 0]
    ranks = {text.get_text(): text.get_position() for text in ax.texts}
    order = np.argsort(-values, axis=None)[:3]
    assert ranks == {str(k + 1): (i % 4, i // 4) for k, i in enumerate(order)}
    assert said(ax) == "head 0\n" + " ".join(f"{values.ravel()[i]:.2f}".lstrip("0") for i in order)


def test_padding_is_left_out_and_tokens_have_their_names():
    drawn = panels(heads.draw(explained(layers=1, n_heads=1), row=1))
    assert [label.get_text() for label in drawn[0].get_xticklabels()] == ["word0", "word1", "word2"]
    assert drawn[0].images[0].get_array().shape == (3, 3)


def test_what_is_left_out_is_said():
    fig = heads.draw(explained(layers=9, n_heads=10, tokens=20))
    title = fig.get_suptitle().replace("\n", " ")
    assert "why bad?" in title
    for words in ("the 16 of 20 tokens that are looked at most", "last 6 of 9 layers", "first 8 of 10 heads"):
        assert words in title
    assert len(panels(fig)) == 48


def test_what_comes_of_the_layers_stands_beside_them_without_what_a_token_keeps():
    e = explained(rolled=True)
    drawn = panels(heads.draw(e))
    assert len(drawn) == 6
    last = np.ma.filled(drawn[-1].images[0].get_array(), np.nan)
    assert said(drawn[-1]).startswith("rolled out")
    assert np.isnan(np.diag(last)).all()
    np.testing.assert_allclose(last[0, 1:], e.settings["rolled"][0, -1, 0, 1:])


@pytest.mark.parametrize(("query", "special", "row"), [("special", "first", 0), ("special", "last", 4), ("first", "last", 0),
                                                       ("last", "first", 4), (2, "first", 2), ("mean", "first", slice(1, 5))])  # fmt: skip
def test_of_images_the_map_is_what_the_one_who_looks_sees(query, special, row):
    grid = {"rows": 2, "columns": 2, "found": ""}
    e = explained(layers=1, n_heads=1, tokens=5, patches=grid, special_tokens=1, special=special, query=query)
    drawn = panels(heads.draw(e))
    seen = e.settings["weights"][0, 0, 0][row]
    seen = seen if seen.ndim == 1 else seen.mean(0)
    place = slice(1, 5) if special == "first" else slice(0, 4)
    np.testing.assert_allclose(drawn[1].images[0].get_array(), seen[place].reshape(2, 2))
    assert said(drawn[0]) == "the input"


def test_weights_that_were_not_kept_or_no_longer_belong_are_refused():
    lost, grouped = explained(), explained(grouped="word")
    del lost.settings["weights"]
    for e in (lost, grouped):
        with pytest.raises(BadInput, match=r"were not kept.*Explain fewer inputs"):
            heads.draw(e)
    with pytest.raises(BadInput, match=r"row is 2.*0 to 1"):
        heads.draw(explained(), row=2)


@pytest.mark.parametrize(
    ("value", "text"), [(0.994, ".99"), (1.0, "1.00"), (0.064, ".06"), (0.0041, ".004"), (0.0, "0")]
)
def test_numbers_are_short(value, text):
    assert heads._number(value) == text
