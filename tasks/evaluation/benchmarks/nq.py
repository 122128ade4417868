"""Natural Questions without documents (NQ-open; Lee et al. 2019, arXiv:1906.00300): `question`, and in `answer` a list of the answers that count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import phrase, text_of
from tasks.ingestion.values import Unfit

names = ("nq", "nqopen", "naturalquestions", "naturalquestionsopen")
domain = "commonsense"
capability = "knowledge"
subsets = False


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    answers = record.get("answer", record.get("answers"))
    listed = [answers] if isinstance(answers, str) else answers
    if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
        raise Unfit("the answer is no text and no list of texts")
    return [phrase(text_of(dict(record), "question"), listed)]
