"""Formulas in plain HTML: italics, sub- and superscripts, Greek letters and signs, without MathJax.

It reads the small part of LaTeX that the notebooks use. What it does not know, it prints by its name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from .. import html

_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)", re.DOTALL)
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[{}^_]|\s+|[^\\{}^_\s]")
_GREEK = """alpha α beta β gamma γ delta δ epsilon ε varepsilon ε zeta ζ eta η theta θ kappa κ lambda λ mu μ nu ν xi ξ
pi π rho ρ sigma σ tau τ phi φ varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Sigma Σ Phi Φ Psi Ψ Omega Ω"""
_SIGNS = """cdot · times × pm ± le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ equiv ≡ sim ∼ propto ∝ to → rightarrow → mapsto ↦
in ∈ notin ∉ subset ⊂ subseteq ⊆ setminus ∖ cup ∪ cap ∩ emptyset ∅ sum ∑ prod ∏ int ∫ partial ∂ nabla ∇ infty ∞ odot ⊙
forall ∀ exists ∃ mid | vert | lVert ‖ rVert ‖ Vert ‖ | ‖ ldots … dots … cdots ⋯ quad \u2003 langle ⟨ rangle ⟩ ell ℓ top ⊤
lfloor ⌊ rfloor ⌋ lceil ⌈ rceil ⌉ { { } } % % _ _ , \u2009 ; \u2005 : \u2005 ! \u200b left \u200b right \u200b \\ \u2003"""
_NAMES = dict(zip(*[iter(re.split(r"[ \n]+", f"{_GREEK} {_SIGNS}"))] * 2, strict=True))
_ACCENTS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303", "dot": "\u0307", "vec": "\u20d7"}
_UPRIGHT = {"text", "mathrm", "operatorname", "mathbf", "textbf", "mathcal", "mathbb", "mathit", "boldsymbol"}


def formulas(text: str) -> html.Markup:
    """Return text in which what stands between dollars is set as a formula.

    Examples
    --------
    >>> formulas("cost $x_i^2$ for $5")
    'cost <span class="math">x<sub>i</sub><sup>2</sup></span> for $5'
    """
    parts, end = [], 0
    for found in _FORMULA.finditer(text):
        parts += [text[end : found.start()], formula(found[1] or found[2])]
        end = found.end()
    return html.join(*parts, text[end:])


def formula(latex: str) -> html.Markup:
    r"""Return one formula.

    Examples
    --------
    >>> formula(r"\frac{a+b}{2} \le \hat y")
    '<span class="math">(a+b)/2 ≤ ŷ</span>'
    """
    tokens = iter(_TOKEN.findall(latex.strip()))
    return html.tag("span", *_until(tokens, None), class_="math")


def _until(tokens: Iterator[str], last: str | None) -> list[html.Markup]:
    parts = []
    for token in tokens:
        if token == last:
            break
        parts.append(_set(token, tokens))
    return parts


def _set(token: str, tokens: Iterator[str]) -> html.Markup:
    """One token, with the arguments it takes from those that follow."""
    name = token[1:]
    if token in "^_":
        return html.tag("sup" if token == "^" else "sub", _argument(tokens))
    if token == "{":
        return html.join(*_until(tokens, "}"))
    if not token.startswith("\\"):
        return html.escape(re.sub(r"\s+", " ", token).replace("-", "−"))
    if name == "frac":
        return html.join(_grouped(_argument(tokens)), "/", _grouped(_argument(tokens)))
    if name == "sqrt":
        return html.join("√", _grouped(_argument(tokens)))
    if name in _ACCENTS:
        return html.Markup(unicodedata.normalize("NFC", _argument(tokens) + _ACCENTS[name]))
    return _argument(tokens) if name in _UPRIGHT else html.escape(_NAMES.get(name, name))


def _argument(tokens: Iterator[str]) -> html.Markup:
    token = next((token for token in tokens if not token.isspace()), "")
    return _set(token, tokens) if token else html.Markup("")


def _grouped(part: html.Markup) -> html.Markup:
    return part if len(html.words(part)) == 1 else html.join("(", part, ")")
