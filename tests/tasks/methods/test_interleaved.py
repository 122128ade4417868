"""The method `interleaved`: several interleaved solutions per question, which vote for each other and are executed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

from storage.interleaved import TIR, parts_of
from storage.reasons import Code
from storage.rows import Row, column, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.llm.engine import Engine
from tasks.methods import asks_table, interleaved
from tasks.methods.interleaved import InterleavedSettings
from tasks.sandbox import Sandbox
from tasks.stages.generate import generate
from tasks.stages.outcome import balance
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import prior

EN = [
    Row(
        f"Solve for x: {a}x + 4 = {a * x + 4}.",
        "en",
        subdomain="linear equations",
        domain="algebra",
        source="a book",
        license="CC0",
        reference_answer=str(x),
    )
    for a, x in ((2, 3), (3, 5), (4, 7), (5, 2), (6, 4), (7, 9))
]
ZH = [
    Row(f"求 {a}、{b} 的最大公约数。", "zh", subdomain="divisibility and gcd")
    for a, b in ((84, 36), (91, 26))
]
UNLABELLED = [Row(f"Solve for x: {a}x - 1 = {a * 2 - 1}.", "en") for a in (8, 9)]
POOL = [*EN, *ZH, *UNLABELLED]


def planned(quota: dict[tuple[str, str], int], pool: list[Row] = POOL, **own: Any) -> list[Any]:
    settings = InterleavedSettings(**own)
    return interleaved.plan(to_table(pool), quota, per_call=5, examples=0, seed=1, settings=settings)


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def test_a_plan_takes_different_questions_of_a_topic_and_then_unlabelled_ones() -> None:
    asks = planned({("en", "linear equations"): 4, ("zh", "divisibility and gcd"): 3})
    assert sorted((ask.language, ask.count) for ask in asks) == [("en", 2), ("en", 2), ("zh", 2), ("zh", 2)]
    assert len({ask.variables["question"] for ask in asks}) == 4
    rest = planned({("en", "linear equations"): 15})
    assert [ask.count for ask in rest] == [2] * 8
    assert {ask.variables["question"] for ask in rest[-2:]} == {row.question for row in UNLABELLED}
    assert rest == planned({("en", "linear equations"): 15}, POOL[::-1])
    assert planned({("en", "limits"): 0}) == []


def test_small_quotas_of_topics_do_not_make_samples_fewer() -> None:
    """Three topics of one row each are three rows: one question with all its samples, which vote for each other."""
    topics = ("linear equations", "limits", "counting")
    (ask,) = planned({("en", topic): 1 for topic in topics}, samples=4)
    assert ask.count == 4


def test_a_question_with_several_rows_is_asked_about_once() -> None:
    twice = [Row(EN[0].question, "en", subdomain="linear equations", solution=f"s{i}") for i in range(3)]
    (ask,) = planned({("en", "linear equations"): 6}, twice, samples=3)
    assert ask.count == 3


def rows_of(asks: list[Any], engine: Engine, sandbox: Sandbox) -> pa.Table:
    outcome = generate(
        asks_table(asks), engine=engine, source="s", license="l", tick=no_tick, sandbox=sandbox
    )
    balance("generate", outcome)
    return outcome.rows


def test_the_embedded_teacher_writes_turns_that_are_executed_and_judged(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    asks = planned({("en", "linear equations"): 18, ("zh", "divisibility and gcd"): 8}, samples=4)
    table = rows_of(asks, engine("teacher"), sandbox)
    assert Counter(why.code for why in reasons_of(table) if why).total() <= 8
    rows = verify(
        kept(table),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )
    codes = Counter(why.code for why in reasons_of(rows) if why)
    assert codes[Code.OUTPUT_DIFFERENT] == codes[Code.PROGRAM_NOT_RUN] == 0
    accepted = kept(
        weigh(kept(rows), calibration=prior(), settings=WeighSettings(), tick=no_tick)
    ).to_pylist()
    assert len(accepted) >= 12
    programs = Counter(sum(part.kind == "program" for part in parts_of(row["solution"])) for row in accepted)
    assert set(programs) >= {1, 2}  # some are corrected after an error
    for row in accepted:
        assert (row["method"], row["solution_format"]) == ("interleaved", TIR)
        assert dict(row["verdicts"])["executed"] == "ok"
        assert row["prompt"].startswith(f"solve_tir.{row['language']}@")
        if row["language"] == "en" and row["reference_answer"]:
            assert row["license"] == "CC0"
            assert row["source"] == "a book"
            assert row["answer"] == row["reference_answer"]
        assert len(orjson.loads(row["params"])["completions"]) >= 2
    samples = Counter(column(table, "problem_id"))
    assert max(samples.values()) == 4


def test_a_run_that_was_stopped_asks_for_nothing_twice(
    engine: Callable[..., Engine], sandbox: Sandbox
) -> None:
    asks = planned({("en", "linear equations"): 8})
    half = rows_of(asks[:2], engine("teacher"), sandbox)
    teacher = engine("teacher")
    outcome = generate(
        asks_table(asks), engine=teacher, source="s", license="l", tick=no_tick, sandbox=sandbox
    )
    whole = outcome.rows
    assert whole.slice(0, half.num_rows).equals(half)
    (bill,) = outcome.facts["bills"]
    assert 0 < bill["cached"] < bill["completions"]
    offline = rows_of(asks, engine("teacher", offline=True), sandbox)
    assert offline.equals(whole)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_unknown_problem_is_given_up_or_guessed(
    language: str, engine: Callable[..., Engine], sandbox: Sandbox, tmp_path: Path
) -> None:
    question = {
        "en": "Prove that the sum of 17 and 4 odd beans is even.",
        "zh": "求证：17 颗与 4 颗豆子之和。",
    }
    pool = [Row(question[language], language)]
    asks = planned({(language, "limits"): 16}, pool, samples=16)
    table = rows_of(asks, engine("teacher"), sandbox)
    codes = Counter(why.code for why in reasons_of(table) if why)
    assert codes[Code.NO_PROGRAM] >= 1
    assert set(codes) <= {Code.NO_PROGRAM, Code.NO_ANSWER}
