"""Multiple choice: the answer is a letter, or an option's own words or value."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge, extract
from tasks.sandbox import Sandbox

prompt = "solve_choice"
_LETTER = re.compile(r"\W*(?:option\s+|text\W+)?([A-J])(?:\W.*)?", re.DOTALL | re.IGNORECASE)


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"], "options": list(item["options"])}


def bare(item: Mapping[str, Any]) -> str:
    listed = [f"{chr(65 + i)}) {option}" for i, option in enumerate(item["options"])]
    return "\n".join([str(item["question"]), *listed])


def answers(
    items: Sequence[Mapping[str, Any]], texts: Sequence[str], *, judge: Judge, sandbox: Sandbox | None
) -> list[str | None]:
    """A letter of the item's, or None; words and values are looked for among the options."""
    found: list[str | None] = []
    looked_up: list[tuple[int, list[str], str]] = []
    for i, (item, text) in enumerate(zip(items, texts, strict=True)):
        said = extract(text, item["language"])
        letter = _LETTER.fullmatch(said.answer) if said else None
        if letter and ord(letter[1].upper()) - 65 < len(item["options"]):
            found.append(letter[1].upper())
            continue
        found.append(None)
        if said:
            looked_up.append((i, item["options"], said.answer))
    pairs = [(value, option) for _, options, value in looked_up for option in options]
    verdicts = iter(judge.equal(pairs))
    for i, options, value in looked_up:
        # every option's verdict is taken from the stream, whatever the first says
        same = [next(verdicts) == "equal" or value.strip() == option for option in options]
        found[i] = chr(65 + same.index(True)) if sum(same) == 1 else None
    return found


def right(items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge) -> list[bool]:
    return [answer == item["reference"] for item, answer in zip(items, answers, strict=True)]
