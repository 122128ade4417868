"""New solutions of existing questions by a reasoning model, with its reasoning (after s1, Muennighoff et al. 2025, arXiv:2501.19393, and
OpenThoughts, Guha et al. 2025, arXiv:2506.04178).

The reasoning and the final solution are apart (columns `reasoning` and `solution`). Several samples are written per question. Those whose
answer differs from the trusted one are rejected by `verify`, those that agree with no other by `weigh`. Which of the others are taken is chosen by
the selector `traces`: by length, by agreement, or by what the student finds natural.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field

from storage.reasons import Code
from tasks.conversations import WRITER, Conversation
from tasks.llm.endpoint import Endpoint
from tasks.methods import Ask, Item, Makes, Quota, Takes
from tasks.rewriting.parents import parents
from tasks.rewriting.samples import ask_to_solve, samples_of
from tasks.settings import Section

prompt = "distill"
makes: Makes = "solutions"
takes: Takes = "rows"
columns: tuple[str, ...] = ()
role = "reasoner"
needs: tuple[str, ...] = ()


class DistillSettings(Section):
    samples: int = Field(
        4, ge=1, le=64, description="solutions of each question, which vote for each other's answers"
    )
    reasoning: bool = Field(True, description="whether a solution without reasoning before it is rejected")


own_settings = DistillSettings


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
    own = settings if isinstance(settings, DistillSettings) else DistillSettings()
    return [
        ask_to_solve(prompt, prompt, row, {"required": own.reasoning}, seed, count=own.samples)
        for row in parents(pool, quota, seed, prompt, each=own.samples)
    ]


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the samples of a question, each with its reasoning or with the reason that it is unusable."""
    samples = yield from samples_of(
        ask, [{"question": ask.variables["question"]}] * ask.count, endpoints[WRITER]
    )
    items = [item for item, _ in samples]
    if not ask.variables["required"]:
        return items
    return [
        item if item.code or item.reasoning else Item(code=Code.NO_REASONING, written_by=item.written_by)
        for item in items
    ]
