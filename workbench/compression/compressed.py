"""``Compressed``: a new model, what was lost and gained, and every step that made it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import html
from ..zoo.holder import Holder
from .preservation import in_words

HEADS = "heads of "  # in front of an attention's name, where its heads leave

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
WORTH = 1.1  # times smaller or faster: below, nothing is gained that a user would notice


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
        What was done, in order, with every setting: enough to do it again, or to train the sham. Where single
        weights were removed, ``among`` is how many could go and ``of`` how many there were, embeddings included.
    keep
        What was held meanwhile, such as a ``Feedback``; its sham holds it too.
    """

    model: Any
    report: dict[str, Any]
    original: Any
    steps: tuple[dict[str, Any], ...]
    keep: Any = None

    def _beside(self) -> dict[str, Any]:
        return self.report

    def table(self) -> Any:
        """Return the report as a table: before, after, and their ratio."""
        import pandas as pd

        before, after = self.report["before"], self.report["after"]
        rows = {label: (before[key], after[key], before[key] / after[key] if after[key] else float("nan"))
                for key, label in ROWS.items()}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index", columns=["before", "after", "before / after"])

    @property
    def gain(self) -> str:
        """What is gained and what is not, in a sentence; less than a tenth counts as nothing."""
        smaller, one, batch = (self._ratio(key) for key in ("bytes", "ms_single", "ms_batch"))
        rates = f"{_times(one)} as fast at one row, {_times(batch)} in a batch of 64"
        places = [at for at, ratio in (("at one row", one), ("in a batch", batch)) if ratio >= WORTH]
        if smaller < WORTH and not places:
            return (
                f"Nothing to gain: the file is {_times(smaller)} smaller, and it is {rates}.{self._zeros()}"
            )
        size = f"{'Smaller' if smaller >= WORTH else 'Not smaller'} ({_times(smaller)})"
        speed = {0: "not faster", 1: f"faster only {''.join(places)}", 2: "faster"}[len(places)]
        return f"{size}, {speed}: {rates}.{self._zeros()}"

    def _ratio(self, key: str) -> float:
        return self.report["before"][key] / self.report["after"][key]

    def _zeros(self) -> str:
        """Say that zeros take as much room as other numbers, where there are many."""
        after = self.report["after"]
        share = 1 - after["nonzero"] / after["parameters"]
        return (
            f" {share:.0%} of the weights are zero, of which only packing makes use." if share >= 0.1 else ""
        )

    def __repr__(self) -> str:
        before, after = self.report["before"], self.report["after"]
        return (
            f"Compressed({' + '.join(step['what'] for step in self.steps) or 'nothing done'}: "
            f"accuracy {before['accuracy']:.3f} -> {after['accuracy']:.3f}, agreement {self.report['agreement']:.3f}. "
            f"{self.gain})"
        )

    def _repr_html_(self) -> str:
        facts = {"steps": "; ".join(map(describe, self.steps)) or "nothing was done", "gain": self.gain}
        if undone := self.report.get("interrupted"):
            facts["interrupted"] = f"without {' and '.join(undone)}"
        return html.record("Compressed", facts, html.table(self.table().map(_number)))


def describe(step: dict[str, Any]) -> str:
    """Return a step in words."""
    if step["what"] == "quantize":
        return f"int8 ({step['how']}), {_ranges(step)}"
    if step["what"] == "pack":
        shared = "" if step["shared"] is None else ", weights sharing few values"
        return f"packed into {step['bytes']:,} bytes{shared}"
    if step["what"] == "distill":
        return f"a new {step['how']}{_trained(step)}"
    removed = (
        f"{step['channels']:.0%} of the {_channels(step)}"
        if step["how"] == "channels"
        else f"{step['amount']:.0%} of the {_weights(step)}"
    )
    of_all = f" ({step['amount'] * step['among'] / step['of']:.0%} of all)" if _spares(step) else ""
    rounds = f"in {step['rounds']} rounds" if step["rounds"] > 1 else "at once"
    return f"{removed} removed{of_all} {rounds}{_trained(step)}"


def _trained(step: dict[str, Any]) -> str:
    """Return how a step was trained, as a clause."""
    if not any(step["epochs"]):
        return ", not fine-tuned"
    verb = "trained" if step["what"] == "distill" else "fine-tuned"
    return f", {verb} for {'+'.join(map(str, step['epochs']))} epochs{in_words(step['preserve'])}{', marks held' if step.get('keep') else ''}"


def _ranges(step: dict[str, Any]) -> str:
    if step["how"] == "dynamic":
        return "activations rounded batch by batch"
    calibrated = f"calibrated on {step['calibration']:,} training rows"
    return calibrated + _trained(step) if step["how"] == "aware" else calibrated


def _spares(step: dict[str, Any]) -> bool:
    """Whether some weights could not go; a step of an older version does not say."""
    return step["how"] == "weights" and step.get("among", 0) < step.get("of", 0)


def _weights(step: dict[str, Any]) -> str:
    if not _spares(step):
        return "weights"
    return f"{step['among']:,} weights {'that may go' if step.get('protect') else 'outside embeddings'}"


def _channels(step: dict[str, Any]) -> str:
    if "narrowed" not in step:
        return "channels"
    heads = [name.removeprefix(HEADS) for name in step["narrowed"] if name.startswith(HEADS)]
    units = [name for name in step["narrowed"] if not name.startswith(HEADS)]
    told = (f"{what}{', '.join(which)}" for what, which in ((HEADS, heads), ("units of ", units)) if which)
    return " and ".join(told)


def _times(ratio: float) -> str:
    return f"{ratio:.1f}x" if ratio >= 2 else f"{ratio:.2f}x"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
