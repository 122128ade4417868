"""The shapes of benchmark items that the modules of tasks.evaluation.benchmarks and the usual conventions build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storage.counting import counted
from tasks.ingestion.options import Options, letter_of
from tasks.ingestion.values import Unfit


def choice(question: str, options: Options, reference: str | None) -> dict[str, Any]:
    """Return a question with options. The reference is a letter, several letters, or a value that the judge compares with the
    options. Raises Unfit if it is a letter that no option has."""
    if (
        reference is not None
        and len(reference) == 1
        and reference.isalpha()
        and letter_of(options, reference) is None
    ):
        raise Unfit(f"the answer is {reference.upper()}, but there are {counted(len(options), 'option')}")
    return {"form": "choice", "question": question, "options": list(options.texts), "reference": reference}


def numbered_choice(question: str, texts: object, place: object, *, first: int = 0) -> dict[str, Any]:
    """Return a question whose right option is named by its number, counted from `first`. Without a number there is no trusted
    answer. Raises Unfit if the options are no texts or have no such number."""
    if (
        not isinstance(texts, (list, tuple))
        or len(texts) < 2
        or not all(isinstance(one, str) for one in texts)
    ):
        raise Unfit("the options are no list of two or more texts")
    given = str(place).strip() if place is not None else ""
    if not given:
        return {"form": "choice", "question": question, "options": list(texts), "reference": None}
    if not given.isdecimal() or not 0 <= int(given) - first < len(texts):
        raise Unfit(f"the answer is {given}, but there are {counted(len(texts), 'option')}")
    reference = chr(65 + int(given) - first)
    return {"form": "choice", "question": question, "options": list(texts), "reference": reference}


def free(question: str, reference: str | None) -> dict[str, Any]:
    """Return a question with a free answer, which the judge compares by its value."""
    return {"form": "open", "question": question, "reference": reference}


def phrase(question: str, accepted: Sequence[str]) -> dict[str, Any]:
    """Return a question whose answer is a short text, any of `accepted`."""
    texts = [text for text in accepted if text.strip()]
    return {
        "form": "phrase",
        "question": question,
        "reference": texts[0] if texts else None,
        "accepted": texts,
    }


def text_of(record: dict[str, Any], *names: str) -> str:
    """Return the first of these fields that holds a text. Raises Unfit if none does."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
    raise Unfit(f"no {' or '.join(names)}")
