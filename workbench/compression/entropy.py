"""Arrays in few bytes: where the numbers that are not zero stand, and which of few values each of them has.

The two streams are coded by the standard library (``lzma`` and ``zlib``, whichever is shorter), and held against their
entropy (Shannon 1948), which no coding of independent symbols gets below.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import Any

import numpy as np

from ..errors import BadFile

# Without contexts lzma's literal coder is an adaptive range coder of single bytes; with them it looks for repetitions.
PLAIN = [{"id": lzma.FILTER_LZMA2, "preset": 9, "lc": 0, "lp": 0, "pb": 0}]
JUMP = 255  # of a gap's byte: go on by so many places, with no number there
DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "float16", "bool")
LARGEST = 2**31  # bytes of one array: more is not a model of this workbench
SMALL = 2**16  # distinct values that a book holds


def coded(content: bytes) -> bytes:
    """Return bytes in the shortest of three codings, whose number is the first byte."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zlib.Z_HUFFMAN_ONLY)
    tried = (
        content,
        lzma.compress(content, format=lzma.FORMAT_RAW, filters=PLAIN),
        squeezer.compress(content) + squeezer.flush(),
    )
    best = min(range(len(tried)), key=lambda i: len(tried[i]))
    return bytes([best]) + tried[best]


def decoded(content: bytes, size: int) -> bytes:
    """Return what :func:`coded` was given, of a known size; never more is unfolded.

    Raises
    ------
    BadFile
        Damaged, or of another size.
    """
    if size > LARGEST or not content:
        raise _damaged(f"a stream of {size:,} bytes")
    try:
        if content[0] == 1:
            unfolder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=PLAIN)
            found = unfolder.decompress(content[1:], max_length=size + 1)
        elif content[0] == 2:
            found = zlib.decompressobj(-15).decompress(content[1:], size + 1)
        else:
            found = content[1:]
    except (lzma.LZMAError, zlib.error) as problem:
        raise _damaged(f"a stream that cannot be unfolded ({problem})") from problem
    if len(found) != size:
        raise _damaged(f"a stream of {len(found):,} bytes in place of {size:,}")
    return found


def _damaged(what: str) -> BadFile:
    return BadFile(f"The file holds {what}", "a file as wb.pack wrote it", "Pack the model again")


