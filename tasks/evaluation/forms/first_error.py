"""Find the first wrong step of a solution (MR-Ben, arXiv:2406.13975; ProcessBench, arXiv:2412.06559) with the prompt of the
critic. The answer is the number of the step, or 0 if every step is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prompts.asking_again import ReplyFault
from tasks.answers import Judge
from tasks.replies.items import critique
from tasks.sandbox import Sandbox

__all__ = ["answers", "prompt", "right", "shown"]

prompt = "critique"


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"], "solution": item["solution"]}


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    replies = [critique(text) for text in texts]
    return [None if isinstance(reply, ReplyFault) else str(reply.first_wrong_step or 0) for reply in replies]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    return [answer == item["reference"] for item, answer in zip(items, answers, strict=True)]
