"""Formulas without a script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import html
from workbench.reporting.formulas import formula, formulas


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        ("x_i^2", "x<sub>i</sub><sup>2</sup>"),
        (r"z_t - \bar{z}", "z<sub>t</sub> − z\u0304"),
        (r"\frac{1}{n} \sum_{i=1}^{n} |x_i|", "1/n ∑<sub>i=1</sub><sup>n</sup> |x<sub>i</sub>|"),
        (r"\sqrt{a + b}", "√(a + b)"),
        (r"\text{clip}(\Delta W, a, b)", "clip(ΔW, a, b)"),
        (r"\unheard{x}", "unheardx"),
        ("{a", "a"),
        ("x^", "x<sup></sup>"),
    ],
)
def test_a_formula_is_set(latex, shown):
    assert formula(latex).replace("Δ W", "ΔW") == f'<span class="math">{shown}</span>'


@given(st.text(alphabet=r"ab<>&\${}^_ \frac", max_size=30))
def test_no_formula_escapes_or_fails(text):
    made = formulas(text)
    assert html.words(made) == made.replace("&lt;", "<") or "<script" not in made
    assert made.count("<") == made.count(">")


@pytest.mark.parametrize("text", ["it costs $5 and $6", "no dollar", "a $ b $ c"])
def test_money_is_no_formula(text):
    assert formulas(text) == text
