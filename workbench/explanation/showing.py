"""How an explanation shows itself: one line for a prompt, a small page for a notebook."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import html
from .result import Explanation

HIDDEN = ("measured", "rules", "rows")  # settings that are said elsewhere, or say nothing to a reader


def line(e: Explanation) -> str:
    """Return what was explained, and in a word whether the numbers can be used."""
    of = f" of the {e.settings['output']}" if e.scope == "local" else ""
    return f"Explanation({e.method}{of}, values {'x'.join(map(str, e.values.shape))}, {_judged(e)})"


def _judged(e: Explanation) -> str:
    """Return mark and word, what decided, and behind a semicolon the notes."""
    word = f"{e.mark} {e.soundness}" + (f": {', '.join(e.deciding)}" if e.deciding else "")
    return word + (f"; noted: {', '.join(_notes(e))}" if _notes(e) else "")


def _notes(e: Explanation) -> list[str]:
    return [name for name in e.flags if name not in e.deciding]


def page(e: Explanation) -> html.Markup:
    """Return the finding, what the checks say with their sentences, what was estimated, how, and what it cost."""
    facts = {
        "finding": e.alt(),
        "checks": _checked(e),
        "estimates": e.estimand,
        "values": " x ".join(map(str, e.values.shape)) + (", signed" if e.signed else ", unsigned"),
        "settings": ", ".join(f"{k}={_short(v)}" for k, v in e.settings.items() if k not in HIDDEN),
        "cost": f"{e.n_forward:,} evaluations, {e.seconds:.2f} s",
    } | ({"rules": " | ".join(e.rules)} if e.rules else {})  # fmt: skip
    return html.record(f"Explanation: {e.method}", facts)


def _checked(e: Explanation) -> html.Markup:
    """Return mark and word, and under it every flag with its sentence, what decided first."""
    said = [html.join(html.strong(name), ": ", e.flags[name]) for name in e.deciding]
    said += [html.join(name, " (a note): ", e.flags[name]) for name in _notes(e)]
    word = html.strong(f"{e.mark} {e.soundness}")
    return html.join(word, html.listing(said)) if said else html.join(word, ": no check found anything")


def _short(value: Any) -> str:
    said = f"array {value.shape}" if isinstance(value, np.ndarray) else f"{value}"
    return said if len(said) <= 120 else f"{said[:120]}..."
