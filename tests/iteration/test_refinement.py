"""A model learns not to look where people marked; what was not trained on says whether it holds, also after compression."""

import copy

import numpy as np
import pytest
import torch
from reviews import made_up
from torch import nn

import workbench as wb
from workbench.compression.preservation import checked_keep
from workbench.errors import BadInput, UnknownName
from workbench.iteration.terms import exchanged, forbidden, term_of
from workbench.training import Batch

QUICK = {"epochs": 6, "lr": 3e-3, "verbose": False}


@pytest.fixture(scope="module")
def marked(decoys, tmp_path_factory):
    fb = wb.Feedback(tmp_path_factory.mktemp("store") / "feedback.db")
    fb.add_masks(decoys.train, reviewer="simulated", n=300)
    return fb


@pytest.fixture(scope="module")
def repaired(narrow, decoys, marked):
    return wb.refine(narrow, decoys, marked, **QUICK)


def test_the_repaired_model_no_longer_follows_the_swatch(repaired, narrow, decoys):
    table = repaired.table()
    before, after = table.loc["before"], table.loc["refined"]
    assert after["accuracy"] > before["accuracy"] + 0.05 and after["flips"] < before["flips"] / 4
    assert after["hidden"] < before["hidden"] / 4 and after["attribution"] < before["attribution"] / 3
    assert (
        after["changed without it"] < before["changed without it"] / 3
        and after["low"] <= after["mostly flipped"] <= after["high"]
    )
    assert {"before", "refined", "from scratch"} == set(table.index)
    assert "known shortcut in 400 test rows" in repaired.report["regions"]


def test_the_numbers_are_those_of_the_models(repaired, narrow, decoys):
    x, y = torch.tensor(decoys.test.x), decoys.test.y
    with torch.no_grad():
        right = repaired.model(x).argmax(1).numpy() == y
        bare = torch.tensor(np.where(decoys.test.shortcut, 0, decoys.test.x).astype(np.float32))
        z = [repaired.model(one) for one in (x, bare)]
    target = z[0].argmax(1, keepdim=True)
    moved = [(one - one.mean(1, keepdim=True)).gather(1, target) for one in z]
    row = repaired.table().loc["refined"]
    assert row["accuracy"] == pytest.approx(right.mean())
    assert row["hidden"] == pytest.approx(float((moved[0] - moved[1]).abs().mean()), rel=1e-5)
    e = wb.explain(repaired, decoys.test, "saliency", output="centred_logit")
    inside = (e.values * decoys.test.shortcut).sum((1, 2, 3)) / e.values.sum((1, 2, 3))
    assert row["attribution"] == pytest.approx(inside.mean(), rel=1e-3)


def test_the_given_model_is_untouched_and_the_same_seed_gives_the_same_bits(
    narrow, decoys, marked, unchanged
):
    with unchanged(narrow.model):
        one, two = (
            wb.refine(narrow, decoys, marked, epochs=1, scratch=False, seed=5, verbose=False).model
            for _ in range(2)
        )
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_every_version_knows_its_parent_marks_and_scores(repaired, decoys, marked, tmp_path):
    again = wb.refine(repaired, decoys, marked, epochs=1, scratch=False, verbose=False)
    lineage = again.lineage()
    assert len(lineage) == 3 and lineage[0]["refined"] is None
    assert [v["refined"]["parent"] for v in lineage[1:]] == [v["model"] for v in lineage[:-1]]
    assert lineage[2]["refined"]["feedback"] == marked.fingerprint and lineage[2]["refined"]["marked"] == 300
    back = wb.load_model(wb.save(again, tmp_path / "refined.safetensors"))
    assert back.recipe["refined"]["parent"] == lineage[1]["model"]
    assert "300 marked rows" in repr(again) and "<table" in again._repr_html_()


@pytest.mark.parametrize("loss", ["rrr", "counterexamples"])
@pytest.mark.parametrize("projection", ["random", "target"])
def test_other_losses_and_projections_repair_too(narrow, decoys, marked, loss, projection):
    found = wb.refine(
        narrow, decoys, marked, loss=loss, projection=projection, scratch=False, **QUICK
    ).table()
    assert found.loc["refined", "flips"] < found.loc["before", "flips"] * 0.6


def test_grad_cam_is_held_where_there_is_a_convolution(decoys, marked, narrow):
    few = decoys.subset(train=300, valid=30, test=60)
    net = wb.build("lenet5", few, channels=(4, 6), hidden=10)
    fb = term_of(marked, few, loss="rrr_gradcam")
    batch = Batch(
        torch.tensor(few.train.x[:8]),
        torch.tensor(few.train.y[:8]),
        torch.arange(8),
        torch.Generator().manual_seed(0),
    )
    loss = fb(net, batch)
    loss.backward()
    assert loss.item() > 0 and net.conv1.weight.grad.abs().sum() > 0
    with pytest.raises(BadInput, match="has no convolution"):
        term_of(marked, decoys, loss="rrr_gradcam")(narrow.model, batch)


def test_the_penalty_is_the_squared_gradient_inside_the_mark_by_hand(tmp_path):
    x = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    data = wb.from_arrays(x, np.arange(40) % 2)
    fb = wb.Feedback(tmp_path / "fb.db")
    mask = np.array([False, True, False, False])
    fb.add(int(data.train.row_ids[0]), mask, reviewer="Ada")
    net = nn.Linear(4, 2)
    row, target = torch.tensor(data.train.x[:1]), int(data.train.y[0])
    batch = Batch(row, torch.tensor([target]), torch.arange(1), torch.Generator().manual_seed(0))
    found = term_of(fb, data, projection="target", strength=3.0)(net, batch)
    assert found.item() == pytest.approx(3 * net.weight[target, 1].item() ** 2, rel=1e-5)


