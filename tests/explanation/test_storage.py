"""The published schema: the page's own lines read a saved file without torch and without the workbench."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from nets import NINE

import workbench as wb
from workbench import files
from workbench.errors import BadFile
from workbench.explanation import result, storage

PAGE = (Path(wb.__file__).parents[1] / "docs" / "explanation_file.md").read_text("utf-8")
LINES = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)
READ = """
import sys
path = sys.argv[1]
{lines}
loaded = sorted({{name.partition(".")[0] for name in sys.modules}} & {{"torch", "workbench", "safetensors"}})
print(json.dumps({{"loaded": loaded, "facts": facts, "shapes": {{k: v.shape for k, v in arrays.items()}},
                   "sums": {{k: float(v.sum()) for k, v in arrays.items()}}}}))
"""


def by_the_page(path, lines=LINES):
    """Read a file in a fresh interpreter, by nothing but the page's lines."""
    code = READ.format(lines=lines)
    answer = subprocess.run(
        [sys.executable, "-I", "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    return json.loads(answer.stdout)


def listed(heading):
    """List the names in the first column of a table of the page."""
    part = PAGE.partition(f"## {heading}")[2].partition("\n## ")[0]
    return {
        name
        for line in part.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([^`]+)`", line.split("|")[1])
    }


@pytest.fixture(scope="module")
def saved(tmp_path_factory, digits):
    """An explanation with an array among its settings, and its file."""
    net = wb.build("lenet5", digits, channels=(3, 4), hidden=8)
    e = wb.explain(net, digits.test[:3], "kernel_shap", n_samples=40, feature_mask=NINE, data=digits)
    return e, e.save(tmp_path_factory.mktemp("file") / "e.safetensors")


def test_six_lines_read_it_without_torch(saved):
    e, path = saved
    assert len([line for line in LINES.splitlines() if line]) == 6
    found = by_the_page(path)
    assert found["loaded"] == []
    assert found["shapes"] == {name: list(array.shape) for name, array in files.read_tensors(path)[0].items()}
    for name in ("values", "inputs", "output", "delta", "target"):
        assert found["sums"][name] == pytest.approx(float(getattr(e, name).sum()), rel=1e-4)
    assert found["shapes"]["settings.feature_mask"] == [1, 1, 28, 28]


def test_the_check_for_torch_can_fail(saved):
    assert by_the_page(saved[1], f"import safetensors\n{LINES}")["loaded"] == ["safetensors"]


def test_a_whole_model_is_read_as_well(tmp_path, tiny):
    e = wb.explain(tiny, None, "weights")
    found = by_the_page(e.save(tmp_path / "w"))
    assert found["shapes"] == {"values": [3, 1, 5, 5]} and found["facts"]["kind"] == "weights"


def test_the_page_lists_what_stands_in_a_file(saved):
    e, path = saved
    tensors, header = files.read_tensors(path)
    assert (
        listed("Facts")
        == set(header)
        == {f.name for f in fields(e)} - set(result.ARRAYS) | {"what", "schema", "soundness"}
    )
    assert listed("Arrays") == {*result.ARRAYS, "settings.NAME"}
    assert {name for name in tensors if not name.startswith("settings.")} <= set(result.ARRAYS)
    assert (header["schema"], header["soundness"]) == (storage.SCHEMA, e.soundness)
    assert f"schema {storage.SCHEMA}" in PAGE.splitlines()[0]


def test_types_are_those_of_the_page(saved):
    types = {name: str(array.dtype) for name, array in files.read_tensors(saved[1])[0].items()}
    wanted = {"values": "float32", "inputs": "float32", "target": "int64", "output": "float32", "base_values": "float32",
              "delta": "float32", "row_ids": "int64"}  # fmt: skip
    assert {name: types[name] for name in wanted} == wanted


@pytest.mark.parametrize("schema", [2, 0, None])
def test_another_schema_is_refused(tmp_path, saved, schema):
    tensors, header = files.read_tensors(saved[1])
    header = (
        {**header, "schema": schema}
        if schema is not None
        else {k: v for k, v in header.items() if k != "schema"}
    )
    path = files.write_tensors(tmp_path / "other", tensors, header)
    with pytest.raises(
        BadFile, match=f"other has schema {schema}.*Expected: schema 1.*Read it with the version"
    ):
        wb.Explanation.load(path)


def test_what_a_later_version_adds_within_the_schema_does_not_harm(tmp_path, saved):
    e, path = saved
    tensors, header = files.read_tensors(path)
    written = files.write_tensors(tmp_path / "more", {**tensors, "later": np.ones(3)}, {**header, "later": 1})
    np.testing.assert_array_equal(wb.Explanation.load(written).values, e.values)
