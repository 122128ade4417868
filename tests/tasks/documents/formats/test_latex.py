"""LaTeX: what becomes of environments and macros, and the spans in the bytes of the file."""

from __future__ import annotations

import re

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, UnreadableDocument
from tasks.documents.formats.latex import included, is_part, read
from tasks.documents.matching import match_printed

BOOK = r"""\documentclass{book}
\title{Größen}
\newtheorem{satz}{Theorem}[chapter]
\newtheorem*{bsp}{Example}
\newcommand{\R}{\mathbb{R}}
\newcommand{\norm}[2][2]{\lVert #2\rVert_{#1}} % a comment with \input{no.tex}
\DeclareMathOperator{\rank}{rank}
\newcommand{\zahl}[1]{Zahl~\emph{#1}}
\begin{document}
\tableofcontents
\chapter{Räume}\label{ch:r}
Es sei $x\in\R$ mit \zahl{7} und \$5.\footnote{Klein.}
Siehe Satz~\ref{s:1} und \cite{a}.
\[ \norm{x} = \norm[1]{x} \label{eq}\]
Danach \begin{align*} a &= b \\ c &= d \nonumber \end{align*}
\section{Sätze}
\begin{satz}[Gauß]\label{s:1} Jedes $\rank A$ ist endlich.
\begin{enumerate}[(i)] \item eins \item zwei \end{enumerate}\end{satz}
\begin{proof} Klar. \end{proof}
\begin{bsp} Rechne $1+1$. \begin{solution} Es ist $2$. \end{solution}\end{bsp}
\begin{figure}\includegraphics[alt={Ein Kreis}]{k.pdf}\caption{Der Kreis $S^1$.}\label{f}\end{figure}
\begin{tabular}{|l|r|}\hline $|a|$ & b\\ \multicolumn{2}{c}{breit}\\ \hline\end{tabular}
\begin{verbatim}
x = $1
\end{verbatim}
\input{exercises/one}
\include{missing}
\section{Solutions to Selected Exercises}
\begin{enumerate}
\item[1.] Erstens.
\item[3.] Drittens mit $y$.
\end{enumerate}
\begin{thebibliography}{9}\bibitem{a} Nobody.\end{thebibliography}
\end{document}
""".replace("\n", "\r\n")
EXERCISES = r"""\section*{Exercises}
\begin{exercise} Zeige (a) $0<1$. \hint{Quadrate sind nie negativ.} \end{exercise}
\begin{exercise} Löse
\begin{enumerate} \item $x=1$ \item $x=2$
  \begin{enumerate} \item gleich \end{enumerate} \end{enumerate}
\end{exercise}
\begin{solution} (a) eins \end{solution}
\begin{exercise} Zeige den Satz \ref{s:1}.\footnotemark
\end{exercise}
"""


@pytest.fixture(scope="module")
def document() -> Document:
    document = read(BOOK.encode(), "book.tex", ReadOptions({"exercises/one.tex": EXERCISES.encode()}))
    match_printed(document)
    return document


def test_what_is_read(document: Document) -> None:
    assert document.title == "Größen"
    assert [(h.title, h.level) for h in document.headings] == [
        ("Räume", 1),
        ("Sätze", 2),
        ("Exercises", 2),
        ("Solutions to Selected Exercises", 2),
    ]
    assert document.missing == ["missing"]
    assert [(e.kind, e.label, e.text) for e in document.elements] == [
        ("text", None, r"Es sei \(x\in\mathbb{R}\) mit Zahl *7* und $5. [Klein.] Siehe Satz 1.1 und ."),
        ("formula", None, r"\[\lVert x\rVert_{2} = \lVert x\rVert_{1}\]"),
        ("text", None, "Danach"),
        ("formula", None, "\\[\\begin{aligned}\na &= b \\\\ c &= d\n\\end{aligned}\\]"),
        (
            "theorem",
            "Theorem 1.1 (Gauß)",
            "Jedes \\(\\operatorname{rank} A\\) ist endlich.\n\n(i) eins\n(ii) zwei",
        ),
        ("proof", None, "Klar."),
        ("example", "Example 1", r"Rechne \(1+1\)."),
        ("solution", "Example 1", r"Es ist \(2\)."),
        ("caption", "Figure 1", "Der Kreis \\(S^1\\).\n\n[Figure: Ein Kreis]"),
        ("table", None, "| \\(\\vert a\\vert \\) | b |\n| --- | --- |\n| breit | |"),
        ("code", None, "```\nx = $1\n```"),
        ("exercise", "Exercise 1", r"Zeige (a) \(0<1\)."),
        ("hint", "Exercise 1", "Quadrate sind nie negativ."),
        (
            "exercise",
            "Exercise 2",
            "Löse\n\n(a) \\(x=1\\)\n(b) \\(x=2\\)\n\n    i. gleich",
        ),
        ("solution", "Exercise 2", "(a) eins"),
        ("exercise", "Exercise 3", "Zeige den Satz 1.1."),
        ("solution", "Exercise 1", "Erstens."),
        ("solution", "Exercise 3", r"Drittens mit \(y\)."),
    ]


def test_what_is_printed_belongs_to_its_exercise(document: Document) -> None:
    labels = {place: element.label for place, element in enumerate(document.elements)}
    assert [(e.kind, labels[e.of]) for e in document.elements if e.of is not None] == [
        ("proof", "Theorem 1.1 (Gauß)"),
        ("solution", "Example 1"),
        ("hint", "Exercise 1"),
        ("solution", "Exercise 2"),
        ("solution", "Exercise 1"),
        ("solution", "Exercise 3"),
    ]


