"""HTML: its main part, formulas from every usual source, exercises by class, `details`, label and heading."""

from __future__ import annotations

import latex2mathml.converter
import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, format_of
from tasks.documents.formats.html import read
from tasks.documents.mathml import latex_of
from tasks.documents.tree import xml_tree

PAGE = r"""<!DOCTYPE html><html lang=en><head><meta charset="utf-8"><title>Größe</title><script>MathJax</script></head><body>
<nav>Home <a>x</a></nav><main><h1>Sums</h1><p>Élan <em>vital</em> $x^2$ costs \$5 and a<sup>2</sup>
<p>Second <math><mi>α</mi><mo>≤</mo><mfrac><mn>1</mn><msup><mi>x</mi><mn>2</mn></msup></mfrac></math>: <math display="block"><mi>y</mi></math> end.
<span class="katex"><span class="katex-mathml"><math><semantics><mrow><mi>E</mi></mrow><annotation encoding="application/x-tex">E=mc^2</annotation></semantics></math></span><span class="katex-html" aria-hidden="true">E=mc2</span></span>
<script type="math/tex; mode=display">\int f</script>
<ul><li>one<li>two <ol type=a><li>in</ol></ul>
<table><tr><th>a<th>b<tr><td>1<td>2</table>
<div class="theorem"><h4 class="heading">Theorem 3.</h4><p>True.</p></div><div class="proof"><p>Clear.</p></div>
<article class="exercise exercise-like"><h6 class="heading">Exercise 4.</h6><p>Find <img class="latex" alt="x+1" src="x.png">.</p><details class="solution-knowl"><summary>Solution</summary><p>Two.</p></details></article>
<h2>Exercises</h2><ol><li>First.<li>Second.</ol><details><summary>Show Answer</summary>Yes.</details>
<h2>Answers</h2><ol><li>A1</ol>
<footer>Copyright</footer></main></body></html>"""


@pytest.fixture(scope="module")
def document() -> Document:
    return read(PAGE.encode(), "a.html", ReadOptions())


def test_a_page_becomes_its_main_part(document: Document) -> None:
    assert (document.title, document.language) == ("Größe", "en")
    assert [heading.title for heading in document.headings] == ["Sums", "Exercises", "Answers"]
    assert [(e.kind, e.label, e.text, e.of) for e in document.elements] == [
        ("text", None, "Élan *vital* \\(x^2\\) costs $5 and a^2", None),
        ("text", None, "Second \\(\\alpha \\le \\frac{1}{x^{2}}\\):", None),
        ("formula", None, "\\[y\\]", None),
        ("text", None, "end. \\(E=mc^2\\)", None),
        ("formula", None, "\\[\\int f\\]", None),
        ("text", None, "- one\n- two\n\n  (a) in", None),
        ("table", None, "| a | b |\n| --- | --- |\n| 1 | 2 |", None),
        ("theorem", "Theorem 3", "True.", None),
        ("proof", None, "Clear.", 7),
        ("exercise", "Exercise 4", "Find \\(x+1\\).", None),
        ("solution", "Exercise 4", "Two.", 9),
        ("exercise", "Exercise 1", "First.", None),
        ("exercise", "Exercise 2", "Second.", None),
        ("answer", "Exercise 2", "Yes.", 12),
        ("answer", "Exercise 1", "A1", 11),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_spans_are_bytes_in_any_encoding(encoding: str) -> None:
    page = PAGE.replace("α", "a").replace("≤", "=")
    page = page.replace('charset="utf-8"', f'charset="{encoding}"')
    data = page.encode(encoding)
    document = read(data, "a.html", ReadOptions())
    wide = "utf-16-le" if encoding == "utf-16" else encoding
    first, *_, last = document.elements
    assert data[first.start : first.end].decode(wide).startswith("Élan <em>vital</em>")
    assert data[last.start : last.end].decode(wide).strip() == "<li>A1"


@pytest.mark.slow
def test_pages_that_nest_without_end_or_are_no_html_are_read() -> None:
    deep = read(b"<div>" * 20_000 + b"Deep text." + b"</div>" * 20_000, "deep.html", ReadOptions())
    assert [element.text for element in deep.elements] == ["Deep text."]
    assert read(b"<p>a<![CDATA[ <!bad <b", "x.html", ReadOptions()).elements
    marked = read(b"<p>a<![OCTYPE x]>b<![endif]-->c", "x.html", ReadOptions())
    assert [element.text for element in marked.elements] == ["abc"]
    assert format_of("page", b"  <!DOCTYPE html>\n<html>") == "html"
    assert format_of("page", b"<svg>") is None


@pytest.mark.parametrize(
    "formula",
    [
        r"\frac{a}{b}+\sqrt[3]{x}",
        r"\sum_{n = 1}^{\infty}\frac{1}{n^{2}}",
        r"\begin{pmatrix}1 & 2 \\ 3 & 4\end{pmatrix}",
        r"\alpha \le \beta \in \mathbb{R}",
        r"\lim_{x \to 0}\sin x",
        r"\overline{AB}\hat{x}",
        r"f'(x) = \int_{0}^{1}x",
        r"\binom{n}{k}",
        r"\{x\mid x \ne 0\}",
        r"x_{1}^{2}",
    ],
)
def test_mathml_comes_back_as_the_latex_that_it_was_made_from(formula: str) -> None:
    assert latex_of(xml_tree(latex2mathml.converter.convert(formula).encode(), "formula")) == formula
