"""Fixtures for every test: real digits, nets that are trained once a run, and models that come back as they were."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
import snapshots
from filelock import FileLock
from house import ROOT

import workbench as wb
from workbench import files

# The same cases in every run, however slow the machine is.
hypothesis.settings.register_profile(
    "workbench", derandomize=True, deadline=None, database=None, max_examples=50
)
hypothesis.settings.load_profile("workbench")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder that all workers of this run share, and no other run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def digits():
    """The 5,000 real digits."""
    return wb.load("mnist")


@pytest.fixture(scope="session")
def trained(shared_folder):
    """Train a net by recipe, once a run for all workers: ``trained("lenet5", digits, epochs=3)``."""

    def make(builder, data, *, sizes=None, **recipe):
        spelt = json.dumps([builder, data.fingerprint, sizes or {}, recipe], sort_keys=True)
        stem = shared_folder / f"{builder}-{files.sha256(spelt.encode())[:16]}"
        with FileLock(f"{stem}.lock"):
            if not stem.with_suffix(".json").exists():
                _train(stem, wb.build(builder, data, **(sizes or {})), data, recipe)
        model = wb.load_model(stem.with_suffix(".safetensors"))
        return wb.Fitted(model, files.read_json(stem.with_suffix(".json")), getattr(model, "recipe", {}))

    return make


def _train(stem: Path, model, data, recipe):
    fitted = wb.fit(model, data, verbose=False, **recipe)
    wb.save(fitted, stem.with_suffix(".safetensors"))
    files.write_json(stem.with_suffix(".json"), fitted.history)


@pytest.fixture(scope="session")
def lenet(trained, digits):
    """A LeNet-5 that knows most digits, trained for a few seconds; whoever changes it fails."""
    return trained("lenet5", digits, epochs=3, seed=0)


@pytest.fixture(autouse=True)
def _lenet_stays_as_it_was(request):
    if "lenet" not in request.fixturenames:
        yield
        return
    model = request.getfixturevalue("lenet").model
    before = snapshots.of_model(model)
    yield
    assert snapshots.differences(before, snapshots.of_model(model)) == []


@pytest.fixture
def unchanged():
    """Check that a model, and global randomness, come back as they were: ``with unchanged(model): ...``."""

    @contextmanager
    def check(model):
        before = snapshots.of_model(model) | snapshots.of_randomness()
        try:
            yield model
        finally:
            after = snapshots.of_model(model) | snapshots.of_randomness()
            assert snapshots.differences(before, after) == []

    return check


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel of this tree, built as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(folder), str(ROOT)], check=True)
    return next(folder.glob("*.whl"))
