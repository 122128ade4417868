"""Numbers of formulas and theorems, against those that pdflatex writes into its .aux file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions
from tasks.documents.formats.latex import read
from tests.tasks.documents.typesetting import pdflatex

BODY = r"""\chapter{One}
\section{A}
\begin{equation}\label{eq:a} a=b \end{equation}
\begin{align} x &= y \nonumber \\ y &= z \label{eq:b1} \\ z &= \begin{cases} 1 \\ 2 \end{cases} \label{eq:b2}
\end{align}
\begin{gather*} c \tag{$*$}\label{eq:c} \\ d \end{gather*}
\begin{subequations}\label{eq:s}
\begin{align} p &= 1 \label{eq:s1}\\ q &= 2 \label{eq:s2} \end{align}
\end{subequations}
\begin{multline} u \\ + v \label{eq:m} \end{multline}
\begin{theorem}\label{thm} If \eqref{eq:m} then $x$. \begin{equation} k=1 \label{eq:in}\end{equation}\end{theorem}
\begin{lemma}\label{lem} By \eqref{eq:in}.\end{lemma}
\section*{Unnumbered} \section{B}
\begin{eqnarray} m &=& n \label{eq:e1}\\ n &=& o % a comment \\ \label{no}
\label{eq:e2} \end{eqnarray}
\addtocounter{equation}{4}
\begin{gather} g \label{eq:g} \\[2pt] \begin{aligned} h \\ i \end{aligned} \label{eq:h} \end{gather}
\chapter*{Between} \chapter{Two} \setcounter{equation}{10}
\begin{equation} \begin{split} j \\ k \end{split} \label{eq:j} \end{equation}
\begin{align*} r \tag*{[R]}\label{eq:r} \\ s \notag \end{align*}
\appendix \chapter{More}
\begin{equation} x \label{eq:app}\end{equation} \begin{lemma}\label{lem:app} Last.\end{lemma}
"""
HEADS = {
    "book": r"\documentclass{book}\newtheorem{theorem}{Theorem}[chapter]\newtheorem{lemma}[theorem]{Lemma}",
    "within sections": (
        r"\documentclass{report}\newtheorem{theorem}[equation]{Theorem}\newtheorem{lemma}{Lemma}[section]"
        r"\numberwithin{equation}{section}"
    ),
    "own format": (
        r"\documentclass{book}\newtheorem{theorem}{Theorem}\newtheorem{lemma}[theorem]{Lemma}"
        r"\renewcommand{\theequation}{\Roman{chapter}-\arabic{equation}}"
    ),
}


def latex(source: str) -> Document:
    return read(source.encode(), "book.tex", ReadOptions())


def printed(head: str, body: str, folder: Path) -> dict[str, str]:
    """Return what pdflatex prints for the labels of a document."""
    pdflatex(rf"{head}\begin{{document}}{body}\end{{document}}", folder)
    aux = (folder / "document.aux").read_text()
    return dict(re.findall(r"\\newlabel\{([^{}]+)\}\{\{\{?([^{}]*)\}?\}", aux))


@pytest.mark.parametrize("name", HEADS)
def test_references_are_printed_as_latex_prints_them(name: str, tmp_path: Path) -> None:
    head = HEADS[name].replace(r"\newtheorem", r"\usepackage{amsmath}\newtheorem", 1)
    expected = printed(head, BODY, tmp_path)
    assert len(expected) == 19
    body = BODY + "".join(rf"\section{{Of}} {key} is \ref{{{key}}}; " for key in expected)
    texts = [one.text for one in latex(rf"{head}\begin{{document}}{body}\end{{document}}").elements]
    shown = dict(pair for text in texts for pair in re.findall(r"(\S+) is (\S+);", text))
    assert {key: re.sub(r"\\[()]|\$", "", number) for key, number in shown.items()} == {
        key: number.replace("$", "") for key, number in expected.items()
    }


def test_an_article_numbers_its_formulas_through_and_a_chapter_without_its_book_by_their_place() -> None:
    formulas = r"\section{A}\begin{equation}a\label{a}\end{equation}\section{B}\begin{equation}b\label{b}\end{equation} \eqref{b}"
    for source in (
        rf"\documentclass{{article}}\begin{{document}}{formulas}\end{{document}}",
        rf"\chapter{{C}}{formulas}",
    ):
        assert latex(source).elements[-1].text == "(2)"


def test_a_formula_shows_its_number_where_something_refers_to_it_or_a_tag_says_it() -> None:
    document = latex(
        r"\begin{equation}a\label{a}\end{equation}\begin{equation}b\label{b}\end{equation}\[c \tag{C}\]"
        r"\begin{align}d \\ e\label{e}\end{align} \eqref{b}, \autoref{e}, \cref{b}, \ref{none} $\text{by \eqref{e}}$"
    )
    assert [one.text for one in document.elements] == [
        r"\[a\]",
        r"\[b \tag{2}\]",
        r"\[c \tag{C}\]",
        "\\[\\begin{aligned}\nd \\\\ e \\qquad\\text{(4)}\n\\end{aligned}\\]",
        r"(2), Equation 4, eq. (2), [??] \(\text{by (4)}\)",
    ]
