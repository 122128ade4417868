"""Several solutions in words of one question, asked for side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import prompts
from storage.reasons import Code
from tasks.conversations import Conversation, completions, request_of_prompt
from tasks.llm.endpoint import Endpoint
from tasks.llm.request import Completion
from tasks.methods import INHERITED, Ask, Item
from tasks.replies.solutions import Reply
from tasks.replies.words import cut_off, in_words, reply_of
from tasks.rewriting.parents import Parent
from tasks.seeding import seed_of


def ask_to_solve(
    method: str, prompt: str, row: Parent, variables: Mapping[str, Any], seed: int, *, count: int = 1
) -> Ask:
    """Return the ask for `count` new solutions of the question of a row, with what they have from it. The random seed follows from
    the method and the problem. variables: those of the prompt besides the question."""
    return Ask(
        method,
        prompt,
        row["language"],
        row["subdomain"],
        count,
        {"question": row["question"], **variables},
        [row["id"]],
        seed_of(seed, method, row["problem_id"]),
        inherited={name: row[name] for name in INHERITED if row[name]},
    )


def samples_of(
    ask: Ask, variables: Sequence[Mapping[str, Any]], endpoint: Endpoint
) -> Conversation[list[tuple[Item, Reply]]]:
    """Return one sample per entry of `variables`, which fill in the ask's prompt, with the parts of its reply. Each has a random seed
    of its own: a server answers equal requests with equal seeds by one text."""
    template = prompts.load(ask.prompt, ask.language, endpoint.prompts)
    replies = yield from completions(
        [
            request_of_prompt(
                template,
                own,
                model=endpoint.model,
                seed=seed_of(ask.seed, number),
                tag=ask.method,
                sample_index=number,
            )
            for number, own in enumerate(variables)
        ]
    )
    return [_sample(ask, completion, endpoint) for completion in replies]


def _sample(ask: Ask, completion: Completion, endpoint: Endpoint) -> tuple[Item, Reply]:
    reply = reply_of(completion, reasons=endpoint.sampling.reasoning)
    if completion.error is not None:
        values = {"error": completion.error, "kind": str(completion.kind)}
        return Item(code=Code.CALL_FAILED, values=values, written_by=completion), reply
    words = in_words(reply, ask.language, cut=cut_off(completion, reply))
    return (
        Item(
            solution=words.text or None,
            solution_format="cot",
            answer=words.answer,
            reasoning=reply.thinking,
            code=words.code,
            written_by=completion,
        ),
        reply,
    )
