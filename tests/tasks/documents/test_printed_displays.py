"""Displays of several lines, cases and tables in the text layer of a PDF, on a file with ten, six and four of them.

The source of the file, tests/data/documents/displays.tex, is read by regular expressions and gives what is expected.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tasks.documents.document import Document
from tasks.documents.formats import ReadOptions, reader
from tasks.documents.glyphs import Rule
from tasks.documents.printed_boxes import Box
from tasks.documents.printed_latex import formula
from tasks.documents.printed_math import composed
from tasks.documents.printed_tables import ruled_parts, unruled_tables
from tests.tasks.documents.typesetting import _normal, pdflatex

DATA = Path(__file__).parents[2] / "data" / "documents"
SOURCE = (DATA / "displays.tex").read_text()
ENVIRONMENT = re.compile(r"\\begin\{(align\*?|aligned|cases)\}(.*?)\\end\{\1\}", re.DOTALL)
TABLE = re.compile(r"\\begin\{tabular\}\{\S+\}\n(.*?)\\end\{tabular\}", re.DOTALL)


@pytest.fixture(scope="module")
def displays() -> Document:
    return reader("pdf").read((DATA / "displays.pdf").read_bytes(), "displays.pdf", ReadOptions())


def lines_of_source(kind: str) -> list[list[str]]:
    """The lines of each environment of the source, as LaTeX that has lost what has no effect on its meaning."""
    environments = [match[2] for match in ENVIRONMENT.finditer(SOURCE) if match[1].startswith(kind)]
    return [[normal(line) for line in body.split("\\\\") if line.strip()] for body in environments]


def lines_read(document: Document, name: str) -> list[list[str]]:
    pattern = re.compile(rf"\\begin\{{{name}\}}(.*?)\\end\{{{name}\}}", re.DOTALL)
    formulas = [
        match[1] for one in document.elements if one.kind == "formula" for match in pattern.finditer(one.text)
    ]
    return [
        [normal(re.sub(r"\\quad \\text\{\(\d\)\}", "", line)) for line in body.split("\\\\")]
        for body in formulas
    ]


def normal(latex: str) -> str:
    return _normal(latex).replace(r"\,", "").replace("\\text", "")


def test_an_alignment_is_one_formula_with_its_lines(displays: Document) -> None:
    expected = lines_of_source("align")
    assert len(expected) == 10
    assert lines_read(displays, "aligned") == expected


def test_the_numbers_of_the_equations_of_an_alignment_are_kept(displays: Document) -> None:
    texts = "\n".join(one.text for one in displays.elements)
    assert [f"\\quad \\text{{({number})}}" in texts for number in range(1, 5)] == [True] * 4


def test_an_open_brace_makes_cases_of_the_rows_behind_it(displays: Document) -> None:
    expected = lines_of_source("cases")
    assert len(expected) == 6
    assert lines_read(displays, "cases") == expected
    assert any(
        one.text.startswith(r"\[s(x) = \begin{cases} 1 & \text{if }x > 0 \\") for one in displays.elements
    )


def test_tables_are_tables_with_and_without_rules(displays: Document) -> None:
    expected = [
        [
            [re.sub(r"\$(.*?)\$", r"\\(\1\\)", cell.strip()) for cell in line.split("&")]
            for line in re.sub(r"\\(?:top|mid|bottom)rule|\\hline", "", body).split("\\\\")
            if line.strip()
        ]
        for body in TABLE.findall(SOURCE)
    ]
    assert len(expected) == 4
    read = [
        [
            [cell.strip() for cell in line.strip("| ").split(" | ")]
            for line in one.text.split("\n")
            if "---" not in line
        ]
        for one in displays.elements
        if one.kind == "table"
    ]
    assert read == expected


def test_nothing_of_the_text_around_is_lost(displays: Document) -> None:
    sentences = re.findall(r"^[A-Z][^\\&\n]{60,}$", SOURCE.partition("\\begin{document}")[2], re.MULTILINE)
    assert len(sentences) > 18
    assert [one.text for one in displays.elements if one.kind == "text"] == sentences


def box(
    text: str, x0: float, y0: float, *, size: float = 10.0, height: float = 7.0, width: float = 5.0
) -> Box:
    return Box(text, text, x0, y0, x0 + width, y0 + height, y0, size, math=text in "=⎧⎨⎩⎪")


def test_a_brace_that_is_closed_makes_no_cases() -> None:
    rows = [box("a", 20, 10), box("b", 20, -10)]
    opening, closing = (box(sign, x, -12, height=30) for sign, x in (("\\{", 10), ("\\}", 30)))
    opening.baseline = closing.baseline = 0.5  # that of a tall bracket is computed from its middle
    assert "cases" in formula(composed([opening, *rows], []))
    assert "cases" not in formula(composed([opening, *rows, closing], []))


def test_the_pieces_of_a_brace_are_one_bracket() -> None:
    pieces = [box("⎧", 10, 20, height=10), box("⎨", 10, 6, height=14), box("⎩", 10, -4, height=10)]
    rows = [box("a", 20, 20), box("b", 20, 6), box("c", 20, -4)]
    assert formula(composed([*pieces, *rows], [])) == r"\begin{cases} a \\ b \\ c \end{cases}"


def test_two_fractions_under_each_other_are_no_table() -> None:
    rules = [Rule(20, 60, 100), Rule(20, 60, 70)]
    boxes = [box("x", 10, 97), *(box("a", x, y) for x in (25, 45) for y in (103, 90, 73, 60))]
    assert ruled_parts([*boxes, box("y", 10, 80)], rules)[0] == []


def test_rows_of_a_sentence_are_no_table() -> None:
    rows = [[box("w", x, y) for x in (0, 8, 16, 24)] for y in (40, 28, 16)]
    assert unruled_tables(rows) == []
    apart = [[box("w", x, y) for x in (0, 60)] for y in (40, 28, 16)]
    items = [[box(mark, 0, y), box("w", 60, y)] for mark, y in (("1.", 40), ("2.", 28), ("3.", 16))]
    lines = [[box(mark, 0, y), box("w", 60, y)] for mark, y in (("7", 40), ("8", 28), ("9", 16))]
    beside = [[box("w", 0, y), box("w", 60, y, width=90)] for y in (40, 28, 16)]
    assert [unruled_tables(rows) for rows in (items, lines, beside)] == [[], [], []]
    assert [(first, stop) for first, stop, _ in unruled_tables(apart)] == [(0, 3)]
    assert unruled_tables([*apart[:2], [box("w", x, 16) for x in (3, 90)]]) == []


def test_displays_and_tables_that_go_over_a_page_are_whole(tmp_path: Path) -> None:
    rows = "".join(rf"{n} & {n * n} & {n**3} \\" for n in range(1, 46))
    lines = r" \\ ".join(f"s_{{{n}}} &= {n * n + 1}" for n in range(1, 24))
    source = rf"""\documentclass{{article}}\usepackage{{amsmath,longtable}}\usepackage[a5paper,margin=2cm]{{geometry}}
