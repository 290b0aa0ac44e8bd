"""``compare``: a model and its compressed form, side by side with everything that could mimic a change."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..compression.compressed import Compressed
from ..compression.controls import is_sham_of
from ..data.records import Data, Split
from ..errors import BadInput, NotExplainable, unknown
from ..explanation.door import explain
from ..explanation.outputs import OUTPUTS
from ..explanation.registry import attributing, look_up, require
from ..explanation.result import Explanation
from ..int8.conversion import is_int8
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from .axiomatic import relative_gap
from .behaviour import CONDITIONS, answers, conditions
from .comparison import Comparison
from .controls import Cast, assemble
from .judging import evaluate
from .similarities import similarity

# maps are compared with their signs; fewer steps than usual are enough for a secondary row
OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {"abs": False},
    "grad_cam": {"relu": False},
    "integrated_gradients": {"n_steps": 32},
}
LARGE = 32  # rows or columns of an image
COMPARED = ("cosine", "topk_iou", "mass_moved")
MERITS = ("deletion", "insertion", "completeness", "sparseness")
MERIT_ROWS, MERIT_SHARE = 100, 4  # of four rows one, at most 100: floors cost more than all maps together


def compare(
    before: Any,
    after: Any,
    data: Data,
    *,
    methods: Iterable[str] | Mapping[str, dict[str, Any]] | None = None,
    output: str = "centred_logit",
    n: int = 400,
    references: int | Sequence[Any] = 5,
    sham: Any = None,
    groups: Sequence[Any] | None = None,
    margin: float | None = None,
    seed: int = 0,
    verbose: bool = True,
) -> Comparison:
    """Compare how two models respond to the parts of their inputs, with controls, and say what may be said.

    Both are asked about the class that the original predicts. Five columns: the method's own noise (self),
    a model that was trained on with nothing removed (sham), the compressed one, other training runs
    (references), a randomized one. The primary end point, fixed before results, is occlusion (of images) or
    feature ablation (of columns and words) of the real artifact on centred logits, by the cosine of signed
    maps; everything else is secondary.

    Parameters
    ----------
    before, after
        Models, or what holds one. A ``Compressed`` brings the steps from which its sham is trained.
    data
        Test rows are compared; training rows train the controls.
    methods
        Names, or a dict of names and options; the primary is always among them. By default also integrated
        gradients, Grad-CAM and attention, where all models can be explained by them.
    output
        The scalar to explain. Raw logits hold a part that no answer depends on: keep the centred logit.
    n
        How many test rows are explained; answers are counted on all of them.
    references
        Models trained like the original, or how many to train from its recipe (at least 3 for an interval;
        they are cached). A model without a recipe has none, and the verdict is then "cannot tell".
    sham
        A model trained like the compression with nothing removed; trained from ``after.steps`` when None.
    groups
        A label for each test row; by default its class.
    margin
        Of the similarity, if another was fixed before; by default max(sham - .05, references).
    seed
        Of draws, masks, noise and resampling.
    verbose
        Show progress.

    Returns
    -------
    Comparison
        ``.verdict``, ``.table()``, ``.index(method)``, ``.by_group()``, ``.worst(k)``, ``.to_html(path)``.

    Raises
    ------
    NotExplainable
        A method that was asked for by name cannot explain one of the models.
    BadInput
        Wrong numbers, groups of another length, models that do not fit the data.
    UnknownName
        An unknown method or output.

    Examples
    --------
    >>> import workbench as wb
    >>> data = wb.load("mnist").subset(train=300, test=60)
    >>> net = wb.fit(wb.build("mlp", data), data, epochs=2, verbose=False)
    >>> same = wb.compare(net, net, data, references=0, n=20, verbose=False)
    >>> same.verdict.word, float(same.table()["compressed"].iloc[0])
    ('cannot tell', 1.0)
    """
    started = time.perf_counter()
    _check(output, n, references, margin, data)
    labels = _labels(groups, data)
    chosen, skipped = _methods(methods, _given(before, after, sham, references), data)
    cast = assemble(before, after, data, references, sham, seed, verbose)
    rows = data.test[:n]
    target = answers(cast.before, rows)
    players = 4 + len(cast.references)
    with tqdm(
        total=players * len(chosen), unit="map", desc="compare", disable=not verbose, leave=False
    ) as bar:
        explained = {
            name: _Explained(cast, rows, target, name, options, output, seed, bar)
            for name, options in chosen.items()
        }
    primary = explained[data.wording.primary]
    return Comparison(
        similarities={(m, s): found.columns(s) for m, found in explained.items() for s in COMPARED},
        kept=_kept(cast, conditions(data.test.x, seed, data.codec), data.codec),
        right=_right(cast, data.test),
        maps=primary.shown(),
        answers={name: answers(model, rows) for name, model in _shown(cast).items()},
        rows={"x": rows.x, "y": rows.y, "target": target, "row_ids": rows.row_ids,
              "clusters": data.test.clusters, **_worded(primary.first)},
        merit=_merit(cast, primary, data, seed),
        facts={
            "output": output, "margin": margin, "seed": seed, "labels": labels,
            "groups": "class" if groups is None else "group",
            "controls_given": {"sham": sham is not None and not is_sham_of(sham, after), "references": not isinstance(references, int)},
            "notes": list(cast.notes), "skipped": skipped,
            **_sizes(cast, rows, data), **_asked(explained, data.wording.primary), **_history(before, after, cast, data),
            "seconds": time.perf_counter() - started,
        },
    )  # fmt: skip


def _sizes(cast: Cast, rows: Split, data: Data) -> dict[str, Any]:
    return {"n": len(rows), "n_test": len(data.test), "n_train": len(data.train), "references": len(cast.references), "sham": cast.sham is not None,
            "data": data.name, "class_names": list(data.class_names),
            "kind": data.kind, "noun": "digits" if data.name == "mnist" else data.wording.noun,
            "conditions": list(CONDITIONS)}  # fmt: skip


def _worded(e: Explanation) -> dict[str, Any]:
    """Return what stands at each feature in words, where the features are no pixels."""
    words = {"labels": e.labels, "feature_names": e.feature_names, "padding": e.padding}
    return {name: value for name, value in words.items() if value is not None and e.labels is not None}


def _asked(explained: dict[str, _Explained], primary: str) -> dict[str, Any]:
    """Return what was explained how, and what was noticed about the compressed model's surrogate."""
    return {
        "primary": primary,
        "methods": {m: found.settings for m, found in explained.items()},
        "real_artifact": "twin" not in explained[primary].flags,
        "twin": {m: found.flags["twin"] for m, found in explained.items() if "twin" in found.flags},
        "gaps": {m: found.gap for m, found in explained.items()},
        "trained_on": [],
    }


