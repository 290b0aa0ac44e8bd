"""A user's images in one ``.npz`` file, laid out as MedMNIST's: ``wb.from_npz``."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import WorkbenchError
from . import dealing
from .records import Data, Split
from .remarks import Remarks, counted, existing, several

PARTS = {"train": "train", "val": "valid", "test": "test"}  # in the file, and here
LAYOUT = "arrays train_images, train_labels, val_images, val_labels, test_images, test_labels"


def from_npz(
    path: str | Path,
    *,
    class_names: Sequence[str] | Mapping[object, str] | None = None,
    name: str | None = None,
    seed: int = 0,
    licence: str = "not stated",
    source: str | None = None,
) -> Data:
    """Make ``Data`` of an ``.npz`` file in MedMNIST's layout (Yang et al. 2023); its splits are kept, shuffled within.

    The file holds ``train_images``, ``train_labels`` and the like for ``val`` and ``test``: bytes of
    ``(n, row, column)`` or ``(n, row, column, 3)``, and a class number a row, ``(n, 1)`` or ``(n,)``. Equal
    images share a cluster; those that stand in two splits are counted in a warning. Files are often sorted by
    class, so each split's rows are shuffled; ``row_ids`` count the file's rows, train's first, then val's and
    test's. Nothing in the file is executed.

    Parameters
    ----------
    path
        Of the file.
    class_names
        One a class, in order, or by class number as MedMNIST's ``INFO[flag]["label"]`` has them; numbers by default.
    name
        What the data set is called on pages; by default the file's name.
    seed
        Of the shuffling, and of the split where the file has no ``val`` or no ``test``.
    licence, source
        Said on every page; the source is by default the file's name.

    Raises
    ------
    BadFile
        The file is damaged, or lacks an array, or holds anything but bytes and classes of fitting shapes.
    BadInput
        The names do not fit the classes, or there is one class.
    """
    remarks = Remarks(Path(path).name)
    arrays = _arrays(path, remarks)
    images = {
        ours: _images(arrays[f"{part}_images"], f"{part}_images", remarks)
        for part, ours in PARTS.items()
        if f"{part}_images" in arrays
    }
    labels = {
        ours: _labels(arrays[f"{part}_labels"], f"{part}_labels", remarks)
        for part, ours in PARTS.items()
        if f"{part}_labels" in arrays
    }
    _check_shapes(images, labels, remarks)
    x, y = np.concatenate(list(images.values())), np.concatenate(list(labels.values()))
    names = _names(class_names, labels, remarks)
    sizes = {part: len(rows) for part, rows in images.items()}
    clusters, positions = _positions(sizes, x, y, seed, names, remarks)
    parts: dict[str, Any] = {
        part: Split(np.moveaxis(x[at], -1, 1).astype(np.float32) / 255, y[at], at, clusters[at])
        for part, at in positions.items()
    }
    return Data(name or Path(path).stem, "image", **parts, feature_names=(), class_names=names, licence=licence,
                source=source or remarks.file, notes=tuple(remarks.notes))  # fmt: skip


def _arrays(path: str | Path, remarks: Remarks) -> dict[str, np.ndarray]:
    found = existing(path)
    if found.is_dir():
        remarks.broken(
            "This is a folder",
            "an .npz file",
            "Name the file in it; pictures in folders are read by wb.from_folder",
        )
    try:
        content = np.load(found, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            remarks.broken(
                "This is one array", f"an .npz file with the {LAYOUT}", "Pass the arrays to wb.from_arrays"
            )
        with content:
            wanted = [f"{part}_{what}" for part in PARTS for what in ("images", "labels")]
            _check_names(content.files, wanted, remarks)
            return {array: content[array] for array in wanted if array in content.files}
    except WorkbenchError:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        KeyError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as problem:
        remarks.broken(f"The file cannot be read ({type(problem).__name__}: {str(problem)[:80]})",
                       "a whole .npz file without pickled objects", "Copy or download it again; save objects as plain arrays")  # fmt: skip


def _check_names(present: Sequence[str], wanted: Sequence[str], remarks: Remarks) -> None:
    parts = {array.rpartition("_")[0] for array in wanted if array in present} | {"train"}
    lacking = [array for array in wanted if array not in present and array.rpartition("_")[0] in parts]
    if lacking:
        remarks.broken(f"The file has no array {lacking[0]!r}; it holds {several(list(present), 8) or 'nothing'}", LAYOUT,
                       "Save it in that layout, or pass arrays to wb.from_arrays")  # fmt: skip


def _images(images: np.ndarray, what: str, remarks: Remarks) -> np.ndarray:
    """Return images as bytes ``(n, row, column, channel)``."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3) or 0 in images.shape:
        volumes = (
            "; volumes cannot be read, cut them into slices"
            if images.ndim > 4 or images.shape[-1] not in (1, 3)
            else ""
        )
        remarks.broken(
            f"{what} has shape {images.shape}",
            "(n, row, column) or (n, row, column, 3)",
            f"Reshape it{volumes}",
        )
    if images.dtype != np.uint8:
        remarks.broken(
            f"{what} has type {images.dtype}",
            "bytes (uint8) of 0 to 255",
            "Scale the pixels to 0 to 255, then .astype('uint8')",
        )
    return images


