"""What compression costs: controls look different, and the layer that loses most is named."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from workbench.plotting import trades

COSTS = pd.DataFrame(
    {
        "bytes": [4000, 1000],
        "ms_batch": [2.0, 0.5],
        "accuracy": [0.9, 0.8],
        "low": [0.88, 0.78],
        "high": [0.92, 0.82],
    },
    index=["original", "int8"],
)


def test_controls_have_a_colour_of_their_own():
    bars = trades.trade(COSTS, ["original"]).axes[0].patches
    assert [to_hex(bar.get_facecolor()).upper() for bar in bars] == [trades.CYCLE[2], trades.CYCLE[0]]
    assert [bar.get_width() for bar in bars] == [4, 1]


def test_the_layer_that_loses_most_is_named():
    fig = trades.sensitivity([0.5, 0.9], {"conv1": [0.9, 0.4], "fc1": [0.9, 0.89]}, 0.9)
    assert fig.axes[0].get_title("left") == "conv1 loses most"


def test_every_version_is_drawn_over_the_same_bins():
    weights = np.linspace(-1, 1, 101)
    fig = trades.distributions({"as trained": weights, "halved": weights / 2}, ["101", "101"])
    first, second = ({bar.get_x() for bar in ax.patches} for ax in fig.axes)
    assert first == second
