"""The answer is the output of a program, which runs in the sandbox. `answers` raises ValueError if there is no sandbox, and
RuntimeError if the sandbox fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge
from tasks.evaluation.forms.open import bare, right, shown
from tasks.replies.programs import program
from tasks.sandbox import Sandbox

__all__ = ["answers", "bare", "prompt", "right", "shown"]

prompt = "solve_pot"
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
        raise ValueError("the form program runs what a model writes: it needs a sandbox")
    codes = [program(text, cut=short) for text, short in zip(texts, cut, strict=True)]
    programs = {i: code for i, code in enumerate(codes) if code is not None}
    printed: list[str | None] = [None] * len(texts)
    for i, result in zip(programs, sandbox.run(list(programs.values())), strict=True):
        if result.verdict == "infra":
            raise RuntimeError(f"the sandbox failed on {items[i]['id']}: {result.error}")
        printed[i] = result.answer if result.verdict == "ok" else None
    return printed
