"""Is a shortcut found by comparing a model with a clean twin, and by where its explanations lie, and do forty marks mend it?

Quality, not time: a busy machine does not matter. Each cell is kept under ``runs/`` as soon as it is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from bench_repair import FORTY, MORE, PICTURES, changed, feedback, right, without
from harness import Table, kept, run

import workbench as wb
from workbench.data.records import Data

DATA, TWINS, N, LOCATED = ("lesions", "signs"), 3, 200, 60
METHODS = ("occlusion", "integrated_gradients", "grad_cam")
ENOUGH = 0.95  # of the clean net's accuracy, once the shortcut is moved


def found(name: str) -> dict[str, Any]:
    """Train a fooled net and clean twins, compare them, look where the maps lie, and repair."""
    builder, epochs = PICTURES[name]
    data = wb.load(name)
    clean = without(data)

    def trained(on: Data, seed: int) -> Any:
        return wb.fit(wb.build(builder, on, seed=seed), on, epochs=epochs, seed=seed, verbose=False).model

    twins, fooled = [trained(clean, seed) for seed in range(1 + TWINS)], trained(data, 0)
    marks = feedback(data, n=FORTY)
    repaired = {loss: wb.refine(fooled, data, marks, loss=loss, epochs=MORE, scratch=False, verbose=False).model
                for loss in ("rrr", "counterexamples")}  # fmt: skip
    compared = {who: wb.compare(twins[0], net, data, n=N, references=twins[2:], sham=twins[1], verbose=False)
                for who, net in {"fooled": fooled, **repaired}.items()}  # fmt: skip
    nets = {"clean": twins[0], "fooled": fooled, **repaired}
    return {
        "word": {who: c.verdict.word for who, c in compared.items()},
        "reason": {who: c.verdict.reasons[0] for who, c in compared.items()},
        "accuracy": {who: right(net, clean if who == "clean" else data) for who, net in nets.items()},
        "changed": {who: changed(net, data) for who, net in nets.items()},
        "inside": {who: inside(net, data) for who, net in nets.items()},
    }


def inside(net: Any, data: Data) -> dict[str, float]:
    """Return the share of each method's map that lies in the shortcut, over test rows that have one, and its area."""
    marked = data.test.shortcut.reshape(len(data.test), -1).any(1)
    rows = data.test[np.flatnonzero(marked)[:LOCATED]]
    where = rows.shortcut.any(1, keepdims=True)
    shares = {"area": float(where.mean())}
    for method in METHODS:
        e = wb.explain(net, rows, method, output="centred_logit", data=data)
        mask = where if e.values.shape[1] == 1 else rows.shortcut
        scores = wb.evaluate(e, net, "relevance_mass", evidence=mask, with_floors=False)
        shares[method] = float(np.nanmean(scores["relevance_mass"]))
    return shares


def measure() -> Table:
    """Fill every cell; a row a net."""
    rows, notes = [], []
    for name in DATA:
        cell = kept(f"bench_found/{name}", found, name)
        for who in cell["accuracy"]:
            share = cell["accuracy"][who] / cell["accuracy"]["clean"]
            rows.append({"data": name, "network": f"{who}, {FORTY} marks" if who in ("rrr", "counterexamples") else who,
                         "accuracy, shortcut moved": f"{cell['accuracy'][who]:.1f}", "of the clean net's": f"{share:.1%}",
                         "answers changed without it": f"{cell['changed'][who]:.1f}", "compare with a clean net": cell["word"].get(who, "-"),
                         **{f"inside, {method}": f"{cell['inside'][who][method]:.3f}" for method in METHODS},
                         "area": f"{cell['inside'][who]['area']:.3f}"})  # fmt: skip
        notes.append(f"{name}: {cell['reason']['fooled']}")
    return Table("Is a shortcut found, and do forty marks mend it?", rows, notes=[
        f"A CNN on rows with the shortcut, and one on the same rows without it (clean). Compared on {N} test rows, beside {TWINS} other clean runs, one of them as the sham.",
        "Accuracy in per cent: of the clean net on rows without the shortcut, of the others on rows where it tells nothing or another class.",
        f"Inside: the share of a map's positive values that lies in the shortcut, on {LOCATED} test rows that have it; the area is what a map without a preference has.",
        f"Bar: {ENOUGH:.0%} of the clean net's accuracy once the shortcut is moved. The marks are the generator's, in {FORTY} training images. One seed.",
        *notes,
    ])  # fmt: skip


if __name__ == "__main__":
    run(measure, timed=False)
