"""One training loop: the same bits for the same seed, nothing given is touched, nothing done is lost."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestClassifier
from torch import nn
from torch.nn import functional as F

import workbench as wb
from workbench.errors import BadInput
from workbench.training import augmented, cross_entropy, logits, tensors


class Wavering(nn.Module):
    """Two logits that ignore the input; dropout and a global draw in train mode make each step differ."""

    def __init__(self):
        super().__init__()
        self.bias, self.drop = nn.Parameter(torch.zeros(2)), nn.Dropout(0.5)

    def forward(self, x):
        noise = torch.rand(1) + np.random.rand() if self.training else 0
        return self.drop(self.bias.expand(len(x), 2)) + noise * self.bias


@pytest.fixture(scope="module")
def points():
    """Two clouds of points that a line divides."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    return wb.from_arrays(rng.normal(size=(200, 3)) + 4 * y[:, None], y)


@pytest.fixture
def net(points):
    """A small net for the points."""
    return wb.build("mlp", points, hidden=(6,))


def fit(model, data, **options):
    """Train in silence, for three epochs unless told otherwise."""
    return wb.fit(model, data, **{"epochs": 3, "verbose": False, **options})


def weights(model):
    """Return all weights of a model as one vector."""
    return torch.cat([p.detach().flatten() for p in getattr(model, "model", model).parameters()])


def nowhere(net, batch):
    """A term that pulls nowhere."""
    return 0 * sum(p.sum() for p in net.parameters())


# what training does


def test_a_line_between_two_clouds_is_learnt(points, net):
    fitted = fit(net, points, epochs=20, lr=0.05)
    assert fitted.history["valid_accuracy"][-1] == 1
    assert fitted.history["loss"][-1] < 0.2 < fitted.history["loss"][0]
    assert not fitted.model.training


def test_the_loss_is_the_cross_entropy(points, net):
    fitted = fit(net, points, epochs=1, lr=1e-12, batch_size=70)
    with torch.no_grad():
        x, y = tensors(points.valid)
        assert fitted.history["valid_loss"][0] == pytest.approx(F.cross_entropy(net(x), y).item(), rel=1e-5)
        x, y = tensors(points.train)
        assert fitted.history["loss"][0] == pytest.approx(F.cross_entropy(net(x), y).item(), rel=1e-5)


@pytest.mark.parametrize("augment", [False, True])
def test_same_seed_same_bits(digits, augment):
    small = digits.subset(train=100, valid=20)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout(0.2))
    first, again, other = (fit(net, small, seed=seed, augment=augment) for seed in (0, 0, 1))
    assert torch.equal(weights(first), weights(again))
    assert first.history == again.history
    assert not torch.equal(weights(first), weights(other))


def test_the_state_of_the_world_does_not_matter(points):
    torch.manual_seed(1)
    first = fit(Wavering(), points)
    torch.manual_seed(2)
    np.random.seed(3)
    assert torch.equal(weights(first), weights(fit(Wavering(), points)))


@pytest.mark.parametrize("mode", [True, False])
def test_the_given_model_is_untouched(unchanged, points, net, mode):
    net.train(mode)
    net.fc1.weight.requires_grad_(False)
    with unchanged(net):
        fitted = fit(net, points)
    assert not torch.equal(weights(fitted), weights(net))
    assert not torch.equal(fitted.model.fc1.weight, net.fc1.weight)


def test_a_fitted_model_can_be_fitted_further(points, net):
    first = fit(net, points)
    before = weights(first)
    second = fit(first, points)
    assert torch.equal(weights(first), before)
    assert not torch.equal(weights(second), before)


def test_the_rate_falls_linearly_to_a_twentieth(points):
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.at = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return self.at.expand(len(x), 2)

    places = [0.0]
    fit(Constant(), points, epochs=15, lr=0.5, batch_size=70, terms=[lambda net, batch: net.at.sum()],
        after_step=lambda net: places.append(net.at.item()))  # fmt: skip
    steps = -np.diff(places)  # Adam's step under a constant gradient is its rate
    np.testing.assert_allclose(steps, [0.5 * max(0.05, 1 - i / 30) for i in range(30)], rtol=1e-3)


# terms and steps


def test_terms_replace_the_loss(points, net):
    fitted = fit(net, points, terms=[nowhere])
    assert torch.equal(weights(fitted), weights(net))
    assert fitted.history["loss"] == [0, 0, 0]


def test_the_loss_is_the_sum_of_the_terms(points, net):
    once = fit(net, points, terms=[cross_entropy])
    assert torch.equal(weights(once), weights(fit(net, points)))
    twice = fit(net, points, terms=[cross_entropy, cross_entropy])
    np.testing.assert_allclose(twice.history["loss"][0], 2 * once.history["loss"][0], rtol=1e-3)


