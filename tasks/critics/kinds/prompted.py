"""A model that is asked: the role critic reads question and solution by the prompt `critique` and says how good each is, where the solution
goes wrong, and why.

Two scores after the instruction/response scoring of DEITA (arXiv:2312.15685): `instruction` (is the question well posed: the lower of its
parts `clarity` and `solvability`; its `value` to a learner is a part of its own) and `answer` (is the solution right and well reasoned). It
is shown the trusted answer where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import prompts
from prompts.schemas.critique import Assessment
from tasks.critics import CriticOpinion, Unjudged, WorkedSolution
from tasks.critics.kinds import CriticError, CriticTools
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Completion, Failure, Request
from tasks.replies.items import critique
from tasks.seeding import seed_of

PARTS = ("clarity", "solvability", "value")  # of the question, from prompts whose schema is Assessment


class PromptedCritic:
    """Asks an engine. A call that failed or a judgement that cannot be used is a failure, and no opinion."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def identity(self) -> str:
        """The models that are asked."""
        return f"prompted:{', '.join(one.endpoint.identity for one in self._engine.members)}"

    def judge(self, solutions: Sequence[WorkedSolution]) -> list[CriticOpinion]:
        return list(self.opinions(solutions))

    def opinions(self, solutions: Sequence[WorkedSolution]) -> Iterator[CriticOpinion]:
        """Yield the opinion on each solution, in their order, as soon as it is known."""
        requests = _requests(solutions, self._engine.endpoint)
        for one, completion in zip(solutions, self._engine.run(requests, check_by(critique)), strict=True):
            yield _opinion(one, completion)


def critic(tools: CriticTools) -> PromptedCritic:
    if tools.engine is None:
        raise CriticError("the critic prompted asks a model, which is not allowed here. Fix: name another")
    return PromptedCritic(tools.engine("critic"))


def _opinion(solution: WorkedSolution, completion: Completion) -> CriticOpinion:
    if completion.error is not None:
        failure = Unjudged(completion.error, completion.kind or Failure.MALFORMED)
        return CriticOpinion(None, failure=failure, asked=completion)
    judgement = critique(completion.text or "")
    if isinstance(judgement, str):
        return CriticOpinion(None, failure=Unjudged(judgement, Failure.REJECTED), asked=completion)
    line = judgement.first_wrong_step
    parts = (
        {name: getattr(judgement, name) / 10 for name in PARTS} if isinstance(judgement, Assessment) else {}
    )
    return CriticOpinion(
        answer=judgement.answer_score / 10,
        instruction=judgement.instruction_score / 10,
        parts=parts,
        first_wrong=None if line is None else step_of_line(solution, line),
        words=judgement.critique,
        asked=completion,
    )


def step_of_line(solution: WorkedSolution, line: int) -> int:
    """Return the step, from 0, in which a line of the text begins that is not blank; such lines are numbered from 1, and one beyond the last is
    the last."""
    starts, at = [], 0
    for whole in solution.text.splitlines(keepends=True):
        if whole.strip():
            starts.append(at + len(whole) - len(whole.lstrip()))
        at += len(whole)
    if not starts:
        return 0
    start, at = starts[min(line, len(starts)) - 1], 0
    for number, step in enumerate(solution.steps):
        where = solution.text.find(step, at)
        at = (where if where >= 0 else at) + len(step)
        if at > start:
            return number
    return len(solution.steps) - 1


def _requests(solutions: Sequence[WorkedSolution], endpoint: Endpoint) -> list[Request]:
    requests = []
    for one in solutions:
        prompt = prompts.load("critique", one.language, endpoint.prompts)
        messages = prompt.messages(question=one.question, solution=one.text, reference=one.reference)
        requests.append(
            Request(
                messages=messages,
                model=endpoint.model,
                temperature=prompt.front.temperature,
                top_p=prompt.front.top_p,
                max_tokens=prompt.front.max_tokens,
                longer=prompt.front.longer,
                seed=seed_of("critique", one.id),
                response_schema=prompt.response_schema,
                tag="critique",
            )
        )
    return requests
