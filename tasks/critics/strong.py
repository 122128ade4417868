"""A strong model teaches a critic: it answers the questions, and scores the solutions with its answer beside them.

Its answer is the reference of a question without a trusted one. Where its two opinions of a solution agree (the answers are equal and the score is
at least a half, or they differ and the score is less), it labels a solution that has no label; where they contradict each other, the solution
stays without. A label that is there already is never changed: beside it the score says how good the strong model itself is.

Every call goes through the ledger, so that a second training asks for nothing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import prompts
from storage.rows import content_id
from tasks.answers import Judge, extract
from tasks.critics import Shown
from tasks.critics.baselines import answers_of
from tasks.critics.kinds.prompted import PromptedCritic
from tasks.critics.labelled import STRONG, LabelledSolution
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.seeding import seed_of

PROMPT = "solve_cot"
TAG = "strong"
MIDDLE = 0.5  # score from which on a solution counts as right


@dataclass(frozen=True, slots=True)
class StrongOpinions:
    """What a strong model said: the solutions that had a label, with its score beside it, and those that it labelled.

    `asked`: the number of its calls, `failed`: of those that gave nothing; `unclear`: solutions on which it contradicts itself or is silent.
    """

    labelled: list[LabelledSolution]
    taught: list[LabelledSolution]
    asked: int
    failed: int
    unclear: int


def taught_by(
    engine: Engine, labelled: Sequence[LabelledSolution], unsure: Sequence[LabelledSolution], judge: Judge
) -> StrongOpinions:
    """Ask a strong model about solutions, and label the unsure ones by its opinions. Solutions with a stored score keep it."""
    every = [*labelled, *unsure]
    questions = {_question(one): one for one in every if one.reference is None}
    completions = engine.run([_request(name, one, engine.endpoint) for name, one in questions.items()])
    references: dict[str, str] = {}
    failed = 0
    for (name, one), completion in zip(questions.items(), completions, strict=True):
        stated = None if completion.error else extract(completion.text or "", one.language)
        if stated is None:
            failed += 1
        else:
            references[name] = stated.answer
    referred = [replace(one, reference=one.reference or references.get(_question(one))) for one in every]
    scored, asked, silent = _scored(engine, referred)
    known, open_ones = scored[: len(labelled)], scored[len(labelled) :]
    taught = _taught(open_ones, judge)
    # a reference by the strong model is no trusted answer of the solution
    kept = [replace(one, reference=before.reference) for one, before in zip(known, labelled, strict=True)]
    return StrongOpinions(kept, taught, len(questions) + asked, failed + silent, len(open_ones) - len(taught))


def _scored(engine: Engine, solutions: Sequence[LabelledSolution]) -> tuple[list[LabelledSolution], int, int]:
    """Return the solutions with the strong model's scores, the number of calls, and of those that failed."""
    rows = [row for row, one in enumerate(solutions) if one.strong is None]
    shown = [
        Shown(one.question, one.text, one.steps, one.language, reference=one.reference, id=one.id)
        for one in (solutions[row] for row in rows)
    ]
    scored, silent = list(solutions), 0
    for row, opinion in zip(rows, PromptedCritic(engine).opinions(shown), strict=True):
        silent += opinion.failure is not None
        scored[row] = replace(solutions[row], strong=opinion.answer)
    return scored, len(rows), silent


def _taught(solutions: Sequence[LabelledSolution], judge: Judge) -> list[LabelledSolution]:
    """Return the solutions on which answer and score agree, with their labels."""
    stated = list(zip(solutions, answers_of(solutions), strict=True))
    usable = [(one, answer) for one, answer in stated if answer and one.reference and one.strong is not None]
    verdicts = judge.equal([(answer, one.reference or "") for one, answer in usable])
    taught = []
    for (one, _), verdict in zip(usable, verdicts, strict=True):
        right = (one.strong or 0.0) >= MIDDLE
        if verdict != "unknown" and right == (verdict == "equal"):
            taught.append(replace(one, correct=right, by=STRONG))
    return taught


def _question(solution: LabelledSolution) -> str:
    return content_id(solution.language, solution.question)


def _request(name: str, solution: LabelledSolution, endpoint: Endpoint) -> Request:
    prompt = prompts.load(PROMPT, solution.language, endpoint.prompts)
    return Request(
        messages=prompt.messages(question=solution.question),
        model=endpoint.model,
        temperature=prompt.front.temperature,
        top_p=prompt.front.top_p,
        max_tokens=prompt.front.max_tokens,
        longer=prompt.front.longer,
        seed=seed_of(TAG, name),
        tag=TAG,
    )
