"""Verified programs become templates that give new problems, after RV-Syn (Wang et al. 2025, arXiv:2504.20426).

The numbers that a question and its program share become parameters with ranges (tasks/lifting). New values are put into both, and the
answer is what the new program prints in the sandbox. A template is used only if fresh draws keep the kinds of all
values that the program computes, the type of the answer, and give different answers. The program counts as one solution among those of
`solve`, unless the setting `trusted` takes its answer as it is. tasks/methods/compose.py is the part of RV-Syn that
composes new graphs out of functions.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field

from storage.reasons import Code
from tasks.conversations import Conversation, executions
from tasks.lifting.template import NotLifted, Template, lifted
from tasks.lifting.trials import draws, guarded, kinds_in, number_of, recording, same_type, vary
from tasks.llm.endpoint import Endpoint
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.parents import Parent, answer_of, in_turn, inherited
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section

makes: Makes = "questions"
takes: Takes = "rows"
columns: tuple[str, ...] = ("solution", "solution_format", "answer", "method")
needs: tuple[str, ...] = ("sandbox",)

NAME = "lift"
TRIALS = 4  # draws that are executed per problem that is asked for
LEAST = 3  # draws that have to pass, so that a template is used


class LiftSettings(Section):
    per_template: int = Field(3, ge=1, le=20, description="new problems per verified program")
    trusted: bool = Field(
        False,
        description="take the answer of a new program as it is, instead of as one sample among those of solve",
    )


own_settings = LiftSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per row whose program can be lifted, until the quota of its topic is met."""
    own = settings if isinstance(settings, LiftSettings) else LiftSettings()
    missing = dict(quota)
    asks = []
    for row in in_turn(pool.filter(pa.compute.equal(pool["solution_format"], "pot")), seed, NAME):
        topic = (row["language"], row["subdomain"] or "")
        if row["subdomain"] is None:
            topic = next(
                (one for one in sorted(missing) if one[0] == row["language"] and missing[one]), topic
            )
        if not missing.get(topic) or row["method"] == NAME or not _liftable(row):
            continue
        count = min(own.per_template, missing[topic])
        missing[topic] -= count
        asks.append(
            Ask(
                NAME,
                "",
                language=row["language"],
                subdomain=row["subdomain"],
                count=count,
                variables={
                    "question": row["question"],
                    "program": row["solution"],
                    "answer": answer_of(row),
                    "parent": row["problem_id"],
                    "trusted": own.trusted,
                },
                parent_ids=[row["id"]],
                seed=seed_of(seed, NAME, row["id"], "asked"),
                at_most=True,
                inherited=inherited(row),
            )
        )
    return asks


def _liftable(row: Parent) -> bool:
    if number_of(answer_of(row)) is None:
        return False
    try:
        lifted(row["question"], row["solution"])
    except NotLifted:
        return False
    return True


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the conversation of a template: its own program, then the draws, without a call."""
    given = ask.variables
    try:
        template = lifted(given["question"], given["program"])
    except NotLifted as error:
        return _refused(str(error))
    own, recorded = yield from executions([template.program(template.original), recording(template)])
    answer = number_of(own.answer) if own.verdict == "ok" else None
    if answer is None or answer != number_of(given["answer"]):
        return _refused("its program does not give the answer of its row")
    kinds = kinds_in(recorded.stdout or "") if recorded.verdict == "ok" else None
    if kinds is None:
        return _refused("its program cannot be observed")
    tried = draws(template, rng_of(ask.seed, NAME), max(LEAST + 1, ask.count) * TRIALS)
    programs = [template.program(values) for values in tried]
    results = yield from executions([guarded(program, kinds) for program in programs])
    good = [
        (values, program, printed)
        for values, program, result in zip(tried, programs, results, strict=True)
        if result.verdict == "ok"
        and (printed := number_of(result.answer)) is not None
        and same_type(printed, answer)
    ]
    if len(good) < LEAST:
        return _refused("too few draws pass its checks")
    if not vary([printed for _, _, printed in good]):
        return _refused("its answer does not depend on its numbers")
    chosen = good[: ask.count]
    # as the unguarded program prints it
    finals = yield from executions([program for _, program, _ in chosen])
    return [
        _item(ask, template, values, program, final.answer)
        if final.verdict == "ok" and number_of(final.answer) == printed
        else Item(code=Code.NOT_A_TEMPLATE, values={"why": "its program changes its answer"})
        for (values, program, printed), final in zip(chosen, finals, strict=True)
    ]


def _refused(why: str) -> list[Item]:
    return [Item(code=Code.NOT_A_TEMPLATE, values={"why": why})]


def _item(
    ask: Ask, template: Template, values: Mapping[str, object], program: str, answer: str | None
) -> Item:
    given = ask.variables
    texts = {name: str(value) for name, value in values.items()}
    return Item(
        template.written(values),  # type: ignore[arg-type]
        solution=program,
        solution_format="pot",
        solution_by="procedure" if given["trusted"] else None,
        answer=answer,
        reference_answer=answer if given["trusted"] else None,
        derived_from=(given["parent"],),
        params={"template": given["parent"], "values": texts},
    )
