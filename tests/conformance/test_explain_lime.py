"""LIME's weights are those of the library, asked with the same masks."""

import numpy as np
import pandas as pd
import pytest
import torch
from lime.lime_image import LimeImageExplainer
from lime.lime_tabular import LimeTabularExplainer
from lime.lime_text import LimeTextExplainer
from nets import NINE
from sklearn.linear_model import Ridge

import workbench as wb
from workbench.data.columns import Columns
from workbench.explanation.coalitions import removals
from workbench.explanation.local_surrogates import Bins, euclidean, near
from workbench.explanation.regressions import ridge
from workbench.explanation.space import Space
from workbench.state import generator


class Drawn(np.random.RandomState):
    """A random state that answers with our masks."""

    def __init__(self, masks):
        super().__init__(0)
        self.masks = masks

    def randint(self, *_, **__):
        return self.masks.ravel()


@pytest.mark.parametrize("row", [0, 5])
@pytest.mark.parametrize(("n_samples", "width"), [(120, 0.25), (300, 0.8)])
def test_weights_are_those_of_lime_image_with_the_same_masks(lenet, digits, row, n_samples, width):
    e = wb.explain(
        lenet, digits.test[row], "lime", n_samples=n_samples, kernel_width=width, feature_mask=NINE, seed=2
    )
    target = int(e.target[0])

    def scores(images):
        grey = np.asarray(images, dtype=np.float32).mean(-1)[:, None]
        with torch.no_grad():
            return lenet.model(torch.tensor(grey)).numpy()

    masks = torch.randint(0, 2, (n_samples, 9), generator=generator(2)).numpy()
    explainer = LimeImageExplainer(kernel_width=width, random_state=Drawn(masks))
    theirs = explainer.explain_instance(
        digits.test.x[row, 0].astype(float), scores, labels=(target,), top_labels=None, hide_color=0, num_features=100,
        num_samples=n_samples, batch_size=64, segmentation_fn=lambda image: NINE[0, 0],
    )  # fmt: skip
    weights = dict(theirs.local_exp[target])
    ours = [e.values[0][NINE[0] == group].sum() for group in range(9)]
    np.testing.assert_allclose(ours, [weights[group] for group in range(9)], rtol=1e-3, atol=1e-4)
    assert e.settings["fit"] == pytest.approx(
        theirs.score[target] if isinstance(theirs.score, dict) else theirs.score, rel=1e-3
    )


# tables: LIME's own draws, cut into bins and fitted by us


def spied(explainer):
    """Keep what an explainer fits its ridge regression to."""
    seen, inner = {}, explainer.base.explain_instance_with_data

    def spy(data, labels, distances, *rest, **more):
        seen.update(data=data, labels=labels, distances=distances)
        return inner(data, labels, distances, *rest, **more)

    explainer.base.explain_instance_with_data = spy
    return seen


