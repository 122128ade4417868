"""Judge a whole solution: is it right? Asked by the prompt that the factory's own critic is asked by. The answer is "right"
where the critic finds no wrong step, else "wrong"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge
from tasks.evaluation.forms.first_error import prompt, right, shown
from tasks.replies.items import critique
from tasks.sandbox import Sandbox

__all__ = ["answers", "prompt", "right", "shown"]


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    read = [critique(text) for text in texts]
    return [
        None if isinstance(found, str) else "wrong" if found.first_wrong_step else "right" for found in read
    ]
