"""Options in every convention, and the letter that an answer names."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.ingestion.columns import Fields, habits, read, with_own_options
from tasks.ingestion.instructions import without_instruction
from tasks.ingestion.options import Options, letter_of, listed_in, options_of, written_in
from tasks.ingestion.values import Unfit

FOUR = Options(("3", "4", "5", "6"), ("A", "B", "C", "D"))
TWO = ("3", "4")


@pytest.mark.parametrize(
    "record",
    [
        {"options": {"A": "3", "B": "4"}, "answer": "B"},
        {"choices": {"text": ["3", "4"], "label": ["A", "B"]}, "answerKey": "B"},
        {"choices": {"text": ["3", "4"], "label": ["1", "2"]}, "answerKey": "2"},
        {"options": [{"label": "A", "text": "3"}, {"label": "B", "text": "4"}], "answer": "B"},
        {"options": [{"key": "A", "value": 3}, {"key": "B", "value": 4}], "answer": "B"},
        {"options": [{"A": "3"}, {"B": "4"}], "answer": "B"},
        {"options": [["A", "3"], ["B", "4"]], "answer": "B"},
        {"options": [3, 4], "answer": "B"},
        {"options": [3.0, 4.0], "answer": "B"},
        {"options": ["A) 3", "B) 4"], "correct": "B"},
        {"options": ["A)3", "B)4"], "correct": "B"},
        {"options": ["(A) 3", "(B) 4"], "label": "B"},
        {"options": ["A. 3", "B. 4"], "answer": "b"},
        {"A": "3", "B": "4", "answer": "B"},
        {"a": "3", "b": "4", "answer": "b"},
        {"option_a": "3", "option_b": "4", "answer": "B"},
        {"Option A": "3", "Option B": "4", "Answer": "Option B"},
        {"optionA": "3", "optionB": "4", "answer": "B"},
        {"option1": "3", "option2": "4", "answer": "2"},
        {"opa": "3", "opb": "4", "cop": 1},
        {"choice_a": "3", "choice_b": "4", "correct_choice": "B"},
        {"ending0": "3", "ending1": "4", "label": 1},
        {"choices": ["3", "4"], "answer": 1},
        {"choices": ["3", "4"], "answer": "4"},
        {"choices": ["3", "4"], "answer_idx": "B", "answer": "4"},
        {"options": '["3", "4"]', "answer": "B"},
        {"options": "['3', '4']", "answer": "B"},
        {"options": "['3' '4']", "answer": "B"},
        {"options": "['3'\n '4']", "answer": "B"},
        {"options": "[3 4]", "answer": "B"},
        {"options": "array(['3', '4'], dtype=object)", "answer": "B"},
        {"choices": "{'text': array(['3', '4'], dtype=object), 'label': array(['A', 'B'], dtype=object)}", "answer": "B"},
        {"options": "{'A': '3', 'B': '4'}", "answer": "B"},
        {"options": "a ) 3 , b ) 4", "correct": "b"},
        {"options": "a ) a ) 3 , b ) b ) 4", "correct": "b"},
        {"options": "A: 3 \nB: 4 ", "answer": "B"},
        {"options": "3\n4", "answer": "B"},
        {"options": "3|4", "answer": "B"},
        {"options": "A. 3; B. 4", "answer": "B"},
        {"options": TWO, "answer": "(B)"},
        {"options": TWO, "answer": "B. 4"},
        {"options": TWO, "answer": "The answer is B."},
        {"options": TWO, "answer": r"$\textbf{(B)}$"},
        {"options": TWO, "answer": "B\n"},
        {"options": TWO, "correct_option": "B", "answer": "true"},
    ],
)  # fmt: skip
def test_every_convention_gives_the_same_options(record: dict[str, Any]) -> None:
    fields = read({"question": "What is 2+2?", **record})
    assert (fields.options and fields.options.texts, fields.reference) == (TWO, "B")
    assert fields.asked == "What is 2+2?\nA) 3\nB) 4"


def test_a_letter_out_of_columns_of_numbers_is_none() -> None:
    fields = read({"question": "What is a + b?", "a": 3, "b": 4, "answer": "7.5"})
    assert (fields.options, fields.reference) == (None, "7.5")


@pytest.mark.parametrize(
    "options", [7, True, {"A": {"x": 1}}, [{"x": [1]}, {"x": [2]}], "no options here at all", [[1, 2, 3]]]
)
def test_options_that_cannot_be_read_refuse_the_row(options: Any) -> None:
    with pytest.raises(Unfit, match="the options cannot be read as options"):
        read({"question": "Q?", "options": options, "answer": "B"})


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"), ("b", "B"), ("(b)", "B"), ("B)", "B"), ("B.", "B"), ("Option B", "B"), ("option_b", "B"), ("答案：B", "B"), ("4", "B"), (1, "B"),
        (1.0, "B"), ("(B) 4", "B"), ("AC", "AC"), ("A, C", "AC"), ("C and A", "AC"), (["A", "C"], "AC"), ("A、C", "AC"), ("E", None), ("7", None),
        (True, None), (None, None), ("A car", None), ("d = 60", None), ("", None),
    ],
)  # fmt: skip
def test_letters(answer: Any, letter: str | None) -> None:
    assert letter_of(FOUR, answer) == letter


def test_decimals_are_not_numbered_options() -> None:
    assert options_of({"options": ["1.5", "2.5", "3.5"]}) == Options(("1.5", "2.5", "3.5"), ("A", "B", "C"))
    assert options_of({"options": ["1. 5", "2. 6"]}) == Options(("5", "6"), ("A", "B"))


def test_options_numbered_from_one_are_recognised_by_the_file() -> None:
    def record(answer: Any) -> dict[str, Any]:
        return {"question": f"Q{answer}?", "choices": ["w", "x", "y", "z"], "answer": answer}

    from_one = habits([record(1), record(4), record(2)])
    assert [read(record(answer), from_one).reference for answer in (1, 4, "2")] == ["A", "D", "B"]
    from_zero = habits([record(1), record(3), record(0)])
    assert [read(record(answer), from_zero).reference for answer in (1, 3, "2")] == ["B", "D", "C"]


@pytest.mark.parametrize("kind", [int, str])
def test_numbers_that_are_values_of_options_are_no_places(kind: type) -> None:
    def record(answer: int, *options: int) -> dict[str, Any]:
        return {"question": "What?", "choices": [str(one) for one in options], "answer": kind(answer)}

    file = [
        record(12, 10, 12, 14, 16),
        record(4, 4, 8, 12, 16),  # equals the number of options
        record(3, 9, 7, 5, 3),
        record(120, 1, 2, 60, 120),
        record(2, 3, 5, 7, 9),  # a value that no option has
    ]
    common = habits(file)
    assert common.first is None
    assert [read(one, common).reference for one in file] == ["B", "A", "D", "D", "2"]


def test_a_place_that_is_also_a_value_does_not_vote() -> None:
    def record(answer: int, *options: str) -> dict[str, Any]:
        return {"question": "What?", "choices": list(options), "answer": answer}

    words = ("w", "x", "y", "z")
    from_zero = [record(1, *words), record(2, *words), record(3, *words), record(4, "1", "2", "4", "8")]
    assert habits(from_zero).first == 0
    from_one = [record(1, *words), record(4, *words), record(2, "4", "2", "1", "0")]
    assert habits(from_one).first == 1
    assert [read(one, habits(from_one)).reference for one in from_one] == ["A", "D", "B"]


def test_an_answer_that_is_no_number_has_no_vote() -> None:
    file = [
        {"question": "What?", "choices": ["w", "x", "y", "z"], "answer": answer}
        for answer in (
            float("nan"),
            float("inf"),
            10**5_000,
            "9" * 5_000,
            "9" * 100_000 + "x",
            "B",
            True,
            None,
            {"a": 1},
            4,
            1,
            2,
        )
    ]
    assert habits(file).first == 1


def test_values_with_units_are_no_places() -> None:
    file = [
        {"question": "How far?", "choices": ["4 km", "8 km", "12 km", "30 km"], "answer": answer}
        for answer in (12, 30, 4, 8)
    ]
    assert habits(file).first is None
    assert [read(one, habits(file)).reference for one in file] == ["12", "30", "4", "8"]


@pytest.mark.parametrize(
    "text",
    [
        "Which is even? A) 3 B) 4 C) 5",
        "Which is even?\nA. 3\nB. 4\nC. 5",
        "Which is even? (A) 3 (B) 4 (C) 5",
        "Which is even?\n(A) 3\n(B) 4\n(C) 5\n\nWrite the letter.",
        "Which is even? A: 3, B: 4, C: 5",
        "Which is even? $\\textbf{(A)}\\ 3 \\qquad\\textbf{(B)}\\ 4 \\qquad\\textbf{(C)}\\ 5$",
        "Which is even? A、3 B、4 C、5",
    ],
)
def test_options_in_the_question(text: str) -> None:
    fields = with_own_options(Fields(text, reference="B"))
    assert fields.options is not None
    assert [option.strip("$") for option in fields.options.texts] == ["3", "4", "5"]
    assert (fields.question, fields.reference) == ("Which is even?", "B")


@pytest.mark.parametrize(
    "text", ["(x - a)(x - b) = 0", "Points A and B.", "Find f(a) and f(b).", "(1) x is even. (2) x is odd."]
)
def test_no_options_in_the_question(text: str) -> None:
    assert listed_in(text) is None


def test_right_and_wrong_answers_apart() -> None:
    record = {"Question": "2+2?", "Correct Answer": "4", "Incorrect Answer 1": "3", "Incorrect Answer 2": "5"}
    fields = read(record)
    assert fields.options is not None
    assert sorted(fields.options.texts) == ["3", "4", "5"]
    assert fields.options.texts[ord(fields.reference or "Z") - 65] == "4"
    assert read(record).options == fields.options


@pytest.mark.parametrize(
    "texts",
    [
        ("3", "4"),
        ("a\nb", "B) c"),
        ("3", "4", "Put your final answer in \\boxed{}."),
        tuple("abcdefghijklmnopqrstuvwxyz"),
    ],
)
def test_lines_of_options_are_read_back(texts: tuple[str, ...]) -> None:
    options = Options(texts, tuple(chr(65 + i) for i in range(len(texts))))
    question = "\n".join(["Which one?", *options.lines()])
    assert written_in(question) == ("Which one?", options)
    assert without_instruction(question) == question


@pytest.mark.parametrize(
    "question",
    [
        "Which one?",
        "Which?\nA) 3",
        "Which?\nA) 3\nC) 4",
        "\nA) 3\nB) 4",
        "Find\n(A) 3\n(B) 4",
        "Which?\nA) 3\nB) ",
    ],
)
def test_other_lines_are_no_options(question: str) -> None:
    assert written_in(question) is None
