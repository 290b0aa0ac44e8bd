"""Explanations beside nonsense, and maps while layers forget."""

import pandas as pd

from workbench.plotting import standings

TABLE = pd.DataFrame(
    {"name": ["occlusion", "ink"] * 2, "metric": ["deletion"] * 2 + ["insertion"] * 2, "mean": [0.1, 0.2, 0.9, 0.7],
     "low": 0.05, "high": 0.95, "floor": [0.15, 0.15, 0.8, 0.8],
     "direction": ["lower is better"] * 2 + ["higher is better"] * 2}
)  # fmt: skip


def test_each_metric_says_which_way_is_good_and_shows_its_floor():
    left, right = standings.floors(TABLE).axes
    assert "smaller is better" in left.get_xlabel() and "larger is better" in right.get_xlabel()
    assert left.lines[0].get_xdata().tolist() == [0.15, 0.15]


def test_the_first_explanation_stands_on_top():
    labels = [text.get_text() for text in standings.floors(TABLE).axes[0].get_yticklabels()]
    assert labels == ["ink", "occlusion"]


def test_the_method_that_forgets_least_is_named():
    fig = standings.cascade(["fc2", "fc1"], {"occlusion": [1, 0.2, 0.0], "grad_cam": [1, 0.6, 0.5]})
    assert fig.axes[0].get_title("left").startswith("grad cam forgets least: 0.50")
