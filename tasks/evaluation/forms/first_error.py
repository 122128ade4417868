"""Find the first wrong step of a solution (MR-Ben, arXiv:2406.13975; ProcessBench, arXiv:2412.06559), asked by the
prompt that the factory's own critic is asked by. The answer is the step's number; 0: every step is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    read = [critique(text) for text in texts]
    return [None if isinstance(found, str) else str(found.first_wrong_step or 0) for found in read]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    return [answer == item["reference"] for item, answer in zip(items, answers, strict=True)]
