"""Interleaved solutions: how they grow turn by turn, what their programs see of each other, and how they are verified."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import prompts
from storage.interleaved import TIR, InterleavedPart, is_interleaved, parts_of, written
from storage.reasons import Code
from storage.rows import Row, kept, reasons_of, to_table
from tasks.answers import Judge
from tasks.conversations import WRITER, Held, converse
from tasks.interleaving import (
    MOST_OUTPUT,
    MOST_PROGRAMS,
    Interleaving,
    executed,
    interleaved,
    output_of,
)
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Request, Usage
from tasks.sandbox import Limits, Result, Sandbox
from tasks.stages.ingest import ingest
from tasks.stages.solve import SolveSettings, solve
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import prior

TORA = sorted(
    (Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "pot").glob("tora-*_gsm8k.a.jsonl.gz")
)


def no_tick(rows: int) -> None:
    """Ignore the progress."""


class Replies:
    """An engine that gives prepared completions in turn, and keeps the messages that it was sent."""

    def __init__(self, *texts: str | Completion) -> None:
        self.texts = iter(texts)
        self.sent: list[list[Mapping[str, Any]]] = []
        self.endpoint = Endpoint(role="reasoner", model="embedded")

    def run(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for request in requests:
            self.sent.append(list(request.messages))
            text = next(self.texts)
            if isinstance(text, Completion):
                yield text
            else:
                yield Completion(f"key{len(self.sent)}", text, "stop", Usage(1, 1))


def written_with(replies: Any, sandbox: Sandbox | None) -> Held[Interleaving]:
    prompt = prompts.load("solve_tir", "en")
    talk = interleaved(prompt, {"question": "How many?"}, model="embedded", seed=1, tag="solve")
    (held,) = converse([talk], {WRITER: replies}, sandbox=sandbox, seen=lambda role, completion: None)
    return held


def program(text: str) -> str:
    return f"```python\n{text}\n```"


def test_a_program_is_executed_and_its_output_is_the_next_message(sandbox: Sandbox) -> None:
    replies = Replies(
        f"Add them.\n{program('total = 2 + 3')}\n```output\n99\n```\nIt is 99.",
        f"Nothing was printed.\n{program('print(total, 1/2)')}",
        "Half and five. \\boxed{5}",
    )
    held = written_with(replies, sandbox)
    assert held.result is not None
    assert held.result.solution == (
        "Add them.\n```python\ntotal = 2 + 3\n```\n```output\n```\nNothing was printed.\n"
        "```python\nprint(total, 1/2)\n```\n```output\n5 0.5\n```\nHalf and five. \\boxed{5}"
    )
    assert (held.result.answer, held.result.programs, held.result.code) == ("5", 2, None)
    assert held.result.completions == ("key1", "key2", "key3")
    last = replies.sent[-1][-4:]
    assert [message["role"] for message in last] == ["assistant", "user", "assistant", "user"]
    assert last[0]["content"] == "Add them.\n```python\ntotal = 2 + 3\n```"
    assert last[-1]["content"] == "```output\n5 0.5\n```"


def test_an_error_is_shown_and_can_be_corrected(sandbox: Sandbox) -> None:
    replies = Replies(
        program("print(sqrt(49))"), program("from math import sqrt\nprint(sqrt(49))"), "\\boxed{7}"
    )
    held = written_with(replies, sandbox)
    assert held.result is not None
    assert "```output\nNameError: name 'sqrt' is not defined\n```" in held.result.solution
    assert held.result.answer == "7"


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (["The answer is \\boxed{4}."], Code.NO_PROGRAM),
        ([program("print(4)"), "It prints four things that I like"], Code.NO_ANSWER),
        ([program("print(4)")] * (MOST_PROGRAMS + 1), Code.TOO_MANY_PROGRAMS),
        ([program("import random\nprint(random.random())")], Code.PROGRAM_CHANGING),
        ([Completion("k", "We add\n```python\nprint(", "length", Usage(1, 1))], Code.TRUNCATED),
        ([Completion("k", None, None, Usage(1, 0), error="refusal", kind=None)], Code.CALL_FAILED),
    ],
)
def test_what_a_solution_lacks_is_a_typed_reason(texts: list[Any], code: Code, sandbox: Sandbox) -> None:
    held = written_with(Replies(*texts), sandbox)
    assert (held.result.code if held.result is not None else held.code) == code


def test_a_sandbox_that_fails_is_no_answer_of_the_model() -> None:
    held = written_with(Replies(program("print(1)")), None)
    assert (held.result, held.code) == (None, Code.PROGRAM_NOT_RUN)


@pytest.mark.slow
def test_programs_see_the_names_of_those_before_them_but_not_of_those_that_were_stopped() -> None:
    with Sandbox(Limits(wall_s=1.0), workers=1) as box:
        names, stopped, apart = executed(
            [
                ["x = 6\nprint('hidden')", "def twice(n):\n    return 2 * n", "twice(x)"],
                ["y = 1\nwhile True:\n    pass", "print('on')", "print(y)"],
                ["print(x)"],
            ],
            box,
        )
    assert [result.verdict for result in names] == ["ok", "no_answer", "ok"]
    assert output_of("twice(x)", names[2]) == "12"
    assert [result.verdict for result in stopped] == ["time", "ok", "error"]
    assert output_of("", stopped[0]) == "TimeoutError: the time limit was reached"
    assert apart[0].verdict == "error"


def test_an_output_is_what_is_printed_or_the_value_of_the_last_line() -> None:
    value = Result("ok", answer="5", stdout="")
    assert output_of("2 + 3", value) == "5"
    assert output_of("answer = 2 + 3", value) == ""
    assert output_of("print(5)", Result("ok", answer="5", stdout="5\n")) == "5"
    long = output_of("", Result("ok", answer="x", stdout="x" * 5000))
    assert len(long) == MOST_OUTPUT + 1
    failed = Result("error", stdout="1\n", error="ValueError: no")
    assert output_of("", failed) == "1\nValueError: no"


def verified(solutions: list[str], sandbox: Sandbox | None, judge: Judge, **columns: Any) -> Any:
    rows = [
        Row(f"question {number}", "en", solution=solution, solution_format=TIR, **columns)
        for number, solution in enumerate(solutions)
    ]
    return verify(
        to_table(rows),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )


def solution(code: str, output: str, words: str = "So \\boxed{5}.") -> str:
    return written(
        [InterleavedPart("program", code), InterleavedPart("output", output), InterleavedPart("words", words)]
    )


def test_verify_executes_all_programs_again_and_compares_what_they_print(
    sandbox: Sandbox, judge: Judge
) -> None:
    table = verified(
        [
            solution("print(2 + 3)", "5"),
            solution("print(2 + 3)", "6"),
            solution("print(1/2)", "0.5", "Half of it."),
            solution("print({2, 1})", "{2, 1}"),
            solution("print(2 +)", "5"),
            solution("print(missing)", "NameError: name 'missing' is not defined"),
            solution("print(missing)", "NameError: name 'missing' is not defined")
            + "\n"
            + solution("print(5)", "5"),
            "Only words. \\boxed{5}",
            solution("import random\nprint(random.random())", "0.5"),
        ],
        sandbox,
        judge,
    )
    codes = [None if why is None else why.code for why in reasons_of(table)]
    assert codes == [
        None,
        Code.OUTPUT_DIFFERENT,
        None,
        None,
        Code.OUTPUT_DIFFERENT,
        Code.PROGRAM_FAILED,
        None,
        Code.NO_PROGRAM,
        Code.PROGRAM_CHANGING,
    ]
    why = reasons_of(table)[1]
    assert why is not None
    assert why.text == "verify: program 1 prints 5, not 6"
    answers = table.column("answer").to_pylist()
    assert answers[:3] == ["5", None, "0.5"]  # words that state no answer leave that of the program


def test_without_a_sandbox_an_interleaved_row_has_failed(judge: Judge) -> None:
    (why,) = reasons_of(verified([solution("print(5)", "5")], None, judge))
    assert why is not None
    assert (why.code, why.failed) == (Code.PROGRAM_NOT_RUN, True)


@pytest.mark.slow
def test_a_share_of_the_samples_of_solve_is_interleaved(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    questions = to_table(
        [Row(f"Solve for x: {a}x + 4 = {5 * a + 4}.", "en", reference_answer="5") for a in range(2, 12)]
    )
    plain = solve(questions, engine=engine(), settings=SolveSettings(canaries=0), seed=1, tick=no_tick)
    settings = SolveSettings(canaries=0, tir_share=0.5)
    mixed = solve(questions, engine=engine(), settings=settings, seed=1, tick=no_tick, sandbox=sandbox)
    formats = Counter(mixed.rows.column("solution_format").to_pylist())
    assert formats == {"cot": 10, "pot": 10, TIR: 20}
    words = {row["id"] for row in kept(plain.rows).to_pylist() if row["solution_format"] == "cot"}
    assert words  # the default has no interleaved samples, and asks what it asked before
    assert set(plain.rows.column("solution_format").to_pylist()) == {"cot", "pot"}
    rows = verify(
        kept(mixed.rows),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=no_tick,
    )
    good = [row for row in kept(rows).to_pylist() if row["solution_format"] == TIR]
    assert len(good) >= 14
    for row in good:
        assert is_interleaved(row["solution"])
        assert dict(row["verdicts"])["executed"] == "ok"
        assert len(json.loads(row["params"])["completions"]) >= 2
    again = solve(questions, engine=engine(), settings=settings, seed=1, tick=no_tick, sandbox=sandbox)
    assert again.rows.equals(mixed.rows)
    assert again.facts["bills"][0]["cached"] == again.facts["bills"][0]["completions"]


@pytest.mark.slow
@pytest.mark.skipif(not TORA, reason="the transcripts of ToRA are not in ../shared/data/pot")
def test_real_transcripts_parse_execute_and_verify(sandbox: Sandbox, judge: Judge, tmp_path: Path) -> None:
    records = [json.loads(line) for path in TORA for line in gzip.decompress(path.read_bytes()).splitlines()]
    records = records[::6]
    path = tmp_path / "tora.jsonl"
    with path.open("w") as file:
        for record in records:
            file.write(
                json.dumps(
                    {"question": record["question"], "solution": record["code"][0], "answer": record["gt"]}
                )
                + "\n"
            )
    rows = kept(ingest([path], default_license="MIT").table)
    mixed = [row for row in rows.to_pylist() if row["solution_format"] == TIR]
    assert len(mixed) >= 200
    assert all(written(parts_of(row["solution"])) == row["solution"] for row in mixed)
    table = verify(
        rows, sandbox=sandbox, judge=judge, calibration=prior(), settings=VerifySettings(), tick=no_tick
    )
    codes = Counter(
        None if why is None else why.code
        for row, why in zip(table.to_pylist(), reasons_of(table), strict=True)
        if row["solution_format"] == TIR
    )
    # every program prints what its author saw; what is dropped has another answer than the trusted one
    assert codes[Code.OUTPUT_DIFFERENT] == codes[Code.PROGRAM_NOT_RUN] == codes[Code.INCOMPARABLE] == 0
    assert codes[None] >= 150
    assert set(codes) <= {None, Code.DIFFERENT, Code.PROGRAM_FAILED}
