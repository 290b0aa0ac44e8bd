"""What was noticed in data, in words: each sentence with whether it casts doubt on all later numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data import inspection, telling
from ..data.records import Data
from ..plotting.canvas import shortened

FEW = 30  # test rows of a class below which nothing can be said about it alone
SOME = 0.01  # of the rows: fewer copies or quarrels than that are told, and are no doubt


def per_cent(share: float) -> str:
    """Return a share in words: 97.1 %."""
    return f"{100 * share:.1f} %" if np.isfinite(share) else "-"


Said = tuple[bool, str]  # whether it is a doubt, and the sentence


def sentences(data: Data, tables: dict[str, Any]) -> list[Said]:
    """Return what was found in words, each with whether it casts doubt on later numbers.

    ``tables`` are those of the card's parts, by name.
    """
    counts = dict(zip(tables["copies"]["what"], tables["copies"]["how many"], strict=True))
    told = [*_said_of_copies(data, counts), *_said_of_clusters(data, tables["clusters"]), *_said_of_one(data, tables["alone"]),
            *_said_of_classes(data, tables["balance"]), *_said_of_constants(data)]  # fmt: skip
    if data.kind == "table":
        told += _said_of_gaps(tables["missing"])
    if data.kind == "text":
        told += [*_said_of_near(data, tables["near"]), *_said_of_words(tables["lengths"])]
    return told


def _said_of_copies(data: Data, counts: dict[str, int]) -> list[Said]:
    n, seen = counts["in two splits"], counts["test rows seen in training"]
    said: list[Said] = [(False, "No input stands in two splits.")]
    if n:
        share = f"seen in training: {seen:,} of {len(data.test):,} test rows"
        said = [
            (
                seen >= SOME * len(data.test),
                f"{_count(n, 'input')} {_verb(n, 'stand')} in two splits; {share}.",
            )
        ]
    if within := counts["within a split"]:
        said.append(
            (False, f"{_count(within, 'input')} {_verb(within, 'occur')} more than once in one split.")
        )
    if two := counts["with two labels"]:
        many = two >= SOME * sum(map(len, data.splits.values()))
        said.append(
            (
                many,
                f"{_count(two, 'input')} {_verb(two, 'have')} more than one label: no model can be right about all of these rows.",
            )
        )
    else:
        said.append((False, "No input has two labels."))
    return said


def _said_of_clusters(data: Data, table: Any) -> list[Said]:
    counts = dict(zip(table["what"], table["how many"], strict=True))
    if torn := counts["in two splits"]:
        return [
            (
                True,
                f"{_count(torn, 'cluster')} {_verb(torn, 'stand')} in two splits: rows that belong together were torn apart.",
            )
        ]
    if counts["rows that share one"]:
        return [(False, f"{counts['rows']:,} rows belong to {counts['clusters']:,} clusters, the largest of {counts['largest']:,}; "
                        "none is torn apart, and intervals heed them.")]  # fmt: skip
    return []


def _said_of_one(data: Data, table: Any) -> list[Said]:
    what = {"image": "pixel", "table": "column", "text": "word"}[data.kind]
    best, most = table.iloc[0], telling.majority(data)
    name = (
        f", {shortened(best['feature'], 60).removeprefix('pixel ')},"
        if data.kind != "image"
        else f" ({best['feature']})"
    )
    said: list[Said] = [(False, f"The best single {what}{name} is right in {best['accuracy']:.0%} of held-out rows "
                                f"(the commonest class alone: {most:.0%}); its balanced accuracy is {best['balanced accuracy']:.0%} "
                                f"(chance: {1 / data.n_classes:.0%}).")]  # fmt: skip
    suspects = table[table["suspect"]]
    if len(suspects):
        named = ", ".join(shortened(name, 40) for name in suspects["feature"][:5])
        said.append((True, f"{_count(len(suspects), what)} alone may give the class away: {named} (balanced accuracy "
                           f"{suspects['balanced accuracy'].max():.0%}). Would it be known when the model is asked?"))  # fmt: skip
    fails = table[table["fails"]]
    if len(fails):
        named, first = ", ".join(shortened(name, 40) for name in fails["feature"][:5]), fails.iloc[0]
        said.append((True, f"{_count(len(fails), what)} alone {_verb(len(fails), 'tell')} the class in training rows and not in held-out ones: "
                           f"{named} (balanced accuracy {first[telling.TRAINED]:.0%}, then {first['balanced accuracy']:.0%}). Is it a shortcut?"))  # fmt: skip
    return said


def _said_of_classes(data: Data, table: Any) -> list[Said]:
    low, high = (100 * table["train share"].agg(["min", "max"])).tolist()
    even = f"{low:.1f}" == f"{high:.1f}"
    said: list[Said] = [(False, f"Every class has {low:.1f} % of the training rows." if even
                         else f"A class has {low:.1f} to {high:.1f} % of the training rows.")]  # fmt: skip
    few = table[table["test"] < FEW]
    if len(few):
        said.append((False, f"{_count(len(few), 'class', 'classes')} {_verb(len(few), 'have')} fewer than {FEW} test rows: "
                            "nothing can be said for them alone."))  # fmt: skip
    absent = table[(table["train"] == 0) | (table["test"] == 0)]
    if len(absent):
        said.append(
            (
                True,
                f"{_count(len(absent), 'class', 'classes')} {_verb(len(absent), 'have')} no row in training or in test.",
            )
        )
    return said


def _said_of_constants(data: Data) -> list[Said]:
    found = inspection.constant(data)
    if not found:
        return []
    if data.kind == "image":
        return [
            (False, f"{len(found):,} of {int(np.prod(data.input_shape)):,} pixels never vary in training.")
        ]
    named = ", ".join(shortened(name, 40) for name in found[:5])
    return [
        (False, f"{_count(len(found), 'column')} never {_verb(len(found), 'vary')} in training: {named}.")
    ]


def _said_of_gaps(table: Any) -> list[Said]:
    gaps = table[(table[["train", "valid", "test"]] > 0).any(axis=1)]
    if not len(gaps):
        return [(False, "No value is missing.")]
    worst = gaps.loc[gaps["train"].idxmax()]
    return [(False, f"{len(gaps)} of {len(table)} columns have missing values, {shortened(worst['column'], 40)} most "
                    f"({per_cent(worst['train'])} of the training rows).")]  # fmt: skip


def _said_of_near(data: Data, table: Any) -> list[Said]:
    held = len(data.valid) + len(data.test)
    if not len(table):
        return [(False, "No held-out text is nearly a training text.")]
    return [
        (
            len(table) >= SOME * held,
            f"{_count(len(table), 'text')} of {held:,} held out {_verb(len(table), 'be')} nearly, or exactly, a training text.",
        )
    ]


def _said_of_words(table: Any) -> list[Said]:
    train, test = (table[table["split"] == name].iloc[0] for name in ("train", "test"))
    said: list[Said] = [(False, f"A text has {train['median']:.0f} words in the median; {per_cent(train['cut off'])} are cut off; "
                                f"{per_cent(test['unknown'])} of the words of the test texts are unknown.")]  # fmt: skip
    if empty := table["empty"].max():
        said.append((True, f"Up to {per_cent(empty)} of the texts of a split are empty."))
    return said


def _count(n: int, what: str, many: str | None = None) -> str:
    return f"{n:,} {what if n == 1 else many or what + 's'}"


def _verb(n: int, verb: str) -> str:
    one = {"have": "has", "be": "is", "vary": "varies"}.get(verb, verb + "s")
    return one if n == 1 else {"be": "are"}.get(verb, verb)
