"""HumanEval (Chen et al. 2021, arXiv:2107.03374): a `prompt` with signature and docstring of the function `entry_point`, and a `test` that defines
`check(candidate)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.evaluation.shapes import text_of
from tasks.ingestion.values import Unfit

names = ("humaneval", "openaihumaneval", "humanevalplus")
domain = "symbolic"
capability = "coding"


def items(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    prompt, entry = record.get("prompt"), text_of(dict(record), "entry_point")
    if not isinstance(prompt, str) or not entry.isidentifier():
        raise Unfit("no prompt, or an entry_point that is no name")
    tests = f"{text_of(dict(record), 'test')}\n\ncheck({entry})\n"
    return [{"form": "unit_tests", "question": prompt, "reference": entry, "tests": tests}]
