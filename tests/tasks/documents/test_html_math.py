"""The formulas of a page as LaTeX in its text, by each way in which pages carry them."""

from __future__ import annotations

import pytest
from lxml import html

from tasks.documents.html_math import math_as_latex, scripts_as_latex
from tasks.documents.mathml import latex_of
from tasks.documents.source_text import SourceText
from tasks.documents.tree import html_tree


def text_of(page: str) -> str:
    tree = html.fragment_fromstring(page, create_parent="div")
    math_as_latex(tree)
    scripts_as_latex(tree)
    return " ".join(tree.text_content().split())


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (
            "so <math><mi>x</mi><mo>=</mo><mfrac><mrow><mo>−</mo><mi>b</mi></mrow><mn>2</mn></mfrac></math>.",
            r"so \(x = \frac{-b}{2}\).",
        ),
        (
            '<math display="block"><munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover>'
            "<mi>α</mi></math>",
            r"\[\sum_{i = 1}^{n}\alpha\]",
        ),
        ("<math><mover><mi>v</mi><mo>→</mo></mover></math>", r"\(\vec{v}\)"),
        ("<math><mi>sin</mi><mo>\u2061</mo><mi>θ</mi><mo>≤</mo><mn>1</mn></math>", r"\(\sin\theta \le 1\)"),
        (
            "<math><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>2</mn></mtd></mtr><mtr><mtd><mn>3</mn></mtd><mtd><mn>4</mn>"
            "</mtd></mtr></mtable></math>",
            r"\(\begin{matrix}1 & 2 \\ 3 & 4\end{matrix}\)",
        ),
        ('<math alttext="{\\displaystyle a&lt;b}"><mi>a</mi></math>', r"\(a<b\)"),
        (
            '<span class="katex-display"><span class="katex"><span class="katex-mathml"><math><semantics><mi>q</mi>'
            '<annotation encoding="application/x-tex">\\frac12 q</annotation></semantics></math></span>'
            '<span class="katex-html">12q</span></span></span> end',
            r"\[\frac12 q\] end",
        ),
        (
            '<span class="katex"><span class="katex-mathml"><math><semantics><mi>q</mi><annotation encoding="application/x-tex">'
            'q</annotation></semantics></math></span><span class="katex-html">q</span></span>',
            r"\(q\)",
        ),
        (
            'a <span class="MathJax_Preview">x2</span><span class="MathJax"><span>x2</span></span>'
            '<script type="math/tex">x^2</script> b <script type="math/tex; mode=display">y</script>',
            r"a \(x^2\) b \[y\]",
        ),
        (
            '<mjx-container display="true"><mjx-math>ex</mjx-math><mjx-assistive-mml><math display="block"><msup><mi>e</mi>'
            "<mi>x</mi></msup></math></mjx-assistive-mml></mjx-container>",
            r"\[e^{x}\]",
        ),
        (
            '<span class="mwe-math-element"><span style="display:none"><math><semantics><mi>z</mi><annotation '
            'encoding="application/x-tex">{\\displaystyle z}</annotation></semantics></math></span>'
            '<img class="mwe-math-fallback-image-inline" alt="{\\displaystyle z}" src="z.svg"></span>, then',
            r"\(z\), then",
        ),
        ('<img class="latex" alt="$x^2$" src="x.png">', r"\(x^2\)"),
        ('<img src="https://latex.codecogs.com/gif.latex?\\alpha%20+1">', r"\(\alpha +1\)"),
        ('<img src="logo.png" alt="logo">a', "a"),
        ("raw $x<sup>2</sup>$ and \\(y\\)", r"raw $x^2$ and \(y\)"),
        ("x<sub>10</sub>", "x_{10}"),
        ('the 1<sup>st</sup>, noted<sup><a href="#n">2</a></sup>, see<sup>[3]</sup>', "the 1st, noted2, see[3]"),
    ],
)  # fmt: skip
def test_a_formula_stands_in_the_text_as_latex(page: str, text: str) -> None:
    assert text_of(page) == text


def test_a_formula_is_counted_once() -> None:
    tree = html.fragment_fromstring(
        '<span class="katex"><math><semantics><mi>q</mi><annotation encoding="application/x-tex">q</annotation></semantics>'
        "</math></span> <math><mi>x</mi></math>",
        create_parent="p",
    )
    assert math_as_latex(tree) == 2


@pytest.mark.parametrize(
    ("markup", "latex"),
    [
        ("<math><mi>πr</mi><mo>=</mo><mn>2α3</mn></math>", r"\pi r = 2\alpha 3"),
        ("<math><mo>⟨</mo><mi>x</mi><mo>⟩</mo></math>", r"\langle x\rangle"),
        (r"<math><mi>\imp</mi><mi>q</mi></math>", r"\imp q"),
        ("<math><mfenced open='⟨' close='⟩'><mi>u</mi><mi>v</mi></mfenced></math>", r"\left\langle u,v\right\rangle"),
    ],
)  # fmt: skip
def test_a_command_does_not_run_into_the_letter_behind_it(markup: str, latex: str) -> None:
    tree = html_tree(SourceText(markup.encode()), "a formula")
    assert latex_of(next(one for one in tree.walk() if one.tag == "math")) == latex
