"""A function that must pass the tests of its item (HumanEval, MBPP), which run behind it in the sandbox. `reference` is the name of the function,
`tests` the program of the tests. The answer is "passed", or the status with which the program ended.

Passing is what the program reports by a token that is in no prompt, printed behind the last test: a program that ends early, or prints a lot, has not
passed. `answers` raises ValueError if there is no sandbox, and RuntimeError if the sandbox fails.
"""

from __future__ import annotations

import ast
import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge
from tasks.replies.programs import program
from tasks.sandbox import Sandbox

prompt = "write_function"
runs_programs = True
PASSED = "passed"
# where a base model, which continues the file, ends the function and begins something else
_NEXT = ("\ndef ", "\nclass ", "\nif ", "\nprint(", "\n#", "\n@", "\nassert ", "\n```", "\n<")


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"], "name": item["reference"]}


def bare(item: Mapping[str, Any]) -> str:
    return str(item["question"])


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    if sandbox is None:
        raise ValueError("the form unit_tests runs what a model writes: it needs a sandbox")
    codes = {
        i: code
        for i, (item, text, short) in enumerate(zip(items, texts, cut, strict=True))
        if (code := _function(item, text, short)) is not None
    }
    tokens = {i: hashlib.sha256(f"{items[i]['id']}\0{items[i]['tests']}".encode()).hexdigest() for i in codes}
    whole = [f"{code}\n{items[i]['tests']}\nprint()\nprint({tokens[i]!r})\n" for i, code in codes.items()]
    ended: list[str | None] = [None] * len(texts)
    for i, result in zip(codes, sandbox.run(whole), strict=True):
        if result.verdict == "infra":
            raise RuntimeError(f"the sandbox failed on {items[i]['id']}: {result.error}")
        last = (result.answer or "").rstrip().rpartition("\n")[2]
        status = "error" if result.verdict in ("ok", "no_answer") else result.verdict
        ended[i] = PASSED if result.verdict == "ok" and last == tokens[i] else status
    return ended


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    return [answer == PASSED for answer in answers]


def _function(item: Mapping[str, Any], text: str, cut: bool) -> str | None:
    """Return the program that defines the function, None if the reply holds none.

    A reply that writes the whole function gets the imports and helpers that stand before it in the question; one that continues
    the question, as base models do, is put behind it.
    """
    name, question = item["reference"], str(item["question"])
    code = program(text, cut=cut, unfenced=True)
    if code is not None and _defines(code, name):
        before = question.partition(f"def {name}(")[0] if f"def {name}(" in question else ""
        return f"{before}\n{code}" if before.strip() and _parses(before) else code
    if f"def {name}(" not in question:
        return None
    ends = [place for mark in _NEXT if (place := text.find(mark)) >= 0]
    body = text[: min(ends, default=len(text))]
    for continued in (body, textwrap.indent(textwrap.dedent(body), "    ")):
        if body.strip() and _parses(question + continued):
            return question + continued
    return None


def _defines(code: str, name: str) -> bool:
    tree = _tree(code)
    return tree is not None and any(
        isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name for node in tree.body
    )


def _parses(code: str) -> bool:
    return _tree(code) is not None


def _tree(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
