"""Ask a model questions with known answers, several times each, and count how often it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

import prompts
from prompts import Prompt
from storage.reasons import Code, Reason, reason
from storage.rows import column
from tasks.answers import Judge, extract
from tasks.llm.costs import RoleCosts
from tasks.llm.engine import Engine
from tasks.llm.request import Completion, Message, Request
from tasks.seeding import seed_of


@dataclass(frozen=True, slots=True)
class KnownQuestion:
    """A question with its trusted or accepted answer."""

    problem_id: str
    question: str
    language: str
    answer: str


@dataclass(frozen=True, slots=True)
class PassRate:
    """How often a model was right on a question: `right` of the `judged` samples.

    A sample without an answer is wrong; one whose answer cannot be compared is not judged. failure: the first call that failed
    through no fault of the model; the samples of the question then say nothing.
    """

    right: int
    judged: int
    failure: Completion | None = None

    @property
    def share(self) -> float | None:
        """The pass rate from 0 to 1; None if it is not known."""
        return self.right / self.judged if self.judged and self.failure is None else None

    def failed(self, stage: str) -> Reason | None:
        """Return the reason of a row whose question failed, None if no call failed."""
        if self.failure is None:
            return None
        return reason(stage, Code.CALL_FAILED, error=self.failure.error, kind=self.failure.kind)


def known_questions(rows: pa.Table) -> list[KnownQuestion]:
    """Return each question of the rows once, in order of id, with its trusted answer, or else that of its most probable solution.
    Questions without any answer are left out."""
    names = ("problem_id", "question", "language", "reference_answer", "answer", "correctness", "id")
    best: dict[str, tuple[tuple[bool, float, str], KnownQuestion]] = {}
    for problem, question, language, trusted, answer, correctness, row_id in zip(
        *(column(rows, name) for name in names), strict=True
    ):
        stated = trusted or answer
        if not stated:
            continue
        rank = (not trusted, -(correctness or 0.0), row_id)
        if problem not in best or rank < best[problem][0]:
            best[problem] = (rank, KnownQuestion(problem, question, language, stated))
    return [best[problem][1] for problem in sorted(best)]


def pass_rates(
    questions: Sequence[KnownQuestion],
    *,
    engine: Engine,
    judge: Judge,
    samples: int,
    temperature: float,
    seed: int,
    tag: str,
    bare: bool = False,
) -> tuple[dict[str, PassRate], dict[str, Any]]:
    """Return the pass rate by `problem_id`, and the facts of what the calls cost. `tag` names the calls in the ledger, and
    enters their random seeds. bare: the question is sent alone, as in training data, without the instructions of solve_cot."""
    endpoint = engine.endpoint
    costs = RoleCosts.of(endpoint)
    completions = []
    for completion in engine.run(
        Request(
            messages=_messages(
                prompt := prompts.load("solve_cot", one.language, endpoint.prompts), one.question, bare=bare
            ),
            model=endpoint.model,
            temperature=temperature,
            top_p=1.0,
            max_tokens=prompt.front.max_tokens,
            longer=prompt.front.longer,
            seed=seed_of(seed, tag, one.problem_id, index),
            sample_index=index,
            tag=tag,
        )
        for one in questions
        for index in range(samples)
    ):
        costs.add(completion)
        completions.append(completion)
    answers = [
        _answer(completion, questions[place // samples].language)
        for place, completion in enumerate(completions)
    ]
    judged = judge.equal(
        [(answer or "", questions[place // samples].answer) for place, answer in enumerate(answers)]
    )
    rates = {}
    for number, one in enumerate(questions):
        part = slice(number * samples, (number + 1) * samples)
        sure = [
            verdict == "equal"
            for verdict, answer in zip(judged[part], answers[part], strict=True)
            if verdict != "unknown" or not answer
        ]
        failure = next((each for each in completions[part] if each.error and not each.failed_by_model), None)
        rates[one.problem_id] = PassRate(sum(sure), len(sure), failure)
    return rates, costs.facts()


def _messages(prompt: Prompt, question: str, *, bare: bool) -> Sequence[Message]:
    return [{"role": "user", "content": question}] if bare else prompt.messages(question=question)


def _answer(completion: Completion, language: str) -> str | None:
    if completion.error is not None:
        return None
    extraction = extract(completion.text or "", language, cut=completion.finish_reason == "length")
    return extraction.answer if extraction else None