@pytest.fixture(scope="module")
def guests():
    """A table of three numbers and a category, as numbers for LIME and encoded for us."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 9, 400), "job": rng.choice(["cook", "smith", "tailor"], 400, p=[0.8, 0.15, 0.05]),
                          "debt": rng.exponential(100, 400), "rooms": rng.integers(1, 5, 400).astype(float)})  # fmt: skip
    return frame, Columns.learned(frame)


def coded(frame):
    return frame.assign(job=pd.Categorical(frame["job"], ["cook", "smith", "tailor"]).codes).to_numpy(
        dtype=float
    )


def decoded(rows):
    frame = pd.DataFrame(rows, columns=["age", "job", "debt", "rooms"])
    return frame.assign(job=np.array(["cook", "smith", "tailor"])[frame["job"].astype(int)])


def model(frame):
    p = 1 / (
        1
        + np.exp(
            -(frame["age"] - 40) / 9 - (frame["job"] == "smith") + frame["debt"] / 100 - 0.2 * frame["rooms"]
        )
    )
    return np.stack([1 - p, p], 1)


@pytest.mark.parametrize("row", [0, 3, 11])
def test_columns_are_fitted_as_lime_tabular_fits_its_own_draws(guests, row):
    frame, codec = guests
    explainer = LimeTabularExplainer(
        coded(frame), categorical_features=[1], feature_selection="none", random_state=0
    )
    asked, seen = [], spied(explainer)
    theirs = explainer.explain_instance(coded(frame)[row], lambda x: (asked.append(x), model(decoded(x)))[1],
                                        labels=(1,), num_features=4, num_samples=800)  # fmt: skip
    x = torch.tensor(codec.encoded(decoded(asked[0])))
    space = Space(x[:1], background=codec.encoded(frame), codec=codec)
    kept = Bins(space).same(x[:1], x, space.groups[0])
    np.testing.assert_array_equal(kept[0], seen["data"])
    worth = torch.as_tensor(seen["labels"][:, 1])[None]
    weights, _, fit = (part[0] for part in ridge(kept, worth, near(euclidean(kept), 0.75 * 4**0.5)))
    expected = dict(theirs.local_exp[1])
    np.testing.assert_allclose(weights, [expected[i] for i in range(4)], rtol=1e-10, atol=1e-12)
    assert float(fit) == pytest.approx(theirs.score, rel=1e-10)


def steps(frame, edges):
    """A model that knows no more of a number than its quartile."""
    at = {name: np.searchsorted(edge, np.round(frame[name], 3)) for name, edge in edges.items()}
    p = 1 / (1 + np.exp(2 - at["age"] - (frame["job"] == "smith") * at["rooms"] + 0.5 * at["debt"]))
    return np.stack([1 - p, p], 1)


@pytest.mark.parametrize("row", [0, 3])
def test_weights_of_columns_are_those_of_lime_tabular_where_only_the_quartile_counts(guests, row):
    frame, _ = guests
    edges = {name: np.unique(np.percentile(frame[name], [25, 50, 75])) for name in ("age", "debt", "rooms")}
    explainer = LimeTabularExplainer(
        coded(frame), categorical_features=[1], feature_selection="none", random_state=0
    )
    explained = explainer.explain_instance(
        coded(frame)[row], lambda x: steps(decoded(x), edges), num_samples=30_000
    )
    theirs = dict(explained.local_exp[1])
    ours = wb.explain(lambda frame: np.log(steps(frame, edges)), frame[row : row + 1], "lime", background=frame, target=1,
                      output="probability", n_samples=30_000)  # fmt: skip
    assert ours.settings["kernel_width"] == 1.5
    assert "quartile or category" in ours.settings["segments"]
    np.testing.assert_allclose(ours.values[0], [theirs[i] for i in range(4)], atol=0.012)
    assert np.abs(ours.values).max() > 0.1


def test_one_ridge_by_hand_gives_the_weights_of_columns(guests):
    frame, codec = guests
    e = wb.explain(
        lambda frame: np.log(model(frame)),
        frame[:2],
        "lime",
        background=frame,
        target=1,
        n_samples=300,
        seed=4,
    )
    space = Space(torch.tensor(codec.encoded(frame[:2])), background=codec.encoded(frame), codec=codec)
    which = torch.randint(400, (300, 4), generator=generator(4))
    for row in range(2):
        x = space.background[which[:, space.groups[0]], torch.arange(6)]
        x[0] = space.x[row]
        z = Bins(space).same(space.x[row : row + 1], x, space.groups[0])[0].numpy()
        weights = np.sqrt(np.exp(-(z == 0).sum(1) / 1.5**2))
        fit = Ridge(alpha=1).fit(z, np.log(model(codec.decoded(x.numpy())))[:, 1], sample_weight=weights)
        np.testing.assert_allclose(e.values[row], fit.coef_, rtol=1e-3, atol=1e-4)


# words


def test_weights_of_words_are_those_of_lime_text_with_the_same_removals():
    text, known = "good film but a very dull plot", {"good": 2.0, "dull": -3.0, "but": 0.3}

    def scores(texts):
        z = np.array(
            [
                sum(known.get(word, 0.0) for word in text.split()) + 2.0 * ("good" in text and "but" in text)
                for text in texts
            ]
        )
        return np.stack([-z, z], 1)

    e = wb.explain(scores, [text], "lime", target=1, n_samples=400, seed=5)
    kept = removals(7, 400, 5).numpy()

    class Removing(np.random.RandomState):
        """A random state that removes the words that ours removes."""

        def randint(self, *_, **__):
            return (~kept[1:]).sum(1)

        def choice(self, features, size, replace):
            self.at = getattr(self, "at", 0) + 1
            assert size == (~kept[self.at]).sum()
            return np.flatnonzero(~kept[self.at])

    explainer = LimeTextExplainer(
        bow=False, mask_string="", random_state=Removing(0), feature_selection="none"
    )
    theirs = explainer.explain_instance(text, scores, labels=(1,), num_features=7, num_samples=400)
    expected = dict(theirs.local_exp[1])
    np.testing.assert_allclose(e.values[0, 1:], [expected[i] for i in range(7)], rtol=1e-4, atol=1e-6)
    assert e.settings["fit"] == pytest.approx(theirs.score, rel=1e-4)
    assert e.settings["kernel_width"] * 100 == 25


def test_as_many_words_are_removed_as_lime_text_removes():
    sizes = (~removals(10, 20_001, 0)).sum(1)[1:]
    assert removals(10, 5, 0)[0].all()
    np.testing.assert_allclose(np.bincount(sizes, minlength=11)[1:] / 20_000, 0.1, atol=0.01)