\allowdisplaybreaks\begin{{document}}\section{{Displays}}
Three equations are gathered here, and they are three formulas.
\begin{{gather}} a^2 + b^2 = c^2 \\ x + y = z \end{{gather}}
A sum is so long that it is set in three lines, and it is one formula.
\begin{{multline}} p(x) = 3x^6 + 14x^5y + 590x^4y^2 + 19x^3y^3 \\ - 12x^2y^4 - 12xy^5 + 2y^6 \\ + 7x + 11y - 13z \end{{multline}}
The lines of an alignment go over to the next page.
\begin{{align*}} {lines} \end{{align*}}
A long table follows behind these words.
\begin{{longtable}}{{lrr}} \hline Number & Square & Cube \\ \hline \endhead {rows} \hline \end{{longtable}}
Nothing follows it.\end{{document}}"""
    document = reader("pdf").read(pdflatex(source, tmp_path), "a.pdf", ReadOptions())
    formulas = [one.text for one in document.elements if one.kind == "formula"]
    assert formulas[:2] == [r"\[a^{2} + b^{2} = c^{2} \tag{1}\]", r"\[x + y = z \tag{2}\]"]
    assert formulas[2].startswith(r"\[p(x) = 3x^{6}")
    assert "19x^{3}y^{3} - 12x^{2}" in formulas[2]
    assert formulas[2].endswith(r"- 13z \tag{3}\]")
    assert formulas[3].count(r"\\") == 22
    assert len(formulas) == 4
    (table,) = [one.text for one in document.elements if one.kind == "table"]
    cells = [f"| {n} | {n * n} | {n**3} |" for n in range(1, 46)]
    assert table.splitlines() == ["| Number | Square | Cube |", "| --- | --- | --- |", *cells]
    assert document.elements[-1].text == "Nothing follows it."


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("rules", [True, False])
@pytest.mark.parametrize("head", [True, False])
def test_the_last_rows_of_a_table_on_the_next_page_are_joined_to_it(
    rows: int, rules: bool, head: bool, tmp_path: Path
) -> None:
    rule = r"\hline" if rules else ""
    again = r"\endhead" if head else ""
    # \pagebreak between two rows of a longtable puts the last ones on the next page
    body = [rf"{n} & item {n} & {n * n}" for n in range(1, 9)]
    written = r" \\ ".join(body[:-rows]) + r" \\ \pagebreak " + r" \\ ".join(body[-rows:])
    source = rf"""\documentclass{{article}}\usepackage{{longtable}}\begin{{document}}\section{{Values}}
A long table follows behind these words, and it ends on the next page.
\begin{{longtable}}{{rlr}} {rule} Number & Name & Square \\ {rule} {again} {written} \\ {rule} \end{{longtable}}
Words follow it. The value at 2 is 4, and no more than that.\end{{document}}"""
    document = reader("pdf").read(pdflatex(source, tmp_path), "a.pdf", ReadOptions())
    (table,) = [one.text for one in document.elements if one.kind == "table"]
    cells = [f"| {n} | item {n} | {n * n} |" for n in range(1, 9)]
    assert table.splitlines() == ["| Number | Name | Square |", "| --- | --- | --- |", *cells]
    assert document.elements[-1].text == "Words follow it. The value at 2 is 4, and no more than that."
