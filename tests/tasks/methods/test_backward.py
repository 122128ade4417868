"""Questions backwards: what is hidden, what is stated and asked, and that solutions recover the hidden number."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

import pytest

from storage.rows import DERIVED_FROM, Row, column, kept
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import backward
from tasks.sandbox import Sandbox
from tests.tasks.methods.derived_rows import drawn, planned, questions_of_a_night, written

QUESTION = "A kitchen bakes 18 trays of 24 rolls. 37 are burnt. How many good rolls are there?"


def row(question: str = QUESTION, **columns: object) -> Row:
    own = {"subdomain": "rates and units", "reference_answer": "395", "source": "s", "license": "CC0"}
    return Row(question, "en", **(own | columns))  # type: ignore[arg-type]


def test_the_hidden_number_is_the_trusted_answer() -> None:
    (ask,) = planned("backward", [row()])
    (item,) = backward.make(ask)
    assert item.reference_answer in ("18", "24", "37")
    first, asked = item.question.split("\n\n")
    assert first.replace("x", item.reference_answer, 1) == QUESTION
    assert (
        asked
        == "The answer to this question is known to be 395. What is the value of the unknown positive number x?"
    )
    assert ask.inherited == {"source": "s", "license": "CC0"}
    assert ask.prompt == ""


@pytest.mark.parametrize(
    "question",
    [
        "What is the remainder when $7^{100}$ is divided by 13?",
        "Find $7^{100} \\bmod 13$.",
        "What is the greatest common divisor of 84 and 36?",
        "Round 3.14159 to 2 decimal places.",
        "How many digits does 2^30 have?",
        "7 的 100 次方除以 13 的余数是多少？",
        "求 84 和 36 的最大公约数。",
    ],
)
def test_a_number_that_the_answer_does_not_determine_is_not_hidden(question: str) -> None:
    assert not planned("backward", [row(question, reference_answer="9")])


@pytest.mark.parametrize(
    "question", ["48 is divided by 8. What is the quotient?", "甲有 48 元，用去 8 元，还有多少元？"]
)
def test_plain_operations_are_turned(question: str) -> None:
    assert planned("backward", [row(question, reference_answer="6")])


def test_an_answer_in_latex_is_set_as_a_formula() -> None:
    (ask,) = planned("backward", [row(reference_answer=r"\frac{1}{2}")])
    assert r"known to be $\frac{1}{2}$." in backward.make(ask)[0].question


def test_the_answer_of_a_solution_is_stated_where_none_is_trusted() -> None:
    (ask,) = planned("backward", [row(reference_answer=None, answer="395")])
    assert ask.variables["answer"] == "395"


@pytest.mark.parametrize(
    "unfit",
    [
        row(reference_answer=None),
        row(reference_answer="a sentence " * 20),
        row("Are two and two four?"),
        row(QUESTION + "\nA) 1\nB) 395"),
        row(method="backward"),
        row(method="self_verification"),
    ],
)
def test_rows_that_cannot_be_turned_are_left_out(unfit: Row) -> None:
    assert planned("backward", [unfit]) == []


@pytest.mark.slow
def test_a_night_recovers_the_hidden_numbers(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    parents = drawn("backward", every=6)
    asks = planned("backward", parents)
    outcome = written(asks, engine)
    questions = kept(outcome.rows)
    assert questions.num_rows == len(asks) > 0.8 * len(parents)
    assert not any(column(questions, "model"))
    novel, accepted = questions_of_a_night(parents, questions, engine, sandbox, judge)
    assert novel.num_rows == questions.num_rows  # none is a near duplicate of its parent
    assert all(dict(verdicts)[DERIVED_FROM] for verdicts in column(novel, "verdicts"))
    assert len(set(column(accepted, "problem_id"))) > 0.6 * novel.num_rows
    for record in accepted.to_pylist():
        assert Fraction(record["answer"]) == Fraction(record["reference_answer"])
        assert re.search(r"value of the unknown|求未知正数", record["question"])
