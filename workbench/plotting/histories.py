"""How a training went, and whether the trained model's confidence can be believed."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import CYCLE, PALE, canvas

BINS = 10


def curves(history: dict[str, list[float]]) -> Figure:
    """Draw loss on training and validation rows, and accuracy on validation rows, by epoch."""
    epochs = np.arange(1, len(history["loss"]) + 1)
    with canvas(1, 2, (7.6, 2.7)) as (fig, (left, right)):
        left.plot(epochs, history["loss"], label="train")
        left.plot(epochs, history["valid_loss"], label="valid", linestyle="--")
        left.set(xlabel="epoch", ylabel="cross entropy [nat]", ylim=(0, None))
        left.set_title(f"Loss ends at {history['valid_loss'][-1]:.2f} on rows it did not see")
        left.legend()
        right.plot(epochs, 100 * np.array(history["valid_accuracy"]), color=CYCLE[1], marker="s")
        right.set(xlabel="epoch", ylabel="validation accuracy [%]", ylim=(None, 100.5))
        right.set_title(f"Accuracy ends at {100 * history['valid_accuracy'][-1]:.1f} %")
        right.axhline(100, color=PALE, linewidth=0.8)
    return fig


def binned(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> dict[str, np.ndarray]:
    """Return mean confidence, share of right answers and count in bins of equal width; empty bins are left out."""
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    n = np.bincount(place, minlength=bins)
    full = n > 0
    means = [np.bincount(place, weights=v, minlength=bins)[full] / n[full] for v in (confidence, right)]
    return {"confidence": means[0], "right": means[1], "n": n[full]}


def calibration_gap(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> float:
    """Return the mean distance between confidence and accuracy over bins, by their counts (Naeini et al. 2015).

    Zero where every bin is as often right as it says. The number depends on the bins: read the picture too.
    """
    found = binned(confidence, right, bins)
    return float(np.average(np.abs(found["confidence"] - found["right"]), weights=found["n"]))


def reliability(confidence: np.ndarray, right: np.ndarray, intervals: list[Any]) -> Figure:
    """Draw how often an answer of a given confidence is right, with 95 % intervals, over how many there are.

    ``intervals`` has one ``(value, low, high)`` for each bin of :func:`binned`.
    """
    found = binned(confidence, right)
    spread = np.array([[v[0] - v[1], v[2] - v[0]] for v in intervals]).T.clip(min=0)
    with canvas(2, 1, (4.6, 4.2), sharex=True, height_ratios=[3, 1]) as (fig, (top, bottom)):
        top.plot(
            [0, 1], [0, 1], color=PALE, linestyle="--", linewidth=1, marker="", label="as right as it says"
        )
        top.errorbar(
            found["confidence"], found["right"], yerr=spread, fmt="o", capsize=3, label="measured, 95 %"
        )
        top.set(ylabel="share of right answers", ylim=(-0.03, 1.05), xlim=(0, 1.02))
        top.set_title(
            f"Confidence is off by {100 * calibration_gap(confidence, right):.1f} points on average"
        )
        top.legend(loc="upper left")
        bottom.bar((np.arange(BINS) + 0.5) / BINS, np.histogram(confidence, BINS, (0, 1))[0], 0.9 / BINS)
        bottom.set(xlabel="confidence (the largest probability)", ylabel="answers", yscale="log")
        bottom.set_ylim(0.8, 2 * len(confidence))
        bottom.set_yticks([1, 10, 100, 1000][: len(str(len(confidence)))], minor=False)
        bottom.yaxis.set_major_formatter("{x:g}")
        bottom.minorticks_off()
    return fig
