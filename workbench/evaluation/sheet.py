"""A comparison as sections of a page: the claim first, then the evidence. Every number is computed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import html
from ..data.kinds import HIDDEN, KINDS
from ..plotting import canvas, comparisons
from . import bank
from .calibration import calibration_change, calibration_error
from .comparison import Comparison
from .intervals import Interval, bootstrap_mean
from .margins import Measured, short
from .shares import mcnemar_exact
from .surrogates import OF_THE_ORIGINAL
from .verdict import CANNOT_TELL, MOVED, MOVED_FOR_A_GROUP, NO_SIGN

TONES = {NO_SIGN: "steady", MOVED: "moved", MOVED_FOR_A_GROUP: "moved", CANNOT_TELL: "doubt"}
SIMILAR = {"cosine": "cosine", "topk_iou": "IoU of the top 10 %", "mass_moved": "mass moved [%]"}


def sections(comparison: Comparison) -> list[html.Markup]:
    """Return the claim and the sections that a comparison alone can fill."""
    return [
        claim(comparison),
        table(comparison),
        standing(comparison),
        examples(comparison),
        groups(comparison),
    ]


def claim(comparison: Comparison) -> html.Markup:
    """Return the verdict as a reader meets it first: word, evidence, numbers, doubt."""
    verdict, tone = comparison.verdict, TONES[comparison.verdict.word]
    return html.note(
        html.paragraph(html.strong(f"Verdict: {verdict.word.upper()}. Evidence: {verdict.evidence}.")),
        html.paragraph(verdict.sentence),
        html.paragraph(html.strong("Doubt: "), verdict.doubt),
        tone=tone,
    )


def table(comparison: Comparison) -> html.Markup:
    """Return section 1: one table of everything that counts, original to other runs."""
    c = comparison
    rows = [
        _accuracy(c),
        *_answers_kept(c),
        *_calibration(c),
        *_costs(c),
        *_similarities(c),
        *_merits(c),
        *_rules(c),
        _worst_group(c),
    ]
    notes = [*_methods(c), *_secondary(c)]
    return html.section(
        "Still right? Smaller? Same parts of the input?", html.table(rows), html.listing(notes)
    )


def standing(comparison: Comparison) -> html.Markup:
    """Return section 2: where the compressed model stands among its controls."""
    return html.section(
        "Where does it stand?",
        _figure(comparisons.standing(comparison), comparisons.standing_alt(comparison),
                "Each line is a method. Blue inside or right of the orange band: no further from the original than "
                "another training run. The index is 1 at the method's own noise and 0 at the mean of the other runs."),
        html.table([_placed(row) for _, row in comparison.table().iterrows()], "Every similarity, mean over rows"),
        *_by_layer(comparison),
    )  # fmt: skip


def _by_layer(comparison: Comparison) -> list[html.Markup]:
    """Return where in the network it moved, where there are layers to look into."""
    if not comparison.layers:
        return []
    caption = (
        "Above: what each layer holds (centred kernel alignment). Below: what flows through it to the answer (conductance, cosine). "
        "Input at the left. No mark: the layer has other units than the original's."
    )
    return [_figure(comparisons.by_layer(comparison), comparisons.by_layer_alt(comparison), caption)]


def examples(comparison: Comparison) -> html.Markup:
    """Return section 3: median and worst inputs, chosen by rule."""
    noun, speaks = comparison.facts["noun"], KINDS[comparison.facts["kind"]].speaks
    caption = (
        f"Three {noun} in the middle of the order by similarity, and the three at its end. One scale; {speaks} speaks for "
        "the class that the original answers."
    )
    return html.section(
        "Look yourself",
        _figure(comparisons.examples(comparison), comparisons.examples_alt(comparison), caption),
    )


def groups(comparison: Comparison) -> html.Markup:
    """Return section 4: for whom it changed, by class or group, and by what became of the answer."""
    caption = "n: test rows / rows explained. A group of fewer than 30 is shown and not judged."
    return html.section(
        "For whom did it change?",
        _figure(comparisons.by_group(comparison), comparisons.by_group_alt(comparison), caption),
        html.table(_by_fate(comparison), "Similarity of maps by what became of the answer"),
    )


def limits(comparison: Comparison) -> html.Markup:
    """Return section 6: what the page cannot say, and which rows are absent."""
    said = [
        "Maps are evidence about behaviour near these inputs, not proof of reasoning.",
        "The intervals of similarities resample inputs: they speak for this pair of models, not for every compression of its kind.",
        f"What is hidden is replaced by {KINDS[comparison.facts['kind']].absent}; another baseline asks another question"
        + (", and so does another size of the windows." if comparison.facts["primary"] == "occlusion" else "."),
        *_conditions(comparison),
        *(["Dynamic int8 finds the range of activations over each batch: the same row answers a little differently in other company."]
          if any(step.get("how") == "dynamic" for step in comparison.facts["steps"]) else []),
        *(["int8 is a staircase without a local slope: gradient methods explain a surrogate with bit-equal outputs, whose gradient "
           "describes changes of norm of about .6 and more. A high similarity to the original is a finding, not a proof of quality."]
          if comparison.facts["twin"] else []),
        *comparison.facts["notes"],
        *comparison.facts["skipped"],
        f"The rule itself was tried on a bank of pairs whose truth is known. {' '.join(bank.said(bank.bank()))}",
    ]  # fmt: skip
    table = bank.confusion(bank.bank()).reset_index()
    return html.section(
        "What this page cannot say",
        html.listing(said),
        html.table(table, "The rule on pairs of known truth: rows the truth, columns what was said"),
    )


def _conditions(comparison: Comparison) -> list[str]:
    kind = KINDS[comparison.facts["kind"]]
    return [
        f"Masked {kind.noun} have {HIDDEN:.0%} of their {kind.parts} hidden; noisy ones {kind.noise}; shifted ones {kind.shift}. Other changes of the input are not covered."
    ]


def _figure(fig: Any, alt: str, caption: str) -> html.Markup:
    return html.figure(canvas.png(fig), alt, caption)


def _line(name: str, original: Any = "", sham: Any = "", compressed: Any = "", runs: Any = "", difference: Any = "",
          read: str = "") -> dict[str, Any]:  # fmt: skip
    return {"": name, "original": original, "trained on, not compressed": sham, "compressed": compressed,
            "other runs": runs, "difference, 95 %": difference, "read as": read}  # fmt: skip


def _share(runs: np.ndarray) -> str:
    return f"{100 * runs.mean():.1f} %" if runs.size else "-"


def _similar(runs: np.ndarray) -> str:
    if not runs.size:
        return "-"
    means = runs.mean(1)
    return (
        short(means[0])
        if len(means) == 1
        else f"{short(means.mean())} ({short(means.min())} to {short(means.max())})"
    )


def _accuracy(c: Comparison) -> dict[str, Any]:
    change, right = c.accuracy, c.right
    p = mcnemar_exact(right["original"][0], right["compressed"][0])
    read = (
        "not inferior by 1 point"
        if change.low > -0.01
        else "inferior"
        if change.high < -0.01
        else "cannot tell by 1 point"
    )
    return _line(f"accuracy, n = {c.facts['n_test']:,}", _share(right["original"]), _share(right["sham"]),
                 _share(right["compressed"]), _share(right["references"]),
                 f"{100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f}) points",
                 f"{read}; McNemar p = {p:.2g}")  # fmt: skip


def _answers_kept(c: Comparison) -> list[dict[str, Any]]:
    rows = []
    for measured, (condition, columns) in zip(c.behaviour, c.kept.items(), strict=True):
        low, high = (f"{100 * bound:.1f}" for bound in (measured.low, measured.high))
        rows.append(_line(f"answers kept, {_asked(condition)}", "", _share(columns["sham"]), _share(columns["compressed"]),
                          _share(columns["references"]), f"{low} to {high} %", _read(measured)))  # fmt: skip
    return rows


def _asked(condition: str) -> str:
    return condition if " " in condition else f"{condition} inputs"


def _read(measured: Measured) -> str:
    if np.isnan(measured.margin):
        return "no margin without references"
    zone = {"clear": "clears", "below": "below", "open": "neither clears nor is below"}[measured.zone]
    return f"{zone} the margin {short(measured.margin)}"


def _calibration(c: Comparison) -> list[dict[str, Any]]:
    """Return how far confidence and accuracy lie apart; what is told apart is the Brier score, which has an interval."""
    if not c.confidence:
        return []
    pairs = {
        name: (c.confidence[name], c.right[name]) for name in ("original", "sham", "compressed", "references")
    }
    errors = {
        name: _short_mean([calibration_error(*pair) for pair in zip(*runs, strict=True)])
        for name, runs in pairs.items()
    }
    before, after = ((pairs[name][0][0], pairs[name][1][0]) for name in ("original", "compressed"))
    change = calibration_change(before, after, c.rows["clusters"], seed=c.facts["seed"])
    read = "better" if change.high < 0 else "worse" if change.low > 0 else "as good"
    return [_line("calibration error", errors["original"], errors["sham"], errors["compressed"], errors["references"],
                  f"Brier {change.low:+.4f} to {change.high:+.4f}", f"{read} at knowing how sure it may be")]  # fmt: skip


def _short_mean(values: list[float]) -> str:
    return f"{np.mean(values):.3f}" if values else "-"


def _rules(c: Comparison) -> list[dict[str, Any]]:
    """Return whether the compressed model is easier or harder to explain by a tree of depth three."""
    if not c.rules:
        return []
    own = {name: hits for name, hits in c.rules.items() if name in ("original", "sham", "compressed")}
    change = bootstrap_mean(
        own["compressed"].astype(float) - own["original"], c.rows["clusters"], seed=c.facts["seed"]
    )
    read = "easier" if change.low > 0 else "harder" if change.high < 0 else "neither easier nor harder"
    share = {name: f"{100 * hits.mean():.1f} %" for name, hits in c.rules.items()}
    return [
        _line("three rules deep: a tree speaks for", share["original"], share.get("sham", "-"), share["compressed"], "",
              f"{100 * change.low:+.1f} to {100 * change.high:+.1f} points", f"{read} to explain"),
        _line("the original's tree, asked of the compressed", share["original"], "", share[OF_THE_ORIGINAL], "", "",
              f"the most frequent answer alone: {share['most frequent answer']}"),
    ]  # fmt: skip


def _costs(c: Comparison) -> list[dict[str, Any]]:
    report = c.facts["report"]
    if not report:
        return []
    before, after = report["before"], report["after"]
    rows = [
        _line("file", f"{before['bytes'] / 1024:,.0f} KiB", "", f"{after['bytes'] / 1024:,.0f} KiB", "", "",
              f"{before['bytes'] / after['bytes']:.1f}x smaller")
    ]  # fmt: skip
    for key, name in (("ms_single", "ms, one input"), ("ms_batch", "ms, batch of 64")):
        rows.append(_line(f"{name}, one thread", f"{before[key]:.2f}", "", f"{after[key]:.2f}", "", "",
                          _faster(before[key] / after[key])))  # fmt: skip
    fast = before["ms_batch_channels_last"]
    if fast and np.isfinite(fast):
        rows.append(_line("ms, batch of 64, original in channels_last", f"{fast:.2f}", "", f"{after['ms_batch']:.2f}", "", "",
                          _faster(fast / after["ms_batch"])))  # fmt: skip
    return rows


def _faster(ratio: float) -> str:
    if 0.95 < ratio < 1.05:
        return "as fast"
    return f"{ratio:.1f}x faster" if ratio >= 1 else f"{1 / ratio:.1f}x slower"


def _similarities(c: Comparison) -> list[dict[str, Any]]:
    rows = []
    for method in c.facts["methods"]:
        columns, interval = c.of(method), c.interval(method)
        primary = method == c.facts["primary"]
        on = (
            "the surrogate"
            if method in c.facts["twin"]
            else "the real artifact"
            if c.facts["int8"]
            else "the model"
        )
        base, _, against = method.partition(":")
        name = (
            f"{comparisons.told(base)} of {on}"
            + (", against the runner-up" if against else "")
            + (" (primary)" if primary else "")
        )
        placed = _index(c.index(method))
        weight = "trained on: counts for nothing" if method in c.facts["trained_on"] else "secondary"
        rows.append(_line(name, _similar(columns["self"]), _similar(columns["sham"]), short(interval.value),
                          _similar(columns["references"]), f"{short(interval.low)} to {short(interval.high)}",
                          f"{_read(c.primary)}; {placed}" if primary else f"{weight}; {placed}"))  # fmt: skip
    return rows


def _index(index: Interval) -> str:
    """Return an index with its interval over inputs and runs, or why there is none."""
    if not np.isfinite(index.value):
        return index.reason.partition(":")[0]
    between = (
        f" ({index.low:.2f} to {index.high:.2f})"
        if np.isfinite(index.low) and np.isfinite(index.high)
        else ""
    )
    return f"index {index.value:.2f}{between}"


def _merits(c: Comparison) -> list[dict[str, Any]]:
    rows = []
    for metric, sign in (("deletion", -1), ("insertion", 1)):
        gains = {
            model: sign * (np.asarray(scores[metric][0]) - np.asarray(scores[metric][1]))
            for model, scores in c.merit.items()
        }
        change = bootstrap_mean(
            gains["compressed"] - gains["original"], c.rows["clusters"][: len(gains["original"])]
        )
        rows.append(_line(f"{metric}, gain over the best floor", f"{gains['original'].mean():+.3f}",
                          f"{gains['sham'].mean():+.3f}" if "sham" in gains else "-", f"{gains['compressed'].mean():+.3f}", "",
                          f"{change.low:+.3f} to {change.high:+.3f}", _gain(gains, change)))  # fmt: skip
    return rows + _stability(c)


def _stability(c: Comparison) -> list[dict[str, Any]]:
    """Return the row that says how far each model's maps move while its inputs hardly do; none where it was not asked."""
    moved = {
        model: np.asarray(scores["max_sensitivity"][0], float)
        for model, scores in c.merit.items()
        if "max_sensitivity" in scores
    }
    if not {"original", "compressed"} <= set(moved):
        return []
    known = np.isfinite(np.stack(list(moved.values()))).all(0)
    if not known.any():
        return []
    means = {model: f"{values[known].mean():.3f}" for model, values in moved.items()}
    change = bootstrap_mean(
        (moved["compressed"] - moved["original"])[known], c.rows["clusters"][: len(known)][known]
    )
    read = (
        "maps less stable"
        if change.low > 0
        else "maps more stable"
        if change.high < 0
        else "maps as stable as the original's"
    )
    return [_line(f"change of the map for a hardly changed input, n = {known.sum()}", means["original"], means.get("sham", "-"),
                  means["compressed"], "", f"{change.low:+.3f} to {change.high:+.3f}", read)]  # fmt: skip


