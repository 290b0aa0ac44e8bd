"""``compare``: a model and its compressed form, side by side with everything that could mimic a change."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from ..compression.compressed import Compressed
from ..compression.controls import is_sham_of
from ..data.bare import NOTE as BARE
from ..data.bare import as_data
from ..data.records import Data, Split
from ..errors import BadInput, NotExplainable, unknown
from ..explanation.outputs import OUTPUTS
from ..explanation.registry import attributing, look_up, require, table
from ..explanation.result import Explanation
from ..explanation.score import class_scores
from ..int8.conversion import is_int8
from ..zoo.holder import unwrap
from ..zoo.identity import fingerprint
from . import maps
from .alignment import by_layer
from .behaviour import answers, conditions, counterfactuals
from .calibration import confidences
from .comparison import Comparison
from .controls import Cast, assemble
from .judging import evaluate
from .maps import RIVAL, Maps
from .surrogates import fidelities

# maps are compared with their signs; fewer steps than usual are enough for a secondary row
OPTIONS: dict[str, dict[str, Any]] = {
    "saliency": {"abs": False},
    "grad_cam": {"relu": False},
    "integrated_gradients": {"n_steps": 32},
}
SECOND_PRIMARY = "kernel_shap"  # where the primary's own maps were trained on
REGIONS = 7  # of an image's side, for the methods that ask for as many evaluations as there are features
LARGE = 32  # rows or columns of an image
COMPARED = ("cosine", "topk_iou", "mass_moved")
MERITS = ("deletion", "insertion", "completeness", "sparseness")
CONTRASTED = 100  # rows that are explained against the runner-up too
STABILITY = {"max_sensitivity": {"n_samples": 3}}
STABLE_ROWS = 16  # of these every copy is explained anew
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
        Test rows are compared; training rows train the controls. Also the name of a shipped set, or ``(x, y)``:
        images or numbers as the models take them, which are all compared and train nothing.
    methods
        Names, or a dict of names and options; the primary is always among them. By default also integrated
        gradients, Grad-CAM and attention, where all models can be explained by them. In a dict an entry may also be
        your own function ``f(model, x, target) -> values``, or explanations that you have: ``(before, after)``, or a
        dict of these and of "self", "sham", "references" (a list) and "randomized".
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
    data = as_data(data)
    _check(output, n, references, margin)
    labels = _labels(groups, data)
    trained_on = _trained_on(after)
    primary = _primary(data, trained_on)
    chosen, skipped = _methods(methods, primary, _given(before, after, sham, references), data)
    cast = assemble(before, after, data, references, sham, seed, verbose)
    rows = data.test[:n]
    scores = class_scores(cast.before, rows)
    explained = _explained(cast, rows, scores, chosen, primary, output, seed, verbose)
    first = explained[primary]
    layers = by_layer(cast, rows, scores.argmax(1), output)
    right, sure = _answered(cast, data.test)
    asked = conditions(data.test.x, seed, data.codec) | counterfactuals(data.test)
    return Comparison(
        similarities={(m, s): found.columns(s) for m, found in explained.items() for s in COMPARED},
        kept=_kept(cast, asked, data.codec),
        right=right,
        confidence=sure,
        layers=layers,
        rules=fidelities(_judged(cast), data),
        maps=first.shown(),
        answers={name: answers(model, rows) for name, model in _shown(cast).items()},
        rows={"x": rows.x, "y": rows.y, "target": scores.argmax(1), "row_ids": rows.row_ids,
              "clusters": data.test.clusters, **_worded(first.first)},
        merit=_merit(cast, first, data, seed),
        facts={
            "output": output, "margin": margin, "seed": seed, "labels": labels,
            "groups": "class" if groups is None else "group",
            "controls_given": {"sham": sham is not None and not is_sham_of(sham, after), "references": not isinstance(references, int)},
            "notes": [*cast.notes, *(note for note in data.notes if note == BARE)], "skipped": skipped, "trained_on": trained_on, "conditions": list(asked), "layers": list(layers),
            **_sizes(cast, rows, data), **_asked(explained, primary), **_history(before, after, cast, data),
            "seconds": time.perf_counter() - started,
        },
    )  # fmt: skip


def _explained(cast: Cast, rows: Split, scores: np.ndarray, chosen: dict[str, Any], primary: str, output: str, seed: int,
               verbose: bool) -> dict[str, Maps]:  # fmt: skip
    """Explain every model by every method, for the original's classes; by the primary also against its second ones."""
    target, rival = scores.argmax(1), _second(scores)
    contrasts = scores.shape[1] > 2 and output in ("logit", "centred_logit")
    rounds = sum(not maps.is_ready(asked) for asked in chosen.values()) + contrasts
    with tqdm(
        total=(4 + len(cast.references)) * rounds,
        unit="map",
        desc="compare",
        disable=not verbose,
        leave=False,
    ) as bar:

        def tick(method: str) -> None:
            bar.set_postfix_str(method)
            bar.update()

        found = {}
        for name, asked in chosen.items():
            found[name] = _maps(cast, rows, target, name, asked, output, seed, tick)
            if name == primary and contrasts:
                other = maps.by_method(
                    cast, rows[:CONTRASTED], rival[:CONTRASTED], name, asked, output, seed, tick
                )
                found[name + RIVAL] = found[name].against(other)
    return found


