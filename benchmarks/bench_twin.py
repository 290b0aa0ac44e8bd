"""Is the surrogate of an int8 LeNet-5 the int8 net, bit for bit, and do its integrated gradients add up to the real difference?

Quality, not time: a busy machine does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from harness import Table, kept, run

import workbench as wb
from workbench.int8.certificate import certify
from workbench.int8.surrogate import twin

SEEDS, ROWS, POINTS = 2, 1000, 21
STEPS = (50, 200)
GAP, SHARE = 0.05, 0.99
FORMS = {"int8": {}, "half the channels, int8": {"channels": 0.5}, "90 % of weights, int8": {"amount": 0.9}}


def measured(form: str, seed: int) -> dict[str, Any]:
    """Return what holds of one int8 net."""
    data = wb.load("mnist")
    net = wb.fit(wb.build("lenet5", data, seed=seed), data, epochs=12, augment=True, seed=seed, verbose=False)
    given: Any = net
    if options := FORMS[form]:
        how = "channels" if "channels" in options else "weights"
        given = wb.prune(net, **options, how=how, data=data, epochs=3, seed=seed, verbose=False)
    small = wb.quantize(given, data=data)
    x = torch.tensor(data.test.x[:ROWS])
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed))
    looked = {"inputs": [x], "path": [x * k / (POINTS - 1) for k in range(POINTS)], "noise": [x + s * noise for s in (0.1, 0.3)]}  # fmt: skip
    surrogate = twin(small.model)
    equal = {name: float(np.mean([certify(surrogate, small.model, part)["equal"] for part in parts])) for name, parts in looked.items()}  # fmt: skip
    return {
        "equal": equal,
        "gap": {str(steps): gaps(small, data, steps) for steps in STEPS},
        "ran": ran(small, data),
    }


def gaps(small: Any, data: Any, steps: int) -> float:
    """Return in which share of digits integrated gradients miss the real int8 net's difference by less than the bar."""
    e = wb.explain(small, data.test[:ROWS], "integrated_gradients", n_steps=steps, data=data)
    real = small.model(torch.tensor(data.test.x[:ROWS])).gather(1, torch.tensor(e.target)[:, None])[:, 0]
    none = small.model(torch.zeros(1, *data.input_shape))[0][torch.tensor(e.target)]
    difference = (real - none).numpy()
    missed = np.abs(e.values.reshape(len(e), -1).sum(1) - difference)
    return float((missed < GAP * np.abs(difference)).mean())


def ran(small: Any, data: Any) -> tuple[list[str], list[str]]:
    """Return which local methods with a gradient ran on the int8 net, and which refuse it."""
    from workbench.explanation.registry import table

    can = wb.methods(small.model, data)["can"]
    asked = [name for name, entry in table().items() if "gradient" in entry.needs and entry.scope == "local" and "attention" not in entry.needs]  # fmt: skip
    done = []
    for name in asked:
        if can[name]:
            given = {} if "background" in table()[name].ignores else {"background": data.train[:50]}
            wb.explain(small, data.test[:4], name, data=data, **given)
            done.append(name)
    return done, [name for name in asked if not can[name]]


def measure() -> Table:
    """Return a row a form, over seeds."""
    rows, methods = [], set()
    for form in FORMS:
        found = [kept(f"bench_twin/{form}_{seed}", measured, form, seed) for seed in range(SEEDS)]
        methods |= {(", ".join(one["ran"][0]), ", ".join(one["ran"][1])) for one in found}
        rows.append({"form": form, "nets": SEEDS,
                     **{f"bit-equal, {where}": f"{min(one['equal'][where] for one in found):.4f}" for where in found[0]["equal"]},
                     **{f"gap under {GAP:.0%}, {steps} steps": f"{min(one['gap'][str(steps)] for one in found):.3f}" for steps in STEPS}})  # fmt: skip
    return Table("The surrogate of int8 LeNet-5", rows, notes=[
        f"{ROWS} test digits; path: {POINTS} points from black to each; noise: deviations .1 and .3. Each cell is the worst of {SEEDS} nets. Engine: x86.",
        f"Gap: integrated gradients' sum against the difference of the real int8 net's logits. Bar: under {GAP:.0%} in at least {SHARE:.0%} of the digits.",
        *(f"Methods with a gradient that ran: {done}. Refused: {refused or 'none'}." for done, refused in sorted(methods)),
    ])  # fmt: skip


if __name__ == "__main__":
    run(measure, timed=False)
