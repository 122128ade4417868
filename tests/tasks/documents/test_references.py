"""What exercises refer to: put before them where it is near, and named where it is not given."""

from __future__ import annotations

import pytest

from tasks.documents.book_files import joined
from tasks.documents.chunks import chunks
from tasks.documents.cleaning import cleaned
from tasks.documents.document import Document
from tasks.documents.exercises import Exercise, exercises, not_given
from tasks.documents.formats import ReadOptions, docbook, latex, pretext

LATEX = r"""\documentclass{article}\begin{document}
\section{One}
\begin{equation}\label{line} y = 2x + 1 \end{equation}
\begin{table}\begin{tabular}{ll} a & 1 \\ b & 2 \end{tabular}\caption{Values}\label{values}\end{table}
\begin{figure}\includegraphics{x}\caption{Curve}\label{curve}\end{figure}
\begin{exercise} Where does \eqref{line} cut the axis? \begin{solution} By \eqref{line}, at 1.\end{solution}\end{exercise}
\begin{exercise}\label{second} Add the values of Table~\ref{values}. \end{exercise}
\begin{exercise} (a) What is $2 + 2$? 

(b) Read the value at 2 from Figure~\ref{curve}.

(c) Repeat Exercise~\ref{second}. \end{exercise}
\section{Two}
\begin{exercise} What is $1 + 1$? See Section~\ref{sec}. \begin{solution} Compare \eqref{line}, whose slope is the same: adding one to one gives $2$.\end{solution}\end{exercise}
\begin{exercise} Solve equation~\eqref{line} for $x$. \end{exercise}
\section{Three}\label{sec}
\end{document}"""
PRETEXT = """<section><title>S</title><p>Let <men xml:id="a">x = 1</men>. Then <mdn><mrow>y</mrow><mrow xml:id="b">z = 2</mrow></mdn></p>
<me tag="star" xml:id="c">w</me><p>By <xref ref="a"/>, <xref ref="b"/>, <xref ref="c"/>.</p>
<exercises><exercise><p>Use <xref ref="b"/>.</p></exercise><exercise xml:id="e"><p>See <xref ref="no"/>.</p></exercise>
<exercise><p>Do <xref ref="e"/> again.</p></exercise></exercises></section>"""
DOCBOOK = """<book xmlns="http://docbook.org/ns/docbook"><chapter><title>One</title><equation xml:id="a"><alt>a = b</alt></equation>
<equation xml:id="b" xreflabel="(*)"><alt>w</alt></equation><para>See <xref linkend="a"/>, <xref linkend="b"/>.</para></chapter>
<chapter><title>Two</title><qandaset><qandaentry><question><para>Solve <xref linkend="a"/>.</para></question></qandaentry></qandaset>
</chapter></book>"""


def asked(document: Document) -> list[Exercise]:
    return [
        one
        for chunk in chunks(cleaned(joined(document, [])))
        for one in exercises(
            chunk.blocks, {str(place): one.refers for place, one in enumerate(chunk.elements)}
        )
    ]


def test_what_stands_in_the_section_is_put_before_an_exercise_and_what_does_not_is_named() -> None:
    one, two, a, b, c, three, four = asked(latex.read(LATEX.encode(), "a.tex", ReadOptions()))
    assert one.question == "\\[y = 2x + 1 \\tag{1}\\]\n\nWhere does (1) cut the axis?"
    assert (one.lacks, one.solution_lacks) == (None, None)
    assert two.question.startswith("**Table 1.**\n\n| a | 1 |")
    assert (two.lacks, a.lacks, b.lacks, c.lacks) == (None, None, "Figure 1", "Exercise 2")
    assert (three.lacks, three.solution_lacks) == (None, "Compare (1)")
    assert (four.question, four.lacks) == ("Solve equation (1) for \\(x\\).", "equation (1)")


def test_formulas_of_pretext_have_numbers() -> None:
    document = pretext.read(PRETEXT.encode(), "a.ptx", ReadOptions())
    texts = [one.text for one in document.elements if one.kind in ("text", "formula")]
    assert texts == [
        "Let",
        "\\[x = 1. \\tag{1}\\]",
        "Then",
        "\\[\\begin{gathered}\ny \\\\\nz = 2 \\qquad\\text{(3)}\n\\end{gathered}\\]",
        "\\[w \\tag{*}\\]",
        "By (1), (3), (*).",
    ]
    use, see, again = asked(document)
    assert use.question == f"{texts[3]}\n\nUse (3)."
    assert (use.lacks, see.lacks, again.lacks) == (None, "[??]", "Exercise 2")


def test_formulas_of_docbook_have_numbers() -> None:
    document = docbook.read(DOCBOOK.encode(), "a.dbk", ReadOptions())
    texts = [one.text for one in document.elements[:3]]
    assert texts == [r"\[a = b \tag{1.1}\]", r"\[w \tag{*}\]", "See Equation 1.1, (*)."]
    assert asked(document)[0].lacks == "Equation 1.1"


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        ("Solve equation (3.2) for x.", "equation (3.2)"),
        ("Verify Eq. (4).", "Eq. (4)"),
        ("由方程（3）求 x。", "方程（3）"),
        (r"\[x = 1 \tag{3.2}\] Solve equation (3.2) for x.", None),
        ("(1) x + y = 2, (2) x - y = 0. Solve equation (1) and use it.", None),
        ("Solve equations (1) x + y = 2 and (2) x - y = 0.", None),
        ("Solve the equation (3x - 1)(x + 2) = 0.", None),
    ],
)
def test_a_numbered_equation_is_to_be_in_the_question(text: str, lacks: str | None) -> None:
    assert not_given(text) == lacks
