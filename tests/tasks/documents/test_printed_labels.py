"""The words and numbers that begin exercises, theorems and solutions in formats that do not mark them."""

from __future__ import annotations

import pytest

from tasks.documents.printed_labels import item_number, label_of


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("Theorem 2.1 (Pascal). For all", "theorem", "2.1"),
        ("Lemma 3. Let", "theorem", "3"),
        ("Exercise 3.2 Compute", "exercise", "3.2"),
        ("Solution. There are", "solution", None),
        ("Solution: 4", "solution", None),
        ("Example 4", "example", "4"),
        ("例 3 求", "example", "3"),
        ("例3．求", "example", "3"),
        ("习题 3.2 证明", "exercise", "3.2"),
        ("解：由题意", "solution", None),
        ("解 由题意", "solution", None),
        ("证明：设", "proof", None),
        ("定理 1.2（中值定理）设", "theorem", "1.2"),
        ("答案：4", "answer", None),
        ("**Theorem 3** Let", "theorem", "3"),
        ("*Proof.* Clear.", "proof", None),
        ("#### Exercise (4)", "exercise", "4"),
        ("Claim. It holds.", "theorem", None),
        ("Question 5: How many?", "exercise", "5"),
        ("answer: 4", "answer", None),
        ("【例3】求", "example", "3"),
    ],
)
def test_printed_labels(text: str, kind: str, number: str | None) -> None:
    label = label_of(text)
    assert label is not None
    assert (label.kind, label.number) == (kind, number)


def test_labels_are_shown_with_their_numbers_and_titles() -> None:
    label = label_of("**theorem 3 (Euler).** For all")
    assert label is not None
    assert (label.text, label.title, label.length) == ("Theorem 3 (Euler)", "(Euler)", 23)


@pytest.mark.parametrize(
    "text",
    [
        "Theorem 3.2 implies that",
        "Solutions are found",
        "The theorem",
        "Answering this",
        "Proofs are long",
        "解决这个问题",
        "证书",
        "Examples of",
        "**Theorem 3 shows** that",
        "answer.append(i)",
        "Example (see page 3) of this",
    ],
)
def test_words_that_are_no_labels(text: str) -> None:
    assert label_of(text) is None


def test_numbers_of_exercises() -> None:
    assert item_number("3. Compute") == ("3", 3)
    assert item_number("2.14 Compute") == ("2.14", 5)
    assert item_number("(3) Compute") == ("3", 4)
    assert item_number("1984 was a year") is None
    assert item_number("(3 apples)") is None