def test_a_term_sees_the_rows_that_it_is_told_of(points, net):
    seen = []

    def look(net, batch):
        assert torch.equal(batch.x, torch.tensor(points.train.x)[batch.rows])
        assert torch.equal(batch.y, torch.tensor(points.train.y)[batch.rows])
        assert net.training
        seen.append(batch.rows)
        return cross_entropy(net, batch)

    fit(net, points, terms=[look], epochs=2, batch_size=32)
    first, second = torch.cat(seen[:5]), torch.cat(seen[5:])
    assert [len(rows) for rows in seen] == [32, 32, 32, 32, 12] * 2
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(140))
    assert not torch.equal(first, second)


def test_after_step_is_called_with_the_model_behind_each_step(points, net):
    seen = []

    def cut(net):
        with torch.no_grad():
            net.fc1.weight[0] = 0
        seen.append(net)

    fitted = fit(net, points, after_step=cut, epochs=3, batch_size=70)
    assert len(seen) == 6
    assert all(model is fitted.model for model in seen)
    assert not fitted.model.fc1.weight[0].any()


# stopping


def worsening(start):
    """A term that raises the validation loss from its given call on."""
    calls = []

    def term(net, batch):
        calls.append(0)
        sign = 1 if len(calls) <= start else -1
        return sign * cross_entropy(net, batch)

    return term


def test_patience_stops_and_keeps_the_best(points, net):
    options = {"terms": [worsening(4)], "epochs": 30, "lr": 0.05, "batch_size": 1000}
    fitted = fit(net, points, patience=3, **options)
    losses = fitted.history["valid_loss"]
    best = int(np.argmin(losses))
    assert 0 < best < 10
    assert len(losses) == best + 4
    with torch.no_grad():
        x, y = tensors(points.valid)
        assert F.cross_entropy(fitted.model(x), y).item() == pytest.approx(min(losses), rel=1e-6)


def test_without_patience_the_last_weights_stay(points, net):
    fitted = fit(net, points, terms=[worsening(4)], epochs=20, lr=0.05, batch_size=1000)
    assert len(fitted.history["valid_loss"]) == 20
    with torch.no_grad():
        x, y = tensors(points.valid)
        loss = F.cross_entropy(fitted.model(x), y).item()
    assert loss == pytest.approx(fitted.history["valid_loss"][-1], rel=1e-6)
    assert loss > min(fitted.history["valid_loss"]) * 1.1


def interrupting(after):
    """A term that presses the stop button in its given call."""
    calls = []

    def term(net, batch):
        calls.append(0)
        if len(calls) > after:
            raise KeyboardInterrupt
        return cross_entropy(net, batch)

    return term


def test_an_interrupt_keeps_the_best_weights_and_says_so(points, net):
    whole = fit(net, points, epochs=2, lr=0.01, batch_size=1000, terms=[interrupting(99)])
    with pytest.warns(UserWarning, match="Interrupted after 2 epochs: the best weights are kept"):
        fitted = fit(net, points, epochs=20, lr=0.01, batch_size=70, terms=[interrupting(5)])
    assert fitted.interrupted
    assert not whole.interrupted
    assert {len(values) for values in fitted.history.values()} == {2}
    assert "interrupted" in repr(fitted)
    assert not fitted.model.training
    with torch.no_grad():
        x, y = tensors(points.valid)
        loss = F.cross_entropy(fitted.model(x), y).item()
    assert loss == pytest.approx(min(fitted.history["valid_loss"]), rel=1e-6)


def test_an_interrupt_in_the_first_epoch_keeps_the_first_weights(unchanged, points, net):
    with unchanged(net), pytest.warns(UserWarning, match="Interrupted after 0 epochs"):
        fitted = fit(net, points, terms=[interrupting(1)])
    assert torch.equal(weights(fitted), weights(net))
    assert fitted.history == {"loss": [], "valid_loss": [], "valid_accuracy": []}
    assert "Fitted" in repr(fitted)


def test_an_error_in_a_term_is_the_users_own(unchanged, points, net):
    def term(net, batch):
        raise ZeroDivisionError

    with unchanged(net), pytest.raises(ZeroDivisionError):
        fit(net, points, terms=[term])


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_is_an_error(points, net, value):
    def term(net, batch):
        return cross_entropy(net, batch) * float(value)

    with pytest.raises(BadInput, match=f"The loss became {value} in step 0.*Lower lr"):
        fit(net, points, terms=[term])


# what is kept


