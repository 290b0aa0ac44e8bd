"""A whole split into a folder: the numbers of one call, whatever stops it in the middle."""

import os
import sys
import types
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from nets import BY_BACKGROUND, LOCAL, QUICK, Function
from torch import nn

import workbench as wb
from workbench import files
from workbench.errors import BadFile, BadInput, NotExplainable, UnknownName
from workbench.explanation import bulk
from workbench.explanation.budgets import Budget

COMPARED = ("values", "inputs", "target", "output", "base_values", "delta", "row_ids", "padding")


def bulked(model, rows, out, method="saliency", batch=2, **options):
    return wb.explain_dataset(model, rows, method=method, out=out, batch=batch, verbose=False, **options)


def assert_alike(a, b):
    """Hold two explanations against each other: the same up to the last bits of a sum."""
    for name in COMPARED:
        one, other = getattr(a, name), getattr(b, name)
        assert (one is None) == (other is None), name
        if one is not None:
            np.testing.assert_allclose(
                one, other, rtol=1e-4, atol=1e-5 * np.abs(b.values).max(), err_msg=name
            )
    assert a.labels == b.labels and a.feature_names == b.feature_names and a.class_names == b.class_names


# the numbers of one call


@pytest.mark.parametrize("method", LOCAL)
def test_every_method_gives_the_numbers_of_one_call(tiny, digits, tmp_path, method):
    options = QUICK.get(method, {}) | ({"background": digits.test.x[:2]} if method in BY_BACKGROUND else {})
    shards = bulked(tiny, digits.test[:5], tmp_path, method, data=digits, seed=3, **options)
    whole, once = shards.load(), wb.explain(tiny, digits.test[:5], method, data=digits, seed=3, **options)
    assert_alike(whole, once)
    assert whole.fingerprint == once.fingerprint
    assert {*whole.settings} == {*once.settings}


@pytest.mark.parametrize("method", ["smooth_grad", "kernel_shap", "lime"])
def test_draws_belong_to_a_rows_place_in_the_split_and_not_in_the_shard(tiny, digits, tmp_path, method):
    own = {} if method == "smooth_grad" else {"shared_draws": False}
    same = digits.test[[0, 0, 0, 0]]
    values = bulked(tiny, same, tmp_path, method, **QUICK[method], **own).load().values
    assert not np.allclose(values[0], values[2])
    assert_alike(bulked(tiny, same, tmp_path / "b", method, batch=3, **QUICK[method], **own).load(),
                 bulked(tiny, same, tmp_path / "c", method, batch=1, **QUICK[method], **own).load())  # fmt: skip