def test_where_something_must_be_looked_at_all_the_rest_must_not():
    must, must_not = np.zeros((2, 3), bool), np.zeros((2, 3), bool)
    must[0, 1], must_not[1, 2] = True, True
    assert forbidden(must, must_not).tolist() == [[True, False, True], [False, False, True]]


def test_an_exchange_changes_the_marked_part_alone():
    draws = torch.Generator().manual_seed(0)
    x, donors, mask = (
        torch.zeros(50, 1, 4, 4),
        torch.ones(9, 1, 4, 4),
        torch.zeros(50, 1, 4, 4, dtype=torch.bool),
    )
    mask[..., :2, :2] = True
    changed = exchanged(x, mask, donors, draws)
    assert (changed[~mask] == 0).all() and 0.3 < (changed[mask] == 1).float().mean() < 0.7


def test_columns_and_words_are_held_as_well(tmp_path):
    for data, name, sizes in (
        (wb.plant_shortcut(wb.load("breast_cancer")), "mlp", {}),
        (wb.plant_shortcut(made_up(200)), "transformer", {"width": 8, "layers": 1}),
    ):
        net = wb.fit(wb.build(name, data, **sizes), data, epochs=8, lr=3e-3, verbose=False)
        fb = wb.Feedback(tmp_path / f"{name}.db")
        fb.add_masks(data.train, reviewer="simulated")
        table = wb.refine(net, data, fb, epochs=8, lr=3e-3, scratch=False, verbose=False).table()
        assert table.loc["refined", "hidden"] < table.loc["before", "hidden"] * 0.7


def test_without_known_regions_the_marks_say_where_to_look(decoys, narrow, marked, tmp_path):
    from dataclasses import replace

    bare = replace(decoys, test=replace(decoys.test, shortcut=None, without_shortcut=None))
    found = wb.refine(narrow, bare, marked, epochs=1, scratch=False, verbose=False)
    assert found.report["regions"] == "what is marked in 300 training rows, which were trained on"
    assert "changed without it" in found.table() or "without shortcut" not in found.table()
    both = wb.Feedback(tmp_path / "both.db")
    both.add_masks(decoys.train, reviewer="simulated", n=50)
    both.add_masks(decoys.test, reviewer="simulated", n=40)
    assert (
        wb.refine(narrow, bare, both, epochs=1, scratch=False, verbose=False).report["regions"]
        == "what is marked in 40 test rows"
    )


def test_what_cannot_be_refined_is_refused(decoys, narrow, marked, tmp_path):
    empty = wb.Feedback(tmp_path / "empty.db")
    with pytest.raises(BadInput, match="marks nothing in the 1200 training rows"):
        wb.refine(narrow, decoys, empty)
    with pytest.raises(UnknownName, match="no loss called 'magic'"):
        wb.refine(narrow, decoys, marked, loss="magic")
    with pytest.raises(UnknownName, match="no projection called 'all'"):
        wb.refine(narrow, decoys, marked, projection="all")
    with pytest.raises(BadInput, match="strength is -1"):
        wb.refine(narrow, decoys, marked, strength=-1)
    with pytest.raises(BadInput, match="A GraphModule was given"):
        wb.refine(wb.quantize(narrow, data=decoys), decoys, marked)


# held during compression


@pytest.fixture(scope="module")
def forgetful(repaired, decoys):
    """Pruned on the labels alone, which the swatch tells."""
    return wb.prune(repaired, 0.5, data=decoys, preserve=None, epochs=6, lr=3e-3, verbose=False)


def moved(model, data):
    """Return how far logits move without the swatch, a mean."""
    with torch.no_grad():
        own, other = (model(torch.tensor(x)) for x in (data.test.x, data.test.without_shortcut))
    return float((own - other).abs().mean())


def test_pruning_on_labels_forgets_and_keep_holds(repaired, forgetful, decoys, marked):
    held = wb.prune(repaired, 0.5, data=decoys, preserve=None, keep=marked, epochs=6, lr=3e-3, verbose=False)
    assert moved(held.model, decoys) < moved(forgetful.model, decoys) * 0.5
    assert held.steps[0]["keep"] == marked.fingerprint and "marks held" in held._repr_html_()
    assert forgetful.steps[0]["keep"] is None


def test_the_sham_holds_what_the_compression_held(repaired, decoys, marked):
    held = wb.prune(repaired, 0.5, data=decoys, keep=marked, epochs=1, verbose=False)
    free = copy.copy(held)
    object.__setattr__(free, "keep", None)
    a, b = wb.sham(held, decoys, verbose=False), wb.sham(free, decoys, verbose=False)
    assert any(not torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


def test_every_fine_tuning_takes_it(repaired, decoys, marked):
    student = wb.build("mlp", decoys, hidden=(8,))
    for small in (
        wb.distill(repaired, student, decoys, keep=marked, epochs=1, verbose=False),
        wb.quantize(repaired, "aware", data=decoys, keep=marked, epochs=1, verbose=False),
        wb.compress(repaired, decoys, prune=0.5, keep=marked, epochs=1, verbose=False),
    ):
        assert marked.fingerprint in {step.get("keep") for step in small.steps} and small.keep is marked


def test_what_holds_nothing_is_refused(decoys, repaired):
    assert checked_keep(None) is None
    with pytest.raises(BadInput, match="keep is a str"):
        wb.prune(repaired, 0.5, data=decoys, keep="feedback.db", epochs=1)
