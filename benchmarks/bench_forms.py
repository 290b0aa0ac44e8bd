"""Is a compressed LeNet-5 easier or harder to explain?

Quality, not time: a busy machine does not matter. Each cell is kept under ``runs/`` as soon as it is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bench_shrink import right
from harness import Table, kept, pooled, run, spread

import workbench as wb

SEEDS, EPOCHS, TUNING, N = 3, 12, 8, 100
RECIPE: dict[str, Any] = {"augment": True, "verbose": False}
FORMS = (
    "90 % of weights",
    "a quarter of the channels",
    "a quarter of the channels, int8",
    "distilled into an MLP",
)


def made(form: str, net: Any, data: Any, seed: int) -> Any:
    """Compress one original."""
    options = {"data": data, "epochs": TUNING, "seed": seed, "verbose": False}
    if form.startswith("90"):
        return wb.prune(net, 0.9, rounds=3, **{**options, "epochs": [2, 2, TUNING]})
    if form.startswith("distilled"):
        return wb.distill(
            net,
            wb.build("mlp", data, hidden=(100,), seed=seed),
            augment=True,
            **{**options, "epochs": 2 * TUNING},
        )
    thin = wb.prune(net, channels=0.75, how="channels", **options)
    return wb.quantize(thin, data=data) if form.endswith("int8") else thin


def cell(seed: int) -> dict[str, Any]:
    """Return what is known of one original and its four forms."""
    data = wb.load("mnist")
    net = wb.fit(wb.build("lenet5", data, seed=seed), data, epochs=EPOCHS, seed=seed, **RECIPE)
    found = {"original": right(net.model, data).tolist()}
    rows: dict[str, Any] = {}
    for form in FORMS:
        small = made(form, net, data, seed)
        control = wb.sham(small, data, verbose=False)
        c = wb.compare(net, small, data, n=N, references=0, sham=control, verbose=False)
        found |= {form: right(small.model, data).tolist(), f"{form}, sham": right(control, data).tolist()}
        for who in ("original", "compressed"):
            rows["original" if who == "original" else form] = {
                **{metric: [float(np.nanmean(scores)), None if floor is None else float(np.nanmean(floor))]
                   for metric, (scores, floor) in c.merit[who].items() if not np.isnan(scores).all()},
                "rules": float(np.mean(c.rules[who])) if who in c.rules else None}  # fmt: skip
    return {"right": found, "merit": rows}


def measure() -> Table:
    """Return a row a form."""
    cells = [kept(f"bench_forms/{seed}", cell, seed) for seed in range(SEEDS)]
    hits = {who: np.array([c["right"][who] for c in cells]) for who in cells[0]["right"]}
    rows = []
    for form in ("original", *FORMS):
        row = {"form": form, "accuracy": f"{100 * hits[form].mean():.2f}"}
        row["points to the sham"] = pooled(hits[form] - hits[f"{form}, sham"]) if form != "original" else "-"
        values = {metric: [c["merit"][form][metric] for c in cells] for metric in cells[0]["merit"][form]}
        rows.append(row | {metric: _told(known) for metric, known in values.items()})
    return Table("Is a compressed LeNet-5 easier or harder to explain?", rows, notes=[
        f"{SEEDS} originals, {EPOCHS} epochs; fine-tuned {TUNING} epochs behind the last removal, distilled from the original; {N} test digits explained by occlusion.",
        "Deletion (less is better) and insertion (more is better): mean probability of the class, and after the stroke the best that nonsense reaches.",
        "Sparseness: Gini index (1 is one pixel). Max-sensitivity: less is better. Rules: the share of answers for which a tree of depth 3 speaks.",
        "Points: accuracy, bootstrap over originals and digits.",
    ])  # fmt: skip


def _told(values: list[Any]) -> str:
    """Return a metric's mean over originals with its interval, and its floor."""
    if values[0] is None:
        return "-"
    if not isinstance(values[0], list):
        return spread(values)
    floor = values[0][1]
    return spread([v[0] for v in values]) + (
        "" if floor is None else f" / {np.mean([v[1] for v in values]):.3f}"
    )


if __name__ == "__main__":
    run(measure, timed=False)
