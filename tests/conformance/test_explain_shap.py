"""Shapley values of columns and words are those of shap, called by hand."""

import numpy as np
import pandas as pd
import pytest
import shap

import workbench as wb
from workbench.data import known_rule
from workbench.data.columns import Columns


@pytest.fixture(scope="module")
def rule():
    data = known_rule.generated()
    return data.test[:4], data.train.x[:30]


def test_kernel_shap_over_a_background_is_that_of_the_kernel_explainer(rule):
    rows, background = rule
    explainer = shap.KernelExplainer(lambda x: known_rule.rule(x)[:, 1], background)
    theirs = explainer.shap_values(rows.x, nsamples=2**6, silent=True)
    ours = wb.explain(known_rule.rule, rows, "kernel_shap", target=1, background=background)
    np.testing.assert_allclose(ours.values, theirs, atol=1e-5)
    np.testing.assert_allclose(ours.base_values, explainer.expected_value, rtol=1e-5)


def test_columns_of_categories_are_one_player_as_in_the_exact_explainer():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 9, 60),
            "job": rng.choice(["cook", "smith", "tailor"], 60),
            "rooms": rng.integers(1, 5, 60) * 1.0,
        }
    )
    names, codec = ["cook", "smith", "tailor"], Columns.learned(frame)
    coded = frame.assign(job=[names.index(job) for job in frame["job"]]).to_numpy(dtype=float)

    def score(frame):
        return (
            frame["age"] / 10 + 2.0 * (frame["job"] == "smith") * frame["rooms"] - (frame["job"] == "cook")
        ).to_numpy(dtype=float)

    def of_codes(rows):
        return score(
            pd.DataFrame(rows, columns=list(frame)).assign(job=np.array(names)[rows[:, 1].astype(int)])
        )

    masker = shap.maskers.Independent(coded[:25], max_samples=25)
    theirs = shap.explainers.Exact(of_codes, masker)(coded[40:44])
    ours = wb.explain(score, frame[40:44], "kernel_shap", output="raw", background=frame[:25])
    np.testing.assert_allclose(ours.values, theirs.values, rtol=1e-4, atol=1e-4)
    assert codec.size == 5
    assert ours.values.shape == (4, 3)


def test_words_are_those_of_the_exact_explainer_over_their_masks():
    words = ["not", "a", "good", "film"]

    def score(texts):
        return np.array(
            [
                3.0 * ("not" in t and "good" in t) - 2 * ("good" in t.split()) + 0.5 * len(t.split())
                for t in texts
            ]
        )

    def of_masks(kept):
        return score(
            [" ".join(w for w, k in zip(words, row, strict=True) if k) for row in np.atleast_2d(kept)]
        )

    theirs = shap.explainers.Exact(of_masks, shap.maskers.Independent(np.zeros((1, 4))))(np.ones((1, 4)))
    for method in ("exact_shapley", "kernel_shap"):
        ours = wb.explain(score, [" ".join(words)], method, output="raw")
        np.testing.assert_allclose(ours.values[:, 1:], theirs.values, atol=1e-5)
