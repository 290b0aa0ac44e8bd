"""Are the nets of tables and texts as good as what can be read? German credit and movie reviews, several seeds."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from harness import Table, run

import workbench as wb
from workbench.evaluation.advantage import MARGIN_ACCURACY, MARGIN_AUC, advantage

PLANS: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "german_credit": ("mlp", "logistic", 10, {"epochs": 20}),
    "movie_reviews": ("lstm_attention", "logistic", 3, {"epochs": 5, "lr": 3e-3}),
    "movie_reviews, transformer": ("transformer", "logistic", 3, {"epochs": 4, "lr": 2e-3}),
}
BAR = 0.70  # accuracy on movie reviews from scratch


def measured(name: str) -> list[dict[str, float]]:
    """Return accuracy and area under the curve of a net and of its glass box, a row a seed."""
    builder, box, seeds, options = PLANS[name]
    data = wb.load(name.partition(",")[0])
    glass = wb.fit(wb.build(box, data), data).model
    rows = []
    for seed in range(seeds):
        net = wb.fit(wb.build(builder, data, seed=seed), data, seed=seed, verbose=False, **options)
        found = advantage(builder, net, {box: glass}, data.test).rows
        rows.append({"net": found[builder]["accuracy"], "net AUC": found[builder]["auc"],
                     "glass": found[box]["accuracy"], "glass AUC": found[box]["auc"]})  # fmt: skip
    return rows


def measure() -> Table:
    """Train every plan's seeds; a line is a mean over seeds, with its range."""
    lines, notes = [], []
    for name, (builder, box, seeds, _) in PLANS.items():
        rows = measured(name)
        mean = {k: statistics.mean(row[k] for row in rows) for k in rows[0]}
        spread = f"{min(row['net'] for row in rows):.3f} to {max(row['net'] for row in rows):.3f}"
        lines.append({"data": name, "net": builder, "seeds": str(seeds), "accuracy": f"{mean['net']:.3f} ({spread})",
                      "AUC": f"{mean['net AUC']:.3f}", f"{box} accuracy": f"{mean['glass']:.3f}",
                      f"{box} AUC": f"{mean['glass AUC']:.3f}"})  # fmt: skip
        notes.append(_read(name, mean))
    return Table(
        "Nets of tables and texts beside glass boxes", lines, threads=torch.get_num_threads(), notes=notes
    )


def _read(name: str, mean: dict[str, float]) -> str:
    if name == "german_credit":
        kept = (
            mean["net"] >= mean["glass"] - MARGIN_ACCURACY
            and mean["net AUC"] >= mean["glass AUC"] - MARGIN_AUC
        )
        return f"Bar: {name}, at least logistic regression less 2 points and .02 of the area: {'kept' if kept else 'missed'}."
    return f"Bar: {name}, accuracy at least {BAR:.2f} from scratch: {mean['net']:.3f}, {'kept' if mean['net'] >= BAR else 'missed'}."


if __name__ == "__main__":
    run(measure)
