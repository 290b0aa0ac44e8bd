"""``evaluate``: is this explanation true?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch

from ..data.records import Data
from ..errors import BadInput
from ..explanation.estimators import reads_raw
from ..explanation.registry import attributing
from ..explanation.result import Explanation
from ..explanation.score import Score
from ..explanation.space import Space
from ..state import untouched
from ..zoo.holder import unwrap
from .floors import floors
from .registry import Metric, look_up
from .scores import Column, Scores

# Of the metrics that follow the known truth (see "validated here on" in wb.metrics()) those that need no mask and cost least.
DEFAULT = ("deletion", "comprehensiveness", "faithfulness_correlation")


def evaluate(
    e: Explanation, model: Any, metrics: str | Iterable[str] | Mapping[str, Mapping] = DEFAULT, *,
    data: Data | None = None, evidence: np.ndarray | None = None, output: str = "probability", baselines: Any = None,
    with_floors: bool = True, seed: int = 0,
) -> Scores:  # fmt: skip
    """Judge an explanation, each faithfulness score beside the best floor that nonsense reaches.

    A score counts only above its floor: an untrained net's map can beat a random order by far. Scores are
    about the class's probability, whatever output was explained, unless ``output`` names another.

    Parameters
    ----------
    e
        A local explanation of ``model``.
    model
        The model it explains; it comes back as it was.
    metrics
        Names out of :func:`metrics`, or a dictionary of names and their options.
    data
        For the floors "mean input of the class" and "the same method on a randomized model"; without it
        both are left out. Where its rows have ``evidence``, that of the explained rows is looked up.
    evidence
        Where the class truly is, ``(n, ...)`` of the values' shape or of the inputs', True inside; for localization. Marks of people, for plausibility.
    output
        What is watched while features are hidden: "probability", "logit", "centred_logit" and so on, see
        :func:`workbench.explain`. Of a model with one output it is always that.
    baselines
        What stands for hidden features; by default what stood for absent ones in the explanation.
    with_floors
        Score nonsense too: up to five maps more for each metric that has floors. A score without its floor says little.
    seed
        Of the random floors and of the metrics' draws.

    Raises
    ------
    UnknownName
        No such metric.
    BadInput
        A global explanation, values that are not finite, an option that a metric does not have, or a metric
        that needs data or evidence which is not there.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("breast_cancer")
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=3, verbose=False)
    >>> e = wb.explain(net, data.test[:20], "integrated_gradients", data=data)
    >>> scores = wb.evaluate(e, net, ("deletion", "completeness"), data=data)
    >>> scores.n, scores.table()["metric"].tolist()
    (20, ['deletion', 'completeness'])
    """
    _judgeable(e)
    asked_for = _options(metrics)
    with untouched(unwrap(model), seed=seed) as lent:
        case = Case(e, lent, data, evidence, output, baselines, seed)
        columns, flags = {}, {}
        for entry, options in asked_for:
            columns[entry.name], best = case.judged(entry, options, with_floors)
            if best:
                flags[f"{entry.name} floor"] = f"The best floor of {entry.name} is {best}."
    return Scores(columns, flags, seed=seed)


def _judgeable(e: Explanation) -> None:
    if e.inputs is None or e.target is None:
        raise BadInput(
            f"{e.method} explains the model, not inputs", "a local explanation", "Choose another method"
        )
    if not attributing(e.method):
        raise BadInput(
            f"{e.method} gives no attributions of features",
            "an explanation that does",
            "Choose another method",
        )
    if not np.isfinite(e.values).all():
        raise BadInput("The values hold NaN or infinite numbers", "finite values", "Look at e.flags")


def _options(metrics: str | Iterable[str] | Mapping[str, Mapping]) -> list[tuple[Metric, dict[str, Any]]]:
    """Return each chosen metric with its options, checked before anything is computed."""
    given = [metrics] if isinstance(metrics, str) else metrics
    each = given.items() if isinstance(given, Mapping) else ((name, {}) for name in given)
    return [(entry := look_up(name), entry.checked(options or {})) for name, options in each]


class Case:
    """An explanation before its judges: what a metric may ask for, made when the first one asks."""

    def __init__(
        self,
        e: Explanation,
        model: Any,
        data: Data | None,
        evidence: np.ndarray | None,
        output: str,
        baselines: Any,
        seed: int,
    ) -> None:
        self.e, self.model, self.seed = e, model, seed
        self.data, self.evidence = data, evidence
        self.score, self.space = asked(e, model, output, baselines)

    def judged(self, entry: Metric, options: dict[str, Any], with_floors: bool) -> tuple[Column, str]:
        """Return a metric's column with its best floor, and that floor's name."""
        keywords = options | {name: self._supplied(name, entry) for name in entry.needs}

        def found(values: np.ndarray) -> np.ndarray:
            return entry.function(self.score, self.space, values, **keywords)

        own = found(self.e.values)
        if entry.chance is not None:
            return Column(
                own, entry.direction, entry.category, entry.chance(self.space, keywords["evidence"])
            ), "chance"
        if not (entry.floors and with_floors):
            return Column(own, entry.direction, entry.category), ""
        reached = {name: found(maps) for name, maps in self._nonsense.items()}
        best = (min if entry.lower_is_better else max)(reached, key=lambda name: np.nanmean(reached[name]))
        return Column(own, entry.direction, entry.category, reached[best]), best

    def _supplied(self, name: str, entry: Metric) -> Any:
        return getattr(self, f"_{name}")(entry) if name in ("data", "evidence") else getattr(self, name)

    @cached_property
    def _nonsense(self) -> dict[str, np.ndarray]:
        return floors(self.e, self.model, self.space, self.data, self.seed)

    def again(self, x: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
        """Return the attributions of versions of the inputs by the same method, for the same or for other classes."""
        return self.e.replay(self.model, x, target=self.e.target if target is None else target).values

    def remade(self, model: Any, x: np.ndarray | None = None) -> np.ndarray:
        """Return the attributions that the same call gives for another model, of the inputs or of versions of them."""
        return (self.e.replay(model) if x is None else self.e.replay(model, x, target=self.e.target)).values

    def _data(self, entry: Metric) -> Data:
        """Return the data, or say that the metric needs them."""
        if self.data is None:
            raise BadInput(f"{entry.name} was given no data", "the data that the model was trained on",
                           "Pass data=, or leave this metric out")  # fmt: skip
        return self.data

    def _evidence(self, entry: Metric) -> np.ndarray:
        """Return where the class truly is, of the values' shape, or say that the metric needs it."""
        found = self.evidence if self.evidence is not None else _known_evidence(self.e, self.data)
        if found is None:
            raise BadInput(f"{entry.name} was given no evidence", "masks of where the class truly is",
                           "Pass evidence=, or data whose rows have it, or leave this metric out")  # fmt: skip
        mask, shape = _folded(np.asarray(found), self.e), self.e.values.shape
        fits = mask.ndim == len(shape) and all(
            m in (1, side) for m, side in zip(mask.shape, shape, strict=True)
        )
        if not fits or not np.isin(mask, (0, 1)).all():
            raise BadInput(f"evidence has the shape {mask.shape} and type {mask.dtype}",
                           f"True and False that broadcast to the values' shape {shape}", "Correct the masks")  # fmt: skip
        return np.broadcast_to(mask.astype(bool), shape)


