"""Problems out of graphs of functions: those of hand-made rows, and of real programs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from storage.reasons import Code
from storage.rows import SOLUTION_BY, Row, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import Ask, asks_table, columns_of, compose, settings_of
from tasks.problems.machinery.family import families
from tasks.problems.machinery.family import make as draw
from tasks.rewriting.numbers import numbers_in
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.stages.generate import generate
from tasks.stages.outcome import Outcome, balance
from tasks.teacher.named_results import worked_named
from tests.tasks.methods.test_lift import REAL, no_tick, real_rows

# families whose results are numbers of others: money, and grams of a recipe
KNOWN = ("machine_output", "shopping_change", "remaining_fraction")
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


def of_families(
    count: int, *names: str, program: Callable[[str], str] = lambda program: program
) -> list[Row]:
    """Return problems of families, which the embedded reasoner knows, with their programs."""
    rows = []
    for name in names:
        family = families()[name]
        for number in range(count):
            problem = draw(family, rng_of("composed", name, number), 1 + number % 3, "en")
            worked = problem.worked
            rows.append(
                Row(problem.question, "en", solution=program(worked.program), solution_format="pot", answer=worked.answer,
                    subdomain=family.subdomain, source="a book", license="CC0")
            )  # fmt: skip
    return rows


def composed_of(
    asks: list[Ask], engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge | None = None
) -> Outcome:
    return generate(
        asks_table(asks),
        engine=engine("teacher"),
        source="s",
        license="l",
        tick=no_tick,
        sandbox=sandbox,
        judge=judge,
        reasoner=engine("reasoner"),
    )


@pytest.mark.slow
def test_two_programs_become_one_problem_whose_program_prints_its_answer(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    rows = rows_of(PACK, KEEP)
    asks = planned_of(rows, trusted=False)
    assert len(asks) == 1
    outcome = composed_of(asks, engine, sandbox)
    (row,) = kept(outcome.rows).to_pylist()
    (result,) = sandbox.run([row["solution"]])
    assert result.answer == row["answer"]
    assert row["reference_answer"] is None
    assert SOLUTION_BY not in dict(row["verdicts"])
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


@pytest.mark.slow
def test_an_answer_is_trusted_where_the_reasoner_confirms_it(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    """The reasoner sees the question alone; the answer of each is worked by the family of its parts."""
    outcome = composed_of(planned_of(of_families(20, *KNOWN)), engine, sandbox, judge)
    balance("generate", outcome)
    good = kept(outcome.rows).to_pylist()
    assert len(good) >= 3
    for row in good:
        assert row["reference_answer"] == row["answer"]
        assert dict(row["verdicts"])[SOLUTION_BY] == "procedure"
        worked = worked_named(row["question"], "en")
        assert worked is not None
        assert judge.equal([(worked.answer, row["answer"])]) == ["equal"]


@pytest.mark.slow
def test_a_question_that_does_not_say_what_the_program_computes_is_refused(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    """The second program is right for its own question by chance: 20 - 4 * 3 is 20 - 4 * 4 + 4, and with other numbers it is not."""
    honest = Row(
        "Keiko buys 3 melons at $8 each and pays with $100. How many dollars of change does Keiko get?",
        "en", solution="a = 3\nb = 8\nc = 100\nprint(c - a * b)", solution_format="pot", answer="76",
        subdomain="multi-step arithmetic", source="a book", license="CC0",
    )  # fmt: skip
    chance = Row(
        "Quentin has $20 and spends part of it on 4 kiwis, each costing $3. How many dollars are left?",
        "en", solution="a = 20\nb = 4\nprint(a - b * b + b)", solution_format="pot", answer="8",
        subdomain="multi-step arithmetic", source="a book", license="CC0",
    )  # fmt: skip
    asks = [replace(ask, seed=seed) for ask in planned_of([honest, chance]) for seed in range(4)]
    outcome = composed_of(asks, engine, sandbox, judge)
    assert balance("generate", outcome).failed == 0
    codes = Counter(why.code for why in reasons_of(outcome.rows) if why)
    assert codes[Code.NOT_CONFIRMED] >= 2
    unconfirmed = [replace(ask, variables=ask.variables | {"confirmations": 0}) for ask in asks]
    taken = composed_of(unconfirmed, engine, sandbox, judge)
    assert kept(taken.rows).num_rows > kept(outcome.rows).num_rows
    for row in kept(outcome.rows).to_pylist():
        worked = worked_named(row["question"], "en")
        assert worked is not None
        assert judge.equal([(worked.answer, row["answer"])]) == ["equal"]


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
    lifted = [Row(**{**vars_of(row), "method": "lift"}) for row in rows_of(PACK, KEEP)]
    assert planned_of(lifted) == []


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
    asks = planned_of(list(real_rows(200)), count=12, trusted=False)
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
