"""A whole split is explained in other processes, and in one that is killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from house import ROOT

import workbench as wb

ROWS = np.random.default_rng(0).random((120, 1, 8, 8), dtype=np.float32)
VICTIM = (
    "import sys; sys.path.insert(0, {tests!r}); from test_explain_bulk import explained; explained({out!r})"
)


def net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 3))


def explained(out, **options):
    return wb.explain_dataset(
        net(), ROWS, method="smooth_grad", out=out, batch=2, n_samples=40, verbose=False, **options
    )


def test_a_process_that_is_killed_goes_on_and_ends_with_the_same_bits(tmp_path):
    folder = tmp_path / "killed"
    code = VICTIM.format(tests=os.path.dirname(__file__), out=str(folder))
    place = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "tests"))),
    }
    victim = subprocess.Popen([sys.executable, "-c", code], env=place)
    deadline = time.monotonic() + 120
    while not (folder / "shard-000003.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    victim.send_signal(signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    assert 0 < len(wb.Shards.read(folder)) < len(ROWS)
    again, whole = explained(folder), explained(tmp_path / "whole")
    assert again.complete
    a, b = again.load(), whole.load()
    for name in ("values", "output", "base_values", "target", "row_ids"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.fingerprint == b.fingerprint and a.settings == b.settings


@pytest.mark.slow
def test_other_processes_give_the_same_numbers(tmp_path):
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        there = explained(tmp_path / "there", scheduler=pool)
    np.testing.assert_allclose(
        there.load().values, explained(tmp_path / "here").load().values, rtol=1e-5, atol=1e-7
    )
