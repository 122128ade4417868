"""The critic model reads question and solution and says how good each is, where the solution goes wrong,
and why.

Two scores after the instruction/response scoring of DEITA (arXiv:2312.15685): `instruction` (is the question well posed: the
lower of its parts `clarity` and `solvability`; its `value` to a learner is a score of its own) and `answer` (is the solution
right and well reasoned). The critic is shown the trusted answer where the row has one. Calls
are expensive, so the critic is asked about the rows on which the votes are not sure (whose verdict `settled`, of
tasks/stages/verify.py, is not "yes"), and about the most probable row of a question whose rows are all sure. Its score of a question is that
of all rows of the question.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

import prompts
from prompts.schemas.critique import Assessment
from storage.rows import column
from tasks.llm.costs import RoleCosts
from tasks.llm.endpoint import Endpoint
from tasks.llm.engine import Engine
from tasks.llm.pending import check_by
from tasks.llm.request import Failure, Request
from tasks.replies.items import critique
from tasks.scorers import Scored, Unscored
from tasks.seeding import seed_of
from tasks.stages.outcome import Tick

needs = ("critic",)
scores = ("instruction", "answer", "clarity", "solvability", "value")
PARTS = ("clarity", "solvability", "value")  # of the question, from prompts whose schema is Assessment
verdict = "answer"
PREFIX = "Step {step}: "  # how the text for readers states a wrong step; code reads the verdict WRONG_STEP


def score(rows: pa.Table, *, critic: Engine, tick: Tick) -> Scored:
    """Return `instruction` and `answer` in 0..1; `answer` is None for rows that the critic was not asked
    about.

    A call that failed or a judgement that cannot be used is a failure of that row.
    """
    count = rows.num_rows
    instruction: list[float | None] = [None] * count
    answer: list[float | None] = [None] * count
    parts: dict[str, list[float | None]] = {name: [None] * count for name in PARTS}
    critiques: list[str | None] = [None] * count
    wrong_steps: list[int | None] = [None] * count
    failures: list[Unscored | None] = [None] * count
    models: list[str | None] = [None] * count
    costs = RoleCosts.of(critic.endpoint)
    chosen = rows_to_ask(rows)
    tick(count - len(chosen))
    requests = _requests(rows.take(pa.array(chosen, pa.int64())), critic.endpoint)
    for i, completion in zip(chosen, critic.run(requests, check_by(critique)), strict=True):
        costs.add(completion)
        models[i] = critic.asked_of(completion).model
        tick(1)
        if completion.error is not None:
            failures[i] = Unscored(completion.error, completion.kind or Failure.MALFORMED)
            continue
        judgement = critique(completion.text or "")
        if isinstance(judgement, str):
            failures[i] = Unscored(judgement, Failure.REJECTED)
            continue
        instruction[i] = judgement.instruction_score / 10
        answer[i] = judgement.answer_score / 10
        if isinstance(judgement, Assessment):
            for name in PARTS:
                parts[name][i] = getattr(judgement, name) / 10
        step = (
            PREFIX.format(step=judgement.first_wrong_step) if judgement.first_wrong_step is not None else ""
        )
        critiques[i] = step + judgement.critique
        wrong_steps[i] = judgement.first_wrong_step
    problems = column(rows, "problem_id")
    by_problem = {problems[i]: instruction[i] for i in reversed(chosen) if instruction[i] is not None}
    instruction = [
        score if score is not None else by_problem.get(problem)
        for score, problem in zip(instruction, problems, strict=True)
    ]
    by_name = {"instruction": instruction, "answer": answer, **parts}
    return Scored(by_name, critiques, {"answer": wrong_steps}, failures, models, costs.facts())


def rows_to_ask(rows: pa.Table) -> list[int]:
    """Return the rows to ask the critic about, in their order."""
    settled = pc.equal(pc.map_lookup(rows.column("verdicts"), "settled", "first"), "yes").fill_null(False)
    unsure = [i for i, sure in enumerate(settled.to_pylist()) if not sure]
    problems, correctness = column(rows, "problem_id"), column(rows, "correctness")
    problems_asked = {problems[i] for i in unsure}
    likeliest: dict[str, int] = {}
    for i, problem in enumerate(problems):
        best = likeliest.get(problem)
        if problem not in problems_asked and (
            best is None or (correctness[i] or 0.0) > (correctness[best] or 0.0)
        ):
            likeliest[problem] = i
    return sorted([*unsure, *likeliest.values()])


def _requests(rows: pa.Table, endpoint: Endpoint) -> list[Request]:
    requests = []
    names = ("id", "language", "question", "solution", "reference_answer")
    for row_id, language, question, solution, reference in zip(
        *(column(rows, n) for n in names), strict=True
    ):
        prompt = prompts.load("critique", language, endpoint.prompts)
        requests.append(
            Request(
                messages=prompt.messages(question=question, solution=solution, reference=reference),
                model=endpoint.model,
                temperature=prompt.front.temperature,
                top_p=prompt.front.top_p,
                max_tokens=prompt.front.max_tokens,
                longer=prompt.front.longer,
                seed=seed_of("critique", row_id),
                response_schema=prompt.response_schema,
                tag="critique",
            )
        )
    return requests
