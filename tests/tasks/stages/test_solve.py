"""Solving: k samples per question in both formats, each requested once, and the balance holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest

import prompts
from storage.ledger import Ledger
from storage.reasons import Code
from storage.rows import Row, column, kept, to_table
from tasks.answers import Judge
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Usage
from tasks.llm.transport import Response
from tasks.problems.machinery.family import families, make
from tasks.replies.solutions import Removed
from tasks.routing import formats
from tasks.sandbox import Sandbox
from tasks.seeding import rng_of, seed_of
from tasks.stages.outcome import Outcome, balance
from tasks.stages.solve import STRATEGIES, SolveSettings, _request, formats_of, row_of_sample, solve, strategy
from tasks.stages.verify import VerifySettings, verify
from tasks.voting import StoppingRule, prior

ENDPOINT = Endpoint("reasoner", "model")


@pytest.mark.parametrize(
    ("samples", "share", "expected"),
    [
        (4, 0.5, ["cot", "pot", "cot", "pot"]),
        (4, 0.0, ["cot"] * 4),
        (4, 1.0, ["pot"] * 4),
        (10, 0.3, ["cot", "cot", "cot", "pot", "cot", "cot", "pot", "cot", "cot", "pot"]),
    ],
)
def test_formats_are_spread_evenly(samples: int, share: float, expected: list[str]) -> None:
    assert formats(samples, share) == expected


def questions(count: int) -> list[Row]:
    family = families()["linear_equation"]
    problems = [
        make(family, rng_of("solve", i), 1 + i % 3, "zh" if i % 4 == 0 else "en") for i in range(count)
    ]
    return [
        Row(p.question, p.language, subdomain=p.subdomain, domain="algebra", source="test", license="x")
        for p in problems
    ]


def test_every_sample_is_a_row_with_its_origin(engine: Callable[..., Engine]) -> None:
    asked = questions(12)
    outcome = solve(to_table(asked), engine=engine(), settings=SolveSettings(), seed=3, tick=lambda n: None)
    assert outcome.asked == 48
    counts = balance("solve", outcome)
    assert counts.kept >= 40
    rows = outcome.rows.to_pylist()
    assert [row["parent_ids"] for row in rows[::4]] == [[question.id] for question in asked]
    assert [row["sample_index"] for row in rows[:4]] == [0, 1, 2, 3]
    assert [row["solution_format"] for row in rows[:4]] == ["cot", "pot", "cot", "pot"]
    good = kept(outcome.rows).to_pylist()
    assert all(row["answer"] for row in good if row["solution_format"] == "cot")
    assert all("print(" in row["solution"] for row in good if row["solution_format"] == "pot")
    assert all(row["prompt"].startswith(f"solve_{row['solution_format']}.{row['language']}@") for row in rows)
    (usage,) = outcome.facts["bills"]
    assert usage["completions"] == 48
    assert usage["prompt_tokens"] > 48 * 10


def test_solving_again_asks_nothing_and_gives_the_same(engine: Callable[..., Engine]) -> None:
    table = to_table(questions(5))
    first = solve(table, engine=engine(), settings=SolveSettings(), seed=3, tick=lambda n: None)
    again = engine()
    second = solve(table, engine=again, settings=SolveSettings(), seed=3, tick=lambda n: None)
    assert second.rows.equals(first.rows)
    assert again.stats().calls == 0
    other = solve(table, engine=again, settings=SolveSettings(), seed=4, tick=lambda n: None)
    assert column(other.rows, "solution") != column(first.rows, "solution")


def test_a_call_that_cannot_be_made_is_a_failed_row(engine: Callable[..., Engine]) -> None:
    offline = engine(offline=True)
    outcome = solve(
        to_table(questions(2)), engine=offline, settings=SolveSettings(), seed=3, tick=lambda n: None
    )
    counts = balance("solve", outcome)
    assert (counts.kept, counts.failed) == (0, 8)
    assert len(set(column(outcome.rows, "id"))) == 8


@pytest.mark.parametrize(
    ("text", "finish", "solution", "answer", "why"),
    [
        (
            "<think>\nmaybe 99999\n</think>\n\nSo 10. \\boxed{10}<|im_end|>",
            "stop",
            "So 10. \\boxed{10}",
            "10",
            None,
        ),
        ("It is \\boxed{5}.</s>[INST] more [/INST] 7", "length", "It is \\boxed{5}.", "5", None),
        ("It is 1\u200b2\u202e.", "stop", "It is 12.", "12", None),
        (
            "So $x = 1$ and\n\\boxed{\\frac{2}{3}",
            "stop",
            "So $x = 1$ and\n\\boxed{\\frac{2}{3}}",
            "\\frac{2}{3}",
            None,
        ),
        (
            "So \\boxed{5}. Let me check that 3",
            "length",
            "So \\boxed{5}. Let me check that 3",
            None,
            "cut off",
        ),
        ("<think>\nmaybe 99999", "stop", None, None, "thinking never ended"),
    ],
)
def test_a_reply_leaves_its_tokens_and_its_thinking_behind(
    text: str, finish: str, solution: str | None, answer: str | None, why: str | None
) -> None:
    (question,) = to_table(questions(1)).to_pylist()
    removed = Removed()
    done = Completion("key", text, finish, Usage(1, 1))
    row = row_of_sample(question, "cot", 0, done, ENDPOINT, removed, prompts.load("solve_cot"), stage="solve")
    assert (row.solution, row.answer) == (solution, answer)
    assert (row.rejected is None) == (why is None)
    assert why is None or why in str(row.rejected)
    if "<" in text or "\u200b" in text or text.endswith("{3}"):
        assert removed.facts()["removed"]


def test_samples_that_give_no_answer_are_counted_with_the_others_and_failed_calls_are_not(
    tmp_path: Path,
) -> None:
    """Of four samples one has an answer, one none, one is a refusal, and one call is refused by the endpoint."""
    (question,) = questions(1)
    question.verdicts["abstained"] = "7"  # a row of another night
    replies = [
        response_of("It is \\boxed{5}."),
        response_of("I cannot tell."),
        response_of(None, refusal="No."),
        Response(422, {}, b"{}"),
    ]
    with Ledger.open(str(tmp_path / "ledger.sqlite")) as ledger:
        for seed, answers, counts in ((3, replies, ["2"] * 4), (4, replies[:1] * 4, [None] * 4)):
            endpoint = Endpoint(role="reasoner", model="scripted")
            seeds = [seed_of(seed, "solve", question.problem_id, index) for index in range(4)]
            with Engine(endpoint, ledger, transports=[Scripted(answers, seeds)]) as scripted:
                settings = SolveSettings(pot_share=0.0)
                rows = solve(
                    to_table([question]), engine=scripted, settings=settings, seed=seed, tick=lambda n: None
                ).rows
            assert [dict(pairs).get("abstained") for pairs in column(rows, "verdicts")] == counts


def in_rounds(
    engine: Engine,
    sandbox: Sandbox,
    judge: Judge,
    table: pa.Table,
    *,
    samples: int = 4,
    blind: bool = False,
    route: float = 0.0,
) -> Outcome:
    return solve(
        table,
        engine=engine,
        settings=SolveSettings(samples=samples, adaptive=0.05, route=route, canaries=0),
        seed=3,
        tick=lambda n: None,
        stopping=StoppingRule(0.05, 2, 2, prior()),
        blind=blind,
        sandbox=sandbox,
        judge=judge,
    )


@pytest.mark.slow
def test_in_rounds_a_question_gets_a_third_sample_only_where_two_do_not_agree(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    table = to_table(questions(30))
    outcome = in_rounds(engine(), sandbox, judge, table)
    balance("solve", outcome)
    rows = outcome.rows.to_pylist()
    by_question: dict[str, list[int]] = {problem: [] for problem in column(table, "problem_id")}
    for row in rows:
        by_question[row["problem_id"]].append(row["sample_index"])
    assert all(indexes == list(range(len(indexes))) for indexes in by_question.values())
    sizes = Counter(len(indexes) for indexes in by_question.values())
    assert outcome.asked == len(rows) == outcome.facts["bills"][0]["completions"]
    assert sizes[2] > 10
    assert sizes[3] + sizes[4] > 0

    verified = verify(
        kept(outcome.rows),
        sandbox=sandbox,
        judge=judge,
        calibration=prior(),
        settings=VerifySettings(),
        tick=lambda n: None,
    )
    agreements: Counter[str] = Counter()
    for problem, pairs in zip(column(verified, "problem_id"), column(verified, "verdicts"), strict=True):
        agreements[problem] = max(agreements[problem], int(dict(pairs)["consistent"].partition("/")[0]))
    assert all(agreements[problem] == 2 for problem, got in by_question.items() if len(got) == 2)


@pytest.mark.slow
def test_the_samples_of_rounds_are_those_of_a_fixed_number(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    """The samples have the same completion keys, so either way of sampling reuses what the other has paid for."""
    table = to_table(questions(12))
    fixed = solve(table, engine=engine(), settings=SolveSettings(), seed=3, tick=lambda n: None)
    again = engine()
    outcome = in_rounds(again, sandbox, judge, table)
    assert again.stats().calls == 0
    assert set(column(outcome.rows, "id")) < set(column(fixed.rows, "id"))
    resumed = in_rounds(again, sandbox, judge, table)
    assert resumed.rows.equals(outcome.rows)
    assert again.stats().calls == 0


def test_routed_questions_get_the_formats_of_their_text_round_by_round(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    table = to_table(questions(24))
    outcome = in_rounds(engine(), sandbox, judge, table, route=0.5)
    balance("solve", outcome)
    settings = SolveSettings(route=0.5)
    expected = {
        row["problem_id"]: formats_of(settings, row["question"], row["problem_id"], row["subdomain"])
        for row in table.to_pylist()
    }
    assert len({tuple(kinds) for kinds in expected.values()}) > 1
    for row in outcome.rows.to_pylist():
        assert row["solution_format"] == expected[row["problem_id"]][row["sample_index"]]


@pytest.mark.slow
def test_samples_that_differ_from_a_trusted_answer_do_not_end_the_sampling(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    """No sample equals the trusted answer: all are requested; where it is hidden, the agreement of two is enough."""
    asked = questions(8)
    for question in asked:
        question.reference_answer = "987654"
    table = to_table(asked)
    assert in_rounds(engine(), sandbox, judge, table).asked == 8 * 4
    assert in_rounds(engine(), sandbox, judge, table, blind=True).asked < 8 * 4


def test_a_question_with_a_call_that_was_not_sent_gets_no_further_round(
    engine: Callable[..., Engine], sandbox: Sandbox, judge: Judge
) -> None:
    outcome = in_rounds(engine(offline=True), sandbox, judge, to_table(questions(3)))
    assert (outcome.asked, outcome.facts["deferred"]) == (6, 6)
    assert balance("solve", outcome).failed == 6


class Scripted:
    """Answers the samples of one question by a list, in their order."""

    def __init__(self, answers: list[Response], seeds: list[int]) -> None:
        self.answers = dict(zip(seeds, answers, strict=True))

    async def post(self, path: str, headers: Any, body: bytes, seconds: float) -> Response:
        return self.answers[orjson.loads(body)["seed"]]

    async def get(self, path: str, headers: Any, seconds: float) -> Response:
        return Response(200, {}, b'{"data": [{"id": "scripted"}]}')

    async def close(self) -> None: ...


def response_of(text: str | None, **more: str) -> Response:
    message = {"role": "assistant", "content": text} | more
    reply = {
        "id": "1", "model": "scripted", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }  # fmt: skip
    return Response(200, {}, orjson.dumps(reply))


@pytest.mark.parametrize(
    ("text", "reasoning", "finish", "kind", "solution", "why"),
    [
        ("So \\boxed{4}", "2 + 2 is 4", "stop", "cot", "So \\boxed{4}", None),
        ("<think>2 + 2 is 4</think>So \\boxed{4}", "", "stop", "cot", "So \\boxed{4}", None),
        ("```python\nprint(4)\n```", "2 + 2 is 4", "stop", "pot", "print(4)", None),
        ("", "2 + 2 is 4", "length", "cot", None, Code.UNFINISHED_THINKING),
        ("", "2 + 2 is 4", "length", "pot", None, Code.UNFINISHED_THINKING),
    ],
)
def test_thinking_is_a_column_and_never_the_solution(
    text: str, reasoning: str, finish: str, kind: str, solution: str | None, why: Code | None
) -> None:
    (question,) = to_table(questions(1)).to_pylist()
    done = Completion("key", text, finish, Usage(1, 1), reasoning=reasoning)
    row = row_of_sample(
        question, kind, 0, done, ENDPOINT, Removed(), prompts.load(f"solve_{kind}"), stage="solve"
    )
    assert row.reasoning == "2 + 2 is 4"
    assert (row.solution or "").strip() == (solution or "")
    assert (row.reason.code if row.reason else None) == why


def test_equal_solutions_after_different_thinking_have_ids_of_their_own() -> None:
    (question,) = to_table(questions(1)).to_pylist()
    ids = [
        row_of_sample(
            question,
            "cot",
            index,
            Completion(f"key {index}", "So \\boxed{4}", "stop", Usage(1, 1), reasoning=thought),
            ENDPOINT,
            Removed(),
            prompts.load("solve_cot"),
            stage="solve",
        ).id
        for index, thought in enumerate(("2 + 2 is 4", "count to four", "count to four", ""))
    ]
    assert len(set(ids)) == 3
    assert ids[1] == ids[2]


def test_samples_in_words_use_different_strategies() -> None:
    kinds = ["cot", "pot"] * 4
    ways = [[strategy(f"problem {i}", kinds, index) for index in range(0, 8, 2)] for i in range(40)]
    assert all(sorted(way) == sorted(STRATEGIES) for way in ways)
    assert {way[0] for way in ways} == set(STRATEGIES)
    (record,) = to_table(questions(1)).to_pylist()
    texts = {_request(record, kinds, index, ENDPOINT, 1).messages[1]["content"] for index in range(0, 8, 2)}
    assert len(texts) == len(STRATEGIES)
    assert len({_request(record, kinds, index, ENDPOINT, 1).messages[1]["content"] for index in (1, 3)}) == 1
