"""Data on disk come back as they were, or are refused."""

import numpy as np
import pandas as pd
import pytest

import workbench as wb
from workbench.data.columns import Columns
from workbench.data.records import Data, Split
from workbench.data.storage import keep, take
from workbench.data.tokenizer import Tokenizer
from workbench.errors import BadFile


def splits(x, texts=None):
    def part(a, b):
        rows = np.arange(a, b)
        own = None if texts is None else np.array(texts[a:b], dtype=object)
        return Split(x[a:b], rows % 2, rows, rows // 2, texts=own)

    return {"train": part(0, 8), "valid": part(8, 10), "test": part(10, 12)}


def table():
    frame = pd.DataFrame({"<script>": np.arange(12.0), "job": ["cook", "smith"] * 6})
    codec = Columns.learned(frame[:8])
    return Data("mine", "table", **splits(codec.encoded(frame)), feature_names=codec.names, class_names=("no", "yes"),
                notes=("a note",), codec=codec)  # fmt: skip


def texts():
    own = [f"a film number {i}, 好看!" for i in range(12)]
    codec = Tokenizer.learned(own[:8], min_count=1)
    return Data(
        "mine",
        "text",
        **splits(codec.encoded(own), own),
        feature_names=(),
        class_names=("no", "yes"),
        codec=codec,
    )


def images():
    x = np.random.default_rng(0).integers(0, 256, (12, 3, 4, 5)).astype(np.float32) / 255
    return Data("mine", "image", **splits(x), feature_names=(), class_names=("no", "yes"), licence="CC0")


@pytest.mark.parametrize("made", [table, texts, images])
def test_everything_comes_back(tmp_path, made):
    data = made()
    again = take(keep(data, tmp_path / "data.safetensors"))
    assert again.fingerprint == data.fingerprint and repr(again) == repr(data)
    assert (again.licence, again.notes, again.codec) == (data.licence, data.notes, data.codec)
    for part, split in data.splits.items():
        for name, value in vars(split).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(again.splits[part], name), value)


def test_images_of_grey_levels_take_a_byte_a_pixel_and_others_keep_every_bit(tmp_path):
    data = images()
    small = keep(data, tmp_path / "a").stat().st_size
    finer = Data(
        "mine",
        "image",
        **splits(data.train.x.repeat(2, 0)[:12] * 0.999),
        feature_names=(),
        class_names=("0", "1"),
    )
    assert small < keep(finer, tmp_path / "b").stat().st_size
    np.testing.assert_array_equal(take(tmp_path / "b").train.x, finer.train.x)


def test_a_file_of_something_else_is_refused(tmp_path):
    net = wb.build("mlp", table())
    wb.save(net, tmp_path / "net.safetensors")
    with pytest.raises(BadFile, match="holds no data of the workbench"):
        take(tmp_path / "net.safetensors")
