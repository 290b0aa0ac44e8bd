"""Models and inputs as users have them, and what a call can be asked for: prepared, with a graph, within a budget."""

import copy
import gc
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from nets import BY_BACKGROUND, LOCAL, QUICK, Function, ask, linear
from torch import nn
from torch.nn.utils import prune

import workbench as wb
from workbench.errors import BadInput, NotExplainable
from workbench.explanation import budgets, preparation, repair
from workbench.explanation.budgets import Budget, budget_of, spent
from workbench.explanation.registry import look_up, table
from workbench.zoo.identity import fingerprint

X = np.array([[1.0, 2, 3], [-1, 0.5, 2]], dtype=np.float32)
W = np.array([[1.0, -2, 3], [0, 1, 1]], dtype=np.float32)


# outputs as models return them


@dataclass
class Answer:
    """What Hugging Face returns, as far as anybody looks."""

    logits: torch.Tensor
    loss: float = 0.0


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (lambda z: (z, "more"), "first of its 2 outputs"),
        (lambda z: {"logits": z, "hidden": None}, "its logits"),
        (lambda z: Answer(z), "its logits"),
    ],
)
def test_scores_are_found_in_what_a_model_returns(wrap, words):
    plain, wrapped = linear(W), Function(lambda x: wrap(x @ torch.tensor(W).T))
    e = wb.explain(wrapped, X, "integrated_gradients")
    np.testing.assert_allclose(e.values, wb.explain(plain, X, "integrated_gradients").values, rtol=1e-5)
    assert words in e.flags["scores"]


def test_scores_that_are_nowhere_are_refused():
    with pytest.raises(BadInput, match="returned dict"):
        wb.explain(Function(lambda x: {"answer": x}), X, "saliency")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_model_in_another_precision_is_given_its_own(dtype):
    net = linear(W).to(dtype)
    e = wb.explain(net, X, "input_x_gradient", target=0)
    np.testing.assert_allclose(e.values, X * W[0], rtol=3e-2)
    assert e.values.dtype == np.float32


def test_a_label_among_several_has_a_probability_of_its_own():
    e = wb.explain(linear(W), X, "occlusion", target=1, output="label_probability")
    np.testing.assert_allclose(e.output, 1 / (1 + np.exp(-(X @ W[1]))), rtol=1e-6)


def test_a_pruning_mask_is_heeded_and_stays():
    net = linear(W)
    prune.custom_from_mask(net[0], "weight", torch.tensor([[1, 0, 1], [1, 1, 1.0]]))
    e = wb.explain(net, X, "input_x_gradient", target=0)
    np.testing.assert_allclose(e.values, X * [1, 0, 3])
    assert "weight_orig" in dict(net[0].named_parameters())


# several inputs


class Two(nn.Module):
    """An image and a table go in: the sum of the image's brightness and of the weighted columns."""

    def forward(self, picture, person):
        assert picture.shape[1:] == (1, 4, 4) and person.shape[1:] == (2,)
        return torch.stack([picture.sum((1, 2, 3)) + person @ torch.tensor([2.0, 3]), person[:, 0] * 0], 1)


PICTURES = np.full((3, 1, 4, 4), 0.5, dtype=np.float32)
PEOPLE = np.array([[1.0, 1], [2, 0], [0, 4]], dtype=np.float32)


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "input_x_gradient", "feature_ablation", "shapley"]
)
def test_several_inputs_are_explained_together(method):
    options = {"feature_mask": (np.zeros((1, 4, 4), int), np.array([1, 2]))} if method == "shapley" else {}
    e = wb.explain(Two(), (PICTURES, PEOPLE), "exact_shapley" if options else method, target=0, **options)
    pictures, people = e.parts
    np.testing.assert_allclose(pictures, PICTURES, rtol=1e-5)
    np.testing.assert_allclose(people, PEOPLE * [2, 3], rtol=1e-5)
    assert e.feature_names[-1] == "person[1]"
    assert e.top(1, row=2)["feature"].tolist() == ["person[1]"]


