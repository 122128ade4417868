"""Footnotes, prices, running heads and lists of exercises of a printed book, on a checked-in file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.documents.chunks import chunks
from tasks.documents.document import Document
from tasks.documents.exercises import exercises, explained
from tasks.documents.formats import ReadOptions, reader
from tasks.documents.matching import match_printed
from tests.tasks.documents.typesetting import texts_of

DATA = Path(__file__).parents[2] / "data" / "documents"


@pytest.fixture(scope="module")
def book() -> Document:
    document = reader("pdf").read((DATA / "notes.pdf").read_bytes(), "notes.pdf", ReadOptions())
    match_printed(document)
    return document


def test_footnotes_are_elements_of_what_has_their_mark(book: Document) -> None:
    notes = [
        (one.label, one.text, book.elements[one.of or 0].kind)
        for one in book.elements
        if one.kind == "footnote"
    ]
    assert notes == [
        ("1", "These are prices of 2019, of 137 kinds of fruit.", "text"),
        ("2", r"The costs are those of the owner, \(C(0)\) are the fixed ones.", "text"),
        ("5", "Compare the test for 3.", "exercise"),
        ("6", "From a contest, in another wording: see the list of sources at the end of this book.", "exercise"),
    ]  # fmt: skip


def test_footnotes_that_solve_every_guided_practice_are_solutions(book: Document) -> None:
    (chunk,) = chunks(book, section=0, max_tokens=100_000)
    solved = {one.question: one.solution or one.answer for one in exercises(chunk.blocks)}
    assert solved["Is 91 a prime?"] == r"No: \(91 = 7 \cdot 13\)"
    assert solved["How many divisors has 36?"] == "Nine: 1, 2, 3, 4, 6, 9, 12, 18 and 36"
    assert solved[r"A number has the digits \(a\), \(b\) and \(c\). When is it divisible by 9?"] is None


def test_no_footnote_is_in_an_exercise_or_in_the_text_that_it_interrupts(book: Document) -> None:
    (chunk,) = chunks(book, section=0, max_tokens=100_000)
    assert not any("contest" in one.question or "Compare" in one.question for one in exercises(chunk.blocks))
    kept = [block["text"] for block in explained(chunk.blocks) if block["kind"] == "footnote"]
    assert len(kept) == 2  # those of the text; those of exercises go with them


def test_sums_of_money_stay_text_and_are_whole_in_formulas(book: Document) -> None:
    text = book.elements[0].text
    assert text.startswith("A shop sells apples at $1.25 each and pears at $2 a piece.")
    assert r"costs \(\$137 \times 55 = \$7,535\), and" in text
    assert r"gets \(\$20 - \$1.25 = \$18.75\) back." in text
    assert "Anna has $137. She buys 3 tickets at $25 each." in "\n".join(texts_of(book))


def test_a_fraction_in_a_line_takes_no_words_of_the_line_below_it(book: Document) -> None:
    assert r"\(\sum_{k = 0}^{n}q^{k} = \frac{q^{n + 1} - 1}{q - 1}\) for" in book.elements[0].text
    assert r"12 \(\text{cm}^{2}\) or elsewhere, and \(10 \equiv 1\pmod{9}\)." in book.elements[0].text


def test_a_title_in_the_letters_of_the_text_begins_a_list_of_exercises(book: Document) -> None:
    titles = [(one.title, one.number) for one in book.headings]
    assert titles[2:] == [
        ("EXERCISES", None),
        ("Answers to Selected Exercises of this Book", None),
        ("Chapter 1", "1"),
    ]
    listed = [one for one in book.elements if one.heading == 2 and one.kind == "exercise"]
    assert [one.label for one in listed] == ["1", "2", "3"]


def test_answers_of_one_line_below_the_name_of_a_chapter_are_divided(book: Document) -> None:
    answers = [(one.text, book.elements[one.of or 0].label) for one in book.elements if one.kind == "answer"]
    assert answers == [("$71", "1"), ("$62", "2"), (r"\(x = 4\)", "3")]


def test_running_heads_are_cut(book: Document) -> None:
    assert "daily life" not in "\n".join(texts_of(book))
