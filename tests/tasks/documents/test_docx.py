"""Word documents made with python-docx: headings, labels, tables, formulas of the equation editor, tracked changes."""

from __future__ import annotations

import io
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from lxml import etree

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, reader
from tasks.documents.office_math import office_math

M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def run(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


def part(name: str, *content: str) -> str:
    return f"<m:{name}>{''.join(content)}</m:{name}>"


FORMULAS = {
    "fraction": (part("f", part("num", run("a+b")), part("den", run("2"))), r"\frac{a+b}{2}"),
    "binomial": (
        part("d", part("e", part("f", '<m:fPr><m:type m:val="noBar"/></m:fPr>', part("num", run("n")), part("den", run("k"))))),
        r"\binom{n}{k}",
    ),
    "power": (part("sSup", part("e", run("x")), part("sup", run("2"))), "x^{2}"),
    "index": (part("sSub", part("e", run("a")), part("sub", run("n+1"))), "a_{n+1}"),
    "both": (part("sSubSup", part("e", run("x")), part("sub", run("i")), part("sup", run("2"))), "x_{i}^{2}"),
    "power of a sum": (part("sSup", part("e", part("d", part("e", run("a+b")))), part("sup", run("2"))), r"{\left(a+b\right)}^{2}"),
    "root": (part("rad", '<m:radPr><m:degHide m:val="1"/></m:radPr>', part("deg"), part("e", run("x"))), r"\sqrt{x}"),
    "cube root": (part("rad", part("deg", run("3")), part("e", run("x"))), r"\sqrt[3]{x}"),
    "sum": (
        part("nary", '<m:naryPr><m:chr m:val="∑"/></m:naryPr>', part("sub", run("i=1")), part("sup", run("n")), part("e", run("i"))),
        r"\sum_{i=1}^{n} i",
    ),
    "integral": (part("nary", part("sub", run("0")), part("sup", run("1")), part("e", run("x"), run("dx"))), r"\int_{0}^{1} xdx"),
    "limit": (
        part("func", part("fName", part("limLow", part("e", run("lim")), part("lim", run("n→∞")))), part("e", run("a"))),
        r"\lim_{n\to\infty} a",
    ),
    "sine": (part("func", part("fName", run("sin")), part("e", run("α"))), r"\sin \alpha"),
    "vector": (part("acc", '<m:accPr><m:chr m:val="&#x20D7;"/></m:accPr>', part("e", run("v"))), r"\vec{v}"),
    "mean": (part("bar", '<m:barPr><m:pos m:val="top"/></m:barPr>', part("e", run("x"))), r"\overline{x}"),
    "absolute": (
        part("d", '<m:dPr><m:begChr m:val="|"/><m:endChr m:val="|"/></m:dPr>', part("e", run("x"))), r"\left|x\right|",
    ),
    "matrix": (
        part("d", part("e", part("m", part("mr", part("e", run("1")), part("e", run("0"))), part("mr", part("e", run("0")), part("e", run("1")))))),
        r"\left(\begin{matrix} 1 & 0 \\ 0 & 1 \end{matrix}\right)",
    ),
    "cases": (
        part("d", '<m:dPr><m:begChr m:val="{"/><m:endChr m:val=""/></m:dPr>', part("e", part("eqArr", part("e", run("1")), part("e", run("2"))))),
        r"\left\{\begin{cases} 1 \\ 2 \end{cases}\right.",
    ),
    "relation": (run("x≤y∈A∪B"), r"x\le y\in A\cup B"),
    "real numbers": (part("r", '<m:rPr><m:scr m:val="double-struck"/></m:rPr>', "<m:t>R</m:t>"), r"\mathbb{R}"),
    "words": (part("r", "<m:rPr><m:nor/></m:rPr>", "<m:t>if </m:t>"), r"\text{if }"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_a_formula_of_word_is_latex(name: str) -> None:
    xml, latex = FORMULAS[name]
    assert office_math(etree.fromstring(f"<m:oMath {M}>{xml}</m:oMath>")).strip() == latex.replace(
        r"\left\{\begin{cases} 1 \\ 2 \end{cases}\right.", r"\begin{cases} 1 \\ 2 \end{cases}"
    )


def test_a_formula_that_is_nested_too_deeply_is_refused() -> None:
    xml = f"<m:oMath {M}>" + "<m:box>" * 240 + "</m:box>" * 240 + "</m:oMath>"
    with pytest.raises(RecursionError):
        office_math(etree.fromstring(xml))


def read(build: Any) -> Document:
    word = docx.Document()
    build(word)
    buffer = io.BytesIO()
    word.save(buffer)
    return reader("docx").read(buffer.getvalue(), "lecture.docx", ReadOptions())


def lecture(word: Any) -> None:
    word.core_properties.title = "Lecture notes"
    word.add_heading("1 Numbers", 1)
    word.add_heading("1.1 Primes", 2)
    word.add_paragraph("A prime has two divisors.")
    theorem = word.add_paragraph()
    theorem.add_run("Theorem 1.1").bold = True
    theorem.add_run(" There is no largest prime.")
    word.add_paragraph("Proof. Multiply them and add one.")
    exercise = word.add_paragraph("Exercise 1.2 Solve ")
    exercise._p.append(parse_xml(f"<m:oMath {M}>{FORMULAS['power'][0]}{run('=4')}</m:oMath>"))
    exercise._p.append(parse_xml(f"<w:r {W}><w:t>.</w:t></w:r>"))
    word.add_paragraph("解：取平方根。")
    shown = word.add_paragraph()
    shown._p.append(parse_xml(f"<m:oMathPara {M}><m:oMath>{FORMULAS['root'][0]}</m:oMath></m:oMathPara>"))
    cells = word.add_table(2, 2)
    for number, text in enumerate(("n", "n!", "3", "6")):
        cells.cell(number // 2, number % 2).text = text
    word.add_paragraph("Table 1", style="Caption")
    changed = word.add_paragraph("It is ")
    changed._p.append(parse_xml(f"<w:del {W}><w:r><w:delText>old</w:delText></w:r></w:del>"))
    changed._p.append(parse_xml(f"<w:ins {W}><w:r><w:t>new</w:t></w:r></w:ins>"))


def test_a_lecture() -> None:
    document = read(lecture)
    assert document.title == "Lecture notes"
    assert [(one.title, one.level, one.number) for one in document.headings] == [
        ("Numbers", 1, "1"),
        ("Primes", 2, "1.1"),
    ]
    assert [(one.kind, one.label, one.text) for one in document.elements] == [
        ("text", None, "A prime has two divisors."),
        ("theorem", "1.1", "There is no largest prime."),
        ("proof", None, "Multiply them and add one."),
        ("exercise", "1.2", r"Solve \(x^{2}=4\)."),
        ("solution", None, "取平方根。\n\n\\[\\sqrt{x}\\]"),
        ("table", None, "| n | n! |\n| --- | --- |\n| 3 | 6 |"),
        ("caption", None, "Table 1"),
        ("text", None, "It is new"),
    ]
    assert [one.of for one in document.elements] == [None, None, 1, None, 3, None, None, None]
