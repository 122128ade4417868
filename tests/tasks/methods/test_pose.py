"""Posed problems: what a program has to prove, what becomes of the rest, and what the embedded teacher poses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from typing import Any

import orjson
import pytest

from storage.reasons import Code
from storage.rows import Row, column, empty, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.conversations import WRITER, Calls, Programs
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Usage
from tasks.methods import EXAMPLE, Ask, Item, asks_table, pose, settings_of
from tasks.sandbox import Sandbox
from tasks.selection import pass_rate
from tasks.stages.generate import generate
from tasks.stages.outcome import balance
from tasks.stages.similarity import similarity
from tasks.stages.verify import VerifySettings, verify
from tasks.stages.weigh import WeighSettings, weigh
from tasks.voting import prior

QUOTA = {("en", "modular arithmetic"): 20, ("zh", "linear equations"): 20}
REPLY = """==Plan==
p
==Posed Problem==
{problem}
==Search==
```python
{program}
```
==End=="""
PROBLEM = "A positive integer that is at most 77 leaves a remainder of 3 when divided by 7 and of 5 when divided by 11. Find it."
PROGRAM = "answers = []\nfor n in range(1, 78):\n    if n % 7 == 3 and n % 11 == 5:\n        answers.append(n)\nprint(answers)"


def no_tick(rows: int) -> None:
    """Ignore the progress."""


def planned(quota: dict[tuple[str, str], int] = QUOTA, **settings: int) -> list[Ask]:
    own = settings_of("pose", settings)
    return pose.plan(empty().select(EXAMPLE), quota, per_call=5, examples=2, seed=4, settings=own)


def replied(text: str, sandbox: Sandbox) -> Item:
    """Return the item of a conversation in which the writer answers with the text."""
    (ask, *_) = planned()
    conversation: Generator[Any, list[Any], list[Item]] = pose.converse(ask, {WRITER: Endpoint(role="teacher", model="m")})  # fmt: skip
    need = next(conversation)
    assert isinstance(need, Calls)
    sent: list[Any] = [Completion("key", text, "stop", Usage(0, 0))]
    while True:
        try:
            need = conversation.send(sent)
        except StopIteration as stop:
            (item,) = stop.value
            return item  # type: ignore[no-any-return]
        assert isinstance(need, Programs)
        sent = list(sandbox.run(need.programs, twice=need.twice))


def test_the_answer_that_the_search_finds_is_trusted(sandbox: Sandbox) -> None:
    item = replied(REPLY.format(problem=PROBLEM, program=PROGRAM), sandbox)
    assert (item.code, item.question) == (None, PROBLEM)
    assert (item.answer, item.reference_answer, item.solution_format) == ("38", "38", "pot")
    (result,) = sandbox.run([str(item.solution)])
    assert (result.verdict, result.answer) == ("ok", "38")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "code", "values"),
    [
        (PROGRAM.replace(" and n % 11 == 5", " and 11 > 5"), Code.NOT_UNIQUE, {"count": "11"}),
        (PROGRAM.replace("% 7 == 3", "% 7 == 3 and n > 77"), Code.NOT_UNIQUE, {"count": "0"}),
        ("answers = [38]\nprint(answers)", Code.NOT_PROVED, {"why": "its program tries no possibilities"}),
        (PROGRAM.replace("append", "add"), Code.PROGRAM_FAILED, None),
        (PROGRAM.replace("if n % 7", "while True: pass\n    if n % 7"), Code.PROGRAM_FAILED, None),
        ("import random\n" + PROGRAM.replace("append(n)", "append(n + random.random())"), Code.PROGRAM_CHANGING, {}),
    ],
)  # fmt: skip
def test_what_is_not_proved_is_refused(
    sandbox: Sandbox, program: str, code: Code, values: dict[str, str] | None
) -> None:
    item = replied(REPLY.format(problem=PROBLEM, program=program), sandbox)
    assert item.code == code
    assert values is None or item.values == values


def test_each_ask_is_one_problem_with_a_difficulty_between_the_bounds() -> None:
    asks = planned(easiest=3, hardest=4)
    assert Counter(ask.language for ask in asks) == {"en": 20, "zh": 20}
    assert {ask.count for ask in asks} == {1}
    assert {ask.variables["level"] for ask in asks} == {3, 4}
    assert len({ask.seed for ask in asks}) == 40
    assert asks == planned(easiest=3, hardest=4)
    with pytest.raises(ValueError, match="easiest is above hardest"):
        settings_of("pose", {"easiest": 5, "hardest": 2})


def test_examples_are_of_the_topic() -> None:
    pool = to_table([Row("What is 17 mod 5?", "en", subdomain="modular arithmetic")]).select(EXAMPLE)
    (ask, *_) = pose.plan(pool, {("en", "modular arithmetic"): 1}, per_call=5, examples=2, seed=4)
    assert ask.variables["examples"] == [{"question": "What is 17 mod 5?"}]
    assert len(ask.parent_ids) == 1


@pytest.mark.slow
def test_a_night_keeps_the_proved_problems_of_the_teacher_and_the_student_selects_among_them(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    written = generate(
        asks_table(planned()),
        engine=engine("teacher"),
        source="x",
        license="x",
        tick=no_tick,
        sandbox=sandbox,
    )
    counts = balance("generate", written)
    assert counts.asked == 40
    assert counts.failed == 0
    assert counts.kept >= 28
    codes = {why.code for why in reasons_of(written.rows) if why}
    assert codes <= {Code.NOT_UNIQUE, Code.NOT_PROVED, Code.PROGRAM_FAILED, Code.NO_PARTS}
    novel = kept(similarity(kept(written.rows), pool=empty()))
    judged = verify(
        novel, sandbox=sandbox, judge=judge, calibration=prior(), settings=VerifySettings(), tick=no_tick
    )
    rows = kept(weigh(kept(judged), calibration=prior(), settings=WeighSettings(), tick=no_tick))
    assert rows.num_rows == novel.num_rows >= 20
    for row in rows.to_pylist():
        assert row["answer"] == row["reference_answer"]
        assert dict(row["verdicts"])["equivalent"] == "equal"
        assert row["model"] == "embedded"
        assert row["prompt"].startswith(f"pose.{row['language']}@")
        assert orjson.loads(row["params"])["calls"] == 1
    settings = pass_rate.PassRateSettings(samples=2, most=0.5)
    chosen = pass_rate.select(
        rows,
        settings=settings,
        seed=1,
        tick=no_tick,
        student=engine("student", model="embedded-small"),
        judge=judge,
    )
    dropped = [why for why in chosen.reasons if why]
    assert len(dropped) < rows.num_rows
    assert len(column(rows, "id")) == len(chosen.reasons)
