"""Problems out of graphs of functions: those of hand-made rows, and of real programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable

import pytest

from storage.reasons import Code
from storage.rows import Row, kept, reasons_of, to_table
from tasks.llm.engine import Engine
from tasks.methods import Ask, asks_table, columns_of, compose, settings_of
from tasks.rewriting.numbers import numbers_in
from tasks.sandbox import Sandbox
from tasks.stages.generate import generate
from tasks.stages.outcome import Outcome, balance
from tests.tasks.methods.test_lift import REAL, no_tick, real_rows

PACK = (
    "Tom has 48 apples. He packs 8 apples in each box. How many boxes does Tom pack?",
    "a = 48\nb = 8\nprint(a // b)\n",
    "6",
)
KEEP = (
    "Ann had 15 boxes. She sold 7 boxes at the market. How many boxes did Ann keep?",
    "a = 15\nb = 7\nprint(a - b)\n",
    "8",
)


def problems_of(units: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Return a problem that gives a number of each unit, and one that takes it."""
    return [
        (question.replace("boxes", units_).replace("box", units_[:-1]), program, answer)
        for units_ in units
        for question, program, answer in (PACK, KEEP)
    ]


def rows_of(*problems: tuple[str, str, str]) -> list[Row]:
    """Return rows with verified programs."""
    return [
        Row(question, "en", solution=program, solution_format="pot", answer=answer, subdomain="multi-step arithmetic",
            source="a book", license="CC0", concepts=["subtraction"])
        for question, program, answer in problems
    ]  # fmt: skip


def planned_of(rows: list[Row], count: int = 100, **settings: object) -> list[Ask]:
    pool = to_table(rows).select(columns_of(["compose"]))
    own = settings_of("compose", settings)
    return compose.plan(
        pool, {("en", "multi-step arithmetic"): count}, per_call=5, examples=0, seed=1, settings=own
    )


def composed_of(asks: list[Ask], engine: Callable[..., Engine], sandbox: Sandbox) -> Outcome:
    return generate(
        asks_table(asks), engine=engine("teacher"), source="s", license="l", tick=no_tick, sandbox=sandbox
    )


@pytest.mark.slow
def test_two_programs_become_one_problem_whose_program_prints_its_answer(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    rows = rows_of(PACK, KEEP)
    asks = planned_of(rows)
    assert len(asks) == 1
    outcome = composed_of(asks, engine, sandbox)
    (row,) = kept(outcome.rows).to_pylist()
    (result,) = sandbox.run([row["solution"]])
    assert result.answer == row["answer"] == row["reference_answer"]
    assert (row["method"], row["source"], row["license"], row["concepts"]) == (
        "compose",
        "a book",
        "CC0",
        ["subtraction"],
    )
    assert sorted(row["parent_ids"]) == sorted(one.id for one in rows)
    assert row["prompt"].startswith("compose.en@")
    assert row["question"].count("?") == 1
    params = json.loads(row["params"])
    stated = Counter(str(number.value) for number in numbers_in(row["question"]))
    assert stated == Counter(params["values"].values())
    assert re.search(
        r"Let X be the number of boxes that Tom packs\.|Let X be the number of boxes that Ann kept\.",
        row["question"],
    )
    untrusted = planned_of(rows, trusted=False)
    (other,) = kept(composed_of(untrusted, engine, sandbox).rows).to_pylist()
    assert (other["reference_answer"], other["answer"]) == (None, row["answer"])


def test_a_graph_that_does_not_need_its_functions_and_a_wrong_program_are_refused(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    wrong = (KEEP[0], KEEP[1], "9")
    # the 15 boxes do not matter
    idle = (KEEP[0], "a = 15\nb = 7\nprint(a // a + b)\n", "8")
    cases = (
        (wrong, Code.NOT_A_TEMPLATE, "does not give the answer"),
        (idle, Code.DEGENERATE, "does not matter"),
    )
    for problem, code, why in cases:
        (ask,) = planned_of(rows_of(PACK, problem))
        ask.variables["links"] = [[0, 1, "p1_"]]
        outcome = composed_of([ask], engine, sandbox)
        assert balance("generate", outcome).failed == 0
        (reason,) = [why for why in reasons_of(outcome.rows) if why]
        assert reason.code == code
        assert why in reason.words


def test_rows_of_other_units_and_made_rows_are_not_joined() -> None:
    other = ("Ann had 15 pens. She sold 7 pens. How many pens did Ann keep?", KEEP[1], "8")
    assert planned_of(rows_of(PACK, other)) == []
    made = [Row(**{**vars_of(row), "method": "lift"}) for row in rows_of(PACK, KEEP)]
    assert planned_of(made) == []


def vars_of(row: Row) -> dict[str, object]:
    return {
        name: getattr(row, name)
        for name in ("question", "language", "solution", "solution_format", "answer", "subdomain")
    }


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the programs of the shared folder are not here")
def test_real_programs_compose_and_what_is_kept_states_its_numbers_once(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    asks = planned_of(list(real_rows(200)), count=12)
    assert len(asks) == 12
    outcome = composed_of(asks, engine, sandbox)
    good = kept(outcome.rows).to_pylist()
    assert len(good) >= 3
    results = sandbox.run([row["solution"] for row in good])
    assert [result.answer for result in results] == [row["answer"] for row in good]
    for row in good:
        stated = Counter(number.value for number in numbers_in(row["question"]))
        assert all(stated[number.value] for number in numbers_in(row["question"]))
        assert row["question"].count("?") == 1
    codes = {why.code for why in reasons_of(outcome.rows) if why}
    assert codes <= {Code.NOT_A_TEMPLATE, Code.DEGENERATE, Code.NOT_THE_GRAPH, Code.MALFORMED_ITEM}
