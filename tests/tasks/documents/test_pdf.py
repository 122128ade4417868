"""PDF with a text layer: structure, formulas and places of what is printed, on a checked-in file and on a chapter of a real book."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from tasks.documents.document import Document, Element
from tasks.documents.formats import ReadOptions, UnreadableDocument, format_of, reader
from tasks.documents.reading import call, document_of
from tests.tasks.documents.typesetting import compared, pdflatex, texts_of, typeset_elements

DATA = Path(__file__).parents[2] / "data" / "documents"
BOOK = Path(__file__).parents[4] / "shared" / "data" / "textbooks" / "discrete_math_open_intro"


@pytest.fixture(scope="module")
def chapter() -> Document:
    return reader("pdf").read((DATA / "chapter.pdf").read_bytes(), "chapter.pdf", ReadOptions())


def of_kind(document: Document, kind: str) -> list[Element]:
    return [element for element in document.elements if element.kind == kind]


def test_headings_have_numbers_and_levels(chapter: Document) -> None:
    assert chapter.title == "Counting with care"
    assert [(one.title, one.level, one.number) for one in chapter.headings] == [
        ("Counting", 1, "1"),
        ("Sums and products", 2, "1.1"),
        ("Estimates", 2, "1.2"),
        ("Exercises", 2, None),
        ("Solutions", 2, None),
    ]


def test_labels_begin_elements(chapter: Document) -> None:
    labelled = [
        (element.kind, element.label, element.page) for element in chapter.elements if element.kind != "text"
    ]
    assert labelled == [
        ("definition", "1.1", 1), ("theorem", "1.2", 1), ("proof", None, 1), ("example", "1.3", 1), ("solution", None, 2),
        ("formula", None, 2), ("exercise", "1.4", 2), ("exercise", "1", 2), ("exercise", "2", 2), ("exercise", "3", 2),
        ("solution", "1", 3), ("solution", "2", 3), ("solution", "3", 3),
    ]  # fmt: skip


def test_solutions_and_proofs_belong_to_what_they_solve(chapter: Document) -> None:
    owners = [
        (element.label, chapter.elements[element.of].kind, chapter.elements[element.of].label)
        for element in chapter.elements
        if element.of is not None
    ]
    assert owners == [
        (None, "theorem", "1.2"), (None, "example", "1.3"), ("1", "exercise", "1"), ("2", "exercise", "2"), ("3", "exercise", "3"),
    ]  # fmt: skip


def test_a_proof_goes_on_to_its_sign(chapter: Document) -> None:
    (proof,) = of_kind(chapter, "proof")
    assert proof.text.endswith("\n\nEvery subset is of one sort only, so the numbers are added.")


def test_formulas_are_latex(chapter: Document) -> None:
    text = "\n".join(element.text for element in chapter.elements)
    for formula in (
        r"\(n! = n \cdot (n - 1) \cdots 2 \cdot 1\)",
        r"\[\binom{n + 1}{k + 1} = \binom{n}{k} + \binom{n}{k + 1}\]",
        r"\[4 \cdot 3 \cdot 2 = \frac{4!}{(4 - 3)!} = 24 \tag{1.1}\]",
        r"\sum_{i = 1}^{n}i^{2} = \frac{n(n + 1)(2n + 1)}{6}",
        r"\int_{0}^{1}x^{2}dx = \frac{1}{3}",
        r"\(x_{1},x_{2},\ldots,x_{n}\)",
        r"\(\bar{x}\)",
        r"\(\sqrt{s^{2}}\)",
        r"\(A \subseteq B\)",
        r"\(x^{2} - 5x + 6 = 0\)",
        r"\(\binom{5}{2} = 10\) and \(\frac{7!}{5!} = 42\).",
    ):
        assert formula in text


def test_running_heads_hyphens_and_ligatures_go(chapter: Document) -> None:
    text = "\n".join(element.text for element in chapter.elements)
    assert not re.search(r"CHAPTER|ESTIMATES|\n\d+\n", text)
    assert "An efficient way of counting is to find the different ways in which a whole is divided." in text
    assert text.count("well-known") == 3
    assert not re.search(r"[a-z]- [a-z]|wellknown|[\ufb00-\ufb06]", text)


def test_two_columns_are_read_one_after_the_other(chapter: Document, tmp_path: Path) -> None:
    source = (
        (DATA / "chapter.tex").read_text().replace("[10pt,twoside]{book}", "[9pt,twocolumn,oneside]{book}")
    )
    source = re.sub(r"\\usepackage\[paper.*?\]\{geometry\}", r"\\usepackage[margin=20mm]{geometry}", source)
    columns = reader("pdf").read(pdflatex(source, tmp_path), "columns.pdf", ReadOptions())
    assert [(one.kind, one.label) for one in columns.elements] == [
        (one.kind, one.label) for one in chapter.elements
    ]
    result = compared(texts_of(chapter), columns)
    assert result.error_rate < 0.02


@pytest.mark.slow
@pytest.mark.skipif(not BOOK.exists(), reason="the textbooks of ../shared/data are not here")
def test_a_chapter_of_a_real_book(tmp_path: Path) -> None:
    files = {str(path.relative_to(BOOK)): path.read_bytes() for path in BOOK.rglob("*.ptx")}
    name = "sec_counting-combperm.ptx"
    book = reader("pretext").read(files[name], name, ReadOptions(files))
    elements = [
        element
        for element in book.elements
        if element.kind not in ("table", "code", "caption", "hint") and not re.search(r"\\begin|\\twoline|\\card|\\B\b|\\cancel|\|", element.text)
    ]  # fmt: skip
    head = "\\documentclass[11pt]{article}\n\\usepackage[margin=1in]{geometry}\n"
    data = pdflatex(typeset_elements(elements, head), tmp_path)
    result = compared(
        [element.text for element in elements], reader("pdf").read(data, "book.pdf", ReadOptions())
    )
    assert result.characters > 5_000
    assert result.error_rate < 0.02
    assert result.right > 0.8 * result.formulas
    assert result.right > 0.85 * result.read


@pytest.mark.soak  # half a minute for a document of this length
@pytest.mark.slow
def test_fifteen_hundred_pages_in_bounded_memory() -> None:
    chapter, long = pypdfium2.PdfDocument(DATA / "chapter.pdf"), pypdfium2.PdfDocument.new()
    for _ in range(500):
        long.import_pages(chapter)
    buffer = io.BytesIO()
    long.save(buffer)
    reply = call("read", buffer.getvalue(), "long.pdf")
    document = document_of(reply.value)
    assert document.elements[-1].page == 1_500
    assert len([one for one in document.elements if one.kind == "theorem"]) == 500
    assert reply.peak_mb < 2_048


def test_a_scan_is_refused_with_its_code() -> None:
    buffer = io.BytesIO()
    Image.new("L", (300, 400), 255).save(buffer, "PDF")
    with pytest.raises(
        UnreadableDocument, match=r"scan\.pdf: 1 pages without a text layer\. Fix: .*--ocr"
    ) as refused:
        reader("pdf").read(buffer.getvalue(), "scan.pdf", ReadOptions())
    assert refused.value.code == "no_text_layer"


ENCRYPTED = b"""%%PDF-1.4
1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj
2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj
3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>> endobj
4 0 obj <</Filter/Standard/V 1/R 2/Length 40/P -4/O<%s>/U<%s>>> endobj
trailer <</Root 1 0 R/Size 5/Encrypt 4 0 R/ID[<00><00>]>>
""" % (b"11" * 32, b"22" * 32)


def test_an_encrypted_file_is_refused_with_its_code() -> None:
    with pytest.raises(UnreadableDocument, match="encrypted with a password. Fix: ") as refused:
        reader("pdf").read(ENCRYPTED, "secret.pdf", ReadOptions())
    assert refused.value.code == "encrypted"


def test_a_pdf_is_told_by_its_first_bytes() -> None:
    assert format_of("without-suffix", b"%PDF-1.7\n") == "pdf"


def test_the_rest_of_a_paragraph_behind_a_formula_belongs_to_the_solution(tmp_path: Path) -> None:
    source = r"""\documentclass[11pt]{article}\begin{document}\section{Sums}
The first paragraph is not indented.

The second paragraph is indented, as books have them.

The third paragraph is indented as well.

\textbf{Example 1.} Find the sum of the first ten numbers.

\textbf{Solution.} We write the sum twice, in both orders, and get
\[ 2S = 11 + 11 + \cdots + 11. \]
There are ten terms in this sum. Hence
\[ S = 55. \]
This is the answer.

The next paragraph is about another topic.
\end{document}"""
    document = reader("pdf").read(pdflatex(source, tmp_path), "sums.pdf", ReadOptions())
    (solution,) = of_kind(document, "solution")
    assert solution.text.split("\n\n")[2:] == [
        "There are ten terms in this sum. Hence",
        r"\[S = 55\]",
        "This is the answer.",
    ]
    assert document.elements[-1].text == "The next paragraph is about another topic."
