"""A free answer, which the judge compares with the trusted one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge, Judgement, extract
from tasks.sandbox import Sandbox

prompt = "solve_cot"
_RIGHT: dict[Judgement, bool | None] = {"equal": True, "different": False, "unknown": None}


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"]}


def bare(item: Mapping[str, Any]) -> str:
    return str(item["question"])


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    extracted = [
        extract(text, item["language"], cut=short)
        for item, text, short in zip(items, texts, cut, strict=True)
    ]
    return [one.answer if one else None for one in extracted]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    """Return whether each answer equals the trusted one, or None if the judge cannot compare them. A missing answer is not
    right."""
    pairs = [(answer or "", item["reference"]) for item, answer in zip(items, answers, strict=True)]
    judgements = judge.equal(pairs)
    return [
        _RIGHT[judgement] if answer else False
        for (answer, _), judgement in zip(pairs, judgements, strict=True)
    ]