def _maps(
    cast: Cast, rows: Split, target: np.ndarray, name: str, asked: Any, output: str, seed: int, tick: Any
) -> Maps:
    if callable(asked):
        return maps.by_function(cast, rows, target, name, asked, seed, tick)
    if maps.is_ready(asked):
        return maps.ready(asked, name, rows, target)
    return maps.by_method(cast, rows, target, name, asked, output, seed, tick)


def _second(scores: np.ndarray) -> np.ndarray:
    """Return the class that comes second, ``(n,)``."""
    return np.argsort(-scores, axis=1, kind="stable")[:, min(1, scores.shape[1] - 1)]


def _trained_on(after: Any) -> list[str]:
    """Return the methods whose maps the compressed model was trained to keep: their agreement proves nothing."""
    steps = after.steps if isinstance(after, Compressed) else ()
    return sorted({method for step in steps for method in step.get("trained_on") or ()})


def _primary(data: Data, trained_on: Sequence[str]) -> str:
    """Return the method whose maps are the primary end point, fixed before results: one that was not trained on."""
    return data.wording.primary if data.wording.primary not in trained_on else SECOND_PRIMARY


def _sizes(cast: Cast, rows: Split, data: Data) -> dict[str, Any]:
    return {"n": len(rows), "n_test": len(data.test), "n_train": len(data.train), "references": len(cast.references), "sham": cast.sham is not None,
            "data": data.name, "class_names": list(data.class_names),
            "kind": data.kind, "noun": "digits" if data.name == "mnist" else data.wording.noun,
            }  # fmt: skip


def _worded(e: Explanation) -> dict[str, Any]:
    """Return what stands at each feature in words, where the features are no pixels."""
    words = {"labels": e.labels, "feature_names": e.feature_names, "padding": e.padding}
    return {name: value for name, value in words.items() if value is not None and e.labels is not None}