def _gain(gains: dict[str, np.ndarray], change: Interval) -> str:
    above = "its maps beat nonsense" if gains["compressed"].mean() > 0 else "its maps do not beat nonsense"
    moved = (
        "more faithful"
        if change.low > 0
        else "less faithful"
        if change.high < 0
        else "as faithful as the original's"
    )
    return f"{above}; {moved}"


def _worst_group(c: Comparison) -> dict[str, Any]:
    far = c.by_group().sort_values("similarity").iloc[0]
    return _line(f"worst {c.facts['groups']}: {far['group']}, n = {far['n explained']}", "", "", short(far["similarity"]),
                 short(far["references"]), f"{short(far['low'])} to {short(far['high'])}", "similarity of primary maps")  # fmt: skip


def _methods(c: Comparison) -> list[str]:
    said = [
        f"{c.n} test rows were explained ({c.facts['output'].replace('_', ' ')}, the class that the original answers, cosine of "
        f"signed maps); answers were counted on all {c.facts['n_test']:,}. Original: the method's own noise.",
        f"Margins, fixed before: similarity at least {short(c.primary.margin)} ({_rule(c)}); answers kept at least the "
        "references' mean less one point.",
        f"Gain over the best floor: on the first {len(c.merit['original']['deletion'][0])} rows, against orders that know the input and its answer, and not the model (at random "
        "inside the input, by what stands out in it, by what is common in the class) and the same method on a randomized model.",
    ]
    if c.facts["report"]:
        said.append(
            "Milliseconds are those of the fastest of 30 interleaved calls on one thread; on a busy machine even they are unsure."
        )
    said += [f"{comparisons.told(method)}: {flag}" for method, flag in c.facts["twin"].items()]
    said += [
        f"Completeness gap of {comparisons.told(method)} for the compressed model: median {100 * gap:.1f} % of the output's difference."
        for method, gap in c.facts["gaps"].items()
        if gap is not None and np.isfinite(gap)
    ]
    return said


