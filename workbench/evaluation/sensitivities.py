"""``layer_sensitivity``: how much of each layer alone can go before accuracy suffers."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm.auto import tqdm

from .. import html
from ..compression import units
from ..compression.criteria import Criterion
from ..compression.measurement import layer_weights
from ..compression.pruning import HOWS, cut, example_of, reads_tokens
from ..data.records import Data
from ..errors import BadInput, unknown
from ..state import untouched
from ..training import logits
from ..zoo.holder import unwrap
from ..zoo.strides import tensor_for
from .shares import accuracy_difference

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """What pruning of one layer alone costs, a row a layer and amount.

    Attributes
    ----------
    rows
        ``layer amount weights accuracy lost low high``: accuracy on the validation rows as a fraction, and what was
        lost against the whole model in points, with its 95 % interval over rows.
    accuracy
        Of the whole model, a fraction.
    n, name
        Number of validation rows; name of the data.
    """

    rows: tuple[dict[str, Any], ...]
    accuracy: float
    n: int
    name: str

    def table(self) -> pd.DataFrame:
        """Return a row a layer and amount."""
        import pandas as pd

        return pd.DataFrame(list(self.rows))

    def affordable(self, margin: float = 1.0) -> dict[str, float]:
        """Return for each layer the largest amount whose loss stays below a margin, in points, for sure; 0 for none.

        "For sure": the upper end of the 95 % interval is below the margin.
        """
        safe = {row["layer"]: 0.0 for row in self.rows}
        for row in self.rows:
            if row["high"] < margin:
                safe[row["layer"]] = max(safe[row["layer"]], row["amount"])
        return safe

    def plot(self) -> Figure:
        """Draw accuracy against the amount, a line a layer."""
        from ..plotting import trades

        amounts = list(dict.fromkeys(row["amount"] for row in self.rows))
        lines: dict[str, Any] = {}
        for row in self.rows:
            lines.setdefault(row["layer"], []).append(row["accuracy"])
        return trades.sensitivity(amounts, lines, self.accuracy)

    def __repr__(self) -> str:
        safe = ", ".join(f"{layer} {amount:.0%}" for layer, amount in self.affordable().items())
        return f"Sensitivity({self.name}, {self.n} validation rows; within 1 point for sure: {safe})"

    def _repr_html_(self) -> str:
        return html.table(self.table().round(4), repr(self))


def layer_sensitivity(model: Any, data: Data, *, amounts: Sequence[float] = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98), how: str = "weights",
                      by: str | Criterion = "magnitude", layers: Iterable[str] | None = None, verbose: bool = True) -> Sensitivity:  # fmt: skip
    """Prune each layer alone, without fine-tuning, and count what accuracy it costs (Li et al. 2017).

    Measured on the validation rows, so that a choice made by it does not touch the test rows. **It misleads** about
    what fine-tuning can mend, and about layers that are pruned together.

    Parameters
    ----------
    model, data
        A float network and its data; the model is not touched.
    amounts
        Fractions of a layer's weights, or of its channels.
    how, by
        As in :func:`workbench.prune`.
    layers
        Names; by default all that have weights, and for channels all but the last. Of a network of tokens the names
        that :func:`workbench.prune` gives to what loses units, such as "lstm" or "heads of encoder.0".
    verbose
        Show progress.

    Returns
    -------
    Sensitivity
        ``.table()``, ``.affordable(margin)``, ``.plot()``.

    Raises
    ------
    BadInput
        No network, no validation rows, an amount outside (0, 1), no layer.
    UnknownName
        A layer that the model does not have.
    """
    net = unwrap(model)
    if not isinstance(net, torch.nn.Module):
        raise BadInput(f"A {type(net).__name__} was given", "a float network", "Build one with wb.build")
    if not isinstance(data, Data) or not len(data.valid):
        raise BadInput("There are no validation rows", "Data with a valid split", "Keep some rows aside: wb.from_arrays(..., valid=)")  # fmt: skip
    groups = units.groups(net) if how == "channels" and reads_tokens(net) else {}
    weights = {n: w for n, w in layer_weights(net).items() if w.ndim > 1 and not _looks_up(net, n)}
    known = list(groups or weights)
    chosen = list(layers) if layers is not None else _losing(net, data, amounts, how, weights, groups)
    if not chosen or not len(amounts):
        raise BadInput(
            "There is no layer or no amount to try", "at least one of each", "Leave layers and amounts out"
        )
    for amount in amounts:
        if not 0 < amount < 1:
            raise BadInput(f"amounts holds {amount}", "fractions between 0 and 1", "0.9 removes nine tenths")
    if unknown_layers := [layer for layer in chosen if layer not in known]:
        raise unknown("layer with weights", unknown_layers[0], known)
    if how not in HOWS:
        raise unknown("way (how)", how, HOWS)
    own, example = _right(net, data), example_of(net, data)
    rows = []
    for layer in tqdm(chosen, desc="layers", unit="layer", disable=not verbose, leave=False):
        step = {"how": how, "rounds": 1, "scope": None, "protect": [name for name in known if name != layer]}
        if groups:
            step |= {"narrowed": [layer], "protect": []}
        size = sum(weights[name].numel() for name in (groups[layer].weights if groups else [layer]))
        for amount in amounts:
            small = cut(
                copy.deepcopy(net).eval(),
                net,
                {**step, "amount": amount, "channels": amount},
                0,
                example,
                data,
                by,
            )[0]
            rows.append(_row(layer, float(amount), size, own, _right(small, data)))
    return Sensitivity(tuple(rows), float(own.mean()), len(own), data.name)


def _losing(net: torch.nn.Module, data: Data, amounts: Sequence[float], how: str, weights: dict[str, Any],
            groups: dict[str, Any]) -> list[str]:  # fmt: skip
    """Return what loses some by default: all that have weights, for channels all but the last, of tokens all whose units can go."""
    if groups and len(amounts):
        return units.removable(net, max(amounts), example_of(net, data), weights)
    return list(weights)[:-1] if how == "channels" else list(weights)


def _looks_up(net: torch.nn.Module, name: str) -> bool:
    return isinstance(dict(net.named_modules()).get(name), (torch.nn.Embedding, torch.nn.EmbeddingBag))


def _right(net: torch.nn.Module, data: Data) -> np.ndarray:
    """Return which validation rows are answered rightly, ``(n,)`` as 0 and 1."""
    with untouched(net), torch.no_grad():
        answers = logits(net, tensor_for(net, data.valid.x)).argmax(1).numpy(force=True)
    return (answers == data.valid.y).astype(float)


def _row(layer: str, amount: float, weights: int, own: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    change = accuracy_difference(own, right)
    return {"layer": layer, "amount": amount, "weights": weights, "accuracy": float(right.mean()),
            "lost": -100 * change.value, "low": -100 * change.high, "high": -100 * change.low}  # fmt: skip
