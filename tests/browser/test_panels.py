"""The panels in a real JupyterLab: what the database holds is exactly what the screen showed."""

import numpy as np
import pytest
from playwright.sync_api import expect

import workbench as wb
from workbench import files

pytestmark = pytest.mark.browser

STORE = "fb = wb.Feedback({path!r})"
PICTURES = """
import workbench as wb
from workbench import files
data = wb.load("decoy_mnist").subset(train=300)
net = wb.fit(wb.build("mlp", data, hidden=(16,)), data, epochs=1, seed=0, verbose=False)
e = wb.explain(net, data.train[:12], "integrated_gradients", data=data)
"""
WORDS = """
import workbench as wb
from workbench import files
data = wb.load("movie_reviews").subset(train=200, valid=20, test=20)
net = wb.build("transformer", data, width=8, layers=1)
e = wb.explain(net, data.train[:3], "feature_ablation", data=data)
"""


@pytest.fixture
def store(tmp_path):
    return tmp_path / "feedback.db"


def opened(ran, name, setup, store, shown):
    """Return the panel's place on a page; the cell is scrolled to."""
    page = ran(name, setup.strip(), STORE.format(path=str(store)), shown)
    panel = page.locator(".wb-annotate")
    panel.wait_for()
    panel.scroll_into_view_if_needed()
    return page, panel


def painted(page):
    """Return which pixels of the canvas are coloured: the picture itself is grey."""
    pixels = page.evaluate("""() => { const c = document.querySelector('canvas.wb-mask');
        return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }""")
    rgb = np.array(pixels).reshape(28, 28, 4)[..., :3].astype(int)
    return (np.ptp(rgb, axis=2) > 0), rgb


def stroke(page, start, end):
    canvas = page.locator("canvas.wb-mask")
    box = canvas.bounding_box()
    zoom = box["width"] / 28

    def at(place):
        return box["x"] + (place[1] + 0.5) * zoom, box["y"] + (place[0] + 0.5) * zoom

    page.mouse.move(*at(start))
    page.mouse.down()
    page.mouse.move(*at(end), steps=4)
    page.mouse.up()


def test_brush_erase_and_undo_end_in_the_row_that_the_screen_showed(ran, store, tmp_path):
    page, panel = opened(ran, "brush.ipynb", PICTURES, store, "wb.annotate(e, store=fb, reviewer='Ada')")
    page.locator("canvas.wb-mask").scroll_into_view_if_needed()
    stroke(page, (2, 2), (2, 12))
    once, _ = painted(page)
    stroke(page, (20, 20), (24, 24))
    panel.get_by_role("button", name="Undo mark").click()
    np.testing.assert_array_equal(painted(page)[0], once)
    panel.get_by_label("erase").check()
    stroke(page, (2, 2), (2, 4))
    panel.get_by_label("erase").uncheck()
    panel.get_by_label("must look here").check()
    stroke(page, (14, 14), (14, 18))
    both, rgb = painted(page)
    panel.get_by_label("wrong").check()
    panel.locator(".wb-understandable").get_by_label("4").check()
    panel.locator(".wb-comment").fill("the corner, not the digit")
    panel.get_by_role("button", name="Store decision").click()
    expect(panel.get_by_role("status")).to_contain_text("Stored: row")
    panel.screenshot(path=tmp_path / "annotate.png")
    rows = wb.Feedback(store).table()
    marks = wb.Feedback(store).masks(wb.load("decoy_mnist").train[:12])
    blue = both & (rgb[..., 2] > rgb[..., 0])
    np.testing.assert_array_equal(marks.must[0, 0], blue)
    np.testing.assert_array_equal(marks.must_not[0, 0], both & ~blue)
    assert blue.any() and (both & ~blue).any() and (marks.must_not[0, 0] & once).sum() < once.sum()
    assert rows.iloc[0][["prediction", "understandable", "comment"]].tolist() == [
        "wrong",
        4,
        "the corner, not the digit",
    ]
    panel.get_by_role("button", name="Take the last one back").click()
    expect(panel.get_by_role("status")).to_contain_text("Taken back")
    assert len(rows) == 2 and len(wb.Feedback(store)) == 0


