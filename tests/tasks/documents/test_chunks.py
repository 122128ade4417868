"""Chunks: by section, under a maximum, with what is printed to an exercise behind it."""

from __future__ import annotations

import pytest

from tasks.documents.chunks import approximate_tokens, chunks
from tasks.documents.cleaning import cleaned, repaired
from tasks.documents.document import Document, Element, Heading
from tasks.documents.matching import joined, match_printed
from tasks.documents.quality import divided, is_whole, language_in, legible, quality_of, refusal


def book() -> Document:
    headings = [Heading("One", 1), Heading("First", 2, "1.1"), Heading("More", 3), Heading("Answers", 2)]
    elements = [
        Element("text", "In the beginning.", 0),
        Element("exercise", "What is two?", 1, "Exercise 1", start=5, end=9),
        Element("text", "Then more of the text.", 2),
        Element("exercise", "What is three?", 2, "Exercise 2"),
        Element("solution", "Two.", 3, "Exercise 1", start=50, end=54),
    ]
    return Document("Book", "latex", headings, elements)


def test_a_solution_from_the_back_stands_behind_its_exercise_with_its_own_span() -> None:
    document = book()
    match_printed(document)
    first, second = chunks(document)
    assert first.headings == ("One",)
    assert second.headings == ("One", "1.1 First")
    assert second.text == (
        "# One\n\n## 1.1 First\n\n**Exercise 1.** What is two?\n\n**Solution.** Two.\n\n### More\n\n"
        "Then more of the text.\n\n**Exercise 2.** What is three?"
    )
    assert [(b["kind"], b["start"], b["end"]) for b in second.blocks[:2]] == [
        ("exercise", 5, 9),
        ("solution", 50, 54),
    ]


def test_no_chunk_is_over_the_maximum_but_a_whole_exercise() -> None:
    long = "word " * 2000
    elements = [
        Element("text", long, None),
        Element("exercise", long, None, "Exercise 1"),
        Element("answer", "Yes.", None, of=1),
        Element("text", "unbroken" * 2000, None),
    ]
    parts = chunks(Document("Long", "markdown", [], elements), 500)
    for part in parts:
        assert approximate_tokens(part.text) <= 520 or [one.kind for one in part.elements] == [
            "exercise",
            "answer",
        ]
    kinds = [one.kind for part in parts for one in part.elements]
    assert kinds.count("exercise") == kinds.count("answer") == 1
    texts = ["".join(one.text.split()) for part in parts for one in part.elements if one.kind == "text"]
    assert "".join(texts) == "".join((elements[0].text + elements[3].text).split())


def test_answers_of_their_own_file_are_matched_within_their_chapter() -> None:
    def exercises(title: str, first: int) -> list[Element]:
        return [Element("exercise", f"{title} {n}", first, f"Exercise {n}") for n in (1, 2)]

    document = Document(
        "Book", "latex", [Heading("Sets", 1), Heading("Maps", 1)], [*exercises("s", 0), *exercises("m", 1)]
    )
    answers = Document(
        "Answers",
        "latex",
        [Heading("Maps", 1), Heading("Sets", 1)],
        [
            Element("answer", "m2", 0, "Exercise 2"),
            Element("answer", "s1", 1, "Exercise 1"),
            Element("answer", "s9", 1, "Exercise 9"),
        ],
    )
    whole = joined(document, [("answers.tex", answers)])
    match_printed(whole)
    assert [(one.of, one.part) for one in whole.elements[4:]] == [
        (3, "answers.tex"),
        (0, "answers.tex"),
        (None, "answers.tex"),
    ]
    assert len(document.elements) == 4


def test_odd_solutions_without_numbers_are_of_every_other_exercise() -> None:
    exercises = [Element("exercise", "?", None, f"Exercise {n}") for n in range(1, 6)]
    odd = [Element("solution", "!", None) for _ in range(3)]
    whole = joined(Document("B", "latex", [], exercises), [("odd.tex", Document("O", "latex", [], odd))])
    match_printed(whole)
    assert [one.of for one in whole.elements[5:]] == [0, 2, 4]


