"""The whole walk for files that nobody has seen before: a table, a folder of pictures, a table of texts."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import workbench as wb
from workbench.reporting.sources import opened

SMALL = {"fast": True, "epochs": 3, "tuning": 1, "n": 40, "references": 1, "n_samples": 200, "verbose": False}


def table(folder):
    """Write 300 loans with an id, a date, words and gaps; a column is called <script>."""
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame({"id": np.arange(n) + 1000, "opened": pd.date_range("2001", periods=n).strftime("%Y-%m-%d"),
                          "<script>": rng.normal(size=n).round(3), "job": rng.choice(["cook", "smith", "nurse"], n)})  # fmt: skip
    frame["y"] = np.where(
        frame["<script>"] + (frame["job"] == "cook") + rng.normal(0, 0.5, n) > 0.3, "repaid", "default"
    )
    frame.loc[::20, "job"] = None
    frame.to_csv(folder / "loans.csv", index=False)
    return {"csv": folder / "loans.csv", "label": "y"}


def pictures(folder):
    """Write 90 small pictures in colour, of three sizes: a bright stripe lies or stands."""
    rng = np.random.default_rng(0)
    for i in range(90):
        side = 18 + i % 3
        pixels = rng.integers(0, 90, (side, side, 3), dtype=np.uint8)
        lies = i % 2
        at = rng.integers(4, side - 6)
        pixels[(slice(at, at + 3), slice(None)) if lies else (slice(None), slice(at, at + 3))] = 220
        home = folder / "pictures" / ("lying" if lies else "standing")
        home.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(home / f"{i}.png")
    return {"folder": folder / "pictures"}


def texts(folder):
    """Write 240 reviews in English and Chinese."""
    rng = np.random.default_rng(0)
    words = {"good": ["lovely", "好看", "great"], "bad": ["awful", "难看", "dull"]}
    rows = []
    for i in range(240):
        label = "good" if i % 2 else "bad"
        filler = list(rng.choice(["the", "film", "plot", "is", "电影", "so"], rng.integers(3, 9)))
        rows.append({"review": " ".join([*filler, rng.choice(words[label]), f"{i}."]), "y": label})
    pd.DataFrame(rows).to_csv(folder / "reviews.csv", index=False)
    return {"texts": folder / "reviews.csv", "label": "y"}


@pytest.mark.filterwarnings("ignore:.*left out.*", "ignore:.*resized.*")
@pytest.mark.parametrize("make", [table, pictures, texts])
def test_the_walk_of_a_file_ends_with_a_page(tmp_path, make):
    nothing = dict.fromkeys(("data", "csv", "folder", "texts", "label", "text"))
    source = opened(**nothing | make(tmp_path))
    people = wb.Feedback(tmp_path / "feedback.db")
    mask = np.zeros(source.data.input_shape, bool)
    mask.flat[1] = True
    for row_id in source.data.train.row_ids[:5]:
        people.add(int(row_id), mask, reviewer="Ada")
    people.add(int(source.data.test.row_ids[0]), kind="judgement", reviewer="Bo", understandable=4)
    options = SMALL | {"out": tmp_path / "run", "feedback": people.path}
    done = wb.report(source.data, command=source.command(None, True, {}), **options)
    page = done.html.read_text()
    assert done.status == "completed" and {run.status for run in wb.runs(tmp_path / "run").itertuples()} == {
        "completed"
    }
    for words in ("Verdict:", "Is it worth it?", "Look yourself", "workbench report --", "6 decisions of 2 people",
                  "This model, before and after people"):  # fmt: skip
        assert words in page
    assert "<script" not in page
    again = wb.report(source.data, **options)
    assert again.numbers == done.numbers