def test_the_history_has_a_value_an_epoch(points, net):
    history = fit(net, points, epochs=5).history
    assert {name: len(values) for name, values in history.items()} == {
        "loss": 5,
        "valid_loss": 5,
        "valid_accuracy": 5,
    }


def test_the_recipe_and_the_spec_are_kept(points, net):
    fitted = fit(net, points, lr=0.02, batch_size=50, patience=9, seed=4, terms=[nowhere], after_step=weights)
    assert fitted.model.recipe == fitted.recipe
    assert fitted.model.spec == net.spec
    assert fitted.recipe == {
        "data": "arrays", "data_fingerprint": points.fingerprint, "epochs": 3, "lr": 0.02, "batch_size": 50,
        "patience": 9, "seed": 4, "augment": False, "terms": ["nowhere"], "after_step": "weights",
    }  # fmt: skip


def test_a_recipe_is_enough_to_train_again(points, net):
    first = fit(net, points, lr=0.02, batch_size=50, seed=4)
    wanted = {"epochs", "lr", "batch_size", "patience", "seed", "augment"}
    recipe = {name: value for name, value in first.recipe.items() if name in wanted}
    assert torch.equal(weights(first), weights(fit(net, points, **recipe)))


def test_a_fitted_model_unpacks_and_says_how_it_went(points, net):
    fitted = fit(net, points)
    model, history = fitted
    assert model is fitted.model
    assert history is fitted.history
    assert repr(fitted).startswith("Fitted(MLP, trained, loss ")
    assert "valid_accuracy" in fitted._repr_html_()


def test_a_fitted_model_is_taken_wherever_a_model_is(tmp_path, points, net):
    fitted = fit(net, points)
    assert len(wb.explain(fitted, points.test[:2], "saliency")) == 2
    assert wb.methods(fitted).loc["saliency", "can"]
    assert torch.equal(weights(wb.load_model(wb.save(fitted, tmp_path / "net"))), weights(fitted))


def test_a_class_called_script_stays_text(points):
    kind = type("<script>", (Wavering,), {})
    assert "<script>" not in fit(kind(), points)._repr_html_()


