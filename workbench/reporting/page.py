"""The report: one printed page with the verdict, then the details, then the notebooks without code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import files, html
from ..compression.compressed import Compressed, describe
from ..data.records import Data
from ..evaluation import sheet
from ..evaluation.advantage import Advantage
from ..evaluation.comparison import Comparison
from ..evaluation.margins import short
from ..iteration.loop import Loop
from .journal import Run, versions
from .publishing import notebook_section

PACKAGE = Path(__file__).resolve().parents[1]


def report_page(folder: Path, runs: list[Run], command: str, data: Data) -> str:
    """Return the whole report as one HTML document."""
    comparison = Comparison.load(folder / "models" / "comparison.safetensors")
    worth = Advantage.from_plain(files.read_json(folder / "models" / "advantage.json"))
    loop = Loop.from_plain(files.read_json(folder / "models" / "loop.json"))
    claim, *evidence = sheet.sections(comparison)
    details = [
        _worth(worth, comparison),
        loop.section(),
        _done(comparison, runs, data),
        sheet.limits(comparison),
        _proof(comparison, command),
    ]
    notebooks = [html.Markup(notebook_section(run.path)) for run in runs]
    title = f"Does the compressed {_model(comparison)} still respond to the same parts of its input?"
    return html.page(title, claim, *evidence, *details, *notebooks)


def _worth(worth: Advantage, comparison: Comparison) -> html.Markup:
    """Return whether the net, and its compression, are worth it."""
    report, steps = comparison.facts["report"], tuple(comparison.facts["steps"])
    gain = Compressed(None, report, None, steps).gain if report else ""
    gained = [html.paragraph(html.strong("Compression. "), gain)] if gain else []
    return html.section(
        "Is it worth it?",
        html.paragraph(html.strong("The net. "), worth.sentence),
        html.table(
            worth.table().round(3).reset_index(names="model"),
            f"On {comparison.facts['n_test']:,} test rows, with 95 % intervals",
        ),
        *gained,
    )


def _model(comparison: Comparison) -> str:
    return (comparison.facts["spec"] or {}).get("builder", "model")


def _done(comparison: Comparison, runs: list[Run], data: Data) -> html.Markup:
    """Return section 5: model, data, steps, seeds, margins, deviations."""
    facts, recipe = comparison.facts, comparison.facts["recipe"] or {}
    trained = (
        f"{recipe.get('epochs')} epochs of Adam at {recipe.get('lr')}, batches of {recipe.get('batch_size')}"
    )
    rows = {
        "model": f"{_model(comparison)}, {trained}, seed {recipe.get('seed')}" + (", augmented" if recipe.get("augment") else ""),
        "data": f"{facts['data']}: {facts['n_test']:,} test rows, of which {facts['n']} were explained; {_origin(data)}",
        "compression": "; ".join(describe(step) for step in facts["steps"]) or "not known",
        "sham": _sham(facts),
        "references": f"{facts['references']} models that were given" if facts["controls_given"]["references"]
                      else f"{facts['references']} other runs of the recipe, other seeds",
        "explained": f"{', '.join(facts['methods'])}; {facts['output']}",
        "margin": f"{short(comparison.primary.margin)} by the rule fixed before results" if facts["margin"] is None
                  else f"{facts['margin']}, given before results",
        "deviations": "; ".join(_deviations(comparison, data)) or "none",
        "findings": _findings(runs),
    }  # fmt: skip
    return html.section("What was done", html.table([{"": k, "what": v} for k, v in rows.items()]))


def _origin(data: Data) -> str:
    """Return where the rows come from, and what was done while they were read."""
    return "; ".join([f"source: {data.source}", f"licence: {data.licence}", *data.notes])


def _sham(facts: dict[str, Any]) -> str:
    if not facts["sham"]:
        return "none"
    return (
        "a model that was given"
        if facts["controls_given"]["sham"]
        else "the same loss, schedule, seed and data, nothing removed"
    )


def _deviations(comparison: Comparison, data: Data) -> list[str]:
    facts, found = comparison.facts, []
    if facts["controls_given"]["references"] or facts["controls_given"]["sham"]:
        found.append("controls that were given, not trained here")
    if facts["n_train"] and facts["n_train"] < len(data.train):
        found.append(f"trained on {facts['n_train']:,} of {len(data.train):,} training rows")
    if facts["references"] < 5:
        found.append(f"{facts['references']} references instead of 5")
    if facts["n"] < 400:
        found.append(f"{facts['n']} rows instead of 400")
    return found


def _findings(runs: list[Run]) -> str:
    all_of_them = [finding for run in runs for finding in run.findings]
    missed = [finding["name"] for finding in all_of_them if not finding["holds"]]
    if not all_of_them:
        return "none were recorded"
    kept = f"{len(all_of_them) - len(missed)} of {len(all_of_them)} as expected"
    return kept + (f"; not as expected: {', '.join(missed)}" if missed else "")


def _proof(comparison: Comparison, command: str) -> html.Markup:
    """Return section 7: fingerprints, the command to do it again, lines to sign."""
    prints = {**comparison.facts["fingerprints"], "code": code_fingerprint()}
    rows: list[dict[str, Any]] = [{"SHA-256 of": k, "fingerprint": html.code(v)} for k, v in prints.items()]
    with_versions = ", ".join(f"{name} {number}" for name, number in versions().items())
    return html.section(
        "Fingerprints, and how to do it again",
        html.table(rows),
        html.paragraph("Again: ", html.code(command), f". Versions: {with_versions}."),
        html.signatures("Prepared by", "Read by"),
    )


def code_fingerprint() -> str:
    """Return the SHA-256 over every Python file of the package, in the order of their names."""
    sources = sorted(PACKAGE.rglob("*.py"))
    return files.sha256(
        b"".join(p.relative_to(PACKAGE).as_posix().encode() + p.read_bytes() for p in sources)
    )