def test_several_inputs_are_kept_and_replayed(tmp_path):
    e = wb.explain(Two(), (PICTURES, PEOPLE), "occlusion", target=0, baselines=(0.5, 0))
    assert not e.parts[0].any()
    loaded = wb.Explanation.load(e.save(tmp_path / "e.safetensors"))
    np.testing.assert_array_equal(loaded.parts[1], e.parts[1])
    np.testing.assert_array_equal(loaded.replay(Two()).values, e.values)


def test_callables_take_several_inputs_as_well():
    e = wb.explain(
        lambda a, b: np.stack([a[:, 0], b[:, 0] * 2], 1), (X, PEOPLE[:2]), "feature_ablation", target=1
    )
    assert e.parts[1][:, 0].tolist() == [2, 4]
    assert not e.parts[0].any()


def test_whole_numbers_reach_a_model_as_such_and_have_no_gradient():
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(5, 2)

        def forward(self, x, place):
            return x[:, :2] + self.table(place)

    places = np.array([1, 4])
    wb.explain(Looks(), (X, places), "feature_ablation")
    with pytest.raises(NotExplainable, match="whole numbers"):
        wb.explain(Looks(), (X, places), "saliency")


# arguments of the forward


class Masked(nn.Module):
    def forward(self, x, mask=None, scale=1.0):
        return (x * mask * scale) @ torch.tensor(W).T


@pytest.mark.parametrize("method", ["integrated_gradients", "feature_ablation", "kernel_shap", "smooth_grad"])
def test_an_argument_with_an_entry_for_each_row_goes_along_with_its_row(method):
    mask = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]], dtype=np.float32)
    x = np.concatenate([X, X])
    e = wb.explain(Masked(), x, method, target=0, forward_kwargs={"mask": mask, "scale": 2.0}, batch_size=3)
    wanted = (1 if method == "smooth_grad" else x) * mask * W[0] * 2
    np.testing.assert_allclose(e.values, wanted, rtol=1e-4, atol=1e-5)


def test_arguments_by_row_are_kept_sliced_and_replayed(tmp_path):
    mask = np.array([[1, 0, 1], [0, 1, 1]], dtype=np.float32)
    e = wb.explain(
        Masked(), X, "saliency", target=0, forward_kwargs={"mask": torch.tensor(mask), "scale": 2.0}
    )
    assert isinstance(e.settings["forward_kwargs"]["mask"], np.ndarray)
    loaded = wb.Explanation.load(e.save(tmp_path / "e"))
    np.testing.assert_array_equal(loaded.settings["forward_kwargs"]["mask"], mask)
    assert loaded.fingerprint == e.fingerprint
    np.testing.assert_array_equal(loaded.replay(Masked()).values, e.values)
    np.testing.assert_array_equal(e[1:].replay(Masked()).values, e.values[1:])


