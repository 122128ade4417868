"""Knights and knaves: who is what. The last thing said of each inhabitant counts; all must be right."""

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
_SAID = re.compile(r"([^\W\d_]+)(?:\*\*)?\s*(?:is|:|=|->)\s*(?:\*\*)?(?:a\s+|an\s+)?(?:\*\*)?(knight|knave)\b", re.IGNORECASE)  # fmt: skip
LONGEST = 20_000  # characters from the end of a completion that are read


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """ "Ada is a knight, Bo is a knave", in the reference's order; None where somebody is left out."""
    # a statement that the cap of tokens cut off says nothing: its last line counts only where it ends
    whole = [text.rpartition("\n")[0] if short else text for text, short in zip(texts, cut, strict=True)]
    roles_of = [_roles(solution_of(text)[-LONGEST:]) for text in whole]
    return [_told(roles, item) for roles, item in zip(roles_of, items, strict=True)]


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    return [
        answer == _told(_roles(item["reference"]), item) for item, answer in zip(items, answers, strict=True)
    ]


def _roles(text: str) -> dict[str, str]:
    return {name: role.lower() for name, role in _SAID.findall(text)}


def _told(roles: Mapping[str, str], item: Mapping[str, Any]) -> str | None:
    names = _roles(item["reference"])
    return ", ".join(f"{name} is a {roles[name]}" for name in names) if names.keys() <= roles.keys() else None
