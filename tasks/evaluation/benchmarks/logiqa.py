"""LogiQA (Liu et al. 2020, arXiv:2007.08124): `context`, `query`, `options` and `correct_option`; LogiQA 2.0 `text`, `question`, `options` and `answer`.
Both count the options from 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import numbered_choice, text_of

names = ("logiqa", "logiqa2")
domain = "logic"
capability = "reasoning"


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = dict(record)
    if not any(isinstance(record.get(name), int) for name in ("correct_option", "answer", "label")):
        return []  # a letter or a text, as the usual conventions read it
    place = next(
        record[name] for name in ("correct_option", "answer", "label") if isinstance(record.get(name), int)
    )
    question = f"{text_of(fields, 'context', 'text', 'passage')}\n\n{text_of(fields, 'query', 'question')}"
    return [numbered_choice(question, record.get("options"), place)]
