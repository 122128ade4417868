"""The answer is the output of a program if the completion holds one, else what its words state: for models that choose their form by the
question. `answers` raises as tasks.evaluation.forms.program does, and needs a sandbox, since no question tells which form will come.

Only a block is a program here: lines of words such as "x = 4" are none. An interleaved solution, with a program's output below it, was written
in one piece, so that its output is the model's own words, and counts by the answer that it states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage.interleaved import is_interleaved
from tasks.answers import Judge
from tasks.evaluation.forms import open as words
from tasks.evaluation.forms import program as programs
from tasks.evaluation.forms.open import bare, right, shown
from tasks.replies.programs import program
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
    executed = [
        not is_interleaved(text) and program(text, cut=short, unfenced=False) is not None
        for text, short in zip(texts, cut, strict=True)
    ]
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