class Reads(nn.Module):
    """A reader of tokens that insists on a mask of the tokens' shape."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.last = nn.Embedding(20, 4), nn.Linear(4, 2)

    def forward(self, ids, attention_mask):
        assert attention_mask.shape == ids.shape
        kept = self.table(ids) * attention_mask[..., None]
        return self.last(kept.sum(1) / attention_mask.sum(1, keepdim=True))


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "feature_ablation"])
def test_masks_of_tokens_go_along_where_gradients_act_on_embeddings(method):
    ids, mask = np.random.default_rng(0).integers(1, 20, (6, 5)), np.ones((6, 5), np.float32)
    mask[:, 3:], mask[0] = 0, [0, 1, 1, 0, 1]
    e = wb.explain(Reads(), ids, method, forward_kwargs={"attention_mask": mask}, batch_size=4)
    assert not e.values[mask == 0].any() and e.values[mask == 1].all()


# prepared once


def test_a_prepared_method_gives_what_explain_gives(tiny, images):
    f = wb.explainer(tiny, "occlusion", window=9, strides=6)
    for x in (images, images[:2]):
        np.testing.assert_array_equal(f(x).values, ask("occlusion", tiny, x).values)
    assert f(images, target=3).target.tolist() == [3] * 5


def test_a_prepared_method_makes_the_surrogate_once_and_anew_when_the_model_has_changed(tiny, digits):
    small, rows = wb.quantize(tiny, data=digits).model, digits.test[:3]
    f = wb.explainer(small, "saliency")
    first = f(rows)
    kept = f._kept(fingerprint(small))["twin"]
    assert f(rows).fingerprint == first.fingerprint and f._kept(fingerprint(small))["twin"] is kept
    assert wb.explainer(small, "saliency")._kept(fingerprint(small))["twin"] is kept
    other = wb.quantize(wb.build("lenet5", digits, channels=(3, 4), hidden=8, seed=2), data=digits).model
    small.load_state_dict(other.state_dict())
    changed = f(rows)
    assert f._kept(fingerprint(small))["twin"] is not kept
    np.testing.assert_array_equal(changed.values, wb.explain(small, rows, "saliency").values)
    assert not np.array_equal(changed.values, first.values)


@pytest.fixture
def traced(monkeypatch):
    found, trace = [], repair.Tracer.trace
    monkeypatch.setattr(repair.Tracer, "trace", lambda *a, **k: found.append(1) or trace(*a, **k))
    return found


def test_a_network_is_traced_once_and_anew_when_its_weights_have_changed(traced):
    net, rows = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), np.eye(3, dtype=np.float32)
    f = wb.explainer(net, "deeplift")
    first = f(rows)
    np.testing.assert_array_equal(f(rows + 1).values, wb.explain(net, rows + 1, "deeplift").values)
    assert len(traced) == 1
    net[0].weight.data.mul_(-1)
    changed = f(rows)
    assert len(traced) == 2 and not np.array_equal(changed.values, first.values)
    np.testing.assert_array_equal(changed.values, wb.explain(net, rows, "deeplift").values)
    wb.explain(copy.deepcopy(net), rows, "deeplift")
    assert len(traced) == 3


class Scaled(nn.Module):
    """A network whose code heeds a number that is no weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.scale = nn.Linear(3, 4), nn.Linear(4, 2), 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(x))) * self.scale


@pytest.mark.parametrize("noise", [None, {"n_samples": 3, "stdev": 0.1}])
def test_a_network_whose_code_was_changed_in_place_is_traced_again(traced, noise):
    net, rows = Scaled(), np.eye(3, dtype=np.float32)
    once = wb.explain(net, rows, "deeplift", noise=noise).values
    net.scale = 2.0
    np.testing.assert_allclose(wb.explain(net, rows, "deeplift", noise=noise).values, 2 * once, rtol=1e-5)
    assert len(traced) == 2


def test_nothing_is_kept_of_a_heavy_network_or_of_one_that_is_gone(monkeypatch, traced):
    net, rows = Scaled(), np.eye(3, dtype=np.float32)
    wb.explain(net, rows, "deeplift")
    number = len(preparation._MADE)
    del net
    gc.collect()
    assert len(preparation._MADE) < number
    monkeypatch.setattr(preparation, "LIGHT", 0)
    heavy = Scaled()
    for _ in range(2):
        wb.explain(heavy, rows, "deeplift")
    assert len(traced) == 3 and heavy not in preparation._MADE


def test_a_misspelt_option_is_refused_before_any_input(tiny):
    with pytest.raises(BadInput, match="no option called 'windw'"):
        wb.explainer(tiny, "occlusion", windw=3)


# with a graph