def _labels(labels: np.ndarray, what: str, remarks: Remarks) -> np.ndarray:
    if labels.ndim == 2 and labels.shape[1] > 1:
        remarks.broken(
            f"{what} has shape {labels.shape}: several labels a row",
            "one class a row, (n, 1)",
            "Keep one column of it",
        )
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iufb":
        remarks.broken(
            f"{what} has shape {labels.shape} and type {labels.dtype}",
            "one class number a row, (n, 1)",
            "Number the classes from 0",
        )
    flat = labels.reshape(-1)
    strange = ~((flat >= 0) & (flat == np.floor(flat)))
    if strange.any():
        row = int(np.argmax(strange))
        remarks.broken(
            f"{what} holds {flat[row]} in row {row}",
            "class numbers from 0",
            "Number the classes from 0, or leave the row out",
        )
    return flat.astype(np.int64)


def _check_shapes(images: dict[str, np.ndarray], labels: dict[str, np.ndarray], remarks: Remarks) -> None:
    shape = images["train"].shape[1:]
    for part, own in images.items():
        if len(own) != len(labels[part]):
            remarks.broken(
                f"The {part} split has {counted(len(own), 'image')} and {counted(len(labels[part]), 'label')}",
                "one label an image",
                "Save both again",
            )
        if own.shape[1:] != shape:
            remarks.broken(
                f"Images of the {part} split have shape {own.shape[1:]} but those of train {shape}",
                "one shape",
                "Resize them",
            )


def _names(
    given: Sequence[str] | Mapping[object, str] | None, labels: dict[str, np.ndarray], remarks: Remarks
) -> tuple[str, ...]:
    present = np.unique(labels["train"])
    for part, own in labels.items():
        if len(unseen := np.setdiff1d(own, present)):
            row = int(np.argmax(own == unseen[0]))
            remarks.broken(
                f"Class {unseen[0]} is in {part} (first in row {row}) but not in train",
                "every class in train",
                "Leave these rows out",
            )
    if len(present) < 2 or present.max() >= len(present):
        remarks.unusable(
            f"The training rows have the classes {several(present.tolist(), 12)}",
            "at least two, numbered from 0 without gaps",
            "Number the classes anew",
        )
    names: list[object] = list(range(len(present)) if given is None else given)
    if isinstance(given, Mapping):
        names = [given.get(i, given.get(str(i))) for i in range(len(present))]
    if len(names) != len(present) or None in names:
        remarks.unusable(
            f"{len(given or ())} class names for {len(present)} classes",
            "a name for each class number",
            "Match them",
        )
    return tuple(map(str, names))


def _positions(
    sizes: dict[str, int], x: np.ndarray, y: np.ndarray, seed: int, names: Sequence[str], remarks: Remarks
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    ends = np.cumsum(list(sizes.values()))
    given = {part: np.arange(end - n, end) for (part, n), end in zip(sizes.items(), ends, strict=True)}
    keys = dealing.equal_rows(x)
    clusters, _ = dealing.copies(keys, y)
    pairs = dealing.torn(keys, np.repeat(np.arange(len(sizes)), list(sizes.values())))
    if len(pairs):
        places = [
            next(f"row {row - given[part][0]} of {part}" for part in given if row <= given[part][-1])
            for row in pairs[0]
        ]
        remarks.warn(
            f"Equal images stand in two splits ({len(pairs):,} of them), first {places[0]} and {places[1]}. Results on them are too good."
        )
    rng = np.random.default_rng(seed)
    shuffled = {part: rng.permutation(rows) for part, rows in given.items()}
    return clusters, dealing.completed(shuffled, y, clusters, seed, names, remarks)
