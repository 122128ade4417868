"""Knights and knaves: the role of each inhabitant. The last statement about each counts, and all must be right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge
from tasks.evaluation.forms.open import bare, shown
from tasks.replies.solutions import solution_of
from tasks.sandbox import Sandbox

__all__ = ["answers", "bare", "prompt", "right", "shown"]

prompt = "solve_roles"
_STATEMENT = re.compile(r"([^\W\d_]+)(?:\*\*)?\s*(?:is|:|=|->)\s*(?:\*\*)?(?:a\s+|an\s+)?(?:\*\*)?(knight|knave)\b", re.IGNORECASE)  # fmt: skip
_CHINESE = re.compile(
    r"([^\W\d_]+?)(?:\*\*)?\s*(?:是|:|：)\s*(?:\*\*)?(?:一[个名位])?\s*(?:\*\*)?(骑士|无赖)"
)
_ROLE = {"骑士": "knight", "无赖": "knave"}
LONGEST = 20_000  # characters from the end of a completion that are read


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """Return "Ada is a knight, Bo is a knave" in the order of the reference, or None if an inhabitant is missing."""
    # the last line of a text that was cut off may be incomplete and is not read
    whole = [text.rpartition("\n")[0] if short else text for text, short in zip(texts, cut, strict=True)]
    roles_of = [_roles(solution_of(text)[-LONGEST:]) for text in whole]
    return [_statement(roles, item) for roles, item in zip(roles_of, items, strict=True)]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    return [
        answer == _statement(_roles(item["reference"]), item)
        for item, answer in zip(items, answers, strict=True)
    ]


def _roles(text: str) -> dict[str, str]:
    stated = [*_STATEMENT.finditer(text), *_CHINESE.finditer(text)]
    stated.sort(key=lambda match: match.start())
    return {match[1]: _ROLE.get(match[2], match[2].lower()) for match in stated}


def _statement(roles: Mapping[str, str], item: Mapping[str, Any]) -> str | None:
    names = _roles(item["reference"])
    return ", ".join(f"{name} is a {roles[name]}" for name in names) if names.keys() <= roles.keys() else None