def test_spans_are_bytes_of_the_file_that_the_element_is_in(document: Document) -> None:
    files = {None: BOOK.encode(), "exercises/one.tex": EXERCISES.encode()}
    for element in document.elements:
        source = files[element.part][element.start : element.end].decode()
        plain = re.sub(r"\\[A-Za-z]+(?:\{aligned\})?|\[Figure|(?m:^\s*\(?\w+[.)] )", " ", element.text)
        words = [word for word in re.findall(r"[A-Za-zöüäß]{2,}", plain) if word not in source]
        assert set(words) <= {"Zahl", "Gauß"}, element  # out of a macro, and out of what is referred to
    first = document.elements[0]
    source = files[None][first.start : first.end].decode()
    assert source.startswith("Es sei")
    assert source.endswith("\\cite{a}.")


def test_problems_of_the_exam_class_and_bare_macros() -> None:
    data = rb"""\begin{questions}
\question What is $1+1$? \begin{solution} 2 \end{solution}
\question Find all
\begin{parts} \part primes \part squares \end{parts}
\end{questions}"""
    document = read(data, "exam.tex", ReadOptions())
    assert [(e.kind, e.text, e.of) for e in document.elements] == [
        ("exercise", r"What is \(1+1\)?", None),
        ("solution", "2", 0),
        ("exercise", "Find all\n\n(a) primes\n(b) squares", None),
    ]


def test_the_paths_that_are_included_leave_out_comments() -> None:
    assert included(BOOK.encode(), "book.tex") == ["exercises/one", "missing"]
    assert included(rb"\import{ch1/}{main} \input one.tex ", "x.tex") == ["one.tex", "ch1/main"]


def test_a_file_without_sections_is_a_part() -> None:
    assert is_part(b"\\begin{exercise} x \\end{exercise}", "x.tex")
    assert not is_part(BOOK.encode(), "book.tex")


@pytest.mark.slow
def test_macros_that_grow_and_files_that_input_themselves_end() -> None:
    data = rb"\newcommand{\a}{\b\b\b\b\b\b\b\b}" + b"".join(
        rb"\newcommand{\%c}{%s}" % (98 + k, rb"\%c" % (99 + k) * 12) for k in range(12)
    )
    data += rb" Text $\a$ and \a. \input{x} \input{../../etc/passwd}"
    document = read(data, "x.tex", ReadOptions({"x.tex": data}))
    assert sum(len(element.text) for element in document.elements) < 10**6
    assert document.missing == ["x", "../../etc/passwd"]


def test_groups_that_nest_without_end_are_refused() -> None:
    with pytest.raises(UnreadableDocument, match="nested too deep"):
        read(b"{" * 50_000, "deep.tex", ReadOptions())


def test_labels_in_bold_and_headings_are_exercises_without_an_environment() -> None:
    data = rb"""\section{Limits}
\textbf{Example 2.} Find the limit of $1/n$.

\textbf{Solution.} It is $0$:
\[ 1/n \to 0. \]

\subsection*{Problem 3}
Show that $n$ grows.

More of it.
\paragraph{Solution.} It does.

\begin{exercise} And $n^2$? \end{exercise}
\noindent\textit{Answer:} So does it.

\section*{Exercises}
\begin{enumerate}\item First. \item Second. \end{enumerate}
\section*{Answers}
1. Yes.

2. No.
"""
    document = read(data, "notes.tex", ReadOptions())
    match_printed(document)
    assert [(e.kind, e.text, e.of) for e in document.elements] == [
        ("example", "Find the limit of \\(1/n\\).", None),
        ("solution", "It is \\(0\\):\n\n\\[1/n \\to 0.\\]", 0),
        ("exercise", "Show that \\(n\\) grows.\n\nMore of it.", None),
        ("solution", "It does.", 2),
        ("exercise", "And \\(n^2\\)?", None),
        ("answer", "So does it.", 4),
        ("exercise", "First.", None),
        ("exercise", "Second.", None),
        ("answer", "Yes.", 6),
        ("answer", "No.", 7),
    ]
    for element in document.elements:
        assert element.text.split()[0].encode() in data[element.start : element.end]


def test_references_are_shown_as_a_reader_would_write_them() -> None:
    source = rb"""\documentclass{book}\newtheorem{thm}{Theorem}\begin{document}
\chapter{One}\label{ch:one}
\begin{thm}\label{t:first} All is one. \end{thm}
\begin{thm}[Euler]\label{t:euler} Two. \end{thm}
See \ref{t:euler}. By \ref{t:first} and \cref{t:first,sec_elsewhere}, as in \ref{sec_elsewhere}:
\[ 1 = 1 \text{ by \eqref{eq_gone}} \]
See Chapter~\ref{ch:one}.
\begin{verbatim}
\ref{sec_x}
\end{verbatim}
\end{document}"""
    document = read(source, "a.tex", ReadOptions())
    texts = "\n".join(one.text for one in document.elements)
    assert "See 2." in texts
    assert "By 1 and 1, [??], as in [??]:" in texts
    assert "\\text{ by [??]}" in texts
    assert "See Chapter “One”." in texts
    assert "\\ref{sec_x}" in texts  # of code nothing is changed
    assert not re.search("sec_elsewhere|eq_gone", texts)
