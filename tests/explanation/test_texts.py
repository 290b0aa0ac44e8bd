"""A word is one feature, whatever reads the text; padding and special tokens are none."""

from itertools import product

import captum.attr
import numpy as np
import pytest
import torch
from nets import Function
from torch import nn

import workbench as wb
from workbench.data.tokenizer import Tokenizer
from workbench.errors import BadInput, NotExplainable
from workbench.explanation.registry import look_up

LOCAL = ["feature_ablation", "occlusion", "exact_shapley", "kernel_shap", "lime", "saliency", "input_x_gradient",
         "integrated_gradients", "smooth_grad", "attention"]  # fmt: skip
GRADIENTS = [name for name in LOCAL if "gradient" in look_up(name).needs]
BLACK = [name for name in LOCAL if look_up(name).needs == {"batch"}]
SUMMING = ["exact_shapley", "kernel_shap", "integrated_gradients"]


def options(method):
    return (
        {"n_samples": 60}
        if method in ("lime", "smooth_grad")
        else {"n_steps": 200}
        if "integrated" in method
        else {}
    )


def ask(model, rows, method, **more):
    return wb.explain(model, rows, method, **(options(method) | more))


@pytest.fixture(params=["reader", "transformer"])
def net(request):
    """Each of the two networks that read tokens."""
    model = request.getfixturevalue(request.param)
    return getattr(model, "model", model)


def words(x):
    """Tell what is a word: neither padding nor [CLS]."""
    return ~np.isin(x, (0, 2))


# shapes and padding


@pytest.mark.parametrize("method", LOCAL)
def test_a_word_has_one_value_and_padding_none(unchanged, net, reviews, method):
    with unchanged(net):
        e = ask(net, reviews.test[:8], method, data=reviews)
    x = reviews.test.x[:8]
    assert e.values.shape == e.inputs.shape == x.shape
    assert e.kind == "text"
    np.testing.assert_array_equal(e.padding, ~words(x))
    np.testing.assert_array_equal(e.values[e.padding], 0)
    assert (e.values[~e.padding] != 0).mean() > 0.8
    assert set(e.flags) <= {"shared draws", "few samples", "gap", "baseline"}
    for tokens, text in zip(e.tokens, reviews.test.texts[:8], strict=True):
        assert tokens[0] == "[CLS]"
        assert " ".join(tokens[1:]).strip() == text


@pytest.mark.parametrize("method", SUMMING)
def test_values_of_words_sum_to_the_difference(net, reviews, method):
    e = ask(net, reviews.test[:8], method)
    difference = e.output - e.base_values
    np.testing.assert_allclose(e.values.sum(1), difference, atol=0.01 * np.abs(difference).max())


@pytest.mark.parametrize("method", LOCAL)
def test_a_replay_and_a_file_give_the_same_bits(tmp_path, reader, reviews, method):
    e = ask(reader, reviews.test[:6], method, data=reviews, seed=3)
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    for other in (e.replay(reader), loaded, loaded.replay(reader)):
        np.testing.assert_array_equal(other.values, e.values)
        assert other.fingerprint == e.fingerprint
        assert other.tokens == e.tokens
        np.testing.assert_equal(other.settings, e.settings)
    assert loaded.codec == reviews.codec


