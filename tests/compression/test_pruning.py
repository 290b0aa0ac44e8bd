"""Pruning removes what it says, holds it removed, and leaves the given model alone."""

import numpy as np
import pytest
import torch
from torch import nn

import workbench as wb
from workbench.compression import criteria, preservation
from workbench.compression.compressed import describe
from workbench.errors import BadInput, UnknownName

LAYERS = ("conv1", "conv2", "fc1", "fc2")


def weights(model):
    return {name: model.get_submodule(name).weight.detach() for name in LAYERS}


def zeros(model):
    return {name: w == 0 for name, w in weights(model).items()}


def shapes(model):
    return {name: tuple(w.shape) for name, w in weights(model).items()}


def same(one, other):
    """Whether two models have the same weights, bit for bit."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def prune(model, *args, **options):
    return wb.prune(model, *args, verbose=False, **options)


# weights: known answers


def test_the_smallest_weights_of_all_go(counted, table):
    net = prune(counted, 0.5, data=table).model
    assert net[0].weight.tolist() == [[0, 0], [0, 0]]
    assert net[2].weight.tolist() == [[-5, 6], [-7, 8]]


def test_by_layer_the_smallest_of_each_go(counted, table):
    net = prune(counted, 0.5, scope="layer", data=table).model
    assert net[0].weight.tolist() == [[0, 0], [3, -4]]
    assert net[2].weight.tolist() == [[0, 0], [-7, 8]]


def test_biases_stay(counted, table):
    net = prune(counted, 0.9, data=table).model
    assert torch.equal(net[0].bias, counted[0].bias) and net[0].bias.all()


@pytest.mark.parametrize("amount", [0.1, 0.5, 0.9, 0.97])
def test_exactly_the_share_goes(narrow, amount):
    left = prune(narrow, amount).model
    gone = torch.cat([z.flatten() for z in zeros(left).values()])
    assert gone.sum() == round(amount * len(gone))


@pytest.mark.parametrize("amount", [0.1, 0.9])
def test_by_layer_exactly_the_share_of_each_goes(narrow, amount):
    for gone in zeros(prune(narrow, amount, scope="layer").model).values():
        assert gone.sum() == round(amount * gone.numel())


def test_a_protected_layer_keeps_all_and_the_others_lose_the_share(narrow):
    gone = zeros(prune(narrow, 0.9, protect=["conv1", "fc2"]).model)
    assert not gone["conv1"].any() and not gone["fc2"].any()
    lost = torch.cat([gone["conv2"].flatten(), gone["fc1"].flatten()])
    assert lost.sum() == round(0.9 * len(lost))


# weights: fine-tuning and rounds


def test_what_is_gone_stays_gone_while_the_rest_learns(narrow, few):
    before, after = prune(narrow, 0.8).model, prune(narrow, 0.8, data=few, epochs=1).model
    for name, gone in zeros(before).items():
        assert torch.equal(gone, zeros(after)[name])
        assert not torch.equal(weights(before)[name], weights(after)[name])


def test_each_round_takes_the_same_part_of_the_rest(narrow, rounds):
    prune(narrow, 0.97, rounds=3)
    total = sum(w.numel() for w in weights(narrow.model).values())
    kept = [int(sum((~gone).sum() for gone in zeros(net).values())) for net in rounds]
    assert kept == pytest.approx([0.03 ** (round / 3) * total for round in (1, 2, 3)], abs=1)


def test_no_round_brings_a_weight_back(narrow, few, rounds):
    last = prune(narrow, 0.9, data=few, epochs=[1, 0, 1], rounds=3).model
    for earlier, later in zip(rounds, [*rounds[1:], last], strict=True):
        assert all((zeros(later)[name] | ~gone).all() for name, gone in zeros(earlier).items())


def test_on_labels_alone_fine_tuning_is_that_of_fit(narrow, few):
    cut = prune(narrow, 0.8).model
    gone = zeros(cut)

    def hold(net):
        with torch.no_grad():
            for name, mask in gone.items():
                net.get_submodule(name).weight.mul_(~mask)

    by_hand = wb.fit(cut, few, epochs=1, seed=7, after_step=hold, verbose=False).model
    assert same(prune(narrow, 0.8, data=few, epochs=1, seed=7, preserve=None).model, by_hand)


def test_behaviour_is_learnt_from_the_first_model_of_a_chain(narrow, few, monkeypatch):
    taught_by, distilled = [], preservation.distilled
    monkeypatch.setattr(
        preservation, "distilled", lambda teacher: taught_by.append(teacher) or distilled(teacher)
    )
    first = prune(narrow, 0.5)
    prune(first, 0.8, data=few, epochs=1)
    assert taught_by == [narrow.model]


def test_the_same_seed_gives_the_same_bits_and_another_others(narrow, few):
    def at(seed):
        return prune(narrow, 0.8, data=few, epochs=1, seed=seed).model

    assert same(at(0), at(0)) and not same(at(0), at(1))


# channels


def test_channels_are_physically_gone(narrow):
    left = prune(narrow, channels=0.5, how="channels").model
    assert shapes(left) == {
        "conv1": (4, 1, 5, 5), "conv2": (8, 4, 5, 5), "fc1": (20, 128), "fc2": (10, 20)
    }  # fmt: skip


def test_the_channels_of_the_smallest_norm_go(few):
    net = wb.build("lenet5", few, channels=(4, 4), hidden=4)
    with torch.no_grad():
        net.conv1.weight.copy_(torch.tensor([3.0, 1.0, 4.0, 2.0]).view(4, 1, 1, 1).expand(4, 1, 5, 5))
        for layer in (net.conv2, net.fc1):
            layer.weight.fill_(0.1)
    left = prune(net, channels=0.5, how="channels").model
    assert left.conv1.weight[:, 0, 0, 0].tolist() == [3, 4]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.75, 0.999])
def test_a_layer_keeps_the_nearest_number_of_channels_and_at_least_one(narrow, share):
    left = shapes(prune(narrow, channels=share, how="channels").model)
    assert [left[name][0] for name in LAYERS] == [*(max(1, round(n * (1 - share))) for n in (8, 16, 40)), 10]


@pytest.mark.parametrize("rounds", [2, 3, 5])
def test_rounds_do_not_change_how_many_channels_are_left(narrow, rounds):
    at_once = prune(narrow, channels=0.9, how="channels").model
    assert shapes(prune(narrow, channels=0.9, how="channels", rounds=rounds).model) == shapes(at_once)


def test_channels_go_in_geometric_rounds(narrow, rounds):
    prune(narrow, channels=0.75, how="channels", rounds=2)
    assert [shapes(net)["fc1"][0] for net in rounds] == [20, 10]


def test_an_amount_finds_the_ratio_that_comes_nearest(narrow):
    amount = 0.8
    small = prune(narrow, amount, how="channels")
    ratio = small.steps[0]["channels"]

    def miss(share):
        layers = prune(narrow, channels=share, how="channels").report["layers"]
        left = sum(np.prod([int(n) for n in row["shape after"].split("x")]) for row in layers)
        return abs(1 - left / sum(row["weights"] for row in layers) - amount)

    assert miss(ratio) < 0.02 and miss(ratio) <= min(miss(ratio - 1 / 64), miss(ratio + 1 / 64))


def test_a_protected_layer_keeps_its_channels(narrow):
    left = shapes(prune(narrow, channels=0.5, how="channels", protect=["conv2"]).model)
    assert left["conv2"] == (16, 4, 5, 5) and left["fc1"] == (20, 256)


def test_the_last_layer_keeps_its_outputs_though_it_was_listed_first(few):
    class Upside(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.body, self.flatten = nn.Linear(20, 10), nn.Linear(784, 20), nn.Flatten()

        def forward(self, x):
            return self.head(torch.relu(self.body(self.flatten(x))))

    left = prune(Upside(), channels=0.5, how="channels", data=few).model
    assert left.head.weight.shape == (10, 10) and left.body.weight.shape == (10, 784)


def test_a_narrowed_net_is_trained_on(narrow, few):
    cut, tuned = (prune(narrow, channels=0.5, how="channels", data=few, epochs=e) for e in (0, 2))
    assert tuned.report["after"]["accuracy"] > cut.report["after"]["accuracy"]


def test_a_narrowed_net_comes_back_from_its_file(narrow, tmp_path):
    small = prune(narrow, channels=0.5, how="channels")
    again = wb.load_model(wb.save(small, tmp_path / "small.safetensors"))
    x = torch.rand(3, 1, 28, 28)
    assert torch.equal(again(x), small.model(x)) and again.spec == narrow.model.spec


# the given model


@pytest.mark.parametrize("how", [{"amount": 0.5}, {"channels": 0.5, "how": "channels"}])
def test_the_given_model_comes_back_as_it_was(few, unchanged, how):
    net = nn.Sequential(
        nn.Conv2d(1, 4, 5), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(64, 10),
    ).train()  # fmt: skip
    with unchanged(net):
        small = prune(net, data=few, epochs=1, **how).model
    assert not small.training and not {*small.parameters()} & {*net.parameters()}


def test_a_pruned_model_knows_what_it_was_made_of(narrow):
    small = prune(narrow, 0.5).model
    assert small.spec == narrow.model.spec and small.recipe == narrow.model.recipe


def test_steps_say_what_was_done_and_chain(narrow, few):
    first = prune(narrow, 0.5)
    second = prune(first, 0.8, scope="layer", protect=["fc2"], rounds=2)
    assert [step["amount"] for step in second.steps] == [0.5, 0.8]
    assert second.steps[1]["scope"] == "layer" and second.steps[1]["protect"] == ["fc2"]
    assert second.steps[1]["epochs"] == [0, 0] and second.original is narrow.model
    assert second.report["before"]["nonzero"] == second.report["before"]["parameters"]


def test_batch_size_and_augmentation_are_those_of_the_recipe(trained, few):
    net = trained("mlp", few, sizes={"hidden": [8]}, epochs=1, seed=0, batch_size=50, augment=True)
    step = prune(net, 0.5).steps[0]
    assert (step["batch_size"], step["augment"]) == (50, True)


# refusals

CHANNELS = {"how": "channels"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "amount is None, channels is None"),
        ({"amount": 0.5, "channels": 0.5, **CHANNELS}, "one of amount and channels"),
        ({"channels": 0.5}, "channels only with how='channels'"),
        ({"amount": 0.0}, "The amount is 0.0"),
        ({"amount": 1}, "a fraction between 0 and 1"),
        ({"amount": "0.9"}, "The amount is '0.9'"),
        ({"channels": 1.5, **CHANNELS}, "The amount is 1.5"),
        ({"amount": float("nan")}, "The amount is nan"),
        ({"amount": 0.5, "scope": "layer", **CHANNELS}, "no scope: each layer loses the same share"),
        ({"amount": 0.5, "rounds": 0}, "rounds is 0"),
        ({"amount": 0.5, "rounds": 1.5}, "rounds is 1.5"),
        ({"amount": 0.5, "epochs": [1, 2]}, "epochs has 2 entries for 1 rounds"),
        ({"amount": 0.5, "epochs": 1.5}, "epochs is 1.5"),
        ({"amount": 0.5, "epochs": -1}, "epochs is -1"),
        ({"amount": 0.5, "epochs": 1}, "epochs were given but no data"),
        ({"amount": 0.5, "data": np.ones((3, 2))}, "data is a ndarray"),
        ({"amount": 0.5, "preserve": 7}, "preserve is 7"),
        ({"amount": 0.5, "protect": LAYERS}, "No layer is left to remove anything from"),
        ({"channels": 0.5, **CHANNELS, "protect": LAYERS[:3]}, "No layer is left to remove anything from"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(narrow, options, words):
    with pytest.raises(BadInput) as error:
        prune(narrow, **options)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"how": "channel"}, "Did you mean 'channels'"),
        ({"by": "gradient"}, "one of magnitude, relevance, taylor"),
        ({"scope": "all"}, "one of global, layer"),
        ({"protect": ["fc9"]}, "one of conv1, conv2, fc1, fc2"),
    ],
)
def test_an_unknown_word_lists_the_known_ones(narrow, options, words):
    with pytest.raises(UnknownName) as error:
        prune(narrow, 0.5, **options)
    assert words in str(error.value)


def test_only_float_networks_are_pruned(narrow, few):
    for model in (wb.quantize(narrow, data=few), wb.build("tree", few), len):
        with pytest.raises(BadInput, match="Prune before you quantize"):
            prune(model, 0.5)


def test_a_model_of_unknown_input_needs_data(counted):
    with pytest.raises(BadInput, match="The shape of an input is not known"):
        prune(counted, 0.5)


# networks of tokens


def test_weights_go_from_every_layer_but_embeddings_norms_and_positions(lstm, transformer, texts):
    for fitted, kept in ((lstm, {"embedding"}), (transformer, {"embedding", "positions", "norm"})):
        report = prune(fitted, 0.5, scope="layer", data=texts).report
        for row in report["layers"]:
            whole = row["layer"] in kept or row["layer"].endswith(("norm1", "norm2"))
            assert row["removed"] == pytest.approx(0 if whole else 0.5, abs=0.02)


def test_a_step_says_how_many_weights_could_go_and_of_how_many(lstm, transformer, narrow, texts):
    for fitted, spared in ((lstm, {"embedding"}), (transformer, {"embedding", "positions"})):
        pruned = prune(fitted, 0.8, data=texts)
        step, sizes = pruned.steps[0], {row["layer"]: row["weights"] for row in pruned.report["layers"]}
        among = sum(n for name, n in sizes.items() if name not in spared and "norm" not in name)
        assert (step["among"], step["of"]) == (among, among + sum(sizes[name] for name in spared))
        gone = sum(
            (w == 0).sum().item()
            for n, w in pruned.model.named_parameters()
            if w.ndim > 1 and n.split(".")[0] not in spared
        )
        assert gone == round(0.8 * among)
        assert (
            f"80% of the {among:,} weights outside embeddings removed ({gone / step['of']:.0%} of all)"
            in describe(step)
        )
    step = prune(narrow, 0.8).steps[0]
    assert step["among"] == step["of"] == sum(w.numel() for w in weights(narrow.model).values())
    assert (
        prune(narrow, 0.8, protect=["fc1"]).steps[0]["among"] == step["of"] - narrow.model.fc1.weight.numel()
    )


def test_the_weights_of_an_lstm_have_names_and_stay_removed(lstm, texts):
    pruned = prune(lstm, 0.8, scope="layer", data=texts, epochs=1)
    for name in ("weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse"):
        weight = getattr(pruned.model.lstm, name)
        assert (weight == 0).float().mean() == pytest.approx(0.8, abs=0.01)
    assert not (pruned.model.lstm.bias_ih_l0 == 0).any()
    assert not torch.equal(pruned.model.embedding.weight, lstm.model.embedding.weight)  # it is trained


@pytest.mark.parametrize(
    ("protect", "whole"),
    [
        (["lstm.weight_hh_l0"], ["lstm.weight_hh_l0"]),
        (["lstm"], [f"lstm.weight_{of}_l0{way}" for way in ("", "_reverse") for of in ("ih", "hh")]),
    ],
)
def test_a_recurrent_layer_or_one_of_its_weights_is_protected(lstm, texts, protect, whole):
    rows = prune(lstm, 0.8, scope="layer", data=texts, protect=protect).report["layers"]
    untouched = [row["layer"] for row in rows if row["removed"] == 0 and row["layer"] != "embedding"]
    assert untouched == whole


def test_what_holds_layers_is_protected_whole(transformer, texts):
    rows = prune(transformer, 0.8, scope="layer", data=texts, protect=["encoder.0"]).report["layers"]
    assert not any(row["removed"] for row in rows if row["layer"].startswith("encoder.0"))
    assert all(row["removed"] > 0.7 for row in rows if row["layer"].startswith("encoder.1.fc"))


def test_a_text_model_is_pruned_without_data_as_well(lstm, transformer):
    assert prune(lstm, 0.5).report["after"]["nonzero"] < prune(lstm, 0.1).report["after"]["nonzero"]
    assert prune(transformer, channels=0.5, how="channels").model.encoder[0].fc1.out_features == 8
    assert prune(lstm, channels=0.5, how="channels").model.lstm.hidden_size == 4


def test_an_amount_of_weights_cannot_leave_a_transformer_as_channels(transformer, texts):
    with pytest.raises(BadInput, match=r"amount is 0.5 for a network of tokens.*channels="):
        prune(transformer, 0.5, how="channels", data=texts)


def test_the_sham_of_a_text_model_trains_like_its_compression(lstm, texts):
    pruned = prune(lstm, 0.5, data=texts, epochs=1)
    twin = wb.sham(pruned, texts, verbose=False)
    assert not (twin.lstm.weight_hh_l0 == 0).any()
    assert not torch.equal(twin.fc1.weight, lstm.model.fc1.weight)


def test_by_taylor_the_weights_go_that_the_loss_owes_least_to(narrow, few):
    pruned = prune(narrow, 0.5, by="taylor", data=few)
    naive = prune(narrow, 0.5, data=few)
    assert (layer_zeros(pruned) != layer_zeros(naive)).any()
    assert pruned.report["after"]["accuracy"] > pruned.report["before"]["accuracy"] - 0.2
    held = prune(narrow, 0.5, by="taylor", data=few, epochs=[1, 1], rounds=2)
    assert held.report["after"]["nonzero"] == pytest.approx(pruned.report["after"]["nonzero"], rel=0.01)


def layer_zeros(compressed):
    return (compressed.model.fc1.weight == 0).numpy()


@pytest.mark.parametrize("by", ["taylor", "relevance", lambda model, data: {}])
def test_criteria_that_look_at_rows_need_them(narrow, by):
    with pytest.raises(BadInput, match="for a model without data"):
        prune(narrow, 0.5, by=by)


@pytest.mark.parametrize("by", ["taylor", "relevance"])
def test_channels_leave_by_every_criterion(narrow, few, by):
    small = prune(narrow, how="channels", channels=0.5, by=by, data=few)
    naive = prune(narrow, how="channels", channels=0.5, data=few)
    assert small.model.conv2.weight.shape == naive.model.conv2.weight.shape == (8, 4, 5, 5)
    assert small.report["after"]["accuracy"] > 0.2 and small.steps[0]["by"] == by


def test_the_channels_that_stay_are_those_of_the_greatest_worth(narrow, few):
    def backwards(model, data):
        weights = {n: m.weight for n, m in model.named_modules() if hasattr(m, "weight")}
        return {
            n: torch.arange(len(w), 0, -1.0).view(-1, *[1] * (w.ndim - 1)).expand_as(w)
            for n, w in weights.items()
        }

    small = prune(narrow, how="channels", channels=0.5, by=backwards, data=few)
    torch.testing.assert_close(small.model.conv1.weight, narrow.model.conv1.weight[:4])
    torch.testing.assert_close(small.model.fc1.bias, narrow.model.fc1.bias[:20])
    assert small.steps[0]["by"] == "backwards"


def test_relevance_is_weight_times_gradient_of_the_own_class_by_hand(table):
    net = torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False))
    rows = np.concatenate([np.flatnonzero(table.train.y == c)[:10] for c in range(2)])
    expected = torch.zeros(2, 2)
    for x, y in zip(torch.tensor(table.train.x[rows]), table.train.y[rows], strict=True):
        expected[y] += (net[0].weight[y] * x / (net[0].weight[y] @ x)).abs().detach() / len(rows)
    found = criteria.worth(net, ["0"], "relevance", table)["0"]
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda model, data: {}, "gives nothing for conv1"),
        (lambda model, data: {"conv1": torch.ones(3)}, r"gives shape \(3,\) for conv1"),
        (lambda model, data: {"conv1": -model.conv1.weight.abs()}, "gives numbers below 0, or NaN for conv1"),
        (lambda model, data: None, "gives nothing for conv1"),
    ],
)
def test_a_criterion_that_leaves_something_out_is_refused(narrow, few, answer, words):
    with pytest.raises(BadInput, match=words):
        prune(narrow, 0.5, by=answer, data=few)


def test_what_is_left_goes_back_to_its_early_values(narrow, few):
    early = wb.build("lenet5", few, channels=[8, 16], hidden=40, seed=9)
    pruned = prune(narrow, 0.5, rewind=early, data=few)
    kept = pruned.model.fc1.weight != 0
    assert torch.equal(pruned.model.fc1.weight[kept], early.fc1.weight[kept]) and not kept.all()
    worth = narrow.model.fc1.weight.abs()
    assert worth[kept].min() >= worth[~kept].max()
    assert len(pruned.steps[0]["rewind"]) == 64


@pytest.mark.parametrize("options", [{"how": "channels", "channels": 0.5}, {"amount": 0.5}])
def test_only_the_same_layers_can_be_gone_back_to(narrow, few, options):
    early = narrow if "how" in options else wb.build("lenet5", few, channels=[4, 4])
    with pytest.raises(BadInput, match="rewind is a LeNet5"):
        prune(narrow, rewind=early, data=few, **options)
