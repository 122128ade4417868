"""Scoring: planted errors have low scores, reasons state score and threshold, and a failure is a failed row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from storage.reasons import Code
from storage.rows import SOLUTION_BY, Row, column, reasons_of, to_table
from tasks.critics.trained import train
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import CompletionCheck
from tasks.llm.request import Completion, Failure, Request
from tasks.plugins import module, names
from tasks.problems.machinery.family import families, make
from tasks.scorers import Scored
from tasks.seeding import rng_of
from tasks.stages.outcome import balance
from tasks.stages.score import cut, score
from tests.tasks.critics.test_trained import SETTINGS, TOOLS, labelled


def solved(count: int, *, wrong: bool) -> list[Row]:
    rows = []
    for i in range(count):
        problem = make(families()["linear_equation"], rng_of("score", i), 2, "en")
        answer = str(int(problem.worked.answer) + (3 if wrong else 0))
        steps = [*problem.worked.steps[:-1], f"x = {answer}.", rf"\boxed{{{answer}}}"]
        rows.append(
            Row(problem.question, "en", solution="\n".join(steps), solution_format="cot", answer=answer)
        )
    return rows


def test_the_critic_distinguishes_right_from_wrong(engine: Callable[..., Engine]) -> None:
    rows = solved(40, wrong=False) + solved(40, wrong=True)
    outcome = score(
        to_table(rows),
        name="critique",
        thresholds={"answer": 0.5},
        tick=lambda n: None,
        critic=engine("critic"),
    )
    rejected = [why is not None for why in column(outcome.rows, "rejected")]
    # the critic errs at its own seeded rate, about 6 %
    assert sum(rejected[:40]) <= 8
    assert sum(rejected[40:]) >= 32
    assert all(column(outcome.rows, "critique")[40:45])
    assert all(0 <= value <= 1 for pairs in column(outcome.rows, "scores") for _, value in pairs)
    assert outcome.facts["bills"][0]["completions"] == 80


def test_a_row_that_could_not_be_judged_has_failed(engine: Callable[..., Engine]) -> None:
    outcome = score(
        to_table(solved(3, wrong=False)),
        name="critique",
        thresholds={"answer": 0.5},
        tick=lambda n: None,
        critic=engine("critic", offline=True),
    )
    assert balance("critique", outcome).failed == 3
    kinds = [why and (why.code, why.values["kind"]) for why in reasons_of(outcome.rows)]
    assert kinds == [(Code.CALL_FAILED, Failure.OFFLINE)] * 3


def test_the_critic_is_asked_where_the_votes_are_not_sure(engine: Callable[..., Engine]) -> None:
    rows = solved(6, wrong=False)
    rows += [
        Row(rows[0].question, "en", solution=f"{rows[0].solution} {i}", correctness=0.99) for i in range(2)
    ]
    rows += [
        Row(rows[1].question, "en", solution=f"{rows[1].solution} {i}", correctness=0.5) for i in range(2)
    ]
    for row in rows:
        row.correctness = row.correctness or 0.97
        row.verdicts = {"settled": "no" if row.correctness == 0.5 else "yes"}
    ticks: list[int] = []
    outcome = score(
        to_table(rows), name="critique", thresholds={}, tick=ticks.append, critic=engine("critic")
    )
    scores = [dict(pairs or ()) for pairs in column(outcome.rows, "scores")]
    # the most probable row of a question whose votes are sure, and all rows that are not sure
    assert [i for i, by_name in enumerate(scores) if "answer" in by_name] == [2, 3, 4, 5, 6, 8, 9]
    assert outcome.facts["bills"][0]["completions"] == 7
    assert sum(ticks) == len(rows)
    # a judgement of a question holds for all its rows
    assert scores[0]["instruction"] == scores[6]["instruction"] == scores[7]["instruction"]
    assert scores[1]["instruction"] == scores[8]["instruction"]


def test_thresholds_cut_with_score_and_threshold() -> None:
    table = to_table(solved(3, wrong=False))
    out = cut(table, Scored({"answer": [0.4, 0.5, None]}), stage="critique", thresholds={"answer": 0.5})
    assert column(out, "rejected") == ["critique: answer 0.40 is under 0.50", None, None]
    assert [dict(pairs or ()) for pairs in column(out, "scores")] == [
        {"answer": pytest.approx(0.4)},
        {"answer": 0.5},
        {},
    ]


def test_whole_solutions_stay_and_broken_ones_go() -> None:
    texts = (
        r"3 + 4 = 7\n\boxed{7}",
        '{"reasoning": "It is 7.\n"answer": "7"}',
        "```python\nprint(7)\n\\boxed{7}",
    )
    rows = [Row("What is 3 + 4?", "en", solution=text, solution_format="cot") for text in texts]
    rows += [
        Row("What is 3 + 4?", "en", solution="print('```')", solution_format="pot"),
        Row("What is 3 + 4?", "en"),
    ]
    outcome = score(to_table(rows), name="whole", thresholds={"whole": 0.5}, tick=lambda n: None)
    assert [dict(pairs).get("whole") for pairs in column(outcome.rows, "scores")] == [1, 0, 0, None, None]
    codes = [why and why.code for why in reasons_of(outcome.rows)]
    assert codes == [None, Code.BELOW_THRESHOLD, Code.BELOW_THRESHOLD, None, None]


def test_heuristics_see_run_on_text_and_empty_questions() -> None:
    good = solved(1, wrong=False)[0]
    loop = Row("What is 3 + 4? Explain.", "en", solution="This line comes again and again.\n" * 6)
    vague = Row("Why?", "en", solution="Because.")
    outcome = score(
        to_table([good, loop, vague]), name="heuristics", thresholds={"heuristics": 0.5}, tick=lambda n: None
    )
    scores = [dict(pairs)["heuristics"] for pairs in column(outcome.rows, "scores")]
    assert scores[0] == 1
    assert scores[1] == pytest.approx(2 / 3)
    assert scores[2] == pytest.approx(1 / 3)
    assert [why is None for why in column(outcome.rows, "rejected")] == [True, True, False]


@pytest.mark.parametrize(
    ("solution", "kept"),
    [
        ("I am not sure of this approach, but here is my attempt.\n85 + 126 = 211\n\\boxed{211}", False),
        ("I'm not entirely certain, so this is only a guess.\n\\boxed{4}", False),
        ("I don’t know how to count these.\n\\boxed{4}", False),
        ("# not sure of this\nvalue = 4 * 7\nprint(value)", False),
        ("我不确定这个方法对不对，先试一试。\n4 * 7 = 28\n\\boxed{28}", False),
        ("# 不确定\nprint(28)", False),
        ("By guess and check, x = 3: 3 * 3 = 9.\n\\boxed{3}", True),
        ("We guess that f(x) = x and prove it by induction.\n\\boxed{x}", True),
        ("To make sure, 2 + 2 = 4. Tom is not sure which door to take.\n\\boxed{4}", True),
        ("为了确定面积，3 * 4 = 12。\n\\boxed{12}", True),
    ],
)
def test_a_solution_that_calls_itself_a_guess_is_dropped(solution: str, kept: bool) -> None:
    row = Row("How many are 2 + 2?", "en", solution=solution, solution_format="cot", answer="4")
    outcome = score(to_table([row]), name="heuristics", thresholds={"heuristics": 0.5}, tick=lambda n: None)
    assert (column(outcome.rows, "rejected") == [None]) is kept


@pytest.mark.parametrize("name", names("tasks.scorers"))
def test_a_scorer_takes_a_shard_without_rows(name: str, engine: Callable[..., Engine]) -> None:
    every: dict[str, Callable[[], Any]] = {
        "critic": lambda: engine("critic"),
        "trained_critic": lambda: train(labelled(60), SETTINGS, "words", TOOLS),
    }
    tools = {need: every[need]() for need in module("tasks.scorers", name).needs}
    outcome = score(to_table([]), name=name, thresholds={}, tick=lambda n: None, **tools)
    assert outcome.rows.num_rows == 0


class Asked:
    """An engine that keeps the requests that it is asked to send."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.texts = engine, []  # type: ignore[var-annotated]

    @property
    def endpoint(self) -> Endpoint:
        return self.engine.endpoint

    def asked_of(self, completion: Completion) -> Endpoint:
        return self.engine.asked_of(completion)

    def run(self, requests: Iterable[Request], check: CompletionCheck | None = None) -> Iterator[Completion]:
        listed = list(requests)
        self.texts += [request.messages[-1]["content"] for request in listed]
        return self.engine.run(listed, check)