@pytest.mark.parametrize("method", [name for name in LOCAL if look_up(name).graph])
def test_losses_on_values_reach_the_parameters(tiny, images, method):
    net = copy.deepcopy(tiny).train()
    plain = ask(method, net, images)
    options = QUICK.get(method, {}) | ({"background": images[:2]} if method in BY_BACKGROUND else {})
    values = wb.attribute(net, images, method, create_graph=True, **options)
    np.testing.assert_allclose(values.detach().numpy(), plain.values, rtol=1e-3, atol=1e-5)
    values.square().sum().backward()
    moved = [p.grad for p in net.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert moved and net.training


SMOOTH = {  # where nothing has a kink
    "saliency": {"abs": False},
    "grad_cam": {"relu": False},
    **{name: {"feature_mask": np.arange(64).reshape(1, 1, 8, 8) // 8}
       for name in ("exact_shapley", "kernel_shap", "shapley_sampling", "permutation_shap", "lime", "feature_ablation")},
}  # fmt: skip


@pytest.mark.parametrize("method", [name for name in LOCAL if look_up(name).graph])
def test_the_graph_is_whole_its_slope_is_that_of_small_steps(method):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(108, 2)).eval()
    x = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
    options = {
        k: v for k, v in QUICK.get(method, {}).items() if k not in ("feature_mask", "window", "strides")
    }
    options |= SMOOTH.get(method, {}) | ({"background": x[:1] / 2} if method in BY_BACKGROUND else {})
    options |= {"n_samples": 100} if method in ("lime", "kernel_shap") else {}
    weight, step = net[0].weight, torch.randn(3, 1, 3, 3)

    def loss(graph=False):
        values = wb.attribute(net, x, method, target=0, create_graph=graph, **options)
        return (values * torch.linspace(-1, 2, values.numel()).view(values.shape)).sum()

    slope = (torch.autograd.grad(loss(graph=True), weight)[0] * step).sum()
    moved = []
    for sign in (1, -1):
        with torch.no_grad():
            weight += sign * 0.02 * step
            moved.append(loss())
            weight -= sign * 0.02 * step
    assert slope.item() == pytest.approx(((moved[0] - moved[1]) / 0.04).item(), rel=0.02, abs=1e-3)


def test_without_a_graph_there_is_a_plain_tensor(tiny, images):
    values = wb.attribute(tiny, images, "saliency")
    assert not values.requires_grad
    np.testing.assert_array_equal(values.numpy(), wb.explain(tiny, images, "saliency").values)


@pytest.mark.parametrize("method", [name for name in LOCAL if not look_up(name).graph])
def test_a_method_without_a_graph_is_refused_with_those_that_have_one(tiny, images, method):
    options = QUICK.get(method, {}) | ({"background": images[:2]} if method in BY_BACKGROUND else {})
    with pytest.raises(NotExplainable, match=rf"{method}.*These can: .*integrated_gradients"):
        wb.attribute(tiny, images, method, create_graph=True, **options)


# budgets


def test_a_budget_is_read():
    entry = look_up("kernel_shap")
    assert budget_of("2s", entry) == Budget(seconds=2.0)
    assert budget_of("500 ms", entry) == Budget(seconds=0.5)
    assert budget_of("1.5min", entry) == Budget(seconds=90.0)
    assert budget_of(1000, entry) == Budget(evaluations=1000)


@pytest.mark.parametrize("given", ["2 hours", "", 0, -3, True, 1.5, "0s"])
def test_what_is_no_budget_is_refused(given):
    with pytest.raises(BadInput, match="budget is"):
        budget_of(given, look_up("lime"))


def test_a_method_that_draws_nothing_has_no_use_for_a_budget(tiny, images):
    with pytest.raises(BadInput, match=r"saliency was given budget='1s'.*kernel_shap"):
        wb.explain(tiny, images, "saliency", budget="1s")


def test_samples_grow_until_the_budget_is_spent():
    asked = []

    def run(n):
        asked.append(n)
        return {"n_forward": 10 * n, "facts": {}}

    _, n, evaluations = spent(Budget(evaluations=10_000), run, 0.0)
    assert asked == [16, 984]
    assert (n, evaluations) == (984, 10_000)


@pytest.mark.parametrize("method", [name for name, m in table().items() if m.spends and m.scope == "local" and not
                                    m.needs & {"attention", "tree", "coefficients"} and name != "partition_shap"])  # fmt: skip
def test_a_budget_is_spent_and_replayed_by_the_samples_it_reached(tiny, images, method):
    need = {"background": images} if method in ("deep_shap", "gradient_shap") else {}
    options = need | (
        {}
        if look_up(method).ignores & {"feature_mask"}
        else {"feature_mask": np.arange(784).reshape(1, 1, 28, 28) // 20}
    )
    budget = 20_000 if method == "permutation_shap" else 6_000  # One of its samples costs 80 evaluations.
    e = wb.explain(tiny, images[:2], method, budget=budget, **options)
    spends = look_up(method).spends
    assert budget / 2 < e.n_forward <= budget
    assert e.settings["budget"] == budget
    assert "over budget" not in e.flags
    assert e.settings["error"] > 0
    again = wb.explain(tiny, images[:2], method, **{spends: e.settings[spends]}, **options)
    np.testing.assert_array_equal(again.values, e.values)
    assert e.replay(tiny).fingerprint == e.fingerprint


@pytest.mark.parametrize(("fixed", "each"), [(0.0, 0.01), (0.3, 0.001), (0.9, 0.0001)])
def test_a_budget_of_seconds_is_kept(monkeypatch, fixed, each):
    clock, asked = [0.0], []
    monkeypatch.setattr(budgets.time, "perf_counter", lambda: clock[0])

    def run(n):
        asked.append(n)
        clock[0] += fixed + each * n
        return {"n_forward": n, "facts": {}}

    _, n, _ = spent(Budget(seconds=2.0), run, 0.0)
    assert clock[0] <= 2.0
    assert asked[-1] == n and (len(asked) > 1 or fixed > 0.5)


def test_a_budget_that_is_too_small_is_said(tiny, images):
    assert "over budget" in wb.explain(tiny, images, "smooth_grad", budget=20).flags


# memory and precision


class Narrow(nn.Module):
    """A net whose memory holds so many rows."""

    def __init__(self, net, rows):
        super().__init__()
        self.net, self.rows = net, rows

    def forward(self, x):
        if len(x) > self.rows:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return self.net(x)


@pytest.mark.parametrize("method", ["occlusion", "integrated_gradients", "kernel_shap", "smooth_grad"])
def test_where_memory_does_not_suffice_batches_are_halved(tiny, images, method):
    e = ask(method, Narrow(tiny, 7), images)
    assert "out of memory" in e.flags
    np.testing.assert_allclose(e.values, ask(method, tiny, images).values, rtol=1e-3, atol=1e-5)


def test_the_first_forward_is_spared_as_well(tiny, digits):
    x = digits.test.x[:40]
    e = ask("saliency", Narrow(tiny, 7), x)
    assert "cut to" in e.flags["out of memory"]
    np.testing.assert_allclose(e.values, ask("saliency", tiny, x).values, rtol=1e-3, atol=1e-6)


def test_a_model_for_which_one_row_is_too_much_fails_with_its_own_words(tiny, images):
    with pytest.raises(BadInput, match="allocate memory"):
        ask("occlusion", Narrow(tiny, 0), images)


@pytest.mark.parametrize("compute", ["channels_last", "bfloat16"])
def test_another_layout_or_precision_says_how_far_it_agrees(tiny, images, unchanged, compute):
    with unchanged(tiny):
        e = ask("integrated_gradients", tiny, images, compute=compute)
    plain = ask("integrated_gradients", tiny, images)
    a, b = (part.values[:4].reshape(4, -1).astype(float) for part in (plain, e))
    least = ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).min()
    assert e.settings["agreement"] == pytest.approx(least, abs=1e-9)
    assert f"{least:.4f}" in e.flags["compute"]
    if compute == "channels_last":
        np.testing.assert_allclose(e.values, plain.values, rtol=1e-3, atol=1e-5)


def test_only_the_first_rows_are_explained_twice(tiny, digits):
    x, targets = digits.test.x[:40], np.arange(40) % 10
    plain = ask("smooth_grad", tiny, x, target=targets)
    e = ask("smooth_grad", tiny, x, target=targets, compute="channels_last")
    assert plain.n_forward < e.n_forward <= plain.n_forward * 1.2
    assert e.settings["agreement"] > 0.9999


def test_an_unknown_precision_is_answered_with_the_known(tiny, images):
    with pytest.raises(wb.UnknownName, match="bfloat16, channels_last"):
        wb.explain(tiny, images, "saliency", compute="float8")
