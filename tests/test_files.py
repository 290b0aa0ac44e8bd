"""Files are written whole or not at all, and read back or refused."""

import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from workbench import files
from workbench.errors import BadFile

TENSORS = {
    "floats": np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3),
    "doubles": np.array([np.pi, np.nan, np.inf]),
    "numbers": np.array([[1, -2]], dtype=np.int64),
    "bytes": np.arange(256, dtype=np.uint8),
    "truths": np.array([True, False]),
    "a single one": np.array(3.5, dtype=np.float32),
    "none": np.empty((0, 4), dtype=np.float32),
    "not contiguous": np.arange(12.0).reshape(3, 4).T[::2],
    "other end first": np.arange(3, dtype=">i4"),
}


@pytest.fixture
def written(tmp_path):
    """A safetensors file with every kind of array."""
    return files.write_tensors(tmp_path / "a.safetensors", TENSORS, {"name": "a", "sizes": (1, 2)})


def names(folder):
    """List everything in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


# whole or not at all


def test_a_file_is_what_was_written_and_nothing_lies_beside_it(tmp_path):
    path = files.write_bytes(tmp_path / "deep" / "down" / "a.bin", b"content")
    assert path.read_bytes() == b"content"
    assert names(path.parent) == ["a.bin"]


def test_a_written_file_can_be_read_by_others(tmp_path):
    path = files.write_text(tmp_path / "a.txt", "ä")
    assert path.read_text("utf-8") == "ä"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("step", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=repr)
def test_a_failure_in_the_middle_leaves_the_old_file_alone(tmp_path, monkeypatch, step, problem):
    path = files.write_text(tmp_path / "a.txt", "old")

    def fail(*_):
        raise problem

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(BadFile if isinstance(problem, OSError) else KeyboardInterrupt):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BadFile, match=r"a\.txt cannot be written \(No space left on device\)"):
        files.write_text(tmp_path / "a.txt", "new")


def test_what_json_cannot_say_leaves_the_old_file_alone(tmp_path):
    path = files.write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"new": object()})
    assert files.read_json(path) == {"old": 1}
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    "write", [files.folder, lambda path: files.write_text(path, "x")], ids=["folder", "file"]
)
@pytest.mark.parametrize("base", ["under a file", "/proc/nowhere"])
def test_an_unwritable_place_is_refused(tmp_path, write, base):
    (tmp_path / "file").write_text("in the way")
    place = tmp_path / "file" / "below" if base == "under a file" else Path(base) / "below"
    with pytest.raises(BadFile, match="cannot be written") as refused:
        write(place)
    assert "folder that you may write to" in str(refused.value)
    assert names(tmp_path) == ["file"]


def test_a_folder_is_made_and_left_empty(tmp_path):
    assert names(files.folder(tmp_path / "a" / "b")) == []


def test_a_folder_that_is_there_keeps_what_it_holds(tmp_path):
    (tmp_path / "kept").write_text("x")
    assert names(files.folder(tmp_path)) == ["kept"]


def test_the_tilde_is_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.write_text("~/a.txt", "x") == tmp_path / "a.txt"
    assert files.folder("~/b") == tmp_path / "b"
    files.write_json("~/a.json", [1])
    assert files.read_json("~/a.json") == [1]


def test_the_cache_lies_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    assert files.cache("references", "abc") == tmp_path / "cache" / "references" / "abc"
    monkeypatch.setenv("WORKBENCH_CACHE", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.cache().parent == tmp_path / ".cache"


# arrays


@pytest.mark.parametrize("name", TENSORS)
def test_arrays_come_back_as_they_were(written, name):
    tensors, header = files.read_tensors(written)
    assert tensors[name].shape == TENSORS[name].shape
    assert tensors[name].dtype == TENSORS[name].dtype.newbyteorder("=")
    np.testing.assert_array_equal(tensors[name], TENSORS[name])
    assert header == {"name": "a", "sizes": [1, 2]}


def test_packed_bytes_are_those_of_the_file(written):
    assert files.pack_tensors(TENSORS, {"name": "a", "sizes": (1, 2)}) == written.read_bytes()


def changed(content, position, byte):
    """Return bytes with one of them replaced."""
    return content[:position] + bytes([byte]) + content[position + 1 :]


DAMAGES = {
    "empty": lambda content: b"",
    "cut in the header": lambda content: content[:50],
    "cut in the arrays": lambda content: content[:-1],
    "longer": lambda content: content + b"x",
    "another first byte": lambda content: changed(content, 7, 255),
    "no JSON in front": lambda content: changed(content, 8, ord("x")),
    "text": lambda content: b"a, b, c\n" * 100,
    "a pickle": lambda content: b"\x80\x04\x95" + content,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_refused(written, damage):
    written.write_bytes(damage(written.read_bytes()))
    with pytest.raises(BadFile, match=r"a\.safetensors cannot be read"):
        files.read_tensors(written)


def test_arrays_that_another_program_wrote_are_refused(tmp_path):
    for number, metadata in enumerate([None, {"format": "pt"}, {"workbench": "no JSON {"}]):
        path = tmp_path / f"{number}.safetensors"
        save_file({"a": np.zeros(3)}, path, metadata=metadata)
        with pytest.raises(BadFile, match="cannot be read"):
            files.read_tensors(path)


@pytest.mark.parametrize("read", [files.read_tensors, files.read_json])
def test_what_is_not_there_or_no_file_is_refused(tmp_path, read):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(BadFile, match="cannot be read"):
            read(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[1,]"])
def test_what_is_not_json_is_refused(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=r"a\.json cannot be read"):
        files.read_json(path)


# plain values


def test_json_is_strict_and_nan_is_null(tmp_path):
    path = files.write_json(
        tmp_path / "a.json", {"nan": float("nan"), "inf": [-np.inf, np.float32("nan")], "x": 1.5}
    )
    read = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert read == {"nan": None, "inf": [None, None], "x": 1.5}
    assert path.read_text().endswith("}\n")


PLAIN = {
    "a float": (np.float32(0.5), 0.5),
    "an int": (np.int8(-3), -3),
    "a truth": (np.True_, True),
    "an array": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "an array without axes": (np.array(2), 2),
    "an array with NaN": (np.array([np.nan, 1.0]), [None, 1.0]),
    "a tensor": (torch.tensor([1.0, float("inf")]), [1.0, None]),
    "a tuple": ((1, (2, "x")), [1, [2, "x"]]),
    "a set": ({3, 1, 2}, [1, 2, 3]),
    "a path": (Path("a") / "b", "a/b"),
    "keys": ({1: {None: ()}}, {"1": {"None": []}}),
    "what is plain": ({"a": [None, True, "ä", 1, 2.5]}, {"a": [None, True, "ä", 1, 2.5]}),
}


@pytest.mark.parametrize(("value", "expected"), PLAIN.values(), ids=PLAIN)
def test_values_become_what_json_knows(value, expected):
    found = files.plain(value)
    assert json.dumps(found, allow_nan=False) == json.dumps(expected)


def test_the_checksum_is_sha256():
    assert files.sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
