"""Multiple choice: the answer is a letter, several letters, or the words or value of an option.

tasks/answers/choices.py decides which option an answer names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.answers import Judge, extract
from tasks.answers.choices import Choice, are_letters, as_letters
from tasks.sandbox import Sandbox

prompt = "solve_choice"


def shown(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": item["question"], "options": list(item["options"])}


def bare(item: Mapping[str, Any]) -> str:
    listed = [f"{chr(65 + i)}) {option}" for i, option in enumerate(item["options"])]
    return "\n".join([str(item["question"]), *listed])


def answers(
    items: Sequence[Mapping[str, Any]],
    texts: Sequence[str],
    *,
    cut: Sequence[bool],
    judge: Judge,
    sandbox: Sandbox | None,
) -> list[str | None]:
    """Return a letter of an option per item (several if the reference has several), or None. Words and values are compared
    with the options; an answer that matches no option and could not be compared with the right one is returned unchanged."""
    letters: list[str | None] = [None] * len(items)
    stated: dict[int, Choice] = {}
    for i, (item, text, short) in enumerate(zip(items, texts, cut, strict=True)):
        extracted = extract(text, item["language"], cut=short)
        if extracted:
            stated[i] = Choice(extracted.answer, tuple(item["options"]), item["reference"])
    for i, letter in zip(stated, as_letters(list(stated.values()), judge), strict=True):
        letters[i] = letter
    return letters


def right(
    items: Sequence[Mapping[str, Any]], answers: Sequence[str | None], *, judge: Judge
) -> list[bool | None]:
    """Return whether the letters are those of the reference. A reference that is a value is compared with the options.

    The result is None if it is unknown: the answer is not a letter, or the option cannot be compared with the reference and
    no other option is known to equal it.
    """
    results: list[bool | None] = []
    by_value: list[int] = []
    for i, (item, answer) in enumerate(zip(items, answers, strict=True)):
        if answer is not None and not are_letters(answer, item["options"]):
            results.append(None)
            continue
        results.append(answer is not None and answer == item["reference"])
        if answer is not None and len(answer) == 1 and not are_letters(item["reference"], item["options"]):
            by_value.append(i)
    pairs = [(option, items[i]["reference"]) for i in by_value for option in items[i]["options"]]
    judged = iter(judge.equal(pairs))
    for i in by_value:
        compared = [next(judged) for _ in items[i]["options"]]
        chosen = compared[ord(answers[i] or "A") - 65]
        if chosen == "unknown" and "equal" not in compared:
            results[i] = None
        else:
            results[i] = chosen == "equal"
    return results
