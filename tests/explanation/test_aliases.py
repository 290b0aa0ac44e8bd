"""Words of captum, shap and LIME: taken where they count the same, refused with the conversion where not."""

import numpy as np
import pytest

import workbench as wb
from workbench.errors import BadInput
from workbench.explanation.aliases import ANYWHERE, OTHERWISE, SAME, in_our_words
from workbench.explanation.registry import look_up


@pytest.mark.parametrize(("method", "word", "n"), [("lime", "num_samples", 60), ("kernel_shap", "nsamples", 28),
                                                    ("permutation_shap", "npermutations", 3),
                                                    ("partition_shap", "max_evals", 90)])  # fmt: skip
def test_a_word_that_counts_the_same_is_taken(mlp, clouds, method, word, n):
    theirs = wb.explain(mlp, clouds.test[:2], method, **{word: n})
    ours = wb.explain(mlp, clouds.test[:2], method, n_samples=n)
    np.testing.assert_array_equal(theirs.values, ours.values)
    assert theirs.settings == ours.settings


@pytest.mark.parametrize(
    ("method", "word", "conversion"),
    [
        ("permutation_shap", "max_evals", r"n_samples = max_evals // \(2 x groups \+ 1\)"),
        ("shapley_sampling", "nsamples", "n_samples = nsamples // groups"),
        ("lime", "num_features", r"e\.top\(k\)"),
        ("shapley_sampling", "perturbations_per_eval", "batch_size = perturbations_per_eval x n"),
        ("occlusion", "sliding_window_shapes", "without the channel"),
        ("lime", "random_state", "Pass seed="),
    ],
)
def test_a_word_that_counts_something_else_is_refused_with_the_conversion(
    mlp, clouds, method, word, conversion
):
    with pytest.raises(
        BadInput, match=f"{method} was given {word}=8, a word of another library.*{conversion}"
    ):
        wb.explain(mlp, clouds.test[:1], method, **{word: 8})


def test_one_thing_has_one_word_at_a_time(mlp, clouds):
    for words in ({"num_samples": 9, "n_samples": 8}, {"n_samples": 8, "num_samples": 9}):
        with pytest.raises(BadInput, match="lime was given n_samples twice"):
            wb.explain(mlp, clouds.test[:1], "lime", **words)


def test_a_misspelt_word_is_still_answered_with_the_known_ones(mlp, clouds):
    with pytest.raises(BadInput, match=r"lime has no option called 'n_sample'.*n_samples"):
        wb.explain(mlp, clouds.test[:1], "lime", n_sample=8)


def test_a_methods_own_word_is_always_its_own():
    assert in_our_words("mine", {"labels": 3}, {"labels": 1}) == {"labels": 3}


@pytest.mark.parametrize(("method", "word"), [*SAME, *OTHERWISE])
def test_the_tables_speak_of_methods_that_there_are(method, word):
    options = look_up(method).options
    assert word not in options
    assert SAME.get((method, word), "n_samples") in {*options, "n_samples"}
    assert not {*ANYWHERE} & {*options}