def test_at_the_speed_of_a_script_every_row_is_what_the_screen_showed(ran, store):
    page, _ = opened(ran, "speed.ipynb", PICTURES, store, "wb.annotate(e, store=fb, reviewer='Ada')")
    said = page.evaluate("""async () => {
        const panel = document.querySelector('.wb-annotate'), shown = [];
        const wait = test => new Promise(done => { const look = () => test() ? done() : setTimeout(look, 1); look(); });
        for (let i = 0; i < 12; i++) {
            const regions = panel.querySelector('.wb-regions');
            regions.options[i].selected = true; regions.options[(i + 5) % 16].selected = true;
            panel.querySelector('.wb-mark').click();
            panel.querySelector(`.wb-verdict input[value=${['right', 'wrong', 'unsure'][i % 3]}]`).click();
            panel.querySelector(`.wb-matches input[value="${1 + i % 5}"]`).click();
            const comment = panel.querySelector('.wb-comment'); comment.value = `number ${i}`; comment.dispatchEvent(new Event('input'));
            const head = panel.querySelector('.wb-head').textContent;
            const marked = Number(panel.querySelector('.wb-said').textContent.match(/Marked: (\\d+)/)[1]);
            await wait(() => !panel.querySelector('.wb-store').disabled);  // while it waits for an answer it takes no click
            panel.querySelector('.wb-store').click();
            shown.push({ row: Number(head.match(/row (\\d+)/)[1]), marked, comment: comment.value });
            if (i < 11) { panel.querySelector('.wb-next').click(); await wait(() => panel.querySelector('.wb-head').textContent !== head); }
        }
        await wait(() => !panel.querySelector('.wb-store').disabled && panel.querySelector('.wb-said').textContent.startsWith('Stored'));
        return shown;
    }""")
    rows = wb.Feedback(store).table()
    assert len(rows) == len(said) == 12
    for (_, row), shown, i in zip(rows.iterrows(), said, range(12), strict=True):
        assert (row["row_id"], row["mask"], row["comment"]) == (
            shown["row"],
            shown["marked"],
            shown["comment"],
        )
        assert (row["prediction"], row["matches"]) == (["right", "wrong", "unsure"][i % 3], 1 + i % 5)


def test_words_are_clicked_and_the_keyboard_does_it_too(ran, store, tmp_path):
    page, panel = opened(ran, "words.ipynb", WORDS, store, "wb.annotate(e, store=fb, reviewer='Ada')")
    words = panel.locator(".wb-unit:not([disabled])")
    words.nth(0).click()
    words.nth(2).focus()
    page.keyboard.press("Enter")
    expect(words.nth(2)).to_have_attribute("aria-pressed", "true")
    words.nth(1).click()
    words.nth(1).click()
    panel.screenshot(path=tmp_path / "words.png")
    shown = [i for i in range(words.count()) if words.nth(i).get_attribute("aria-pressed") == "true"]
    panel.get_by_role("button", name="Store decision").click()
    expect(panel.get_by_role("status")).to_contain_text("Stored: row")
    split = wb.load("movie_reviews").train[:3]
    marked = np.flatnonzero(wb.Feedback(store).masks(split).must_not[0])
    assert shown == [0, 2] and (marked - 1).tolist() == shown  # the first token is [CLS]


def test_an_empty_decision_is_refused_in_the_panel(ran, store):
    _, panel = opened(ran, "empty.ipynb", WORDS, store, "wb.annotate(e, store=fb, reviewer='Ada')")
    panel.get_by_role("button", name="Store decision").click()
    expect(panel.get_by_role("status")).to_contain_text("Nothing was decided")
    assert len(wb.Feedback(store)) == 0


def test_explore_explains_in_the_background_and_shows_both_models(ran, tmp_path):
    page = ran(
        "explore.ipynb",
        PICTURES.strip(),
        "small = wb.quantize(net, data=data)",
        "panel = wb.explore(small, data)\npanel",
    )
    panel = page.locator(".wb-explore")
    panel.wait_for()
    panel.scroll_into_view_if_needed()
    page.locator(".wb-explain").click()
    expect(panel).to_contain_text("cosine")
    expect(panel).to_contain_text("compressed")
    panel.locator("input[type=text]").last.fill("n_stepz=3")
    panel.locator("input[type=text]").last.press("Tab")
    page.locator(".wb-on").click()
    expect(panel).to_contain_text("no option called")
    panel.locator("input[type=text]").last.fill("n_steps=10")
    panel.locator("input[type=text]").last.press("Tab")
    page.locator(".wb-on").click()
    expect(panel).to_contain_text("input")
    expect(panel).to_contain_text("2, row")
    picture = panel.locator("img")
    shown = picture.evaluate(
        "i => [i.complete, i.clientWidth / i.naturalWidth, i.clientHeight / i.naturalHeight]"
    )
    assert (
        shown[0] and shown[1] == pytest.approx(shown[2], rel=0.02) and shown[1] <= 1
    )  # whole, and not stretched
    panel.screenshot(path=tmp_path / "explore.png")


