"""What a walk does by default for each kind of data: which model, trained how long, compared on how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..data.records import Data

BATCH = 64  # rows of a training step, as in workbench.fit
REHEARSED = (1000, 600)  # training rows of the rehearsal of 05, in a full and in a fast walk
MOST_ROWS = 20_000  # training rows of a walk; of more the first are taken, and it is said


@dataclass(frozen=True)
class Plan:
    """The defaults of one kind of data.

    Attributes
    ----------
    model
        Name of the network that is trained.
    training
        Options of :func:`workbench.fit` beside epochs and seed.
    epochs, tuning
        Passes over the rows in a full and in a fast walk: of the training, of the fine-tuning.
    steps
        Of training that there are at least: few rows need more passes.
    rehearsal
        Steps of each training of the rehearsal of 05: enough to be fooled, and to be mended.
    stand_in
        Passes of a stand-in, which is trained in seconds.
    glass
        Names of the glass boxes beside it.
    """

    model: str
    training: dict[str, Any]
    epochs: tuple[int, int]
    tuning: tuple[int, int]
    steps: tuple[int, int]
    rehearsal: int
    stand_in: int
    glass: tuple[str, ...] = ("logistic", "tree")

    def passes(self, rows: int, fast: bool) -> tuple[int, int]:
        """Return the epochs of training and of fine-tuning for so many training rows."""
        return self._passes(rows, int(fast), self.steps[int(fast)])

    def rehearsed(self, rows: int) -> tuple[int, int]:
        """Return the epochs of the rehearsal, and of its fine-tuning, for so many training rows."""
        return self._passes(rows, 1, self.rehearsal)

    def _passes(self, rows: int, at: int, steps: int) -> tuple[int, int]:
        least = -(-steps // -(-rows // BATCH))
        return max(self.epochs[at], least), max(self.tuning[at], least // 3)


PLANS = {
    "image": Plan("cnn", {"augment": True}, (15, 6), (12, 3), (600, 250), 150, 4),
    "table": Plan("mlp", {}, (20, 20), (10, 5), (220, 220), 220, 20),
    "text": Plan("lstm_attention", {"lr": 3e-3}, (5, 3), (4, 2), (350, 200), 200, 8),
}
MODELS = {"mnist": "lenet5"}  # data sets whose model has become their own


def plan(data: Data) -> Plan:
    """Return the plan for a kind of data."""
    return PLANS[data.kind]


def model_for(data: Data) -> str:
    """Return the name of the network that a walk trains on these data by default."""
    return MODELS.get(data.name, plan(data).model)


def parameters(data: Data, fast: bool) -> dict[str, dict[str, Any]]:
    """Return the parameters of every notebook of a walk."""
    rows, at = min(len(data.train), MOST_ROWS), int(fast)
    epochs, tuning = plan(data).passes(rows, fast)
    few = min(REHEARSED[at], rows)
    passes, tunings = plan(data).rehearsed(few)
    rows = rows if rows < len(data.train) else 0
    return {
        "01_train": {"epochs": epochs, "rows": rows},
        "02_compress": {"epochs": tuning, "rows": rows},
        "03_explain": {"n_samples": (2000, 500)[at]},
        "04_evaluate": {"n": (400, 150)[at], "references": (5, 1)[at], "rows": rows},
        "05_iterate": {"epochs": passes, "tuning": tunings, "rows": few},
    }
