"""A user's pictures, in a folder for each class: ``wb.from_folder``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from . import dealing, pictures
from .records import Data, Split
from .remarks import Remarks, counted, existing, several

PARTS = {"train": "train", "training": "train", "val": "valid", "valid": "valid", "validation": "valid", "dev": "valid",
         "test": "test", "testing": "test"}  # fmt: skip
TOO_MANY = 0.1  # share of damaged pictures from which something else is wrong
FEWEST = 3  # pictures of a class, one for each split


def from_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    largest: int = pictures.LARGEST,
    mode: str | None = None,
    name: str | None = None,
    seed: int = 0,
    licence: str = "not stated",
    source: str | None = None,
    verbose: bool = True,
) -> Data:
    """Make ``Data`` of a folder of pictures: a folder for each class, or these within ``train`` and ``test``.

    Pictures of any size are brought to one, grey or colour. Where there are no folders ``train`` and ``test``,
    70, 10 and 20 % of each class are dealt out, and equal pictures stay in one split; a missing ``valid`` is
    taken from ``train``. Damaged pictures are left out with one warning. Pictures are turned as their EXIF data
    say; transparent ones are put on white; of a moving one the first frame is taken. To train on changed
    copies, pass ``augment=True`` to :func:`workbench.fit`.

    Parameters
    ----------
    path
        Of the folder.
    size
        Rows and columns that pictures are resized to, or one number for both; by default their median size,
        at least 16 a side.
    largest
        Pixels that the longer side has at most where no ``size`` is given.
    mode
        "L" (grey) or "RGB"; by default grey if all pictures are grey.
    name
        What the data set is called on pages; by default the folder's name.
    seed
        Of the split.
    licence, source
        Said on every page; the source is by default the folder's name.
    verbose
        Whether to show progress.

    Raises
    ------
    BadFile
        No such folder, no class folders, a class without pictures, too many damaged pictures.
    BadInput
        A size or a mode that is none, one class, a class with fewer than three pictures.
    """
    root = existing(path)
    remarks = Remarks(root.resolve().name)
    shape = _size(size, largest, mode, remarks)
    if not root.is_dir():
        remarks.broken("This is a file", "a folder with a folder of pictures for each class",
                       "Name the folder; archives are unpacked first, tables read by wb.from_csv")  # fmt: skip
    found = _found(root, remarks)
    y = np.array([found.classes.index(c) for c in found.labels])
    _enough(found, np.bincount(y, minlength=len(found.classes)), remarks)
    pixels, kept = _pixels(found, shape, largest, verbose, remarks)
    found, y = found.only(kept), y[kept]
    _enough(found, np.bincount(y, minlength=len(found.classes)), remarks)
    x = _floats(pixels, mode, remarks)
    clusters, positions = _positions(found, x, y, seed, remarks)
    parts: dict[str, Any] = {part: Split(x[at], y[at], at, clusters[at]) for part, at in positions.items()}
    return Data(name or remarks.file, "image", **parts, feature_names=(), class_names=tuple(found.classes),
                licence=licence, source=source or remarks.file, notes=tuple(remarks.notes))  # fmt: skip


@dataclass(frozen=True)
class _Found:
    """The pictures of a folder: where they are, their class and, where folders tell, their split."""

    root: Path
    paths: list[Path]
    labels: list[str]
    parts: list[str]
    classes: list[str]

    def only(self, rows: Sequence[int]) -> _Found:
        """Return the pictures at these positions."""
        kept = [(self.paths[i], self.labels[i], self.parts[i]) for i in rows]
        paths, labels, parts = map(list, zip(*kept, strict=True))
        return replace(self, paths=paths, labels=labels, parts=parts)

    def shown(self, row: int) -> str:
        return self.paths[row].relative_to(self.root).as_posix()


def _size(
    size: int | tuple[int, int] | None, largest: int, mode: str | None, remarks: Remarks
) -> tuple[int, int] | None:
    if not _is_size((largest, largest)) or largest < pictures.SMALLEST:
        remarks.unusable(f"largest is {largest!r}", f"a whole number of {pictures.SMALLEST} to 4096 pixels",
                         "Pass such as largest=64")  # fmt: skip
    if mode not in (None, "L", "RGB"):
        remarks.unusable(f"mode is {mode!r}", "'L' (grey), 'RGB' or None", "Choose one of them")
    shape = (size, size) if isinstance(size, (int, np.integer)) else size
    if shape is not None and not _is_size(shape):
        remarks.unusable(f"size is {size!r}", "(rows, columns), each of 4 to 4096 pixels, or one number for both",
                         "Pass such as size=(32, 48)")  # fmt: skip
    return None if shape is None else (int(shape[0]), int(shape[1]))


def _is_size(shape: object) -> bool:
    pair = isinstance(shape, (tuple, list)) and len(shape) == 2
    return pair and all(isinstance(n, (int, np.integer)) and 4 <= n <= 4096 for n in shape)  # type: ignore[attr-defined]


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _files(folder: Path, deep: bool = True) -> list[Path]:
    files = (p for p in (folder.rglob("*") if deep else folder.iterdir()) if p.is_file())
    return sorted(
        p for p in files if not any(part.startswith((".", "__")) for part in p.relative_to(folder).parts)
    )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in pictures.SUFFIXES


def _found(root: Path, remarks: Remarks) -> _Found:
    """Find the pictures, their classes and their splits."""
    homes = {PARTS[p.name.lower()]: p for p in reversed(_folders(root)) if p.name.lower() in PARTS}
    split = len(homes) > 1
    if split and "train" not in homes:
        remarks.broken(
            f"There are the folders {several([p.name for p in homes.values()])} but no train",
            "train beside test",
            "Add the folder train",
        )
    if split and (others := [p.name for p in _folders(root) if p not in homes.values()]):
        remarks.note(f"The folders {several(others)} beside train and test were not read.")
    found = _Found(root, [], [], [], [])
    for part, home in sorted(homes.items()) if split else [("", root)]:
        _gather(found, home, part, remarks)
    trained = {c for c, part in zip(found.labels, found.parts, strict=True) if part in ("", "train")}
    for c, part in zip(found.labels, found.parts, strict=True):
        if c not in trained:
            remarks.broken(f"The class folder {c!r} is in {homes[part].name} but not in {homes['train'].name}", "every class in train",
                           "Add pictures of it to train, rename the folder, or take it away")  # fmt: skip
    found.classes.extend(sorted(trained))
    return found


def _gather(found: _Found, home: Path, part: str, remarks: Remarks) -> None:
    folders, where = _folders(home), home.relative_to(found.root).as_posix()
    if not folders:
        _no_classes(home, where, remarks)
    strange = []
    for folder in folders:
        files = _files(folder)
        chosen = [p for p in files if _is_picture(p)]
        strange += [p for p in files if not _is_picture(p)]
        if not chosen:
            kinds = several(sorted({p.suffix for p in files})) or "nothing"
            remarks.broken(f"The class folder {folder.relative_to(found.root).as_posix()!r} has no pictures (it holds {kinds})", "pictures (png, jpg, bmp, gif, tif, webp) in every class folder",
                           "Put pictures into it, or take the folder away")  # fmt: skip
        found.paths.extend(chosen)
        found.labels.extend([folder.name] * len(chosen))
        found.parts.extend([part] * len(chosen))
    strange += _files(home, deep=False)
    if strange:
        remarks.note(
            f"Other files than pictures were not read ({len(strange):,}, such as {strange[0].relative_to(found.root).as_posix()!r})."
        )


def _no_classes(home: Path, where: str, remarks: Remarks) -> NoReturn:
    files = [p for p in _files(home) if _is_picture(p)]
    place = "" if where == "." else f" {where!r}"
    remarks.broken(f"The folder{place} has {counted(len(files), 'picture')}{f', such as {files[0].name!r},' if files else ''} but no class folders",
                   "a folder for each class, with its pictures in it",
                   "Make one for each class and move the pictures there" if files else "Check the path")  # fmt: skip


def _enough(found: _Found, counts: np.ndarray, remarks: Remarks) -> None:
    if len(found.classes) == 1:
        inner = [p.name for p in _folders(found.root / found.classes[0])] if found.parts[0] == "" else []
        remarks.unusable(f"There is one class folder, {found.classes[0]!r}", "at least two classes",
                         f"Pass the path of the folder {found.classes[0]!r}, whose folders are {several(inner)}" if len(inner) > 1
                         else "Add a folder for each other class")  # fmt: skip
    if counts.min() < FEWEST:
        rare = found.classes[int(np.argmin(counts))]
        remarks.unusable(f"The class folder {rare!r} has {counted(int(counts.min()), 'readable picture')}", f"{FEWEST} or more in every class",
                         "Add pictures to it, or take the folder away")  # fmt: skip


def _pixels(
    found: _Found, shape: tuple[int, int] | None, largest: int, verbose: bool, remarks: Remarks
) -> tuple[np.ndarray, list[int]]:
    """Return the pixels of the readable pictures, and which these are."""
    sizes, problems = pictures.measured(found.paths)
    readable = [place for place, size in enumerate(sizes) if size is not None]
    if not readable:
        _damaged(found, [*range(len(sizes))], problems, remarks)
    chosen = shape or pictures.usual(sizes, largest)
    pixels, whole, more, counts = pictures.loaded([found.paths[i] for i in readable], chosen, verbose)
    kept = [readable[i] for i in whole]
    if len(kept) < len(sizes):
        gone = sorted({*range(len(sizes))} - {*kept})
        _damaged(found, gone, [*problems, *more], remarks)
    _say(counts, {size for size in sizes if size is not None}, chosen, 0 if shape else largest, remarks)
    return pixels, kept


def _damaged(found: _Found, gone: list[int], problems: list[str], remarks: Remarks) -> None:
    first = f"{counted(len(gone), 'picture')} of {len(found.paths):,} cannot be read, first {found.shown(gone[0])!r} ({problems[0]})"
    if len(gone) > TOO_MANY * len(found.paths):
        remarks.broken(
            first,
            f"at most {TOO_MANY:.0%} damaged pictures",
            "Copy the folder again, or convert the pictures to PNG",
        )
    remarks.warn(
        f"{first}; {'it was' if len(gone) == 1 else 'they were'} left out. Copy {'it' if len(gone) == 1 else 'them'} again."
    )


def _say(
    counts: pictures.Counts,
    sizes: set[tuple[int, int]],
    chosen: tuple[int, int],
    largest: int,
    remarks: Remarks,
) -> None:
    if sizes != {chosen}:
        rows, columns = zip(*sizes, strict=True)
        span = f"{min(rows)} to {max(rows)} rows and {min(columns)} to {max(columns)} columns"
        remarks.note(
            f"Pictures of {span} were resized to {chosen[0]} x {chosen[1]}{f' (the median, within 16 and {largest}); size= changes that' if largest else ''}."
        )
    if len(counts.modes) > 1:
        remarks.note(
            f"Pictures have several modes: {', '.join(f'{n:,} {mode}' for mode, n in sorted(counts.modes.items()))}."
        )
    said = {"transparent": "with transparent parts put on white", "moving": "with several frames; the first was taken",
            "deep": "with more than 8 bits brought to 8"}  # fmt: skip
    for what, words in said.items():
        if counts.special[what]:
            remarks.note(f"{counted(counts.special[what], 'picture')} {words}.")


def _floats(pixels: np.ndarray, mode: str | None, remarks: Remarks) -> np.ndarray:
    """Return pixels as ``(n, channel, row, column)`` in [0, 1]; grey as one channel where all are, or where asked."""
    coloured = (pixels != pixels[..., :1]).any(axis=(1, 2, 3))
    if mode == "L" and coloured.any():
        remarks.note(f"{counted(int(coloured.sum()), 'picture')} in colour made grey, as mode='L' says.")
        grey = np.round(pixels @ np.array([0.299, 0.587, 0.114]))[..., None]
    elif mode == "L" or (mode is None and not coloured.any()):
        grey = pixels[..., :1]
    else:
        if mode is None and not coloured.all():
            remarks.note(
                f"{int((~coloured).sum()):,} of {len(pixels):,} pictures are grey; all were read as RGB."
            )
        grey = pixels
    return np.ascontiguousarray(np.moveaxis(grey, -1, 1), dtype=np.float32) / 255


def _positions(
    found: _Found, x: np.ndarray, y: np.ndarray, seed: int, remarks: Remarks
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    keys = dealing.equal_rows(x)
    clusters, possible = dealing.copies(keys, y)
    _quarrels(found, keys, remarks)
    if found.parts[0] == "":
        if not possible:
            remarks.warn(
                f"There are only {len(np.unique(keys)):,} different pictures among {len(keys):,}, so equal ones stand in training and in test."
            )
        return clusters, dealing.dealt(y, clusters, seed, found.classes, remarks)
    of, rng = np.array(found.parts), np.random.default_rng(seed)
    given = {part: rng.permutation(np.flatnonzero(of == part)) for part in dict.fromkeys(found.parts)}
    return clusters, dealing.completed(given, y, clusters, seed, found.classes, remarks)


def _quarrels(found: _Found, keys: np.ndarray, remarks: Remarks) -> None:
    """Warn of equal pictures in two splits or in two classes, with the names of the first two."""
    for what, of, todo in (("splits", found.parts, "Results on them are too good; take one of each away"),
                           ("classes", found.labels, "One of the two labels is wrong")):  # fmt: skip
        numbers = np.unique(of, return_inverse=True)[1]
        pairs = dealing.torn(keys, numbers)
        if len(pairs):
            a, b = sorted(found.shown(row) for row in pairs[0])
            remarks.warn(
                f"Equal pictures stand in two {what} ({len(pairs):,} of them), first {a!r} and {b!r}. {todo}."
            )
