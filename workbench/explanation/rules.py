"""What a tree asks, in words: thresholds in the units of the data, categories and words by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..data.columns import MISSING
from .space import Space

LEAF = -1  # scikit-learn's child of a node that asks nothing


@dataclass(frozen=True)
class Question:
    """What a tree can ask about one number: whether it is above a threshold, or whether something is so.

    Attributes
    ----------
    name
        Of the number.
    feature
        Place of the feature that it belongs to, among the features of a row.
    yes, no
        The two answers, for a number that only says whether something is so; else empty.
    mean, deviation
        Turn the number into the unit of the data.
    """

    name: str
    feature: int
    yes: str = ""
    no: str = ""
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def indicates(self) -> bool:
        """Whether the number only says whether something is so."""
        return bool(self.yes)

    def said(self, threshold: float, above: bool) -> str:
        """Return the answer in words.

        Examples
        --------
        >>> Question("age", 0, mean=40.0, deviation=10.0).said(-0.5, above=False)
        'age <= 35'
        """
        if self.indicates:
            return self.yes if above else self.no
        number = f"{threshold * self.deviation + self.mean:.6g}"
        return f"{self.name} {'>' if above else '<='} {number}"


def questions(inputs: Space) -> list[Question]:
    """Return what can be asked about each entry of an input: original columns, pixels, or numbered columns."""
    columns = getattr(inputs.codec, "columns", None)
    if columns is None:
        return [Question(name, i) for i, name in enumerate(_places(inputs.x.shape[1:]))]
    return [question for i, column in enumerate(columns) for question in of_column(i, column)]


def of_column(place: int, column: Any) -> list[Question]:
    """Return what can be asked about the entries of an original column."""
    if column.categories:
        return [is_so(column.name, value, place) for value in column.categories]
    number = Question(column.name, place, mean=column.means[0], deviation=column.deviation)
    return [number, is_so(column.name, MISSING, place)] if column.has_missing else [number]


def is_so(name: str, value: str, place: int) -> Question:
    """Return the question whether a column has a value."""
    return Question(f"{name} = {value}", place, f"{name} is {value}", f"{name} is not {value}")


def contains(word: str, place: int) -> Question:
    """Return the question whether a text contains a word."""
    return Question(word, place, f"contains {word!r}", f"does not contain {word!r}")


def _places(shape: Sequence[int]) -> list[str]:
    if len(shape) == 3:
        of = [f" of channel {c}" if shape[0] > 1 else "" for c in range(shape[0])]
        return [f"row {r}, column {c}{k}" for k in of for r in range(shape[1]) for c in range(shape[2])]
    return [f"feature {i}" for i in range(int(np.prod(shape)))]


class Step(NamedTuple):
    """One answer on a path: which number was asked about, and from which node to which it led."""

    number: int
    threshold: float
    above: bool
    before: int
    after: int


def paths(tree: Any, leaves: Iterable[int]) -> dict[int, list[Step]]:
    """Return for each of some nodes the answers that lead to it from the root of a fitted ``tree_``."""
    parents = {int(child): (node, above) for above, children in enumerate((tree.children_left, tree.children_right))
               for node, child in enumerate(children) if child != LEAF}  # fmt: skip
    asks = tree.feature, tree.threshold
    return {leaf: _path(asks, parents, leaf) for leaf in {int(leaf) for leaf in leaves}}


def _path(asks: tuple[Any, Any], parents: Mapping[int, tuple[int, int]], leaf: int) -> list[Step]:
    steps: list[Step] = []
    while leaf in parents:
        node, above = parents[leaf]
        steps.append(Step(int(asks[0][node]), float(asks[1][node]), bool(above), node, leaf))
        leaf = node
    return steps[::-1]


def spoken(steps: Iterable[Step], asked: Sequence[Question]) -> str:
    """Return a path in words, each number's answers drawn together: "24 < duration <= 36 and job is cook"."""
    tightest: dict[tuple[int, bool], Step] = {}
    for step in steps:
        tightest[step.number, step.above] = step  # Deeper answers are tighter.
    said = []
    for (number, above), step in tightest.items():
        question, other = asked[number], tightest.get((number, not above))
        if other is None or question.indicates:
            said.append(question.said(step.threshold, above))
        elif above:
            said.append(f"{question.said(step.threshold, above=True).rpartition(' ')[2]} < "
                        f"{question.said(other.threshold, above=False)}")  # fmt: skip
    return " and ".join(said) or "always"


def rendered(explanation: Any) -> tuple[str, ...]:
    """Return the rules of an explanation in words, with the names of its classes; empty where it has none."""
    rules = explanation.settings.get("rules", [])
    if explanation.scope == "local":
        ids = explanation.row_ids if rules else []
        return tuple(f"row {number}: {rule}" for number, rule in zip(ids, rules, strict=True))
    lines = tuple(_of_leaf(rule, explanation.class_names) for rule in rules)
    return (*lines, _faithful(explanation.settings)) if lines else ()


def _of_leaf(rule: dict[str, Any], names: Sequence[str]) -> str:
    answer = names[rule["class"]] if names else f"class {rule['class']}"
    return f"if {rule['if']}: {answer} ({_percent(rule['share'])} of {rule['n']} rows)"


def _faithful(settings: dict[str, Any]) -> str:
    share, low, high, floor = (
        _percent(settings[name]) for name in ("fidelity", "fidelity_low", "fidelity_high", "floor")
    )
    rows = f"{settings['held_out']} held-out rows"
    if "held_out_clusters" in settings:
        rows += f" in {settings['held_out_clusters']} clusters"
    return (f"It answers like the model on {share} of {rows} (95 % interval {low} to {high}); "
            f"the most frequent answer alone, on {floor}.")  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