def _history(before: Any, after: Any, cast: Cast, data: Data) -> dict[str, Any]:
    """Return where the pair comes from: recipe, steps, report, fingerprints."""
    made = after if isinstance(after, Compressed) else None
    prints = {
        "data": data.fingerprint,
        "original": fingerprint(cast.before),
        "compressed": fingerprint(cast.after),
    }
    return {"recipe": getattr(cast.before, "recipe", None), "spec": getattr(cast.before, "spec", None),
            "report": made.report if made else None, "steps": list(made.steps) if made else [],
            "int8": is_int8(cast.after), "fingerprints": prints}  # fmt: skip


def _check(output: str, n: Any, references: Any, margin: Any, data: Any) -> None:
    if output not in OUTPUTS:
        raise unknown("output", output, OUTPUTS)
    if not isinstance(data, Data):
        raise BadInput(
            f"data is a {type(data).__name__}", "Data, with test rows to compare on", "Use wb.from_arrays"
        )
    if not isinstance(n, (int, np.integer)) or n < 1:
        raise BadInput(f"n is {n!r}", "a number of rows, at least one", "400 are a good number")
    if isinstance(references, int) and references < 0:
        raise BadInput(
            f"references is {references}", "how many to train, or a list of models", "5 are a good number"
        )
    if margin is not None and not (isinstance(margin, (int, float)) and -1 <= margin <= 1):
        raise BadInput(
            f"margin is {margin!r}", "a similarity between -1 and 1", "Leave it out for the rule's"
        )


def _given(before: Any, after: Any, sham: Any, references: Any) -> list[Any]:
    """Return the models that were given; those that are trained later are built like the original."""
    listed = [] if isinstance(references, int) else references
    return [unwrap(model) for model in (before, after, sham, *listed) if model is not None]


def _labels(groups: Sequence[Any] | None, data: Data) -> list[str]:
    """Return a group's name for each test row, by default its class."""
    if groups is None:
        return [data.class_names[c] for c in data.test.y]
    labels = [str(g) for g in groups]
    if len(labels) != len(data.test):
        raise BadInput(
            f"groups has {len(labels)} labels for {len(data.test)} test rows", "one a row", "Match them"
        )
    return labels


