"""Do people's marks repair a model, and does it hold when it is compressed? Ten seeds, marks of a simulated reviewer.

The masks come from the generator of the data. A cell is kept under ``runs/`` as soon as it is known.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Table, kept, run

import workbench as wb
from workbench.data.records import Data
from workbench.zoo.identity import fingerprint

SEEDS, EPOCHS, MORE = 10, 20, 20
REPAIR = {"epochs": 40, "lr": 1e-3, "strength": 50.0}  # of the digits
TUNING = [2, 2, 4, 8, 40]  # epochs behind each removal
MARKS: dict[str, dict[str, Any]] = {
    "repaired, all marked": {},
    "repaired, 100 marked": {"n": 100},
    "repaired, 100 marked, a fifth wrong": {"n": 100, "wrong": 0.2},
}
PICTURES = {"decoy_mnist, inverted": ("cnn", 8), "lesions": ("cnn", 10), "signs": ("cnn", 16)}
FORTY, LOSSES = 40, ("rrr", "counterexamples")


def without(data: Data) -> Data:
    """Return the same rows as they were before anything was planted."""
    parts: dict[str, Any] = {
        k: replace(s, x=s.without_shortcut, shortcut=None, without_shortcut=None)
        for k, s in data.splits.items()
    }
    return replace(data, name=f"{data.name}, clean", **parts)


def right(model: Any, data: Data) -> float:
    """Return the accuracy on the test rows, in per cent."""
    with torch.no_grad():
        return 100 * float((model(torch.tensor(data.test.x)).argmax(1).numpy() == data.test.y).mean())


def changed(model: Any, data: Data) -> float:
    """Return in how many test rows the answer changes when the planted part goes, in per cent."""
    with torch.no_grad():
        own, other = (model(torch.tensor(x)).argmax(1) for x in (data.test.x, data.test.without_shortcut))
    return 100 * float((own != other).float().mean())


def feedback(data: Data, **options: Any) -> wb.Feedback:
    """Return a store of a simulated reviewer's marks in the training rows."""
    store = wb.Feedback(Path(tempfile.mkdtemp()) / "feedback.db")
    store.add_masks(data.train, reviewer="simulated", **options)
    return store


def digits(seed: int) -> dict[str, Any]:
    """Return accuracies and flips of every version of one MLP on digits with swatches."""
    data = wb.load("decoy_mnist")
    clean = without(data)

    def trained(on: Data) -> Any:
        return wb.fit(
            wb.build("mlp", on, hidden=(50, 30), seed=seed), on, epochs=EPOCHS, seed=seed, verbose=False
        ).model

    models = {"clean": trained(clean), "decoy": trained(data)}
    stores = {name: feedback(data, seed=seed, **options) for name, options in MARKS.items()}
    for name, store in stores.items():
        models[name] = wb.refine(
            models["decoy"], data, store, scratch=False, seed=seed, verbose=False, **REPAIR
        ).model
    store, whole = stores["repaired, all marked"], models["repaired, all marked"]
    for name, held in (("compressed with keep", store), ("compressed without", None)):
        for preserve in ("behaviour", None):
            small = wb.prune(
                whole,
                0.9,
                data=data,
                preserve=preserve,
                keep=held,
                epochs=TUNING,
                rounds=len(TUNING),
                lr=2e-3,
                seed=seed,
                verbose=False,
            )
            models[f"{name}, {'distilled' if preserve else 'on labels'}"] = wb.quantize(
                small, data=data
            ).model
    return {
        name: [right(model, clean if name == "clean" else data), changed(model, data)]
        for name, model in models.items()
    }


def pictures(name: str, seed: int = 0) -> dict[str, Any]:
    """Return accuracies of a clean twin, a fooled network, and ones repaired with forty marks or with all."""
    builder, epochs = PICTURES[name]
    data = wb.load("decoy_mnist", shade="inverted") if name.startswith("decoy") else wb.load(name)
    clean = without(data)

    def trained(on: Data) -> Any:
        return wb.fit(wb.build(builder, on, seed=seed), on, epochs=epochs, seed=seed, verbose=False).model

    models = {"clean": trained(clean), "fooled": trained(data)}
    for marked, options in (("40", {"n": FORTY}), ("all", {})):
        for loss in LOSSES:
            store = feedback(data, seed=seed, **options)
            models[f"{marked}, {loss}"] = wb.refine(
                models["fooled"], data, store, loss=loss, epochs=MORE, scratch=False, seed=seed, verbose=False
            ).model
    assert len({fingerprint(model) for model in models.values()}) == len(models)
    return {
        version: [right(model, clean if version == "clean" else data), changed(model, data)]
        for version, model in models.items()
    }


def measure() -> Table:
    """Fill every cell; a row a version."""
    cells = [kept(f"bench_repair/digits_{seed}", digits, seed) for seed in range(SEEDS)]
    rows = [{"data": f"decoy_mnist, MLP, {SEEDS} seeds", "version": version, **spread([c[version] for c in cells], [c["clean"] for c in cells])}
            for version in cells[0]]  # fmt: skip
    for name in PICTURES:
        cell = kept(f"bench_repair/pictures_{list(PICTURES).index(name)}", pictures, name)
        rows += [
            {
                "data": f"{name}, {PICTURES[name][0]}",
                "version": version,
                **spread([cell[version]], [cell["clean"]]),
            }
            for version in cell
        ]
    return Table("People's marks repair a model", rows, notes=[
        "Accuracy in per cent: of the clean net on clean test rows, of all others where the planted part tells nothing, or (inverted) another class.",
        "Changed: how many answers change when the planted part alone goes, in per cent of the test rows. Nobody trained on it.",
        f"Repaired from the trained net (warm start), digits {REPAIR['epochs']} epochs at strength {REPAIR['strength']:g}, pictures {MORE} at 100; random projections of the logits; compressed: 90 % of the weights, rounds of {TUNING} epochs, then int8.",
        "The marks are those of the generator: a person's would be worse. Ranges are over seeds.",
    ])  # fmt: skip


def spread(pairs: list[list[float]], clean: list[list[float]]) -> dict[str, str]:
    """Return a version's numbers: means, their range, and the points to the clean net of the same seed."""
    accuracy, flips = np.array(pairs).T
    points = accuracy - np.array(clean)[:, 0]
    return {"accuracy": _range(accuracy), "points to the clean net": _range(points), "changed": _range(flips)}


def _range(values: np.ndarray) -> str:
    mean = statistics.mean(values)
    return f"{mean:.1f}" if len(values) == 1 else f"{mean:.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    run(measure, timed=False)
