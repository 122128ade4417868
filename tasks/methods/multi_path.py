"""Distinct solutions of one problem: several strategies, by the models of a role, which may be of different size.

Diverse right paths teach more than repeated ones (Yuan et al. 2023, arXiv:2308.01825, who sampled from models of several sizes). Each
sample is written by another strategy and begins with its plan, which is kept with the row (`params`) and not in the solution. Which of them
are the same path, and that rare ones come first, is the selector `paths`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
from pydantic import Field

from storage.reasons import Code
from tasks.conversations import WRITER, Conversation
from tasks.llm.endpoint import Endpoint
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.parents import parents
from tasks.rewriting.samples import ask_to_solve, samples_of
from tasks.seeding import seed_of
from tasks.settings import Section

prompt = "multi_path"
makes: Makes = "solutions"
takes: Takes = "rows"
columns: tuple[str, ...] = ()
role = "reasoner"
needs: tuple[str, ...] = ()

STRATEGIES = ("direct", "equation", "backwards", "checked", "structure")
PLAN = "plan"  # key of `params`
_PLAN = re.compile(
    r"\A[\s*#]{0,8}(?:plan|思路)[ \t*]{0,4}[:：][ \t*]{0,4}([^\n]{1,2000})(?:\n+|\Z)", re.IGNORECASE
)


class MultiPathSettings(Section):
    samples: int = Field(
        5, ge=2, le=64, description="solutions of each question, each by another strategy in turn"
    )


own_settings = MultiPathSettings


def plan(
    pool: pa.Table,
    quota: Quota,
    *,
    per_call: int,
    examples: int,
    seed: int,
    settings: Section | None = None,
) -> list[Ask]:
    """Return one ask per question of the pool, for `samples` solutions each, until the quota is met. Questions begin with different
    strategies."""
    own = settings if isinstance(settings, MultiPathSettings) else MultiPathSettings()
    return [
        ask_to_solve(
            prompt,
            prompt,
            row,
            {"first": seed_of(prompt, row["problem_id"]) % len(STRATEGIES)},
            seed,
            count=own.samples,
        )
        for row in parents(pool, quota, seed, prompt, each=own.samples)
    ]


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the samples of a question, each with its strategy and its plan."""
    strategies = [
        STRATEGIES[(ask.variables["first"] + number) % len(STRATEGIES)] for number in range(ask.count)
    ]
    variables = [{"question": ask.variables["question"], "strategy": one} for one in strategies]
    samples = yield from samples_of(ask, variables, endpoints[WRITER])
    return [planned(item, one) for (item, _), one in zip(samples, strategies, strict=True)]


def planned(item: Item, strategy: str) -> Item:
    """Return a sample with its plan in `params` instead of at the head of its solution. One without a plan stays as it is; one that is
    nothing but a plan has no answer."""
    params = {"strategy": strategy}
    match = _PLAN.match(item.solution or "")
    if match is None or item.code is not None:
        return replace(item, params=params)
    solution = (item.solution or "")[match.end() :].strip()
    if not solution:
        return replace(item, code=Code.NO_ANSWER, params=params)
    return replace(item, solution=solution, params=params | {PLAN: match[1].strip(" *")})
