"""Where in a network did it move? Every layer's representation and conductance, held against the original's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from ..data.records import Split
from ..errors import BadInput, NotExplainable
from ..explanation.door import explain
from ..explanation.result import Explanation
from ..explanation.score import batch_rows
from ..int8.conversion import is_int8
from ..int8.surrogate import twin_or_self
from ..state import untouched
from .controls import Cast
from .similarities import similarity

ROWS = 100  # whose representations are looked at
FLOWS, STEPS = 32, 8  # rows whose conductance is looked at; steps of its path
MOST = 8  # layers that are looked into, evenly from the first to the last
FEWEST = 4  # rows below which the debiased measure is not defined


def by_layer(
    cast: Cast, rows: Split, target: np.ndarray, output: str
) -> dict[str, dict[str, dict[str, np.ndarray]]]:
    """Return ``{layer: {"cka" | "conductance": {column: array}}}`` for layers of the original that have weights.

    Linear centred kernel alignment (Kornblith, Norouzi, Lee and Hinton 2019), debiased (Song et al. 2012), compares
    what a layer holds of the first rows: ``(runs,)``, 1 for the same up to a rotation and a scale, about 0 for
    unrelated, also between layers of other widths. Conductance (Dhamdhere, Sundararajan and Yan 2019) compares what
    flows through a layer to the answer: the cosine of its maps, ``(runs, n)``.

    A layer that another model does not have under its name, and a conductance of another shape (units were removed),
    are NaN, and so are those of other runs in hidden layers without places: their units stand in another order. CKA misleads where a few directions carry all variance; that representations are alike does not say that
    they are used alike, which is why the conductance stands beside it.

    Parameters
    ----------
    cast
        The models; int8 ones are looked at through their surrogate, dynamic ones as they are.
    rows
        Of which the first hundred are looked at, and the first 32 for conductance.
    target, output
        What is explained: the class of each row, ``(n,)``, and the scalar.
    """
    if not isinstance(cast.before, nn.Module) or is_int8(cast.before) or len(rows) < FEWEST:
        return {}
    rows, few, target = rows[:ROWS], rows[:FLOWS], target[:FLOWS]
    models = {"sham": [] if cast.sham is None else [cast.sham], "compressed": [cast.after], "references": list(cast.references),
              "randomized": [cast.randomized]}  # fmt: skip
    seen = {column: [twin_or_self(m) for m in runs] for column, runs in models.items()}
    found, layers = {}, _weighted(cast.before)
    for layer in layers:
        own, flow = (
            represented(cast.before, layer, rows.x),
            _conducted(cast.before, layer, few, target, output),
        )
        found[layer] = {
            "cka": {c: np.array([_cka(own, represented(m, layer, rows.x)) for m in runs]) for c, runs in seen.items()},
            "conductance": {
                column: np.array([_alike(flow, _conducted(m, layer, few, target, output), len(few)) for m in runs]).reshape(-1, len(few))
                if _same_units(flow, column, layer == layers[-1]) else np.full((len(runs), len(few)), np.nan)
                for column, runs in models.items()
            },
        }  # fmt: skip
    return found


def _weighted(net: nn.Module) -> list[str]:
    """Return the names of layers with weight matrices, at most eight, the first and the last among them."""
    names = [
        name
        for name, m in net.named_modules()
        if name and any(p.ndim > 1 for p in m.parameters(recurse=False))
    ]
    at = np.linspace(0, len(names) - 1, min(MOST, len(names))).round().astype(int)
    return [names[i] for i in at]


@torch.no_grad()
def represented(model: Any, layer: str, x: np.ndarray) -> torch.Tensor | None:
    """Return what a layer gives for each row, ``(n, number)``; None where the model has no such layer.

    Of a layer that returns several tensors the first counts, of one that is called several times the last call.
    """
    modules = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
    if layer not in modules:
        return None
    kept: list[torch.Tensor] = []
    with untouched(model) as lent:
        handle = modules[layer].register_forward_hook(lambda *call: kept.append(_numbers(call[2])))
        try:
            rows = torch.tensor(x, device=next(iter(model.parameters()), torch.empty(0)).device)
            for part in rows.split(batch_rows(rows)):
                at = len(kept)
                lent(part)
                del kept[at:-1]
        finally:
            handle.remove()
    return torch.cat(kept) if sum(map(len, kept)) == len(x) else None


def _numbers(given: Any) -> torch.Tensor:
    first = given[0] if isinstance(given, (tuple, list)) else given
    return (first.dequantize() if first.is_quantized else first).flatten(1).float()


def _cka(a: torch.Tensor | None, b: torch.Tensor | None) -> float:
    return float("nan") if a is None or b is None else cka(a, b)


def cka(a: torch.Tensor, b: torch.Tensor) -> float:
    """Return the debiased linear centred kernel alignment of two representations of the same rows (Kornblith et al. 2019).

    Parameters
    ----------
    a, b
        ``(n, number)`` of at least four rows; the numbers may differ.

    Returns
    -------
    float
        1 where one is a rotation and a scale of the other, about 0 where they are unrelated (chance may give a little
        below), NaN where one does not vary.

    Examples
    --------
    >>> a = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
    >>> round(cka(a, -3 * a.flip(1)), 6)
    1.0
    """
    one, other = _gram(a), _gram(b)
    both = _independence(one, one) * _independence(other, other)
    return float(_independence(one, other) / both.sqrt()) if both > 0 else float("nan")


def _gram(x: torch.Tensor) -> torch.Tensor:
    x = (x - x.mean(0)).double()  # Products of centred numbers lose fewer digits.
    return (x @ x.T).fill_diagonal_(0)


def _independence(k: torch.Tensor, m: torch.Tensor) -> torch.Tensor:
    """Return the unbiased Hilbert-Schmidt independence criterion of two kernels without diagonals (Song et al. 2012)."""
    n = len(k)
    between = k.sum() * m.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * (k.sum(0) @ m.sum(0))
    return ((k * m).sum() + between) / (n * (n - 3))


def _same_units(flow: Explanation | None, column: str, last: bool) -> bool:
    """Whether the units of a layer mean the same in the original and in the models of a column."""
    return flow is not None and (flow.values.ndim == 4 or last or column in ("sham", "compressed"))


def _conducted(model: Any, layer: str, rows: Split, target: np.ndarray, output: str) -> Explanation | None:
    """Return the conductance of a layer; None where there is none to be had."""
    if not isinstance(model, nn.Module) or layer not in dict(model.named_modules()):
        return None
    try:
        return explain(
            model,
            rows,
            "conductance",
            layer=layer,
            n_steps=STEPS,
            upsample=False,
            target=target,
            output=output,
        )
    except (
        BadInput,
        NotExplainable,
    ):  # Of a layer that gives several tensors, or of a model without a gradient.
        return None


def _alike(own: Explanation | None, other: Explanation | None, n: int) -> np.ndarray:
    if own is None or other is None or own.values.shape != other.values.shape:
        return np.full(n, np.nan)
    return similarity(own, other, metrics=("cosine",))["cosine"]
