"""Interleaved solutions of existing questions (tool-integrated reasoning, ToRA, Gou et al. 2023, arXiv:2309.17452): words, a
program, what it printed when it was executed, words, and so on.

What needs an argument is in words, what needs computing in programs, in one solution. The conversation is that of
tasks/interleaving.py, which the stage `solve` holds too for its share of interleaved samples.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field

import prompts
from storage.interleaved import TIR
from tasks.conversations import WRITER, Conversation, together
from tasks.interleaving import CALLS, interleaved
from tasks.llm.endpoint import Endpoint
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.parents import parents
from tasks.rewriting.samples import ask_to_solve
from tasks.seeding import seed_of
from tasks.settings import Section

prompt = "solve_tir"
makes: Makes = "solutions"
takes: Takes = "rows"
columns = ()
role = "reasoner"
needs = ("sandbox",)

NAME = "interleaved"


class InterleavedSettings(Section):
    samples: int = Field(
        2, ge=1, le=16, description="solutions of each question, which vote for each other's answers"
    )


own_settings = InterleavedSettings


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    settings: Section | None = None,
) -> list[Ask]:
    """Return one ask per question of the pool, for `samples` solutions each, until the quota is met."""
    own = settings if isinstance(settings, InterleavedSettings) else InterleavedSettings()
    return [
        ask_to_solve(NAME, prompt, row, {}, seed, count=own.samples)
        for row in parents(pool, quota, seed, NAME, each=own.samples)
    ]


def calls_per_row(settings: Section) -> dict[str, float]:
    return {WRITER: CALLS}


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the conversation in which the samples of a question are written side by side."""
    writer = endpoints[WRITER]
    template = prompts.load(ask.prompt, ask.language, writer.prompts)
    samples = yield from together(
        [
            interleaved(
                template,
                ask.variables,
                model=writer.model,
                seed=seed_of(ask.seed, number),
                tag=NAME,
                sample_index=number,
            )
            for number in range(ask.count)
        ]
    )
    return [
        Item(
            solution=one.solution or None,
            solution_format=TIR,
            answer=one.answer,
            reasoning=one.reasoning,
            params={"completions": list(one.completions)},
            code=one.code,
            values=one.values,
        )
        for one in samples
    ]