@pytest.mark.parametrize("method", LOCAL)
def test_the_size_of_batches_does_not_matter(net, reviews, method):
    a, b = (ask(net, reviews.test[:6], method, batch_size=size).values for size in (3, 1000))
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", [m for m in LOCAL if m not in GRADIENTS])
@pytest.mark.parametrize("shared", [True, False])
def test_the_other_texts_of_a_call_do_not_matter(reader, reviews, method, shared):
    own = {"shared_draws": shared} if method in ("lime", "kernel_shap") else {}
    whole, first = (ask(reader, reviews.test[:n], method, **own) for n in (9, 2))
    np.testing.assert_allclose(whole.values[:2], first.values, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("method", ["lime", "kernel_shap"])
def test_texts_share_draws_unless_told_otherwise(reader, reviews, method):
    long = int(np.argmax(words(reviews.test.x).sum(1)))
    rows = reviews.test[[long, long, 0]]
    shared, own = (wb.explain(reader, rows, method, shared_draws=s, n_samples=60) for s in (True, False))
    np.testing.assert_allclose(shared.values[0], shared.values[1], rtol=1e-4, atol=1e-6)
    assert not np.allclose(own.values[0], own.values[1], rtol=1e-3)
    assert "shared draws" in shared.flags
    assert "shared draws" not in own.flags


# ways in


def test_strings_are_read_by_the_data(reader, reviews):
    texts = list(reviews.test.texts[:4])
    expected = wb.explain(reader, reviews.test[:4], "feature_ablation").values
    for rows in (texts, tuple(texts), np.array(texts), np.array(texts, dtype=object)):
        np.testing.assert_array_equal(
            wb.explain(reader, rows, "feature_ablation", data=reviews).values, expected
        )


def test_token_numbers_are_taken_with_and_without_their_tokenizer(reader, reviews):
    x = reviews.test.x[:4]
    known = wb.explain(reader, x, "feature_ablation", data=reviews)
    bare = wb.explain(reader, torch.tensor(x), "feature_ablation")
    np.testing.assert_array_equal(
        known.values, wb.explain(reader, reviews.test[:4], "feature_ablation").values
    )
    np.testing.assert_allclose(bare.values[words(x)], known.values[words(x)], atol=1e-5)
    assert bare.tokens[0][:2] == ("#2", f"#{x[0, 1]}")


@pytest.mark.parametrize("method", BLACK)
def test_a_pipeline_of_words_is_given_strings(bag, reviews, method):
    texts = list(reviews.test.texts[:5])
    bare = ask(bag, texts, method)
    assert bare.values.shape == (5, 1 + max(len(text.split()) for text in texts))
    np.testing.assert_array_equal(bare.padding[:, 0], True)
    np.testing.assert_array_equal(bare.values[bare.padding], 0)
    by_data = ask(bag, reviews.test[:5], method, data=reviews)
    n = bare.values.shape[1]
    if method in ("feature_ablation", "occlusion"):
        np.testing.assert_allclose(by_data.values[:, :n], bare.values, atol=1e-5)
    assert [" ".join(row[1:]).strip() for row in bare.tokens] == texts


def test_a_pipeline_loses_no_word_that_no_vocabulary_has(bag):
    e = wb.explain(bag, ["The GOOD film, 世界 and Zürich!"], "feature_ablation")
    assert e.tokens[0][1:] == ("The", "GOOD", "film", ",", "世", "界", "and", "Zürich", "!")
    assert e.top(1)["feature"][0] == "GOOD"


def test_a_callable_is_given_strings(reviews):
    def counting(texts):
        assert all(isinstance(text, str) for text in texts)
        n = np.array([text.split().count("good") for text in texts], dtype=float)
        return np.stack([-n, n], 1)

    e = wb.explain(counting, ["a good film", "good good", "bad"], "exact_shapley", target=1)
    np.testing.assert_allclose(e.values, [[0, 0, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]], atol=1e-6)


# short texts


@pytest.mark.parametrize("method", LOCAL)
def test_a_text_of_one_word_or_none_is_explained(reader, reviews, method):
    e = ask(reader, ["good", "", "a good film"], method, data=reviews)
    np.testing.assert_array_equal(e.values[1], 0)
    assert e.values[0, 1] != 0
    assert "constant map" in e.flags
    assert np.isfinite(e.values).all()


@pytest.mark.parametrize("method", ["exact_shapley", "kernel_shap", "feature_ablation"])
def test_one_word_gets_the_whole_difference(reader, reviews, method):
    e = wb.explain(reader, ["good", "", "awful"], method, data=reviews)
    np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=1e-5)
    assert wb.explain(reader, [""], method, data=reviews).values.tolist() == [[0] * 14]


def test_how_many_samples_were_asked_for_stays(reader, reviews):
    e = wb.explain(reader, reviews.test[:10], "kernel_shap", n_samples=300)
    assert e.settings["n_samples"] == 300
    assert e.settings["error"] > 0
    short = wb.explain(reader, ["a good film", "bad"], "kernel_shap", data=reviews)
    assert (short.settings["n_samples"], short.settings["error"], short.settings["coalitions"]) == (
        1000,
        0,
        "all",
    )
    assert "shared draws" not in short.flags


def test_a_long_text_has_too_many_words_for_exact_values(reader, reviews):
    with pytest.raises(BadInput, match=r"There are 13 groups.*at most 12.*kernel_shap"):
        wb.explain(reader, ["a " * 13], "exact_shapley", data=reviews)
    e = wb.explain(reader, ["a " * 13, "a film"], "kernel_shap", data=reviews)
    np.testing.assert_allclose(e.delta, 0, atol=1e-5)


