"""Recorded completions are played as recorded, with the references hidden, and counted by the hidden references."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import orjson
import pytest

import prompts
from benchmarks.real_text import PLANNED, ByQuestion, by_question, majority, planned, precision_at
from benchmarks.recordings import SEED, Playback, Recorded, play, solved
from storage.rows import column
from tasks.answers import Judge
from tasks.llm.transport import AsgiTransport
from tasks.seeding import seed_of
from tasks.stages.solve import SolveSettings

WORDS = SolveSettings(samples=4, pot_share=0.0)
FRUIT = ("apples", "pears", "plums", "figs", "dates", "limes", "kiwis", "mangos", "grapes", "melons")


@pytest.fixture
def judge() -> Iterator[Judge]:
    with Judge(workers=1) as opened:
        yield opened


def reply(answer: int) -> str:
    return f"I count them one by one and add them up.\nSo there are {answer}.\n\\boxed{{{answer}}}"


def recorded(number: int, answers: list[int]) -> Recorded:
    question = f"Anna picks {number + 3} {FRUIT[number % 10]} on day {number} and {number + 4} more. How many has she?"
    return Recorded(question, str(2 * number + 7), [reply(answer) for answer in answers])


def questions() -> list[Recorded]:
    """Return 30 questions; the samples of two of three are right, those of the others differ."""
    return [
        recorded(n, [2 * n + 7] * 4 if n % 3 else [2 * n + 7, 2 * n + 1, 2 * n + 2, 2 * n + 3])
        for n in range(30)
    ]


def asked(question: str, seed: int) -> tuple[int, str]:
    messages = prompts.load("solve_cot", "en").messages(question=question)
    body = orjson.dumps({"model": "recorded", "messages": list(messages), "seed": seed})
    transport = AsgiTransport(Playback(questions(), solved(WORDS), SEED), "http://recorded/v1")
    response = asyncio.run(transport.post("/chat/completions", {}, body, 10))
    answer = orjson.loads(response.body)
    return response.status, "" if "error" in answer else answer["choices"][0]["message"]["content"]


def test_a_prompt_gets_the_recorded_sample_of_its_index() -> None:
    question = questions()[3]
    replies = [asked(question.question, seed_of(SEED, "solve", question.problem_id, i)) for i in range(4)]
    assert [status for status, _ in replies] == [200] * 4
    assert [text for _, text in replies] == question.texts("cot")
    assert sorted(question.texts("cot")) == sorted(question.words)


def test_what_was_not_recorded_is_not_found() -> None:
    question = questions()[3]
    assert asked("How many is that?", seed_of(SEED, "solve", question.problem_id, 0))[0] == 404
    assert asked(question.question, 1)[0] == 404


def test_a_night_over_recordings_is_counted_by_the_hidden_references(judge: Judge) -> None:
    played = play(questions(), WORDS, {"judge": judge, "sandbox": None})
    assert 0 < played.questions < 30
    assert set(column(played.rows, "reference_answer")) == {None}
    assert played.rows.num_rows == 4 * played.questions
    assert (played.right[played.accepted] == 1).all()
    assert played.accepted.sum() >= 2 * played.questions
    figures, share, accepted = majority(played)
    # the first of four different answers counts as the majority's, and is the right one by chance
    assert figures.precision < 1
    assert precision_at(int(played.accepted.sum()), played, share, accepted) == 1.0


def test_figures_by_question_count_each_question_once_and_the_majority_at_the_same_recall(
    judge: Judge,
) -> None:
    played = play(questions(), WORDS, {"judge": judge, "sandbox": None}, known_of=PLANNED)
    assert 10 < played.questions < 25
    one = by_question(played)
    agreeing = sum(len(set(question.words)) == 1 for question in questions())
    assert 0 < one.accepted == one.right <= agreeing
    assert one.solved == played.questions  # a sample of each question is right
    assert one.peer == one.right  # the four agreeing samples come first
    line = planned("fruit", one)
    assert "1.0000 share [0.7" in line or "1.0000 share [0.8" in line
    assert line.endswith("ok")
    assert planned("fruit", ByQuestion(10, 8, 9, 9)).endswith("ratio 0.900, target 1.0, short")
    assert planned("fruit", ByQuestion(0, 0, 0, 0)).endswith("ok")


@pytest.mark.slow
def test_in_rounds_agreeing_samples_cost_half(judge: Judge) -> None:
    shared = {"judge": judge, "sandbox": None}
    fixed = play(questions(), WORDS, shared)
    adaptive = play(questions(), WORDS.model_copy(update={"adaptive": 0.2}), shared)
    agreeing = {
        problem
        for problem, right in zip(column(adaptive.rows, "problem_id"), adaptive.accepted, strict=True)
        if right
    }
    counts = [column(adaptive.rows, "problem_id").count(problem) for problem in agreeing]
    assert counts == [2] * len(counts)
    assert adaptive.tokens < 0.8 * fixed.tokens
    assert len(agreeing) == len(set(column(fixed.rows.filter(fixed.accepted), "problem_id")))
