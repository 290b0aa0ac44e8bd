"""The page of a comparison: self-contained, escaped, readable without pictures, every number computed."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from handmade import TESTS, changed, comparison

from workbench.evaluation import sheet

HOSTILE = "<script>alert(1)</script>"
REPORT = {
    "before": {"bytes": 4096, "ms_single": 0.4, "ms_batch": 6.0, "ms_batch_channels_last": 4.0},
    "after": {"bytes": 1024, "ms_single": 0.6, "ms_batch": 2.0, "ms_batch_channels_last": float("nan")},
}


class Reader(HTMLParser):
    """Collects tags with their attributes, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a pair whose names are hostile."""
    labels = [HOSTILE if i % 3 else "quiet" for i in range(TESTS)]
    c = comparison(
        methods=("occlusion", "grad_cam"), class_names=[HOSTILE, "one", "two"], labels=labels, groups="group",
        report=REPORT, int8=True, twin={"grad_cam": "A surrogate was explained."}, notes=[f"A note about {HOSTILE}"], noun=HOSTILE,
    )  # fmt: skip
    return c.to_html(tmp_path_factory.mktemp("page") / "page.html").read_text("utf-8")


def rows(c):
    """The first table by the name of its rows, as cells of text."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", str(sheet.table(c)), re.S)
    cells = [
        [re.sub("<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", r, re.S)]
        for r in found
    ]
    return {line[0]: line[1:] for line in cells}


# the page


def test_it_runs_nothing_and_loads_nothing(page):
    reader = Reader(page)
    assert not reader.all("script") and not reader.all("iframe")
    sources = [a.get("src") or a.get("href") or "" for _, a in reader.tags]
    assert all(s.startswith(("data:", "#")) or not s for s in sources)
    assert not re.search(r"url\(|@import", page) and not any(
        k.startswith("on") for _, a in reader.tags for k in a
    )


def test_every_picture_says_in_words_what_it_shows(page):
    pictures = Reader(page).all("img")
    assert len(pictures) == 3 and all(len(picture["alt"]) > 60 for picture in pictures)
    assert any("compressed 0.97" in picture["alt"] for picture in pictures)


def test_a_name_that_looks_like_a_script_is_shown_and_not_run(page):
    reader = Reader(page)
    assert HOSTILE in reader.text and "<script" not in page


def test_the_first_thing_is_the_verdict_with_numbers_and_doubt(page):
    text = Reader(page).text
    first = text[text.index("Verdict: NO SIGN") :]
    assert first.index("Evidence: moderate") < first.index("similarity .970") < first.index("Doubt:") < 1500


def test_sections_stand_in_their_order(page):
    text = Reader(page).text
    heads = ["Still right?", "Where does it stand?", "Look yourself", "For whom did it change?"]
    places = [text.index(head) for head in heads]
    assert places == sorted(places)


# its rows


def test_every_row_of_the_table_is_there():
    names = list(rows(comparison(report=REPORT, methods=("occlusion", "grad_cam"))))
    for part in ("accuracy, n = 300", "answers kept, clean inputs", "answers kept, masked inputs",
                 "answers kept, noisy inputs", "file", "ms, one input, one thread", "ms, batch of 64, one thread",
                 "ms, batch of 64, original in channels_last", "occlusion of the model (primary)", "grad cam of the model",
                 "deletion, gain over the best floor", "insertion, gain over the best floor"):  # fmt: skip
        assert part in names
    assert any(name.startswith("worst class: ") for name in names)


def test_costs_are_ratios_of_the_report_and_say_slower_where_it_is():
    found = rows(comparison(report=REPORT))
    assert found["file"] == ["4 KiB", "", "1 KiB", "", "", "4.0x smaller"]
    assert found["ms, one input, one thread"][-1] == "1.5x slower"
    assert found["ms, batch of 64, one thread"][-1] == "3.0x faster"
    assert found["ms, batch of 64, original in channels_last"][-1] == "2.0x faster"


