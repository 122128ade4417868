"""Typesets documents with pdflatex for tests, and compares what is read of them with their source."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from pylatexenc.latex2text import LatexNodes2Text
from rapidfuzz.distance import Levenshtein

from tasks.documents.document import Document, Element

PREAMBLE = r"""\usepackage{amsmath,amssymb,amsthm}
\newtheorem{theorem}{Theorem}[section]
\theoremstyle{definition}
\newtheorem{exercise}[theorem]{Exercise}
\newtheorem{example}[theorem]{Example}
\newtheorem{definition}[theorem]{Definition}
\begin{document}
"""
_FORMULA = re.compile(r"\\\((.*?)\\\)|\\\[(.*?)\\\]", re.DOTALL)
_ESCAPED = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"}
_SAME = {
    r"\leq": r"\le", r"\geq": r"\ge", r"\neq": r"\ne", r"\rightarrow": r"\to", r"\dots": r"\ldots", r"\mid": "|", r"\quad": "",
    r"\qquad": "", r"\lt": "<", r"\gt": ">", r"\left": "", r"\right": "", r"\dfrac": r"\frac", r"\tfrac": r"\frac", r"\displaystyle": "",
}  # fmt: skip
_PLAIN = LatexNodes2Text(math_mode="text", keep_comments=False)


def pdflatex(source: str, folder: Path) -> bytes:
    """Return the PDF of a LaTeX document; skips the test where pdflatex is missing."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is missing: apt-get install texlive-latex-base")
    (folder / "document.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-no-shell-escape", "document.tex"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    return (folder / "document.pdf").read_bytes()


def typeset_elements(elements: Sequence[Element], head: str) -> str:
    """Return a LaTeX document with the elements of another document."""
    parts = [head + PREAMBLE]
    for element in elements:
        text = _typeset(element.text)
        if element.kind in ("theorem", "example", "exercise", "definition", "proof"):
            parts.append(f"\\begin{{{element.kind}}}{text}\\end{{{element.kind}}}")
        elif element.kind in ("solution", "answer"):
            parts.append(f"\\par\\noindent\\textbf{{Solution.}} {text}\n")
        else:
            parts.append(text + "\n")
    return "\n\n".join([*parts, "\\end{document}\n"])


def _typeset(text: str) -> str:
    whole = ""
    for part in re.split(r"(\\\(.*?\\\)|\\\[.*?\\\])", text, flags=re.DOTALL):
        if part.startswith(("\\(", "\\[")):
            whole += part
        else:
            plain = (
                re.sub(r"(?m)^\s*-\s+", "-- ", re.sub(r"\*\*?|`", "", part))
                .encode("ascii", "ignore")
                .decode()
            )
            whole += re.sub(r"[\\{}$&#_%^~]", lambda sign: _ESCAPED.get(sign[0], "\\" + sign[0]), plain)
    return whole


@dataclass(frozen=True, slots=True)
class Comparison:
    """characters: of the source without blanks and punctuation. error_rate: Levenshtein distance per character. formulas: of the
    source; right: those that were read as the same LaTeX; read: all that were read."""

    characters: int
    error_rate: float
    formulas: int
    right: int
    read: int


def texts_of(document: Document) -> list[str]:
    """Return the titles and texts of a document in order."""
    texts: list[str] = []
    last: int | None = None
    for element in document.elements:
        if element.heading != last and element.heading is not None:
            texts.append(document.headings[element.heading].title)
        last = element.heading
        texts.append(element.text)
    return texts


def compared(source: Sequence[str], document: Document) -> Comparison:
    """Compare the texts of a source with a document that was read."""
    right, given = "\n".join(source), "\n".join(texts_of(document))
    expected, read = Counter(_formulas(right)), Counter(_formulas(given))
    plain = _letters(right)
    return Comparison(
        len(plain),
        Levenshtein.distance(plain, _letters(given)) / max(1, len(plain)),
        expected.total(),
        (expected & read).total(),
        read.total(),
    )


def _formulas(text: str) -> list[str]:
    return [_normal(match[1] or match[2] or "") for match in _FORMULA.finditer(text)]


def _normal(latex: str) -> str:
    """Return LaTeX without what has no effect on its meaning: blanks, braces, sizes, and other names of the same sign."""
    latex = re.sub(r"\\(?:tag|label)\{[^}]*\}|\\[,;:! ]|[~&]", "", latex)
    latex = re.sub(r"\\(?:text|mathrm|textrm)\{([^}]*)\}", r"\1", latex)
    for name, same in _SAME.items():
        latex = re.sub(re.escape(name) + r"(?![A-Za-z])", lambda _, same=same: same, latex)
    return re.sub(r"[\s{}]", "", latex).strip(".,;")


def _letters(text: str) -> str:
    text = _FORMULA.sub(lambda match: _PLAIN.latex_to_text(match[1] or match[2] or ""), text)
    return re.sub(r"\W", "", re.sub(r"[*`]", "", text).lower())
