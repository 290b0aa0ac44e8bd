"""People's ratings stand in columns of their own, and nobody's are made up."""

import workbench as wb


def test_ratings_of_the_store_stand_beside_the_methods(decoys, narrow, tmp_path):
    fb = wb.Feedback(tmp_path / "feedback.db")
    e = wb.explain(narrow, decoys.test[:2], "saliency")
    for who, value in (("a", 4), ("b", 1)):
        fb.add(
            int(e.row_ids[0]), kind="judgement", reviewer=who, understandable=value, matches=3, explanation=e
        )
    found = wb.recommend(
        narrow, decoys, methods=["saliency", "occlusion"], n=8, feedback=fb, verbose=False
    ).table()
    column = next(c for c in found.columns if "people" in str(c).lower() or "rating" in str(c).lower())
    names = found.set_index("method") if "method" in found.columns else found
    assert names.loc["saliency", column] == "understandable 2.5 (n = 2), matches 3 (n = 2)"
    assert "no ratings yet" in names.loc["occlusion", column]
