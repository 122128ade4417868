"""Oracles of verification: gold answers are kept, planted errors are rejected, and an unreadable answer is never called wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from storage.reasons import Code
from storage.rows import Row, column, reasons_of, to_table
from tasks.answers import Judge, extract
from tasks.sandbox import Sandbox
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import Calibration, prior


def cot(question: str, answer: str | None, index: int, **more: str) -> Row:
    return Row(question, "en", solution=f"words {index}", solution_format="cot", answer=answer, **more)  # type: ignore[arg-type]


def pot(question: str, program: str, **more: str) -> Row:
    return Row(question, "en", solution=program, solution_format="pot", **more)  # type: ignore[arg-type]


def verified(
    rows: list[Row],
    sandbox: Sandbox | None,
    judge: Judge,
    calibration: Calibration | None = None,
    sure: float = 0.95,
    blind: bool = False,
) -> pa.Table:
    return verify(
        to_table(rows),
        sandbox=sandbox,
        judge=judge,
        calibration=calibration or prior(),
        settings=VerifySettings(sure=sure),
        blind=blind,
        tick=lambda n: None,
    )


def reasons(rows: list[Row], sandbox: Sandbox | None, judge: Judge) -> list[str | None]:
    rejected: list[str | None] = column(verified(rows, sandbox, judge), "rejected")
    return rejected


def test_gold_is_kept_and_planted_errors_are_caught(sandbox: Sandbox, judge: Judge) -> None:
    gold = {"reference_answer": r"\frac{3}{4}"}
    rows = [
        cot("q", "3/4", 0, **gold),
        cot("q", "0.75", 1, **gold),
        cot("q", "4/3", 2, **gold),
        pot("q", "from fractions import Fraction\nprint(Fraction(3, 4))", **gold),
        pot("q", "print(3 / 5)", **gold),
        pot("q", "print(1 / 0)", **gold),
        pot("q", "import math", **gold),
    ]
    rejected = reasons(rows, sandbox, judge)
    assert [why is None for why in rejected] == [True, True, False, True, False, False, False]
    assert rejected[2] == r"verify: answer 4/3 is not \frac{3}{4}"
    assert "ZeroDivisionError" in str(rejected[5])
    assert "no_answer" in str(rejected[6])


@pytest.mark.slow
def test_a_program_whose_answer_changes_has_no_vote(sandbox: Sandbox, judge: Judge) -> None:
    programs = [
        "import random\nprint(random.randrange(10**9))",
        "import datetime\nprint(datetime.date.today().year)",
        "print(len({'a', 'b', 'c'}))",
        "time = 6\nprint(time * 7)",
        "print(3)",
    ]
    table = verified([pot("q", program) for program in programs], sandbox, judge)
    changes = "verify: program: its answer changes from run to run"
    assert column(table, "rejected") == [changes, changes, None, None, None]
    assert column(table, "answer") == [None, None, "3", "42", "3"]
    assert [dict(v)["consistent"] for v in column(table, "verdicts")] == ["0/5", "0/5", "2/5", "1/5", "2/5"]


def test_what_a_program_prints_is_taken_whole(sandbox: Sandbox, judge: Judge) -> None:
    rows = [
        pot("p", "print('4*x**2 - 33*x + 54')", reference_answer="4x^2 - 33x + 54"),
        pot("p", "print('The answer is 12.')", reference_answer="12"),
        pot("p", r"print('\\boxed{7}')", reference_answer="7"),
    ]
    assert reasons(rows, sandbox, judge) == [None, None, None]


def test_votes_of_the_other_samples_are_kept_with_each_row(sandbox: Sandbox, judge: Judge) -> None:
    rows = [cot("q", "12", 0), pot("q", "print(3 * 4)"), cot("q", "13", 2), pot("q", "print(24 // 2)")]
    table = verified([*rows, pot("q", "print(")], sandbox, judge)
    verdicts = [dict(pairs) for pairs in column(table, "verdicts")]
    assert [v["consistent"] for v in verdicts] == ["3/5", "3/5", "1/5", "3/5", "0/5"]
    assert [v["programs"] for v in verdicts] == ["2/2", "1/1", "0/2", "1/1", "0/2"]
    assert [v["worked"] for v in verdicts] == ["0/1", "1/2", "0/1", "1/2", "0/2"]
    assert [v["rival"] for v in verdicts] == ["1", "1", "3", "1", "3"]
    # who is right is decided after the critic; only the program that failed is out
    assert [why is None for why in column(table, "rejected")] == [True] * 4 + [False]
    right, *_, outvoted = np.array(column(table, "correctness")[:3], float)
    assert right > 0.5 > outvoted
    assert column(table, "correctness")[4] is None


def test_samples_without_an_answer_count_among_those_asked(sandbox: Sandbox, judge: Judge) -> None:
    """Of six samples two share an answer, one was dropped by an earlier stage, and two programs fail: 2 of 5. A program that
    could not be executed does not count."""
    programs = [pot("q", "print(1 / 0)"), pot("q", "import math")]
    words = [cot("q", "28", i) for i in range(2)]
    for row in (*words, *programs):
        row.verdicts["abstained"] = "1"
    verdicts = [dict(pairs) for pairs in column(verified([*words, *programs], sandbox, judge), "verdicts")]
    assert [(one["consistent"], one["abstained"]) for one in verdicts[:2]] == [("2/5", "3")] * 2
    unrun = verified([*words, *programs], None, judge)
    assert [(one["consistent"], one["abstained"]) for one in map(dict, column(unrun, "verdicts")[:2])] == [
        ("2/3", "1")
    ] * 2
    alone = verified([cot("q", "28", i) for i in range(2)], None, judge)
    assert "abstained" not in dict(column(alone, "verdicts")[0])
    scores = [
        column(table, "correctness")[0]
        for table in (alone, unrun, verified(words + programs, sandbox, judge))
    ]
    assert scores[0] > scores[1] > scores[2]


def test_the_critic_is_needed_where_votes_are_not_sure(judge: Judge) -> None:
    rows = [cot("a", "5", i) for i in range(6)] + [cot("b", "5", 0), cot("b", "6", 1)]

    def settled(sure: float) -> list[str]:
        return [dict(v)["settled"] for v in column(verified(rows, None, judge, sure=sure), "verdicts")]

    assert settled(sure=0.9) == ["yes"] * 6 + ["no"] * 2
    assert settled(sure=1.0) == ["no"] * 8


def test_blind_rows_are_compared_and_nothing_else(judge: Judge) -> None:
    gold = {"reference_answer": "5"}
    rows = [cot("q", "5", 0, **gold), cot("q", "6", 1, **gold), cot("q", "see above", 2, **gold)]
    seen, blind = (verified(rows, None, judge, blind=blind) for blind in (False, True))
    assert [why is None for why in column(seen, "rejected")] == [True, False, False]
    assert column(blind, "rejected") == [None] * 3
    assert [dict(v)["equivalent"] for v in column(blind, "verdicts")] == ["equal", "different", "unknown"]
    unknown = verified([cot("q", answer, i) for i, answer in enumerate(["5", "6", "see above"])], None, judge)
    assert column(blind, "correctness") == column(unknown, "correctness")
    assert column(seen, "correctness")[0] > 0.9 > 0.1 > column(seen, "correctness")[1]


def test_what_cannot_be_compared_is_counted_apart(judge: Judge) -> None:
    """85.71 may be 600/7 rounded, and a word is no number: neither votes for or against the others."""
    rows = [
        cot("q", answer, i)
        for i, answer in enumerate(["600/7", "600/7", "600/7", "85.71", "see above", "85"])
    ]
    table = verified(rows, None, judge)
    verdicts = [dict(pairs) for pairs in column(table, "verdicts")]
    assert [v["worked"] for v in verdicts] == ["2/3", "2/3", "2/3", "0/1", "0/0", "0/4"]
    assert [v["rival"] for v in verdicts] == ["1", "1", "1", "1", "0", "3"]
    assert [v.get("uncompared") for v in verdicts] == ["2", "2", "2", "4", "5", "1"]
    assert [v["consistent"] for v in verdicts] == ["3/4", "3/4", "3/4", "1/2", "1/1", "1/5"]
    assert column(table, "difficulty") == [0.25] * 6
    without = verified([*rows[:3], rows[5]], None, judge)
    assert column(table, "correctness")[:3] == column(without, "correctness")[:3]


def test_rows_that_differ_and_rows_that_cannot_be_compared_have_their_own_codes(judge: Judge) -> None:
    rows = [
        cot("q", answer, i, reference_answer="600/7") for i, answer in enumerate(["85", "85.71", "600/7"])
    ]
    typed = reasons_of(verified(rows, None, judge))
    assert [why and why.code for why in typed] == [Code.DIFFERENT, Code.INCOMPARABLE, None]


def test_questions_vote_apart_and_difficulty_is_disagreement(judge: Judge) -> None:
    rows = [
        cot("a", "1", 0),
        cot("b", "2", 0),
        cot("a", "1", 1),
        cot("b", "2", 1),
        cot("b", "3", 2),
        cot("b", "4", 3),
    ]
    table = verified(rows, None, judge)
    assert column(table, "difficulty") == [0.0, 0.5, 0.0, 0.5, 0.5, 0.5]
    assert [dict(v)["consistent"] for v in column(table, "verdicts")] == [
        "2/2",
        "2/4",
        "2/2",
        "2/4",
        "1/4",
        "1/4",
    ]
    assert verified([], None, judge).num_rows == 0


def test_without_a_sandbox_no_program_runs(judge: Judge) -> None:
    (why,) = reasons([pot("q", "print(1)")], None, judge)
    assert why == "verify: failed: program not run: no sandbox"


def test_an_answer_to_multiple_choice_is_the_letter_of_its_option(judge: Judge) -> None:
    question = "What is 1/2 + 1/4?\nA) 1/4\nB) 3/4\nC) 1\nD) 2"
    named = {
        "A": "A",
        "B": "B",
        "(B)": "B",
        r"\text{B}": "B",
        "B) 3/4": "B",
        "3/4": "B",
        "0.75": "B",
        "2": "D",
        "5": "5",
    }
    rows = [cot(question, answer, i, reference_answer="B") for i, answer in enumerate(named)]
    table = verified(rows, None, judge)
    assert column(table, "answer") == list(named.values())
    reasons_found = reasons_of(table)
    right = [why is None for why in reasons_found]
    assert right == [letter == "B" for letter in named.values()]
    assert {why.code for why in reasons_found if why is not None} == {Code.DIFFERENT}
    votes = [dict(verdicts)["consistent"] for verdicts in column(table, "verdicts")]
    assert votes == ["6/9" if letter == "B" else "1/9" for letter in named.values()]


@pytest.mark.parametrize(
    ("solution", "closed"),
    [
        ("1/2 + 1/4 = 3/4\n\\boxed{3/4}", "1/2 + 1/4 = 3/4\nThis is option B: 3/4.\n\\boxed{B}"),
        (
            "So it is $\\boxed{\\frac{3}{4}}$.",
            "So it is $\\frac{3}{4}$.\nThis is option B: 3/4.\n\\boxed{B}",
        ),
        ("It is 3/4.\n\\[\\boxed{B}\\]", None),
        ("It is 3/4, so the answer is (B).", None),
        ("It is 3/4.", "It is 3/4.\nThis is option B: 3/4.\n\\boxed{B}"),
    ],
)
def test_a_model_s_solution_of_multiple_choice_ends_with_the_letter(
    solution: str, closed: str | None, judge: Judge
) -> None:
    question = "What is 1/2 + 1/4?\nA) 1/4\nB) 3/4\nC) 1\nD) 2"
    answer = getattr(extract(solution), "answer", None)
    row = cot(question, answer or "", 0, reference_answer="B", model="m")
    row.solution = solution
    once = verified([row], None, judge)
    assert column(once, "solution") == [closed or solution]
    assert column(once, "answer") == ["B"]
    assert column(once, "id") == [row.id]  # a row keeps its id
    again = verified([replace(row, solution=closed or solution, answer="B")], None, judge)
    assert column(again, "solution") == column(once, "solution")
    imported = verified([replace(row, model=None)], None, judge)
    assert column(imported, "solution") == [solution]


@pytest.mark.parametrize(
    ("reference", "right"),
    [
        ("60", {"B", "60 km", "60"}),  # ingestion found no option with exactly this text
        ("60 km", {"B", "60 km", "60"}),
        ("B", {"B", "60 km", "60"}),
        ("75", set()),  # none of the options
    ],
)
def test_a_letter_is_compared_with_a_reference_that_is_a_value(
    reference: str, right: set[str], judge: Judge
) -> None:
    question = "How far is it?\\nA) 50 km\\nB) 60 km\\nC) 70 km".replace("\\n", "\n")
    answers = ["B", "60 km", "60", "C", "70 km"]
    rows = [cot(question, answer, i, reference_answer=reference) for i, answer in enumerate(answers)]
    table = verified(rows, None, judge)
    kept = {answer for answer, why in zip(answers, reasons_of(table), strict=True) if why is None}
    assert kept == right
    codes = {why.code for why in reasons_of(table) if why is not None}
    assert codes == {Code.DIFFERENT}
