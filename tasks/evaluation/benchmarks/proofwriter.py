"""ProofWriter (Tafjord et al. 2021, arXiv:2012.13048): a `theory` with `questions`, each of a statement and `answer` (True, False or Unknown);
in the form of Logic-LM `context`, `question`, `options` and the letter in `answer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import numbered_choice, text_of
from tasks.ingestion.values import Unfit

names = ("proofwriter",)
domain = "logic"
capability = "reasoning"
TRUTHS = ("True", "False", "Unknown")


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "theory" not in record:
        return []
    theory, questions = text_of(dict(record), "theory"), record.get("questions")
    listed = list(questions.values()) if isinstance(questions, Mapping) else questions
    if not isinstance(listed, list) or not listed or not all(isinstance(one, Mapping) for one in listed):
        raise Unfit("no questions")
    return [_item(theory, dict(one)) for one in listed]


def _item(theory: str, question: dict[str, Any]) -> dict[str, Any]:
    answer = str(question.get("answer")).strip().title()
    if answer not in TRUTHS:
        raise Unfit(f"the answer is {question.get('answer')!r}, not True, False or Unknown")
    asked = f"{theory}\n\nIs the statement below true, false, or unknown?\n{text_of(question, 'question')}"
    return numbered_choice(asked, TRUTHS, TRUTHS.index(answer))
