from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

import prompts
from tasks.teacher.app import complete
from tasks.teacher.character import PERFECT, Character
from tasks.teacher.wire import ChatRequest

Say = Callable[..., list[str]]

# runs programs of our own teacher, one after the other, each at most a second of CPU: what each printed, or None
RUNNER = """
import contextlib, io, json, signal, sys
import sympy
def late(*_): raise TimeoutError
signal.signal(signal.SIGVTALRM, late)
found = []
for code in json.load(sys.stdin):
    out = io.StringIO()
    signal.setitimer(signal.ITIMER_VIRTUAL, 1.0)
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, "program", "exec"), {"__name__": "__main__"})
        found.append(out.getvalue().strip())
    except BaseException:
        found.append(None)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
json.dump(found, sys.stdout)
"""


@pytest.fixture
def say() -> Say:
    """Completions of a shipped prompt: say(prompt, language, character=..., n=..., seed=..., **variables)."""

    def ask(
        prompt: str,
        language: str = "en",
        *,
        character: Character | None = None,
        n: int = 1,
        seed: int = 0,
        temperature: float = 0.7,
        **variables: object,
    ) -> list[str]:
        character = character or Character("embedded", PERFECT)
        messages = tuple(
            (message["role"], message["content"])
            for message in prompts.load(prompt, language).messages(**variables)
        )
        asked = ChatRequest(character.name, messages, n=n, seed=seed, temperature=temperature)
        return [text for text, _ in complete(asked, character)]

    return ask


@pytest.fixture(scope="session")
def run_programs() -> Callable[[Sequence[str]], list[str | None]]:
    def run(programs: Sequence[str]) -> list[str | None]:
        done = subprocess.run(
            [sys.executable, "-c", RUNNER],
            input=json.dumps(list(programs)),
            capture_output=True,
            text=True,
            check=True,
        )
        outputs: list[str | None] = json.loads(done.stdout)
        return outputs

    return run