# what the values are


def test_ablation_is_that_of_captum(net, reviews):
    x = torch.tensor(reviews.test.x[:6])
    theirs = captum.attr.FeatureAblation(net).attribute(x, target=1, perturbations_per_eval=1).numpy()
    ours = wb.explain(net, reviews.test[:6], "feature_ablation", target=1).values
    np.testing.assert_allclose(ours, np.where(words(x), theirs, 0), rtol=1e-3, atol=1e-5)


def test_one_word_windows_are_ablation_and_wider_ones_their_mean(reader, reviews):
    rows = reviews.test[:5]
    np.testing.assert_allclose(wb.explain(reader, rows, "occlusion").values,
                               wb.explain(reader, rows, "feature_ablation").values, atol=1e-6)  # fmt: skip
    additive = Function(lambda x: torch.stack([x.sum(1) * 1.0, -x.sum(1) * 1.0], 1))
    net = nn.Sequential(nn.Identity(), additive).eval()
    x = np.array([[2, 5, 7, 9, 0, 0]])
    e = wb.explain(
        net,
        x,
        "occlusion",
        window=2,
        strides=1,
        target=0,
        data=_with(Tokenizer(("[PAD]", "[UNK]", "[CLS]", *"abcdefg"), 6)),
    )
    np.testing.assert_allclose(e.values, [[0, (5 + 12) / 2, (12 + 16) / 2, (16 + 9) / 2, 0, 0]])


def _with(codec):
    from types import SimpleNamespace

    return SimpleNamespace(codec=codec, class_names=(), feature_names=())


def test_shapley_values_of_words_are_those_by_hand():
    def function(texts):
        return np.array(
            [("not" in t) * ("good" in t) * -3.0 + ("good" in t) * 2 + ("film" in t) for t in texts]
        )

    e = wb.explain(function, ["not good film", "film"], "exact_shapley", output="raw")
    np.testing.assert_allclose(e.values, [[0, -1.5, 0.5, 1], [0, 1, 0, 0]], atol=1e-6)
    sampled = wb.explain(function, ["not good film"], "kernel_shap", output="raw")
    np.testing.assert_allclose(sampled.values, e.values[:1], atol=1e-6)


def test_samples_are_within_their_error_of_the_exact_values(reader, reviews):
    rows = reviews.test[[i for i in range(30) if words(reviews.test.x[i]).sum() in (8, 9, 10)]]
    exact = wb.explain(reader, rows, "exact_shapley")
    e = wb.explain(reader, rows, "kernel_shap", n_samples=120)
    assert e.settings["error"] > 0
    assert np.abs(e.values - exact.values)[words(rows.x)].mean() < 3 * e.settings["error"]


def test_sentences_of_a_mask_are_hidden_together(reader, reviews):
    long = reviews.test[[i for i in range(30) if "." in reviews.test.texts[i]][:4]]
    numbers = reviews.codec.sentences(long.x)
    e = wb.explain(reader, long, "exact_shapley", feature_mask=np.maximum(numbers, 0), data=reviews)
    np.testing.assert_allclose(e.values.sum(1), e.output - e.base_values, atol=1e-5)
    for row, number in product(range(len(long)), (0, 1)):
        assert np.ptp(e.values[row][numbers[row] == number]) < 1e-6


# gradients at the embedding


def test_integrated_gradients_are_those_of_captum(net, reviews):
    x = torch.tensor(reviews.test.x[:6])
    base = torch.where(x == 2, 2, 0)
    inner = captum.attr.LayerIntegratedGradients(net, net.embedding)
    theirs = inner.attribute(x, base, target=1, n_steps=30).sum(2).detach().numpy()
    ours = wb.explain(net, reviews.test[:6], "integrated_gradients", target=1, n_steps=30).values
    np.testing.assert_allclose(ours, np.where(words(x), theirs, 0), rtol=1e-4, atol=1e-5)


def embedded(net, reviews, of):
    """Return what captum attributes to the vectors that stand for the tokens, summed over their axis."""
    x = torch.tensor(reviews.test.x[:6])
    vectors = net.embedding(x).detach().requires_grad_()

    def forward(vectors):
        hook = net.embedding.register_forward_hook(lambda *_: vectors)
        try:
            return net(x)
        finally:
            hook.remove()

    return np.where(words(x), of(forward).attribute(vectors, target=1).sum(2).detach().numpy(), 0)


