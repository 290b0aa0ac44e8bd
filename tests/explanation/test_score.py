"""Any model becomes a scalar: six outputs by their formulas, four kinds of models, classes by any spelling."""

import numpy as np
import pytest
import torch
from nets import Function, linear
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import nn

import workbench as wb
from workbench.errors import BadInput, UnknownName
from workbench.explanation.outputs import OUTPUTS
from workbench.explanation.score import Score, batch_rows, class_scores

Z = np.array([[-2.0, -1.0, -3.0], [0.0, 3.0, 3.5], [-1.0, -1.0, 5.0], [9.0, 0.0, 0.0]], dtype=np.float32)
IDENTITY = linear(np.eye(3))
CLASSES = [0, 2, 1, 2]


def softmax(z):
    """Return the softmax of rows, by hand."""
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def at(z, classes=CLASSES):
    """Pick a class in each row."""
    return z[np.arange(len(z)), classes]


def second(z, classes=CLASSES):
    """Return the largest of the other classes."""
    others = z.copy()
    others[np.arange(len(z)), classes] = -np.inf
    return others.max(1)


FORMULAS = {
    "logit": at(Z),
    "centred_logit": at(Z) - Z.mean(1),
    "log_prob": np.log(at(softmax(Z))),
    "probability": at(softmax(Z)),
    "label_probability": 1 / (1 + np.exp(-at(Z))),
    "runner_up": at(Z) - second(Z),
}


# outputs


def test_every_output_has_its_formula_here():
    assert set(OUTPUTS) == {*FORMULAS, "raw"}
    assert all(len(formula) == len(Z) for formula in FORMULAS.values())


@pytest.mark.parametrize("output", FORMULAS)
@pytest.mark.parametrize("method", ["saliency", "occlusion"])
def test_the_output_is_its_formula(output, method):
    e = wb.explain(IDENTITY, Z, method, target=CLASSES, output=output)
    np.testing.assert_allclose(e.output, FORMULAS[output], rtol=1e-5, atol=1e-6)
    assert e.settings["output"] == output


@pytest.mark.parametrize("output", FORMULAS)
def test_the_base_value_is_the_output_of_the_baseline(output):
    base = np.array([1.0, -2.0, 0.5], dtype=np.float32)
    e = wb.explain(IDENTITY, Z, "occlusion", target=CLASSES, output=output, baselines=base)
    at_base = {
        "logit": base[CLASSES],
        "centred_logit": base[CLASSES] - base.mean(),
        "log_prob": np.log(softmax(base[None])[0, CLASSES]),
        "probability": softmax(base[None])[0, CLASSES],
        "label_probability": 1 / (1 + np.exp(-base[CLASSES])),
        "runner_up": base[CLASSES]
        - base[[1, 1, 2, 0]],  # the rival is the second class of the input, not of the baseline
    }
    np.testing.assert_allclose(e.base_values, at_base[output], rtol=1e-5)


@pytest.mark.parametrize("output", FORMULAS)
def test_base_values_of_a_background_are_the_mean_over_its_rows(output):
    rows = np.array([[0.0, 0, 0], [1, 2, 3], [-4, 0, 4]], dtype=np.float32)
    each = [
        wb.explain(IDENTITY, Z, "occlusion", target=CLASSES, output=output, baselines=row) for row in rows
    ]
    e = wb.explain(IDENTITY, Z, "occlusion", target=CLASSES, output=output, background=rows)
    np.testing.assert_allclose(e.base_values, np.mean([one.base_values for one in each], 0), rtol=1e-5)


def test_the_runner_up_stays_the_one_of_the_input():
    e = wb.explain(IDENTITY, Z, "saliency", target=CLASSES, output="runner_up", abs=False)
    np.testing.assert_array_equal(e.values, [[1, -1, 0], [0, -1, 1], [0, 1, -1], [-1, 0, 1]])