def test_progress_is_shown_only_when_asked_for(points, net, capsys):
    fit(net, points, verbose=False)
    assert capsys.readouterr() == ("", "")
    fit(net, points, verbose=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "fit" in err


# augmentation


def test_images_are_shifted_turned_and_scaled_a_little(digits):
    x = torch.tensor(digits.train.x[:200])
    moved = augmented(x, torch.Generator().manual_seed(0))
    assert moved.shape == x.shape
    assert 0 <= moved.min() <= moved.max() <= 1
    at = torch.arange(28.0)
    centres = [
        torch.stack([(i.sum(axis) * at).sum(-1) / i.sum((-1, -2)) for axis in (-1, -2)], -1)
        for i in (x[:, 0], moved[:, 0])
    ]
    shift = (centres[0] - centres[1]).abs()
    assert shift.mean() > 0.3
    assert shift.max() < 5
    assert moved.sum() / x.sum() == pytest.approx(1, abs=0.1)


def test_draws_of_augmentation_depend_on_the_generator_alone(digits):
    x = torch.tensor(digits.train.x[:5])
    first, again, other = (augmented(x, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_term_sees_the_augmented_batch(digits):
    small, seen = digits.subset(train=64, valid=20), []

    def look(net, batch):
        seen.append(torch.equal(batch.x, torch.tensor(small.train.x)[batch.rows]))
        return cross_entropy(net, batch)

    for augment in (True, False):
        fit(wb.build("mlp", small), small, epochs=1, terms=[look], augment=augment)
    assert seen == [False, True]


# estimators


@pytest.mark.parametrize("name", ["tree", "logistic"])
def test_an_estimator_is_fitted_by_its_own_fit(unchanged, points, name):
    model = wb.build(name, points)
    with unchanged(model):
        fitted = fit(model, points)
    assert fitted.model is not model
    assert fitted.history["valid_accuracy"] == [1.0]
    assert fitted.model.spec == model.spec
    assert fitted.recipe["data_fingerprint"] == points.fingerprint
    assert fitted.model.recipe == fitted.recipe


def test_images_are_flattened_for_an_estimator(digits):
    small = digits.subset(train=300, valid=100)
    assert fit(wb.build("logistic", small), small).history["valid_accuracy"][0] > 0.7


def test_an_estimator_without_a_seed_of_its_own_gets_ours(unchanged, points):
    def splits(seed):
        forest = fit(RandomForestClassifier(5), points, seed=seed).model
        return [tree.tree_.threshold.tolist() for tree in forest.estimators_]

    with unchanged(abs):
        assert splits(0) == splits(0) != splits(1)


@pytest.mark.parametrize(
    "option",
    [{"terms": [nowhere]}, {"after_step": weights}, {"augment": True}, {"patience": 2}],
    ids=lambda option: next(iter(option)),
)
def test_an_estimator_takes_none_of_the_loops_options(points, option):
    with pytest.raises(BadInput, match="DecisionTreeClassifier trains itself"):
        fit(wb.build("tree", points), points, **option)


# refusals


def test_augmenting_a_table_is_refused(points, net):
    with pytest.raises(BadInput, match="augment=True for table data"):
        fit(net, points, augment=True)


NUMBERS = [("epochs", 0), ("epochs", 1.5), ("epochs", "3"), ("lr", 0), ("lr", -1.0), ("lr", float("nan")),
           ("batch_size", 0), ("batch_size", 2.0), ("patience", 0), ("patience", -1)]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), NUMBERS)
def test_numbers_that_make_no_sense_are_refused(points, net, name, value):
    with pytest.raises(BadInput, match=f"{name} is .*above 0"):
        fit(net, points, **{name: value})


MISFITS = {
    "another shape": (nn.Sequential(nn.Linear(4, 2)), r"failed on inputs of shape \(2, 3\)"),
    "too few classes": (nn.Sequential(nn.Linear(3, 1)), r"returned \(2, 1\) for 2 inputs.*2 classes"),
    "no batch of logits": (nn.Sequential(nn.Linear(3, 2), nn.Flatten(0)), r"returned \(4,\)"),
    "no tensor": (nn.LSTM(3, 2), "failed on inputs"),
    "no weights": (nn.Sequential(nn.ReLU()), "no weights to train"),
    "a callable": (abs, "cannot be trained"),
}


@pytest.mark.parametrize(("model", "words"), MISFITS.values(), ids=MISFITS)
def test_a_model_that_does_not_fit_the_data_is_refused(points, model, words):
    with pytest.raises(BadInput, match=words):
        fit(model, points)


# helpers


def test_logits_do_not_depend_on_the_batches(points, net):
    x, _ = tensors(points.train)
    with torch.no_grad():
        torch.testing.assert_close(logits(net, x, batch_size=7), net(x))


def test_tensors_are_copies(points):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, _ = tensors(points.train)
    x += 1
    assert not np.allclose(points.train.x, x)


# layout


class Viewing(nn.Module):
    """Takes its activations for contiguous, as many nets in tutorials do."""

    def __init__(self, flat):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.drop, self.head, self.flat = (
            nn.Conv2d(1, 4, 3),
            nn.Dropout(0.2),
            nn.Linear(4 * 26 * 26, 10),
            flat,
        )

    def forward(self, x):
        return self.head(self.drop(self.flat(torch.relu(self.conv(x)))))


def by_view(h):
    return h.view(h.shape[0], -1)


def by_flatten(h):
    return h.flatten(1)


def test_a_net_that_views_its_activations_is_trained_like_one_that_flattens_them(digits):
    few = digits.subset(train=150, valid=20, test=20)
    found = [wb.fit(Viewing(flat), few, epochs=2, verbose=False) for flat in (by_view, by_flatten)]
    losses = [fitted.history["loss"] for fitted in found]
    assert losses[0][-1] < losses[0][0] and losses[0] == pytest.approx(losses[1], rel=0.1)
    again = wb.fit(Viewing(by_view), few, epochs=2, verbose=False)
    for fitted in (*found, again):
        assert all(p.is_contiguous() for p in fitted.model.parameters())
    assert all(
        torch.equal(p, q) for p, q in zip(found[0].model.parameters(), again.model.parameters(), strict=True)
    )


def test_a_teacher_that_views_its_activations_is_learned_from(digits):
    few, teacher = digits.subset(train=80, valid=10, test=10), Viewing(by_view).eval()

    def like_the_teacher(net, batch):
        with torch.no_grad():
            aim = teacher(batch.x)
        return (net(batch.x) - aim).square().mean()

    fitted = wb.fit(Viewing(by_flatten), few, epochs=1, terms=(like_the_teacher,), verbose=False)
    assert np.isfinite(fitted.history["loss"]).all()


def test_another_failure_in_training_is_not_taken_for_a_matter_of_layout(digits):
    def broken(net, batch):
        raise RuntimeError("no such thing")

    with pytest.raises(RuntimeError, match="no such thing"):
        wb.fit(
            Viewing(by_flatten), digits.subset(train=80, valid=10), epochs=1, terms=(broken,), verbose=False
        )