@pytest.mark.parametrize(("method", "theirs"), [("saliency", captum.attr.Saliency),
                                                ("input_x_gradient", captum.attr.InputXGradient)])  # fmt: skip
def test_gradients_are_those_of_captum(net, reviews, method, theirs):
    ours = wb.explain(net, reviews.test[:6], method, target=1).values
    np.testing.assert_allclose(ours, embedded(net, reviews, theirs), rtol=1e-4, atol=1e-5)


def test_noise_is_added_to_embeddings(reader, reviews):
    for abs in (True, False):
        calm = wb.explain(reader, reviews.test[:3], "smooth_grad", n_samples=4, stdev=1e-6, abs=abs)
        plain = wb.explain(reader, reviews.test[:3], "saliency", abs=abs)
        np.testing.assert_allclose(calm.values, plain.values, rtol=1e-3, atol=1e-5)
    noisy = wb.explain(reader, reviews.test[:3], "saliency", abs=False, noise={"n_samples": 4, "stdev": 0.5})
    assert not np.allclose(noisy.values, plain.values, rtol=1e-2)
    np.testing.assert_array_equal(noisy.values[noisy.padding], 0)


def test_signed_gradients_of_words_are_not_summed_unless_told(transformer, reviews):
    e = wb.explain(transformer, reviews.test[:3], "smooth_grad", n_samples=4)
    assert e.settings["abs"] is True
    assert not e.signed
    signed = wb.explain(transformer, reviews.test[:3], "smooth_grad", n_samples=4, abs=False)
    assert signed.signed
    assert np.abs(signed.values).max() < 1e-4 * e.values.max()  # A layer norm takes the sum of a vector away.


def test_a_model_that_never_looks_tokens_up_has_no_gradient():
    net = nn.Sequential(
        Function(lambda x: torch.stack([x.sum(1) * 1.0, x.sum(1) * 2.0], 1)), nn.Linear(2, 2)
    ).eval()
    with pytest.raises(BadInput, match=r"looks its tokens up 0 times.*feature_ablation"):
        wb.explain(
            net, np.array([[2, 3, 0]]), "saliency", data=_with(Tokenizer(("[PAD]", "[UNK]", "[CLS]", "a"), 3))
        )


# sentences


@pytest.mark.parametrize("method", ["feature_ablation", "kernel_shap", "integrated_gradients"])
def test_sentences_are_sums_of_their_words(reader, reviews, method):
    e = ask(reader, ["a good film . the cast was bad", "great"], method, data=reviews)
    g = e.group("sentence")
    assert g.labels == (("a good film .", "the cast was bad"), ("great", ""))
    np.testing.assert_allclose(g.values[0], [e.values[0, 1:5].sum(), e.values[0, 5:9].sum()], rtol=1e-5)
    np.testing.assert_allclose(g.values.sum(1), e.values.sum(1), atol=1e-6)
    assert g.padding.tolist() == [[False, False], [False, True]]
    assert g.top(1)["feature"][0] in g.labels[0]
    assert e.group("word") is e


# refusals


def test_texts_that_cannot_be_read_are_refused(unchanged, reader, reviews):
    cases = [
        ("a good film", {}, r"inputs is one string.*Put it into a list"),
        (["a good film"], {"data": None}, r"Texts were given without data.*Pass data="),
        ([], {}, "inputs has"),
        (["a", 3], {}, "Text 1 is 3"),
        (["a film"], {"background": ["a"]}, "A background was given for texts"),
        (["a film"], {"baselines": 0.5}, "baselines has type float64.*number of a token"),
    ]
    for rows, more, said in cases:
        with unchanged(reader.model), pytest.raises(BadInput, match=said):
            wb.explain(reader, rows, "feature_ablation", **({"data": reviews} | more))


def test_a_baseline_is_the_number_of_a_token(reader, reviews):
    e = wb.explain(reader, ["a good film"], "feature_ablation", data=reviews, baselines=1)
    unknown = wb.explain(reader, ["a xxxx film"], "feature_ablation", data=reviews, target=int(e.target[0]))
    np.testing.assert_allclose(e.values[0, 2], e.output[0] - unknown.output[0], rtol=1e-5)


def test_places_of_texts_cannot_be_permuted(reader, reviews):
    with pytest.raises(NotExplainable, match=r"places hold another word in each row.*surrogate_tree"):
        wb.explain(reader, reviews.test, "permutation_importance")
    table = wb.methods(reader, reviews)
    assert not table.loc["permutation_importance", "can"]
    assert table.loc["attention", "can"]