QUIZ = """
import workbench as wb
from workbench import files
data = wb.load("decoy_mnist").subset(train=600)
net = wb.fit(wb.build("mlp", data, hidden=(16,)), data, epochs=4, seed=0, verbose=False)
"""


def test_a_quiz_is_answered_by_keyboard_and_its_sheet_holds_what_was_chosen(ran, tmp_path):
    page = ran(
        "quiz.ipynb",
        QUIZ.strip(),
        f"wb.quiz(net, data, person='Ada', items=2, folder={str(tmp_path / 'quiz')!r})",
    )
    panel = page.locator(".wb-quiz")
    panel.wait_for()
    panel.scroll_into_view_if_needed()
    panel.locator(".wb-go").click()
    expect(panel.locator("progress")).to_have_js_property("value", 1)
    chosen, shot = [], set()
    while "Done" not in (title := panel.locator(".wb-head").inner_text()):
        kinds = {"To learn": "learn", "What will": "simulate", "The model answers": "rely", "How was": "rate"}
        kind = next((k for start, k in kinds.items() if title.startswith(start)), "block")
        shaded = panel.locator(".wb-map").count() == 2
        if (kind, shaded) not in shot:
            panel.screenshot(path=tmp_path / f"quiz_{kind}{'_shaded' * shaded}.png")
            shot.add((kind, shaded))
        number = panel.locator("progress").evaluate("p => p.value")
        if kind in ("simulate", "rely"):
            page.keyboard.press("2")
            chosen.append(panel.locator("input:checked").get_attribute("value"))
        if kind == "rate":
            panel.locator(".wb-go").click()
            expect(panel.get_by_role("status")).to_contain_text("Not answered")
            for box in panel.locator("fieldset").all():
                box.get_by_label("4").check()
        page.keyboard.press("Enter")
        expect(panel.locator("progress")).to_have_js_property("value", number + 1)
    answers = files.read_json(tmp_path / "quiz" / "quiz_Ada.json")["answers"]
    assert [a["answer"] for a in answers if "answer" in a] == chosen == ["2"] * 6 + ["reject"] * 6
    assert [a["foresee"] for a in answers if a["kind"] == "rate"] == ["4"] * 4
    assert {kind for kind, _ in shot} == {"learn", "block", "simulate", "rely", "rate"}


TABLE = """
import workbench as wb
data = wb.load("breast_cancer")
net = wb.fit(wb.build("mlp", data, hidden=(16,)), data, epochs=5, seed=0, verbose=False)
words = wb.load("movie_reviews").subset(train=200, valid=20, test=20)
reader = wb.build("transformer", words, width=8, layers=1)
"""


def test_explore_shows_columns_and_words_and_cancels(ran, tmp_path):
    page = ran(
        "kinds.ipynb",
        TABLE.strip(),
        "wb.explore(wb.prune(net, 0.5, data=data, verbose=False), data)",
        "wb.explore(reader, words)",
    )
    for at, name in enumerate(("columns", "words")):
        panel = page.locator(".wb-explore").nth(at)
        panel.wait_for()
        panel.scroll_into_view_if_needed()
        panel.locator(".wb-explain").click()
        expect(panel).to_contain_text("Explained")
        panel.locator(".wb-on").click()
        expect(panel).to_contain_text("1, row")
        assert panel.locator("img").evaluate("i => i.complete && i.naturalWidth") > 0
        panel.screenshot(path=tmp_path / f"explore_{name}.png")
    panel.locator("select").last.select_option("lime")
    panel.locator("input[type=text]").last.fill("n_samples=20000")
    panel.locator("input[type=text]").last.press("Tab")
    panel.locator(".wb-explain").click()
    expect(panel).to_contain_text("Working for")
    panel.locator(".wb-cancel").click()
    expect(panel).to_contain_text("Cancelled")
