"""Transcripts of pages become one document: paragraphs that go on over a page, page numbers, labels, and hostile text."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tasks.documents.document import Document
from tasks.documents.formats import UnreadableDocument
from tasks.documents.quality import quality_of
from tasks.documents.reading import call, document_of
from tasks.documents.transcripts import MOST, document_of_transcripts, read


def document(*pages: str) -> Document:
    return document_of_transcripts(pages, "scan.pdf", "pdf")


def test_pages_become_elements_with_their_labels_and_pages() -> None:
    one = document(
        "# Chapter 1 Sums\n\n**Theorem 1.1.** For all \\(n\\) we have\n\n\\[ 1 + \\dots + n = n(n+1)/2. \\]\n\n## Exercises\n\n1. Add $2$ and $3$.\n2. Add 4 and 5.",
        "",
        "## Solutions\n\n1. It is 5.\n2. It is 9.",
    )
    assert [heading.title for heading in one.headings] == ["Chapter 1 Sums", "Exercises", "Solutions"]
    exercises = [element for element in one.elements if element.kind == "exercise"]
    assert [element.text for element in exercises] == ["Add \\(2\\) and \\(3\\).", "Add 4 and 5."]
    solutions = [element for element in one.elements if element.kind == "solution"]
    assert [one.elements[element.of].text for element in solutions if element.of is not None] == [
        "Add \\(2\\) and \\(3\\).",
        "Add 4 and 5.",
    ]
    assert {element.page for element in exercises} == {1}
    assert {element.page for element in solutions} == {3}
    assert {element.start for element in one.elements} == {None}


@pytest.mark.parametrize(
    ("first", "second", "paragraphs"),
    [
        ("We add the num-", "bers one by one.", ["We add the numbers one by one."]),
        ("We add all", "numbers one by one.", ["We add all numbers one by one."]),
        ("所以这个函数的", "最小值是零。", ["所以这个函数的最小值是零。"]),
        ("We are done.", "then comes more.", ["We are done.", "then comes more."]),
        ("We add all", "Numbers are next.", ["We add all", "Numbers are next."]),
        ("We add all", "# numbers", ["We add all"]),
        ("| a | b |", "we go on", ["| a | b |", "we go on"]),
    ],
)
def test_a_paragraph_goes_on_over_the_end_of_a_page(first: str, second: str, paragraphs: list[str]) -> None:
    one = document(f"Before.\n\n{first}", second)
    assert [element.text for element in one.elements][1:] == paragraphs


def test_a_completion_that_repeats_itself_or_is_no_page_is_refused() -> None:
    def fault(page: str) -> str:
        return read(f"==Page==\n{page}\n==End==", cut=False).fault

    assert fault("The sum of the angles is 180 degrees. " * 300) == "it repeats itself"
    book = Path(__file__).parents[3].joinpath("docs", "architecture.md").read_text()[:12_000]
    assert fault(book) == ""
    table = "\n".join(f"| {n} | {n * n} | {n**3} |" for n in range(400))
    assert fault(table) == ""
    assert "more than a page" in fault("".join(chr(97 + n * n % 26) for n in range(MOST + 1)))


def test_what_cannot_be_read_counts_as_garbled() -> None:
    page = read("==Page==\n" + "[illegible] and " * 5 + "\n==End==", cut=False).text
    assert quality_of(document(page)).legible < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["==Page==\n", "`", "#", "= ", "==end=\n", "[illegible", "```\n"])
def test_megabytes_of_marks_are_refused(unit: str) -> None:
    """In quadratic time this would not end before the time limit of a test."""
    assert read("==Page==\n" + unit * (2_000_000 // len(unit)), cut=False).fault


def test_hostile_pages_are_read_in_the_process_with_limits() -> None:
    pages = [
        "> " * 5_000 + "deep",
        "<script>alert(1)</script>\n\n" + "[" * 5_000,
        "\ud800".encode("utf-8", "replace").decode(),
    ]
    one = document_of(call("transcribed", orjson.dumps(pages), "scan.pdf").value)
    assert {element.page for element in one.elements} <= {1, 2, 3}
    with pytest.raises(UnreadableDocument, match="no text on its 2 pages") as refusal:
        call("transcribed", orjson.dumps(["", " \n"]), "scan.pdf")
    assert refusal.value.code == "no_text_layer"
