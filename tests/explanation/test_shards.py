"""The folder of an explanation: what its index says, and what becomes of its parts."""

import json

import numpy as np
import pytest

import workbench as wb
from workbench.errors import BadFile, BadInput
from workbench.explanation.shards import opened


@pytest.fixture
def shards(tiny, digits, tmp_path):
    rows = digits.test[:5]
    return wb.explain_dataset(
        tiny, rows, method="occlusion", out=tmp_path, batch=2, data=digits, window=7, verbose=False
    )


def test_the_index_says_what_was_asked_and_what_is_done(shards):
    index = json.loads((shards.path / "index.json").read_text())
    assert index["what"] == "explanation in shards"
    assert index["job"]["method"] == "occlusion" and index["job"]["rows"] == 5 and index["job"]["batch"] == 2
    assert index["job"]["settings"]["window"] == 7
    assert index["shards"].keys() == {"0", "1", "2"}
    assert all(len(entry["sha256"]) == 64 for entry in index["shards"].values())


def test_a_folder_is_opened_without_the_model(shards, tiny, digits):
    again = wb.Shards.read(shards.path)
    assert again.complete and len(again) == again.n == 5
    np.testing.assert_array_equal(again.load().values, shards.load().values)
    replayed = again.load().replay(tiny, digits.test[:5])
    np.testing.assert_allclose(replayed.values, shards.load().values, atol=1e-6)


def test_iterating_gives_a_shard_at_a_time_in_order(shards):
    parts = [*shards]
    assert [len(part) for part in parts] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([part.values for part in parts]), shards.load().values)


def test_the_table_has_a_line_a_shard(shards):
    table = shards.table()
    assert table[["first", "last", "done"]].values.tolist() == [[0, 1, True], [2, 3, True], [4, 4, True]]
    assert (table["evaluations"] > 0).all() and (table["seconds"] > 0).all()


def test_what_it_shows_is_harmless_and_says_how_far_it_is(shards):
    assert repr(shards).startswith("Shards(occlusion, 5 of 5 rows in 3 shards")
    page = shards._repr_html_()
    assert "5 of 5" in page and "evaluations" in page


def test_an_index_from_elsewhere_does_not_point_out_of_its_folder(shards):
    shards.done[0]["file"] = "../../etc/passwd"
    with pytest.raises(BadFile, match="is not as it was written"):
        next(iter(shards))


def test_a_folder_without_an_index_is_no_explanation(tmp_path):
    with pytest.raises(BadFile, match="cannot be read"):
        wb.Shards.read(tmp_path)
    (tmp_path / "index.json").write_text('{"what": "a list"}')
    with pytest.raises(BadFile, match="no index of an explanation"):
        wb.Shards.read(tmp_path)


def test_nothing_explained_is_nothing_to_load(tmp_path):
    job = {"model": "a", "method": "saliency", "settings": {}, "rows": 3, "inputs": [], "batch": 2}
    empty = opened(tmp_path, job, {}, True)
    assert empty.missing == [0, 1] and len(empty) == 0
    assert empty.table()["done"].tolist() == [False, False]
    with pytest.raises(BadInput, match="holds no shard yet"):
        empty.load()