def test_a_solution_in_parts_has_each_part_on_a_line_as_its_exercise_has() -> None:
    document = Document(
        "B",
        "latex",
        [],
        [
            Element("exercise", "Find\n\n(a) one\n(b) two\n(c) three", None, "Exercise 1"),
            Element("solution", "(a) Yes. (b)\n\n[Figure] as in part (c) below. (c) By (b), no.", None, of=0),
            Element("exercise", "Is (a) or (b) right?", None, "Exercise 2"),
            Element("solution", "(a) is. (b) is not.", None, of=2),
        ],
    )
    match_printed(document)
    assert document.elements[1].text == "(a) Yes.\n(b) [Figure] as in part (c) below.\n(c) By (b), no."
    assert document.elements[3].text == "(a) is. (b) is not."


def test_cleaning_repairs_texts_and_cuts_lists_of_pages() -> None:
    headings = [Heading("Contents", 1), Heading("Part", 2), Heading("Text", 1), Heading("Bibliography", 1)]
    listing = "\n".join(f"Word {n}, {n}, {n + 3}" for n in range(9))
    elements = [
        Element("text", "one .... 3", 1),
        Element("exercise", "The ﬁrst schÃ¶n", 2, "Exercise 1"),
        Element("text", listing, 2),
        Element("answer", "yes", 2, of=1),
        Element("text", "Euler, 1750", 3),
    ]
    result = cleaned(Document("T", "pdf", headings, elements))
    assert [one.text for one in result.elements] == ["The first schön", "yes"]
    assert [one.of for one in result.elements] == [None, 0]


@pytest.mark.parametrize("text", [r"\(x\le y\) — “quoted” 1ﬀ", "a&lt;b", "数学。", "naïve café"])
def test_a_sound_text_keeps_its_characters(text: str) -> None:
    assert repaired(text) == text.replace("ﬀ", "ff")


def test_the_quality_of_a_document_has_reasons() -> None:
    good = Document(
        "T", "markdown", [], [Element("text", r"The sum of \(a\) and \[\frac{a}{b}\] is that of the two.")]
    )
    assert refusal(quality_of(good), "documents") is None
    garbled = Document(
        "T", "pdf", [], [Element("text", "The \ufffd\ufffd of the \ue000\ue001 (cid:12) is in it.")]
    )
    broken = Document(
        "T", "latex", [], [Element("text", r"The set \(\{x\) of \(\frac{a}{b\) is in the text.")]
    )
    german = Document(
        "T",
        "latex",
        [],
        [Element("text", "Es sei der Raum und die Menge nicht leer, dann ist das klar. " * 5)],
    )
    reasons = [refusal(quality_of(one), "documents") for one in (garbled, broken, german)]
    assert [(why.code, why.values.get("name") or why.values["language"]) for why in reasons if why] == [
        ("below_threshold", "legible characters"),
        ("below_threshold", "whole formulas"),
        ("other_language", "de"),
    ]


def test_formulas_are_found_in_linear_time() -> None:
    assert divided(r"a \(x\) b \[y \\[2pt] z\] c \( open") == (["x", r"y \\[2pt] z"], "a   b   c   open")
    assert divided("\\(" * 200_000)[0] == []
    hostile = Document("T", "pdf", [], [Element("text", "\n".join(["." * 100_000] * 5), None)])
    assert len(cleaned(hostile).elements) == 1


def test_parts_of_the_quality() -> None:
    assert legible("") == 1.0
    assert legible("Ã¤bc") == 0.5
    assert is_whole(r"\left( \{x\} \begin{cases} a \end{cases} \right.")
    assert not is_whole(r"\begin{cases} a \end{aligned}")
    assert not is_whole(r"x}")
    assert [language_in(t) for t in ("设集合为空。", "これは数学です", "Is the sum of two.")] == [
        "zh",
        "ja",
        "en",
    ]
