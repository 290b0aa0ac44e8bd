"""``refine``: a model learns not to look where people marked, as a new version with its parent, marks and scores."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from .. import html
from ..data.records import Data, Split
from ..errors import BadInput
from ..evaluation.behaviour import reliance
from ..evaluation.shares import share_interval
from ..int8.conversion import is_int8
from ..state import generator, seeded, untouched
from ..training import cross_entropy, fit, logits
from ..zoo.catalogue import from_spec
from ..zoo.holder import Holder, unwrap
from ..zoo.identity import fingerprint
from ..zoo.strides import tensor_for
from .feedback import Feedback, Marks
from .terms import STRENGTH, exchanged, forbidden, gradient, term_of

if TYPE_CHECKING:
    import pandas as pd

DONORS = 10  # other rows' contents that a marked part is exchanged for
ROWS = 500  # rows on which regions are exchanged


@dataclass(frozen=True, eq=False)
class Refined(Holder):
    """A repaired model: a new version that knows where it comes from; it unpacks as ``model, report``.

    Attributes
    ----------
    model
        A new network; the given one is as it was.
    report
        ``versions`` (a row a version: before, refined, from scratch), ``loss``, ``strength``, ``marked`` (rows), ``reviewers``,
        ``seconds``, ``regions`` (whose rows the regions were exchanged in).
    parent
        What was refined: a model, or another ``Refined``.
    history
        Of the training.
    """

    model: Any
    report: dict[str, Any]
    parent: Any
    history: dict[str, list[float]] = field(default_factory=dict)

    def _beside(self) -> dict[str, Any]:
        return self.report

    def table(self) -> pd.DataFrame:
        """Return a row a version.

        ``flips`` is primary: the share of rows whose answer changes when only the marked part does, with its interval.
        ``hidden`` is how far the centred logit moves when that part is hidden (nobody trained on it); ``attribution``, the
        share of the input gradient inside it, was trained on by "rrr" and is no evidence then.
        """
        import pandas as pd

        return pd.DataFrame(self.report["versions"]).set_index("version")

    def lineage(self) -> list[dict[str, Any]]:
        """Return all versions that led here, the oldest first: fingerprint, loss, marks and scores of each."""
        older = self.parent.lineage() if isinstance(self.parent, Refined) else [
            {"model": fingerprint(unwrap(self.parent)), "refined": None}]  # fmt: skip
        return [*older, {"model": fingerprint(self.model), "refined": self.model.recipe["refined"]}]

    def __repr__(self) -> str:
        before, after = (self.report["versions"][i] for i in (0, 1))
        return (f"Refined({self.report['loss']}, {self.report['marked']} marked rows: accuracy {before['accuracy']:.3f} -> {after['accuracy']:.3f}, "
                f"flips {before['flips']:.3f} -> {after['flips']:.3f})")  # fmt: skip

    def _repr_html_(self) -> str:
        facts = {"loss": f"{self.report['loss']}, strength {self.report['strength']:g}", "regions": self.report["regions"],
                 "marks": f"{self.report['marked']} rows, by {', '.join(self.report['reviewers'])}",
                 "versions": str(len(self.lineage())), "seconds": f"{self.report['seconds']:.1f}"}  # fmt: skip
        return html.record("Refined", facts, html.table(self.table().round(3)))


def refine(model: Any, data: Data, feedback: Feedback, *, loss: str = "rrr", strength: float | None = None, projection: str = "random",
           epochs: int = 10, lr: float = 1e-3, batch_size: int | None = None, scratch: bool = True, name: str | None = None, seed: int = 0,
           verbose: bool = True) -> Refined:  # fmt: skip
    """Train a model on, so that it does not look where people marked, and say whether it holds (Ross et al. 2017).

    The labels are learnt as before, and the marked rows are held to their marks. Whether the model still uses the marked
    part is then **measured by what nobody trained on**: the part is exchanged for that of other rows, and hidden.

    Parameters
    ----------
    model
        A float network, or a ``Fitted`` or ``Refined``, whose lineage goes on; it is not touched.
    data
        Its training rows are learnt from, its test rows judge.
    feedback
        What people marked in training rows; marks in test rows, or a known shortcut, say where to look there.
    loss, strength, projection
        As in :func:`workbench.iteration.terms.term_of`: "rrr", "rrr_gradcam" or "counterexamples".
    epochs, lr, batch_size, seed, verbose
        As in :func:`workbench.fit`; the batch size is that of the model's recipe when None.
    scratch
        Train another one from new weights with the same loss, as long as the recipe and these epochs together, beside it.
    name
        Only decisions about the data of this name.

    Returns
    -------
    Refined
        ``model, report``; ``.table()``, ``.lineage()``.

    Raises
    ------
    BadInput
        Not a float network, or nothing is marked in the training rows.
    UnknownName
        Another loss or projection.
    KeyboardInterrupt
        Stopped by hand: the given model is as it was.
    """
    net = unwrap(model)
    if not isinstance(net, nn.Module) or is_int8(net):
        raise BadInput(
            f"A {type(net).__name__} was given",
            "a float network",
            "Refine it before it is made int8, and hold it by keep=feedback",
        )
    held = term_of(feedback, data, loss=loss, strength=strength, projection=projection, name=name)
    recipe, spec = getattr(net, "recipe", None) or {}, getattr(net, "spec", None)
    options = {"lr": lr, "batch_size": batch_size or recipe.get("batch_size", 64), "seed": seed, "verbose": verbose,
               "augment": recipe.get("augment", False), "terms": (cross_entropy, held)}  # fmt: skip
    started = time.perf_counter()
    fitted = fit(net, data, epochs=epochs, **options)
    repaired, seconds = fitted.whole(), time.perf_counter() - started
    versions = {"before": net, "refined": repaired}
    if scratch and spec:
        with seeded(seed):
            fresh = from_spec(spec)
        versions["from scratch"] = fit(
            fresh, data, epochs=epochs + recipe.get("epochs", 0), **options
        ).whole()
    rows, where = judged(versions, data, feedback, name=name, seed=seed)
    marks = feedback.masks(data.train, data=name)
    facts: dict[str, Any] = {"loss": loss, "strength": float(strength or STRENGTH[loss]), "marked": len(marks), "reviewers": list(marks.reviewers),
                             "seconds": seconds, "regions": where, "versions": rows}  # fmt: skip
    repaired.recipe = {
        **repaired.recipe,
        "refined": {"parent": fingerprint(net), "feedback": feedback.fingerprint, **facts},
    }
    return Refined(repaired, facts, model if isinstance(model, Refined) else net, fitted.history)


def judged(versions: Mapping[str, Any], data: Data, feedback: Feedback, *, name: str | None = None,
           seed: int = 0) -> tuple[list[dict[str, Any]], str]:  # fmt: skip
    """Judge versions of a model by what none of them was trained on: the marked part is exchanged, hidden, removed.

    Parameters
    ----------
    versions
        Networks by name; int8 ones have no gradient, so that their attribution is NaN.
    data, feedback, name, seed
        As in :func:`refine`.

    Returns
    -------
    tuple
        A row a version, as in :meth:`Refined.table`, and whose rows the regions were exchanged in.
    """
    where = _regions(data, feedback, name)
    rows = [
        {"version": version, **_judged(unwrap(one), data, where, seed)} for version, one in versions.items()
    ]
    return rows, where[2]


def _regions(data: Data, feedback: Feedback, name: str | None) -> tuple[Split, np.ndarray, str]:
    """Return rows with what is marked in them, and where that comes from: test rows where there are any."""
    if data.test.shortcut is not None:
        split = data.test[np.flatnonzero(data.test.shortcut.reshape(len(data.test), -1).any(1))[:ROWS]]
        return split, np.asarray(split.shortcut), f"the known shortcut in {len(split)} test rows"
    for what, split in (("test", data.test), ("training", data.train)):
        marks: Marks = feedback.masks(split, data=name)
        if len(marks):
            rows = marks.rows[:ROWS]
            mask = forbidden(marks.must[rows], marks.must_not[rows])
            return (
                split[rows],
                mask,
                f"what is marked in {len(rows)} {what} rows"
                + (", which were trained on" if what == "training" else ""),
            )
    raise BadInput("Nothing is marked", "marks of training or test rows", "Mark some with wb.annotate")


def _judged(net: nn.Module, data: Data, where: tuple[Split, np.ndarray, str], seed: int) -> dict[str, Any]:
    """Return a version's row: accuracy by group, flips, what hiding does, attribution inside."""
    split, mask, _ = where
    with untouched(net), torch.no_grad():
        right = _answers(net, data.test.x) == data.test.y
        row: dict[str, Any] = {
            "accuracy": float(right.mean()),
            "training": float((_answers(net, data.train.x) == data.train.y).mean()),
        }
        if data.test.without_shortcut is not None:
            row["without shortcut"] = float((_answers(net, data.test.without_shortcut) == data.test.y).mean())
        flips = _flips(net, split, torch.tensor(mask), torch.tensor(data.train.x), seed)
        share = share_interval(flips.mean(1) >= 0.5)
        row |= {
            "flips": float(flips.mean()),
            "mostly flipped": share.value,
            "low": share.low,
            "high": share.high,
        }
        row["hidden"] = _hidden(net, split, mask)
    if split.without_shortcut is not None:
        row["changed without it"] = float(reliance(net, split).loc["shortcut removed", "answers changed"])
    inside = float("nan") if is_int8(net) else _inside(net, split, mask)
    return row | {"attribution": inside, "area": float(mask.mean())}


