"""A small network of digits with swatches, shared by the tests of the loop."""

import pytest

import workbench as wb


@pytest.fixture(scope="session")
def decoys():
    """Some digits with a swatch each."""
    return wb.load("decoy_mnist").subset(train=1200, valid=100, test=400)


@pytest.fixture(scope="session")
def narrow(trained, decoys):
    """A small network that reads the swatch."""
    return trained("mlp", decoys, sizes={"hidden": [32]}, epochs=12, lr=3e-3, seed=0)