def _asked(explained: dict[str, Maps], primary: str) -> dict[str, Any]:
    """Return what was explained how, and what was noticed about the compressed model's surrogate."""
    return {
        "primary": primary,
        "methods": {m: found.settings for m, found in explained.items()},
        "real_artifact": "twin" not in explained[primary].compressed.flags,
        "twin": {
            m: found.compressed.flags["twin"]
            for m, found in explained.items()
            if "twin" in found.compressed.flags
        },
        "gaps": {m: found.gap for m, found in explained.items()},
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


def _check(output: str, n: Any, references: Any, margin: Any) -> None:
    if output not in OUTPUTS:
        raise unknown("output", output, OUTPUTS)
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


def _methods(asked: Any, primary: str, models: Sequence[Any], data: Data) -> tuple[dict[str, Any], list[str]]:
    """Return what was asked for by name, the primary first, and notes on defaults that cannot explain the models."""
    if asked is not None:
        named = _named(asked)
        for model in models:
            for name in _ours(named):
                require(look_up(name), model, data.kind)
        return {primary: named.pop(primary, _options(primary, data)), **named}, []
    able, notes = {}, []
    for name in (primary, *data.wording.secondary):
        try:
            for model in models:
                require(look_up(name), model, data.kind)
            able[name] = _options(name, data)
        except NotExplainable as problem:
            notes.append(problem.wrong)
    return able, notes


def _named(asked: Any) -> dict[str, Any]:
    """Return methods with their options, functions or ready maps, and refuse what has no map a row."""
    asked = [asked] if isinstance(asked, str) else asked
    if not isinstance(asked, Mapping):
        asked = {name: {k: v for k, v in OPTIONS.get(name, {}).items() if k != "n_steps"} for name in asked}
    if strange := [name for name in asked if not str(name).isidentifier()]:
        raise BadInput(
            f"A method is called {strange[0]!r}",
            "a name without spaces, such as my_method",
            "Call it otherwise",
        )
    if views := [name for name in _ours(asked) if look_up(name).scope == "global" or not attributing(name)]:
        raise BadInput(
            f"{views[0]} gives no attributions of rows",
            "methods with a map a row",
            "Choose among wb.methods()",
        )
    return dict(asked)


def _ours(named: Mapping[str, Any]) -> list[str]:
    """Return the names that are those of methods, not of functions or of ready maps."""
    return [name for name, asked in named.items() if not (callable(asked) or maps.is_ready(asked))]


def _options(name: str, data: Data) -> dict[str, Any]:
    """Return a default method's options; windows do not overlap on large images, where they would cost minutes."""
    if name == SECOND_PRIMARY and data.kind == "image":
        return {"feature_mask": _regions(data.input_shape)}
    if name == "occlusion" and min(data.input_shape[-2:]) >= LARGE:
        window = [max(1, side // 7) for side in data.input_shape[-2:]]
        return {"window": window, "strides": window}
    if data.kind == "table" and data.codec is None:
        return {**OPTIONS.get(name, {}), "baselines": data.train.x.mean(0, dtype=np.float32)}
    return OPTIONS.get(name, {})


def _regions(shape: tuple[int, ...]) -> np.ndarray:
    """Return the number of the region that each pixel lies in, ``(1, row, column)``: seven by seven of them."""
    down, right = (np.arange(side) * REGIONS // side for side in shape[-2:])
    return (down[:, None] * REGIONS + right)[None]


def _shown(cast: Cast) -> dict[str, Any]:
    """Return the models whose maps are drawn side by side."""
    shown = {"original": cast.before, "compressed": cast.after, "trained on": cast.sham}
    return {name: m for name, m in shown.items() if m is not None} | dict(
        zip(["another run"], cast.references, strict=False)
    )


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


def _answered(cast: Cast, test: Split) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return whether each model gives the true class, and how sure it is of its answer, ``(runs, test rows)`` by column."""
    columns = {"original": [cast.before], **_columns(cast)}
    scores = {column: [class_scores(m, test) for m in models] for column, models in columns.items()}
    right = {
        c: np.array([z.argmax(1) == test.y for z in runs]).reshape(-1, len(test))
        for c, runs in scores.items()
    }
    sure = {c: np.array([confidences(z) for z in runs]).reshape(-1, len(test)) for c, runs in scores.items()}
    return right, sure


def _judged(cast: Cast) -> dict[str, Any]:
    """Return the models that are judged for themselves."""
    models = {"original": cast.before, "compressed": cast.after, "sham": cast.sham}
    return {name: model for name, model in models.items() if model is not None}


def _merit(cast: Cast, primary: Maps, data: Data, seed: int) -> dict[str, dict[str, Any]]:
    """Judge each model's own explanations: how faithful above the best floor, how complete, sparse and stable."""
    explained = dict(
        zip(
            ("original", "compressed", "sham"),
            (primary.first, primary.compressed, *primary.runs["sham"]),
            strict=False,
        )
    )
    merit = {}
    for name, model in _judged(cast).items():
        e = explained[name]
        scores = evaluate(
            e[: max(1, min(MERIT_ROWS, len(e) // MERIT_SHARE))], model, MERITS, data=data, seed=seed
        )
        merit[name] = {metric: (scores[metric], scores.columns[metric].floor) for metric in MERITS}
        if e.method in table():  # A function of somebody's own cannot be asked again here.
            again = evaluate(e[: min(STABLE_ROWS, len(e))], model, STABILITY, data=data, seed=seed)
            merit[name] |= {metric: (again[metric], again.columns[metric].floor) for metric in STABILITY}
    return merit
