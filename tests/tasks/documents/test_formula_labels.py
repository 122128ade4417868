"""References to formulas in Markdown, Jupyter and HTML, and environments that macros of a LaTeX document begin."""

from __future__ import annotations

import json

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, reader


def read(text: str, format: str) -> Document:
    return reader(format).read(text.encode(), f"a.{format}", ReadOptions())


def texts(document: Document) -> list[str]:
    return [element.text for element in document.elements]


ALIGNED = r"""
\begin{align}
a &= b \label{one} \\
d &= \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases} \label{two} \\
e &= f \nonumber
\end{align}

By $\eqref{one}$, \eqref{two} and \ref{gone}.
"""


@pytest.mark.parametrize("format", ["markdown", "jupyter", "html"])
def test_rows_are_numbered_where_something_refers_to_them(format: str) -> None:
    source = ALIGNED
    if format == "jupyter":
        source = json.dumps({"cells": [{"cell_type": "markdown", "source": ALIGNED}], "nbformat": 4})
    if format == "html":
        source = f"<html><script src='mathjax.js'></script><p>{ALIGNED.replace('<', '&lt;')}</p></html>"
    whole = " ".join("\n".join(texts(read(source, format))).split())
    assert (
        r"a &= b \tag{1} \\ d &= \begin{cases} 1 & x > 0 \\ 0 & x \le 0 \end{cases} \tag{2} \\ e &= f \nonumber"
        in whole
    )
    assert whole.endswith("By (1), (2) and [??].")
    assert "label" not in whole


@pytest.mark.parametrize(
    ("formula", "reference", "shown"),
    [
        ("$$ y = x $$ {#eq-line}", "by @eq-line,", "by Equation (1),"),
        ("$$ y = x $$ {#eq:line}", "by Eq. [@eq:line],", "by Eq. (1),"),
        ("$$ y = x $$ (line)", "by {eq}`line`,", "by (1),"),
        ("```{math}\n:label: line\ny = x\n```", "by {eq}`line`,", "by (1),"),
        (r"$$ y = x \tag{2.1} \label{line} $$", r"by \eqref{line},", "by (2.1),"),
    ],
)
def test_dialects_of_markdown_name_formulas(formula: str, reference: str, shown: str) -> None:
    first, second = texts(read(f"{formula}\n\nNow {reference} or me@eq-mail.org.\n", "markdown"))
    number = "2.1" if "2.1" in shown else "1"
    assert first == rf"\[y = x \tag{{{number}}}\]"
    assert second == f"Now {shown} or me@eq-mail.org."


def test_links_to_a_formula_number_it_and_complete_an_exercise() -> None:
    page = r"""<html><script src="katex.js"></script><body><h2>Heat</h2>
<div class="math" id="heat"><span class="eqno">(4)<a class="headerlink" href="#heat">#</a></span>\[u_t = k u_{xx}\]</div>
<p>By <a href="#heat">(4)</a> it flows; see <a href="#top">above</a>.</p>
<div class="exercise"><p>Use equation <a href="#heat">(4)</a> for \(u = x^2\).</p></div></body></html>"""
    formula, text, exercise = texts(read(page, "html"))
    assert formula == r"\[u_t = k u_{xx} \tag{4}\]"
    assert text == "By (4) it flows; see above."
    assert exercise == r"\[u_t = k u_{xx} \tag{4}\]" + "\n\n" + r"Use equation (4) for \(u = x^2\)."


def test_a_document_without_references_keeps_its_formulas() -> None:
    assert texts(read("$$\\begin{equation} a \\\\ b \\end{equation}$$\n", "markdown")) == [
        "\\[\\begin{equation} a \\\\ b \\end{equation}\\]"
    ]


def test_macros_of_a_latex_document_begin_and_end_environments() -> None:
    source = r"""\documentclass{article}
\newcommand{\be}{\begin{equation}} \newcommand{\ee}{\end{equation}}
\def\bea{\begin{eqnarray}}\def\eea{\end{eqnarray}}
\newcommand\bi{\begin{itemize}}\newcommand\ei{\end{itemize}}
\begin{document}
The energy is \be E = mc^2, \label{en} \ee where $m$ is the mass. By \eqref{en} it is large:
\bea a &=& b \label{a} \\ &=& c. \eea
\bi \item one by \ref{a} \item two \ei
\end{document}"""
    document = read(source, "latex")
    assert texts(document) == [
        "The energy is",
        r"\[E = mc^2, \tag{1}\]",
        r"where \(m\) is the mass. By (1) it is large:",
        "\\[\\begin{array}{rcl}\na &=& b \\qquad\\text{(2)}\\\\ &=& c.\n\\end{array}\\]",
        "- one by 2\n- two",
    ]
    spans = [source.encode()[one.start : one.end].decode() for one in document.elements]
    assert spans[1] == r"\be E = mc^2, \label{en} \ee"