def _methods(asked: Any, models: Sequence[Any], data: Data) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the methods with their options, and notes on those of the default that cannot explain the models."""
    primary = data.wording.primary
    if asked is not None:
        asked = [asked] if isinstance(asked, str) else asked
        options = (
            dict(asked)
            if isinstance(asked, Mapping)
            else {name: {k: v for k, v in OPTIONS.get(name, {}).items() if k != "n_steps"} for name in asked}
        )
        if views := [name for name in options if look_up(name).scope == "global" or not attributing(name)]:
            raise BadInput(
                f"{views[0]} gives no attributions of rows",
                "methods with a map a row",
                "Choose among wb.methods()",
            )
        for model in models:
            for name in options:
                require(look_up(name), model, data.kind)
        return {primary: options.pop(primary, _options(primary, data)), **options}, []
    able, notes = {}, []
    for name in (primary, *data.wording.secondary):
        try:
            for model in models:
                require(look_up(name), model, data.kind)
            able[name] = _options(name, data)
        except NotExplainable as problem:
            notes.append(problem.wrong)
    return able, notes


def _options(name: str, data: Data) -> dict[str, Any]:
    """Return a default method's options; windows do not overlap on large images, where they would cost minutes."""
    if name == "occlusion" and min(data.input_shape[-2:]) >= LARGE:
        window = [max(1, side // 7) for side in data.input_shape[-2:]]
        return {"window": window, "strides": window}
    return OPTIONS.get(name, {})


def _shown(cast: Cast) -> dict[str, Any]:
    """Return the models whose maps are drawn side by side."""
    shown = {"original": cast.before, "compressed": cast.after, "trained on": cast.sham}
    return {name: m for name, m in shown.items() if m is not None} | dict(
        zip(["another run"], cast.references, strict=False)
    )


class _Explained:
    """Every model explained by one method, for the original's classes; independent draws for all but the first."""

    def __init__(self, cast: Cast, rows: Split, target: np.ndarray, method: str, options: dict[str, Any],
                 output: str, seed: int, bar: tqdm) -> None:  # fmt: skip
        def explained(model: Any, draw: int) -> Explanation:
            bar.set_postfix_str(method)
            bar.update()
            return explain(model, rows, method, target=target, output=output, seed=draw, **options)

        self.first = explained(cast.before, seed)
        random = look_up(method).takes("seed") or "noise" in options
        self.runs = {
            "self": [explained(cast.before, seed + 1) if random else self.first],
            "sham": [] if cast.sham is None else [explained(cast.sham, seed + 1)],
            "compressed": [explained(cast.after, seed + 1)],
            "references": [explained(model, seed + 1) for model in cast.references],
            "randomized": [explained(cast.randomized, seed + 1)],
        }
        self.settings = {
            k: v for k, v in self.first.settings.items() if k not in ("measured", "seed", "output")
        }
        self.flags = self.runs["compressed"][0].flags

    @property
    def gap(self) -> float:
        """The compressed model's median completeness gap, a share of the output's difference; NaN where none is promised."""
        return (
            float(np.nanmedian(relative_gap(self.runs["compressed"][0])))
            if self.first.delta is not None
            else float("nan")
        )

    def columns(self, name: str) -> dict[str, np.ndarray]:
        """Return the similarity of every run's maps to the original's, ``(runs, n)`` by column."""
        n = len(self.first)
        return {
            column: np.array([similarity(self.first, e, metrics=(name,))[name] for e in runs]).reshape(-1, n)
            for column, runs in self.runs.items()
        }

    def shown(self) -> dict[str, np.ndarray]:
        """Return the maps that are drawn side by side."""
        drawn = {"original": [self.first], "compressed": self.runs["compressed"], "trained on": self.runs["sham"],
                 "another run": self.runs["references"]}  # fmt: skip
        return {name: _map(runs[0]) for name, runs in drawn.items() if runs}


def _map(e: Explanation) -> np.ndarray:
    return e.values if e.map is None else e.map


def _columns(cast: Cast) -> dict[str, list[Any]]:
    return {"sham": [] if cast.sham is None else [cast.sham], "compressed": [cast.after],
            "references": list(cast.references), "randomized": [cast.randomized]}  # fmt: skip


def _kept(cast: Cast, asked: dict[str, np.ndarray], codec: Any) -> dict[str, dict[str, np.ndarray]]:
    """Return whether each model gives the original's answer, ``(runs, test rows)``, in every condition."""
    kept = {}
    for condition, x in asked.items():
        own = answers(cast.before, x, codec)
        kept[condition] = {
            column: np.array([answers(m, x, codec) == own for m in models]).reshape(-1, len(x))
            for column, models in _columns(cast).items()
        }
    return kept


def _right(cast: Cast, test: Split) -> dict[str, np.ndarray]:
    columns = {"original": [cast.before], **_columns(cast)}
    return {
        column: np.array([answers(m, test) == test.y for m in models]).reshape(-1, len(test))
        for column, models in columns.items()
    }


def _merit(cast: Cast, primary: _Explained, data: Data, seed: int) -> dict[str, dict[str, Any]]:
    """Judge each model's own explanations: how faithful above the best floor, how sparse."""
    models = {
        "original": (cast.before, primary.first),
        "compressed": (cast.after, primary.runs["compressed"][0]),
    }
    if cast.sham is not None:
        models["sham"] = cast.sham, primary.runs["sham"][0]
    merit = {}
    for name, (model, e) in models.items():
        scores = evaluate(
            e[: max(1, min(MERIT_ROWS, len(e) // MERIT_SHARE))], model, MERITS, data=data, seed=seed
        )
        merit[name] = {metric: (scores[metric], scores.columns[metric].floor) for metric in MERITS}
    return merit