def test_without_a_report_there_are_no_costs():
    assert "file" not in rows(comparison())


def test_the_interval_of_answers_kept_is_the_one_the_verdict_reads():
    c = comparison()
    c.rows["clusters"] = c.rows["clusters"] // 4
    low, high = c.behaviour[0].low, c.behaviour[0].high
    assert rows(c)["answers kept, clean inputs"][-2] == f"{100 * low:.1f} to {100 * high:.1f} %"
    assert "clears the margin .890" in rows(c)["answers kept, clean inputs"][-1]


def test_the_gain_over_the_floor_is_signed_so_that_more_is_better():
    found = rows(comparison())
    assert found["deletion, gain over the best floor"][:3] == ["+0.070", "+0.050", "+0.050"]
    assert found["insertion, gain over the best floor"][:3] == ["+0.070", "+0.050", "+0.050"]
    assert "its maps beat nonsense; less faithful" in found["deletion, gain over the best floor"][-1]


def test_int8_rows_say_which_thing_was_explained():
    names = list(
        rows(
            comparison(
                methods=("occlusion", "grad_cam"), int8=True, twin={"grad_cam": "A surrogate was explained."}
            )
        )
    )
    assert "occlusion of the real artifact (primary)" in names and "grad cam of the surrogate" in names


def test_without_references_no_margin_is_claimed():
    found = rows(comparison(references=0, sham=False))
    assert "no margin without references" in found["answers kept, clean inputs"][-1]
    assert "there are no references" in found["occlusion of the model (primary)"][-1]


@pytest.mark.parametrize(
    ("margin", "words"),
    [(None, ".950 (the larger of the sham's mean"), (0.9, ".900 (a number that was given)")],
)
def test_the_margins_rule_is_the_one_that_was_used(margin, words):
    assert words in Reader(str(sheet.table(comparison(margin=margin)))).text


def test_secondary_methods_are_told_with_their_probability():
    assert (
        "Secondary: saliency, compressed minus trained on -0.010"
        in Reader(str(sheet.table(comparison(methods=("occlusion", "saliency"))))).text
    )


def test_what_became_of_the_answers_is_told_with_similarities():
    c = comparison()
    c.answers["compressed"] = c.answers["compressed"].copy()
    c.answers["compressed"][:2] = 2
    text = Reader(str(sheet.groups(c))).text
    assert "answer kept, right" in text and "answer changed, now wrong" in text and "now right" not in text


def test_rows_of_a_table_are_drawn_with_their_columns_in_words():
    c = comparison(kind="table")
    n, names = len(c.rows["y"]), tuple(f"column {i}" for i in range(4))
    words = {
        "x": np.zeros((n, 4), np.float32),
        "labels": (("7", "car", "yes", "3"),) * n,
        "feature_names": names,
    }
    flat = replace(
        c, rows=c.rows | words, maps={name: maps.reshape(n, -1)[:, :4] for name, maps in c.maps.items()}
    )
    text = str(sheet.examples(flat))
    assert "what lies right of zero speaks for the class" in text and "<img" in text


def test_limits_hold_the_notes():
    text = Reader(
        str(
            sheet.limits(
                comparison(notes=["There is no sham"], twin={"grad_cam": "A surrogate was explained."})
            )
        )
    ).text
    assert "There is no sham" in text and "staircase" in text
    assert "staircase" not in Reader(str(sheet.limits(comparison()))).text


def test_an_inferior_accuracy_is_called_that():
    c = comparison()
    c.right["compressed"][0, :60] = False
    assert rows(c)["accuracy, n = 300"][-1].startswith("inferior; McNemar p = ")
    assert rows(comparison())["accuracy, n = 300"][-1].startswith("cannot tell by 1 point")


def test_a_moved_pair_says_so_first():
    c = changed(comparison(), "kept", "compressed", slice(0, 150), False, "noisy")
    assert "Verdict: MOVED. Evidence: moderate." in Reader(str(sheet.claim(c))).text