def fold(array: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """Return what there is to know of an array to unfold it, and its bytes."""
    flat = np.ascontiguousarray(array).reshape(-1)
    facts: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype)}
    # By their bits: -0.0 and NaN come back as they were.
    bits = flat.view(f"u{flat.dtype.itemsize}") if flat.dtype.itemsize in (1, 2, 4, 8) else flat
    places = np.flatnonzero(bits)
    sparse = len(places) < 0.7 * len(bits)
    values = bits[places] if sparse else bits
    streams = [coded(_gaps(places, len(bits)))] if sparse else []
    facts["gaps"] = len(_gaps(places, len(bits))) if sparse else None
    book, index = np.unique(values, return_inverse=True)
    facts["values"], facts["book"] = len(values), None
    if len(book) <= min(SMALL, len(values) // 2):
        facts["book"] = len(book)
        narrow = index.astype(np.uint8 if len(book) <= 256 else np.uint16)
        streams += [coded(_planes(book)), coded(_planes(narrow))]
    else:
        streams.append(coded(_planes(values)))
    facts["streams"] = [len(stream) for stream in streams]
    return facts, b"".join(streams)


def unfold(facts: dict[str, Any], content: bytes) -> np.ndarray:
    """Return the array of :func:`fold`, bit for bit.

    Raises
    ------
    BadFile
        What is known and what is there do not go together.
    """
    try:
        dtype = np.dtype(facts["dtype"]) if facts["dtype"] in DTYPES else None
        shape, n = tuple(int(s) for s in facts["shape"]), int(facts["values"])
        if (
            dtype is None
            or min(shape, default=0) < 0
            or np.prod(shape, dtype=float) * dtype.itemsize > LARGEST
        ):
            raise _damaged(f"an array of {facts['dtype']} and shape {shape}")
        total = int(np.prod(shape))
        streams = [content[end - size : end] for size, end in zip(facts["streams"], np.cumsum(facts["streams"]), strict=True)]  # fmt: skip
        places = (
            _places(decoded(streams.pop(0), int(facts["gaps"])), n) if facts["gaps"] is not None else None
        )
        bits = np.dtype(f"u{dtype.itemsize}")
        if facts["book"] is None:
            values = _from_planes(decoded(streams.pop(0), n * bits.itemsize), bits)
        else:
            book = _from_planes(decoded(streams.pop(0), int(facts["book"]) * bits.itemsize), bits)
            narrow = np.dtype(np.uint8 if len(book) <= 256 else np.uint16)
            values = book[_from_planes(decoded(streams.pop(0), n * narrow.itemsize), narrow)]
        if places is not None:
            whole = np.zeros(total, bits)
            whole[places] = values
            values = whole
        return values.view(dtype).reshape(shape)
    except (KeyError, IndexError, ValueError, TypeError) as problem:
        raise _damaged(f"an array that does not fit its description ({problem})") from problem


def _gaps(places: np.ndarray, total: int) -> bytes:
    """Return how many places lie before each number, a byte each; 255 goes on by as many places."""
    before = np.diff(places, prepend=-1) - 1
    jumps, rest = np.divmod(before, JUMP)
    found = np.full(int(jumps.sum()) + len(places), JUMP, np.uint8)
    found[np.cumsum(jumps + 1) - 1] = rest
    return found.tobytes()


def _places(gaps: bytes, n: int) -> np.ndarray:
    steps = np.frombuffer(gaps, np.uint8).astype(np.int64)
    ends = steps != JUMP
    at = np.cumsum(np.where(ends, steps + 1, steps))[ends] - 1
    if len(at) != n:
        raise ValueError(f"{len(at)} places for {n} numbers")
    return at


def _planes(values: np.ndarray) -> bytes:
    """Return first bytes first: what is alike stands together."""
    return np.ascontiguousarray(values).view(np.uint8).reshape(-1, values.dtype.itemsize).T.tobytes()


def _from_planes(content: bytes, dtype: np.dtype) -> np.ndarray:
    planes = np.frombuffer(content, np.uint8).reshape(dtype.itemsize, -1)
    return np.ascontiguousarray(planes.T).reshape(-1).view(dtype)


def entropy(symbols: np.ndarray) -> float:
    """Return the entropy of symbols, in bits for each (Shannon 1948).

    Examples
    --------
    >>> entropy(np.array([0, 1, 0, 1])), entropy(np.array([3, 3, 3]))
    (1.0, 0.0)
    """
    if not len(symbols):
        return 0.0
    _, counts = np.unique(symbols, return_counts=True)
    p = counts / counts.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def bound(array: np.ndarray) -> float:
    """Return how many bytes an array needs if its numbers are independent: where they stand, which they are, and their book.

    A file can lie a little below it where neighbours are alike, as the weights of a unit are.
    """
    flat = array.reshape(-1)
    left = flat[flat != 0]
    plain = len(left) * array.itemsize
    by_book = len(left) * entropy(left) / 8 + len(np.unique(left)) * array.itemsize
    return len(flat) * entropy(flat != 0) / 8 + min(plain, by_book)


_HEAD = struct.Struct("<Q")


def framed(magic: bytes, head: bytes, body: bytes) -> bytes:
    """Return a file: what it is, its head, its body, and a checksum of it all."""
    import hashlib

    packed = coded(head)
    content = magic + _HEAD.pack(len(packed)) + _HEAD.pack(len(head)) + packed + body
    return content + hashlib.sha256(content).digest()


def opened(magic: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Return head and body of :func:`framed`.

    Raises
    ------
    BadFile
        Foreign, truncated or altered.
    """
    import hashlib

    if not content.startswith(magic):
        raise BadFile("The file was not written by wb.pack", "a packed model", "Read it with wb.load_model, or check the path")  # fmt: skip
    if (
        len(content) < len(magic) + 2 * _HEAD.size + 32
        or hashlib.sha256(content[:-32]).digest() != content[-32:]
    ):
        raise BadFile("The file is truncated or altered: its checksum differs", "the file as it was written", "Copy or pack it again")  # fmt: skip
    start = len(magic) + 2 * _HEAD.size
    packed, size = (_HEAD.unpack_from(content, len(magic) + i * _HEAD.size)[0] for i in range(2))
    return decoded(content[start : start + packed], size), content[start + packed : -32]