@pytest.mark.parametrize("blind", [False, True])
def test_the_critic_is_shown_a_trusted_answer_unless_the_scores_are_calibrated_against_it(
    engine: Callable[..., Engine], blind: bool
) -> None:
    rows = [replace(row, reference_answer="98765") for row in solved(3, wrong=False)]
    asked = Asked(engine("critic"))
    outcome = score(
        to_table(rows), name="critique", thresholds={}, blind=blind, tick=lambda n: None, critic=asked
    )
    assert all(("| 98765" in text) != blind for text in asked.texts)
    assert column(outcome.rows, "reference_answer") == ["98765"] * 3  # the rows keep it


def test_the_critic_scores_the_parts_of_a_question_apart(engine: Callable[..., Engine]) -> None:
    outcome = score(
        to_table(solved(4, wrong=False)),
        name="critique",
        thresholds={},
        tick=lambda n: None,
        critic=engine("critic"),
    )
    judged = [
        dict(pairs) for pairs in column(outcome.rows, "scores") if dict(pairs).get("answer") is not None
    ]
    assert judged
    for scores in judged:
        assert scores["instruction"] == min(scores["clarity"], scores["solvability"])
        assert "value" in scores


def test_a_printed_solution_is_not_dropped_by_a_critic_that_cannot_work_it(
    engine: Callable[..., Engine],
) -> None:
    question = "A bag of the village shop is closed with a red ribbon. Which of its 3 sides is the shortest?"
    row = Row(
        question,
        "en",
        solution="The shortest side is the one opposite the smallest angle.",
        solution_format="cot",
    )
    printed = replace(row, id="printed", verdicts={SOLUTION_BY: "source"})
    wrong = Row(
        "What is 12 + 30?", "en", id="wrong", solution="12 + 30 = 52\n\\boxed{52}", solution_format="cot",
        verdicts={SOLUTION_BY: "source"},
    )  # fmt: skip
    outcome = score(
        to_table([row, printed, wrong]),
        name="critique",
        thresholds={"answer": 0.7},
        trusted={"answer": 0.3},
        critic=engine("critic"),
        tick=lambda n: None,
    )
    assert [why is None for why in reasons_of(outcome.rows)] == [False, True, False]
    assert {score for _, score in outcome.rows.column("scores").to_pylist()[1] if 0.4 <= score <= 0.6}


