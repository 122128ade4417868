"""Problems that their writer proves by a program, after the challenger of R-Zero (Huang et al. 2025, arXiv:2508.05004).

The teacher sets a problem with a program that searches for all its answers. The sandbox executes it: a problem with none or with
several is refused, and so is one whose program does not search (tasks/posing). The answer found is the trusted one, and the
program is one solution among those of `solve`. Which of these problems are at the edge of what the student can do is
decided by the selector `pass_rate` or `mirrored_j` (`select.by`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
from pydantic import Field

import prompts
from storage.reasons import Code, shortened
from tasks.conversations import WRITER, Conversation, completions, executions, request_of_prompt
from tasks.llm.endpoint import Endpoint
from tasks.methods import Ask, Item, Makes, Quota, Takes, examples_by_topic
from tasks.posing.replies import posed
from tasks.posing.searches import count_in, degenerate, observed, single
from tasks.seeding import rng_of, seed_of
from tasks.settings import Section
from tasks.taxonomy import local_name

prompt = "pose"
makes: Makes = "questions"
takes: Takes = "rows"
needs: tuple[str, ...] = ("sandbox",)


class PoseSettings(Section):
    easiest: int = Field(2, ge=1, le=5, description="least difficulty that is asked for, from 1 to 5")
    hardest: int = Field(4, ge=1, le=5, description="largest difficulty that is asked for, from 1 to 5")

    def model_post_init(self, _context: object) -> None:
        if self.easiest > self.hardest:
            raise ValueError("easiest is above hardest")


own_settings = PoseSettings


def plan(
    pool: pa.Table, quota: Quota, *, per_call: int, examples: int, seed: int, settings: Section | None = None
) -> list[Ask]:
    """Return one ask per problem, with examples of its topic that are drawn for this ask."""
    own = settings if isinstance(settings, PoseSettings) else PoseSettings()
    topics = examples_by_topic(pool)
    asks = []
    for (language, subdomain), problems in sorted(quota.items()):
        candidates = topics.get((language, subdomain)) or topics.get((language, None)) or []
        for index in range(problems):
            rng = rng_of(seed, prompt, language, subdomain, index)
            chosen = rng.sample(candidates, min(examples, len(candidates)))
            asks.append(
                Ask(
                    prompt,
                    prompt,
                    language=language,
                    subdomain=subdomain,
                    count=1,
                    variables={
                        "subdomain": local_name(subdomain, language),
                        "level": rng.randint(own.easiest, own.hardest),
                        "examples": [{"question": question} for _, question in chosen],
                    },
                    parent_ids=[row_id for row_id, _ in chosen],
                    seed=seed_of(seed, prompt, language, subdomain, index, "asked"),
                )
            )
    return asks


def converse(ask: Ask, endpoints: Mapping[str, Endpoint]) -> Conversation[list[Item]]:
    """Return the conversation of one problem: a call, then its program in the sandbox."""
    writer = endpoints[WRITER]
    words = prompts.load(ask.prompt, ask.language, writer.prompts)
    request = request_of_prompt(words, ask.variables, model=writer.model, seed=ask.seed, tag=prompt)
    (completion,) = yield from completions([request])
    item = posed(completion.text or "", cut=completion.finish_reason == "length")
    if item.code is not None or item.solution is None:
        return [item]
    if why := degenerate(item.question, item.solution):
        return [replace(item, code=Code.NOT_PROVED, values={"why": why})]
    (search,) = yield from executions([observed(item.solution)])
    count = count_in(search.stdout)
    if search.verdict != "ok" or count is None:
        values = {"verdict": str(search.verdict), "error": shortened(search.error, 200)}
        return [replace(item, code=Code.PROGRAM_FAILED, values=values)]
    if count != 1:
        return [replace(item, code=Code.NOT_UNIQUE, values={"count": str(count)})]
    program = single(item.solution)
    (result,) = yield from executions([program], twice=True)
    if result.verdict != "ok" or not result.answer:
        values = {"verdict": str(result.verdict), "error": shortened(result.error, 200)}
        return [replace(item, code=Code.PROGRAM_FAILED, values=values)]
    if result.deterministic is False:
        return [replace(item, code=Code.PROGRAM_CHANGING)]
    answer = result.answer.strip()
    params = {"level": ask.variables["level"]}
    return [replace(item, solution=program, answer=answer, reference_answer=answer, params=params)]
