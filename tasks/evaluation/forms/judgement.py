"""Judge a whole solution with the prompt of the critic. The answer is "right" if the reply names no wrong step, or else
"wrong"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prompts.asking_again import ReplyFault
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
    replies = [critique(text) for text in texts]
    return [
        None if isinstance(reply, ReplyFault) else "wrong" if reply.first_wrong_step else "right"
        for reply in replies
    ]
