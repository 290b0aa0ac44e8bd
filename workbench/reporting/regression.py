"""A regression test for explanations: does a model file still respond to the same parts of its input?

Two files go in, one of four words comes out, with the statistic and the margin that decided. The margin's rule is
fixed before results, see :mod:`workbench.evaluation.margins`; a pipeline reads the exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from .. import files
from ..data.records import Data
from ..data.shipped import datasets, load
from ..errors import BadInput
from ..evaluation.comparing import compare
from ..evaluation.comparison import Comparison
from ..evaluation.margins import Measured, short
from ..zoo.storage import load_model
from .journal import versions

RULE = (
    "similarity: the larger of (the sham's mean - .05) and the other training runs' mean; answers kept: the other "
    "training runs' mean - 1 point; all by the bound of a 95 % interval"
)
GIVEN = "similarity: given, {}; answers kept: the other training runs' mean - 1 point; all by the bound of a 95 % interval"


def checked(
    reference: Path, model: Path, data: Data | str | None = None, *, sham: Path | None = None, **options: Any
) -> Comparison:
    """Compare two saved models on the test rows of the data that the reference was trained on.

    Parameters
    ----------
    reference, model
        Files that ``wb.save`` wrote: the model as it was, and what became of it.
    data
        Data or the name of a shipped set; by default what the reference's recipe names.
    sham
        A file of the reference trained on with nothing removed, where there is one.
    **options
        Of :func:`workbench.compare`, such as ``n``, ``references``, ``margin``, ``seed``.

    Raises
    ------
    BadInput
        The reference does not name shipped data, and none were given; models that do not fit the data.
    BadFile
        A damaged or foreign file.
    """
    before, after = load_model(reference), load_model(model)
    control = None if sham is None else load_model(sham)
    rows = data if isinstance(data, Data) else load(data or _named(before, reference))
    return compare(before, after, rows, sham=control, **options)


def _named(model: Any, path: Path) -> str:
    name = (getattr(model, "recipe", None) or {}).get("data")
    if name not in datasets().index:
        raise BadInput(f"{path} was trained on {name!r}, which is no shipped data set", "the data of the reference",
                       "Add --data, --csv with --label, --folder or --texts")  # fmt: skip
    return str(name)


def statistics(comparison: Comparison) -> pd.DataFrame:
    """Return a row a measure that the verdict read: value, 95 % interval, margin, and where it lies."""
    measured: list[Measured] = [comparison.primary, *comparison.behaviour]
    columns = ("name", "value", "low", "high", "margin", "zone")
    return pd.DataFrame([[getattr(m, name) for name in columns] for m in measured], columns=list(columns))


def told(comparison: Comparison) -> str:
    """Return the verdict and what decided it as lines of a terminal."""
    verdict = comparison.verdict
    table = statistics(comparison).set_index("name").rename_axis(None)
    table[["value", "low", "high", "margin"]] = table[["value", "low", "high", "margin"]].map(short)
    return "\n".join([
        f"{verdict.word} (evidence: {verdict.evidence}; exit code {verdict.exit_code})", "",
        verdict.sentence, f"Doubt: {verdict.doubt}", "",
        table.to_string(), "",
        f"Margins, fixed before: {_rule(comparison)}.",
        *(f"- {reason}" for reason in verdict.reasons),
    ])  # fmt: skip


def _rule(comparison: Comparison) -> str:
    margin = comparison.facts["margin"]
    return RULE if margin is None else GIVEN.format(short(margin))


def record(comparison: Comparison) -> dict[str, Any]:
    """Return the same for a machine: what :func:`told` says, and what it was found with."""
    verdict, facts = comparison.verdict, comparison.facts
    return {
        "what": "check of explanations, version 1", "word": verdict.word, "exit_code": verdict.exit_code,
        "evidence": verdict.evidence, "sentence": verdict.sentence, "doubt": verdict.doubt,
        "reasons": list(verdict.reasons), "statistics": statistics(comparison).to_dict("records"),
        "margins": _rule(comparison), "groups": comparison.by_group().to_dict("records"),
        **{name: facts[name] for name in ("n", "n_test", "references", "sham", "output", "primary", "seed", "data", "fingerprints")},
        "method": facts["methods"][facts["primary"]], "versions": versions(),
    }  # fmt: skip


def write_record(comparison: Comparison, path: Path) -> Path:
    """Write :func:`record` as JSON, whole or not at all."""
    return files.write_json(path, record(comparison))
