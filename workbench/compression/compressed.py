"""``Compressed``: a new model, what was lost and gained, and every step that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import html
from ..zoo.holder import Holder

ROWS = {
    "parameters": "parameters",
    "nonzero": "of them not zero",
    "bytes": "file [bytes]",
    "macs": "multiply-accumulates an input",
    "ms_single": "one input [ms]",
    "ms_batch": "batch of 64 [ms]",
    "ms_batch_channels_last": "batch of 64, channels_last [ms]",
    "accuracy": "accuracy on test",
}


@dataclass(frozen=True, eq=False)
class Compressed(Holder):
    """A compressed model; it unpacks as ``model, report`` and is taken wherever a model is.

    Attributes
    ----------
    model
        A new model; the given one is as it was.
    report
        ``before`` and ``after`` (each ``parameters nonzero bytes macs ms_single ms_batch
        ms_batch_channels_last accuracy``), ``agreement`` (share of test rows with the original's answer),
        ``layers`` (a row a layer). Milliseconds are those of the fastest of 30 interleaved calls, on one thread.
    original
        The model that the first step was given.
    steps
        What was done, in order, with every setting: enough to do it again, or to train the sham.
    """

    model: Any
    report: dict[str, Any]
    original: Any
    steps: tuple[dict[str, Any], ...]

    def _beside(self) -> dict[str, Any]:
        return self.report

    def table(self) -> Any:
        """Return the report as a table: before, after, and their ratio."""
        import pandas as pd

        before, after = self.report["before"], self.report["after"]
        rows = {label: (before[key], after[key], before[key] / after[key] if after[key] else float("nan"))
                for key, label in ROWS.items()}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after", "before / after"])

    def __repr__(self) -> str:
        before, after = self.report["before"], self.report["after"]
        return (
            f"Compressed({' + '.join(step['what'] for step in self.steps)}: "
            f"{before['bytes'] / after['bytes']:.1f}x smaller file, {before['ms_batch'] / after['ms_batch']:.1f}x faster, "
            f"accuracy {before['accuracy']:.3f} -> {after['accuracy']:.3f}, agreement {self.report['agreement']:.3f})"
        )

    def _repr_html_(self) -> str:
        return html.record("Compressed", {"steps": ", ".join(map(describe, self.steps))},
                           html.table(self.table().map(_number)))  # fmt: skip


def describe(step: dict[str, Any]) -> str:
    """Return a step in words."""
    if step["what"] == "quantize":
        return f"int8 ({step['how']}), calibrated on {step['calibration']:,} training rows"
    removed = (
        f"{step['channels']:.0%} of the channels"
        if step["how"] == "channels"
        else f"{step['amount']:.0%} of the weights"
    )
    trained = (
        f"fine-tuned for {'+'.join(map(str, step['epochs']))} epochs"
        if any(step["epochs"])
        else "not fine-tuned"
    )
    loss = {"behaviour": ", distilled from the original", None: " on the labels"}[step["preserve"]]
    rounds = f"in {step['rounds']} rounds" if step["rounds"] > 1 else "at once"
    return f"{removed} removed {rounds}, {trained}{loss if any(step['epochs']) else ''}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
