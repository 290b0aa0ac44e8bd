"""What a recommendation says and shows, of trials whose numbers are known."""

import numpy as np
import pytest

import workbench as wb
from workbench.evaluation.court import Trial
from workbench.evaluation.ranking import ranked

N = 40
NONSENSE = {"edges": {"deletion": np.full(N, 0.5), "insertion": np.full(N, 0.5)}}


def trial(name, gain, **facts):
    noise = np.random.default_rng(0).normal(0, 0.02, N)
    facts = {"stability": 0.9, "evaluations": 10.0, "seconds": 0.01, "word": "sound"} | facts
    return Trial(name, scores={"deletion": 0.5 - gain - noise, "insertion": 0.5 + gain + noise}, **facts)


def found(*trials, **facts):
    ranking = ranked([t for t in trials if t.scores], NONSENSE, np.arange(N), 0)
    return wb.Recommendation(trials, ranking, facts.pop("ratings", {}), N, "images", **facts)


@pytest.fixture
def usual():
    return found(trial("<script>", -0.1), trial("lime", 0.3, fit=0.8), trial("occlusion", 0.3, evaluations=3.0),
                 trial("saliency", 0.1), Trial("grad_cam", reason="it has no <b>convolution"))  # fmt: skip


def test_the_sentence_has_the_number_its_interval_and_the_ties(usual):
    assert usual.best == "occlusion"
    assert usual.sentence == (
        "occlusion is recommended: on 40 images its maps are .299 (95 % .294 to .304) above the best nonsense in "
        "probability, the mean of deletion and insertion; these rows do not tell it from lime; of the most stable of them "
        "it costs least."
    )  # fmt: skip
    assert "no other method is tied with it" in found(trial("lime", 0.3), trial("saliency", 0.1)).sentence


def test_where_none_is_above_the_floor_the_sentence_says_so():
    assert (
        found(trial("lime", 0.0)).sentence
        == "No method is above the floor on 40 images: none is recommended."
    )
    assert found().sentence.startswith("No method is above the floor")


def test_what_cut_it_short_is_part_of_the_sentence():
    assert found(trial("lime", 0.3), flags={"budget": "The budget was spent."}).sentence.endswith(
        "The budget was spent."
    )


def test_the_table_is_in_order_with_what_was_not_measured_last(usual):
    table = usual.table()
    assert [*table.index] == ["occlusion", "lime", "saliency", "<script>", "grad_cam"]
    assert table["standing"].tolist() == [
        "recommended",
        "tied with it",
        "above the floor",
        "not above the floor",
        "not measured",
    ]
    assert table["rank"].tolist()[:3] == [1, 1, 3] and table["rank"].isna().tolist()[3:] == [True, True]
    assert table["ratings"].eq("no ratings yet").all()


def test_its_page_is_whole_and_harmless(usual, tmp_path):
    for page in (usual._repr_html_(), usual.to_html(tmp_path / "page.html").read_text()):
        assert "<script" not in page and "&lt;script&gt;" in page and "<b>" not in page
        assert "occlusion is recommended" in page and "no &lt;b&gt;convolution" in page
        assert ".299 (.294 to .304)" in page and "deletion .500 (edges)" in page
        assert "best of several" in page
    assert "data:image/png" in page


def test_a_page_without_anything_measured_has_no_picture(tmp_path):
    page = found(Trial("grad_cam", reason="no convolution")).to_html(tmp_path / "page.html").read_text()
    assert "data:image" not in page.split("<main>")[1] and "no convolution" in page


def test_it_is_its_sentence(usual):
    assert repr(usual) == f"Recommendation({usual.sentence})"
