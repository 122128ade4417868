"""Compound questions of the embedded teacher: writing and reading are inverse, and their solutions are right."""

from __future__ import annotations

import contextlib
import io

import pytest

from tasks.teacher.composition import worked_compound, worked_question
from tasks.teacher.compound import FORMS, Compound, split, write

FIRST = {"en": "Solve for x: 3x + 4 = 19.", "zh": "解方程：3x + 4 = 19。"}  # 5
SECOND = {"en": "What is the value of 12 + 30?", "zh": "计算 12 + 30。"}  # 42
BACKWARD = (
    "A fair six-sided die has the numbers 5, x, 8, 11, 12, 12 on its faces. A first roll below 11 is discarded and replaced by a "
    "second roll, which then counts. Find the expected value of the number that counts.\n\n"
    "The answer to this question is known to be $\\frac{125}{12}$. What is the value of the unknown positive number x?"
)
SLOTS = {
    "third": "What is 2 + 3?",
    "fourth": "What is 4 + 5?",
    "factor": "3",
    "addend": "7",
    "divisor": "4",
    "answer": "42",
    "letter": "k",
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", FORMS)
def test_reading_is_the_inverse_of_writing(form: str, language: str) -> None:
    given = {"first": FIRST[language], "second": SECOND[language], **SLOTS}
    slots = {name: value for name, value in given.items() if f"{{{name}}}" in FORMS[form][language]}
    assert split(write(form, language, **slots)) == Compound(form, language, slots)
    assert split(FIRST[language]) is None


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("further", "133"),
        ("remainder", "2"),
        ("parallel", "47"),
        ("condition", "42"),
        ("three", "52"),
        ("four", "61"),
        ("backward", "12"),
        ("stated", "12"),
    ],
)
def test_compounds_are_worked(form: str, answer: str, language: str) -> None:
    first = SECOND[language]
    if form in ("backward", "stated"):
        first = first.replace("12", "k")
    text = write(form, language, **{"first": first, "second": FIRST[language], **SLOTS})
    worked = worked_compound(text)
    assert worked is not None
    assert worked.answer == answer
    assert answer in worked.steps[-1]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_first_result_stands_in_the_second_part(language: str) -> None:
    second = SECOND[language].replace("12", "(A + 7)")
    worked = worked_compound(write("sequence", language, first=FIRST[language], second=second))
    assert worked is not None
    assert worked.answer == "42"


def test_what_cannot_be_worked_is_not() -> None:
    assert worked_question("Who are you?", "en") is None
    nothing = write("parallel", "en", first="Who are you?", second=SECOND["en"])
    assert worked_compound(nothing) is None
    inner = write("backward", "en", first="What is the value of k + 30?", answer="42", letter="k")
    nested = write("backward", "en", first=inner.replace("30", "j"), answer="12", letter="j")
    assert worked_compound(nested) is None  # and at once


def test_a_question_backwards_is_worked_by_a_program_that_searches() -> None:
    worked = worked_question(BACKWARD, "en")
    assert worked is not None
    assert worked.answer == "7"
    assert "7" not in worked.program.replace("8, 11, 12", "")  # the answer is computed, not written down
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(worked.program, {})
    assert printed.getvalue().strip() == "7"


@pytest.mark.parametrize("answer", ["$\\frac{1}{12}$", "no"])
def test_a_question_backwards_without_a_whole_number_that_fits_is_not_known(answer: str) -> None:
    assert worked_question(BACKWARD.replace("$\\frac{125}{12}$", answer), "en") is None
