"""Problems out of verified programs: those of a few hand-made rows, of the problem families, and of real programs."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from storage.reasons import Code
from storage.rows import SOLUTION_BY, Row, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import Ask, asks_table, columns_of, lift
from tasks.problems.machinery.family import families
from tasks.problems.machinery.family import make as draw
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of
from tasks.stages.generate import generate
from tasks.stages.outcome import Outcome, balance
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import prior

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "pot"
QUESTION = "Janet’s ducks lay 16 eggs per day. She eats three for breakfast and sells the rest for $2.50 each. How much does she make every day?"
PROGRAM = "total = 16\neaten = 3\nprice = 2.5\nprint((total - eaten) * price)\n"


def with_columns(question: str = QUESTION, solution: str = PROGRAM, answer: str = "32.5", method: str | None = None) -> Row:  # fmt: skip
    """Return a row with a verified program."""
    return Row(question, "en", solution=solution, solution_format="pot", answer=answer, method=method,
               subdomain="multi-step arithmetic", source="a book", license="CC0")  # fmt: skip


EGGS = with_columns()


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def planned_of(rows: list[Row], **settings: object) -> list[Ask]:
    """Return the asks of all rows that can be lifted."""
    quota = {(row.language, row.subdomain or ""): 1_000 for row in rows}
    pool = to_table(rows).select(columns_of(["lift"]))
    own = lift.LiftSettings.model_validate(settings)
    return lift.plan(pool, quota, per_call=5, examples=0, seed=1, settings=own)


def lifted_rows(
    rows: list[Row], engine: Callable[..., Engine], sandbox: Sandbox, **settings: object
) -> Outcome:
    asks = planned_of(rows, **settings)
    offline = engine("teacher", offline=True)
    return generate(asks_table(asks), engine=offline, source="s", license="l", tick=no_tick, sandbox=sandbox)


def test_a_row_gives_new_problems_with_programs_that_print_their_answers(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    outcome = lifted_rows([EGGS], engine, sandbox)
    counts = balance("generate", outcome)
    assert (counts.asked, counts.kept) == (3, 3)
    rows = outcome.rows.to_pylist()
    assert len({row["question"] for row in rows}) == 3
    for row in rows:
        (result,) = sandbox.run([row["solution"]])
        assert result.answer == row["answer"]
        assert (row["method"], row["model"], row["prompt"]) == ("lift", None, None)
        assert (row["source"], row["license"], row["parent_ids"]) == ("a book", "CC0", [EGGS.id])
        assert SOLUTION_BY not in dict(row["verdicts"])
        assert row["reference_answer"] is None
        values = json.loads(row["params"])["values"]
        assert len(values) == 3
    again = lifted_rows([EGGS], engine, sandbox)
    assert again.rows.equals(outcome.rows)


def test_a_trusted_answer_needs_no_votes(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    rows = lifted_rows([EGGS], engine, sandbox, trusted=True, per_template=5).rows
    assert rows.num_rows == 5
    judged = verify(
        rows, sandbox=sandbox, judge=judge, calibration=prior(), settings=VerifySettings(), tick=no_tick
    )
    weighed = weigh(kept(judged), calibration=prior(), settings=WeighSettings(), tick=no_tick)
    assert kept(weighed).num_rows == 5


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"answer": "33"}, "its program does not give the answer of its row"),
        ({"solution": "total = 16\neaten = 3\nprint((12 * 2 + 7 + 1 + 0.5) * (total > 0))\n"}, "its answer does not depend on its numbers"),
        ({"solution": "import sys\ntotal = 16\neaten = 3\nsys.exit(2.5)\n"}, "its program does not give the answer of its row"),
    ],
)  # fmt: skip
def test_what_fails_the_checks_is_refused_with_its_reason(
    engine: Callable[..., Engine], sandbox: Sandbox, changed: dict[str, str], why: str
) -> None:
    outcome = lifted_rows([with_columns(**changed)], engine, sandbox)
    counts = balance("generate", outcome)
    assert (counts.asked, counts.rejected) == (1, 1)
    (reason,) = [one for one in reasons_of(outcome.rows) if one]
    assert (reason.code, reason.words) == (Code.NOT_A_TEMPLATE, why)


def test_without_a_sandbox_a_template_is_a_failure_of_ours(engine: Callable[..., Engine]) -> None:
    asks = planned_of([EGGS])
    outcome = generate(
        asks_table(asks), engine=engine("teacher", offline=True), source="s", license="l", tick=no_tick
    )
    counts = balance("generate", outcome)
    assert (counts.asked, counts.failed) == (1, 1)


def test_rows_without_a_program_and_lifted_rows_are_left_out() -> None:
    words = Row(
        "What is 16 + 3?", "en", solution="It is 19.", solution_format="cot", answer="19", subdomain="s"
    )
    assert planned_of([words]) == []
    assert planned_of([with_columns(method="lift")]) == []
    assert len(planned_of([EGGS])) == 1


@pytest.mark.slow
def test_programs_of_problem_families_give_problems_that_the_families_know(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    """The family reads the new question back and works it: its answer is the one that the lifted program printed."""
    rows = []
    for name in (
        "shopping_change",
        "rectangle_sides",
        "discount_price",
        "travel_speed",
        "work_together",
        "age_problem",
    ):
        for language in ("en", "zh"):
            problem = draw(families()[name], rng_of("lift", name, language), 1, language)
            rows.append(
                Row(problem.question, language, solution=problem.worked.program, solution_format="pot",
                    answer=problem.worked.answer, subdomain=problem.subdomain)
            )  # fmt: skip
    outcome = lifted_rows(rows, engine, sandbox)
    known = 0
    for row in kept(outcome.rows).to_pylist():
        for family in families().values():
            values = family.read(row["question"], row["language"])
            if values is not None:
                known += 1
                with Judge(workers=1) as judge:
                    assert judge.equal([(row["answer"], family.work(values, row["language"]).answer)]) == ["equal"], row["question"]  # fmt: skip
    assert known >= 10


def real_rows(count: int) -> Iterator[Row]:
    """Yield rows out of verified programs of Codex on SVAMP and GSM8K."""
    for name in ("codex_svamp_fewshot.a.jsonl", "codex_gsm8k_fewshot.a.jsonl.gz"):
        path = REAL / name
        with gzip.open(path, "rt") if name.endswith(".gz") else path.open() as file:
            records = [json.loads(line) for line in file]
        right = [
            one for one in records
            if isinstance(one["executed"], (int, float)) and one["answer"] is not None and abs(one["executed"] - one["answer"]) < 1e-6
        ]  # fmt: skip
        for record in right[:count]:
            question = f"{record.get('passage', '')} {record['question']}".strip()
            yield Row(question, "en", solution=record["generated"][0], solution_format="pot", answer=str(record["answer"]), subdomain="multi-step arithmetic")  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not REAL.exists(), reason="the programs of the shared folder are not here")
def test_most_real_programs_lift_and_their_problems_have_whole_positive_answers_where_they_had(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    rows = list(real_rows(25))
    outcome = lifted_rows(rows, engine, sandbox, per_template=2)
    good = kept(outcome.rows)
    parents = Counter(row["parent_ids"][0] for row in good.to_pylist())
    assert len(parents) >= 35
    assert pa.compute.all(pa.compute.is_valid(good["answer"])).as_py()
    assert {why.code for why in reasons_of(outcome.rows) if why} <= {Code.NOT_A_TEMPLATE}