def _answers(net: nn.Module, x: np.ndarray) -> np.ndarray:
    return logits(net, tensor_for(net, x)).argmax(1).numpy(force=True)


def _flips(net: nn.Module, split: Split, mask: torch.Tensor, donors: torch.Tensor, seed: int) -> np.ndarray:
    """Return whether each answer changes with each exchange of the marked part, ``(n, exchange)``."""
    x, draws = torch.tensor(split.x), generator(seed)
    own = _answers(net, split.x)
    changed = [_answers(net, exchanged(x, mask, donors, draws).numpy()) != own for _ in range(DONORS)]
    return np.stack(changed, 1)


def _hidden(net: nn.Module, split: Split, mask: np.ndarray) -> float:
    """Return how far the centred logit of the answer moves when the marked part is hidden, a mean over rows."""
    bare = np.where(mask, np.zeros((), split.x.dtype), split.x)
    z, without = (logits(net, tensor_for(net, x)) for x in (split.x, bare))
    target = z.argmax(1, keepdim=True)
    centred = [(one - one.mean(1, keepdim=True)).gather(1, target) for one in (z, without)]
    return float((centred[0] - centred[1]).abs().mean())


def _inside(net: nn.Module, split: Split, mask: np.ndarray) -> float:
    """Return the share of the input gradient's size inside the marked part, a mean over rows."""
    x = tensor_for(net, split.x[:ROWS])
    with untouched(net), torch.enable_grad():
        target = net(x).argmax(1)

        def answer(z: torch.Tensor) -> torch.Tensor:
            return (z - z.mean(1, keepdim=True)).gather(1, target[:, None]).sum()

        slope = gradient(net, x, answer, graph=False).abs()
    size = slope.sum(-1) if slope.ndim == mask.ndim + 1 else slope
    total = size.flatten(1).sum(1).clamp_min(1e-12)
    return float(((size * torch.tensor(mask[:ROWS], device=size.device)).flatten(1).sum(1) / total).mean())
