"""``scorecard``: several models side by side - can they be read, what can explain them, what people say, how well they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from tqdm.auto import tqdm

from .. import html
from ..compression.measurement import milliseconds
from ..data.records import Data
from ..errors import BadInput
from ..explanation.registry import methods
from ..state import untouched
from ..training import fit
from ..zoo.catalogue import build
from ..zoo.storage import packed
from .advantage import Advantage, advantage
from .benchmarking import named_models
from .recommendation import UNRATED
from .recommending import ratings_of
from .transparency import transparency

if TYPE_CHECKING:
    import pandas as pd

    from ..plotting.canvas import Figure

TRANSPARENCY, TOOLS, PEOPLE, PERFORMANCE = "transparency", "tools that apply", "people", "performance"
UNMEASURED = "not measured: no network"
NO_SCORE = (
    "There is no overall score: how much accuracy is worth a model that can be read is the reader's to say."
)


@dataclass(frozen=True, eq=False)
class Scorecard:
    """What is known of several models, a column each.

    Attributes
    ----------
    columns
        ``{model: {(section, line): words or a number}}``; what was not measured says so.
    advantages
        ``{model: Advantage}`` against glass boxes that were trained on the same rows.
    name, n
        Of the data, and how many test rows counted.
    """

    columns: dict[str, dict[tuple[str, str], Any]]
    advantages: dict[str, Advantage]
    name: str
    n: int

    def table(self) -> pd.DataFrame:
        """Return a row a line, by section, and a column a model."""
        import pandas as pd

        frame = pd.DataFrame(self.columns)
        frame.index = pd.MultiIndex.from_tuples(frame.index, names=["", "line"])
        return frame

    def plot(self) -> Figure:
        """Draw accuracy with its interval beside how many tools apply; glass boxes have another mark."""
        from ..plotting import scorecards

        return scorecards.beside(self)

    def __repr__(self) -> str:
        said = [
            f"{model}: {column[PERFORMANCE, 'accuracy']}, {column[TOOLS, 'methods']}"
            for model, column in self.columns.items()
        ]
        return f"Scorecard({self.name}, n = {self.n}; {'; '.join(said)})"

    def _repr_html_(self) -> str:
        sentences = [html.paragraph(advantage.sentence) for advantage in self.advantages.values()]
        return html.join(
            html.table(self.table().reset_index(), f"{self.name}, {self.n:,} test rows"),
            *sentences,
            html.paragraph(NO_SCORE),
        )


def scorecard(
    models: Any,
    data: Data,
    feedback: Any = None,
    *,
    glass: tuple[str, ...] = ("logistic", "tree"),
    verbose: bool = True,
) -> Scorecard:
    """Put models side by side: transparency, tools that apply, people, and performance against a glass box (Lipton 2018).

    Parameters
    ----------
    models
        A model, a list, or a dictionary of names and models: networks, estimators, pipelines, callables.
    data
        Test rows judge; training rows fit the glass boxes.
    feedback
        Ratings of people, with ``.table()`` of columns "method" and "rating"; without any the card says so.
    glass
        Builders of the glass boxes that are trained beside.
    verbose
        Show progress.

    Returns
    -------
    Scorecard
        ``.table()``, ``.plot()``; there is no overall score.

    Raises
    ------
    BadInput
        No models, no data, feedback without ratings.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("breast_cancer")
    >>> tree = wb.fit(wb.build("tree", data, max_depth=2), data)
    >>> card = wb.scorecard({"tree": tree}, data, verbose=False)
    >>> card.table().loc[("transparency", "simulatable"), "tree"], card.table().loc[("people", "ratings"), "tree"]
    ('yes', 'no ratings yet')
    """
    if not isinstance(data, Data):
        raise BadInput(
            f"data is a {type(data).__name__}",
            "Data, with test rows to judge on",
            "Use wb.load or wb.from_arrays",
        )
    lent, rated = named_models(models), ratings_of(feedback)
    boxes = {name: fit(build(name, data), data).model for name in glass}
    columns, advantages = {}, {}
    for name, model in tqdm(lent.items(), desc="scorecard", unit="model", disable=not verbose, leave=False):
        advantages[name] = advantage(
            name, model, {box: m for box, m in boxes.items() if box != name} or boxes, data.test
        )
        columns[name] = {
            **{(TRANSPARENCY, line): said for line, said in transparency(model).items()},
            **{(TOOLS, line): said for line, said in _tools(model, data).items()},
            **{(PEOPLE, line): said for line, said in _people(rated, model, data).items()},
            **{
                (PERFORMANCE, line): said
                for line, said in _performance(name, advantages[name], model, data).items()
            },
        }
    return Scorecard(columns, advantages, data.name, len(data.test))


def _tools(model: Any, data: Data) -> dict[str, str]:
    """Return how many methods can explain a model, and which, local and global."""
    table = methods(model, data)
    able = table[table["can"]]
    by_scope = {
        scope: ", ".join(able.index[able["scope"] == scope]) or "none" for scope in ("local", "global")
    }
    return {"methods": f"{len(able)} of {len(table)} methods", **by_scope}


def _people(rated: Mapping[str, str], model: Any, data: Data) -> dict[str, str]:
    """Return what people said of the methods that can explain the model."""
    table = methods(model, data)
    said = [
        f"{method} {rating}"
        for method, rating in rated.items()
        if method in table.index and table.loc[method, "can"]
    ]
    return {"ratings": "; ".join(said) or UNRATED}


def _performance(name: str, found: Advantage, model: Any, data: Data) -> dict[str, str]:
    row = found.rows[name]
    costs = _costs(model, data)
    return {"accuracy": f"{row['accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f})",
            "area under the curve": f"{row['auc']:.3f} ({row['auc low']:.3f} to {row['auc high']:.3f})",
            "against the best glass box": f"{100 * found.accuracy.value:+.1f} points ({100 * found.accuracy.low:+.1f} to {100 * found.accuracy.high:+.1f}) "
                                          f"against {found.rival}",
            **costs}  # fmt: skip


def _costs(model: Any, data: Data) -> dict[str, str]:
    """Return a network's file and its milliseconds on one thread; of anything else nothing is measured."""
    if not isinstance(model, nn.Module):
        return dict.fromkeys(("file", "ms, one input", "ms, batch of 64"), UNMEASURED)
    with untouched(model):
        spent = milliseconds({"model": model}, torch.tensor(np.asarray(data.test.x[:1])))["model"]
        size = len(packed(model))
    return {
        "file": f"{size / 1024:,.0f} KiB",
        "ms, one input": f"{spent['ms_single']:.2f}",
        "ms, batch of 64": f"{spent['ms_batch']:.2f}",
    }
