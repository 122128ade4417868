"""Which exercises a passage has, and what is printed for each of them."""

from __future__ import annotations

from typing import Any

import pytest

from storage.rows import DocumentBlock
from tasks.documents.exercises import exercises, explained, parts_of, printed_value


def block(kind: str, text: str, label: str | None = None, **place: Any) -> DocumentBlock:
    empty = {"part": None, "page": None, "start": None, "end": None}
    return DocumentBlock(kind=kind, text=text, label=label, **(empty | place))  # type: ignore[typeddict-item]


SOLUTION = "There are 7 choices for the first letter, so the total number is 7 * 6 = 42."


def printed(*blocks: DocumentBlock) -> list[tuple[str, str | None, str | None]]:
    return [(one.question, one.solution, one.answer) for one in exercises(blocks)]


def test_a_solution_belongs_to_the_exercise_before_it_or_to_the_one_that_it_names() -> None:
    blocks = [
        block("exercise", "How many words?", "Exercise 1", start=1, end=5),
        block("hint", "Count.", "Exercise 1"),
        block("exercise", "What is 2 + 2?", "Exercise 2"),
        block("text", "Between them."),
        block("answer", "4.", "Exercise 2"),
        block("solution", SOLUTION, "Exercise 1", start=9, end=20),
    ]
    first, second = exercises(blocks)
    assert (first.question, first.solution, first.answer) == ("How many words?", SOLUTION, None)
    assert first.spans == [
        {"kind": "exercise", "start": 1, "end": 5},
        {"kind": "solution", "start": 9, "end": 20},
    ]
    assert (second.question, second.solution, second.answer) == ("What is 2 + 2?", None, "4")
    assert [one["text"] for one in explained(blocks)] == ["Between them."]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("120.", "120"),
        (r"\(\frac{1}{2}\).", r"\frac{1}{2}"),
        ("$x = 3$", "x = 3"),
        ("True.", "True"),
        (r"\(a\) and \(b\)", r"\(a\) and \(b\)"),
        ("答案是 5。", "5"),
        (r"\(8! = 8 \cdot 7 \cdots 1 = 40320\)", "40320"),
        (r"\(x = 3\), \(y = 5\)", r"\(x = 3\), \(y = 5\)"),
        ("E(X) = 3.59. SD(X) = 9.64.", "E(X) = 3.59. SD(X) = 9.64"),
        ("\\(V\\)\n\n\\(= \\frac{s}{4}\\)\n\n\\(= s / 4\\)", "s / 4"),
    ],
)
def test_a_solution_that_is_only_a_value_is_an_answer(text: str, answer: str) -> None:
    assert printed(block("exercise", "q?"), block("solution", text)) == [("q?", None, answer)]


def test_a_worked_text_is_a_solution_and_its_marked_answer_is_the_answer() -> None:
    worked = r"We count the pairs of numbers, of which there are 12, and halve it. \boxed{6}"
    assert printed(block("exercise", "q?"), block("answer", worked)) == [("q?", worked, "6")]
    both = printed(block("exercise", "q?"), block("solution", SOLUTION), block("answer", "42"))
    assert both == [("q?", SOLUTION, "42")]


def test_a_worked_example_counts_if_its_solution_is_a_block_of_its_own() -> None:
    alone = block("example", "For example 2 + 2 = 4.")
    assert printed(alone, block("text", "So much for that.")) == []
    assert explained([alone]) == [alone]
    pair = [block("example", "How many words?"), block("solution", SOLUTION)]
    assert printed(*pair) == [("How many words?", SOLUTION, None)]
    assert explained(pair) == []


@pytest.mark.parametrize(
    ("question", "solution", "answer"),
    [
        ("How many?", "There are as many as there are pairs. Thus the answer is:\n\n\\[2^5.\\]", "2^5"),
        ("How many?", "The answer is 0.0382, which can be verified using Figure 16.", "0.0382"),
        ("How many?", "You might think that the answer is 3. But two of the pairs are the same.", None),
        ("How many?", "We see that the correct answer is,\n\n\\[15,120.\\]\n\nTada!", None),
        (
            "Prove that it is 8.",
            "There are as many pairs as there are subsets of 3, so the answer is 8.",
            None,
        ),
    ],
)
def test_a_printed_solution_states_its_answer_in_its_last_sentence(
    question: str, solution: str, answer: str | None
) -> None:
    assert printed(block("exercise", question), block("solution", solution)) == [(question, solution, answer)]


PARTS = "Let S be {1, 2}.\n\n(a) How many subsets has S?\n\n    ____\n\n(b) How many have\n    one element?"


