"""Methods beside the floor on one axis."""

import numpy as np
import pandas as pd

from workbench.plotting import recommendations

TABLE = pd.DataFrame(
    {"standing": ["recommended", "tied with it", "above the floor", "not above the floor", "broken"],
     "gain": [0.3, 0.29, 0.1, -0.1, 0.2], "low": [0.2, 0.2, 0.05, -0.2, np.nan], "high": [0.4, 0.4, 0.2, 0.05, np.nan],
     "stability": [0.9, np.nan, 0.5, 0.3, 1.0], "evaluations": [2.0, 1234.0, 5.0, 6.0, 7.0]},
    index=["lime", "occlusion", "kernel_shap", "saliency", "other"],
)  # fmt: skip


def test_the_first_stands_on_top_and_the_title_states_the_finding():
    ax = recommendations.draw(TABLE, "lime", "probability").axes[0]
    labels = dict(zip(ax.get_yticks(), [text.get_text() for text in ax.get_yticklabels()], strict=True))
    assert labels[4] == "lime" and labels[0] == "other"
    assert ax.get_title("left") == "lime is 0.30 above the best nonsense, tied with another"
    assert "(probability" in ax.get_xlabel()


def test_standings_have_markers_of_their_own():
    fig = recommendations.draw(TABLE, "lime", "probability")
    looks = {(marker, face == "white") for marker, _, face in recommendations.LOOKS.values()}
    assert len(looks) >= 4
    assert {text.get_text() for text in fig.legends[0].get_texts()} == {*TABLE["standing"]}


def test_stability_and_cost_stand_beside_and_a_dash_where_there_is_none():
    ax = recommendations.draw(TABLE, "lime", "probability").axes[0]
    texts = [text.get_text() for text in ax.texts]
    assert "0.90" in texts and "1,234" in texts and "–" in texts


def test_without_a_best_it_says_so():
    worst = TABLE[TABLE["standing"] == "not above the floor"]
    assert (
        recommendations.draw(worst, None, "output").axes[0].get_title("left")
        == "No method is above the best nonsense"
    )