def test_the_steps_of_solutions_are_recomputed_without_a_model() -> None:
    in_turns = "```python\nprint(3 + 4 == 8)\n```\n```output\n2 = 3\n```\n3 + 4 = 7"
    solutions = [
        ("3 + 4 = 7\n\n7 * 2 = 15\n\\boxed{15}", "cot", "15"),
        ("3 + 4 = 7\n7 * 2 = 14\n\\boxed{14}", "cot", "14"),
        ("3 + 4 = 7\n7 * 2 = 14\n\\boxed{99}", "cot", "99"),
        ("It is even.\n\\boxed{yes}", "cot", "yes"),
        ("print(3 + 4 == 8)", "pot", "7"),
        (in_turns, "tir", "7"),
    ]
    rows = [
        Row("q", "en", solution=text, solution_format=kind, answer=answer) for text, kind, answer in solutions
    ]
    outcome = score(to_table(rows), name="steps", thresholds={"steps": 0.5}, tick=lambda n: None)
    scores = [dict(pairs or ()).get("steps") for pairs in column(outcome.rows, "scores")]
    assert scores == [0.0, 1.0, 0.5, None, None, 1.0]
    reasons = reasons_of(outcome.rows)
    assert [why is not None for why in reasons] == [True, False, False, False, False, False]
    assert reasons[0] is not None
    assert reasons[0].code == Code.WRONG_STEP
    assert str(reasons[0].values["step"]) == "2"
