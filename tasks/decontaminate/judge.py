"""A model decides whether two questions that lie near each other are one problem."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import prompts
from tasks.decontaminate.planting import chinese
from tasks.encode import Vectors
from tasks.llm.engine import Engine
from tasks.llm.request import Request
from tasks.seeding import seed_of

Encode = Callable[[Sequence[str]], Vectors]
Judge = Callable[[Sequence[tuple[str, str]]], list[bool | None]]
"""(row, item) pairs to verdicts; None where there is none."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What rules may need beside the items (their NEEDS)."""

    encode: Encode | None = None
    judge: Judge | None = None


def judge_by(critic: Engine) -> Judge:
    """A judge that asks the critic with prompts/same_problem.en.md; calls go through its ledger."""

    def judge(pairs: Sequence[tuple[str, str]]) -> list[bool | None]:
        asked = []
        for first, second in pairs:
            prompt = prompts.load("same_problem", "zh" if chinese(first) and chinese(second) else "en")
            asked.append(
                Request(
                    messages=prompt.messages(first=first, second=second),
                    model=critic.endpoint.model,
                    temperature=prompt.front.temperature,
                    top_p=prompt.front.top_p,
                    max_tokens=prompt.front.max_tokens,
                    seed=seed_of("same_problem", first, second),
                    tag="decontaminate",
                )
            )
        return [None if done.error is not None else verdict(done.text or "") for done in critic.run(asked)]

    return judge


def verdict(text: str) -> bool | None:
    """The last SAME or DIFFERENT on a line of its own; None if the words are no answer."""
    said = re.findall(r"(?mi)^\W*(same|different)\W*$", text)
    return said[-1].lower() == "same" if said else None
