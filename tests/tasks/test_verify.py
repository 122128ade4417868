"""Oracles of verification: gold is kept, planted errors are caught, the unreadable is never called wrong."""

from __future__ import annotations

import pytest

from storage.rows import Row, column, to_table
from tasks.answers import Judge
from tasks.sandbox import Sandbox
from tasks.verify import VerifySettings, verify


def cot(question: str, answer: str | None, index: int, **more: str) -> Row:
    return Row(question, "en", solution=f"words {index}", solution_format="cot", answer=answer, **more)  # type: ignore[arg-type]


def pot(question: str, program: str, **more: str) -> Row:
    return Row(question, "en", solution=program, solution_format="pot", **more)  # type: ignore[arg-type]


def reasons(rows: list[Row], sandbox: Sandbox | None, judge: Judge, **settings: float) -> list[str | None]:
    table = verify(
        to_table(rows),
        sandbox=sandbox,
        judge=judge,
        settings=VerifySettings(**settings),  # type: ignore[arg-type]
        tick=lambda n: None,
    )
    found: list[str | None] = column(table, "rejected")
    return found


def test_gold_is_kept_and_planted_errors_are_caught(sandbox: Sandbox, judge: Judge) -> None:
    gold = {"reference_answer": r"\frac{3}{4}"}
    rows = [
        cot("q", "3/4", 0, **gold),
        cot("q", "0.75", 1, **gold),
        cot("q", "4/3", 2, **gold),
        pot("q", "from fractions import Fraction\nprint(Fraction(3, 4))", **gold),
        pot("q", "print(3 / 5)", **gold),
        pot("q", "print(1 / 0)", **gold),
        pot("q", "x = 3", **gold),
    ]
    found = reasons(rows, sandbox, judge)
    assert [why is None for why in found] == [True, True, False, True, False, False, False]
    assert found[2] == r"verify: answer 4/3 is not \frac{3}{4}"
    assert "ZeroDivisionError" in str(found[5])
    assert "no_answer" in str(found[6])


def test_what_a_program_prints_is_taken_whole(sandbox: Sandbox, judge: Judge) -> None:
    rows = [
        pot("p", "print('4*x**2 - 33*x + 54')", reference_answer="4x^2 - 33x + 54"),
        pot("p", "print('The answer is 12.')", reference_answer="12"),
        pot("p", r"print('\\boxed{7}')", reference_answer="7"),
    ]
    assert reasons(rows, sandbox, judge) == [None, None, None]


def test_the_majority_is_kept_where_no_answer_is_trusted(sandbox: Sandbox, judge: Judge) -> None:
    rows = [cot("q", "12", 0), pot("q", "print(3 * 4)"), cot("q", "13", 2), pot("q", "print(24 // 2)")]
    found = reasons(rows, sandbox, judge)
    assert found == [None, None, "verify: answer 13 is outvoted 3 to 1", None]


@pytest.mark.parametrize(
    ("answers", "kept"),
    [
        (["5", "5", "6", "7"], [True, True, False, False]),
        (["5", "5", "6", "6"], [False] * 4),  # a tie is no majority
        (["5", "6", "7", "8"], [False] * 4),
        (["5", None, None, None], [False] * 4),  # one sample agrees with nobody
    ],
)
def test_what_counts_as_a_majority(judge: Judge, answers: list[str | None], kept: list[bool]) -> None:
    rows = [cot("q", answer, i) for i, answer in enumerate(answers)]
    assert [why is None for why in reasons(rows, None, judge)] == kept


def test_agreement_can_be_asked_for(judge: Judge) -> None:
    rows = [cot("q", "5", i) for i in range(2)] + [cot("q", "6", 2)]
    assert reasons(rows, None, judge, min_agreement=2)[:2] == [None, None]
    assert None not in reasons(rows, None, judge, min_agreement=3)


def test_questions_vote_apart_and_difficulty_is_disagreement(judge: Judge) -> None:
    rows = [
        cot("a", "1", 0),
        cot("a", "1", 1),
        cot("b", "2", 0),
        cot("b", "2", 1),
        cot("b", "3", 2),
        cot("b", "4", 3),
    ]
    table = verify(to_table(rows), sandbox=None, judge=judge, settings=VerifySettings(), tick=lambda n: None)
    assert column(table, "difficulty") == [0.0, 0.0, 0.5, 0.5, 0.5, 0.5]
    assert dict(column(table, "verdicts")[4]) == {"consistent": "1/4"}


def test_without_a_sandbox_no_program_runs(judge: Judge) -> None:
    (why,) = reasons([pot("q", "print(1)")], None, judge)
    assert why == "verify: failed: program not run: no sandbox"