def test_a_model_with_one_output_is_explained_raw():
    for net in (linear([[1.0, 2, 3]]), Function(lambda x: (x * torch.tensor([1.0, 2, 3])).sum(1))):
        e = wb.explain(net, Z, "input_x_gradient", output="raw")
        np.testing.assert_allclose(e.values, Z * [1, 2, 3])
        np.testing.assert_allclose(e.output, Z @ [1, 2, 3])
        assert e.target.tolist() == [0, 0, 0, 0]


def test_one_output_is_the_logit_unless_another_is_asked_for():
    net = linear([[1.0, 2, 3]])
    e = wb.explain(net, Z, "input_x_gradient")
    np.testing.assert_allclose(e.values, Z * [1, 2, 3])
    assert e.settings["output"] == "raw"
    z = Z @ [1, 2, 3]
    for output, wanted in {
        "probability": 1 / (1 + np.exp(-np.abs(z))),
        "log_prob": -np.log1p(np.exp(-np.abs(z))),
        "runner_up": np.abs(z),
        "centred_logit": np.abs(z) / 2,
    }.items():
        e = wb.explain(net, Z, "occlusion", output=output)
        np.testing.assert_allclose(e.output, wanted, rtol=1e-5, atol=1e-6)
        assert e.target.tolist() == (z > 0).astype(int).tolist()
        assert "one output" in e.flags
        assert wb.explain(net, Z, "occlusion", output=output, target=1).target.tolist() == [1] * len(Z)


def test_the_wrong_output_for_a_model_is_refused():
    with pytest.raises(BadInput, match=r"output='raw' but the model has 3 outputs"):
        wb.explain(IDENTITY, Z, "saliency", output="raw")
    with pytest.raises(BadInput, match=r"one output.*a target was given.*no target, or 0.*'runner_up'"):
        wb.explain(linear([[1.0, 2, 3]]), Z, "saliency", target=1)


def test_an_unknown_output_is_answered_with_the_known():
    with pytest.raises(
        UnknownName,
        match=r"'logits'.*centred_logit, label_probability, log_prob, logit, probability, raw, runner_up",
    ):
        wb.explain(IDENTITY, Z, "saliency", output="logits")


# classes


def test_without_a_target_the_class_is_the_models_own():
    e = wb.explain(IDENTITY, Z, "saliency")
    assert e.target.tolist() == [1, 2, 2, 0]
    np.testing.assert_array_equal(e.output, Z.max(1))


SPELLINGS = {
    "a list": [2, 2, 2, 2],
    "a tuple": (2, 2, 2, 2),
    "an array": np.full(4, 2, dtype=np.uint8),
    "a tensor": torch.full((4,), 2),
    "one number": 2,
    "a numpy number": np.int64(2),
    "an array of no axes": np.array(2),
}


@pytest.mark.parametrize("target", SPELLINGS.values(), ids=SPELLINGS)
def test_a_target_may_be_spelt_in_many_ways(target):
    e = wb.explain(IDENTITY, Z, "saliency", target=target)
    assert e.target.tolist() == [2, 2, 2, 2]
    assert e.target.dtype == np.int64
    np.testing.assert_array_equal(e.output, Z[:, 2])


TARGETS = {
    "another length": ([0, 1, 2], r"target has shape \(3,\) but inputs has 4 rows"),
    "an axis too many": ([[0], [1], [2], [0]], r"target has shape \(4, 1\)"),
    "too large": (3, "target runs from 3 to 3.*classes 0 to 2"),
    "too large in one row": ([0, 1, 2, 3], "target runs from 0 to 3"),
    "negative": ([0, 1, 2, -1], "target runs from -1 to 2"),
    "a fraction": (1.0, "target has type float64"),
    "a truth": (True, "target has type bool"),
    "a name": ("cat", "target has type <U3"),
}