def _folded(mask: np.ndarray, e: Explanation) -> np.ndarray:
    """Return masks of a table's encoded numbers as those of its columns, and of an image's channels as those of its places."""
    if mask.ndim == e.values.ndim == 4 and e.values.shape[1] == 1:
        return np.logical_or.reduce(mask, axis=1, keepdims=True)
    members = getattr(e.codec, "members", None)
    encoded = e.inputs is not None and mask.shape == e.inputs.shape != e.values.shape
    if not members or not encoded or e.values.shape[1:] != (len(members),):
        return mask
    return np.stack([mask[:, places].any(1) for places in members.values()], 1)


def _known_evidence(e: Explanation, data: Data | None) -> np.ndarray | None:
    """Return the evidence of the explained rows, looked up by their numbers and held against their inputs."""
    rows: Any = e.row_ids
    for split in data.splits.values() if data is not None and rows is not None else ():
        if split.evidence is None or not np.isin(rows, split.row_ids).all():
            continue
        at = [int(np.flatnonzero(split.row_ids == row)[0]) for row in rows]
        if np.array_equal(split.x[at], e.inputs):  # type: ignore[arg-type]
            return split.evidence[at]
    return None


def asked(
    e: Explanation, model: Any, output: str = "probability", baselines: Any = None
) -> tuple[Score, Space]:
    """Return what metrics ask: an output of the explained class, and the features that can be hidden.

    Parameters
    ----------
    e
        A local explanation.
    model
        The model, lent untouched.
    output, baselines
        As in :func:`evaluate`.
    """
    output = "raw" if e.settings["output"] == "raw" else output
    codec = e.codec if reads_raw(model, e.codec) or e.settings.get("raw") else None
    score = Score(model, output, forward_kwargs=e.settings.get("forward_kwargs"), codec=codec, freely=True)
    x = torch.tensor(e.inputs, device=score.device)
    score.aim(x, e.target)
    stands = e.settings.get("baselines") if baselines is None else baselines
    return score, Space(x, baselines=stands, codec=e.codec)