def _rule(c: Comparison) -> str:
    if c.facts["margin"] is not None:
        return "a number that was given"
    return "the larger of the sham's mean less .05 and the references' mean"


def _secondary(c: Comparison) -> list[str]:
    return [
        f"Secondary: {comparisons.told(row['method'])}, compressed minus trained on {row['compressed - sham']:+.3f}, tail probability after "
        f"Holm {row['p after Holm']:.2g}."
        for _, row in c.secondary().iterrows()
    ]


def _by_fate(c: Comparison) -> list[dict[str, Any]]:
    before, after, y = c.answers["original"], c.answers["compressed"], c.rows["y"]
    alike = c.of(c.facts["primary"])["compressed"][0]
    fates = {
        "answer kept, right": (before == after) & (after == y),
        "answer kept, wrong": (before == after) & (after != y),
        "answer changed, now wrong": (before != after) & (after != y),
        "answer changed, now right": (before != after) & (after == y),
    }
    clusters = c.rows["clusters"][: c.n]
    return [_fate(name, alike[rows], clusters[rows]) for name, rows in fates.items() if rows.any()]


def _fate(name: str, alike: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    interval = bootstrap_mean(alike, clusters)
    between = f"{short(interval.low)} to {short(interval.high)}" if np.isfinite(interval.low) else "too few"
    return {
        "what became of the answer": name,
        "n": len(alike),
        "similarity": short(interval.value),
        "95 %": between,
    }


def _placed(row: Any) -> dict[str, Any]:
    """Return a row of the comparison's table as it is read: short names, the interval behind its mean."""
    digits = "{:.1f}" if row["similarity"] == "mass_moved" else "{:.3f}"
    shown = {
        "original": "self",
        "trained on": "sham",
        "compressed": "compressed",
        "other runs": "references",
        "randomized": "randomized",
    }
    numbers = {
        name: digits.format(row[column]) if np.isfinite(row[column]) else "-"
        for name, column in shown.items()
    }
    numbers["compressed"] += f" ({digits.format(row['low'])} to {digits.format(row['high'])})"
    index = f"{row['index']:.2f}" if np.isfinite(row["index"]) else "no room"
    return {
        "maps": f"{comparisons.told(row['method'])}, {SIMILAR[row['similarity']]}",
        **numbers,
        "index": index,
    }
