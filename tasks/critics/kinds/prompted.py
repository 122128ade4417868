"""A model that is asked: the role critic reads question and solution by the prompt `critique` and says how good each is, where the solution
goes wrong, and why.

About a solution that addresses its reader (tasks/critics/addressed.py) it is asked twice: as the solution is, and without what it says to its
reader. The lower score counts, so that nothing that is recognised as addressed raises one; a canary still shows whether the model obeys.

Two scores after the instruction/response scoring of DEITA (arXiv:2312.15685): `instruction` (is the question well posed: the lower of its
parts `clarity` and `solvability`; its `value` to a learner is a part of its own) and `answer` (is the solution right and well reasoned). It
is shown the trusted answer where there is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import prompts
from prompts.asking_again import ReplyFault
from prompts.schemas.critique import Assessment
from tasks.critics import CriticOpinion, Unjudged, WorkedSolution
from tasks.critics.addressed import unaddressed
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
        cleaned = [unaddressed(one) for one in solutions]
        asked: list[WorkedSolution] = []
        for one, (other, _) in zip(solutions, cleaned, strict=True):
            asked += [one] if other is one else [one, other]
        completions = self._engine.run(_requests(asked, self._engine.endpoint), check_by(critique))
        for one, (other, kept) in zip(solutions, cleaned, strict=True):
            opinion = _opinion(one, next(completions))
            if other is not one:
                opinion = _lower(opinion, _opinion(other, next(completions)), kept)
            yield opinion


def critic(tools: CriticTools) -> PromptedCritic:
    if tools.engine is None:
        raise CriticError("the critic prompted asks a model, which is not allowed here. Fix: name another")
    return PromptedCritic(tools.engine("critic"))


def _opinion(solution: WorkedSolution, completion: Completion) -> CriticOpinion:
    if completion.error is not None:
        failure = Unjudged(completion.error, completion.kind or Failure.MALFORMED)
        return CriticOpinion(None, failure=failure, asked=completion)
    judgement = critique(completion.text or "")
    if isinstance(judgement, ReplyFault):
        return CriticOpinion(None, failure=Unjudged(judgement.words, Failure.REJECTED), asked=completion)
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


def _lower(whole: CriticOpinion, cleaned: CriticOpinion, kept: Sequence[int]) -> CriticOpinion:
    """Return the opinion on a solution that addresses its reader: the one with the lower score, with both completions, and with the failure if
    one has failed. `kept`: the steps of the whole solution that the cleaned one has."""
    if whole.failure or cleaned.failure or (whole.answer or 0.0) <= (cleaned.answer or 0.0):
        return replace(whole, failure=whole.failure or cleaned.failure, also_asked=cleaned.asked)
    place = cleaned.first_wrong
    return replace(
        cleaned,
        first_wrong=None if place is None else kept[place],
        asked=whole.asked,
        also_asked=cleaned.asked,
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
