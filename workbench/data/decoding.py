"""A file's bytes become text: what is no text is recognised, and the encoding is found or checked."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ..errors import BadFile
from .remarks import Remarks, existing

BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
BINARY = {
    b"PK\x03\x04": "an Excel file (.xlsx) or another zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel file (.xls) or another old Office file",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a file packed by gzip",
    b"PAR1": "a Parquet file",
    b"SQLite format 3": "an SQLite data base",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy array",
}
HIGH = re.compile(rb"[\x80-\xff]+")
COMMON_CHINESE = re.compile(rb"[\xa1-\xd7][\xa1-\xfe]")


def text_of(path: str | Path, encoding: str | None, remarks: Remarks) -> str:
    """Return the text of a file.

    Parameters
    ----------
    path
        Of the file.
    encoding
        Such as "cp1252"; by default a byte order mark decides, then whether it is UTF-8; else it is guessed.
    remarks
        Where a guess is noted.

    Raises
    ------
    BadFile
        No such file, a folder, nothing in it, no text, or bytes that the encoding does not know (with the line).
    """
    raw = _bytes(path, remarks)
    for start, what in BINARY.items():
        if raw.startswith(start):
            remarks.broken(f"This is {what}, not a text file", "a text file with a row a line",
                           "Save it as CSV (in Excel: Save as, CSV UTF-8) and read that")  # fmt: skip
    text = _decoded(raw, encoding or _marked(raw), remarks)
    if "\0" in text:
        remarks.broken(
            f"There is a NUL byte in line {_line(text, text.index(chr(0)))}",
            "text without NUL bytes",
            "The file is damaged, or UTF-16 without its mark: then pass encoding='utf-16-le'",
        )
    if not text.strip():
        remarks.broken(
            "The file is empty", "a line of column names and rows", "Check the path, or write the file again"
        )
    return text


def _bytes(path: str | Path, remarks: Remarks) -> bytes:
    found = existing(path)
    if found.is_dir():
        remarks.broken(
            "This is a folder",
            "a file",
            "Name the file in it; a folder of pictures is read by wb.from_folder",
        )
    try:
        return found.read_bytes()
    except OSError as problem:
        raise BadFile(f"{remarks.file} cannot be read ({problem.strerror})", "a readable file", "Check its permissions") from problem  # fmt: skip


def _marked(raw: bytes) -> str | None:
    return next((name for mark, name in BOMS.items() if raw.startswith(mark)), None)


def _decoded(raw: bytes, encoding: str | None, remarks: Remarks) -> str:
    if encoding is None:
        return _guessed(raw, remarks)
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError:
        remarks.unusable(f"There is no encoding {encoding!r}", "a name such as 'utf-8', 'cp1252' or 'gb18030'",
                         "Leave encoding out to have it found")  # fmt: skip
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
        remarks.broken(f"Line {line} holds bytes ({raw[problem.start:problem.start + 1]!r}) that are not {encoding}", f"text in {encoding}",
                       "Pass encoding=, such as 'cp1252' or 'gb18030', or leave it out to have it found")  # fmt: skip


def _guessed(raw: bytes, remarks: Remarks) -> str:
    """Read UTF-8, and where it is none, what its bytes look like: Chinese in pairs, else Western letters."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = raw.count(b"\n", 0, problem.start) + 1
    if _damaged(raw):
        remarks.broken(f"Line {line} holds bytes that are not UTF-8, as the rest is", "one encoding in all lines",
                       "Correct or delete the line, or pass encoding=")  # fmt: skip
    encoding = next(
        name for name in (*(["gb18030"] if _chinese(raw) else []), "cp1252", "latin-1") if _knows(name, raw)
    )
    remarks.warn(
        f"Line {line} is not UTF-8, so the file was read as {encoding}. If letters look wrong, pass encoding=."
    )
    return raw.decode(encoding)


def _knows(encoding: str, raw: bytes) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _damaged(raw: bytes) -> bool:
    """Tell whether bytes are UTF-8 but for a few: chance alone makes few letters beyond ASCII."""
    text = raw.decode("utf-8", errors="replace")
    strange = text.count("\ufffd")
    return sum(not letter.isascii() for letter in text) - strange > 3 * strange


def _chinese(raw: bytes) -> bool:
    """Tell whether bytes beyond ASCII stand in pairs of the common Chinese characters."""
    runs = HIGH.findall(raw[:1_000_000])
    return sum(2 * len(COMMON_CHINESE.findall(run)) for run in runs) > 0.9 * sum(map(len, runs))


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1
