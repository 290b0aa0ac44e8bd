"""What a model is and how right it is on test rows: in all, by class, and by its own confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from ..compression.compressed import Compressed, describe
from ..data.records import Data
from ..data.telling import majority
from ..errors import BadInput
from ..evaluation.shares import share_interval
from ..explanation.estimators import last_step
from ..explanation.score import class_scores
from ..int8.conversion import is_int8
from ..plotting import histories, rows
from ..plotting.canvas import shortened
from ..training import Fitted
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from .cards import Card, Part
from .noticed import per_cent

if TYPE_CHECKING:
    import pandas as pd

TOLD = ("epochs", "lr", "batch_size", "patience", "seed", "augment", "terms")  # of a recipe
FEW = 30  # test rows of a class below which it is not called the worst


def model_card(model: Any, data: Data, page: Card) -> Card:
    """Return the card of a model on test rows, with the data page behind it."""
    probability = probabilities(model, data)
    table = by_class(probability, data)
    parts = (Part("by class", "How often is each class right?", table=table), _calibration(probability, data),
             _mistakes(probability, data), *page.parts)  # fmt: skip
    facts = {
        **_facts(model),
        **{f"data: {name}" if name == "fingerprint" else name: fact for name, fact in page.facts.items()},
    }
    findings = (*_findings(probability, table, data), *page.findings)
    return Card(f"Model: {_name(model)} on {data.name}", facts, page.doubts, findings, parts)


def probabilities(model: Any, data: Data) -> np.ndarray:
    """Return the softmax of a model's scores for every test row, ``(row, class)``.

    Raises
    ------
    BadInput
        The model has not a score for each class.
    """
    z = class_scores(model, data.test).astype(float)
    if z.shape[1] < data.n_classes or z.shape[1] < 2:
        raise BadInput(f"The model has {z.shape[1]} outputs", f"a score for each of {data.n_classes} classes",
                       "Pass the data that it was trained for")  # fmt: skip
    powers = np.exp(z - z.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def by_class(probability: np.ndarray, data: Data) -> pd.DataFrame:
    """Return how often rows of each class are right with 95 % intervals, and what they are taken for when not."""
    import pandas as pd

    says, y = probability.argmax(1), data.test.y
    return pd.DataFrame(
        [_of_class(name, says[y == c], c, data, y == c) for c, name in enumerate(data.class_names)]
    )


def _of_class(name: str, says: np.ndarray, c: int, data: Data, at: np.ndarray) -> dict[str, Any]:
    if not len(says):
        return {
            "class": name,
            "test rows": 0,
            "right": np.nan,
            "low": np.nan,
            "high": np.nan,
            "taken for": "",
        }
    right, low, high, *_ = share_interval(says == c, data.test.clusters[at])
    wrong = np.bincount(says[says != c], minlength=1)
    other = int(wrong.argmax())
    taken = (
        f"{(*data.class_names, *map(str, range(data.n_classes, other + 1)))[other]} ({wrong[other]})"
        if wrong.any()
        else "-"
    )
    return {
        "class": name,
        "test rows": len(says),
        "right": right,
        "low": low,
        "high": high,
        "taken for": taken,
    }


def _findings(probability: np.ndarray, table: pd.DataFrame, data: Data) -> list[str]:
    hits = probability.argmax(1) == data.test.y
    value, low, high, *_ = share_interval(hits, data.test.clusters)
    said = [f"Right in {per_cent(value)} of {len(hits):,} test rows (95 %: {per_cent(low)} to {per_cent(high)}); the commonest "
            f"class alone in {per_cent(majority(data))} of held-out rows."]  # fmt: skip
    judged = table[table["test rows"] >= FEW]
    if len(judged):
        worst = judged.loc[judged["right"].idxmin()]
        said.append(f"Least often right: {shortened(worst['class'])}, in {per_cent(worst['right'])} of {worst['test rows']:,} "
                    f"rows ({per_cent(worst['low'])} to {per_cent(worst['high'])}).")  # fmt: skip
    gap = histories.calibration_gap(probability.max(1), hits)
    return [*said, f"Its confidence is off by {100 * gap:.1f} points on average."]


def _calibration(probability: np.ndarray, data: Data) -> Part:
    confidence, hits = probability.max(1), probability.argmax(1) == data.test.y
    place = np.minimum((confidence * histories.BINS).astype(int), histories.BINS - 1)
    intervals = [share_interval(hits[place == bin])[:3] for bin in np.unique(place)]
    gap = histories.calibration_gap(confidence, hits)
    return Part("calibration", "May its confidence be believed?", "Confidence is the largest softmax of its scores.",
                figure=histories.reliability(confidence, hits, intervals),
                alt=f"Share of right answers against confidence: off by {100 * gap:.1f} points on average.")  # fmt: skip


def _mistakes(probability: np.ndarray, data: Data) -> Part:
    wrong = int((probability.argmax(1) != data.test.y).sum())
    return Part("mistakes", "Where was it surest and wrong?", figure=rows.mistakes(data.test, probability, data.class_names),
                alt=f"The surest of {wrong:,} wrong answers in {len(data.test):,} test rows.")  # fmt: skip


def _name(model: Any) -> str:
    inside = unwrap(model)
    return (getattr(inside, "spec", None) or {}).get("builder") or type(last_step(inside)).__name__


def _facts(model: Any) -> dict[str, str]:
    inside = unwrap(model)
    recipe = getattr(inside, "recipe", None) or (model.recipe if isinstance(model, Fitted) else {})
    sizes = (getattr(inside, "spec", None) or {}).get("sizes") or {}
    facts = {
        "model": _name(model) + (f" ({', '.join(f'{k} = {v}' for k, v in sizes.items())})" if sizes else ""),
        "size": _size(model),
        "trained": ", ".join(f"{name} {value}" for name, value in recipe.items() if name in TOLD and value)
                   or ("not known" if isinstance(inside, nn.Module) else "by its own fit"),
    }  # fmt: skip
    if isinstance(model, Compressed):
        facts |= {"compressed": "; ".join(map(describe, model.steps)), "gain": model.gain}
    return facts | {"model fingerprint": fingerprint(inside)[:16]}


def _size(model: Any) -> str:
    inside = unwrap(model)
    if isinstance(model, Compressed):
        after = model.report["after"]
        return f"{after['parameters']:,} parameters, {after['nonzero']:,} of them not zero, {after['bytes'] / 1024:,.0f} KiB"
    if isinstance(inside, nn.Module):
        return "int8" if is_int8(inside) else f"{sum(p.numel() for p in inside.parameters()):,} parameters"
    glass = last_step(inside)
    if hasattr(glass, "coef_"):
        return f"{np.size(glass.coef_):,} weights"
    return f"{glass.get_n_leaves():,} rules" if hasattr(glass, "get_n_leaves") else "not known"
