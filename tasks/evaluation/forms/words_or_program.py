"""The answer is the output of a program if the completion holds one, else what its words state: for models that choose their form by the
question. `answers` raises as tasks.evaluation.forms.program does, and needs a sandbox, since no question tells which form will come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge
from tasks.evaluation.forms import open as words
from tasks.evaluation.forms import program as programs
from tasks.evaluation.forms.open import bare, right, shown
from tasks.replies.programs import chose_program
from tasks.sandbox import Sandbox

__all__ = ["answers", "bare", "prompt", "right", "shown"]

prompt = "solve_cot"
runs_programs = True


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    if sandbox is None:
        raise ValueError("the form words_or_program runs what a model writes: it needs a sandbox")
    executed = [chose_program(text, cut=short) for text, short in zip(texts, cut, strict=True)]
    result: list[str | None] = [None] * len(texts)
    for form, chosen in ((programs, True), (words, False)):
        places = [place for place, has_program in enumerate(executed) if has_program == chosen]
        read = form.answers(
            [items[place] for place in places],
            [texts[place] for place in places],
            cut=[cut[place] for place in places],
            judge=judge,
            sandbox=sandbox,
        )
        for place, answer in zip(places, read, strict=True):
            result[place] = answer
    return result