def test_parts_become_exercises_with_the_shared_introduction() -> None:
    first, second = exercises([block("exercise", PARTS, "Exercise 4"), block("answer", "(a) 4\n(b) 2")])
    assert (first.question, first.answer, first.label) == (
        "Let S be {1, 2}.\n\nHow many subsets has S?",
        "4",
        "Exercise 4(a)",
    )
    assert (second.question, second.answer) == ("Let S be {1, 2}.\n\nHow many have\none element?", "2")


def test_a_part_may_be_answered_by_a_block_that_names_it() -> None:
    blocks = [block("exercise", PARTS, "Exercise 4"), block("answer", "2", "Exercise 4(b)")]
    assert [one.answer for one in exercises(blocks)] == [None, "2"]


def test_a_solution_of_all_parts_at_once_keeps_them_together() -> None:
    (whole,) = exercises([block("exercise", PARTS, "Exercise 4"), block("solution", SOLUTION)])
    assert whole.question.startswith("Let S be {1, 2}.\n\n(a) How many subsets has S?")
    assert whole.solution == SOLUTION
    assert "____" not in whole.question


def test_parts_of_a_solution_are_divided_where_their_marks_stand_in_lines_too() -> None:
    question = "P(A) = 0.3\n\n(a) Is it known?\n(b) If independent, (i) both? (ii) either?\n(c) And now?"
    solution = "(a) No, but it would be. (b-i) 0.21. (b-ii) 0.79.\n(c) No, because it is less."
    texts = [
        one.solution or one.answer
        for one in exercises([block("exercise", question), block("solution", solution)])
    ]
    assert texts == ["No, but it would be", None, "No, because it is less."]


def test_what_follows_the_parts_of_a_solution_belongs_to_none_of_them() -> None:
    solution = "1. There are 3 ways, so it is 3.\n\n   Or 4 - 1.\n2. There are 9 ways, so it is 9.\n\nHow are they related? By 6."
    first, second = exercises([block("exercise", "Count.\n1. One?\n2. Two?"), block("solution", solution)])
    assert (first.solution, second.solution) == (
        "There are 3 ways, so it is 3.\n\nOr 4 - 1.",
        "There are 9 ways, so it is 9.",
    )


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("(a) one\n(b) two", ["a", "b"]),
        ("1. one\n2. two\n3. three", ["1", "2", "3"]),
        ("(i) one\n(ii) two\n(iii) three", ["i", "ii", "iii"]),
        ("a) one\nb) two", ["a", "b"]),
        ("(a) one", []),
        ("(b) one\n(c) two", []),
        ("(a) one\n(c) two", []),
        ("(a) one\n    (b) not a part of its own\n(b) two", ["a", "b"]),
        ("We have (a) and (b) in a line.", []),
        ("1999 was a year.\n2. two", []),
    ],
)
def test_parts_count_from_the_first_mark_without_a_gap(text: str, marks: list[str]) -> None:
    assert [mark for mark, _ in parts_of(text)[1]] == marks


def test_hostile_text_is_read_in_linear_time() -> None:
    text = "(a) " * 50_000 + "\n" + "____ " * 50_000 + "\n(b) " * 20_000
    assert len(exercises([block("exercise", text), block("solution", text)])) >= 1


def test_an_answer_of_several_parts_in_one_line_is_no_single_value() -> None:
    assert printed_value("(a) Outcomes 2 and 3. (b) Yes, they share no outcome.") is None
    assert printed_value("(i) 4 (ii) 5") is None
    assert printed_value("\\(f(b) = 3\\)") == "f(b) = 3"
    assert printed_value("Observational study") == "Observational study"


def test_the_number_beside_a_formula_is_no_part_of_an_answer() -> None:
    assert printed_value(r"\[x = 5 \tag{3}\]") == "x = 5"


def test_a_solution_whose_end_is_not_marked_states_no_answer() -> None:
    text = "How many pizzas are there?"
    worked = "There are two choices for each of ten toppings, so that there are \\(2^{10}\\) pizzas.\n\nCareful: and is not times. The answer is 6."
    asked = [block("example", text), block("solution", worked)]
    (closed,) = exercises(asked)
    (open_,) = exercises(asked, open_ended=[1])
    assert (closed.answer, open_.answer) == ("6", None)
    assert open_.solution == worked


def test_a_word_that_ocr_is_not_sure_of_is_named() -> None:
    asked = [
        block("exercise", "Compute rE 3a? dex.", "1"),
        block("exercise", "Find it.", "2"),
        block("solution", "It is 779?!, so 7.", "2"),
    ]
    first, second = exercises(asked, None, {"0": ["rE"], "2": ["779?!,"]})
    assert (first.misread, first.solution_misread) == ("rE", None)
    assert (second.misread, second.solution_misread) == (None, "779?!,")
