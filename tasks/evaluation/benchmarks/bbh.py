"""BIG-Bench Hard (Suzgun et al. 2022, arXiv:2210.09261): `examples` of `input` and `target`, one JSON file per task. A target is a letter of the
options in the input, a word, a number, or a list of words or brackets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import choice, phrase, text_of
from tasks.ingestion.options import letter_of, listed_in

names = ("bbh", "bigbenchhard")
domain = "symbolic"
capability = "reasoning"
folders = True
_LETTER = re.compile(r"\([A-R]\)")


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    fields = dict(record)
    question, target = text_of(fields, "input", "question"), text_of(fields, "target", "answer")
    if _LETTER.fullmatch(target) and (listed := listed_in(question)) is not None:
        stem = re.sub(r"\s*Options:\s*$", "", listed[0])
        return [choice(stem, listed[1], letter_of(listed[1], target))]
    return [phrase(question, [target])]