@pytest.mark.parametrize(("target", "words"), TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("method", ["saliency", "occlusion"])
def test_a_target_that_makes_no_sense_is_refused(method, target, words):
    with pytest.raises(BadInput, match=words):
        wb.explain(IDENTITY, Z, method, target=target)


# models of all kinds


@pytest.fixture(scope="module")
def points():
    """Rows of three columns and two classes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    return x, (x @ [1, -2, 0] + 0.3 * rng.normal(size=60) > 0).astype(int)


def test_a_callable_is_a_model():
    weights = np.array([[1.0, -2, 0.5], [3, 0, -1]])
    e = wb.explain(lambda x: x @ weights.T, Z, "occlusion", target=1)
    np.testing.assert_allclose(e.values, Z * weights[1], rtol=1e-5)


def test_a_callable_gets_numpy_rows_and_may_return_tensors():
    seen = set()

    def model(x):
        seen.add(type(x))
        return torch.tensor(x)

    wb.explain(model, Z, "occlusion")
    assert seen == {np.ndarray}


def test_logits_of_a_logistic_regression_are_its_lines(clouds):
    fitted = wb.fit(wb.build("logistic", clouds), clouds).model
    x = clouds.test.x[:6]
    e = wb.explain(fitted, x, "exact_shapley", target=1)
    np.testing.assert_allclose(e.values, x * fitted.coef_[1], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(e.output, fitted.decision_function(x)[:, 1], rtol=1e-4)
    np.testing.assert_allclose(e.base_values, fitted.intercept_[1], rtol=1e-4)


def test_the_two_logits_of_a_binary_regression_are_half_its_line_apart(points):
    x, y = points
    fitted = LogisticRegression().fit(x, y)
    line = fitted.decision_function(x)
    for target, sign in ((1, 1), (0, -1)):
        e = wb.explain(fitted, x, "exact_shapley", target=target)
        np.testing.assert_allclose(e.output, sign * line / 2, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(e.values, sign * x * fitted.coef_[0] / 2, rtol=1e-3, atol=1e-5)
    e = wb.explain(fitted, x, "occlusion", target=1, output="probability")
    np.testing.assert_allclose(e.output, fitted.predict_proba(x)[:, 1], rtol=1e-4)
    assert wb.explain(fitted, x, "occlusion").target.tolist() == fitted.predict(x).tolist()


def test_log_probabilities_stand_for_the_logits_of_a_tree(clouds):
    tree = wb.fit(wb.build("tree", clouds, max_depth=3), clouds)
    e = wb.explain(tree, clouds.test[:10], "occlusion", target=0)
    p = tree.model.predict_proba(clouds.test.x[:10])[:, 0]
    np.testing.assert_allclose(e.output, np.log(np.clip(p, 1e-6, 1)), rtol=1e-5, atol=1e-6)
    assert "log-probabilities" in e.flags
    sure = wb.explain(tree, clouds.test[:10], "occlusion", target=0, output="probability")
    np.testing.assert_allclose(sure.output, p, atol=1e-4)


def test_a_pipeline_and_a_regression_are_models_too(points):
    x, y = points
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    np.testing.assert_allclose(
        wb.explain(pipeline, x, "lime", target=1).output,
        pipeline.decision_function(x) / 2,
        rtol=1e-4,
        atol=1e-6,
    )
    line = LinearRegression().fit(x, x @ [1, 2, 3])
    np.testing.assert_allclose(
        wb.explain(line, x, "exact_shapley", output="raw").values, x * [1, 2, 3], rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize(
    "kind", [LogisticRegression, GaussianNB, DecisionTreeClassifier], ids=lambda k: k.__name__
)
def test_an_estimator_explains_the_class_that_it_predicts(unchanged, points, kind):
    x, y = points
    fitted = kind().fit(x, y)
    with unchanged(fitted):
        e = wb.explain(fitted, x, "kernel_shap")
    assert e.target.tolist() == fitted.predict(x).tolist()


def test_images_are_flattened_for_an_estimator(digits):
    small = digits.subset(train=300, test=20)
    fitted = wb.fit(wb.build("logistic", small), small)
    e = wb.explain(fitted, small.test[:3], "occlusion", window=7)
    assert e.values.shape == (3, 1, 28, 28)
    np.testing.assert_allclose(
        e.output, fitted.model.decision_function(small.test.x[:3].reshape(3, -1)).max(1), rtol=1e-4
    )


def test_a_model_gets_its_keywords():
    class Scaled(torch.nn.Module):
        def forward(self, x, factor=1.0):
            return x * factor

    e = wb.explain(Scaled(), Z, "input_x_gradient", target=1, forward_kwargs={"factor": 3.0})
    np.testing.assert_allclose(e.output, 3 * Z[:, 1])
    np.testing.assert_array_equal(e.replay(Scaled()).values, e.values)


def test_keywords_may_be_tensors():
    class Masked(torch.nn.Module):
        def forward(self, x, mask):
            return x * mask

    mask = torch.tensor([1.0, 0.0, 2.0])
    e = wb.explain(Masked(), Z, "saliency", target=2, forward_kwargs={"mask": mask})
    np.testing.assert_array_equal(e.values, [[0, 0, 2]] * 4)
    other = wb.explain(Masked(), Z, "saliency", target=2, forward_kwargs={"mask": mask + 1})
    assert len({e.fingerprint, e.replay(Masked()).fingerprint, other.fingerprint}) == 2


def test_scores_of_any_model_come_without_an_explanation(unchanged, lenet, digits, clouds):
    x = digits.test.x[:300]
    with unchanged(lenet.model):
        scores = class_scores(lenet, x)
    with torch.no_grad():
        np.testing.assert_allclose(scores, lenet.model(torch.tensor(x)), atol=1e-4)
    fitted = wb.fit(wb.build("logistic", clouds), clouds)
    np.testing.assert_allclose(
        class_scores(fitted, clouds.test.x), fitted.model.decision_function(clouds.test.x), rtol=1e-4
    )


def test_evaluations_are_counted():
    calls = []

    def model(x):
        calls.append(len(x))
        return x

    e = wb.explain(model, Z, "occlusion", window=1)
    assert e.n_forward == sum(calls) == 4 + 1 + 4 + 3 * 4


def test_batches_stay_in_cache():
    assert batch_rows(torch.zeros(1, 1, 28, 28)) == 204
    assert batch_rows(torch.zeros(1, 20)) == 1024
    assert batch_rows(torch.zeros(1, 3, 2000, 2000)) == 8


def test_a_batch_is_never_larger_than_asked_for(clouds):
    sizes = []

    def model(x):
        sizes.append(len(x))
        return x

    for method in ("occlusion", "lime", "kernel_shap", "exact_shapley"):
        wb.explain(model, clouds.test[:6], method, batch_size=4)
    assert max(sizes) == 4


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "smooth_grad"])
def test_a_batch_of_gradients_is_never_larger_than_asked_for(method):
    sizes = []

    def watch(x):
        sizes.append(len(x))
        return x**2

    wb.explain(Function(watch), Z, method, batch_size=2)
    assert max(sizes) == 2


# models that misbehave


class Writing(torch.nn.Module):
    """A net that writes into what it is given."""

    def forward(self, x):
        return x.mul_(2).add_(1)


@pytest.mark.parametrize(
    "method", ["saliency", "integrated_gradients", "smooth_grad", "occlusion", "exact_shapley", "lime"]
)
def test_a_model_that_writes_into_its_inputs_is_explained_like_any_other(method):
    x = torch.tensor(Z)
    e = wb.explain(Writing(), x, method)
    other = wb.explain(Function(lambda x: x * 2 + 1), Z, method)
    np.testing.assert_array_equal(e.values, other.values)
    np.testing.assert_array_equal(e.inputs, Z)
    np.testing.assert_array_equal(x, Z)


def test_a_callable_that_writes_into_its_inputs_is_explained_like_any_other():
    def model(x):
        x *= 2
        return x

    x = Z.copy()
    e = wb.explain(model, x, "occlusion")
    np.testing.assert_array_equal(e.values, wb.explain(lambda x: 2 * x, Z, "occlusion").values)
    np.testing.assert_array_equal(x, Z)


ANSWERS = {
    "rows lost": (lambda x: x[:-1], r"returned \(4, 3\) for a batch of 5"),
    "an axis too many": (lambda x: x[:, :, None], r"returned \(5, 3, 1\) for a batch of 5"),
    "one number": (lambda x: x.sum(), r"returned \(\) for a batch of 5"),
    "NaN": (lambda x: x * np.nan, "outputs hold NaN or infinite"),
    "infinity": (
        lambda x: x / 0 if isinstance(x, torch.Tensor) else x * np.inf,
        "outputs hold NaN or infinite",
    ),
}


@pytest.mark.parametrize(("function", "words"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("wrap", [Function, lambda f: f], ids=["a net", "a callable"])
def test_answers_that_make_no_sense_are_refused(function, words, wrap):
    with np.errstate(all="ignore"), pytest.raises(BadInput, match=words):
        wb.explain(wrap(function), Z, "occlusion")


def test_a_net_that_returns_no_tensor_is_refused():
    with pytest.raises(BadInput, match=r"returned list for a batch of \d+.*Wrap the model"):
        wb.explain(Function(lambda x: [x, x]), Z, "saliency")


def test_inputs_that_a_model_cannot_take_are_refused(points):
    x, y = points
    fitted = LogisticRegression().fit(x, y)
    for model in (linear(np.eye(5)), fitted, Function(lambda x, missing: x), Function(lambda x: x[:, 9])):
        with pytest.raises(BadInput, match=r"The model failed on inputs of shape \(4, 4\)"):
            wb.explain(model, np.ones((4, 4), dtype=np.float32), "occlusion")


# layout


class Viewing(nn.Module):
    """Takes its activations for contiguous, as many nets in tutorials do."""

    def __init__(self, channels):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.head = nn.Conv2d(channels, 4, 3), nn.Linear(4 * 36, 3)

    def forward(self, x):
        return self.head(self._flat(torch.relu(self.conv(x))))

    def _flat(self, h):
        return h.view(h.shape[0], -1)


class Flattening(Viewing):
    """The same function."""

    def _flat(self, h):
        return h.flatten(1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", ["saliency", "occlusion", "deeplift"])
def test_a_net_that_views_its_activations_is_explained_like_one_that_flattens_them(channels, method):
    x = np.random.default_rng(0).random((5, channels, 8, 8), np.float32)
    a, b = (wb.explain(kind(channels), x, method) for kind in (Viewing, Flattening))
    np.testing.assert_allclose(a.values, b.values, atol=1e-6)
    assert a.n_forward == b.n_forward
    scores = [
        wb.evaluate(e, kind(channels), ("deletion",))["deletion"]
        for e, kind in ((a, Viewing), (b, Flattening))
    ]
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_another_failure_of_a_net_is_not_taken_for_a_matter_of_layout():
    class Broken(Viewing):
        def _flat(self, h):
            raise RuntimeError("no such thing")

    with pytest.raises(BadInput, match="no such thing"):
        wb.explain(Broken(1), np.zeros((2, 1, 8, 8), np.float32), "saliency")


@pytest.mark.parametrize(
    ("channels", "freely", "kernel"), [(1, False, True), (3, False, False), (3, True, True)]
)
def test_convolutions_get_their_channels_last_where_that_moves_no_number_or_may(channels, freely, kernel):
    seen = []

    class Watched(Flattening):
        def forward(self, x):
            seen.append(x.stride(1) == 1)
            return super().forward(x)

    score = Score(Watched(channels), "logit", freely=freely)
    score.aim(torch.rand(2, channels, 8, 8))
    assert seen == [kernel]