def test_superpixels_of_one_image_do_not_depend_on_the_others(tmp_path):
    rng = np.random.default_rng(0)
    images = np.stack(
        [np.kron(rng.random((3, k, k)), np.ones((64 // k, 64 // k))) for k in (2, 4, 8, 16)]
    ).astype(np.float32)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
    options = {"n_samples": 150, "shared_draws": False}
    shards = bulked(net, images, tmp_path, "lime", batch=1, **options)
    assert_alike(shards.load(), wb.explain(net, images, "lime", **options))


def test_a_tables_rows_are_read_as_in_one_call(clerk, people, tmp_path):
    for i, rows in enumerate((people.test[:7], people.test.raw[:7])):
        shards = bulked(clerk, rows, tmp_path / str(i), "feature_ablation", batch=3, data=people)
        assert_alike(shards.load(), wb.explain(clerk, rows, "feature_ablation", data=people))


def test_rows_with_a_background_of_raw_rows(clerk, people, tmp_path):
    options = {"background": people.train.raw[:6], "data": people}
    whole = bulked(clerk, people.test.raw[:5], tmp_path, "kernel_shap", **options).load()
    assert_alike(whole, wb.explain(clerk, people.test.raw[:5], "kernel_shap", **options))


def test_texts_of_a_network_and_of_a_pipeline_are_read_as_in_one_call(reader, bag, reviews, tmp_path):
    for model in (reader, bag):
        shards = bulked(
            model, reviews.test[:7], tmp_path / type(model.model).__name__, "feature_ablation", batch=3
        )
        assert_alike(shards.load(), wb.explain(model, reviews.test[:7], "feature_ablation"))


def test_arguments_with_an_entry_a_row_go_along_with_their_rows(tmp_path):
    class Scaled(nn.Linear):
        def forward(self, x, *, scale):
            return scale[:, None] * super().forward(x)

    torch.manual_seed(0)
    net, draws = Scaled(3, 2), np.random.default_rng(0)
    x, b = draws.normal(size=(2, 5, 3)).astype(np.float32)
    own = {"baselines": b, "target": [0, 1, 1, 0, 1], "feature_mask": np.array([[0, 1, 1]] * 3 + [[0, 0, 1]] * 2),
           "forward_kwargs": {"scale": torch.arange(5.0)}}  # fmt: skip
    whole = bulked(net, x, tmp_path, "feature_ablation", **own).load()
    once = wb.explain(net, x, "feature_ablation", **own)
    assert_alike(whole, once)
    np.testing.assert_array_equal(whole.settings["baselines"], b)
    assert whole.fingerprint == once.fingerprint


def test_several_inputs_are_taken_as_in_one_call(tmp_path):
    class Two(nn.Module):
        def forward(self, a, b):
            return torch.stack([a.sum(1) - b[:, 0], b.prod(1)], 1)

    rows = tuple(np.random.default_rng(0).normal(size=(5, k)).astype(np.float32) for k in (3, 2))
    options = {"baselines": (np.ones((5, 3), np.float32), np.zeros((5, 2), np.float32))}
    whole = bulked(Two(), rows, tmp_path, "integrated_gradients", **options).load()
    assert_alike(whole, wb.explain(Two(), rows, "integrated_gradients", **options))


def test_the_default_is_a_batch_that_stays_in_cache(tiny, digits, tmp_path):
    shards = wb.explain_dataset(tiny, digits.test[:250], method="saliency", out=tmp_path, verbose=False)
    assert shards.job["batch"] == 204 and len(shards.done) == 2


# stopped in the middle


class Stopping(nn.Module):
    """A net that raises in its n-th forward, once."""

    def __init__(self, net, n, problem):
        super().__init__()
        self.net, self.left, self.problem = net, n, problem

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise self.problem
        return self.net(x)


def test_an_interrupt_leaves_a_folder_that_goes_on(tiny, images, tmp_path):
    net = Stopping(tiny, 4, KeyboardInterrupt())  # two forwards a shard: one to aim, one for the gradient
    with pytest.warns(
        UserWarning, match=r"Interrupted: 2 of 5 rows are explained in .* The same call goes on\."
    ):
        stopped = bulked(net, images, tmp_path)
    assert len(stopped) == 2 and not stopped.complete and stopped.missing == [1, 2]
    part = stopped.load()
    assert len(part) == 2 and part.flags["incomplete"] == "2 of 5 rows are explained so far."
    before = net.left
    whole = bulked(net, images, tmp_path)
    assert whole.complete and before - net.left == 4  # what was done is not done again
    np.testing.assert_array_equal(whole.load().values, bulked(tiny, images, tmp_path / "b").load().values)


def test_an_error_is_raised_and_what_is_done_stays(tiny, images, tmp_path):
    net = Stopping(tiny, 4, ZeroDivisionError("made to fail"))
    with pytest.raises(ZeroDivisionError, match="made to fail"):
        bulked(net, images, tmp_path)
    assert len(wb.Shards.read(tmp_path)) == 2
    assert bulked(net, images, tmp_path).complete


def test_an_error_in_the_first_shard_leaves_nothing_that_is_in_the_way(tiny, images, tmp_path):
    net = Stopping(tiny, 1, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        bulked(net, images, tmp_path)
    assert [*tmp_path.iterdir()] == []
    assert bulked(tiny, images, tmp_path).complete


def test_a_damaged_shard_is_found_and_made_again_with_a_warning(tiny, images, tmp_path):
    good = bulked(tiny, images, tmp_path).load()
    path = tmp_path / "shard-000001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (tmp_path / "shard-000002.safetensors").unlink()
    with pytest.raises(BadFile, match=r"shard-000001.* is not as it was written.*makes damaged shards anew"):
        wb.Shards.read(tmp_path).load()
    with pytest.warns(
        UserWarning, match=r"shard-000001.*, shard-000002.* missing or damaged, and made again"
    ):
        again = bulked(tiny, images, tmp_path)
    np.testing.assert_array_equal(again.load().values, good.values)


def test_a_whole_folder_is_not_made_again(tiny, images, tmp_path):
    net = Function(tiny)
    bulked(net, images, tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bulked(net, images, tmp_path).complete
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_other_versions_are_said(tiny, images, tmp_path, monkeypatch):
    bulked(tiny, images, tmp_path)
    monkeypatch.setattr(bulk, "version", lambda name: "99")
    with pytest.warns(UserWarning, match=r"made with torch 2\..*: last bits may differ"):
        bulked(tiny, images, tmp_path)


# what is refused


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"method": "input_x_gradient"}, "its method is saliency and not input_x_gradient"),
        ({"abs": False}, "abs is True and not False"),
        ({"seed": 1}, "seed is 0 and not 1"),
        ({"target": [0, 1, 2, 3, 4]}, "target is None and not .0, 1, 2, 3, 4"),
        ({"batch": 3}, "it has 2 rows a shard and not 3"),
    ],
)
def test_another_question_in_the_same_folder_is_refused(tiny, images, tmp_path, change, words):
    bulked(tiny, images, tmp_path)
    with pytest.raises(BadFile, match=words):
        bulked(tiny, images, tmp_path, **change)


def test_another_model_and_other_rows_in_the_same_folder_are_refused(tiny, digits, images, tmp_path):
    bulked(tiny, images, tmp_path)
    other = wb.build("lenet5", digits, channels=(3, 4), hidden=8, seed=2)
    with pytest.raises(BadFile, match=r"its model is another, by the fingerprint.*Choose another folder"):
        bulked(other, images, tmp_path)
    with pytest.raises(BadFile, match="its rows are 5 and not 4"):
        bulked(tiny, images[:4], tmp_path)
    with pytest.raises(BadFile, match="its rows are others, by their SHA-256"):
        bulked(tiny, images[::-1], tmp_path)


def test_a_default_that_is_spelt_out_is_the_same_question(tiny, images, tmp_path):
    bulked(tiny, images, tmp_path)
    assert bulked(tiny, images, tmp_path, abs=True, output="logit", seed=0).complete


def test_a_folder_that_shall_not_be_resumed_or_holds_other_files_is_refused(tiny, images, tmp_path):
    bulked(tiny, images, tmp_path / "a")
    with pytest.raises(BadFile, match=r"holds 5 rows of this explanation.*resume=True"):
        bulked(tiny, images, tmp_path / "a", resume=False)
    assert bulked(tiny, images, tmp_path / "new", resume=False).complete
    with pytest.raises(BadFile, match="holds other files, such as a"):
        bulked(tiny, images, tmp_path)


def test_a_place_that_cannot_be_written_is_said_before_any_work(tiny, images, tmp_path):
    (tmp_path / "file").write_text("in the way")
    net = Stopping(tiny, 1, ZeroDivisionError())
    with pytest.raises(BadFile, match=r"cannot be written .*Expected: a folder that you may write to"):
        bulked(net, images, tmp_path / "file" / "below")


def test_a_disk_that_fills_up_loses_nothing_that_was_done(tiny, images, tmp_path, monkeypatch):
    real, left = os.fsync, [3]  # a shard and the index take two

    def fsync(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return real(handle)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(BadFile, match=r"cannot be written \(No space left on device\).*free the space"):
        bulked(tiny, images, tmp_path)
    monkeypatch.undo()
    assert len(wb.Shards.read(tmp_path)) == 2
    whole, other = bulked(tiny, images, tmp_path), bulked(tiny, images, tmp_path / "b")
    np.testing.assert_array_equal(whole.load().values, other.load().values)


def test_what_cannot_be_explained_is_refused_before_a_folder_is_made(tiny, digits, images, tmp_path):
    out, bad = tmp_path / "new", images.copy()
    bad[3, 0, 0, 0] = np.nan
    cases = [
        (BadInput, "first in row 3", (tiny, bad), {}),
        (BadInput, "Pass data.test", (tiny, digits), {}),
        (BadInput, "no rows", (tiny, images[:0]), {}),
        (BadInput, "no option called 'n_samples'", (tiny, images), {"n_samples": 3}),
        (BadInput, "explains the model, not rows", (tiny, images), {"method": "weights"}),
        (BadInput, "one method", (tiny, images), {"method": ["saliency"]}),
        (UnknownName, "Did you mean 'saliency'", (tiny, images), {"method": "salency"}),
        (NotExplainable, "no gradient", (lambda x: x[:, 0, 0], images), {}),
        (BadInput, "batch is 0", (tiny, images), {"batch": 0}),
        (BadInput, "budget is 'much'", (tiny, images), {"budget": "much"}),
        (BadInput, "scheduler is 3.*submit", (tiny, images), {"scheduler": 3}),
        (BadInput, "target has 2 rows for 5 rows of the split", (tiny, images), {"target": [0, 1]}),
        (BadInput, "baselines has 2 rows", (tiny, images), {"method": "occlusion", "baselines": images[:2]}),
    ]
    for error, words, given, options in cases:
        with pytest.raises(error, match=words):
            bulked(*given, out, **options)
        assert not out.exists(), words


def test_what_is_as_long_as_a_shard_is_not_mistaken_for_its_rows(tmp_path):
    class Shifted(nn.Linear):
        def forward(self, x, *, shift):
            return super().forward(x) + shift

    with pytest.raises(BadInput, match="shift in forward_kwargs has 2 entries, as many as a shard has rows"):
        bulked(Shifted(3, 2), np.ones((5, 3), np.float32), tmp_path, forward_kwargs={"shift": torch.zeros(2)})


# a budget


def test_a_budget_of_evaluations_is_kept_and_said(tiny, images, tmp_path):
    cost = wb.explain(tiny, images[:2], "saliency").n_forward
    with pytest.warns(UserWarning, match=r"The budget is spent: 4 of 5 rows are explained"):
        shards = bulked(tiny, images, tmp_path, budget=2 * cost)
    assert sum(e["evaluations"] for e in shards.done.values()) == 2 * cost
    assert bulked(tiny, images, tmp_path, budget=2 * cost).complete


def test_the_first_shard_is_always_made_so_that_every_call_goes_on(tiny, images, tmp_path):
    for done in (2, 4):
        with pytest.warns(UserWarning, match="budget is spent"):
            assert len(bulked(tiny, images, tmp_path, budget=1)) == done
    assert bulked(tiny, images, tmp_path, budget="1ms").complete


def test_a_budget_of_seconds_stops_before_it_would_be_exceeded():
    purse = bulk._Purse(Budget(seconds=10.0))
    assert purse.affords(0) and not purse.affords(1)
    purse.answers = 1
    purse.started -= 4
    assert purse.affords(0) and purse.affords(5)
    purse.started -= 2  # a shard takes six seconds, and four are left
    assert not purse.affords(0)


# schedulers


class Scattering:
    """A scheduler as Dask's client is: what was scattered is known by a handle."""

    def __init__(self):
        self.sent, self.submitted, self.cancelled, self.held = 0, [], 0, {}

    def scatter(self, parts, broadcast):
        assert broadcast
        self.sent += 1
        self.held["handle"] = parts[0]
        return ["handle"]

    def submit(self, function, *args):
        self.submitted.append(args)
        later = types.SimpleNamespace(
            result=lambda: function(*[self.held.get(a, a) if isinstance(a, str) else a for a in args])
        )
        later.cancel = lambda: setattr(self, "cancelled", self.cancelled + 1)
        return later

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.left = True


def test_a_scheduler_is_sent_the_model_once_and_gives_the_same_bits(tiny, images, tmp_path):
    client = Scattering()
    shards = bulked(tiny, images, tmp_path, scheduler=client)
    np.testing.assert_array_equal(shards.load().values, bulked(tiny, images, tmp_path / "b").load().values)
    assert client.sent == 1 and len(client.submitted) == 3
    assert all(args[0] == "handle" for args in client.submitted)


def test_what_waits_at_a_scheduler_is_called_off_after_an_error(tiny, images, tmp_path):
    client = Scattering()
    with pytest.raises(ZeroDivisionError):
        bulked(Stopping(tiny, 1, ZeroDivisionError()), images, tmp_path, scheduler=client)
    assert client.cancelled == 2


def test_with_a_budget_one_shard_is_paid_before_others_are_sent(tiny, images, tmp_path):
    client, cost = Scattering(), wb.explain(tiny, images[:2], "saliency").n_forward
    with pytest.warns(UserWarning, match="4 of 5 rows"):
        bulked(tiny, images, tmp_path, scheduler=client, budget=2 * cost)
    assert len(client.submitted) == 2


def test_threads_take_turns_with_the_model(unchanged, convolutional, images, tmp_path):
    with unchanged(convolutional), ThreadPoolExecutor(3) as pool:
        shards = bulked(convolutional, images, tmp_path, "grad_cam", batch=1, scheduler=pool)
    once = wb.explain(convolutional, images, "grad_cam")
    np.testing.assert_allclose(shards.load().values, once.values, rtol=1e-4, atol=1e-6)


def test_dask_is_started_for_the_call_and_ended(tiny, images, tmp_path, monkeypatch):
    client = Scattering()
    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(Client=lambda: client))
    assert bulked(tiny, images, tmp_path, scheduler="dask").complete
    assert client.left and client.sent == 1


def test_dask_that_is_not_installed_is_refused_with_the_remedy(tiny, images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        BadInput, match=r"not installed.*pip install 'interpretability-workbench\[distributed\]'"
    ):
        bulked(tiny, images, tmp_path, scheduler="dask")


def test_the_model_comes_back_as_it_was(unchanged, convolutional, images, tmp_path):
    with unchanged(convolutional):
        bulked(convolutional, images, tmp_path, "smooth_grad", n_samples=3)
